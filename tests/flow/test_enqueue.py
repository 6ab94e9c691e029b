"""What was taken in is durable, in order, bounded, and taken in once."""

from datetime import UTC, datetime

import pytest
import time_machine

from otp_messaging_agent import (
    IntelligentOTPAgent,
    InvalidRequest,
    MessageRequest,
    QueueFull,
    RateLimited,
)
from otp_messaging_agent.flow.enqueue import MAX_ROWS

PHONE = "+447700900001"
SANDBOX = {"api_config": {"provider": "sandbox"}}
NIGHT = datetime(2030, 1, 10, 23, 30, tzinfo=UTC)


@pytest.fixture
def agent(tmp_path):
    """Return an agent that takes in and sends nothing: its processing is not started."""
    config = {"channels": {"SMS": SANDBOX}, "timezone": "Asia/Kolkata"}
    with IntelligentOTPAgent(config, tmp_path / "data") as made:
        yield made


@pytest.fixture
def small(tmp_path):
    config = {
        "channels": {"SMS": SANDBOX},
        "queue": {"max_waiting": 10, "retry_after_seconds": 7},
    }
    with IntelligentOTPAgent(config, tmp_path / "data") as made:
        yield made


def ask(**fields):
    return MessageRequest(**{"phone_number": PHONE, "content": "hello", **fields})


def row(number, **fields):
    return {"phone_number": f"+4477009{number % 100:05}", "content": f"row {number}", **fields}


def total(agent):
    return agent.metrics()["database_stats"]["total"]


def test_of_ten_thousand_rows_the_good_are_taken_in_order_and_the_bad_named(agent):
    rows = [row(i) for i in range(MAX_ROWS)]
    bad = list(range(500, MAX_ROWS, 1000))
    for index in bad:
        rows[index] = row(index, phone_number="12")
    answer = agent.send_bulk(rows)

    assert (answer.accepted, answer.rejected) == (9_990, 10)
    assert [r.index for r in answer.results] == list(range(MAX_ROWS))
    assert [r.index for r in answer.results if r.error] == bad
    for index in bad:
        refused = answer.results[index]
        assert refused.message_id is None
        assert refused.error.code == "invalid_request"
        assert [e["loc"] for e in refused.error.errors] == [["phone_number"]]

    ids = [r.message_id for r in answer.results if r.message_id]
    assert ids == sorted(set(ids))
    for index in (0, 499, 501, 9_999):
        message = agent.get_message(answer.results[index].message_id)
        assert (message.content, message.batch_id) == (f"row {index}", answer.batch_id)
    batch = agent.batch(answer.batch_id)
    assert (batch.accepted, batch.rejected, batch.by_status) == (9_990, 10, {"accepted": 9_990})


def test_rows_may_be_anything_and_are_judged_one_by_one(agent):
    answer = agent.send_bulk([ask(), 5, None, "text", [], {}, row(1), {"unknown": 1}])
    assert [r.error is None for r in answer.results] == [True, *[False] * 5, True, False]


def test_where_no_row_is_good_nothing_is_taken_and_every_fault_is_told(agent):
    with pytest.raises(InvalidRequest) as caught:
        agent.send_bulk([row(1, phone_number="12"), {"phone_number": PHONE, "priority": "no"}])
    assert {f.loc for f in caught.value.faults} == {
        ("messages", 0, "phone_number"),
        ("messages", 1, "priority"),
    }
    assert total(agent) == 0


@pytest.mark.parametrize("count", [0, MAX_ROWS + 1])
def test_a_bulk_has_its_bounds(agent, count):
    with pytest.raises(InvalidRequest) as caught:
        agent.send_bulk([row(1)] * count)
    assert [f.loc for f in caught.value.faults] == [("messages",)]
    assert total(agent) == 0


def test_codes_may_stand_in_a_bulk_each_within_its_limits(agent):
    rows = [{"phone_number": PHONE, "message_type": "otp"}] * 6 + [row(1)]
    answer = agent.send_bulk(rows)
    assert (answer.accepted, answer.rejected) == (6, 1)
    *taken, limited, plain = answer.results
    assert {r.verification_id for r in taken} == {taken[0].verification_id}
    assert len({r.message_id for r in taken}) == 5
    assert agent.get_message(taken[0].message_id).batch_id == answer.batch_id
    assert limited.error.code == "rate_limited"
    assert limited.message_id is limited.verification_id is plain.verification_id is None
    batch = agent.batch(answer.batch_id)
    assert (batch.accepted, batch.rejected) == (6, 1)
    assert agent.verification(taken[0].verification_id).sends == 5


def test_a_bulk_of_codes_all_over_their_limit_is_refused(agent):
    codes = [{"phone_number": PHONE, "message_type": "otp"}] * 5
    agent.send_bulk(codes)
    with pytest.raises(RateLimited) as caught:
        agent.send_bulk(codes)
    assert 590 < caught.value.retry_after <= 600
    assert total(agent) == 5


def test_a_full_queue_takes_no_more_and_says_when_to_come_back(small):
    for _ in range(10):
        small.send_message(ask(priority="HIGH"))
    for send in (
        lambda: small.send_message(ask(priority="HIGH")),
        lambda: small.send_otp(PHONE),
        lambda: small.send_bulk([row(1)]),
    ):
        with pytest.raises(QueueFull) as caught:
            send()
        assert caught.value.retry_after == 7
    assert total(small) == 10


def test_a_bulk_that_does_not_fit_whole_is_not_taken_in_part(small):
    with pytest.raises(QueueFull):
        small.send_bulk([row(i, priority="HIGH") for i in range(11)])
    assert total(small) == 0
    assert small.send_bulk([row(i, priority="HIGH") for i in range(10)]).accepted == 10


def test_the_last_tenth_is_kept_for_codes_and_what_is_urgent(small):
    for _ in range(9):
        small.send_message(ask())
    for priority in ("MEDIUM", "LOW"):
        with pytest.raises(QueueFull):
            small.send_message(ask(priority=priority))
    assert small.send_message(ask(priority="HIGH")).message_id


def test_a_message_of_type_otp_is_a_code(agent):
    made = agent.send_message(MessageRequest(phone_number=PHONE, message_type="otp"))
    assert made.status == "accepted"
    assert agent.verification(made.verification_id).status == "pending"
    assert (made.message_id[:4], made.verification_id[:4]) == ("msg_", "ver_")


def test_what_is_scheduled_waits(agent):
    with time_machine.travel(NIGHT, tick=False):
        later = agent.send_message(ask(scheduled_for="2030-01-11T10:00:00"))
        past = agent.send_message(ask(scheduled_for="2030-01-10T10:00:00"))
        assert (later.status, past.status) == ("scheduled", "accepted")
        message = agent.get_message(later.message_id)
    assert message.scheduled_for == datetime(2030, 1, 11, 4, 30, tzinfo=UTC)  # as in Kolkata


def test_marketing_waits_for_the_morning_and_a_code_does_not(agent):
    with time_machine.travel(NIGHT, tick=False):
        advert = agent.send_message(ask(message_type="marketing"))
        code = agent.send_otp(PHONE)
        assert agent.get_message(code.message_id).next_try_at == NIGHT
        morning = agent.get_message(advert.message_id).next_try_at
    assert advert.status == "scheduled"
    assert morning == datetime(2030, 1, 11, 9, tzinfo=UTC)
