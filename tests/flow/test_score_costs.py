"""What one success costs: money and waiting, by who asks, and what is known of the phone."""

import math
from dataclasses import replace

import pytest

from otp_messaging_agent.flow.learned import Learned
from otp_messaging_agent.flow.lesson import Prior
from otp_messaging_agent.flow.score import DOES_NOT_PAY
from otp_messaging_agent.flow.way import TypeRules
from otp_messaging_agent.message import Channel, MessageType, Outcome, Priority, Status

from .lessons import FAILED, HOUR, estimate, history, in_order, lesson, taught
from .routes import (
    ALL,
    CALL,
    EMAIL,
    FIXED,
    MAPPING,
    MEDIA,
    NOW,
    POLICY,
    PRIORS,
    SMS,
    WHATSAPP,
    attempt,
    message,
    option,
    providers,
    reasons,
    route,
    siblings,
    ways,
)

FREE = replace(POLICY, mapping={})  # evidence alone decides
PROVEN = in_order(*(history(MEDIA[c].reliability, c) for c in Channel))
URGENT, CHEAP = Priority.CRITICAL, Priority.LOW


def stopping(policy=POLICY, **fields):
    rules = {MessageType.NOTIFICATION: TypeRules(stop=True)}
    return replace(policy, types=rules, **fields)


def lost(channel, provider="main", status=Status.UNDELIVERED):
    return attempt(
        channel,
        provider,
        outcome=Outcome.SENT,
        receipt_status=status,
        error_code=None,
        permanent=None,
    )


# Money and time


def test_urgent_messages_go_the_fast_way_and_others_the_cheap_one():
    fast = history(0.9, provider="fast", seconds=2.0)
    cheap = history(0.9, provider="cheap", seconds=25.0)
    learned = taught(*in_order(fast, cheap))
    a, b = siblings(SMS, "fast", "cheap")
    options = [replace(a, cost=0.02), replace(b, cost=0.004)]
    best = {
        p: providers(route(message(priority=p), options=options, learned=learned))[0]
        for p in Priority
    }
    assert best[URGENT] == "fast"
    assert best[Priority.MEDIUM] == best[CHEAP] == "cheap"


def test_a_failing_way_comes_back_and_for_cheap_messages_sooner_than_for_urgent_ones():
    outage = [lesson(FAILED, provider="a", at=NOW - i) for i in range(40)][::-1]
    before = history(0.95, provider="a", until=NOW - HOUR)
    learned = taught(*before, *history(0.95, provider="b"), *outage)
    a, b = siblings(SMS, "a", "b")
    options = [replace(a, cost=0.004), replace(b, cost=0.03)]

    def back(priority):
        asked = message(priority=priority)
        for minute in range(30):
            now = NOW + minute * 60
            if providers(route(asked, (), options, FREE, learned, now=now))[0] == "a":
                return minute
        return None

    found = {priority: back(priority) for priority in Priority}
    assert found[URGENT] > found[Priority.HIGH] > found[Priority.MEDIUM] >= found[CHEAP] > 0


def test_the_parts_are_the_factors_of_what_a_success_costs():
    learned = taught(*history(0.8, provider="main", seconds=6.0))
    (way,) = route(options=[option(SMS)], learned=learned).ranked
    e, off = estimate(learned), 0.02
    arrives = e.rate * e.health * e.trust * (1 - off)
    seconds = (1 - e.reach) * 2 + e.reach * (arrives * e.seconds + (1 - arrives) * 0.7 * 30)
    cost = e.reach * 0.0083 + POLICY.hurry[Priority.HIGH] * seconds
    balance = way.parts["balance"]
    assert way.score == pytest.approx(math.log10(e.reach * arrives / cost) + balance)
    assert -1 <= balance < 0


def test_a_way_that_answers_late_costs_what_its_limit_makes_it_wait():
    learned = taught(*history(0.9, provider="a"), *history(0.9, provider="b"))
    a, b = siblings(SMS, "a", "b")
    for waits, best in ((a, "b"), (b, "a")):
        options = [replace(o, wait=1.9) if o is waits else o for o in (a, b)]
        assert providers(route(message(priority=URGENT), (), options, learned=learned))[0] == best


# What does not pay


def test_what_costs_more_than_it_brings_comes_after_what_pays():
    options = [replace(option(SMS), cost=1.0), replace(option(WHATSAPP), cost=0.1)]
    learned = taught(*in_order(history(0.9, SMS), history(0.9, WHATSAPP)))
    decision = route(options=options, learned=learned)
    assert ways(decision) == [WHATSAPP, SMS]
    assert decision.ranked[1].parts["spare"] == -15.0
    urgent = route(message(priority=URGENT), options=options, learned=learned)
    assert "spare" not in urgent.ranked[0].parts


def test_where_its_type_says_so_it_is_not_sent():
    options = [replace(option(SMS), cost=1.0), replace(option(WHATSAPP), cost=0.1)]
    learned = taught(*in_order(history(0.9, SMS), history(0.9, WHATSAPP)))
    decision = route(options=options, policy=stopping(), learned=learned)
    assert ways(decision) == [WHATSAPP]
    assert reasons(decision) == {(SMS, "main"): DOES_NOT_PAY}
    assert not route(options=options[:1], policy=stopping(), learned=learned).ranked
    assert route(options=options[:1], policy=stopping(FIXED), learned=learned).ranked


@pytest.mark.parametrize("policy", [stopping(), stopping(max_attempts=1)], ids=["many", "one"])
def test_a_way_that_pays_stays_in_though_another_is_to_be_tried(policy):
    decision = route(options=siblings(SMS, "a", "b", "c"), policy=policy)
    assert sorted(providers(decision)) == ["a", "b", "c"]


def test_with_few_tries_left_the_best_set_is_tried_and_the_rest_is_spare():
    learned = taught(*PROVEN)
    asked = message(priority=URGENT)
    for tries in (1, 2, 3, 4):
        policy = replace(FREE, max_attempts=tries)
        ranked = route(asked, policy=policy, learned=learned).ranked
        assert sum("spare" not in s.parts for s in ranked) == tries
        assert ["spare" in s.parts for s in ranked] == [False] * tries + [True] * (4 - tries)
    used = [attempt(CALL, permanent=True, scope="channel")]
    ranked = route(asked, used, policy=replace(FREE, max_attempts=2), learned=learned).ranked
    assert sum("spare" not in s.parts for s in ranked) == 1


# A phone that may be off


@pytest.mark.parametrize("status", [Status.UNDELIVERED, Status.UNKNOWN])
def test_after_what_was_lost_mail_is_better_than_another_call_to_the_same_phone(status):
    learned, asked = taught(*PROVEN), message(priority=URGENT)
    tried = [lost(SMS, status=status), lost(WHATSAPP, status=status)]
    order = {n: ways(route(asked, tried[:n], learned=learned)) for n in (0, 2)}
    assert order[0].index(CALL) < order[0].index(EMAIL)
    assert order[2] == [EMAIL, CALL]


def test_a_loss_says_more_of_the_phone_the_better_the_way_is():
    asked, options = message(priority=URGENT), [option(CALL)]
    others = [
        route(asked, [lost(SMS)], options, learned=taught(*history(share, over=6 * HOUR)))
        .ranked[0]
        .parts["others"]
        for share in (0.3, 0.6, 0.9, 1.0)
    ]
    assert others == sorted(others, reverse=True)
    assert others[-1] < 2 * others[0]


def test_what_was_refused_or_got_lost_in_the_mail_says_nothing_of_the_phone():
    call = {"options": [option(CALL)], "policy": FREE}
    untried = route(**call).ranked[0].parts["others"]
    for tried in (attempt(SMS), lost(EMAIL), replace(lost(SMS), receipt_status=None)):
        assert route(tried=[tried], **call).ranked[0].parts["others"] == untried


def test_what_never_failed_can_be_lost_too():
    sure = Learned(PRIORS | {SMS: Prior(1.0, 8.0)})
    assert estimate(sure).success == 1.0
    decision = route(tried=[lost(SMS)], learned=sure, policy=FREE)
    assert ways(decision)[0] is EMAIL
    assert all(math.isfinite(s.score) for s in decision.ranked)


def test_a_try_on_a_channel_that_is_off_by_now_is_judged_all_the_same():
    known = Learned({c: p for c, p in PRIORS.items() if c is not CALL})
    known.add(lesson(FAILED, CALL))
    options = [o for o in ALL if o.channel is not CALL]
    decision = route(tried=[lost(CALL)], options=options, learned=known)
    assert ways(decision) == [SMS, WHATSAPP, EMAIL]
    assert decision.ranked[0].parts["others"] < route().ranked[0].parts["others"]


def test_whatever_is_free_does_not_divide_by_nothing():
    free = [replace(o, cost=0.0) for o in ALL]
    asked = message(preferred_channel=None)
    for policy in (POLICY, FIXED, FREE, replace(FREE, hurry=dict.fromkeys(Priority, 0.0))):
        assert len(ways(route(asked, options=free, policy=policy))) == len(ALL)
        assert ways(route(asked, options=[], policy=policy)) == []
    assert MAPPING[asked.priority] is ways(route(asked, options=free))[0]
