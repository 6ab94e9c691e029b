"""The agent as a program holds it: starts nothing unasked, finishes what it began."""

import logging
import re
import threading

import pytest

from otp_messaging_agent import (
    ConfigError,
    Conflict,
    IdempotencyConflict,
    IntelligentOTPAgent,
    InvalidRequest,
    MessageRequest,
    NotFound,
    NotRunning,
)
from otp_messaging_agent.stores.base import Once

from .until import until

PHONE = "+447700900001"
SANDBOX = {"channels": {"SMS": {"api_config": {"provider": "sandbox"}}}}


def slow(seconds):
    provider = {"provider": "sandbox", "latency_seconds": seconds}
    return {"channels": {"SMS": {"api_config": provider}}}


def ask(**fields):
    return MessageRequest(**{"phone_number": PHONE, "content": "hello", **fields})


def status(agent, message_id):
    return agent.get_message(message_id).status.value


@pytest.fixture
def agent(tmp_path):
    with IntelligentOTPAgent(SANDBOX, tmp_path / "data") as made:
        yield made


def test_constructing_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(threading.enumerate())
    agent = IntelligentOTPAgent()
    assert set(threading.enumerate()) == before
    assert list(tmp_path.iterdir()) == []
    assert agent.stop()
    assert list(tmp_path.iterdir()) == []


def test_a_bad_configuration_names_every_fault_and_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = {
        "channels": {"SMS": {"api_config": {"provider": "sandbox", "latency_seconds": "x"}}},
        "workers": 0,
        "colour": "red",
    }
    with pytest.raises(ConfigError) as caught:
        IntelligentOTPAgent(wrong)
    named = " ".join(caught.value.faults)
    assert len(caught.value.faults) == 3
    assert all(k in named for k in ("colour", "workers", "channels.SMS.api_config.latency_seconds"))
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_the_working_directory_is_its_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text('{"otp": {"code_length": 8}}')
    assert IntelligentOTPAgent().config.otp.code_length == 8
    (tmp_path / "other.json").write_text('{"otp": {"code_length": 7}}')
    assert IntelligentOTPAgent(tmp_path / "other.json").config.otp.code_length == 7


def test_messages_are_taken_without_workers_and_sent_once_there_are_some(agent):
    made = agent.send_message(ask()).message_id
    assert status(agent, made) == "accepted"
    assert agent.ready()[0] is False
    agent.start_processing()
    until(lambda: status(agent, made) == "delivered")
    assert agent.ready()[0] is True


def test_a_process_that_does_not_lead_sends_nothing(agent):
    made = agent.send_message(ask()).message_id
    agent._handle(made)  # as a ticket would that was left from when it led
    assert status(agent, made) == "accepted"
    assert agent.inbox().messages == []


def test_starting_twice_changes_nothing(agent):
    agent.start_processing()
    threads = threading.active_count()
    agent.start_processing()
    assert threading.active_count() == threads


def test_the_end_of_a_with_block_stops_everything(tmp_path):
    before = set(threading.enumerate())
    with IntelligentOTPAgent(SANDBOX, tmp_path / "data") as agent:
        agent.start_processing()
        assert set(threading.enumerate()) > before
        made = agent.send_message(ask()).message_id
        until(lambda: status(agent, made) == "delivered")
    until(lambda: set(threading.enumerate()) <= before)
    with pytest.raises(NotRunning):
        agent.send_message(ask())


def test_stopping_finishes_what_is_being_sent(tmp_path):
    agent = IntelligentOTPAgent(slow(0.5), tmp_path / "data")
    agent.start_processing()
    made = agent.send_message(ask()).message_id
    until(lambda: status(agent, made) == "sending")
    assert agent.stop() is True
    with IntelligentOTPAgent(SANDBOX, tmp_path / "data") as after:
        assert status(after, made) == "delivered"
        assert len(after.inbox().messages) == 1


def test_stopping_takes_no_more_and_keeps_the_rest(tmp_path):
    agent = IntelligentOTPAgent({**slow(0.3), "workers": 1}, tmp_path / "data")
    agent.start_processing()
    made = [agent.send_message(ask()).message_id for _ in range(5)]
    until(lambda: status(agent, made[0]) == "sending")
    assert agent.stop()
    with IntelligentOTPAgent(SANDBOX, tmp_path / "data") as after:
        waiting = [m for m in made if status(after, m) == "accepted"]
        assert len(waiting) >= 3
        after.start_processing()
        until(lambda: all(status(after, m) == "delivered" for m in made))
        assert len(after.inbox().messages) == 5


def test_a_send_that_does_not_end_in_time_is_told(tmp_path):
    agent = IntelligentOTPAgent(slow(1), tmp_path / "data")
    agent.start_processing()
    made = agent.send_message(ask()).message_id
    until(lambda: status(agent, made) == "sending")
    assert agent.stop(0.01) is False


def test_after_stop_nothing_can_be_asked_for(agent):
    made = agent.send_message(ask()).message_id
    assert agent.stop()
    assert agent.stop()
    for call in (
        lambda: agent.send_message(ask()),
        lambda: agent.send_bulk([ask()]),
        lambda: agent.send_otp(PHONE),
        lambda: agent.verify_otp(PHONE, "123456"),
        lambda: agent.get_message(made),
        lambda: agent.cancel(made),
        lambda: agent.cancel_verification("ver_1"),
        agent.metrics,
        agent.inbox,
        agent.start_processing,
    ):
        with pytest.raises(NotRunning):
            call()


def test_an_agent_that_was_stopped_before_its_first_use_stays_so(tmp_path):
    agent = IntelligentOTPAgent(SANDBOX, tmp_path / "data")
    agent.stop()
    with pytest.raises(NotRunning):
        agent.start_processing()
    assert list(tmp_path.iterdir()) == []


def test_a_code_goes_out_and_comes_back(agent):
    agent.start_processing()
    made = agent.send_otp("+44 7700 900001", user_id="user123", ttl_seconds=60)
    assert (made.status, made.attempts_remaining) == ("pending", 5)
    (text,) = until(lambda: agent.inbox(to=PHONE).messages)
    (code,) = re.findall(r"\b[0-9]{6}\b", text.content)
    wrong = agent.verify_otp(PHONE, "0000" if code != "0000" else "1111")
    assert (wrong.verified, wrong.reason, wrong.attempts_remaining) == (False, "wrong_code", 4)
    right = agent.verify_otp(verification_id=made.verification_id, code=f" {code} ")
    assert (right.verified, right.status, right.reason) == (True, "approved", None)
    again = agent.verify_otp(PHONE, code)
    assert (again.verified, again.reason) == (False, "not_found")
    assert agent.verification(made.verification_id).approved_at is not None


def test_what_a_caller_writes_wrong_is_told_by_field(agent):
    for call, field in (
        (lambda: agent.send_otp(PHONE, ttl_seconds=1), "ttl_seconds"),
        (lambda: agent.send_otp(PHONE, colour="red"), "colour"),
        (lambda: agent.send_otp("12"), "phone_number"),
        (lambda: agent.send_otp(email="nobody"), "email"),
        (lambda: agent.verify_otp(PHONE, "12"), "code"),
        (lambda: agent.verify_otp(PHONE), "code"),
        (lambda: agent.verify_otp("12", "123456"), "phone_number"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            call()
        assert [f.loc for f in caught.value.faults] == [(field,)]


def test_a_waiting_message_can_be_called_off_and_a_sent_one_not(agent):
    waiting = agent.send_message(ask()).message_id
    view = agent.cancel(waiting)
    assert (view.status, view.next_try_at) == ("canceled", None)
    assert agent.cancel(waiting).status == "canceled"
    agent.start_processing()
    sent = agent.send_message(ask()).message_id
    until(lambda: status(agent, sent) == "delivered")
    with pytest.raises(Conflict, match="delivered"):
        agent.cancel(sent)
    assert status(agent, waiting) == "canceled"
    with pytest.raises(NotFound):
        agent.cancel("msg_nobody")


def test_calling_off_twice_under_a_key_is_once(agent):
    made = agent.send_message(ask()).message_id
    key = Once("k", b"b" * 32, 0.0)
    assert agent.cancel(made, once=key) == agent.cancel(made, once=key)
    with pytest.raises(IdempotencyConflict):
        agent.cancel(made, once=Once("k", b"c" * 32, 0.0))


def test_what_should_be_known_is_said_at_the_start(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("otp_messaging_agent"), "propagate", True)
    few = {"otp": {"code_length": 4}}
    with caplog.at_level("WARNING"), IntelligentOTPAgent(few, tmp_path / "data") as agent:
        agent.start_processing()
    assert "otp.code_length: 4 digits make only 10000 codes" in caplog.text
