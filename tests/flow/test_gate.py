"""The gate: limits, breakers and the day's spend, taken together and given back together."""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from otp_messaging_agent.errors import Scope, SendError, StoreUnavailable
from otp_messaging_agent.flow.gate import Gate, limit_names
from otp_messaging_agent.providers.base import Sent
from otp_messaging_agent.safety.breaker import HOLD, Breaker
from otp_messaging_agent.safety.pace import Pace
from otp_messaging_agent.safety.spend import Spend

from ..switching import crowd
from .routes import EMAIL, SMS, WHATSAPP, option
from .scripted import START, Clock, Scripted

NOON = 12 * 3600 - START % 86_400 + START
REST = 30.0
MAIN, SECOND, MAIL = option(SMS, "main"), option(SMS, "second"), option(EMAIL, "main")
DOWN = SendError("provider_unavailable")
CUT = SendError("timeout", ambiguous=True)
SHUT = SendError("auth_failed", permanent=True, scope=Scope.ACCOUNT)
NUMBER = SendError("invalid_number", permanent=True, scope=Scope.RECIPIENT)


class Timed(Gate):
    """A gate with its clock at hand."""

    def __init__(self, per_minute=(), failures=2, cap=None, clock=None):
        self.clock = clock or Clock(NOON)
        super().__init__(
            Pace(dict(per_minute), self.clock),
            Breaker(failures, REST, self.clock),
            Spend(cap, ZoneInfo("UTC"), self.clock),
        )

    def fail(self, way, *message_ids, error=DOWN):
        for message_id in message_ids:
            self.leave(self.take(way, 0.0), message_id, error)

    def left(self, step=1.0, most=1000):
        """Return what can still be spent today, in whole steps; nothing is spent by that."""
        taken = 0
        day = 0.0
        while taken < most and (new := self.spend.reserve(step)) is not None:
            taken, day = taken + 1, new
        for _ in range(taken):
            self.spend.give_back(step, day)
        return taken


@pytest.fixture
def wall():
    with time_machine.travel(datetime.fromtimestamp(NOON, UTC), tick=False) as traveller:
        yield traveller


def passes(gate, way, most=100, cost=0.0):
    """Return how many sends are let out at this moment."""
    return next((n for n in range(most) if gate.take(way, cost) is None), most)


# Limits


def test_a_channel_and_each_provider_have_their_names():
    assert limit_names(SMS, "main") == ("SMS", "SMS/main")


def test_a_limit_of_the_channel_is_shared_by_its_providers(wall):
    gate = Timed({"SMS": 3}, clock=datetime.now(UTC).timestamp)
    assert [bool(gate.take(o, 0)) for o in (MAIN, SECOND, MAIN, SECOND)] == [True] * 3 + [False]
    assert gate.wait(MAIN) == gate.wait(SECOND) == 60
    assert gate.wait(MAIL) == 0
    assert gate.take(MAIL, 0)


def test_a_limit_of_a_provider_is_its_own(wall):
    gate = Timed({"SMS/main": 2, "SMS": 5})
    assert passes(gate, MAIN) == 2
    assert (gate.wait(MAIN), gate.wait(SECOND)) == (60, 0)
    assert passes(gate, SECOND) == 3
    assert gate.wait(SECOND) == 60


def test_the_same_provider_on_another_channel_has_its_own_limit(wall):
    gate = Timed({"SMS/main": 1})
    assert passes(gate, MAIN) == 1
    assert passes(gate, MAIL, most=5) == 5


def test_the_load_of_a_way_is_that_of_its_fullest_limit(wall):
    gate = Timed({"SMS/main": 4, "SMS": 10})
    assert gate.load(MAIN) == (0, 0, 0)
    gate.take(MAIN, 0)
    assert gate.load(MAIN) == (0, 0, 0.25)
    assert gate.load(SECOND) == (0, 0, pytest.approx(0.1))
    for _ in range(3):
        gate.take(MAIN, 0)
    assert gate.load(MAIN) == (60, 0, 1)
    assert gate.load(SECOND) == (0, 0, pytest.approx(0.4))
    assert gate.load(MAIL) == (0, 0, 0)
    wall.shift(61)
    gate.clock.at += 61
    assert gate.load(MAIN) == (0, 0, 0)


def test_the_load_of_a_way_tells_of_429_and_failures_too():
    gate = Timed(failures=1)
    gate.fail(MAIN, "a", error=SendError("rate_limited", retry_after=45))
    gate.fail(SECOND, "a")
    assert gate.load(MAIN) == (45, 0, 0)
    assert gate.load(SECOND) == (0, REST, 0)


def test_a_send_that_its_provider_may_not_make_is_not_counted_for_the_channel(wall):
    gate = Timed({"SMS/main": 1, "SMS": 2})
    assert passes(gate, MAIN) == 1
    assert gate.take(MAIN, 0) is None
    assert passes(gate, SECOND) == 1


# After a 429


def test_after_a_429_a_way_is_left_alone_as_long_as_it_asked():
    gate = Timed()
    gate.leave(gate.take(MAIN, 0), "a", SendError("rate_limited", retry_after=45))
    assert (gate.wait(MAIN), gate.rest(MAIN)) == (45, 0)
    assert gate.closed(MAIN)
    assert gate.take(MAIN, 0) is None
    assert gate.take(SECOND, 0)
    assert gate.take(MAIL, 0)
    gate.clock.at += 45
    assert not gate.closed(MAIN)
    assert gate.take(MAIN, 0)


def test_after_a_429_that_asks_for_nothing_a_way_is_left_alone_for_a_moment():
    gate = Timed()
    gate.leave(gate.take(MAIN, 0), "a", SendError("rate_limited"))
    assert (gate.wait(MAIN), gate.rest(MAIN)) == (HOLD, 0)
    assert gate.take(MAIN, 0) is None
    assert gate.take(SECOND, 0)
    gate.clock.at += HOLD
    assert not gate.closed(MAIN)
    assert gate.take(MAIN, 0)


@pytest.mark.parametrize("asked", [None, 0.5, 45.0])
def test_no_429_counts_as_a_failure(asked):
    gate = Timed(failures=2)
    gate.fail(MAIN, "a")
    gate.fail(MAIN, "b", error=SendError("rate_limited", retry_after=asked))
    gate.clock.at += asked or HOLD
    gate.fail(MAIN, "c")
    assert gate.rest(MAIN) == 0


def test_another_error_that_asks_to_wait_holds_only_its_own_message():
    gate = Timed()
    gate.fail(MAIN, "a", error=SendError("provider_unavailable", retry_after=45))
    assert not gate.closed(MAIN)


# The breaker


@pytest.mark.parametrize("error", [DOWN, CUT, SHUT], ids=lambda e: e.code)
def test_what_would_meet_every_message_closes_a_way(error):
    gate = Timed(failures=2)
    gate.fail(MAIN, "a", "b", error=error)
    assert gate.rest(MAIN) == REST
    assert gate.closed(MAIN)
    assert gate.take(MAIN, 0) is None
    assert not gate.closed(SECOND)
    assert not gate.closed(MAIL)


@pytest.mark.parametrize(
    "error",
    [
        NUMBER,
        SendError("not_mobile", permanent=True, scope=Scope.CHANNEL),
        SendError("handset_unreachable", scope=Scope.CHANNEL),
        SendError("mailbox_full", scope=Scope.RECIPIENT),
        SendError("content_refused", permanent=True, scope=Scope.MESSAGE),
        SendError("blocked", permanent=True, scope=Scope.PROVIDER),
    ],
    ids=lambda e: e.code,
)
def test_what_says_something_of_one_recipient_never_does(error):
    gate = Timed(failures=2)
    gate.fail(MAIN, "a")
    for number in range(10):
        gate.fail(MAIN, f"m{number}", error=error)
    gate.fail(MAIN, "b")
    assert not gate.closed(MAIN)


def test_a_probe_at_a_time_brings_it_back():
    gate = Timed(failures=2)
    gate.fail(MAIN, "a", "b")
    gate.clock.at += REST
    probe = gate.take(MAIN, 0)
    assert gate.take(MAIN, 0) is None
    gate.leave(probe, "c", DOWN)
    assert gate.rest(MAIN) == 2 * REST
    gate.clock.at += 2 * REST
    gate.leave(gate.take(MAIN, 0), "d", NUMBER)  # it answers again
    assert gate.rest(MAIN) == 0
    assert passes(gate, MAIN, most=9) == 9


@pytest.mark.parametrize("short", ["spend", "pace"])
def test_a_probe_that_cannot_be_paid_or_made_now_is_not_lost(wall, short):
    gate = Timed({"SMS": 1} if short == "pace" else (), failures=1, cap=1.0)
    if short == "pace":
        gate.take(SECOND, 0.0)
    gate._breaker.leave(gate._breaker.enter("SMS/main"), "a", ok=False)
    gate.clock.at += REST
    for _ in range(3):
        assert gate.take(MAIN, 0.5 if short == "pace" else 2.0) is None
    assert gate.rest(MAIN) == 0
    assert gate.left() == 1
    wall.shift(60.001)
    assert gate.take(MAIN, 1.0)


@pytest.mark.parametrize("code", ["expired", "validity_too_short"])
def test_a_probe_that_was_too_late_to_make_brings_nothing_back(code):
    gate = Timed()
    for message_id in ("a", "b"):
        gate.leave(gate.take(MAIN, 0.0), message_id, DOWN)
    gate.clock.at += REST
    gate.leave(gate.take(MAIN, 0.0), "c", SendError(code, permanent=True, scope=Scope.MESSAGE))
    gate.leave(gate.take(MAIN, 0.0), "d", DOWN)  # the next one is a probe still
    assert gate.rest(MAIN) == 2 * REST


def test_an_unused_probe_leaves_its_place():
    gate = Timed(failures=1, cap=1.0)
    gate.fail(MAIN, "a")
    gate.clock.at += REST
    gate.unused(gate.take(MAIN, 1.0))
    assert gate.take(MAIN, 1.0)


# Spend


@pytest.mark.parametrize(
    ("error", "left"),
    [(None, 2), (CUT, 2), (DOWN, 3), (NUMBER, 3), (SHUT, 3), (SendError("rate_limited"), 3)],
    ids=["sent", "cut", "down", "number", "shut", "limited"],
)
def test_what_was_or_may_have_been_sent_is_spent_and_nothing_else(error, left):
    gate = Timed(cap=3.0)
    out = gate.take(MAIN, 1.0)
    assert gate.left() == 2
    gate.leave(out, "a", error)
    assert gate.left() == left


@pytest.mark.parametrize(("cost", "left"), [(None, 8), (0.0, 12), (0.25, 11), (1.0, 8), (2.5, 2)])
def test_what_the_provider_says_it_took_is_spent(cost, left):
    gate = Timed(cap=3.0)
    gate.leave(gate.take(MAIN, 1.0), "a", None, cost)
    assert gate.left(0.25) == left


def test_more_than_was_reserved_may_pass_the_cap_and_then_nothing_goes():
    gate = Timed(cap=3.0)
    gate.leave(gate.take(MAIN, 1.0), "a", None, 5.0)
    assert passes(gate, MAIN, cost=0.1) == 0
    assert gate.spend.wait(0.1) == 12 * 3600


def test_what_costs_too_much_today_is_not_let_out_and_uses_no_limit_up(wall):
    gate = Timed({"SMS": 2}, cap=1.0)
    assert passes(gate, MAIN, cost=1.5) == 0
    assert gate.wait(MAIN) == 0
    assert passes(gate, MAIN) == 2


def test_what_the_limit_refuses_is_not_spent(wall):
    gate = Timed({"SMS": 1}, cap=10.0)
    assert passes(gate, MAIN, cost=1.0) == 1
    assert gate.take(MAIN, 1.0) is None
    assert gate.left() == 9


def test_what_the_breaker_refuses_is_not_spent_and_uses_no_limit_up(wall):
    gate = Timed({"SMS": 3}, failures=2, cap=10.0)
    gate.fail(MAIN, "a", "b")
    assert gate.take(MAIN, 1.0) is None
    assert gate.left() == 10
    assert passes(gate, SECOND) == 1


def test_what_failed_after_midnight_is_given_back_to_the_day_it_was_taken_from():
    gate = Timed(cap=3.0)
    out, second = gate.take(MAIN, 1.0), gate.take(MAIN, 1.0)
    gate.clock.at += 13 * 3600
    gate.take(MAIN, 1.0)
    gate.leave(out, "a", DOWN)
    gate.unused(second)
    assert gate.left() == 2


# When to come back


def test_a_slot_is_now_where_nothing_is_in_the_way():
    gate = Timed(cap=1.0)
    assert gate.slot(MAIN, 1.0, lambda: 0.9) == NOON


def test_a_slot_waits_for_the_limit_and_each_gets_its_own(wall):
    gate = Timed({"SMS": 2})
    assert passes(gate, MAIN) == 2
    slots = [gate.slot(MAIN, 0, lambda: 0.9) - NOON for _ in range(3)]
    assert slots == [60, 90, 120]


@pytest.mark.parametrize("random", [0.0, 0.5, 0.99])
def test_a_slot_after_a_rest_is_spread_but_never_too_early(random):
    resting, held, spent = Timed(failures=1), Timed(), Timed(cap=1.0)
    resting.fail(MAIN, "a")
    held.fail(MAIN, "a", error=SendError("rate_limited", retry_after=100))
    spent.take(MAIN, 1.0)
    for gate, wait in ((resting, REST), (held, 100), (spent, 12 * 3600)):
        slot = gate.slot(MAIN, 0.5, lambda: random)
        assert slot == pytest.approx(NOON + wait + random * min(wait / 4, 60))
        assert slot >= NOON + wait


# Whatever happens


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


# In the flow


def test_a_full_disk_at_the_claim_gives_everything_back(stage):
    on = stage({(SMS, "main"): Scripted()}, per_day=1.0, failures=1)
    way = on.ways.options[0]
    on.ways.gate.leave(on.ways.gate.take(way, 0), "before", DOWN)
    on.clock.at += REST
    made, begin = on.take(), on.store.begin

    def full(*_):
        raise StoreUnavailable

    on.store.begin = full
    with pytest.raises(StoreUnavailable):
        on.deliverer.handle(made)
    on.store.begin = begin
    assert on.spend.wait(1.0) == 0
    on.finish(made)
    assert on.status(made) == "sent"


def test_a_way_that_closes_between_deciding_and_sending_is_decided_again(stage):
    on = stage({(SMS, "main"): Scripted(), (WHATSAPP, "main"): Scripted()}, failures=1)
    made, gate = on.take(priority="HIGH"), on.ways.gate
    take = gate.take

    def closes(option, cost):
        gate.take = take
        gate.leave(take(option, 0.0), "another", DOWN)
        return take(option, cost)

    gate.take = closes
    on.deliverer.handle(made)
    assert [channel for channel, *_ in on.tries(made)] == ["WhatsApp"]


def handle_all(on, made, threads=16):
    """Handle each message once, by many workers at a time."""
    crowd(lambda n: [on.deliverer.handle(one) for one in made[n::threads]], threads)
    on.flush()


def test_many_workers_do_not_spend_more_than_a_day_may_cost(stage):
    sms = Scripted(*[DOWN, NUMBER] * 10)
    on = stage({(SMS, "main"): sms}, per_day=0.83)  # a hundred
    made = [on.take() for _ in range(160)]
    handle_all(on, made)
    sent = [one for one in made if on.status(one) == "sent"]
    assert len(sent) <= 100
    assert on.store.spent(0) == pytest.approx(len(sent) * 0.0083)
    left = 100 - len(sent)
    assert on.spend.wait(left * 0.0083) == 0 < on.spend.wait((left + 1) * 0.0083)


def test_the_spend_here_and_in_the_store_are_one(stage):
    on = stage({(SMS, "main"): Scripted(Sent("x", cost=0.5))}, per_day=1.0)
    on.finish(on.take())
    assert on.store.spent(0) == 0.5
    assert on.spend.wait(0.5) == 0 < on.spend.wait(0.6)


class Dying(Scripted):
    """A provider that is down from one moment to another, and counts who calls it meanwhile."""

    def __init__(self):
        super().__init__()
        self.down, self.calls, self.most, self.here = False, 0, 0, 0

    def send(self, out, *, timeout):
        self.calls += 1
        self.here += 1
        self.most = max(self.most, self.here)
        try:
            time.sleep(0)
            if self.down:
                raise SendError("provider_unavailable")
            return super().send(out, timeout=timeout)
        finally:
            self.here -= 1


def test_what_a_dead_provider_had_goes_through_its_sibling_and_one_probe_brings_it_back(stage):
    first, second = Dying(), Scripted()
    on = stage({(SMS, "first"): first, (SMS, "second"): second}, failures=5)
    handle_all(on, [on.take() for _ in range(32)])
    assert first.calls == 32
    first.down = True
    made = [on.take() for _ in range(96)]
    handle_all(on, made)
    lost = first.calls - 32
    assert 5 <= lost <= 5 + 16  # a window, and who was under way by then
    delayed = [one for one in made if on.status(one) != "sent"]
    assert len(delayed) == lost
    on.clock.at += 1
    handle_all(on, delayed)
    assert {on.status(one) for one in made} == {"sent"}
    assert first.calls == 32 + lost

    first.calls = first.most = 0
    on.clock.at += REST
    more = [on.take() for _ in range(32)]
    handle_all(on, more)
    assert (first.calls, first.most) == (1, 1)

    first.down, first.most = False, 0
    on.clock.at += 2 * REST
    handle_all(on, [on.take() for _ in range(32)])
    assert first.calls > 1
    assert on.ways.gate.rest(on.ways.options[0]) == 0
    for one in more:
        on.finish(one)
    assert {on.status(one) for one in more} == {"sent"}
