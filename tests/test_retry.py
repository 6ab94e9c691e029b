"""Waits between tries: never shorter than promised, bounded, and over after the last retry."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent.retry import RetryPolicy, delay

GUIDE = RetryPolicy()
RANDOM = st.floats(0, 1, exclude_max=True)
SECONDS = st.floats(0.001, 10_000)
POLICIES = st.builds(
    RetryPolicy,
    max_retries=st.integers(0, 20),
    exponential=st.booleans(),
    base_delay=SECONDS,
    max_delay=SECONDS,
)


def planned(policy, tries):
    """Return the wait without jitter, counted up step by step."""
    wait = policy.base_delay
    for _ in range(tries - 1):
        wait = wait * 2 if policy.exponential else wait
    return min(wait, policy.max_delay)


def test_the_guide_waits_one_two_and_four_seconds_then_gives_up():
    assert [delay(GUIDE, n) for n in (1, 2, 3, 4)] == [1, 2, 4, None]


def test_jitter_adds_a_quarter_at_most():
    assert delay(GUIDE, 1, random=0.5) == pytest.approx(1.125)
    assert delay(GUIDE, 3, random=0.999999) == pytest.approx(5.0, rel=1e-5)


def test_without_backoff_every_wait_is_the_same():
    steady = RetryPolicy(exponential=False, base_delay=7)
    assert [delay(steady, n) for n in (1, 2, 3)] == [7, 7, 7]


def test_a_policy_without_retries_never_tries_again():
    assert delay(RetryPolicy(max_retries=0), 1) is None
    assert delay(RetryPolicy(max_retries=0), 1, retry_after=3) is None


def test_waits_stop_growing_at_their_bound():
    capped = RetryPolicy(max_retries=10, max_delay=5)
    assert [delay(capped, n) for n in range(1, 6)] == [1, 2, 4, 5, 5]


@settings(deadline=None)
@given(POLICIES, st.integers(1, 20), RANDOM)
def test_a_wait_is_never_shorter_than_planned_and_at_most_a_quarter_longer(policy, tries, random):
    wait = delay(policy, tries, random=random)
    if tries > policy.max_retries:
        assert wait is None
        return
    least = planned(policy, tries)
    assert least <= wait <= least * 1.25
    assert wait <= policy.max_delay * 1.25


@settings(deadline=None)
@given(POLICIES, st.integers(1, 20), RANDOM, SECONDS)
def test_what_the_provider_asks_for_wins_where_it_is_longer(policy, tries, random, asked):
    own = delay(policy, tries, random=random)
    wait = delay(policy, tries, random=random, retry_after=asked)
    assert wait == (None if own is None else max(own, asked))


def test_the_provider_may_ask_for_more_than_our_own_bound():
    assert delay(GUIDE, 1, retry_after=900, random=0.9) == 900


@settings(deadline=None)
@given(st.integers(21, 100_000))
def test_any_number_of_tries_has_a_finite_wait(tries):
    endless = RetryPolicy(max_retries=100_000)
    assert delay(endless, tries, random=0.5) == pytest.approx(300 * 1.125)
