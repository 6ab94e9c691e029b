"""A decision can be read and checked: in any state its ranking keeps what it promises."""

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otp_messaging_agent.flow import route as routing
from otp_messaging_agent.flow.score import DOES_NOT_PAY
from otp_messaging_agent.flow.way import TypeRules
from otp_messaging_agent.message import Channel, MessageType, Outcome, Priority, Status
from otp_messaging_agent.retry import RetryPolicy

from .lessons import LEARNED
from .routes import FIXED, IN_BOTH_MODES, MAPPING, NOW, attempt, message, route, siblings

PATIENT = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PROVIDERS = ["a", "b"]


def rarely(unusual, usual=None):
    """Draw the usual mostly, for what leaves ways out leaves nothing to look at."""
    return st.sampled_from([False] * 9 + [True]).flatmap(
        lambda rare: unusual if rare else st.just(usual)
    )


TIMES = st.sampled_from([1, 1, 1, 4, 19])
FIELDS = st.fixed_dictionaries(
    {
        "cost": st.just(0.0083) | st.floats(0, 10),
        "wait": rarely(st.floats(0, 60), 0.0),
        "rest": rarely(st.just(30.0), 0.0),
        "used": st.floats(0, 1),
        "weight": st.sampled_from([0.001, 1.0, 70.0]) | st.floats(0.001, 1000),
        "patience": rarely(st.floats(1, 600)),
    }
)


@st.composite
def several(draw):
    """Draw options: channels with one or two providers each, in any order."""
    found = []
    for channel in draw(st.permutations(list(Channel)))[: draw(st.sampled_from([4, 2, 1]))]:
        names = PROVIDERS[: draw(st.sampled_from([2, 1]))]
        found += [replace(o, **draw(FIELDS)) for o in siblings(channel, *names)]
    return found


OPTIONS = several()
ATTEMPT = st.builds(
    attempt,
    st.sampled_from(Channel),
    st.sampled_from(PROVIDERS),
    permanent=rarely(st.just(True), False),
    scope=st.sampled_from(["channel", "provider", "account"]),
    retry_after=rarely(st.floats(0, 1000)),
    outcome=st.sampled_from([Outcome.FAILED, Outcome.AMBIGUOUS]),
)
LOST = st.builds(
    attempt,
    st.sampled_from(Channel),
    st.sampled_from(PROVIDERS),
    outcome=st.just(Outcome.SENT),
    receipt_status=st.sampled_from([None, Status.DELIVERED, *sorted(routing.NOT_ARRIVED)]),
)
ATTEMPTS = st.lists(
    st.tuples(ATTEMPT | LOST, TIMES),
    max_size=5,
).map(lambda runs: [made for made, times in runs for _ in range(times)])
MESSAGES = st.builds(
    message,
    id=st.text("abc", max_size=3),
    priority=st.sampled_from(Priority),
    phone_number=rarely(st.none(), "+447700900001"),
    email=rarely(st.none(), "ada@example.com"),
    preferred_channel=rarely(st.sampled_from(Channel)),
    expires_at=rarely(st.floats(NOW, NOW + 1000)),
    content=rarely(st.sampled_from(["x" * 1200, "x" * 2000]), "x"),
)
RULES = st.builds(
    TypeRules,
    channels=rarely(st.lists(st.sampled_from(Channel), min_size=1), ()),
    ceiling=rarely(st.floats(0, 10)),
    target=st.sampled_from([0.0, 0.5, 0.99]),
    stop=rarely(st.just(True), False),
)
RULED = {
    "mapping": rarely(st.just({}), MAPPING),
    "retries": rarely(st.just(RetryPolicy(0)), RetryPolicy(20, max_delay=8.0)),
    "ceiling": rarely(st.floats(0, 10)),
    "max_attempts": rarely(st.integers(1, 30)),
    "types": st.fixed_dictionaries({MessageType.NOTIFICATION: RULES}),
}
RULED = st.fixed_dictionaries(RULED)


def why_not(asked, tried, way, policy):
    """Say by the rules as they are told to users whether *way* is out."""
    medium, here = way.medium, [a for a in tried if a.channel is way.channel]
    rules = policy.rules(asked.type)
    cost = way.price(asked, medium.parts(asked.content))
    dearest = min(policy.ceiling or math.inf, rules.ceiling or math.inf)
    same = [a for a in here if a.provider == way.provider]
    wait = max(
        min(2.0 ** (len(here) - 1), policy.retries.max_delay),
        (here[-1].retry_after or 0) if here else 0,
    )
    reasons = {
        "medium": getattr(asked, medium.address) is None or len(asked.content) > medium.max_length,
        "type": bool(rules.channels) and way.channel not in rules.channels,
        "dear": cost > dearest or (cost > 0 and 0.0 in {policy.ceiling, rules.ceiling}),
        "tries": policy.max_attempts is not None and len(tried) >= policy.max_attempts,
        "lost": any(a.receipt_status in routing.NOT_ARRIVED for a in same),
        "channel": any(a.permanent and a.scope == "channel" for a in here),
        "provider": any(a.permanent and a.scope in {"provider", "account"} for a in same),
        "retries": len(here) > policy.retries.max_retries,
        "time": bool(here) and asked.expires_at is not None and NOW + wait >= asked.expires_at,
    }
    return next((why for why, holds in reasons.items() if holds), None)


def check_excluded(decision, asked, tried, options, policy):
    """Check that what is out has to be, and what is not may be used."""
    out = {id(s.option): s.out for s in decision.excluded}
    why = {id(o): why_not(asked, tried, o, policy) for o in options}
    if policy.adaptive and policy.rules(asked.type).stop:
        why |= {way: DOES_NOT_PAY for way, reason in out.items() if reason == DOES_NOT_PAY}
    assert {id(s.option) for s in decision.ranked} == {
        way for way, reason in why.items() if not reason
    }
    assert set(out) == {way for way, reason in why.items() if reason}
    assert {way for way, reason in out.items() if reason == routing.NO_TIME} == {
        way for way, reason in why.items() if reason == "time"
    }


def check_first(ranked, asked, tried):
    """Check who comes first: who is up; of those the preferred channel, then the one underway."""
    awake = [s.option for s in ranked if not s.option.rest]
    if not awake:
        return
    assert not ranked[0].option.rest
    underway = tried[-1].channel if tried and tried[-1].outcome is not Outcome.SENT else None
    for channel in (asked.preferred_channel, underway):
        if channel in {o.channel for o in awake}:
            assert ranked[0].option.channel is channel
            return


def check_turn(ranked, tried):
    """Check that a retry by evidence takes a provider that had no more turns than another."""
    first = ranked[0]
    if "underway" not in first.parts or "unproven" in first.parts or "late" in first.parts:
        return
    turns = {
        id(s): sum((a.channel, a.provider) == (s.option.channel, s.option.provider) for a in tried)
        for s in ranked
        if s.option.channel is first.option.channel and not {"late", "resting"} & set(s.parts)
    }
    assert turns[id(first)] == min(turns.values())


def check_parts(decision):
    """Check that every score can be checked by hand."""
    for s in decision.ranked:
        assert all(math.isfinite(part) and part for part in s.parts.values())
        assert sum(s.parts.values()) == s.score
    told = decision.as_json()
    for way in told["ranked"]:
        assert sum(way["parts"].values()) == pytest.approx(way["score"], abs=1e-5)
        assert way["out"] is None
    for way in told["excluded"]:
        assert way["out"]
        assert way["score"] is None
        assert way["parts"] == {}


@IN_BOTH_MODES
@PATIENT
@given(MESSAGES, ATTEMPTS, OPTIONS, LEARNED, RULED)
def test_in_any_state_the_ranking_keeps_its_promises(policy, asked, tried, options, learned, ruled):
    policy = replace(policy, **ruled)
    decision = route(asked, tried, options, policy, learned)
    scores = [s.score for s in decision.ranked]
    assert scores == sorted(scores, reverse=True)
    assert len(decision.ranked) + len(decision.excluded) == len(options)
    check_excluded(decision, asked, tried, options, policy)
    check_parts(decision)
    if decision.ranked:
        check_first(decision.ranked, asked, tried)
    if decision.ranked and policy.adaptive:
        check_turn(decision.ranked, tried)


@IN_BOTH_MODES
@PATIENT
@given(MESSAGES, OPTIONS, RULED)
def test_without_evidence_the_mapped_channel_is_first_whatever_it_costs(
    policy, asked, options, ruled
):
    asked = replace(asked, preferred_channel=None)
    policy = replace(policy, **ruled | {"mapping": MAPPING})
    options = [replace(o, wait=0.0, rest=0.0) for o in options]
    ranked = route(asked, (), options, policy).ranked
    if MAPPING[asked.priority] in {s.option.channel for s in ranked}:
        assert ranked[0].option.channel is MAPPING[asked.priority]


@PATIENT
@given(MESSAGES, ATTEMPTS, OPTIONS, LEARNED, LEARNED)
def test_by_the_configuration_alone_nothing_that_was_learned_matters(
    asked, tried, options, some, other
):
    first, second = (route(asked, tried, options, FIXED, known) for known in (some, other))
    assert first.as_json() == second.as_json()
    names = {part for s in first.ranked for part in s.parts}
    assert names <= {"preferred", "underway", "resting", "mapped", "order", "cost", "turn", "wait"}
