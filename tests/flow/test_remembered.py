"""A request is taken in once under its key, and gets the answer of the first time again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from otp_messaging_agent import (
    IdempotencyConflict,
    IntelligentOTPAgent,
    MessageRequest,
    QueueFull,
    RateLimited,
)
from otp_messaging_agent.request import OtpRequest
from otp_messaging_agent.stores.base import Once

PHONE = "+447700900001"
CONFIG = {
    "channels": {"SMS": {"api_config": {"provider": "sandbox"}}},
    "queue": {"max_waiting": 10},
}
NIGHT = datetime(2030, 1, 10, 23, 30, tzinfo=UTC)


@pytest.fixture
def agent(tmp_path):
    """Return an agent that takes in and sends nothing: its processing is not started."""
    with IntelligentOTPAgent(CONFIG, tmp_path / "data") as made:
        yield made


def ask(**fields):
    return MessageRequest(**{"phone_number": PHONE, "content": "hello", **fields})


def row(number, **fields):
    return {"phone_number": PHONE, "content": f"row {number}", **fields}


def once(key="k", body=b"b"):
    return Once(key, body * 32, 0.0)


def total(agent):
    return agent.metrics()["database_stats"]["total"]


def test_the_same_request_under_the_same_key_is_taken_in_once(agent):
    first = agent.send_message(ask(), once=once())
    assert agent.send_message(ask(), once=once()) == first
    assert agent.send_message(ask(), once=once("other")).message_id != first.message_id
    assert total(agent) == 2


def test_another_request_under_the_same_key_is_refused(agent):
    agent.send_message(ask(), once=once())
    with pytest.raises(IdempotencyConflict):
        agent.send_message(ask(content="other"), once=once(body=b"c"))
    assert total(agent) == 1


def test_a_code_is_sent_once_under_its_key(agent):
    first = agent.send_otp(PHONE, idempotency_key="k", purpose="pay")
    assert agent.send_otp(PHONE, idempotency_key="k", purpose="pay") == first
    with pytest.raises(IdempotencyConflict):
        agent.send_otp(PHONE, idempotency_key="k", purpose="login")
    assert agent.verification(first.verification_id).sends == 1
    for _ in range(20):  # a repeated request does not count against the recipient
        agent.send_otp(PHONE, idempotency_key="k", purpose="pay")
    assert total(agent) == 1


def test_a_bulk_is_answered_the_same_again(agent):
    rows = [row(1), row(2, phone_number="12"), {"phone_number": PHONE, "message_type": "otp"}]
    first = agent.send_bulk(rows, once=once())
    assert agent.send_bulk(rows, once=once()) == first
    assert total(agent) == 2
    with pytest.raises(IdempotencyConflict):
        agent.send_bulk(rows[:1], once=once(body=b"c"))


def test_a_request_that_was_refused_leaves_its_key_free(agent):
    for _ in range(5):
        agent.send_otp(PHONE)
    asked = OtpRequest(phone_number=PHONE)
    with pytest.raises(RateLimited):
        agent.submit_otp(asked, once=once())
    other = OtpRequest(phone_number="+447700900002")
    assert agent.submit_otp(other, once=once(body=b"c")).message_id


def test_requests_at_the_same_moment_under_one_key_are_one(agent):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: agent.send_message(ask(), once=once()), range(24)))
    assert len({a.message_id for a in answers}) == 1
    assert total(agent) == 1


def test_the_first_answer_is_given_again_though_the_deadline_has_passed(agent):
    with time_machine.travel(NIGHT, tick=False) as clock:
        asked = ask(expires_at=NIGHT + timedelta(seconds=60))
        first = agent.send_message(asked, once=once())
        clock.shift(61)
        assert agent.send_message(asked, once=once()) == first


def test_a_repeated_request_is_answered_though_the_queue_is_full_by_now(agent):
    asks = (
        lambda: agent.send_message(ask(priority="HIGH"), once=once("message")),
        lambda: agent.send_otp(PHONE, idempotency_key="otp"),
        lambda: agent.send_bulk([row(1)], once=once("bulk")),
    )
    first = [send() for send in asks]
    agent.send_bulk([row(i, priority="HIGH") for i in range(7)])
    with pytest.raises(QueueFull):
        agent.send_otp(PHONE)
    assert [send() for send in asks] == first
