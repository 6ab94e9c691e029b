"""Limits that make a message wait: how long it waits for its channel goes by its priority."""

from dataclasses import replace

import pytest

from otp_messaging_agent.message import Priority

from .lessons import history, in_order, taught
from .routes import (
    ALL,
    CALL,
    EMAIL,
    FIXED,
    IN_BOTH_MODES,
    MAPPING,
    SMS,
    attempt,
    message,
    route,
    siblings,
    ways,
)


def limited(channel, wait):
    return [replace(o, wait=wait) if o.channel is channel else o for o in ALL]


def first(priority, wait, policy, **given):
    """Return which channel goes first where the mapped one waits."""
    options = limited(MAPPING[priority], wait)
    return ways(route(message(priority=priority, **given), options=options, policy=policy))[0]


@pytest.mark.parametrize(
    ("priority", "stays", "leaves"),
    [
        (Priority.CRITICAL, 1.5, 2.0),
        (Priority.HIGH, 4.9, 6.0),
        (Priority.MEDIUM, 50.0, 60.0),
        (Priority.LOW, 60.0, 4000.0),
    ],
)
@IN_BOTH_MODES
def test_how_long_a_limit_is_waited_for_goes_by_priority(policy, priority, stays, leaves):
    mapped = MAPPING[priority]
    assert first(priority, stays, policy) is mapped
    assert first(priority, leaves, policy) is not mapped


def test_by_the_configuration_each_second_of_waiting_counts():
    assert first(Priority.MEDIUM, 59.0, FIXED) is SMS


@IN_BOTH_MODES
def test_a_preferred_channel_is_waited_for_however_long(policy):
    assert first(Priority.CRITICAL, 3600.0, policy, preferred_channel=CALL) is CALL


@IN_BOTH_MODES
def test_a_retry_waits_for_its_own_channel(policy):
    asked = message(priority=Priority.CRITICAL)
    assert ways(route(asked, [attempt(CALL)], limited(CALL, 60.0), policy))[0] is CALL


@IN_BOTH_MODES
def test_but_not_for_its_next_provider_where_another_can_take_it_now(policy):
    a, b = siblings(SMS, "a", "b")
    options = [a, replace(b, wait=5.0)]
    ranked = route(message(), [attempt(SMS, "a")], options, policy).ranked
    assert ranked[0].option.provider == "a"


@IN_BOTH_MODES
def test_where_every_channel_is_limited_the_soonest_serves_the_urgent(policy):
    busy = [replace(o, wait=1.0 if o.channel is EMAIL else 60.0) for o in ALL]
    assert ways(route(message(priority=Priority.CRITICAL), options=busy, policy=policy))[0] is EMAIL


@pytest.mark.parametrize("priority", Priority)
def test_a_proven_channel_that_is_late_is_left_for_another(priority):
    learned = taught(*in_order(*(history(0.9, c) for c in (SMS, CALL, EMAIL))))
    asked = message(priority=priority)
    best = ways(route(asked, learned=learned))[0]
    assert ways(route(asked, options=limited(best, 3600.0), learned=learned))[0] is not best
    assert ways(route(asked, options=limited(best, 0.1), learned=learned))[0] is best
