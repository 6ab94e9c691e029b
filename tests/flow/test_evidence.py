"""Sums that fade, and what they say: shares, health, pace and trust, within their bounds."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent.flow import evidence
from otp_messaging_agent.flow.evidence import HEALTH_HALF_LIFE, NONE, PACE_HALF_LIFE, Sums

HALF_LIFE = 21_600.0
NEAR = {"rel_tol": 1e-6, "abs_tol": 1e-9}
SHARES = st.just(0.0) | st.floats(1e-6, 1)


def sums(tries=0.0, arrived=0.0, *, expected=0.0, real=0.0, asked=0.0, confirmed=0.0, at=0.0):
    return Sums(at, tries, arrived, expected, real, 0.0, 0.0, asked, confirmed)


def terms(at):
    """Draw what one try tells, or several."""
    n = st.floats(0, 10)
    return st.builds(
        lambda when, tries, share, expected, real, timed, seconds, asked, typed: Sums(
            when, tries, share * tries, expected, real, timed, seconds, asked, typed * asked
        ),
        at,
        n,
        SHARES,
        n,
        n,
        n,
        n,
        n,
        SHARES,
    )


SUMS = terms(st.just(0.0))
LEVELS = st.lists(SUMS, min_size=1, max_size=3)


def together(parts):
    whole = NONE
    for part in parts:
        whole = evidence.added(whole, part, HALF_LIFE)
    return whole


def alike(a, b):
    return all(math.isclose(x, y, **NEAR) for x, y in zip(a, b, strict=True))


# Fading


@settings(deadline=None)
@given(
    st.lists(terms(st.floats(0, 86_400)), max_size=12).flatmap(
        lambda parts: st.tuples(st.just(parts), st.permutations(parts))
    )
)
def test_in_whatever_order_they_come_the_sums_are_the_same(orders):
    first, second = (together(parts) for parts in orders)
    assert alike(first, second)


@given(SUMS, st.floats(0, 1e6), st.floats(0, 1e6))
def test_to_fade_twice_is_to_fade_once_for_as_long(given_, first, second):
    twice = evidence.faded(evidence.faded(given_, first, HALF_LIFE), first + second, HALF_LIFE)
    assert alike(twice, evidence.faded(given_, first + second, HALF_LIFE))


def test_each_sum_fades_with_a_half_life_of_its_own():
    one = Sums(0.0, *[8.0] * 8)
    for half_life, names in (
        (HALF_LIFE, {"tries", "arrived", "asked", "confirmed"}),
        (HEALTH_HALF_LIFE, {"expected", "real"}),
        (PACE_HALF_LIFE, {"timed", "seconds"}),
    ):
        later = evidence.faded(one, 2 * half_life, HALF_LIFE)
        assert {n for n in Sums._fields[1:] if math.isclose(getattr(later, n), 2.0)} == names


def test_nothing_fades_before_its_time():
    one = sums(5, 4, at=100.0)
    assert evidence.faded(one, 100.0, HALF_LIFE) == evidence.faded(one, 50.0, HALF_LIFE) == one


def test_after_long_enough_nothing_is_left_and_nothing_breaks():
    old = evidence.faded(Sums(0.0, *[1e9] * 8), 1e9, HALF_LIFE)
    assert old[1:] == NONE[1:]
    assert evidence.share(0.9, [old], evidence.LEVEL) == 0.9
    assert evidence.health([old]) == evidence.trust([old], [old]) == 1.0


# Shares and seconds


@given(SHARES, LEVELS)
def test_a_share_lies_between_what_was_thought_and_what_was_seen(prior, levels):
    found = evidence.share(prior, levels, evidence.LEVEL)
    seen = [s.arrived / s.tries for s in levels if s.tries > 1e-9]
    assert min([prior, *seen]) - 1e-6 <= found <= max([prior, *seen]) + 1e-6
    assert 0 <= found <= 1


@given(SHARES, SHARES, st.floats(1, 1e6))
def test_the_more_is_seen_the_less_what_was_thought_counts(prior, seen, tries):
    few, many = (
        abs(evidence.share(prior, [sums(n, n * seen)], 20.0) - seen) for n in (tries, 2 * tries)
    )
    assert many <= few + 1e-12
    assert few == pytest.approx(abs(prior - seen) * 20 / (20 + tries), abs=1e-9)


def test_the_nearest_level_counts_most():
    world, country, prefix = sums(1000, 900), sums(500, 250), sums(200, 20)
    found = [evidence.share(0.5, [world, country, prefix][:n], 20.0) for n in (1, 2, 3)]
    assert found == [pytest.approx(x, abs=0.03) for x in (0.9, 0.5, 0.12)]


@given(LEVELS)
def test_seconds_are_those_expected_until_some_are_measured(levels):
    timed = [s._replace(seconds=s.timed * 7.0) for s in levels]
    assert evidence.seconds(7.0, timed) == pytest.approx(7.0)
    measured = [s._replace(timed=1000.0, seconds=30_000.0) for s in levels]
    assert evidence.seconds(7.0, measured) == pytest.approx(30.0, abs=0.2)


# Health


@given(LEVELS)
def test_health_keeps_its_bounds(levels):
    assert evidence.SICKEST <= evidence.health(levels) <= 1


def test_three_failures_in_a_row_say_much_and_arrivals_as_expected_nothing():
    failed = [evidence.health([sums(expected=0.95 * n)]) for n in range(5)]
    assert failed[0] == 1
    assert failed[1] > 0.7
    assert failed[3] < 0.4
    assert failed == sorted(failed, reverse=True)
    assert evidence.health([sums(expected=95, real=95)]) == 1
    assert evidence.health([sums(expected=95, real=97)]) == 1


@given(st.floats(0, 100), SHARES, st.floats(1, 3600))
def test_without_news_health_drifts_back_to_well(expected, share, age):
    sick = sums(expected=expected, real=share * expected)
    healths = [
        evidence.health([evidence.faded(sick, t, HALF_LIFE)]) for t in (0.0, age, 2 * age, 3e4)
    ]
    assert healths == sorted(healths)
    assert healths[-1] == pytest.approx(1.0)


def test_one_country_can_be_sick_while_the_provider_is_well():
    well, sick = sums(expected=500, real=490), sums(expected=30, real=3)
    assert evidence.health([well]) > 0.9
    assert evidence.health([well, sick]) < 0.3


def test_what_recovers_makes_good_what_was_lost_and_no_more():
    assert evidence.repaired(sums(10, 7, expected=5, real=4)) == sums(10, 7, expected=5, real=4)
    assert evidence.repaired(sums(10, 70, expected=5, real=40)) == sums(10, 10, expected=5, real=5)


# Trust


@given(st.lists(st.tuples(SUMS, SUMS), min_size=1, max_size=3))
def test_trust_keeps_its_bounds(levels):
    own = [mine for mine, _ in levels]
    every = [evidence.added(mine, others, HALF_LIFE) for mine, others in levels]
    assert 0 < evidence.trust(own, every) <= 1


@given(st.lists(st.tuples(st.floats(0, 1e4), SHARES), min_size=1, max_size=3))
def test_a_lone_way_is_trusted_however_few_codes_are_typed_in_and_wherever(levels):
    own = [sums(asked=asked, confirmed=asked * share) for asked, share in levels]
    assert evidence.trust(own, own) == pytest.approx(1.0)


def test_a_way_whose_codes_are_not_typed_in_while_those_of_others_are_loses_trust():
    def trust(asked):
        mine = sums(asked=asked, confirmed=asked * 0.1)
        return evidence.trust([mine], [sums(asked=asked + 500, confirmed=asked * 0.1 + 400)])

    found = [trust(n) for n in (0, 10, 50, 200, 2000)]
    assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(0.125, abs=0.05)


def test_as_many_as_usual_are_enough_and_more_are_no_better():
    for share in (0.7, 0.9):
        mine = sums(asked=300, confirmed=300 * share)
        every = sums(asked=1000, confirmed=300 * share + 490)
        assert evidence.trust([mine], [every]) == pytest.approx(1.0, abs=0.01)


def test_a_way_is_compared_with_its_neighbours_in_each_country():
    """Half as many codes are typed in there by all, of which it has most here and others there."""
    own_world, own_here = sums(asked=1000, confirmed=450), sums(asked=900, confirmed=360)
    world, here = sums(asked=2000, confirmed=1250), sums(asked=1200, confirmed=480)
    elsewhere = evidence.trust([own_world], [world])
    assert elsewhere < 0.7
    assert evidence.trust([own_world, own_here], [world, here]) > elsewhere + 0.2


def test_what_others_prove_everywhere_holds_where_it_is_alone():
    fake, real = sums(asked=1000, confirmed=100), sums(asked=1000, confirmed=800)
    world = evidence.added(fake, real, HALF_LIFE)
    here = sums(asked=500, confirmed=50)
    elsewhere = evidence.trust([fake], [world])
    assert elsewhere < 0.2
    assert evidence.trust([fake, here], [world, here]) == pytest.approx(elsewhere)
