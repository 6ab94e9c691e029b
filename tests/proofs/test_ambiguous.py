"""Twilio takes a message and the connection is cut: it is found again, never sent twice or lost."""

from random import Random
from types import SimpleNamespace

import pytest

from otp_messaging_agent import IntelligentOTPAgent
from otp_messaging_agent.flow import ask, verdict
from tests.simulators.twilio import ACCOUNT, SENDER, TOKEN, TwilioSimulator, cut
from tests.until import until

from .agents import at_rest, send

COUNT, CUT = 400, 0.05
WITHIN = (0, 12, 200)
"""Bytes of the answer that come before the cut: none, some of its head, some of its body."""


def config(url):
    account = {"provider": "twilio", "account_sid": ACCOUNT, "auth_token": TOKEN}
    way = {"api_config": {**account, "from_number": SENDER, "base_url": url}}
    return {"channels": {"SMS": way, "WhatsApp": way, "Call": way}, "log": {"level": "ERROR"}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Send to COUNT numbers, of whom CUT lose the answer; return what came of it."""
    random = Random(5)
    numbers = [f"+4477009{i:05}" for i in range(COUNT)]
    unlucky = random.sample(numbers, int(COUNT * CUT))
    folder = tmp_path_factory.mktemp("ambiguous") / "data"
    with pytest.MonkeyPatch.context() as patch, TwilioSimulator() as sim:
        for module in (ask, verdict):
            patch.setattr(module, "ASK_AFTER", 0.5)
        for i, number in enumerate(unlucky):
            sim.script(number, [cut(accepted=True, after=WITHIN[i % len(WITHIN)])])
        with IntelligentOTPAgent(config(sim.url), folder) as agent:
            agent.start_processing()
            ids = send(agent, numbers, preferred_channel="SMS")
            until(lambda: at_rest(agent), 60)
            views = {number: agent.get_message(ids[number]) for number in numbers}
        yield SimpleNamespace(sim=sim, views=views, unlucky=unlucky)


def test_every_cut_happened_and_was_asked_about(world):
    assert len(world.unlucky) == COUNT * CUT
    assert not any(world.sim._scripts[number] for number in world.unlucky)
    asked = {r["params"].get("To") for r in world.sim.requests if r["method"] == "GET"}
    assert asked == set(world.unlucky)


def test_no_recipient_gets_two_and_none_is_left_out(world):
    assert sorted(e["to"] for e in world.sim.accepted) == sorted(world.views)


def test_every_message_knows_its_own_record_of_one_attempt(world):
    sids = {e["to"]: e["sid"] for e in world.sim.accepted}
    found = {
        number: (v.status.value, [(a.outcome, a.provider_message_id) for a in v.attempts])
        for number, v in world.views.items()
    }
    assert found == {number: ("sent", [("sent", sid)]) for number, sid in sids.items()}
