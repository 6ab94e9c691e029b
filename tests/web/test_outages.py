"""Making the sandbox fail over HTTP, and what follows for messages."""

from datetime import UTC, datetime, timedelta

import pytest

from otp_messaging_agent import IntelligentOTPAgent
from otp_messaging_agent.web import create_app
from tests.until import until

SANDBOX = {"provider": "sandbox"}
MAIL = {"provider": "smtp", "host": "127.0.0.1", "from_address": "a@example.com"}
CONFIG = {
    "channels": {
        "SMS": {
            "api_config": {**SANDBOX, "name": "main"},
            "providers": [{**SANDBOX, "name": "backup"}],
        },
        "Call": {"api_config": {**SANDBOX, "name": "main"}},
        "Email": {"api_config": {**MAIL, "name": "post"}},
    },
    "retry_config": {"base_delay_seconds": 0.05},
}


@pytest.fixture
def client(tmp_path):
    with IntelligentOTPAgent(CONFIG, tmp_path / "data") as agent:
        yield create_app(agent).test_client()


def put(client, provider="main", **asked):
    return client.put(f"/sandbox/outages/{provider}", json={"mode": "reject", **asked})


def standing(client):
    return client.get("/sandbox/outages").json["outages"]


def minutes(outage):
    """Return how long it still is."""
    left = datetime.fromisoformat(outage["until"]) - datetime.now(UTC)
    return left / timedelta(minutes=1)


def test_an_outage_stands_as_it_was_asked_for(client):
    answer = put(client, mode="fail", share=0.25, channel="sms", minutes=30)
    assert answer.status_code == 200
    told = dict(answer.json)
    assert minutes(told) == pytest.approx(30, abs=1)
    del told["until"]
    assert told == {"provider": "main", "channel": "SMS", "mode": "fail", "share": 0.25}
    assert standing(client) == [answer.json]


def test_it_hits_everything_for_an_hour_unless_asked_otherwise(client):
    told = put(client).json
    assert (told["channel"], told["share"]) == (None, 1)
    assert minutes(told) == pytest.approx(60, abs=1)


def test_the_last_one_of_a_provider_and_channel_counts(client):
    put(client)
    put(client, "backup", mode="silent")
    put(client, channel="Call")
    last = put(client, mode="silent", minutes=0.1).json
    found = standing(client)
    assert [(o["provider"], o["channel"]) for o in found] == [
        ("backup", None),
        ("main", None),
        ("main", "Call"),
    ]
    assert found[1] == last


def test_it_is_taken_back_for_every_channel_once(client):
    put(client)
    put(client, channel="SMS")
    other = put(client, "backup").json
    gone = client.delete("/sandbox/outages/main")
    assert (gone.status_code, gone.data) == (204, b"")
    assert standing(client) == [other]
    again = client.delete("/sandbox/outages/main")
    assert (again.status_code, again.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", ["nobody", "post", "sandbox", "smtp", "Main"])
def test_only_a_provider_of_the_sandbox_can_be_made_to_fail(client, name):
    answer = put(client, name)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert standing(client) == []


@pytest.mark.parametrize(
    ("asked", "loc", "msg"),
    [
        ({"mode": "explode"}, ["mode"], "must be one of reject, fail, silent"),
        ({"mode": None}, ["mode"], "must be one of reject, fail, silent"),
        ({"share": 0}, ["share"], "must be greater than 0"),
        ({"share": 1.01}, ["share"], "must be at most 1"),
        ({"share": "1"}, ["share"], "number"),
        ({"channel": "Fax"}, ["channel"], "must be one of SMS, WhatsApp, Call, Email"),
        ({"channel": "Email"}, ["channel"], "on Call, SMS only"),
        ({"minutes": 0.09}, ["minutes"], "must be at least 0.1"),
        ({"minutes": 1440.1}, ["minutes"], "must be at most 1440"),
        ({"until": "2030-01-01"}, ["until"], "is not a known field"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(client, asked, loc, msg):
    answer = put(client, **asked)
    assert answer.status_code == 422
    (fault,) = answer.json["errors"]
    assert fault["loc"] == loc
    assert msg in fault["msg"]
    assert standing(client) == []


def test_a_mode_is_required(client):
    answer = client.put("/sandbox/outages/main", json={})
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"loc": ["mode"], "msg": "is required"}]


def test_a_message_goes_another_way(client):
    put(client, channel="SMS")
    put(client, "backup")
    client.application.extensions["agent"].start_processing()
    asked = {"phone_number": "+447700900501", "content": "hello", "preferred_channel": "SMS"}
    where = f"/messages/{client.post('/send-message', json=asked).json['message_id']}"
    until(lambda: client.get(where).json["status"] == "delivered")
    *failed, last = client.get(where).json["attempts"]
    assert {(a["channel"], a["error_code"]) for a in failed} == {("SMS", "provider_unavailable")}
    assert {a["provider"] for a in failed} == {"main", "backup"}
    assert (last["channel"], last["provider"], last["error_code"]) == ("Call", "main", None)
