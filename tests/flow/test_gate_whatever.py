"""The gate under many threads, and after any sequence of what may happen."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from otp_messaging_agent.errors import SendError

from ..switching import crowd
from .gates import CUT, DOWN, MAIN, NUMBER, REST, SECOND, SHUT, Timed


def test_under_many_threads_the_cap_holds_and_all_that_is_spent_was_sent():
    gate = Timed(failures=10**6, cap=100.0)

    def work(number):
        sent = 0
        for each in range(120):
            out = gate.take(MAIN, 0.5)
            ending = (number + each) % 4
            if out is not None and ending == 0:
                gate.unused(out)
            elif out is not None:
                error = (None, DOWN, CUT)[ending - 1]
                gate.leave(out, f"{number}.{each}", error)
                sent += error is not DOWN
        return sent

    sent = sum(crowd(work))
    assert sent <= 200
    assert gate.left(0.5) == 200 - sent


def test_under_many_threads_one_probe_passes_at_a_time():
    gate = Timed(failures=1, cap=1000.0)
    gate.fail(MAIN, "a")
    gate.clock.at += REST
    probes = []

    def work(number):
        made = 0
        for _ in range(300):
            out = gate.take(MAIN, 1.0)
            if out is not None:
                probes.append(number)
                assert probes == [number]
                probes.clear()
                gate.unused(out)
                made += 1
        return made

    assert sum(crowd(work))
    assert gate.take(MAIN, 1.0)
    assert gate.left() == 999


class Whatever(RuleBasedStateMachine):
    """After any sequence: spent is what was sent, and no probe's place is lost."""

    out = Bundle("out")

    def __init__(self):
        super().__init__()
        self.gate = Timed(failures=2, cap=20.0)
        self.sent = 0
        self.taken = 0
        self.made = {}

    def day(self):
        return self.gate.clock.at // 86_400

    @rule(seconds=st.sampled_from([1, 29, 31, 310, 3600, 50_000]))
    def wait(self, seconds):
        before = self.day()
        self.gate.clock.at += seconds
        if self.day() != before:
            self.sent = self.taken = 0

    @rule(target=out, way=st.sampled_from([MAIN, SECOND]), cost=st.integers(0, 4))
    def take(self, way, cost):
        out = self.gate.take(way, float(cost))
        if out is not None:
            self.taken += cost
            self.made[out] = (way, cost, self.day())
        return out

    @rule(
        out=consumes(out),
        error=st.sampled_from(
            [None, DOWN, CUT, SHUT, NUMBER, SendError("rate_limited", retry_after=20), "unused"]
        ),
        who=st.sampled_from("abc"),
    )
    def leave(self, out, error, who):
        if out is None:
            return
        _, cost, day = self.made.pop(out)
        today = day == self.day()
        if error == "unused":
            self.gate.unused(out)
        else:
            self.gate.leave(out, who, error)
            if error in {None, CUT} and today:
                self.sent += cost
        self.taken -= cost * today

    @invariant()
    def spent_is_what_was_sent_and_what_is_under_way(self):
        assert self.gate.left(1.0, 30) == 20 - self.sent - self.taken

    def teardown(self):
        for out in list(self.made):
            self.gate.unused(out)
        self.gate.clock.at += 86_400
        assert self.gate.take(MAIN, 1.0)
        assert self.gate.take(SECOND, 1.0)


Whatever.TestCase.settings = settings(max_examples=100, deadline=None)
TestWhatever = Whatever.TestCase
