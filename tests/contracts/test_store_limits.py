"""What every store promises of limits: so many codes and so many wrong tries per recipient."""

import pytest

from otp_messaging_agent.stores.base import Checked, Issued, Limited, Limits

from .store_parts import CODE, DAY, FREE, NOW, Guess, keep, order, together

TEN_MINUTES, HOUR = 600.0, 3600.0
USUAL = Limits(sends=((TEN_MINUTES, 5), (HOUR, 10), (DAY, 20)), wrong_per_day=20)


def ask(store, at, limits=USUAL, **fields):
    """Ask for a code at *at*; return what became of it."""
    (result,) = keep(store, order(at=at, limits=limits, **fields), at=at)
    return result


def issued(store, *times, **fields):
    """Ask for a code at each of *times*; each has to be issued."""
    for at in times:
        assert isinstance(ask(store, at, **fields), Issued), at - NOW


def test_five_sends_in_ten_minutes(store):
    issued(store, NOW, NOW + 10, NOW + 20, NOW + 30, NOW + 40)
    assert ask(store, NOW + 50) == Limited(NOW + 600)
    assert ask(store, NOW + 599.9) == Limited(NOW + 600)
    issued(store, NOW + 600)
    assert ask(store, NOW + 601) == Limited(NOW + 610)


def test_ten_sends_in_an_hour(store):
    issued(store, *(NOW + i * 200 for i in range(10)))
    assert ask(store, NOW + 2400) == Limited(NOW + HOUR)
    issued(store, NOW + HOUR)
    assert ask(store, NOW + HOUR + 1) == Limited(NOW + HOUR + 200)


def test_twenty_sends_in_a_day(store):
    issued(store, *(NOW + i * 1000 for i in range(20)))
    assert ask(store, NOW + 40_000) == Limited(NOW + DAY)
    issued(store, NOW + DAY)


def test_what_was_refused_does_not_count(store):
    issued(store, *[NOW] * 5)
    for i in range(50):
        assert ask(store, NOW + i) == Limited(NOW + 600)
    issued(store, *[NOW + 600] * 5)


def test_the_answer_says_when_the_next_may_be_sent(store):
    assert ask(store, NOW).next_send_at == NOW
    issued(store, NOW + 1, NOW + 2, NOW + 3)
    assert ask(store, NOW + 4).next_send_at == NOW + 600


def test_a_cooldown_is_kept_between_two_sends(store):
    calm = Limits(sends=((TEN_MINUTES, 5),), wrong_per_day=20, cooldown=30)
    assert ask(store, NOW, calm).next_send_at == NOW + 30
    assert ask(store, NOW + 29.9, calm) == Limited(NOW + 30)
    issued(store, NOW + 30, limits=calm)
    assert ask(store, NOW + 59, calm) == Limited(NOW + 60)


def test_limits_are_of_the_recipient_over_all_purposes(store):
    issued(store, NOW, NOW, NOW, purpose="login")
    issued(store, NOW, NOW, purpose="payment")
    assert ask(store, NOW, purpose="signup") == Limited(NOW + 600)
    issued(store, NOW, number="+447700900999")


def test_of_sixteen_requests_at_once_five_are_sent(store):
    results = together([lambda: ask(store, NOW)] * 16)
    assert sum(isinstance(r, Issued) for r in results) == 5
    assert results.count(Limited(NOW + 600)) == 11


def test_limits_hold_over_processes_and_restarts(place):
    issued(place.store(), NOW, NOW, NOW)
    issued(place.store(), NOW, NOW)
    assert ask(place.store(), NOW) == Limited(NOW + 600)


@pytest.fixture
def twenty_wrong(store):
    """Return a store where a recipient guessed wrong twenty times, five at each of four codes."""
    guess = Guess(store)
    for second in range(4):
        issued(store, NOW + second, limits=FREE)
        for _ in range(5):
            guess("0000", at=NOW + second, limits=USUAL)
    assert guess.compared == 20
    return store


def test_after_twenty_wrong_tries_a_day_no_code_is_sent(twenty_wrong):
    assert ask(twenty_wrong, NOW + 10) == Limited(NOW + DAY)
    assert ask(twenty_wrong, NOW + DAY - 1, Limits((), wrong_per_day=20)) == Limited(NOW + DAY)
    issued(twenty_wrong, NOW + DAY)


def test_after_twenty_wrong_tries_a_day_nothing_is_compared(twenty_wrong):
    issued(twenty_wrong, NOW + 10, limits=FREE)
    guess = Guess(twenty_wrong)
    assert guess(CODE, at=NOW + 11, limits=USUAL) == Limited(NOW + DAY)
    assert guess.compared == 0
    other = {"number": "+447700900999"}
    issued(twenty_wrong, NOW + 10, **other)
    assert guess(CODE, at=NOW + 11, limits=USUAL, recipient="+447700900999").verified


def test_the_day_of_wrong_tries_moves(twenty_wrong):
    at = NOW + DAY
    issued(twenty_wrong, at, limits=FREE)
    guess = Guess(twenty_wrong)
    for _ in range(5):
        guess("0000", at=at, limits=USUAL)
    assert guess.compared == 5  # the first five of yesterday are over
    assert ask(twenty_wrong, at) == Limited(NOW + 1 + DAY)


def test_a_success_clears_the_wrong_tries(store):
    guess = Guess(store)
    for second in range(4):
        issued(store, NOW + second, limits=FREE)
        for _ in range(4):
            guess("0000", at=NOW + second, limits=USUAL)
        if second < 3:
            guess("0000", at=NOW + second, limits=USUAL)
    assert guess(CODE, at=NOW + 3, limits=USUAL).verified
    for second in range(10, 13):
        issued(store, NOW + second, limits=FREE)
        answers = [guess("0000", at=NOW + second, limits=USUAL) for _ in range(5)]
        assert all(isinstance(a, Checked) for a in answers)
