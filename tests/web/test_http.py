"""Every call of the API, happily, and what each answer holds."""

from datetime import UTC, datetime, timedelta

import pytest

from otp_messaging_agent.errors import QueueFull
from tests.until import until

LATER = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def _post(client, path, body=None, **headers):
    return client.post(path, json={} if body is None else body, headers=headers)


def test_a_code_is_sent_and_checked_once(client, number, code_of):
    sent = _post(client, "/send-otp", {"phone_number": number, "user_id": "user123"})
    assert sent.status_code == 202
    assert set(sent.json) == {
        "message_id",
        "verification_id",
        "status",
        "expires_at",
        "next_resend_at",
        "attempts_remaining",
    }
    assert sent.json["status"] == "pending"
    assert sent.json["expires_at"].endswith("Z")
    code = code_of(number)
    assert code not in sent.text

    wrong = "000000" if code != "000000" else "111111"
    body = {"verification_id": sent.json["verification_id"], "code": wrong}
    missed = _post(client, "/verify-otp", body)
    assert missed.status_code == 200
    assert missed.json == {
        "verified": False,
        "status": "pending",
        "reason": "wrong_code",
        "attempts_remaining": sent.json["attempts_remaining"] - 1,
    }
    right = _post(client, "/verify-otp", {"phone_number": number, "code": code})
    assert right.json["verified"] is True
    assert right.json["status"] == "approved"
    assert right.json["reason"] is None
    again = _post(client, "/verify-otp", {"phone_number": number, "code": code})
    assert again.json["reason"] == "not_found"


def test_a_second_request_for_a_code_is_a_resend(client, number):
    first = _post(client, "/send-otp", {"phone_number": number}).json
    second = _post(client, "/send-otp", {"phone_number": number}).json
    assert second["verification_id"] == first["verification_id"]
    assert second["expires_at"] == first["expires_at"]
    assert second["message_id"] != first["message_id"]


def test_too_many_codes_say_when_the_next_is_free(client, number):
    for _ in range(5):
        assert _post(client, "/send-otp", {"phone_number": number}).status_code == 202
    refused = _post(client, "/send-otp", {"phone_number": number})
    assert refused.status_code == 429
    assert refused.mimetype == "application/problem+json"
    assert refused.json["code"] == "rate_limited"
    assert refused.json["permanent"] is False
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 600
    free = datetime.fromisoformat(refused.json["next_resend_at"])
    assert abs((free - datetime.now(UTC)).total_seconds() - wait) < 5


def test_an_otp_by_email(client, code_of):
    sent = _post(client, "/send-otp", {"email": "ada@example.com", "purpose": "payment"})
    assert sent.status_code == 202
    body = {"email": "ada@EXAMPLE.com", "purpose": "payment", "code": code_of("ada@example.com")}
    assert _post(client, "/verify-otp", body).json["verified"] is True


def test_the_guides_message(client, number):
    sent = _post(
        client,
        "/send-message",
        {
            "phone_number": number,
            "message_type": "notification",
            "content": "Your order #4711 has shipped! Track: ZX-88120-A",
            "priority": "MEDIUM",
            "preferred_channel": "WhatsApp",
        },
    )
    assert sent.status_code == 202
    assert sent.json["status"] == "accepted"

    def delivered():
        seen = client.get(f"/messages/{sent.json['message_id']}")
        assert seen.status_code == 200
        return seen.json if seen.json["status"] == "delivered" else None

    seen = until(delivered)
    (attempt,) = seen["attempts"]
    assert attempt["channel"] == "WhatsApp"
    assert attempt["outcome"] == "sent"
    assert attempt["receipt_status"] == "delivered"
    assert attempt["decision"]
    assert attempt["cost"] >= 0
    assert seen["phone_number"] == number
    assert seen["created_at"].endswith("Z")


def test_words_are_read_in_any_case(client, number):
    body = {"phone_number": number, "content": "Hi", "preferred_channel": "whatsapp"}
    sent = _post(client, "/send-message", {**body, "priority": "critical"})
    assert sent.status_code == 202
    seen = client.get(f"/messages/{sent.json['message_id']}").json
    assert (seen["preferred_channel"], seen["priority"]) == ("WhatsApp", "CRITICAL")


def test_bulk_takes_the_good_and_names_the_bad(client, number):
    rows = [
        {"phone_number": number, "content": "Hello!"},
        {"phone_number": "nonsense", "content": "Hello!"},
        "no object",
        {"phone_number": number, "message_type": "otp", "purpose": "bulk"},
    ]
    answer = _post(client, "/send-bulk", {"messages": rows})
    assert answer.status_code == 202
    assert (answer.json["accepted"], answer.json["rejected"]) == (2, 2)
    assert [r["index"] for r in answer.json["results"]] == [0, 1, 2, 3]
    taken = [bool(r.get("message_id")) for r in answer.json["results"]]
    assert taken == [True, False, False, True]
    assert answer.json["results"][1]["error"]["errors"][0]["loc"] == ["phone_number"]
    batch = client.get(f"/batches/{answer.json['batch_id']}")
    assert batch.status_code == 200
    assert (batch.json["accepted"], batch.json["rejected"]) == (2, 2)


def test_bulk_without_a_good_row_takes_nothing(client):
    answer = _post(client, "/send-bulk", {"messages": [{"content": "a"}, {"phone_number": "1"}]})
    assert answer.status_code == 422
    assert {tuple(e["loc"][:2]) for e in answer.json["errors"]} == {
        ("messages", 0),
        ("messages", 1),
    }


def test_lists_page_and_filter(client, number):
    made = [
        _post(
            client,
            "/send-message",
            {"phone_number": number, "content": "x", "reference": "page", "scheduled_for": LATER},
        ).json["message_id"]
        for _ in range(3)
    ]
    first = client.get("/messages?reference=page&limit=2").json
    rest = client.get(f"/messages?reference=page&limit=2&cursor={first['next_cursor']}").json
    seen = [m["message_id"] for m in first["messages"] + rest["messages"]]
    assert seen == made[::-1]
    found = _post(client, "/messages/search", {"phone_number": number, "status": "scheduled"})
    assert found.status_code == 200
    assert {m["message_id"] for m in found.json["messages"]} == set(made)
    assert client.get("/messages?reference=page&status=failed").json["messages"] == []


def test_a_waiting_message_can_be_canceled(client, number):
    body = {"phone_number": number, "content": "x", "scheduled_for": LATER}
    made = _post(client, "/send-message", body)
    assert made.json["status"] == "scheduled"
    canceled = client.post(f"/messages/{made.json['message_id']}/cancel")
    assert canceled.status_code == 200
    assert canceled.json["status"] == "canceled"


def test_a_sent_message_cannot_be_canceled(client, number):
    made = _post(client, "/send-message", {"phone_number": number, "content": "x"}).json
    where = f"/messages/{made['message_id']}"
    until(lambda: client.get(where).json["status"] == "delivered")
    refused = client.post(f"{where}/cancel")
    assert refused.status_code == 409
    assert refused.json["code"] == "conflict"


def test_a_verification_can_be_seen_and_canceled(client, number, code_of):
    sent = _post(client, "/send-otp", {"phone_number": number}).json
    code = code_of(number)
    where = f"/verifications/{sent['verification_id']}"
    seen = client.get(where)
    assert seen.status_code == 200
    assert seen.json["status"] == "pending"
    assert code not in seen.text
    canceled = client.post(f"{where}/cancel")
    assert canceled.json["status"] == "canceled"
    checked = _post(
        client, "/verify-otp", {"verification_id": seen.json["verification_id"], "code": code}
    )
    assert checked.json["verified"] is False


def test_explaining_sends_nothing(client, agent, number):
    before = agent.metrics()["database_stats"]["total"]
    body = {"phone_number": number, "content": "x", "message_type": "alert"}
    told = _post(client, "/route/explain", body)
    assert told.status_code == 200
    assert {s["channel"] for s in told.json["ranked"]} == {"SMS", "WhatsApp", "Call"}
    assert [s["channel"] for s in told.json["excluded"]] == ["Email"]
    assert told.json["excluded"][0]["out"]
    assert agent.metrics()["database_stats"]["total"] == before


def test_metrics_as_json(client):
    figures = client.get("/metrics")
    assert figures.mimetype == "application/json"
    assert {"queue_size", "channels", "queue", "latency", "cost", "alerts"} <= set(figures.json)
    assert {"total", "success_rate", "by_status"} <= set(figures.json["database_stats"])


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/json, text/plain;q=0.5", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("text/plain", "text/plain"),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1",
            "application/openmetrics-text",
        ),
    ],
)
def test_metrics_in_the_form_asked_for(client, accept, kind):
    figures = client.get("/metrics", headers={"Accept": accept})
    assert figures.mimetype == kind
    if kind != "application/json":
        assert "\notp_agent_queue_size " in figures.text
        assert 'otp_agent_queue_waiting{lane="CRITICAL"} ' in figures.text
        assert figures.text.count("# TYPE otp_agent_messages ") == 1


def test_health_and_ready(client):
    assert client.get("/health").json == {"status": "ok"}
    ready = client.get("/ready")
    assert ready.status_code == 200
    assert ready.json["ready"] is True
    assert ready.json["parts"]["store"] == "ok"


def test_not_ready_names_the_part(client, agent, monkeypatch):
    monkeypatch.setattr(agent, "ready", lambda: (False, {"store": "StoreUnavailable"}))
    refused = client.get("/ready")
    assert refused.status_code == 503
    assert refused.json["parts"] == {"store": "StoreUnavailable"}
    assert refused.json["code"] == "not_ready"
    assert int(refused.headers["Retry-After"]) >= 1


def test_the_inbox_as_json(client, number, code_of):
    _post(client, "/send-otp", {"phone_number": number})
    code_of(number)
    inbox = client.get("/sandbox", headers={"Accept": "application/json"})
    assert inbox.status_code == 200
    assert number in [m["to"] for m in inbox.json["messages"]]


def test_a_repeated_key_gets_the_first_answer(client, number):
    body = {"phone_number": number, "content": "once"}
    key = {"Idempotency-Key": f"once-{number}"}
    first = _post(client, "/send-message", body, **key)
    spaced = f'{{ "content":"once",\n "phone_number": "{number}" }}'
    again = client.post(
        "/send-message", data=spaced, headers={**key, "Content-Type": "application/json"}
    )
    assert (again.status_code, again.json) == (202, first.json)
    found = _post(client, "/messages/search", {"phone_number": number}).json["messages"]
    assert len(found) == 1
    other = _post(client, "/send-message", {**body, "content": "other"}, **key)
    assert other.status_code == 409
    assert other.json["code"] == "idempotency_key_reused"
    assert _post(client, "/send-otp", {"phone_number": number}, **key).status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\tb"])
@pytest.mark.parametrize("path", ["/send-message", "/messages/search", "/messages/m/cancel"])
def test_a_bad_key_is_refused(client, number, path, key):
    body = {"phone_number": number, "content": "x"} if path == "/send-message" else {}
    refused = client.post(
        path, json=body, headers={"Idempotency-Key": key.encode().decode("latin-1")}
    )
    assert (refused.status_code, refused.json["code"]) == (400, "malformed")
    assert "Idempotency-Key" in refused.json["detail"]


def test_a_full_queue_says_when_to_come_back(client, agent, number, monkeypatch):
    def full(*_, **__):
        msg = "1000000 messages wait already"
        raise QueueFull(msg, retry_after=0.2)

    monkeypatch.setattr(agent, "send_message", full)
    refused = _post(client, "/send-message", {"phone_number": number, "content": "x"})
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.json["permanent"] is False


def test_an_unexpected_error_shows_nothing_of_itself(client, agent, monkeypatch, caplog):
    def broken():
        msg = "secret of +447700900001"
        raise RuntimeError(msg)

    monkeypatch.setattr(agent, "metrics", broken)
    with caplog.at_level("ERROR"):
        refused = client.get("/metrics")
    assert refused.status_code == 500
    assert refused.mimetype == "application/problem+json"
    assert "secret" not in refused.text
    assert "RuntimeError" not in refused.text
    assert refused.headers["X-Request-Id"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "+447700900001" not in caplog.text


@pytest.mark.parametrize("path", ["/health", "/nothing", "/sandbox", "/docs", "/send-otp", "/"])
def test_every_answer_has_the_security_headers(client, path):
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers.getlist("Cache-Control") == ["no-store"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert len(headers["X-Request-Id"]) == 16


def test_request_ids_differ(client):
    assert len({client.get("/health").headers["X-Request-Id"] for _ in range(20)}) == 20
