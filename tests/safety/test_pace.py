"""How full a limit is: the seconds until it is free and the share used up, from one look."""

import time
from datetime import UTC, datetime

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_messaging_agent.safety.pace import WINDOW, Pace

START = 1_800_000_000.0
NAMES = ["SMS", "SMS/a", "SMS/b", "Email"]


@pytest.fixture
def clock():
    with time_machine.travel(datetime.fromtimestamp(START, UTC), tick=False) as traveller:
        yield traveller


def test_what_has_no_limit_has_no_load():
    assert Pace({}).load(NAMES) == (0, 0)
    assert Pace({"Email": 1}).load(["SMS", "SMS/a"]) == (0, 0)
    assert Pace({"Email": 1}).load([]) == (0, 0)


def test_the_share_used_up_grows_with_each_send_and_goes_with_its_minute(clock):
    pace, seen = Pace({"SMS": 4}, time.time), []
    for _ in range(4):
        seen.append(pace.load(["SMS"]))
        assert pace.take(["SMS"])
        clock.shift(10)
    assert seen == [(0, 0), (0, 0.25), (0, 0.5), (0, 0.75)]
    assert pace.load(["SMS"]) == (pytest.approx(20, abs=0.01), 1)
    assert not pace.take(["SMS"])
    clock.shift(20.001)
    assert pace.load(["SMS"]) == (0, 0.75)
    clock.shift(WINDOW)
    assert pace.load(["SMS"]) == (0, 0)


def test_of_several_limits_the_fullest_and_the_longest_wait_count(clock):
    pace = Pace({"SMS": 10, "SMS/a": 2, "SMS/b": 4}, time.time)
    for _ in range(2):
        assert pace.take(["SMS", "SMS/a"])
    assert pace.load(["SMS", "SMS/a"]) == (WINDOW, 1)
    assert pace.load(["SMS", "SMS/b"]) == (0, pytest.approx(0.2))
    assert pace.take(["SMS", "SMS/b"])
    assert pace.load(["SMS", "SMS/b"]) == (0, pytest.approx(0.3))


def test_what_a_restart_counts_again_is_load_too(clock):
    pace = Pace({"SMS": 4}, time.time)
    pace.resume([["SMS", "SMS/a"], ["Email"], ["SMS", "SMS/b"]])
    assert pace.load(["SMS"]) == (0, 0.5)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(NAMES), st.integers(1, 5)),
    st.lists(
        st.tuples(st.lists(st.sampled_from(NAMES), unique=True), st.floats(0, 30)), max_size=30
    ),
)
def test_a_send_is_let_out_exactly_when_nothing_is_to_be_waited_for(limits, sends):
    with time_machine.travel(datetime.fromtimestamp(START, UTC), tick=False) as clock:
        pace = Pace(limits, time.time)
        for names, pause in sends:
            wait, used = pace.load(names)
            assert 0 <= used <= 1
            assert (wait > 0) is (used == 1)
            assert pace.wait(names) == wait <= WINDOW
            assert pace.take(names) is (wait == 0)
            clock.shift(pause)
