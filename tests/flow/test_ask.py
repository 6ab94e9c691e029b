"""A send whose end nobody saw is asked about before anything is sent again."""

from datetime import UTC, datetime

import pytest

from otp_messaging_agent.errors import LookupUnsupported, SendError
from otp_messaging_agent.message import Channel, Status
from otp_messaging_agent.providers.base import Sent
from otp_messaging_agent.request import CheckRequest

from .scripted import PHONE, START, TIMEOUT, Scripted

SMS, CALL = Channel.SMS, Channel.CALL
NOT_TAKEN = None


def cut(times=1):
    return [SendError("connection_cut", ambiguous=True, detail="lost") for _ in range(times)]


def silent(times):
    return [SendError("lookup_failed") for _ in range(times)]


def after(seconds):
    return datetime.fromtimestamp(START + seconds, UTC)


def test_an_unsure_send_stays_sending_until_it_is_settled(stage):
    on = stage({(SMS, "main"): Scripted(*cut())})
    made = on.take()
    on.step(made)
    assert on.status(made) == "sending"
    assert on.message(made).due_at == START + 2
    assert on.tries(made) == [("SMS", "main", "ambiguous", "connection_cut")]
    assert on.queue.depth() == 1


def test_one_that_is_found_was_sent_once(stage):
    found = Sent("ext-found", cost=0.25)
    sms = Scripted(*cut(), answers=[found])
    on = stage({(SMS, "main"): sms})
    made = on.take()
    assert on.finish(made) == [0, 2]
    assert len(sms.outs) == 1
    assert on.status(made) == "sent"
    (kept,) = on.attempts(made)
    assert (kept.outcome, kept.provider_message_id, kept.error_code) == ("sent", "ext-found", None)
    assert kept.cost == on.message(made).cost == 0.25
    assert kept.receipt_by == START + 2 + 600


def test_one_that_is_found_costs_what_a_send_costs(stage):
    on = stage({(SMS, "main"): Scripted(*cut(), answers=[Sent("x")])})
    made = on.take()
    on.step(made)
    assert on.message(made).cost == on.attempts(made)[0].cost == 0
    on.finish(made)
    assert on.message(made).cost == on.attempts(made)[0].cost == 0.0083


def test_one_that_is_found_delivered_is_delivered(stage):
    on = stage({(SMS, "main"): Scripted(*cut(), answers=[Sent("x", Status.DELIVERED)])})
    made = on.take()
    on.finish(made)
    assert on.status(made) == "delivered"


def test_the_provider_is_asked_for_what_was_sent(stage):
    sms = Scripted(*cut(), answers=[Sent("x")])
    on = stage({(SMS, "main"): sms})
    made = on.take_otp()
    on.finish(made.message_id)
    ((asked, since),) = sms.asked
    sent = sms.outs[0]
    assert since == START
    assert (asked.attempt_id, asked.to, asked.channel) == (sent.attempt_id, PHONE, SMS)
    assert (asked.content, asked.code) == (sent.content, sent.code)
    assert sms.timeouts == [TIMEOUT, TIMEOUT]


def test_one_that_is_not_found_is_sent_again_after_its_backoff(stage):
    sms = Scripted(*cut(), answers=[NOT_TAKEN])
    on = stage({(SMS, "main"): sms})
    made = on.take()
    assert on.finish(made) == [0, 2, 1]
    assert on.tries(made) == [
        ("SMS", "main", "failed", "connection_cut"),
        ("SMS", "main", "sent", None),
    ]
    assert on.message(made).cost == 0.0083


def test_unsure_sends_count_as_tries_of_their_channel(stage):
    on = stage(
        {(SMS, "main"): Scripted(*cut(9), answers=[NOT_TAKEN] * 9), (CALL, "main"): Scripted()}
    )
    made = on.take(preferred_channel="SMS")
    assert on.finish(made) == [0, 2, 1, 2, 2, 2, 4, 2, 0]
    assert [channel for channel, *_ in on.tries(made)] == ["SMS"] * 4 + ["Call"]


@pytest.mark.parametrize("type_", ["alert", "notification", "reminder"])
def test_where_nobody_can_tell_a_message_is_sent_again(stage, type_):
    sms = Scripted(*cut(), answers=[LookupUnsupported()])
    on = stage({(SMS, "main"): sms})
    made = on.take(message_type=type_)
    assert on.finish(made) == [0, 2, 1]
    assert on.tries(made) == [
        ("SMS", "main", "ambiguous", "connection_cut"),
        ("SMS", "main", "sent", None),
    ]


def test_where_nobody_can_tell_a_code_is_sent_again(stage):
    sms = Scripted(*cut(), answers=[LookupUnsupported()])
    on = stage({(SMS, "main"): sms})
    made = on.take_otp().message_id
    on.finish(made)
    assert on.status(made) == "sent"
    assert sms.outs[0].code == sms.outs[1].code


def test_where_nobody_can_tell_marketing_is_not_sent_twice(stage):
    sms, call = Scripted(*cut(), answers=[LookupUnsupported()]), Scripted()
    on = stage({(SMS, "main"): sms, (CALL, "main"): call})
    made = on.take(message_type="marketing", preferred_channel="SMS")
    assert on.finish(made) == [0, 2]
    kept = on.message(made)
    assert (kept.status, kept.error_code) == (Status.UNKNOWN, "connection_cut")
    assert kept.finished_at == START + 2
    assert (len(sms.outs), len(call.outs)) == (1, 0)


def test_marketing_that_was_surely_not_taken_is_sent_again(stage):
    sms = Scripted(*cut(), answers=[NOT_TAKEN])
    on = stage({(SMS, "main"): sms})
    made = on.take(message_type="marketing")
    on.finish(made)
    assert on.status(made) == "sent"
    assert len(sms.outs) == 2


def test_a_provider_that_does_not_answer_is_asked_five_times_ever_later(stage):
    sms = Scripted(*cut(), answers=silent(9))
    on = stage({(SMS, "main"): sms})
    made = on.take()
    assert on.finish(made) == [0, 2, 4, 8, 16, 32, 1]
    assert len(sms.asked) == 5
    assert len(sms.outs) == 2
    first, second = on.attempts(made)
    assert (first.outcome, first.error_code, first.lookups) == ("ambiguous", "connection_cut", 5)
    assert second.outcome == "sent"


def test_marketing_nobody_answers_for_ends_unknown(stage):
    sms = Scripted(*cut(), answers=silent(9))
    on = stage({(SMS, "main"): sms})
    made = on.take(message_type="marketing")
    on.finish(made)
    assert on.status(made) == "unknown"
    assert (len(sms.asked), len(sms.outs)) == (5, 1)


def test_an_answer_that_comes_late_still_counts(stage):
    sms = Scripted(*cut(), answers=[*silent(3), Sent("x")])
    on = stage({(SMS, "main"): sms})
    made = on.take()
    assert on.finish(made) == [0, 2, 4, 8, 16]
    assert on.status(made) == "sent"
    assert len(sms.outs) == 1


def test_a_provider_may_ask_to_be_asked_later(stage):
    wait = SendError("rate_limited", retry_after=50)
    sms = Scripted(*cut(), answers=[wait, Sent("x")])
    on = stage({(SMS, "main"): sms})
    assert on.finish(on.take()) == [0, 2, 50]


def test_a_lookup_with_a_bug_does_not_hold_the_message_for_ever(stage):
    sms = Scripted(*cut(), answers=[KeyError("sid") for _ in range(9)])
    on = stage({(SMS, "main"): sms})
    made = on.take()
    on.finish(made)
    assert on.status(made) == "sent"
    assert (len(sms.asked), len(sms.outs)) == (5, 2)


def test_a_provider_with_a_bug_loses_no_message(stage):
    sms = Scripted(ZeroDivisionError("+447700900001"), answers=[NOT_TAKEN])
    on = stage({(SMS, "main"): sms})
    made = on.take()
    on.finish(made)
    first, second = on.attempts(made)
    assert (first.error_code, first.error_detail) == ("provider_bug", "ZeroDivisionError")
    assert second.outcome == "sent"
    assert len(sms.asked) == 1


def test_a_provider_that_is_gone_from_the_config_is_not_asked(stage):
    sms = Scripted(*cut())
    on = stage({(SMS, "main"): sms, (CALL, "main"): Scripted()})
    made = on.take(preferred_channel="SMS")
    on.step(made)
    del on.providers[SMS, "main"]
    on.step(made)
    assert sms.asked == []
    assert on.status(made) == "queued"
    assert on.attempts(made)[0].outcome == "ambiguous"


def test_a_code_that_was_right_meanwhile_is_not_sent_again(stage):
    sms = Scripted(*cut(), answers=[NOT_TAKEN])
    on = stage({(SMS, "main"): sms})
    made = on.take_otp()
    on.step(made.message_id)
    asked = CheckRequest(verification_id=made.verification_id, code=sms.outs[0].code)
    assert on.verifier.check(asked, None).verified
    on.finish(made.message_id)
    assert len(sms.outs) == 1
    assert on.status(made.message_id) == "unknown"


def test_an_unsure_send_past_its_deadline_is_settled_and_not_sent_again(stage):
    sms = Scripted(*cut(2), answers=[LookupUnsupported(), NOT_TAKEN])
    on = stage({(SMS, "main"): sms})
    unsure, missing = on.take(expires_at=after(2)), on.take(expires_at=after(1))
    on.step(unsure)
    on.step(missing)
    on.finish(unsure)
    on.finish(missing)
    assert on.status(unsure) == "unknown"
    assert on.status(missing) == "expired"
    assert len(sms.outs) == 2
