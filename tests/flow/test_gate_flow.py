"""The gate in the flow: what is let out, given back, and decided again."""

import time

import pytest

from otp_messaging_agent.errors import SendError, StoreUnavailable
from otp_messaging_agent.providers.base import Sent

from ..switching import crowd
from .gates import DOWN, NUMBER, REST
from .routes import SMS, WHATSAPP
from .scripted import Scripted


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
