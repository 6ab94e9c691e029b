"""Codes nobody can guess, kept so that nobody can read them, and limits that move with time."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent import otp
from otp_messaging_agent.otp import code_hash, free_at, make_code, matches

KEY = b"k" * 32
CHI_SQUARE_9 = 50.0  # nine degrees of freedom stay below this but once in ten million times
WINDOWS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), max_size=4)


@settings(deadline=None)
@given(st.integers(4, 10))
def test_a_code_has_its_length_and_only_ascii_digits(length):
    code = make_code(length)
    assert len(code) == length
    assert set(code) <= set("0123456789")


def test_a_small_number_keeps_its_leading_zeros(monkeypatch):
    bounds = []

    def smallest(bound):
        bounds.append(bound)
        return 7

    monkeypatch.setattr(otp.secrets, "randbelow", smallest)
    assert make_code(6) == "000007"
    assert bounds == [1_000_000]


def test_every_digit_is_as_likely_as_the_others_in_every_place():
    codes = [make_code(4) for _ in range(20_000)]
    for place in range(4):
        seen = Counter(code[place] for code in codes)
        expected = len(codes) / 10
        assert len(seen) == 10
        assert sum((n - expected) ** 2 / expected for n in seen.values()) < CHI_SQUARE_9


def test_codes_do_not_repeat_more_than_chance_says():
    assert len({make_code(10) for _ in range(1_000)}) > 995


def test_a_code_matches_its_own_hash_only():
    stored = code_hash(KEY, "ver_a", "123456")
    assert matches(KEY, "ver_a", "123456", stored)
    assert not matches(KEY, "ver_a", "123457", stored)
    assert not matches(KEY, "ver_a", "0123456", stored)


def test_a_hash_is_worth_nothing_for_another_verification_or_under_another_key():
    stored = code_hash(KEY, "ver_a", "123456")
    assert not matches(KEY, "ver_b", "123456", stored)
    assert not matches(b"j" * 32, "ver_a", "123456", stored)


@pytest.mark.parametrize("typed", ["", "\u0661\u0662\u0663\u0664", "12345\u0660", "\uff11"])
def test_odd_text_is_just_wrong(typed):
    assert not matches(KEY, "ver_a", typed, code_hash(KEY, "ver_a", "1234"))


def test_a_hash_does_not_show_the_code():
    stored = code_hash(KEY, "ver_a", "123456")
    assert len(stored) == 32
    assert b"123456" not in stored


def test_nothing_sent_yet_is_free_now():
    assert free_at([], [(600, 5)], 30, 1000) == 1000


def test_the_sixth_waits_for_the_first_to_leave_the_window():
    times = [0, 10, 20, 30, 40]
    assert free_at(times, [(600, 5)], 0, 50) == 600
    assert free_at(times, [(600, 5)], 0, 600) == 600


def test_the_longest_of_several_windows_decides():
    times = [0, 10, 20]
    assert free_at(times, [(60, 3), (3600, 3), (100, 1)], 0, 30) == 3600


def test_a_cooldown_counts_from_the_last():
    assert free_at([5, 100], [], 30, 101) == 130
    assert free_at([5, 100], [], 30, 131) == 131


def allowed(at, times, windows, cooldown):
    """Say by counting whether one more event at *at* stays within every window."""
    for seconds, number in windows:
        if sum(at - seconds < t for t in times) >= number:
            return False
    return not (times and cooldown) or at >= times[-1] + cooldown


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=12), WINDOWS, st.integers(0, 20), st.integers(60, 90))
def test_moving_windows_are_exact(times, windows, cooldown, now):
    times = sorted(times)
    expected = next(at for at in range(now, now + 200) if allowed(at, times, windows, cooldown))
    assert free_at(times, windows, cooldown, now) == expected
