"""A message goes out once, to nobody who called it off, and never after its time."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from otp_messaging_agent.errors import Scope, SendError
from otp_messaging_agent.message import Channel, Status
from otp_messaging_agent.providers.base import Sent
from otp_messaging_agent.request import CheckRequest
from otp_messaging_agent.view import MessageView

from .scripted import PHONE, START, TIMEOUT, Scripted

SMS, WHATSAPP, CALL, EMAIL = Channel.SMS, Channel.WHATSAPP, Channel.CALL, Channel.EMAIL
DOWN = "provider_unavailable"


def down(times):
    return [SendError(DOWN, detail="503") for _ in range(times)]


def after(seconds):
    return datetime.fromtimestamp(START + seconds, UTC)


def test_what_is_to_be_tried_again_has_a_ticket_and_what_is_done_has_none(stage):
    on = stage({(SMS, "main"): Scripted(*down(1))})
    made = on.take()
    on.step(made)
    assert (on.status(made), on.queue.depth()) == ("queued", 1)
    assert on.message(made).error_code == DOWN
    assert on.message(made).due_at == START + 1
    other = on.take()
    on.finish(other)
    assert on.queue.depth() == 1


def test_what_is_not_due_or_not_there_is_left_alone(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    later = on.take(scheduled_for="2027-02-01T00:00:00Z")
    on.deliverer.handle(later)
    on.deliverer.handle("msg_nobody")
    assert sms.outs == []
    assert on.status(later) == "scheduled"


def test_a_ticket_that_comes_twice_sends_once(stage):
    sms = Scripted(lambda out: on.deliverer.handle(out.message_id) or Sent("x"))
    on = stage({(SMS, "main"): sms})
    made = on.take()
    on.deliverer.handle(made)
    on.flush()
    on.deliverer.handle(made)
    assert len(sms.outs) == 1
    assert on.status(made) == "sent"


def test_a_message_called_off_is_not_sent(stage):
    sms = Scripted(*down(1))
    on = stage({(SMS, "main"): sms})
    waiting, tried = on.take(), on.take()
    on.step(tried)
    for made in (waiting, tried):
        assert on.store.cancel_message(made, START) is Status.CANCELED
        on.clock.at += 100
        on.deliverer.handle(made)
        assert on.status(made) == "canceled"
    assert len(sms.outs) == 1


def test_a_message_that_was_claimed_by_another_is_not_sent(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    made = on.take()
    load = on.store.load

    def load_then_lose(message_id):
        work = load(message_id)
        on.store.cancel_message(message_id, START)
        return work

    on.store.load = load_then_lose
    on.deliverer.handle(made)
    assert sms.outs == []
    assert on.tries(made) == []


def test_a_message_is_not_sent_before_its_time(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    made = on.take(scheduled_for=after(3600))
    on.clock.at = START + 3599.9
    on.deliverer.handle(made)
    assert sms.outs == []
    on.clock.at = START + 3600
    on.deliverer.handle(made)
    assert on.status(made) == "sent"


@pytest.mark.parametrize("late", [0, 1, 1e6])
def test_a_message_past_its_deadline_is_never_sent(stage, late):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    made = on.take(expires_at=after(60))
    on.clock.at = START + 60 + late
    on.deliverer.handle(made)
    kept = on.message(made)
    assert sms.outs == []
    assert (kept.status, kept.error_code, kept.due_at) == (Status.EXPIRED, "expired", None)
    assert kept.finished_at == START + 60 + late


def test_the_provider_is_told_how_long_the_message_lives(stage):
    sms = Scripted(*down(1))
    on = stage({(SMS, "main"): sms})
    on.clock.at = START + 2
    made = on.take(expires_at=after(60))
    on.finish(made)
    assert [out.validity for out in sms.outs] == [58, 57]


def test_no_send_may_last_longer_than_the_message_lives(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    for seconds in (60, 3, 0.05):
        on.finish(on.take(expires_at=after(seconds)))
    assert sms.timeouts == [TIMEOUT, pytest.approx(3), 0.1]


def test_a_retry_that_would_come_too_late_makes_way_for_another_channel(stage):
    on = stage({(SMS, "main"): Scripted(*down(9)), (CALL, "main"): Scripted()})
    made = on.take(preferred_channel="SMS", expires_at=after(6))
    assert on.finish(made) == [0, 1, 2, 0]
    assert [channel for channel, *_ in on.tries(made)] == ["SMS", "SMS", "SMS", "Call"]


def test_jitter_carries_no_retry_past_the_deadline(stage):
    on = stage({(SMS, "main"): Scripted(*down(1))}, random=0.99)
    made = on.take(expires_at=after(1.1))
    on.finish(made)
    assert on.status(made) == "sent"


def test_where_time_runs_out_the_message_is_expired_not_failed(stage):
    on = stage({(SMS, "main"): Scripted(*down(9))})
    made = on.take(expires_at=after(2))
    assert on.finish(made) == [0, 1]
    assert (on.status(made), on.message(made).error_code) == ("expired", "expired")


def test_a_code_is_sent_in_its_text_and_shown_nowhere_else(stage, tmp_path):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    made = on.take_otp(purpose="pay the bill", code_length=10, ttl_seconds=90)
    on.finish(made.message_id)
    (out,) = sms.outs
    assert len(out.code) == 10
    assert out.content == f"Your code is {out.code}, for 2 minutes, to pay the bill."
    assert out.validity == 90
    message, attempts = on.store.message(made.message_id)
    view = MessageView.of(message, attempts)
    assert view.content is None
    for shown in (repr(message), repr(attempts), view.model_dump_json(), repr(made)):
        assert out.code not in shown
    for file in tmp_path.glob("agent.db*"):
        assert out.code.encode() not in file.read_bytes()


def test_a_resent_code_is_the_same_with_the_time_it_has_left(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    on.finish(on.take_otp().message_id)
    on.clock.at += 200
    on.finish(on.take_otp().message_id)
    first, second = sms.outs
    assert second.code == first.code
    assert "for 5 minutes" in first.content
    assert "for 2 minutes" in second.content
    assert (first.validity, second.validity) == (300, 100)


def test_the_code_that_was_sent_is_the_one_that_is_right(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    on.finish(on.take_otp().message_id)
    asked = CheckRequest(phone_number=PHONE, code=sms.outs[0].code)
    assert on.verifier.check(asked, None).verified


def test_a_code_past_its_time_is_never_sent(stage):
    sms = Scripted(*down(9))
    on = stage({(SMS, "main"): sms})
    made = on.take_otp(ttl_seconds=10).message_id
    waits = on.finish(made)
    assert waits == [0, 1, 2, 4]
    late = on.take_otp(ttl_seconds=10, purpose="other").message_id
    on.clock.at += 10
    on.deliverer.handle(late)
    assert on.status(late) == "expired"
    assert len(sms.outs) == 4


def test_a_code_whose_time_ran_out_while_its_claim_was_kept_is_not_sent(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    made = on.take_otp(ttl_seconds=10).message_id
    begin = on.store.begin

    def slow_begin(*args):
        won = begin(*args)
        on.clock.at += 11
        return won

    on.store.begin = slow_begin
    on.deliverer.handle(made)
    assert sms.outs == []
    assert (on.status(made), on.message(made).error_code) == ("expired", "expired")


def test_what_a_provider_finds_too_late_to_send_is_expired_not_failed(stage):
    over = SendError("expired", permanent=True, scope=Scope.MESSAGE)
    on = stage({(SMS, "main"): Scripted(over), (CALL, "main"): Scripted()})
    made = on.take_otp().message_id
    on.finish(made)
    assert (on.status(made), len(on.tries(made))) == ("expired", 1)


def test_a_code_called_off_while_it_waits_is_not_sent(stage):
    sms = Scripted(*down(1))
    on = stage({(SMS, "main"): sms})
    made = on.take_otp()
    on.step(made.message_id)
    on.verifier.cancel(made.verification_id, None)
    on.clock.at += 10
    on.deliverer.handle(made.message_id)
    assert on.status(made.message_id) == "canceled"
    assert len(sms.outs) == 1


def test_a_code_that_was_right_already_is_not_sent_again(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    on.finish(on.take_otp().message_id)
    again = on.take_otp().message_id
    asked = CheckRequest(phone_number=PHONE, code=sms.outs[0].code)
    assert on.verifier.check(asked, None).verified
    on.deliverer.handle(again)
    assert on.status(again) == "canceled"
    assert len(sms.outs) == 1


def test_a_code_that_ends_between_two_looks_is_not_sent(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    made = on.take_otp()
    load = on.store.load

    def load_without_code(message_id):
        work = load(message_id)
        return replace(work, code=None)

    on.store.load = load_without_code
    on.deliverer.handle(made.message_id)
    assert sms.outs == []
    assert on.message(made.message_id).error_code == "verification_ended"
