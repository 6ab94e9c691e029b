"""What a decision tells: every part of every score by name, and why a way is out."""

from dataclasses import replace

import pytest

from .lessons import history, taught
from .routes import (
    FIXED,
    IN_BOTH_MODES,
    MEDIA,
    POLICY,
    SMS,
    WHATSAPP,
    attempt,
    message,
    option,
    route,
    siblings,
)


def told(policy, **given):
    asked = message(preferred_channel=WHATSAPP)
    options = [*siblings(WHATSAPP, "a", "b"), replace(option(SMS), wait=3.0)]
    return route(asked, [attempt(WHATSAPP, "a")], options, policy, **given).as_json()


def test_by_the_configuration_it_tells_every_part():
    ranked = told(FIXED)["ranked"]
    assert [(o["channel"], o["provider"]) for o in ranked] == [
        ("WhatsApp", "b"),
        ("WhatsApp", "a"),
        ("SMS", "main"),
    ]
    b, a, sms = (o["parts"] for o in ranked)
    assert b == {
        "preferred": 2500,
        "underway": 1000,
        "order": -0.1,
        "cost": pytest.approx(-0.05 * 0.005 / 0.0083, abs=1e-6),
    }
    assert a == {**b, "turn": -0.01}
    assert sms == {"mapped": 1.0, "cost": -0.05, "wait": -0.6}


def test_by_evidence_it_tells_every_factor():
    learned = taught(*history(0.9, WHATSAPP), *history(0.0, WHATSAPP, 9, provider="a", over=9))
    ranked = {
        (o["channel"], o["provider"]): o["parts"] for o in told(POLICY, learned=learned)["ranked"]
    }
    factors = {"reach", "rate", "others", "cost", "balance"}
    bound = {"preferred", "underway"}
    assert set(ranked["WhatsApp", "b"]) == factors | bound
    assert set(ranked["WhatsApp", "a"]) == factors | bound | {"health", "turn"}
    assert ranked["WhatsApp", "a"]["turn"] == -25
    assert set(ranked["SMS", "main"]) == factors
    by_hand = told(POLICY)["ranked"][-1]["parts"]
    assert by_hand["rate"] == pytest.approx(-0.036212, abs=1e-6)  # log10 of 0.92
    assert MEDIA[SMS].reliability == 0.92


def test_of_what_is_unproven_it_tells_the_parts_of_the_configuration():
    ranked = told(POLICY)["ranked"]
    assert [o["provider"] for o in ranked] == ["b", "a", "main"]
    assert ranked[0]["parts"] == {
        "preferred": 2500,
        "underway": 1000,
        "unproven": -100,
        "order": -0.1,
        "cost": pytest.approx(-0.05 * 0.005 / 0.0083, abs=1e-6),
    }
    assert ranked[1]["parts"] == {**ranked[0]["parts"], "turn": -0.01}


@IN_BOTH_MODES
def test_what_is_left_out_says_why_and_has_no_score(policy):
    decision = route(message(email=None), policy=policy).as_json()
    assert decision["excluded"] == [
        {"channel": "Email", "provider": "main", "score": None, "parts": {}, "out": "no email"}
        | {"cost": 0.0009, "segments": 1}
    ]
    assert all(o["out"] is None for o in decision["ranked"])
