"""The whole agent against a simulated Twilio: whatever it answers, a message ends right, once."""

import re
from types import SimpleNamespace

import pytest

from otp_messaging_agent import IntelligentOTPAgent, MessageRequest
from otp_messaging_agent.flow import ask as asking
from otp_messaging_agent.flow import verdict

from .simulators.twilio import (
    ACCOUNT,
    TOKEN,
    TwilioSimulator,
    cut,
    drip,
    error,
    garbage,
    hang,
    rate_limited,
    server_error,
)
from .until import until

pytestmark = pytest.mark.xdist_group("twilio")  # one agent and one simulator for all of them
FROM = "+15005550006"
PRICE = 0.05  # of the shipped table, for GB
TIMEOUT, PAUSE = 1.0, 0.1
TEXT = "Suspicious login."

SENT, PLAIN = ("SMS", "sent", None), "+447700900001"
TAKEN = {
    "a 500 after it was taken": server_error(accepted=True),
    "a 503 after it was taken": server_error(accepted=True, status=503),
    "no answer in time": hang(30),
    "a cut without an answer": cut(accepted=True),
    "a cut within the answer's head": cut(accepted=True, after=12),
    "a cut within the answer's body": cut(accepted=True, after=300),
    "a body that is no JSON": garbage(b"<html>Bad gateway</html>"),
    "a body that is something else": garbage(b"[1, 2]"),
    "an empty body": garbage(b""),
    "an answer a byte at a time": drip(0.2),
}
NOT_TAKEN = {
    "a 500 before it was taken": (server_error(accepted=False), "provider_error"),
    "no answer to what was not taken": (hang(30, accepted=False), "timeout"),
    "a cut before it was taken": (cut(accepted=False), "connection_cut"),
}
OTHER = {
    "gone": [error(400, 21211)],
    "landline": [error(400, 21614)],
    "unauthorized": [error(401, 20003)],
    "busy": [rate_limited(1)],
    "down": [server_error(accepted=False) for _ in range(3)],
}
NAMES = ["plain", *TAKEN, *NOT_TAKEN, *OTHER]
NUMBERS = {name: f"+4477009000{i:02}" for i, name in enumerate(NAMES, 1)}
LOST = TAKEN | {name: reply for name, (reply, _) in NOT_TAKEN.items()}
SCRIPTS = OTHER | {name: [reply] for name, reply in LOST.items()}


def config(url, **retries):
    account = {"provider": "twilio", "account_sid": ACCOUNT, "auth_token": TOKEN}
    way = {"api_config": {**account, "from_number": FROM, "base_url": url}}
    return {
        "channels": {"SMS": way, "WhatsApp": way, "Call": way},
        "delivery": {"attempt_timeout_seconds": TIMEOUT},
        "breaker": {"failures": 1000},  # each number fails in its own way
        "retry_config": {"max_retries": 2, "base_delay_seconds": PAUSE, **retries},
    }


@pytest.fixture(scope="module", autouse=True)
def impatient():
    """Ask about an unsure send soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verdict, "ASK_AFTER", 0.2)
        patch.setattr(asking, "ASK_AFTER", 0.2)
        yield


def alert(number):
    return MessageRequest(phone_number=number, content=TEXT, message_type="alert")


def finished(agent, message_id):
    return agent.get_message(message_id).status in {"sent", "failed", "expired"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Send to every number at once; return the simulator and name -> message once all ended."""
    folder = tmp_path_factory.mktemp("twilio") / "data"
    with TwilioSimulator() as sim, IntelligentOTPAgent(config(sim.url), folder) as agent:
        for name, replies in SCRIPTS.items():
            sim.script(NUMBERS[name], replies)
        agent.start_processing()
        answer = agent.send_bulk([alert(number) for number in NUMBERS.values()])
        ids = dict(zip(NUMBERS, (r.message_id for r in answer.results), strict=True))
        until(lambda: all(finished(agent, m) for m in ids.values()), 60)
        views = {name: agent.get_message(message_id) for name, message_id in ids.items()}
        yield SimpleNamespace(sim=sim, views=views)


def outcome(world, name):
    view = world.views[name]
    tries = [(a.channel.value, a.outcome.value, a.error_code) for a in view.attempts]
    return view.status.value, tries


def taken(world, name):
    """Return what Twilio took for the recipient: kind and address of each."""
    return [(e["kind"], e["to"]) for e in world.sim.accepted if NUMBERS[name] in e["to"]]


def pauses(view):
    """Return the seconds between each attempt's end and the next one's begin."""
    pairs = zip(view.attempts, view.attempts[1:], strict=False)
    return [(b.started_at - a.finished_at).total_seconds() for a, b in pairs]


def test_a_message_is_taken_with_its_text_and_sender(world):
    assert outcome(world, "plain") == ("sent", [SENT])
    (entry,) = [e for e in world.sim.accepted if e["to"] == NUMBERS["plain"]]
    assert (entry["from"], entry["body"]) == (FROM, TEXT)
    (attempt,) = world.views["plain"].attempts
    assert attempt.provider_message_id == entry["sid"]
    assert (attempt.provider, attempt.cost) == ("twilio", PRICE)


@pytest.mark.parametrize("name", TAKEN)
def test_what_was_taken_before_the_answer_was_lost_is_found_and_not_sent_twice(world, name):
    assert outcome(world, name) == ("sent", [SENT])
    assert taken(world, name) == [("message", NUMBERS[name])]
    (attempt,) = world.views[name].attempts
    assert attempt.provider_message_id in {e["sid"] for e in world.sim.accepted}
    assert attempt.cost == world.views[name].cost == PRICE


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_was_not_taken_is_sent_again(world, name):
    tries = [("SMS", "failed", NOT_TAKEN[name][1]), SENT]
    assert outcome(world, name) == ("sent", tries)
    assert taken(world, name) == [("message", NUMBERS[name])]


def test_a_number_that_does_not_exist_ends_the_message(world):
    assert outcome(world, "gone") == ("failed", [("SMS", "failed", "invalid_number")])
    assert world.views["gone"].attempts[0].permanent is True
    assert taken(world, "gone") == []


def test_a_number_without_texts_is_reached_another_way_at_once(world):
    tries = [("SMS", "failed", "not_mobile"), ("WhatsApp", "sent", None)]
    assert outcome(world, "landline") == ("sent", tries)
    assert taken(world, "landline") == [("message", f"whatsapp:{NUMBERS['landline']}")]


def test_an_account_that_is_refused_is_left(world):
    tries = [("SMS", "failed", "auth_failed"), ("WhatsApp", "sent", None)]
    assert outcome(world, "unauthorized") == ("sent", tries)


def test_a_limit_is_waited_for_as_long_as_it_says(world):
    assert outcome(world, "busy") == ("sent", [("SMS", "failed", "rate_limited"), SENT])
    assert pauses(world.views["busy"])[0] >= 1
    assert taken(world, "busy") == [("message", NUMBERS["busy"])]


def test_a_channel_that_stays_down_is_tried_ever_later_and_then_left(world):
    tries = [("SMS", "failed", "provider_error")] * 3 + [("WhatsApp", "sent", None)]
    assert outcome(world, "down") == ("sent", tries)
    first, second, _ = pauses(world.views["down"])
    assert first >= PAUSE
    assert second >= 2 * PAUSE
    assert len(taken(world, "down")) == 1


def test_no_reason_shows_the_number(world):
    for view in world.views.values():
        for attempt in view.attempts:
            assert view.phone_number not in (attempt.error_detail or "")


def test_every_fault_was_met(world):
    posts = [r["params"]["To"] for r in world.sim.requests if r["method"] == "POST"]
    for name, replies in SCRIPTS.items():
        assert posts.count(NUMBERS[name]) >= len(replies)
    assert sum(r["method"] == "GET" for r in world.sim.requests) >= len(LOST)


@pytest.fixture
def sim():
    with TwilioSimulator() as made:
        yield made


def test_a_send_that_cannot_be_looked_up_yet_is_asked_about_until_it_can(sim, tmp_path):
    sim.script(PLAIN, [cut(accepted=True)])
    sim.script_reads([server_error(accepted=False)] * 2)
    with IntelligentOTPAgent(config(sim.url), tmp_path / "data") as agent:
        agent.start_processing()
        made = agent.send_message(alert(PLAIN)).message_id

        def unsure():
            view = agent.get_message(made)
            return view.attempts and view.attempts[0].outcome == "ambiguous" and view

        assert until(unsure).status == "sending"
        until(lambda: finished(agent, made))
        assert [a.outcome.value for a in agent.get_message(made).attempts] == ["sent"]
    assert [r["method"] for r in sim.requests] == ["POST", "GET", "GET", "GET"]
    assert len(sim.accepted) == 1


def test_a_code_travels_with_its_lifetime_and_is_the_right_one(sim, tmp_path):
    with IntelligentOTPAgent(config(sim.url), tmp_path / "data") as agent:
        agent.start_processing()
        made = agent.send_otp(PLAIN, ttl_seconds=90)
        until(lambda: finished(agent, made.message_id))
        (entry,) = sim.accepted
        assert 0 < int(entry["validity"]) <= 90
        (code,) = re.findall(r"\b[0-9]{6}\b", entry["body"])
        assert agent.verify_otp(PLAIN, code).verified


def test_a_code_can_go_out_as_an_approved_template(sim, tmp_path):
    template = {"sid": "HX" + "4a" * 16, "variables": {"1": "{code}"}}
    sim.templates[template["sid"]] = "{{1}} is your code."
    given = config(sim.url)
    given["channels"]["WhatsApp"]["api_config"]["content_templates"] = {"otp": template}
    with IntelligentOTPAgent(given, tmp_path / "data") as agent:
        agent.start_processing()
        made = agent.send_otp(PLAIN, preferred_channel="WhatsApp")
        until(lambda: finished(agent, made.message_id))
        (entry,) = sim.accepted
        assert (entry["to"], entry["form"]["ContentSid"]) == (f"whatsapp:{PLAIN}", template["sid"])
        code = entry["body"].removesuffix(" is your code.")
        assert agent.verify_otp(PLAIN, code).verified


def test_a_code_can_be_spoken(sim, tmp_path):
    with IntelligentOTPAgent(config(sim.url), tmp_path / "data") as agent:
        agent.start_processing()
        made = agent.send_otp(PLAIN, preferred_channel="Call")
        until(lambda: finished(agent, made.message_id))
        (entry,) = sim.accepted
        assert (entry["kind"], entry["to"]) == ("call", PLAIN)
        spoken = re.sub(r"<[^>]+>", " ", entry["twiml"])
        code = "".join(re.findall(r"\b[0-9]\b", spoken))[:6]
        assert agent.verify_otp(PLAIN, code).verified


def test_where_nobody_answers_every_way_is_tried_and_the_message_fails(tmp_path):
    given = config("http://127.0.0.1:9", max_retries=0)
    with IntelligentOTPAgent(given, tmp_path / "data") as agent:
        agent.start_processing()
        made = agent.send_message(alert(PLAIN)).message_id
        until(lambda: finished(agent, made))
        view = agent.get_message(made)
    assert (view.status, view.error_code) == ("failed", "unreachable")
    assert [a.outcome.value for a in view.attempts] == ["failed"] * 3
