"""Ids tell their order: later ones sort later, whatever the clock does."""

import os
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent.ids import Entropy, Ids

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def test_an_id_has_its_prefix_and_no_letters_that_look_like_digits():
    made = Ids(lambda: 1_800_000_000.0)("msg")
    prefix, _, rest = made.partition("_")
    assert prefix == "msg"
    assert len(rest) == 26
    assert set(rest) <= set(DIGITS)
    assert list(DIGITS) == sorted(DIGITS)


def test_an_id_begins_with_its_millisecond():
    rest = Ids(lambda: 1_800_000_000.123)("msg").partition("_")[2]
    number = 0
    for digit in rest[:10]:
        number = number * 32 + DIGITS.index(digit)
    assert number == 1_800_000_000_123


@settings(deadline=None)
@given(st.lists(st.floats(0, 4e9), min_size=2, max_size=50))
def test_ids_sort_in_the_order_they_were_made_even_if_the_clock_goes_back(times):
    clock = iter(times)
    ids = Ids(lambda: next(clock))
    made = [ids("msg") for _ in times]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_every_millisecond_draws_anew():
    clock = iter(range(1, 100))
    ids = Ids(lambda: float(next(clock)))
    tails = [ids("msg")[-16:] for _ in range(99)]
    assert len({tail[:8] for tail in tails}) > 90


def test_ids_of_different_makers_do_not_meet():
    makers = [Ids(lambda: 1_800_000_000.0) for _ in range(1_000)]
    assert len({make("msg") for make in makers}) == 1_000


def test_threads_share_no_id():
    ids = Ids(lambda: 1_800_000_000.0)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(ids, ["msg"] * 4_000))
    assert len(set(made)) == 4_000


def test_random_bytes_are_never_given_twice_not_even_to_a_child():
    supply = Entropy()
    taken = [supply.take(12) for _ in range(1000)]
    assert len(set(taken)) == 1000
    assert len(supply.take(5000)) == 5000
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, supply.take(12))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 12) != supply.take(12)
