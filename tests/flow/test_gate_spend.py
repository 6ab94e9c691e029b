"""The gate and the day's spend: what is reserved, spent, given back, and when to come back."""

import pytest

from otp_messaging_agent.errors import SendError

from .gates import CUT, DOWN, MAIN, NOON, NUMBER, REST, SECOND, SHUT, Timed, passes

# Spend


@pytest.mark.parametrize(
    ("error", "left"),
    [(None, 2), (CUT, 2), (DOWN, 3), (NUMBER, 3), (SHUT, 3), (SendError("rate_limited"), 3)],
    ids=["sent", "cut", "down", "number", "shut", "limited"],
)
def test_what_was_or_may_have_been_sent_is_spent_and_nothing_else(error, left):
    gate = Timed(cap=3.0)
    out = gate.take(MAIN, 1.0)
    assert gate.left() == 2
    gate.leave(out, "a", error)
    assert gate.left() == left


@pytest.mark.parametrize(("cost", "left"), [(None, 8), (0.0, 12), (0.25, 11), (1.0, 8), (2.5, 2)])
def test_what_the_provider_says_it_took_is_spent(cost, left):
    gate = Timed(cap=3.0)
    gate.leave(gate.take(MAIN, 1.0), "a", None, cost)
    assert gate.left(0.25) == left


def test_more_than_was_reserved_may_pass_the_cap_and_then_nothing_goes():
    gate = Timed(cap=3.0)
    gate.leave(gate.take(MAIN, 1.0), "a", None, 5.0)
    assert passes(gate, MAIN, cost=0.1) == 0
    assert gate.spend.wait(0.1) == 12 * 3600


def test_what_costs_too_much_today_is_not_let_out_and_uses_no_limit_up(wall):
    gate = Timed({"SMS": 2}, cap=1.0)
    assert passes(gate, MAIN, cost=1.5) == 0
    assert gate.wait(MAIN) == 0
    assert passes(gate, MAIN) == 2


def test_what_the_limit_refuses_is_not_spent(wall):
    gate = Timed({"SMS": 1}, cap=10.0)
    assert passes(gate, MAIN, cost=1.0) == 1
    assert gate.take(MAIN, 1.0) is None
    assert gate.left() == 9


def test_what_the_breaker_refuses_is_not_spent_and_uses_no_limit_up(wall):
    gate = Timed({"SMS": 3}, failures=2, cap=10.0)
    gate.fail(MAIN, "a", "b")
    assert gate.take(MAIN, 1.0) is None
    assert gate.left() == 10
    assert passes(gate, SECOND) == 1


def test_what_failed_after_midnight_is_given_back_to_the_day_it_was_taken_from():
    gate = Timed(cap=3.0)
    out, second = gate.take(MAIN, 1.0), gate.take(MAIN, 1.0)
    gate.clock.at += 13 * 3600
    gate.take(MAIN, 1.0)
    gate.leave(out, "a", DOWN)
    gate.unused(second)
    assert gate.left() == 2


# When to come back


def test_a_slot_is_now_where_nothing_is_in_the_way():
    gate = Timed(cap=1.0)
    assert gate.slot(MAIN, 1.0, lambda: 0.9) == NOON


def test_a_slot_waits_for_the_limit_and_each_gets_its_own(wall):
    gate = Timed({"SMS": 2})
    assert passes(gate, MAIN) == 2
    slots = [gate.slot(MAIN, 0, lambda: 0.9) - NOON for _ in range(3)]
    assert slots == [60, 90, 120]


@pytest.mark.parametrize("random", [0.0, 0.5, 0.99])
def test_a_slot_after_a_rest_is_spread_but_never_too_early(random):
    resting, held, spent = Timed(failures=1), Timed(), Timed(cap=1.0)
    resting.fail(MAIN, "a")
    held.fail(MAIN, "a", error=SendError("rate_limited", retry_after=100))
    spent.take(MAIN, 1.0)
    for gate, wait in ((resting, REST), (held, 100), (spent, 12 * 3600)):
        slot = gate.slot(MAIN, 0.5, lambda: random)
        assert slot == pytest.approx(NOON + wait + random * min(wait / 4, 60))
        assert slot >= NOON + wait
