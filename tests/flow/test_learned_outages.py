"""An outage is seen at once, is no usual rate, and ends; what arrived after all makes it good."""

import pytest

from otp_messaging_agent.flow.evidence import HEALTH_HALF_LIFE

from .lessons import (
    ARRIVED,
    FAILED,
    HOUR,
    RECOVERED,
    estimate,
    history,
    lesson,
    taught,
)
from .routes import NOW


def test_two_failures_now_are_seen_at_once():
    learned = taught(*history(0.97, until=NOW - 600), lesson(FAILED), lesson(FAILED))
    assert estimate(learned).health < 0.5
    assert estimate(learned).rate > 0.9


def test_an_outage_is_no_usual_rate():
    """The same failures weigh a tenth together of what they weigh one by one."""
    before = history(0.95, tries=600, until=NOW - HOUR, over=HOUR)
    outage = [lesson(FAILED, at=NOW - 300 + i) for i in range(300)]
    learned = taught(*before, *outage)
    assert estimate(learned).health < 0.05
    assert estimate(learned).rate > 0.75
    spread = history(0.65, tries=900, over=12 * HOUR)
    assert estimate(taught(*spread)).rate < 0.7


def test_health_drifts_back_without_news_and_the_rate_stays():
    learned = taught(*history(0.95, until=NOW - HOUR), *[lesson(FAILED)] * 10)
    healths = [estimate(learned, now=NOW + n * HEALTH_HALF_LIFE).health for n in range(12)]
    assert healths == sorted(healths)
    assert healths[0] < 0.2
    assert healths[-1] > 0.99
    assert estimate(learned, now=NOW + HOUR).rate == pytest.approx(estimate(learned).rate, abs=0.02)


def test_arrivals_end_an_outage_before_it_is_forgotten():
    learned = taught(*history(0.95, until=NOW - HOUR), *[lesson(FAILED)] * 10)
    known = estimate(learned).health
    taught(*[lesson(ARRIVED, at=NOW + i) for i in range(60)], learned=learned)
    assert known < 0.2
    assert estimate(learned, now=NOW + 60).health > 0.7


# What arrived after all


def test_what_recovers_makes_its_failure_good():
    failed = taught(*history(0.95, until=NOW - 600), lesson(FAILED))
    known = estimate(failed)
    taught(lesson(RECOVERED, seconds=60.0, at=NOW + 1), learned=failed)
    repaired, never = estimate(failed), estimate(taught(*history(0.95, until=NOW - 600)))
    assert known.rate < repaired.rate <= never.rate + 0.01
    assert known.health < 0.9
    assert repaired.health == pytest.approx(1.0, abs=0.05)
    assert repaired.trials == pytest.approx(known.trials, rel=1e-3)
    assert repaired.seconds > known.seconds


def test_receipts_that_all_come_late_make_good_no_more_than_was_lost():
    silent = [lesson(FAILED, at=NOW - 400 + i) for i in range(300)]
    late = [lesson(RECOVERED, at=NOW - 100 + i / 3) for i in range(300)]
    learned = taught(*history(0.9, until=NOW - HOUR), *silent, *late)
    assert estimate(learned).rate <= 1
    assert estimate(learned).health == pytest.approx(1.0, abs=0.05)
    taught(*[lesson(FAILED, at=NOW + i) for i in range(60)], learned=learned)
    assert estimate(learned, now=NOW + 60).health < 0.4  # and hide no outage after it
