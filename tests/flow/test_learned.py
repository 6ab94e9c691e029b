"""Lessons go in, estimates come out: whatever is taught, what comes out can be believed."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent.flow.evidence import SICKEST
from otp_messaging_agent.flow.learned import REACHED, Learned
from otp_messaging_agent.flow.lesson import NOWHERE, Prior, place_of
from otp_messaging_agent.message import Channel

from .lessons import (
    ABROAD,
    ARRIVED,
    CONFIRMED,
    FAILED,
    HERE,
    HOUR,
    LEARNED,
    NEXT_DOOR,
    PLACES,
    RECOVERED,
    UNREACHABLE,
    codes,
    estimate,
    history,
    in_order,
    lesson,
    many,
    taught,
)
from .routes import CALL, EMAIL, NOW, PRIORS, SMS, WHATSAPP

ALWAYS = settings(deadline=None)


def every_estimate(learned, now=NOW):
    for place in (HERE, NEXT_DOOR, ABROAD, NOWHERE):
        for channel in Channel:
            for provider in ("a", "b"):
                yield estimate(learned, channel, provider, place, now)


# In any state


@ALWAYS
@given(LEARNED, st.floats(0, 1e6))
def test_whatever_was_taught_an_estimate_keeps_its_bounds(learned, later):
    for e in every_estimate(learned, NOW + later):
        assert all(0 < share <= 1 for share in (e.reach, e.rate, e.trust))
        assert SICKEST <= e.health <= 1
        assert 0 < e.success <= 1
        assert math.isfinite(e.seconds)
        assert e.seconds >= 0
        assert e.trials >= 0


@ALWAYS
@given(LEARNED, st.sampled_from(Channel), PLACES, st.integers(1, 50))
def test_an_unreachable_recipient_is_nothing_against_a_provider(learned, channel, place, times):
    before = list(every_estimate(learned))
    taught(*[lesson(UNREACHABLE, channel, "a", place=place)] * times, learned=learned)
    for then, now in zip(before, every_estimate(learned), strict=True):
        assert now == pytest.approx(then._replace(reach=now.reach))
    there = estimate(learned, channel, "b", place)
    assert there.reach < 1


@ALWAYS
@given(LEARNED)
def test_after_long_enough_all_is_as_if_nothing_had_been(learned):
    fresh = Learned(PRIORS)
    for then, now in zip(every_estimate(fresh), every_estimate(learned, NOW + 1e8), strict=True):
        assert now == pytest.approx(then)
    assert list(learned.known(NOW + 1e8)) == []


QUIET = many(8).map(lambda found: [one for one in found if one.kind not in {FAILED, RECOVERED}])


@ALWAYS
@given(QUIET.flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_where_nothing_fails_the_order_of_lessons_changes_next_to_nothing(orders):
    first, second = (list(every_estimate(taught(*found))) for found in orders)
    for one, other in zip(first, second, strict=True):
        assert other == pytest.approx(one, abs=0.1)
        assert (other.reach, other.trust, other.seconds) == pytest.approx(
            (one.reach, one.trust, one.seconds)
        )


NEW = many().map(  # what recovered or was typed in without having been sent does not come about
    lambda found: taught(*[one for one in found if one.kind not in {RECOVERED, CONFIRMED}])
)


@ALWAYS
@given(NEW, st.floats(0, 3e5), st.floats(0, 1e4))
def test_to_forget_what_has_faded_changes_no_estimate(learned, when, later):
    before = list(every_estimate(learned, NOW + when + later))
    learned.forget(NOW + when)
    for then, now in zip(before, every_estimate(learned, NOW + when + later), strict=True):
        assert now == pytest.approx(then, abs=0.02, rel=0.001)


def test_what_has_faded_is_held_no_longer():
    learned = taught(*history(0.9, tries=300), *codes(0.5, WHATSAPP), *history(0.9, place=ABROAD))
    assert learned.at(HERE)
    learned.forget(NOW + HOUR)
    assert estimate(learned, now=NOW + HOUR).trials > 200
    learned.forget(NOW + 10 * 86_400)
    assert not any(learned.at(place) for place in (HERE, ABROAD, NOWHERE))
    taught(lesson(ARRIVED, at=NOW + 11 * 86_400), learned=learned)
    assert estimate(learned, now=NOW + 11 * 86_400).trials == 1


# What is learned


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_an_estimate_moves_towards_what_is_seen(share):
    found = [estimate(taught(*history(share, tries=n, over=6 * HOUR))).rate for n in (0, 30, 1000)]
    prior = PRIORS[SMS].reliability
    assert found[0] == pytest.approx(prior)
    assert abs(found[2] - share) < abs(found[1] - share) < abs(found[0] - share)
    assert found[2] == pytest.approx(share, abs=0.06)


def test_where_nothing_was_sent_the_country_shrinks_to_the_provider_and_that_to_the_channel():
    learned = taught(*history(0.6, tries=400, place=ABROAD, over=6 * HOUR))
    here, there = (estimate(learned, place=place).rate for place in (HERE, ABROAD))
    nowhere = estimate(learned, place=NOWHERE).rate
    assert here == nowhere
    assert there < here < PRIORS[SMS].reliability
    assert estimate(learned, WHATSAPP).rate == pytest.approx(PRIORS[WHATSAPP].reliability)


def test_a_bad_prefix_does_not_spoil_its_country():
    bad = history(0.0, tries=50, place=HERE, over=6 * HOUR)
    good = history(0.95, tries=200, place=NEXT_DOOR, over=6 * HOUR)
    learned = taught(*in_order(bad, good))
    assert estimate(learned, place=HERE).success < 0.4
    assert estimate(learned, place=NEXT_DOOR).success > 0.8
    assert estimate(learned, place=place_of("+447911123456")).success > 0.65


def test_what_fails_in_one_country_says_little_of_another():
    sick = [lesson(FAILED, place=ABROAD, at=NOW - i) for i in range(30)][::-1]
    well = history(0.95, tries=600, over=600)
    learned = taught(*in_order(well, sick))
    assert estimate(learned, place=ABROAD).health < 0.3
    assert estimate(learned, place=HERE).health > 0.8


def test_what_is_measured_tells_how_long_it_takes():
    slow = taught(*history(0.9, seconds=40.0, over=300))
    assert estimate(slow).seconds == pytest.approx(40, abs=6)
    assert estimate(slow, now=NOW + 86_400).seconds == pytest.approx(PRIORS[SMS].latency, abs=0.1)
    assert estimate(taught(*history(0.9))).seconds == PRIORS[SMS].latency


def test_recipients_who_have_no_such_channel_lower_its_reach_by_whichever_provider():
    kinds = [UNREACHABLE, ARRIVED, UNREACHABLE, UNREACHABLE] * 50
    learned = taught(*[lesson(kind, WHATSAPP, "a") for kind in kinds])
    assert estimate(learned, WHATSAPP, "b").reach == pytest.approx(0.25, abs=0.05)
    assert estimate(learned, SMS).reach == REACHED
    assert learned.outlook(HERE, NOW).trials(WHATSAPP) == 200


# Codes


def test_a_way_that_says_delivered_while_its_codes_are_not_typed_in_loses_trust():
    learned = taught(
        *history(1.0, provider="fake"),
        *history(0.9, provider="real"),
        *codes(0.05, provider="fake", asked=200),
        *codes(0.8, provider="real", asked=200),
    )
    assert estimate(learned, provider="fake").trust < 0.35
    assert estimate(learned, provider="real").trust > 0.95
    fake, real = (estimate(learned, provider=name).success for name in ("fake", "real"))
    assert fake < real / 2


def test_a_way_that_is_alone_stays_trusted():
    for share in (0.0, 0.1, 0.9):
        assert estimate(taught(*codes(share, asked=500))).trust == 1


def test_codes_say_nothing_of_receipts():
    learned = taught(*codes(0.1, asked=500))
    fresh = estimate(Learned(PRIORS))
    assert estimate(learned)[:3] == fresh[:3]
    assert estimate(learned).trials == 0


# What is known


def test_it_tells_of_what_it_knows_by_way_and_country():
    learned = taught(
        lesson(ARRIVED, SMS, "a"),
        lesson(FAILED, SMS, "a", place=NEXT_DOOR),
        lesson(FAILED, CALL, "b", place=ABROAD),
        lesson(UNREACHABLE, WHATSAPP, "a"),
        *codes(0.5, WHATSAPP, provider="b"),
    )
    assert sorted(learned.known(NOW)) == [(CALL, "b", "US"), (SMS, "a", "GB")]
    assert len(list(learned.known(NOW + 86_400))) == 2
    assert list(learned.known(NOW + 2 * 86_400)) == []


def test_a_channel_it_has_no_prior_of_is_learned_of_too():
    learned = taught(*history(0.2, CALL), learned=Learned({SMS: Prior(0.9, 1.0)}))
    assert 0 < estimate(learned, CALL).rate < 0.5
    assert 0 < estimate(learned, EMAIL).rate < 1


@pytest.mark.parametrize("half_life", [600.0, 21_600.0])
def test_half_of_the_memory_is_left_after_its_half_life(half_life):
    learned = taught(*[lesson(ARRIVED)] * 64, learned=Learned(PRIORS, half_life))
    trials = [estimate(learned, now=NOW + n * half_life).trials for n in (0, 1, 3)]
    assert trials == pytest.approx([64, 32, 8])
