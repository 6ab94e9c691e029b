"""One of two providers dies under load and comes back: nothing is lost, hardly anything waits."""

import itertools
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from otp_messaging_agent import IntelligentOTPAgent
from otp_messaging_agent.flow import ask, verdict
from tests.simulators.server import Reply, Simulator, _Handler, _Server, cut, refused
from tests.until import until

from .agents import at_rest, send

COUNT, DIES_AT, AFTERWARDS = 2_000, 500, 300
REST = 1.0
FAILURES = 3
WORKERS = 16
LOADED = 15.0
"""Seconds that a retry may come late on a machine that has other work."""

PROBES = 2
"""Probes that fail before it comes back."""

PROBE = 0.3
"""Seconds that the answer to a probe takes, so that a second one would be seen beside it."""

TAKEN = Reply(200, b'{"ok": true}')


@dataclass
class Seen:
    """One request: when it came and was answered, and how many others were being answered."""

    state: str
    came: float
    beside: int
    answered: float = 0.0


class Vendor(Simulator):
    """Dies with the request after `dies_at` accepted ones. refuses: connections, else answers 500.

    While it is dead, and for the first request after it came back, answers take PROBE.
    """

    def __init__(self, dies_at=None, *, refuses=False):
        super().__init__(lambda _: TAKEN)
        self.dies_at, self.refuses = dies_at, refuses
        self.state, self.died = "well", threading.Event()
        self.seen, self.active = [], 0

    def reply_to(self, request):
        with self.lock:
            if self.state == "well" and len(self.accepted) == self.dies_at:
                self.state = "dead"
                self.died.set()
            mine = Seen(self.state, time.time(), self.active)
            first = self.state == "back" and all(s.state != "back" for s in self.seen)
            self.seen.append(mine)
            self.active += 1
        if mine.state == "dead" and self.refuses:
            reply = cut(accepted=False)
        elif mine.state == "dead":
            reply = refused(500)
        else:
            reply = super().reply_to(request)
        if first or mine.state == "dead":
            self.closing.wait(PROBE)
        with self.lock:
            self.active -= 1
            mine.answered = time.time()
        return reply

    def hang_up(self):
        """Take no connections any more."""
        self._server.shutdown()
        self._server.server_close()

    def works_again(self):
        with self.lock:
            return any(s.state == "back" and s.answered for s in self.seen)

    def come_back(self):
        """Work again, at the same address."""
        with self.lock:
            self.state = "back"
        if self.refuses:
            self._server = _Server(self._server.server_address, _Handler)
            self._server.sim = self
            self.__enter__()


def config(first, second):
    def way(sim, name):
        body = {"to": "{to}", "text": "{content}"}
        return {"provider": "http", "name": name, "url": sim.url, "json": body}

    return {
        "channels": {"SMS": {"providers": [way(first, "first"), way(second, "second")]}},
        "breaker": {"failures": FAILURES, "rest_seconds": REST},
        "retry_config": {"base_delay_seconds": 0.2},
        "workers": WORKERS,
        "log": {"level": "CRITICAL"},
    }


class Trickle:
    """Sends one message at a time. twice: how many of them took two attempts."""

    def __init__(self, agent, numbers):
        self.agent, self.numbers = agent, numbers
        self.ids, self.open, self.twice = {}, [], 0

    def go_on(self):
        made = send(self.agent, [next(self.numbers)])
        self.ids |= made
        self.open += made.values()
        views = list(map(self.agent.get_message, self.open))
        self.open = [v.message_id for v in views if v.status.value != "sent"]
        self.twice += sum(len(v.attempts) > 1 for v in views if v.status.value == "sent")
        return True


@pytest.fixture(scope="module", params=[False, True], ids=["answers 500", "refuses connections"])
def world(request, tmp_path_factory):
    """Send COUNT messages, then one by one until the first vendor is back, then AFTERWARDS more."""
    numbers = map("+4479{:08}".format, itertools.count(11_000_000))
    folder = tmp_path_factory.mktemp("outage") / "data"
    with pytest.MonkeyPatch.context() as patch:
        for module in (ask, verdict):
            patch.setattr(module, "ASK_AFTER", 0.2)
        first, second = Vendor(DIES_AT, refuses=request.param), Vendor()
        with first, second, IntelligentOTPAgent(config(first, second), folder) as agent:
            agent.start_processing()
            bulk = send(agent, list(itertools.islice(numbers, COUNT)))
            until(first.died.is_set, 60)
            if request.param:
                first.hang_up()
            until(lambda: at_rest(agent), 60)
            trickle = Trickle(agent, numbers)
            until(lambda: trickle.go_on() and trickle.twice >= PROBES, 60)
            first.come_back()
            until(lambda: trickle.go_on() and first.works_again(), 60)
            until(lambda: at_rest(agent), 60)
            turned = len(second.accepted)
            after = send(agent, list(itertools.islice(numbers, AFTERWARDS)))
            until(lambda: at_rest(agent), 60)
            kinds = {"bulk": bulk, "between": trickle.ids, "after": after}
            views = {k: list(map(agent.get_message, ids.values())) for k, ids in kinds.items()}
            yield SimpleNamespace(first=first, second=second, turned=turned, **views)


def sent_to(vendor):
    return Counter(json.loads(r.body)["to"] for r in vendor.accepted)


def everything(world):
    return [*world.bulk, *world.between, *world.after]


def providers(view):
    return [a.provider for a in view.attempts]


def tries_of_the_dead(world):
    """Return all attempts by the first vendor that failed, in their order."""
    tried = [a for v in everything(world) for a in v.attempts if a.outcome.value != "sent"]
    assert {a.provider for a in tried} == {"first"}
    return sorted(tried, key=lambda a: a.started_at)


def probes(world):
    """Return those that were not under way already as the breaker opened."""
    tried = tries_of_the_dead(world)
    return [a for a in tried if (a.started_at - tried[0].started_at).total_seconds() > 0.7 * REST]


def test_the_first_vendor_died_under_load_and_came_back(world):
    states = [s.state for s in world.first.seen]
    assert states.count("well") == DIES_AT
    assert states.count("dead") >= 1
    assert states.count("back") >= AFTERWARDS


def test_everything_is_sent_once_and_nothing_is_lost(world):
    assert {v.status.value for v in everything(world)} == {"sent"}
    sent = sent_to(world.first) + sent_to(world.second)
    assert sent == Counter(v.phone_number for v in everything(world))
    assert len(world.bulk) == COUNT


def test_the_rest_goes_through_the_other(world):
    assert [providers(v)[-1] for v in world.bulk].count("second") == COUNT - DIES_AT


def test_few_meet_the_outage_and_none_waits_longer_than_a_rest(world):
    met = [v for v in world.bulk if len(v.attempts) > 1]
    assert 0 < len(met) <= WORKERS + len(probes(world)) + FAILURES
    for view in met:
        assert providers(view)[-1] == "second"
        waited = view.attempts[-1].started_at - view.attempts[0].started_at
        assert waited.total_seconds() < LOADED


def test_none_is_put_off_though_another_provider_is_there(world):
    """Messages are taken up in their order: who was put off begins after who came behind it."""
    began = [v.attempts[0].started_at for v in world.bulk]
    behind = list(itertools.accumulate(reversed(began), min))[::-1]
    put_off = [
        a for a, b in zip(began, behind, strict=True) if (a - b).total_seconds() > 0.9 * REST
    ]
    assert put_off == []


def test_while_it_is_dead_it_is_tried_once_in_a_rest_by_one_at_a_time(world):
    found = probes(world)
    assert len(found) >= PROBES
    for before, probe in itertools.pairwise(found):
        assert (probe.started_at - before.started_at).total_seconds() >= REST
    seen = [s for s in world.first.seen if s.state == "dead"][-len(found) :]
    assert world.first.refuses or all(s.beside == 0 for s in seen)


def test_one_probe_brings_it_back_and_then_it_works_as_before(world):
    back = [s for s in world.first.seen if s.state == "back"]
    probe = back[0]
    assert (probe.beside, probe.answered - probe.came >= PROBE) == (0, True)
    assert all(s.came >= probe.answered for s in back[1:])
    assert len(world.second.accepted) == world.turned
    assert {tuple(providers(v)) for v in world.after} == {("first",)}
