"""Vendors call back over HTTP: signed receipts and replies are heard, the rest is refused."""

import base64
import hashlib
import hmac
from urllib.parse import urlencode

import pytest

from otp_messaging_agent import IntelligentOTPAgent
from otp_messaging_agent.web import create_app
from tests.simulators.twilio import ACCOUNT, TOKEN, TwilioSimulator
from tests.until import until

PUBLIC = "https://otp.example.com/in"
TO = "+447700900301"


@pytest.fixture(scope="module")
def sim():
    with TwilioSimulator() as sim:
        yield sim


@pytest.fixture(scope="module")
def agent(sim, tmp_path_factory):
    account = {"provider": "twilio", "account_sid": ACCOUNT, "auth_token": TOKEN}
    way = {"api_config": {**account, "from_number": "+15005550006", "base_url": sim.url}}
    config = {
        "channels": {"SMS": way, "Call": way},
        "server": {"public_base_url": PUBLIC, "max_body_bytes": 100_000},
    }
    with IntelligentOTPAgent(config, tmp_path_factory.mktemp("hooks") / "data") as made:
        made.start_processing()
        yield made


@pytest.fixture(scope="module")
def client(agent):
    # as through a proxy that takes the prefix away and says so
    return create_app(agent).test_client()


def signed(path, form, token=TOKEN, query=""):
    """Return the arguments of a POST as Twilio makes it."""
    url = f"{PUBLIC}{path}{query}"
    told = url + "".join(k + v for k, v in sorted(form.items()))
    mac = hmac.new(token.encode(), told.encode(), hashlib.sha1).digest()
    return {
        "path": path + query,
        "data": urlencode(form),
        "headers": {
            "X-Twilio-Signature": base64.b64encode(mac).decode(),
            "X-Forwarded-For": "192.0.2.7",
            "Host": "otp.example.com",
        },
        "content_type": "application/x-www-form-urlencoded",
        "environ_overrides": {"REMOTE_ADDR": "192.0.2.7"},
    }


def sent(agent, sim, number=TO, **fields):
    asked = {"phone_number": number, "content": "hello", "preferred_channel": "SMS", **fields}
    made = agent.send_bulk([asked]).results[0].message_id
    until(lambda: agent.get_message(made).status == "sent")
    return made, agent.get_message(made).attempts[-1].provider_message_id


def test_a_signed_receipt_is_joined(agent, sim, client):
    made, sid = sent(agent, sim)
    asked = sim.accepted[-1]["form"]["StatusCallback"]
    assert asked.startswith(f"{PUBLIC}/webhooks/twilio/status?")
    form = {"MessageSid": sid, "MessageStatus": "delivered", "AccountSid": ACCOUNT}
    query = asked.removeprefix(f"{PUBLIC}/webhooks/twilio/status")
    answer = client.post(**signed("/webhooks/twilio/status", form, query=query))
    assert (answer.status_code, answer.text) == (200, "")
    assert agent.get_message(made).status == "delivered"


def test_a_forged_one_is_refused_and_counted(agent, sim, client):
    made, sid = sent(agent, sim)
    before = agent.metrics()["webhooks"]["forged"]
    form = {"MessageSid": sid, "MessageStatus": "delivered", "AccountSid": ACCOUNT}
    answer = client.post(**signed("/webhooks/twilio/status", form, token="another"))
    assert (answer.status_code, answer.json["code"]) == (403, "bad_signature")
    assert agent.metrics()["webhooks"]["forged"] == before + 1
    assert agent.get_message(made).status == "sent"


def test_the_host_of_the_request_makes_no_signature_right(agent, sim, client):
    _, sid = sent(agent, sim)
    form = {"MessageSid": sid, "MessageStatus": "delivered", "AccountSid": ACCOUNT}
    forged = signed("/webhooks/twilio/status", form)
    url = "https://attacker.example/webhooks/twilio/status"
    told = url + "".join(k + v for k, v in sorted(form.items()))
    mac = hmac.new(TOKEN.encode(), told.encode(), hashlib.sha1).digest()
    forged["headers"] |= {
        "X-Twilio-Signature": base64.b64encode(mac).decode(),
        "Host": "attacker.example",
        "X-Forwarded-Host": "attacker.example",
    }
    assert client.post(**forged).status_code == 403


def test_an_id_nobody_knows_is_answered_and_waits(agent, client):
    form = {"MessageSid": "SM" + "f" * 32, "MessageStatus": "delivered", "AccountSid": ACCOUNT}
    assert client.post(**signed("/webhooks/twilio/status", form)).status_code == 200


@pytest.mark.parametrize("path", ["/webhooks/twilio/inbound", "/webhooks/twilio/status"])
def test_stop_is_heard_on_either_path(agent, sim, client, path):
    number = "+447700900311" if path.endswith("inbound") else "+447700900312"
    form = {
        "MessageSid": f"SM{number[-2:]}{'a' * 30}",
        "From": number,
        "To": "+15005550006",
        "Body": " Stop ",
        "AccountSid": ACCOUNT,
    }
    assert client.post(**signed(path, form)).status_code == 200
    stands = client.get("/opt-outs").json["opt_outs"][0]
    assert (stands["phone_number"], stands["channel"], stands["source"]) == (
        number,
        "SMS",
        "inbound",
    )
    assert client.get("/inbound").json["messages"][0]["text"] == " Stop "
    until(lambda: [e for e in sim.accepted if e["to"] == number])
    (confirmed,) = [e for e in sim.accepted if e["to"] == number]
    assert "START" in confirmed["body"]
    asked = {"phone_number": number, "content": "Sale!", "preferred_channel": "SMS"}
    explained = client.post("/route/explain", json=asked).json
    assert [(r["channel"], r["out"]) for r in explained["excluded"]] == [
        ("SMS", "the recipient has opted out")
    ]


def test_a_provider_that_is_not_configured_is_nothing(client):
    answer = client.post("/webhooks/nexmo/status", data=b"x")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_what_is_signed_and_cannot_be_read_is_malformed(client):
    answer = client.post(**signed("/webhooks/twilio/status", {"Nothing": "known"}))
    assert (answer.status_code, answer.json["code"]) == (400, "malformed")


def test_a_body_over_the_bound_is_refused(client):
    answer = client.post("/webhooks/twilio/status", data=b"x" * 200_000)
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
