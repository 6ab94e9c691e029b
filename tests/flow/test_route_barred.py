"""Ways that could carry a message and may not: its price, its recipient's wish, what came of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_messaging_agent.flow import route as routing
from otp_messaging_agent.flow.configured import RESTING
from otp_messaging_agent.flow.route import suppressed
from otp_messaging_agent.message import Channel, MessageType, Outcome, Priority, Status

from .routes import (
    ALL,
    CALL,
    EMAIL,
    IN_BOTH_MODES,
    POLICY,
    SMS,
    WHATSAPP,
    attempt,
    message,
    option,
    reasons,
    route,
    siblings,
    ways,
)

STOPS = frozenset(MessageType) - {MessageType.OTP}
STRICT = replace(POLICY, stop_types=STOPS)
OTP, ALERT, MARKETING = MessageType.OTP, MessageType.ALERT, MessageType.MARKETING


def barred(asked, *blocked, tried=(), policy=STRICT):
    return route(asked, tried, policy=policy, blocked=blocked)


def below(ceiling):
    return replace(STRICT, ceiling=ceiling)


# The price ceiling


@pytest.mark.parametrize(
    ("ceiling", "left"),
    [
        (None, [SMS, WHATSAPP, CALL, EMAIL]),
        (1.0, [SMS, WHATSAPP, CALL, EMAIL]),
        (0.014, [SMS, WHATSAPP, CALL, EMAIL]),
        (0.0139, [SMS, WHATSAPP, EMAIL]),
        (0.0083, [SMS, WHATSAPP, EMAIL]),
        (0.005, [WHATSAPP, EMAIL]),
        (0.0009, [EMAIL]),
        (0.00089, []),
    ],
)
def test_what_costs_more_than_the_ceiling_is_out_and_what_costs_as_much_is_not(ceiling, left):
    decision = route(policy=below(ceiling))
    assert ways(decision) == left
    assert set(reasons(decision).values()) <= {routing.TOO_DEAR}


def test_all_parts_of_a_text_count():
    asked = message(content="x" * 307)  # three parts
    options = [replace(option(SMS), cost=0.1)]
    assert route(asked, options=options, policy=below(0.3)).ranked
    assert not route(asked, options=options, policy=below(0.299)).ranked
    assert route(message(), options=options, policy=below(0.299)).ranked


def test_of_two_providers_the_one_below_it_goes_though_it_is_not_first():
    dear, cheap = siblings(SMS, "a", "b")
    options = [replace(dear, cost=0.5), replace(cheap, cost=0.1)]
    decision = route(options=options, policy=below(0.2))
    assert [s.option.provider for s in decision.ranked] == ["b"]
    assert reasons(decision) == {(SMS, "a"): routing.TOO_DEAR}


# What the recipient wants no more of


def test_a_channel_that_was_opted_out_of_is_out_and_the_others_go_on():
    decision = barred(message(), (SMS, None))
    assert ways(decision) == [WHATSAPP, CALL, EMAIL]
    assert reasons(decision) == {(SMS, "main"): routing.OPTED_OUT}
    assert not suppressed(decision)


@pytest.mark.parametrize(
    ("type_", "blocked", "goes"),
    [
        (MessageType.NOTIFICATION, (None, None), False),
        (ALERT, (None, None), False),
        (OTP, (None, None), True),
        (OTP, (None, OTP), False),
        (MARKETING, (None, MARKETING), False),
        (MessageType.REMINDER, (None, MARKETING), True),
    ],
)
def test_which_types_an_opt_out_of_every_channel_bars(type_, blocked, goes):
    decision = barred(message(type=type_), blocked)
    assert bool(decision.ranked) is goes
    assert suppressed(decision) is not goes


def test_even_the_preferred_channel_is_out():
    asked = message(preferred_channel=SMS)
    assert ways(barred(asked, (SMS, None)))[0] is not SMS


def test_a_wish_comes_before_what_was_tried():
    decision = barred(message(), (SMS, None), tried=[attempt(SMS)] * 4)
    assert reasons(decision)[SMS, "main"] == routing.OPTED_OUT


def test_it_is_the_wish_only_where_nothing_else_is_left():
    assert suppressed(barred(message(email=None), (None, None)))
    only_sms = barred(message(email=None), (SMS, None), tried=[attempt(c) for c in (CALL,) * 4])
    assert ways(only_sms) == [WHATSAPP]
    assert not suppressed(only_sms)


# Answers


@given(
    st.sampled_from([SMS, WHATSAPP]),
    st.lists(st.tuples(st.sampled_from([None, *Channel]), st.sampled_from([None, *MessageType]))),
    st.sampled_from([None, 0.0001]),
)
def test_an_answer_goes_back_where_it_was_asked_and_nowhere_else(channel, blocked, ceiling):
    asked = message(exempt=True, preferred_channel=channel)
    decision = barred(asked, *blocked, policy=below(ceiling))
    assert ways(decision) == [channel]
    assert set(reasons(decision).values()) == {"not where it was asked"}


@IN_BOTH_MODES
def test_an_answer_that_fails_is_tried_again_there_and_then_no_more(policy):
    asked = message(exempt=True, preferred_channel=SMS)
    assert ways(route(asked, [attempt(SMS)], policy=policy)) == [SMS]
    assert ways(route(asked, [attempt(SMS)] * 4, policy=policy)) == []


# What did not arrive


@pytest.mark.parametrize(
    ("status", "code", "why"),
    [
        (Status.UNDELIVERED, "handset_off", "not received this way: handset_off"),
        (Status.UNDELIVERED, None, "not received this way: undelivered"),
        (Status.UNKNOWN, None, "not received this way: unknown"),
    ],
)
@IN_BOTH_MODES
def test_a_way_it_did_not_arrive_by_is_out_and_its_sibling_is_not(policy, status, code, why):
    options = [*siblings(SMS, "a", "b"), option(CALL, "a")]
    tried = [attempt(SMS, "a", outcome=Outcome.SENT, error_code=code, receipt_status=status)]
    decision = route(tried=tried, options=options, policy=policy)
    assert [(s.option.channel, s.option.provider) for s in decision.ranked] == [
        (SMS, "b"),
        (CALL, "a"),
    ]
    assert reasons(decision) == {(SMS, "a"): why}


@IN_BOTH_MODES
@pytest.mark.parametrize("status", [None, Status.SENT, Status.DELIVERED, Status.READ])
def test_any_other_receipt_leaves_it_in(policy, status):
    tried = [attempt(SMS, outcome=Outcome.SENT, error_code=None, receipt_status=status)]
    assert SMS in ways(route(tried=tried, policy=policy))


@IN_BOTH_MODES
def test_it_stays_out_after_another_channel_was_tried(policy):
    missed = attempt(SMS, outcome=Outcome.SENT, receipt_status=Status.UNDELIVERED)
    tried = [missed, *[attempt(WHATSAPP)] * 4]
    assert ways(route(tried=tried, policy=policy)) == [CALL, EMAIL]


@IN_BOTH_MODES
def test_an_earlier_try_that_did_not_arrive_counts_too(policy):
    missed = attempt(SMS, outcome=Outcome.SENT, receipt_status=Status.UNKNOWN)
    assert SMS not in ways(route(tried=[missed, attempt(SMS)], policy=policy))


# Providers that rest


def resting(*channels):
    return [replace(o, rest=30.0) if o.channel in channels else o for o in ALL]


@IN_BOTH_MODES
@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("down", [SMS, WHATSAPP, CALL, EMAIL])
@pytest.mark.parametrize("tries", [0, 1, 3])
def test_whatever_speaks_for_a_way_that_rests_another_is_better(policy, priority, down, tries):
    asked = message(priority=priority, preferred_channel=down)
    decision = route(asked, [attempt(down)] * tries, options=resting(down), policy=policy)
    assert ways(decision)[0] is not down
    assert ways(decision)[-1] is down
    assert decision.ranked[-1].parts["resting"] == -RESTING


@IN_BOTH_MODES
def test_even_one_that_waits_long_for_its_limit(policy):
    options = [replace(o, wait=3600.0) if o.channel is EMAIL else o for o in resting(SMS, CALL)]
    asked = message(priority=Priority.CRITICAL, preferred_channel=SMS)
    assert ways(route(asked, [attempt(SMS)], options=options, policy=policy))[:2] == [
        WHATSAPP,
        EMAIL,
    ]


@IN_BOTH_MODES
def test_a_sibling_that_is_up_goes_first_and_keeps_the_channel(policy):
    down, up = siblings(SMS, "a", "b")
    options = [replace(down, rest=1.0), up, option(WHATSAPP)]
    ranked = route(options=options, policy=policy).ranked
    assert [(s.option.channel, s.option.provider) for s in ranked] == [
        (SMS, "b"),
        (WHATSAPP, "main"),
        (SMS, "a"),
    ]


@IN_BOTH_MODES
def test_where_all_rest_the_order_is_as_ever(policy):
    asked = message(preferred_channel=CALL)
    assert ways(route(asked, options=resting(*Channel), policy=policy)) == ways(
        route(asked, policy=policy)
    )


@IN_BOTH_MODES
def test_no_rest_is_no_part(policy):
    assert "resting" not in route(policy=policy).ranked[0].parts
