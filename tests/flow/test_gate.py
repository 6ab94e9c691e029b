"""The gate: limits, holds and breakers, taken together and given back together."""

from datetime import UTC, datetime

import pytest

from otp_messaging_agent.errors import Scope, SendError
from otp_messaging_agent.flow.gate import limit_names
from otp_messaging_agent.safety.breaker import HOLD

from .gates import CUT, DOWN, MAIL, MAIN, NUMBER, REST, SECOND, SHUT, Timed, passes
from .routes import SMS

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
