"""A channel's limit holds in every minute; who can wait waits, who cannot goes another way."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise

import pytest
import time_machine

from otp_messaging_agent.errors import SendError
from otp_messaging_agent.message import RANKS, Channel
from otp_messaging_agent.providers.base import Sent
from otp_messaging_agent.safety.pace import WINDOW, Pace

from .lessons import history, in_order, taught
from .scripted import START, Scripted

SMS, WHATSAPP, CALL, EMAIL = Channel.SMS, Channel.WHATSAPP, Channel.CALL, Channel.EMAIL


@pytest.fixture
def clock():
    with time_machine.travel(datetime.fromtimestamp(START, UTC), tick=False) as traveller:
        yield traveller


class Timed(Scripted):
    """Remembers when each send was made."""

    def __init__(self, *steps):
        super().__init__(*steps)
        self.at = []

    def send(self, out, *, timeout):
        self.at.append(time.time() - START)
        return super().send(out, timeout=timeout)


def busiest_minute(times):
    """Return the most sends that any moving minute holds, counted one by one."""
    return max((sum(t <= other < t + WINDOW for other in times) for t in times), default=0)


def drain(on, clock):
    """Handle every message as it comes due, until none is left."""
    while True:
        on.flush()
        waiting = [t for rank in RANKS for t in on.store.tickets(rank, 1, START * 2)]
        if not waiting:
            return
        first = min(waiting, key=lambda ticket: (ticket.due_at, ticket.rank))
        if first.due_at > time.time():
            clock.move_to(datetime.fromtimestamp(first.due_at + 0.001, UTC))  # as a worker wakes
        on.deliverer.handle(first.message_id)


def channels(on, made):
    return [on.tries(message_id)[-1][0] for message_id in made]


def test_no_minute_holds_more_than_the_limit_and_none_is_lost(stage, clock):
    sms = Timed()
    on = stage({(SMS, "main"): sms}, clock=time.time, per_minute={SMS: 10})
    made = [on.take(priority="LOW") for _ in range(75)]
    drain(on, clock)
    assert len(sms.at) == 75
    assert {on.status(message_id) for message_id in made} == {"sent"}
    assert busiest_minute(sms.at) == 10
    assert max(sms.at) < 9 * WINDOW  # seven and a half minutes of sending at ten a minute


def test_the_limit_holds_while_new_messages_keep_coming(stage, clock):
    sms = Timed()
    on = stage({(SMS, "main"): sms}, clock=time.time, per_minute={SMS: 5})
    for _ in range(20):
        on.deliverer.handle(on.take())
        clock.shift(3.7)
    drain(on, clock)
    assert len(sms.at) == 20
    assert busiest_minute(sms.at) == 5


def test_a_failed_send_counts_too(stage, clock):
    sms = Timed(*[SendError("down") for _ in range(6)])
    on = stage({(SMS, "main"): sms}, clock=time.time, per_minute={SMS: 3})
    for _ in range(4):
        on.take()
    drain(on, clock)
    assert len(sms.at) == 10
    assert busiest_minute(sms.at) == 3


def test_what_waits_comes_back_one_by_one(stage, clock):
    on = stage({(SMS, "main"): Timed()}, clock=time.time, per_minute={SMS: 6})
    made = [on.take(priority="LOW") for _ in range(12)]
    for message_id in made:
        on.deliverer.handle(message_id)
    waiting = [m for m in map(on.message, made) if m.due_at is not None]
    dues = [m.due_at - START for m in waiting]
    assert {m.status.value for m in waiting} == {"accepted"}
    assert {m.tries for m in waiting} == {0}
    assert dues == [pytest.approx(60 + 10 * i, abs=0.01) for i in range(6)]
    assert all(a < b for a, b in pairwise(dues))


def test_urgent_messages_go_another_way_at_once(stage, clock):
    on = stage(
        {(SMS, "main"): Timed(), (WHATSAPP, "main"): Timed()},
        clock=time.time,
        per_minute={SMS: 2},
    )
    made = [on.take(priority="HIGH") for _ in range(5)]
    for message_id in made:
        on.deliverer.handle(message_id)
    assert channels(on, made) == ["SMS", "SMS", "WhatsApp", "WhatsApp", "WhatsApp"]


@pytest.mark.parametrize(("adaptive", "part"), [(True, "late"), (False, "wait")])
def test_the_decision_tells_of_the_wait(stage, clock, adaptive, part):
    ways = {(SMS, "main"): Timed(), (WHATSAPP, "main"): Timed()}
    on = stage(ways, clock=time.time, per_minute={SMS: 1}, adaptive=adaptive)
    made = [on.take(priority="HIGH") for _ in range(2)]
    for message_id in made:
        on.deliverer.handle(message_id)
    ranked = on.attempts(made[1])[0].decision["ranked"]
    assert [way["channel"] for way in ranked] == ["WhatsApp", "SMS"]
    assert ranked[1]["parts"][part] <= -3


def test_of_a_proven_channel_the_last_of_its_limit_is_kept_for_urgent_messages(stage, clock):
    ways = {(EMAIL, "main"): Timed(), (SMS, "main"): Timed()}
    on = stage(ways, clock=time.time, per_minute={EMAIL: 10})
    known = in_order(history(0.95, until=time.time()), history(0.95, EMAIL, until=time.time()))
    taught(*known, learned=on.ways.learned)
    made = [on.take(priority="LOW", email="ada@example.com") for _ in range(12)]
    for message_id in made:
        on.deliverer.handle(message_id)
    assert channels(on, made) == ["Email"] * 8 + ["SMS"] * 4
    urgent = on.take(priority="CRITICAL", email="ada@example.com", preferred_channel="Email")
    on.deliverer.handle(urgent)
    assert channels(on, [urgent]) == ["Email"]


def test_messages_in_no_hurry_wait_for_their_channel(stage, clock):
    ways = {(EMAIL, "main"): Timed(), (SMS, "main"): Timed()}
    on = stage(ways, clock=time.time, per_minute={EMAIL: 2})
    made = [on.take(priority="LOW", email="ada@example.com") for _ in range(3)]
    drain(on, clock)
    assert channels(on, made) == ["Email"] * 3
    assert ways[EMAIL, "main"].at == [0, 0, pytest.approx(60, abs=0.01)]


def test_a_preferred_channel_is_waited_for_even_when_urgent(stage, clock):
    ways = {(SMS, "main"): Timed(), (CALL, "main"): Timed()}
    on = stage(ways, clock=time.time, per_minute={SMS: 1})
    made = [on.take(priority="CRITICAL", preferred_channel="SMS") for _ in range(2)]
    drain(on, clock)
    assert channels(on, made) == ["SMS", "SMS"]
    assert ways[SMS, "main"].at == [0, pytest.approx(60, abs=0.01)]


def test_but_not_past_the_deadline(stage, clock):
    ways = {(SMS, "main"): Timed(), (CALL, "main"): Timed()}
    on = stage(ways, clock=time.time, per_minute={SMS: 1})
    until = datetime.fromtimestamp(START + 30, UTC)
    made = [on.take(preferred_channel="SMS", expires_at=until) for _ in range(2)]
    drain(on, clock)
    assert channels(on, made) == ["SMS", "Call"]
    assert ways[CALL, "main"].at == [0]


def test_a_message_whose_only_way_is_too_busy_expires(stage, clock):
    sms = Timed()
    on = stage({(SMS, "main"): sms}, clock=time.time, per_minute={SMS: 1})
    until = datetime.fromtimestamp(START + 30, UTC)
    made = [on.take(expires_at=until) for _ in range(2)]
    drain(on, clock)
    assert [on.status(message_id) for message_id in made] == ["sent", "expired"]
    assert sms.at == [0]


def test_it_expires_at_its_deadline_not_when_its_turn_would_come(stage, clock):
    on = stage({(SMS, "main"): Timed()}, clock=time.time, per_minute={SMS: 1})
    until = datetime.fromtimestamp(START + 30, UTC)
    made = [on.take(expires_at=until) for _ in range(3)]
    drain(on, clock)
    assert [on.status(message_id) for message_id in made] == ["sent", "expired", "expired"]
    assert on.message(made[-1]).finished_at == pytest.approx(START + 30, abs=1)


def test_a_limit_used_up_between_deciding_and_sending_is_decided_again(stage, clock):
    ways = {(SMS, "main"): Timed(), (WHATSAPP, "main"): Timed()}
    on = stage(ways, clock=time.time, per_minute={SMS: 1})
    made, take = on.take(priority="HIGH"), on.pace.take
    on.pace.take = lambda names: take(names) and take(names)
    on.deliverer.handle(made)
    assert channels(on, [made]) == ["WhatsApp"]
    assert on.attempts(made)[0].decision["ranked"][1]["parts"]["late"] < 0


def test_a_restart_forgets_no_send_of_the_last_minute(stage, clock):
    sms = Timed()
    first = stage({(SMS, "main"): sms}, clock=time.time, per_minute={SMS: 4})
    for _ in range(4):
        first.deliverer.handle(first.take())
    first.flush()
    clock.shift(20)
    second = stage({(SMS, "main"): sms}, clock=time.time, per_minute={SMS: 4})
    assert second.dispatcher.tick()
    for _ in range(4):
        second.deliverer.handle(second.take())
    drain(second, clock)
    assert len(sms.at) == 8
    assert busiest_minute(sms.at) == 4


def test_a_leader_that_goes_on_counts_no_send_twice(stage, clock):
    on = stage({(SMS, "main"): Timed()}, clock=time.time, per_minute={SMS: 3})
    on.dispatcher.tick()
    on.deliverer.handle(on.take())
    on.flush()
    for _ in range(5):
        on.dispatcher.tick()
    assert on.pace.wait([SMS]) == 0
    assert on.pace.take([SMS])


def test_many_workers_take_no_more_than_there_is():
    pace = Pace({SMS: 40})
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: pace.take([SMS]), range(200)))
    assert sum(taken) == 40


def test_a_channel_without_a_limit_never_waits(stage, clock):
    sms = Timed(lambda _: Sent("x"))
    on = stage({(SMS, "main"): sms}, clock=time.time)
    for _ in range(30):
        on.deliverer.handle(on.take())
    assert sms.at == [0] * 30
    assert on.pace.wait([SMS]) == 0
