"""What is wrong is refused with the right status and the field's name, and nothing is half done."""

import json

import pytest

PHONE = {"phone_number": "+447700900099"}
MESSAGE = {**PHONE, "content": "x"}
CHECK = {**PHONE, "code": "123456"}
DEEP = "[" * 70 + "]" * 70
VERY_DEEP = '{"a":' * 100_000
BIG = str(2**63)
HUGE = "9" * 5000

SENDS = {
    "/send-otp": PHONE,
    "/send-message": MESSAGE,
    "/verify-otp": CHECK,
    "/send-bulk": {"messages": [MESSAGE]},
    "/messages/search": PHONE,
    "/route/explain": MESSAGE,
}
READ_ONLY = {"/verify-otp", "/messages/search", "/route/explain"}
EVERY = list(SENDS)


@pytest.fixture(autouse=True)
def nothing_taken(agent):
    """No refused request leaves a trace in the store."""
    before = agent.metrics()["database_stats"]["total"]
    yield
    assert agent.metrics()["database_stats"]["total"] == before


def refused(answer, status: int, *loc: str | int) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    told = answer.json
    assert told["status"] == status
    assert told["title"]
    assert told["code"]
    assert told["permanent"] is True
    if status == 422:
        assert list(loc) in [e["loc"] for e in told["errors"]], told
        assert all(e["msg"] for e in told["errors"])
    return told


def raw(client, path: str, body: str | bytes, content_type: str | None = "application/json"):
    return client.post(path, data=body, content_type=content_type)


# ---------------------------------------------------------------- what is no JSON, at every call


@pytest.mark.parametrize("path", [*EVERY, "/messages/m/cancel", "/verifications/v/cancel"])
@pytest.mark.parametrize(
    "body",
    [
        "{",
        '{"a": 1,}',
        "{'a': 1}",
        '{"a": 1} x',
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 2}}',
        '{"a": "\\x"}',
        '{"a": "tab\tin text"}',
        f'{{"a": {DEEP}}}',
        VERY_DEEP,
        f'{{"b": {BIG}, "a": {VERY_DEEP}',
        b"\xff\xfe{\x00}\x00",
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        "NaN",
    ],
    ids=range(19),
)
def test_what_is_no_json_is_malformed(client, path, body):
    assert refused(raw(client, path, body), 400)["code"] == "malformed"


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("body", ["", "  \n"])
def test_an_empty_body_is_malformed(client, path, body):
    assert "empty" in refused(raw(client, path, body), 400)["detail"]


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("body", ["[]", "null", "3", '"text"', "true", "[{}]"])
def test_a_body_that_is_no_object(client, path, body):
    refused(raw(client, path, body), 422)


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json; charset=utf-16",
        "application/jsonx",
    ],
)
def test_another_content_type(client, path, content_type):
    body = json.dumps(SENDS[path])
    assert "JSON" in refused(raw(client, path, body, content_type), 415)["detail"]


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", "Application/JSON"])
def test_the_same_content_type_spelled_otherwise(client, content_type):
    assert raw(client, "/messages/search", "{}", content_type).status_code == 200


def test_a_compressed_body(client):
    answer = client.post("/send-otp", json=PHONE, headers={"Content-Encoding": "gzip"})
    refused(answer, 415)


@pytest.mark.parametrize("path", EVERY)
def test_a_body_over_the_bound(client, path):
    body = json.dumps({**SENDS[path], "user_id": "x" * 2_000_000})
    assert refused(raw(client, path, body), 413)["code"] == "too_large"


# ---------------------------------------------------------------- what no field can hold


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("number", [BIG, f"-{2**63 + 1}", HUGE, "1e400", "-1e400"])
def test_a_number_beyond_64_bits(client, path, number):
    body = f'{{"metadata": {{"n": {number}}}}}'
    told = refused(raw(client, path, body), 422, "metadata", "n")
    assert "64 bits" in told["detail"]
    assert "9999" not in told["detail"]


@pytest.mark.parametrize("path", EVERY)
def test_a_lone_surrogate(client, path):
    refused(raw(client, path, '{"phone_number": "+44\\ud800"}'), 422, "phone_number")
    refused(raw(client, path, '{"a": [{"b": "\\uDFFF"}]}'), 422, "a", 0, "b")
    refused(raw(client, path, '{"\\ud800": 1}'), 422, "?")


def test_a_pair_of_surrogates_is_a_character(client):
    body = '{"reference": "\\ud83d\\ude00"}'
    assert raw(client, "/messages/search", body).status_code == 200


# ---------------------------------------------------------------- fields


FIELDS = [
    # every call with an address
    *[
        (path, {"phone_number": bad}, "phone_number")
        for path in ("/send-otp", "/send-message", "/verify-otp", "/route/explain")
        for bad in (
            447700900001,
            True,
            [],
            {},
            ["+447700900001"],
            "nonsense",
            "+1",
            "+44 7700 9000011111",
            "+999999999999",
            "12345678901234567890",
            "+44770090000\u0000",
            "+447700\n900001",
            "+4" * 30,
            "+19005550100",
            "+449098790000",
            "+979123456789",
        )
    ],
    *[
        (path, {"phone_number": None, "email": bad}, "email")
        for path in ("/send-otp", "/send-message", "/verify-otp")
        for bad in (
            3,
            "ada",
            "ada@",
            "@example.org",
            "a b@example.org",
            "a@b\r\nBcc: c@d",
            "x" * 300,
        )
    ],
    # what is sent
    *[("/send-message", {"content": bad}, "content") for bad in (3, [], {}, "", "x" * 10_001)],
    *[("/send-message", {"content": f"a{chr(c)}b"}, "content") for c in (0, 7, 27)],
    *[
        (path, {name: bad}, name)
        for path in ("/send-otp", "/send-message")
        for name, bad in (
            ("priority", "URGENT"),
            ("priority", 1),
            ("preferred_channel", "Pigeon"),
            ("preferred_channel", ["SMS"]),
            ("message_type", "letter"),
            ("message_type", None),
            ("user_id", 5),
            ("user_id", "x" * 201),
            ("reference", "a\nb"),
            ("metadata", "text"),
            ("metadata", []),
            ("metadata", {str(i): i for i in range(51)}),
            ("no_such_field", 1),
        )
    ],
    ("/send-otp", {"content": "my own text"}, "content"),
    ("/send-otp", {"ttl_seconds": 9}, "ttl_seconds"),
    ("/send-otp", {"ttl_seconds": 601}, "ttl_seconds"),
    ("/send-otp", {"ttl_seconds": "60"}, "ttl_seconds"),
    ("/send-otp", {"ttl_seconds": True}, "ttl_seconds"),
    ("/send-otp", {"ttl_seconds": 60.5}, "ttl_seconds"),
    ("/send-otp", {"code_length": 3}, "code_length"),
    ("/send-otp", {"code_length": 11}, "code_length"),
    ("/send-otp", {"purpose": ""}, "purpose"),
    ("/send-otp", {"purpose": "x" * 65}, "purpose"),
    ("/send-message", {"scheduled_for": "tomorrow"}, "scheduled_for"),
    ("/send-message", {"scheduled_for": 1_900_000_000}, "scheduled_for"),
    ("/send-message", {"scheduled_for": "1900000000"}, "scheduled_for"),
    ("/send-message", {"scheduled_for": "2030-02-30T10:00:00Z"}, "scheduled_for"),
    ("/send-message", {"scheduled_for": "9999-12-31T23:59:59Z"}, "scheduled_for"),
    ("/send-message", {"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
    ("/send-message", {"timezone": "Moon/Crater"}, "timezone"),
    ("/send-message", {"timezone": "../etc/passwd"}, "timezone"),
    ("/send-message", {"subject": "a\r\nBcc: b@example.com"}, "subject"),
    # what is checked
    *[
        ("/verify-otp", {"code": bad}, "code")
        for bad in (
            123456,
            None,
            "",
            "12345x",
            "123",
            "12345678901",
            "\u0661\u0662\u0663\u0664\u0665\u0666",
            "\uff11\uff12\uff13\uff14\uff15\uff16",
            "12 34 56",
            "1" * 10_000,
            ["123456"],
        )
    ],
    ("/verify-otp", {"phone_number": None, "verification_id": 5}, "verification_id"),
    ("/verify-otp", {"phone_number": None, "verification_id": "x" * 65}, "verification_id"),
    # what is searched
    ("/messages/search", {"status": "lost"}, "status"),
    ("/messages/search", {"channel": "Fax"}, "channel"),
    ("/messages/search", {"limit": 0}, "limit"),
    ("/messages/search", {"limit": 201}, "limit"),
    ("/messages/search", {"limit": "5"}, "limit"),
    ("/messages/search", {"since": "yesterday"}, "since"),
    ("/messages/search", {"phone_number": "nonsense"}, "phone_number"),
    ("/messages/search", {"to": "+447700900001"}, "to"),
    # what comes together
    ("/send-bulk", {"messages": None}, "messages"),
    ("/send-bulk", {"messages": {}}, "messages"),
    ("/send-bulk", {"messages": "text"}, "messages"),
    ("/send-bulk", {"messages": []}, "messages"),
    ("/send-bulk", {"messages": [{}] * 10_001}, "messages"),
    ("/send-bulk", {"rows": []}, "rows"),
]


@pytest.mark.parametrize(("path", "change", "field"), FIELDS, ids=range(len(FIELDS)))
def test_a_wrong_field_is_named_and_its_value_is_not(client, path, change, field):
    told = refused(client.post(path, json={**SENDS[path], **change}), 422, field)
    for value in change.values():
        if isinstance(value, str) and len(value) > 8:
            assert value not in json.dumps(told)


@pytest.mark.parametrize(
    ("path", "body", "loc"),
    [
        ("/send-otp", {}, []),
        ("/send-otp", {**PHONE, "message_type": "alert"}, []),
        ("/send-message", PHONE, []),
        ("/send-message", {"content": "x"}, []),
        ("/send-message", {**MESSAGE, "content": "   "}, []),
        ("/send-message", {**MESSAGE, "ttl_seconds": 60}, []),
        ("/send-message", {**MESSAGE, "message_type": "otp"}, []),
        ("/send-bulk", {}, ["messages"]),
        ("/verify-otp", {"code": "123456"}, []),
        ("/verify-otp", PHONE, ["code"]),
        ("/verify-otp", {**CHECK, "email": "ada@example.com"}, []),
        ("/verify-otp", {"verification_id": "ver_1", "purpose": "x", "code": "123456"}, []),
    ],
)
def test_what_is_missing_or_does_not_go_together(client, path, body, loc):
    refused(client.post(path, json=body), 422, *loc)


@pytest.mark.parametrize("bad", [[], {}, "x" * 501, "\u0000"])
def test_a_value_of_metadata_is_named_once(client, bad):
    told = refused(
        client.post("/send-message", json={**MESSAGE, "metadata": {"k": bad}}), 422, "metadata", "k"
    )
    assert len(told["errors"]) == 1


@pytest.mark.parametrize(
    ("field", "allowed"),
    [
        ("priority", "CRITICAL, HIGH, MEDIUM, LOW"),
        ("preferred_channel", "SMS, WhatsApp, Call, Email"),
        ("message_type", "otp, notification, alert, reminder, marketing"),
    ],
)
def test_what_is_allowed_is_said(client, field, allowed):
    told = refused(client.post("/send-message", json={**MESSAGE, field: "?"}), 422, field)
    assert allowed in told["errors"][0]["msg"]


def test_every_fault_is_named_at_once(client):
    body = {**MESSAGE, "priority": "?", "user_id": 3, "no_such_field": 1}
    told = refused(client.post("/send-message", json=body), 422, "priority")
    assert {e["loc"][0] for e in told["errors"]} == {"priority", "user_id", "no_such_field"}


# ---------------------------------------------------------------- addresses and ids


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=lost", "status"),
        ("limit=x", "limit"),
        ("limit=0", "limit"),
        ("limit=1&limit=2", "limit"),
        ("since=yesterday", "since"),
        ("since=1900000000", "since"),
        ("phone_number=%2B447700900001", "phone_number"),
        ("user_id=u", "user_id"),
        ("reference=%00", "reference"),
        ("nonsense=1", "nonsense"),
        ("cursor=x", "cursor"),
        ("cursor=42", "cursor"),
    ],
)
def test_a_bad_filter(client, query, field):
    refused(client.get(f"/messages?{query}"), 422, field)


@pytest.mark.parametrize("query", ["reference=%ff", "reference=%ed%a0%80", "cursor=x", "cursor='"])
def test_an_odd_filter_is_no_fault_of_ours(client, query):
    assert client.get(f"/messages?{query}").status_code in (200, 422)


@pytest.mark.parametrize("kind", ["messages", "batches", "verifications"])
@pytest.mark.parametrize(
    "name",
    ["x", "msg_0", "%00", "%ff", "..%2f", "a%20b", "x" * 5000, "'%20or%201=1", "%f0%9f%98%80"],
)
def test_an_id_that_nothing_has(client, kind, name):
    assert refused(client.get(f"/{kind}/{name}"), 404)["code"] == "not_found"
    if kind != "batches":
        assert refused(client.post(f"/{kind}/{name}/cancel"), 404)["code"] == "not_found"


def test_a_call_without_a_body_takes_none(client):
    refused(client.post("/messages/x/cancel", json={"force": True}), 422, "force")
    refused(client.post("/messages/x/cancel", json={}), 404)


@pytest.mark.parametrize("path", [*EVERY, "/messages/x/cancel"])
def test_another_method_names_the_right_one(client, path):
    for method in ("PUT", "DELETE", "PATCH"):
        answer = client.open(path, method=method)
        assert refused(answer, 405)["code"] == "method_not_allowed"
        assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


@pytest.mark.parametrize("path", ["/nothing", "/send-otp/", "/health//", "/messages//", "/static/"])
def test_an_address_that_does_not_exist(client, path):
    refused(client.get(path), 404)


@pytest.mark.parametrize("path", ["/docs/assets/../../plugins.py", "/static/../__init__.py"])
def test_a_path_out_of_the_assets(client, path):
    refused(client.get(path), 404)
