"""What the router learned, over HTTP: an agent that sends nothing, taught here."""

import time
from datetime import datetime

import pytest

from otp_messaging_agent import IntelligentOTPAgent, StoreUnavailable
from otp_messaging_agent.flow.lesson import Kind, Lesson, place_of
from otp_messaging_agent.message import Channel
from otp_messaging_agent.web import create_app

from .conftest import CONFIG

PHONE = "+447700900001"
EXPECTED = {"reach", "rate", "health", "trust", "success", "latency_seconds", "trials"}
NOW_FREE = {"price", "resting_seconds", "waiting_seconds"}


@pytest.fixture
def agent(tmp_path, monkeypatch):
    with IntelligentOTPAgent(CONFIG, tmp_path / "data") as made:
        for name in ("failures", "receipts", "silences", "codes"):
            monkeypatch.setattr(made._parts.store, name, lambda *_: [], raising=False)
        yield made


@pytest.fixture
def app(agent):
    return create_app(agent)


@pytest.fixture
def taught(agent):
    for kind, channel in [(Kind.ARRIVED, Channel.SMS), (Kind.FAILED, Channel.CALL)]:
        for _ in range(30):
            lesson = Lesson(channel, "sandbox", place_of(PHONE), kind, time.time(), None)
            agent._parts.ways.learned.add(lesson)


def test_nothing_was_learned(client):
    told = client.get("/routing")
    assert told.status_code == 200
    assert told.json["mode"] == "adaptive"
    assert told.json["countries"] == []
    as_of = datetime.fromisoformat(told.json["as_of"]).timestamp()
    assert told.json["as_of"].endswith("Z")
    assert as_of == pytest.approx(time.time(), abs=60)


def test_what_was_learned_is_told_by_country(client, taught):
    (britain,) = client.get("/routing").json["countries"]
    assert set(britain) == {"country", "ways", "chooses"}
    assert britain["country"] == "GB"
    assert [w["channel"] for w in britain["ways"]] == ["SMS", "WhatsApp", "Call", "Email"]
    assert all(set(w) == {"channel", "provider"} | EXPECTED | NOW_FREE for w in britain["ways"])
    sms, whatsapp, call, _ = britain["ways"]
    assert sms["trials"] == pytest.approx(30, abs=0.1)
    assert whatsapp["trials"] == 0
    assert call["success"] < 0.5 < sms["success"]
    assert list(britain["chooses"]) == ["CRITICAL", "HIGH", "MEDIUM", "LOW"]
    assert britain["chooses"]["HIGH"] == {"channel": "SMS", "provider": "sandbox"}
    assert britain["chooses"]["CRITICAL"]["channel"] == "SMS"  # calls fail


def test_an_explanation_says_what_is_expected_and_what_ranked(client, taught):
    body = {"phone_number": PHONE, "content": "x", "priority": "CRITICAL"}
    told = client.post("/route/explain", json=body).json
    assert told["mode"] == "adaptive"
    assert told["ranked"][0]["channel"] == "SMS"
    for way in told["ranked"]:
        assert set(way["estimate"]) == EXPECTED
        assert sum(way["parts"].values()) == pytest.approx(way["score"], abs=1e-5)
    assert [w["estimate"] for w in told["excluded"]] == [None]
    call = next(w for w in told["ranked"] if w["channel"] == "Call")
    assert call["parts"]["failing"] < 0


@pytest.mark.parametrize("query", ["country=GB", "limit=1", "%00=1"])
def test_a_filter_that_does_not_exist_is_named(client, query):
    refused = client.get(f"/routing?{query}")
    assert (refused.status_code, refused.json["code"]) == (422, "invalid_request")
    assert refused.json["errors"]


def test_another_method_names_the_right_one(client):
    refused = client.post("/routing", json={})
    assert (refused.status_code, refused.json["code"]) == (405, "method_not_allowed")
    assert "GET" in refused.headers["Allow"]


@pytest.mark.parametrize("path", ["/routing", "/route/explain"])
def test_a_store_that_does_not_answer_is_told(client, agent, monkeypatch, path):
    def away(*_):
        raise StoreUnavailable

    monkeypatch.setattr(agent._parts.store, "receipts", away)
    body = {"phone_number": PHONE, "content": "x"}
    refused = client.get(path) if path == "/routing" else client.post(path, json=body)
    assert (refused.status_code, refused.json["code"]) == (503, "store_unavailable")
    assert refused.headers["Retry-After"]
