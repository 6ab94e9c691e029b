"""A day's cap holds to the last unit, in every zone and under any crowd."""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_messaging_agent.safety.spend import Spend

from ..switching import crowd

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0


class Clock:
    def __init__(self, at=NOON):
        self.at = at

    def __call__(self):
        return self.at


def made(cap, zone="UTC", at=NOON):
    clock = Clock(at)
    return Spend(cap, ZoneInfo(zone), clock), clock


def count(spend, amount, most=100):
    """Return how often *amount* can still be reserved."""
    return next(n for n in range(most) if spend.reserve(amount) is None)


@pytest.mark.parametrize(
    ("cap", "amount", "times"),
    [(1.0, 0.25, 4), (0.3, 0.1, 3), (0.7, 0.1, 7), (0.0249, 0.0083, 3), (1, 1.1, 0), (5, 5, 1)],
)
def test_the_cap_is_reached_and_not_passed(cap, amount, times):
    spend, _ = made(cap)
    assert count(spend, amount) == times


def test_without_a_cap_nothing_is_refused():
    spend, _ = made(None)
    assert all(spend.reserve(1e12) is not None for _ in range(10))
    assert spend.wait(1e12) == 0
    spend.resume(lambda _: 1e15)
    spend.give_back(1e12, spend.reserve(1e12))
    assert spend.reserve(1e12) is not None


def test_what_is_refused_is_not_counted_and_less_may_still_go():
    spend, _ = made(1.0)
    assert spend.reserve(0.9) is not None
    assert spend.reserve(0.2) is None
    assert spend.reserve(0.1) is not None
    assert spend.reserve(0.0) is not None


def test_what_is_given_back_can_be_spent_again():
    spend, _ = made(1.0)
    day = spend.reserve(1.0)
    spend.give_back(1.0, day)
    assert count(spend, 0.5) == 2


def test_the_wait_is_until_midnight_and_only_where_it_is_not_enough():
    spend, clock = made(1.0)
    assert spend.wait(1.0) == 0
    spend.reserve(0.6)
    assert spend.wait(0.4) == 0
    assert spend.wait(0.5) == DAY / 2
    clock.at += DAY / 2 - 1
    assert spend.wait(0.5) == 1
    assert spend.reserve(0.5) is None
    clock.at += 1
    assert spend.wait(0.5) == 0
    assert spend.reserve(1.0) is not None


def test_a_day_that_nobody_saw_is_over_too():
    spend, clock = made(1.0)
    spend.reserve(1.0)
    clock.at += 10 * DAY
    assert spend.reserve(1.0) is not None
    assert spend.wait(1.0) == DAY / 2


def test_what_yesterday_gives_back_is_no_gain_for_today():
    spend, clock = made(1.0)
    day = spend.reserve(1.0)
    clock.at += DAY
    spend.give_back(1.0, day)
    assert count(spend, 0.5) == 2
    spend.give_back(1.0, day)
    assert spend.reserve(0.5) is None


def test_it_goes_on_from_what_was_spent_today_before():
    spend, clock = made(1.0)
    asked = []
    spend.resume(lambda since: asked.append(since) or 0.7)
    assert asked == [NOON - DAY / 2]
    assert count(spend, 0.1) == 3
    clock.at += DAY
    spend.resume(lambda since: asked.append(since) or 0.0)
    assert asked[1] == NOON + DAY / 2
    assert count(spend, 0.1) == 10


def test_more_than_the_cap_spent_before_is_only_too_much():
    spend, _ = made(1.0)
    spend.resume(lambda _: 7.0)
    assert spend.reserve(0.0) is None
    assert spend.wait(0.1) == DAY / 2


@pytest.mark.parametrize(
    ("zone", "now", "begins", "hours"),
    [
        ("UTC", "2026-06-10T12:00+00:00", "2026-06-10T00:00+00:00", 24),
        ("Asia/Kolkata", "2026-06-10T20:00+00:00", "2026-06-11T00:00+05:30", 24),
        ("America/Los_Angeles", "2026-06-10T05:00+00:00", "2026-06-09T00:00-07:00", 24),
        ("Europe/London", "2026-03-29T12:00+00:00", "2026-03-29T00:00+00:00", 23),
        ("Europe/London", "2026-10-25T00:30+00:00", "2026-10-25T00:00+01:00", 25),
        # the clock goes from 00:00 to 01:00: the day begins at 01:00
        ("Asia/Beirut", "2026-03-29T09:00+00:00", "2026-03-29T01:00+03:00", 23),
        # it goes from 01:00 back to 00:00: the day begins at the first of two midnights
        ("America/Havana", "2026-11-01T04:30+00:00", "2026-11-01T00:00-04:00", 25),
        ("America/Havana", "2026-11-01T05:30+00:00", "2026-11-01T00:00-04:00", 25),
        ("America/Havana", "2026-11-01T22:00+00:00", "2026-11-01T00:00-04:00", 25),
    ],
)
def test_a_day_is_one_of_its_zone(zone, now, begins, hours):
    at = datetime.fromisoformat(now).timestamp()
    begin = datetime.fromisoformat(begins).timestamp()
    spend, clock = made(1.0, zone, at)
    asked = []
    spend.resume(lambda since: asked.append(since) or 1.0)
    assert asked == [begin]
    assert spend.wait(0.5) == begin + hours * 3600 - at
    clock.at = begin + hours * 3600 - 0.001
    assert spend.reserve(0.5) is None
    clock.at = begin + hours * 3600
    assert spend.reserve(0.5) is not None


MONEY = st.integers(0, 400).map(lambda n: n / 1000)


@given(st.lists(st.tuples(MONEY, st.booleans()), max_size=60))
def test_any_sums_end_where_exact_ones_do(steps):
    spend, _ = made(10.0)
    thousandths = 0
    for amount, back in steps:
        day = spend.reserve(amount)
        assert (day is None) is (thousandths + round(amount * 1000) > 10_000)
        if day is not None and back:
            spend.give_back(amount, day)
        elif day is not None:
            thousandths += round(amount * 1000)
    assert count(spend, 0.001, 10_002) == 10_000 - thousandths


class Slow(float):
    """An amount that lets other threads go on while it is reckoned with."""

    def __mul__(self, other):
        time.sleep(0)
        return float(self) * other


def test_a_crowd_of_workers_does_not_run_over_it():
    spend, _ = made(10.0)
    amount = Slow(0.03)

    def work(number):
        kept = 0
        for each in range(200):
            day = spend.reserve(amount)
            if day is not None and each % 3 == number % 3:
                spend.give_back(amount, day)
            elif day is not None:
                kept += 1
        return kept

    kept = sum(crowd(work))
    assert kept + count(spend, 0.03, 400) == 333  # 9.99
