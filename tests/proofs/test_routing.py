"""Routing in the real process: traffic leaves a provider in an outage and comes back to it.

The real agent, store, sandbox and HTTP routes; only its threads are not started, and the clock is
turned by hand. The outage is made over HTTP while messages flow.
"""

from itertools import count

import pytest
import time_machine

from otp_messaging_agent import IntelligentOTPAgent, MessageRequest
from otp_messaging_agent.message import RANKS
from otp_messaging_agent.web import create_app

START = 1_800_000_000.0
EVERY = 2.0
"""Seconds between two messages."""
LEAVES, RETURNS = 150.0, 240.0
WINDOW = 20
"""Messages in which shares are counted."""
CONFIG = {
    "channels": {
        "SMS": {
            "providers": [
                {"provider": "sandbox", "name": "north", "cost_per_message": 0.006},
                {"provider": "sandbox", "name": "south", "cost_per_message": 0.008},
            ]
        }
    },
    "retry_config": {"max_retries": 0},
    "store": {"synchronous": "NORMAL"},
}


class Flow:
    """An agent that is sent a message every EVERY seconds of a clock turned by hand."""

    def __init__(self, folder, turned):
        self.folder, self.turned = folder, turned
        self.numbers = (f"+4477009{i:05d}" for i in count(10_000))
        self.chosen = []
        self.start()

    def start(self):
        self.agent = IntelligentOTPAgent(CONFIG, self.folder / "data")
        self.http = create_app(self.agent).test_client()
        assert self.agent._parts.dispatcher.tick()

    def restart(self):
        self.agent.stop()
        self.start()

    def send(self):
        """Send a message, let everything due happen, and note what it went by first."""
        request = MessageRequest(
            phone_number=next(self.numbers), content="hello", message_type="notification"
        )
        made = self.agent.send_message(request).message_id
        parts = self.agent._parts
        parts.dispatcher.tick()
        for rank in RANKS:
            for ticket in parts.dispatcher.page(rank, 100):
                parts.deliverer.handle(ticket.message_id)
        parts.store.forget_keys(0.0)  # all that was handed to the writer is kept
        self.chosen.append(self.agent.get_message(made).attempts[0].provider)
        self.turned.shift(EVERY)

    def share(self, provider, of=WINDOW):
        """Return the part of the last messages that went by *provider*."""
        return self.chosen[-of:].count(provider) / of

    def until(self, reached, most):
        """Send until *reached*() for a window; return the seconds until its first message."""
        sent = len(self.chosen)
        while len(self.chosen) - sent < WINDOW or not reached():
            self.send()
            passed = (len(self.chosen) - sent - WINDOW) * EVERY
            assert passed <= most, f"not reached in {most} s"
        return passed


@pytest.fixture
def flow(tmp_path):
    with time_machine.travel(START, tick=False) as turned:
        running = Flow(tmp_path, turned)
        yield running
        running.agent.stop()


def outage(flow, mode):
    answer = flow.http.put("/sandbox/outages/north", json={"mode": mode, "minutes": 600})
    assert answer.status_code == 200, answer.json


@pytest.mark.parametrize("mode", ["reject", "fail", "silent"])
def test_traffic_leaves_an_outage_and_comes_back(flow, mode):
    for _ in range(60):
        flow.send()
    usual = flow.share("north")
    assert usual >= 0.8  # the cheaper of two that work
    outage(flow, mode)
    left = flow.until(lambda: flow.share("north") <= 0.1 * usual, LEAVES)
    for _ in range(150):
        flow.send()
    assert flow.share("north", of=100) <= 0.15  # probes only
    assert flow.http.delete("/sandbox/outages/north").status_code == 204
    back = flow.until(lambda: flow.share("north") >= 0.5 * usual, RETURNS)
    assert left <= LEAVES
    assert back <= RETURNS


def test_a_restart_in_an_outage_does_not_send_the_next_messages_into_it(flow):
    for _ in range(60):
        flow.send()
    outage(flow, "silent")
    flow.until(lambda: flow.share("north") <= 0.05, LEAVES)
    flow.restart()
    for _ in range(10):
        flow.send()
    assert flow.share("north", of=10) == 0


def test_processes_over_one_store_come_to_the_same(flow):
    for _ in range(60):
        flow.send()
    outage(flow, "fail")
    for _ in range(40):
        flow.send()
    other = IntelligentOTPAgent(CONFIG, flow.folder / "data")
    told = [agent.routing().model_dump(exclude={"as_of"}) for agent in (flow.agent, other)]
    other.stop()
    north, also = ({w["provider"]: w for w in t["countries"][0]["ways"]}["north"] for t in told)
    assert north["health"] < 0.9
    assert north.keys() == also.keys()
    for name in ("reach", "rate", "health", "success", "latency_seconds", "trials"):
        assert also[name] == pytest.approx(north[name], rel=0.02), name
