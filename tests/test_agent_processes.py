"""Agents in processes of their own: scripts that just end, two over a store, one that is killed."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from otp_messaging_agent import IntelligentOTPAgent, MessageRequest, Priority
from otp_messaging_agent.lookup import MessageSearch

from .until import until

REPOSITORY = Path(__file__).parents[1]
PHONE = "+447700900001"

SAMPLE = """
from otp_messaging_agent import IntelligentOTPAgent, MessageRequest, Priority

agent = IntelligentOTPAgent()
agent.start_processing()

# Send single OTP
agent.send_otp("+447700900001", user_id="user123")

# Send custom message
request = MessageRequest(
    phone_number="+447700900002",
    message_type="alert",
    content="Security alert!",
    priority=Priority.CRITICAL
)
agent.send_message(request)
"""


CHILD = """
import json, sys
from otp_messaging_agent import IntelligentOTPAgent
from otp_messaging_agent.flow import dispatch

dispatch.LEASE = 3600.0  # who takes over does not do so because a lease ran out
agent = IntelligentOTPAgent(json.loads(sys.argv[2]), sys.argv[1])
agent.start_processing()
say = lambda *words: print(*words, flush=True)
say("started")
for line in sys.stdin:
    command, _, text = line.strip().partition(" ")
    if command == "send":
        say(agent.send_bulk([{"phone_number": text, "content": "hello"}]).results[0].message_id)
    elif command == "stop":
        say(agent.stop(float(text)))
    elif command == "dispatcher":
        say(agent.ready()[1]["dispatcher"])
"""


def config(name, seconds=0.0):
    provider = {"provider": "sandbox", "name": name, "latency_seconds": seconds}
    return {"channels": {"SMS": {"api_config": provider}}}


def run_script(code, folder):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


class Child:
    """An agent in another process, asked line by line."""

    def __init__(self, data_dir, given):
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(data_dir), json.dumps(given)],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.answer() == "started"

    def answer(self):
        return self.process.stdout.readline().strip()

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.answer()


@contextmanager
def child(data_dir, given):
    """Run an agent in another process until the block ends."""
    made = Child(data_dir, given)
    try:
        yield made
    finally:
        made.process.stdin.close()
        made.process.kill()
        made.process.wait()
        made.process.stdout.close()


def status(agent, message_id):
    return agent.get_message(message_id).status.value


def senders(agent, message_ids):
    return {a.provider for m in message_ids for a in agent.get_message(m).attempts}


def leads(agent):
    return agent.ready()[1]["dispatcher"] == "this process"


def test_the_sample_of_the_guide_runs_as_it_stands_there(tmp_path, monkeypatch):
    done = run_script(SAMPLE, tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    monkeypatch.chdir(tmp_path)
    with IntelligentOTPAgent() as agent:
        found = {m.message_type.value: m for m in agent.search(MessageSearch()).messages}
        assert {(t, m.status.value) for t, m in found.items()} == {
            ("otp", "delivered"),
            ("alert", "delivered"),
        }
        texts = {m.to: (m.channel.value, m.content) for m in agent.inbox().messages}
        assert found["otp"].user_id == "user123"
        assert found["alert"].priority is Priority.CRITICAL
        assert texts["+447700900002"] == ("Call", "Security alert!")
        channel, text = texts[PHONE]
        (code,) = re.findall(r"\b[0-9]{6}\b", text)
        assert channel == "SMS"
        assert agent.verify_otp(PHONE, code).verified


def test_a_script_that_ends_goes_on_until_what_is_due_is_sent(tmp_path):
    given = {**config("slow", 0.4), "workers": 1}
    code = (
        "from otp_messaging_agent import IntelligentOTPAgent\n"
        f"agent = IntelligentOTPAgent({given!r})\n"
        "agent.start_processing()\n"
        f"agent.send_bulk([{{'phone_number': {PHONE!r}, 'content': 'hello'}}] * 3)\n"
    )
    run_script(code, tmp_path)
    with IntelligentOTPAgent(given, tmp_path / "data") as agent:
        made = agent.search(MessageSearch()).messages
        assert [m.status.value for m in made] == ["delivered"] * 3


def test_a_script_that_ends_at_once_leaves_the_rest_for_the_next(tmp_path):
    code = SAMPLE.replace("agent.start_processing()", "")
    run_script(code, tmp_path)
    with IntelligentOTPAgent(config("here"), tmp_path / "data") as agent:
        made = [m.message_id for m in agent.search(MessageSearch()).messages]
        assert {status(agent, m) for m in made} == {"accepted"}
        agent.start_processing()
        until(lambda: all(status(agent, m) == "delivered" for m in made))


def test_of_two_over_one_store_only_one_sends_for_both(tmp_path):
    data = tmp_path / "data"
    with IntelligentOTPAgent(config("here"), data) as agent:
        agent.start_processing()
        assert leads(agent)
        with child(data, config("there")) as other:
            assert other.ask("dispatcher") == "another process"
            theirs = [other.ask(f"send {PHONE}") for _ in range(10)]
            request = MessageRequest(phone_number=PHONE, content="hello")
            ours = [agent.send_message(request).message_id for _ in range(10)]
            until(lambda: all(status(agent, m) == "delivered" for m in ours + theirs))
            assert senders(agent, ours + theirs) == {"here"}
            assert other.ask("dispatcher") == "another process"


@pytest.mark.parametrize("reaped", [True, False])
def test_a_dispatcher_that_is_killed_is_replaced_at_once(tmp_path, reaped):
    data = tmp_path / "data"
    with child(data, config("there", 30)) as other:
        begun = other.ask(f"send {PHONE}")
        with IntelligentOTPAgent(config("here"), data) as agent:
            until(lambda: status(agent, begun) == "sending")
            agent.start_processing()
            assert not leads(agent)
            request = MessageRequest(phone_number=PHONE, content="hello")
            waiting = agent.send_message(request).message_id
            other.process.kill()
            if reaped:
                other.process.wait()
            until(lambda: leads(agent))
            until(lambda: {status(agent, m) for m in (begun, waiting)} == {"delivered"})
            assert senders(agent, [waiting]) == {"here"}
            first, second = agent.get_message(begun).attempts
            assert (first.provider, first.outcome) == ("there", "ambiguous")
            assert (second.provider, second.outcome) == ("here", "sent")
            assert len(agent.inbox().messages) == 2


def test_one_that_stops_hands_over(tmp_path):
    data = tmp_path / "data"
    with child(data, config("there")) as other, IntelligentOTPAgent(config("here"), data) as agent:
        agent.start_processing()
        assert not leads(agent)
        assert other.ask("stop 10") == "True"
        until(lambda: leads(agent))


def test_what_was_still_being_sent_at_the_end_is_found_out_by_the_next(tmp_path):
    data = tmp_path / "data"
    with child(data, config("box", 30)) as other:
        begun = other.ask(f"send {PHONE}")
        with IntelligentOTPAgent(config("box"), data) as agent:
            until(lambda: status(agent, begun) == "sending")
            assert other.ask("stop 0.05") == "False"
            assert status(agent, begun) == "sending"
            agent.start_processing()
            assert not leads(agent)  # or both would be at it
            other.process.kill()
            other.process.wait()
            until(lambda: status(agent, begun) == "delivered")
            outcomes = [a.outcome.value for a in agent.get_message(begun).attempts]
            assert outcomes == ["failed", "sent"]  # the box said it had nothing of the first
