"""A way that fails in a row is left alone, and tried again by one call at a time."""

import threading
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from otp_messaging_agent.safety.breaker import LONGEST, Breaker

from ..switching import crowd

WAY, OTHER = "SMS/main", "SMS/second"
REST = 30.0


class Clock:
    def __init__(self):
        self.at = 1_800_000_000.0

    def __call__(self):
        return self.at


class Timed(Breaker):
    """A breaker with its clock at hand."""

    def __init__(self, failures=3, rest=REST):
        self.clock = Clock()
        super().__init__(failures, rest, self.clock)

    def fail(self, *message_ids, way=WAY):
        for message_id in message_ids:
            self.leave(self.enter(way), message_id, ok=False)

    def succeed(self, way=WAY):
        self.leave(self.enter(way), "good", ok=True)

    def is_closed(self, way=WAY):
        call = self.enter(way)
        if call is not None:
            self.leave(call, "", ok=None)
        return call is not None


@pytest.fixture
def breaker():
    return Timed()


def test_a_way_nobody_took_is_open_to_all(breaker):
    assert (breaker.rest(WAY), breaker.held(WAY)) == (0, 0)
    assert all(breaker.enter(WAY) for _ in range(100))


def test_so_many_failures_in_a_row_close_it_for_its_rest(breaker):
    breaker.fail("a", "b")
    assert breaker.rest(WAY) == 0
    breaker.fail("c")
    assert breaker.rest(WAY) == REST
    assert breaker.enter(WAY) is None
    breaker.clock.at += REST - 0.5
    assert breaker.rest(WAY) == 0.5
    assert breaker.enter(WAY) is None
    breaker.clock.at += 0.5
    assert breaker.rest(WAY) == 0
    assert breaker.enter(WAY)


def test_one_failure_can_be_enough():
    breaker = Timed(failures=1)
    breaker.fail("a")
    assert breaker.rest(WAY) == REST


def test_a_success_between_begins_the_count_anew(breaker):
    breaker.fail("a", "b")
    breaker.succeed()
    breaker.fail("c", "d")
    assert breaker.is_closed()


def test_what_says_nothing_leaves_the_count_as_it_is(breaker):
    breaker.fail("a", "b")
    breaker.leave(breaker.enter(WAY), "", ok=None)
    breaker.fail("c")
    assert not breaker.is_closed()


def test_tries_of_one_message_count_once(breaker):
    breaker.fail(*["a"] * 10)
    assert breaker.is_closed()
    breaker.fail("b", "a", "b", "a")
    assert breaker.is_closed()
    breaker.fail("c")
    assert not breaker.is_closed()


def test_a_message_that_failed_before_a_success_counts_again(breaker):
    breaker.fail("a", "b")
    breaker.succeed()
    breaker.fail("a", "b", "c")
    assert not breaker.is_closed()


def test_each_way_stands_for_itself(breaker):
    breaker.fail("a", "b", "c")
    assert breaker.rest(OTHER) == 0
    assert breaker.is_closed(OTHER)


def test_while_it_is_tried_nothing_else_passes(breaker):
    breaker.fail("a", "b", "c")
    breaker.clock.at += REST
    probe = breaker.enter(WAY)
    assert breaker.rest(WAY) == REST  # nobody knows how long the probe takes
    assert breaker.enter(WAY) is None
    breaker.clock.at += 10 * REST
    assert breaker.enter(WAY) is None
    breaker.leave(probe, "d", ok=True)
    assert breaker.rest(WAY) == 0
    assert all(breaker.enter(WAY) for _ in range(10))


def test_each_probe_that_fails_doubles_the_rest_up_to_a_bound(breaker):
    breaker.fail("a", "b", "c")
    rests = []
    for number in range(6):
        rests.append(breaker.rest(WAY))
        breaker.clock.at += rests[-1]
        breaker.fail(f"p{number}")
    assert rests == [30, 60, 120, 240, LONGEST, LONGEST]
    breaker.clock.at += LONGEST
    breaker.succeed()
    breaker.fail("x", "y", "z")
    assert breaker.rest(WAY) == REST


def test_a_probe_may_fail_by_a_message_that_failed_before(breaker):
    breaker.fail("a", "b", "c")
    breaker.clock.at += REST
    breaker.fail("c")
    assert breaker.rest(WAY) == 2 * REST


def test_a_probe_that_was_not_made_leaves_the_place_to_the_next(breaker):
    breaker.fail("a", "b", "c")
    breaker.clock.at += REST
    breaker.leave(breaker.enter(WAY), "", ok=None)
    assert breaker.rest(WAY) == 0
    probe = breaker.enter(WAY)
    assert probe
    assert breaker.enter(WAY) is None


@pytest.mark.parametrize("ok", [None, False])
def test_a_call_from_before_it_opened_is_not_taken_for_the_probe(breaker, ok):
    early = breaker.enter(WAY)
    breaker.fail("a", "b", "c")
    breaker.clock.at += REST
    probe = breaker.enter(WAY)
    breaker.leave(early, "early", ok=ok)
    assert breaker.enter(WAY) is None
    breaker.leave(probe, "d", ok=False)
    assert breaker.rest(WAY) == 2 * REST


def test_failures_from_before_do_not_lengthen_the_rest(breaker):
    calls = [breaker.enter(WAY) for _ in range(20)]
    for number, call in enumerate(calls):
        breaker.clock.at += 1
        breaker.leave(call, f"m{number}", ok=False)
    assert breaker.rest(WAY) == REST - 17
    breaker.clock.at += REST
    assert breaker.enter(WAY)


def test_a_success_from_before_proves_that_it_works(breaker):
    early = breaker.enter(WAY)
    breaker.fail("a", "b", "c")
    breaker.leave(early, "early", ok=True)
    assert breaker.is_closed()


def test_a_hold_is_kept_to_its_end_and_never_shortened(breaker):
    breaker.hold(WAY, 60)
    breaker.hold(WAY, 5)
    assert (breaker.held(WAY), breaker.rest(WAY)) == (60, 0)
    assert breaker.enter(WAY) is None
    assert breaker.enter(OTHER)
    breaker.clock.at += 60
    assert breaker.held(WAY) == 0
    assert breaker.enter(WAY)


def test_a_success_does_not_end_a_hold(breaker):
    call = breaker.enter(WAY)
    breaker.hold(WAY, 60)
    breaker.leave(call, "a", ok=True)
    assert breaker.enter(WAY) is None


class Slow(Clock):
    """A clock that lets other threads go on while it is read."""

    def __call__(self):
        time.sleep(0)
        return self.at


def test_many_threads_let_one_probe_pass_at_a_time(breaker):
    breaker.fail("a", "b", "c")
    breaker.clock.at += REST
    breaker._clock = Slow()
    breaker._clock.at = breaker.clock.at
    asked, left = threading.Barrier(16), threading.Barrier(16)

    def work(_):
        passed = []
        for _ in range(20):
            call = breaker.enter(WAY)
            asked.wait(30)  # so the probe is under way until all others were refused
            passed.append(call is not None)
            if call is not None:
                breaker.leave(call, "", ok=None)
            left.wait(30)
        return passed

    rounds = zip(*crowd(work), strict=True)
    assert [sum(of) for of in rounds] == [1] * 20


def test_no_failure_is_lost_between_threads():
    breaker = Timed(failures=800)

    def work(number):
        for each in range(50):
            assert breaker.rest(WAY) == 0
            breaker.fail(f"{number}/{each}")

    crowd(work)
    assert breaker.rest(WAY) == REST


class Any(RuleBasedStateMachine):
    """Whatever is done in whatever order, a way is tried again and by one call at a time."""

    calls = Bundle("calls")

    def __init__(self):
        super().__init__()
        self.breaker = Timed(failures=2, rest=5)
        self.probes = set()

    def is_open(self):
        return self.breaker.rest(WAY) > 0

    @rule(seconds=st.sampled_from([0.5, 4.5, 10, 400]))
    def wait(self, seconds):
        self.breaker.clock.at += seconds

    @rule(target=calls)
    def enter(self):
        failed = len(self.breaker._states[WAY].failed) >= 2 if self.breaker._states else False
        call = self.breaker.enter(WAY)
        if failed and call is not None:
            assert not self.probes
            self.probes.add(call)
        return call

    @rule(call=consumes(calls), ok=st.sampled_from([True, False, None]), who=st.sampled_from("abc"))
    def leave(self, call, ok, who):
        if call is not None:
            self.breaker.leave(call, who, ok=ok)
            self.probes.discard(call)
            if ok:
                self.probes.clear()  # closed: what probed is a call like any other

    @invariant()
    def a_rest_has_an_end(self):
        assert self.breaker.rest(WAY) <= LONGEST

    def teardown(self):
        at_probe = bool(self.probes)
        self.breaker.clock.at += LONGEST
        assert at_probe or self.breaker.enter(WAY)


Any.TestCase.settings = settings(max_examples=150, deadline=None)
TestAny = Any.TestCase
