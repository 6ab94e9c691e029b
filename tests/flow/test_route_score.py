"""A decision can be read and checked: limits that make a message wait, parts that add up."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otp_messaging_agent.flow.route import NO_TIME
from otp_messaging_agent.message import Channel, Outcome, Priority

from .routes import (
    ALL,
    CALL,
    EMAIL,
    MAPPING,
    MEDIA,
    NOW,
    POLICY,
    SMS,
    WHATSAPP,
    attempt,
    message,
    option,
    route,
    siblings,
    ways,
)

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def limited(channel, wait):
    return [replace(o, wait=wait) if o.channel is channel else o for o in ALL]


@pytest.mark.parametrize(
    ("priority", "stays", "leaves"),
    [
        (Priority.CRITICAL, 1.5, 2.0),
        (Priority.HIGH, 5.0, 6.0),
        (Priority.MEDIUM, 50.0, 59.0),
        (Priority.LOW, 60.0, None),
    ],
)
def test_how_long_a_limit_is_waited_for_goes_by_priority(priority, stays, leaves):
    mapped, asked = MAPPING[priority], message(priority=priority)
    assert ways(route(asked, options=limited(mapped, stays)))[0] is mapped
    if leaves is not None:
        assert ways(route(asked, options=limited(mapped, leaves)))[0] is not mapped


def test_a_preferred_channel_is_waited_for_however_long():
    asked = message(priority=Priority.CRITICAL, preferred_channel=SMS)
    assert ways(route(asked, options=limited(SMS, 60.0)))[0] is SMS


def test_a_retry_waits_for_its_own_channel():
    asked = message(priority=Priority.CRITICAL)
    assert ways(route(asked, [attempt(CALL)], limited(CALL, 60.0)))[0] is CALL


def test_where_every_channel_is_limited_the_soonest_serves_the_urgent():
    busy = [replace(o, wait=1.0 if o.channel is EMAIL else 60.0) for o in ALL]
    assert ways(route(message(priority=Priority.CRITICAL), options=busy))[0] is EMAIL


def test_evidence_of_what_arrives_counts():
    options = [option(WHATSAPP), option(CALL)]
    asked = message(priority=Priority.HIGH)
    assert ways(route(asked, options=options)) == [WHATSAPP, CALL]
    learned = {(WHATSAPP, "main"): 0.1, (CALL, "main"): 0.99}
    assert ways(route(asked, options=options, learned=learned)) == [CALL, WHATSAPP]


def test_a_decision_tells_every_part_by_name():
    asked = message(preferred_channel=WHATSAPP)
    tried = [attempt(WHATSAPP, "a")]
    options = [*siblings(WHATSAPP, "a", "b"), replace(option(SMS), wait=3.0)]
    told = route(asked, tried, options).as_json()
    assert [(o["channel"], o["provider"]) for o in told["ranked"]] == [
        ("WhatsApp", "b"),
        ("WhatsApp", "a"),
        ("SMS", "main"),
    ]
    b, a, sms = (o["parts"] for o in told["ranked"])
    assert b == {
        "preferred": 100,
        "underway": 50,
        "order": -0.1,
        "reliability": pytest.approx(0.2 * MEDIA[WHATSAPP].reliability),
        "cost": pytest.approx(-0.05 * 0.005 / 0.0083, abs=1e-6),
    }
    assert a == {**b, "turn": -0.01}
    assert sms == {"mapped": 1.0, "reliability": 0.19, "cost": -0.05, "wait": -0.6}


def test_what_is_left_out_says_why_and_has_no_score():
    told = route(message(email=None)).as_json()
    assert told["excluded"] == [
        {"channel": "Email", "provider": "main", "score": None, "parts": {}, "out": "no email"}
        | {"cost": 0.0009, "segments": 1}
    ]
    assert all(o["out"] is None for o in told["ranked"])


def test_free_channels_are_told_apart_without_dividing_by_nothing():
    free = [replace(o, cost=0.0) for o in ALL]
    assert ways(route(options=free))[0] is SMS
    assert ways(route(options=[])) == []


PROVIDERS = ["a", "b"]
OPTIONS = st.lists(st.sampled_from(list(Channel)), unique=True).flatmap(
    lambda channels: st.tuples(
        *(
            st.builds(
                lambda names, cost, wait, channel=c: [
                    replace(o, cost=cost, wait=wait) for o in siblings(channel, *names)
                ],
                st.sampled_from([["a"], ["a", "b"]]),
                st.floats(0, 10),
                st.floats(0, 60),
            )
            for c in channels
        )
    ).map(lambda groups: [o for group in groups for o in group])
)
ATTEMPTS = st.lists(
    st.builds(
        attempt,
        st.sampled_from(Channel),
        st.sampled_from(PROVIDERS),
        permanent=st.booleans(),
        scope=st.sampled_from(["channel", "provider"]),
        retry_after=st.none() | st.floats(0, 1000),
        outcome=st.sampled_from([Outcome.FAILED, Outcome.AMBIGUOUS]),
    ),
    max_size=8,
)
MESSAGES = st.builds(
    message,
    priority=st.sampled_from(Priority),
    phone_number=st.none() | st.just("+447700900001"),
    email=st.none() | st.just("ada@example.com"),
    preferred_channel=st.none() | st.sampled_from(Channel),
    expires_at=st.none() | st.floats(NOW, NOW + 1000),
    content=st.sampled_from(["x", "x" * 1200, "x" * 2000]),
)
LEARNED = st.dictionaries(
    st.tuples(st.sampled_from(Channel), st.sampled_from(PROVIDERS)), st.floats(0, 1)
)


def why_not(asked, tried, way):
    """Say by the rules as they are told to users whether *way* is out."""
    medium, here = way.medium, [a for a in tried if a.channel is way.channel]
    if getattr(asked, medium.address) is None or len(asked.content) > medium.max_length:
        return "medium"
    if any(a.permanent and a.scope == "channel" for a in here):
        return "channel"
    if any(a.permanent and a.provider == way.provider for a in here):
        return "provider"
    if len(here) > POLICY.retries.max_retries:
        return "retries"
    if here and asked.expires_at is not None:
        wait = max(2.0 ** (len(here) - 1), here[-1].retry_after or 0)
        if NOW + wait >= asked.expires_at:
            return "time"
    return None


@PATIENT
@given(MESSAGES, ATTEMPTS, OPTIONS, LEARNED)
def test_in_any_state_the_ranking_keeps_its_promises(asked, tried, options, learned):
    decision = route(asked, tried, options, learned=learned)
    ranked = [s.option for s in decision.ranked]
    assert len(ranked) + len(decision.excluded) == len(options)
    assert {id(o) for o in ranked} == {id(o) for o in options if not why_not(asked, tried, o)}
    late = {id(o) for o in options if why_not(asked, tried, o) == "time"}
    assert {id(s.option) for s in decision.excluded if s.out == NO_TIME} == late

    scores = [s.score for s in decision.ranked]
    assert scores == sorted(scores, reverse=True)
    if asked.preferred_channel in {o.channel for o in ranked}:
        assert ranked[0].channel is asked.preferred_channel
    elif tried and tried[-1].channel in {o.channel for o in ranked}:
        assert ranked[0].channel is tried[-1].channel

    for told in decision.as_json()["ranked"]:
        assert sum(told["parts"].values()) == pytest.approx(told["score"], abs=1e-5)
    for told in decision.as_json()["excluded"]:
        assert told["out"]
        assert told["score"] is None
