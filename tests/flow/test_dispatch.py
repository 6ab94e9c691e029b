"""One process leads: it pages, collects receipts, gives up waiting for them, and tidies."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from otp_messaging_agent.errors import IdempotencyConflict, SendError
from otp_messaging_agent.flow.dispatch import LEASE, TIDY, Dispatcher
from otp_messaging_agent.message import Channel, Receipt, Status
from otp_messaging_agent.request import MessageRequest
from otp_messaging_agent.stores.base import Once

from .scripted import PHONE, START, Scripted

SMS, CALL = Channel.SMS, Channel.CALL
DAY = 86_400.0


def receipt(message_id, status, provider="main"):
    return Receipt(provider, f"ext-{message_id}.1", status, START + 9)


def other(on, owner="other"):
    """Return the dispatcher of another process on the same host over the same store."""
    return Dispatcher(
        on.store, on.intake, on.ways, on.listener, owner, on.clock, learner=on.learner
    )


def sent(on, **fields):
    made = on.take(**fields)
    on.finish(made)
    return made


def test_the_first_to_ask_leads_and_the_second_does_not(stage):
    on = stage({(SMS, "main"): Scripted()})
    assert not on.dispatcher.leading
    assert on.dispatcher.tick()
    assert on.dispatcher.leading
    assert on.intake.leading
    assert not other(on).tick()
    assert not on.intake.leading  # both speak for one intake here; the last to tick tells


def test_the_lead_is_kept_while_it_is_renewed(stage):
    on = stage({(SMS, "main"): Scripted()})
    rival = other(on)
    for _ in range(20):
        assert on.dispatcher.tick()
        assert not rival.tick()
        on.clock.at += LEASE / 4


def test_a_leader_that_is_not_heard_of_is_replaced_and_notices(stage):
    on = stage({(SMS, "main"): Scripted()})
    rival = other(on)
    on.dispatcher.tick()
    on.clock.at += LEASE + 0.1
    assert rival.tick()
    on.clock.at += 0.1
    assert not on.dispatcher.tick()
    assert not on.dispatcher.leading


def test_who_resigns_is_replaced_at_once(stage):
    on = stage({(SMS, "main"): Scripted()})
    on.dispatcher.tick()
    on.dispatcher.resign()
    assert not on.dispatcher.leading
    assert not on.intake.leading
    assert other(on).tick()


def test_who_does_not_lead_cannot_resign_for_the_leader(stage):
    on = stage({(SMS, "main"): Scripted()})
    rival = other(on)
    on.dispatcher.tick()
    rival.tick()
    rival.resign()
    assert not rival.tick()


def test_only_the_leaders_intake_puts_tickets_into_its_queue(stage):
    on = stage({(SMS, "main"): Scripted()})
    on.take()
    assert on.queue.depth() == 0
    on.dispatcher.tick()
    on.take()
    assert on.queue.depth() == 1


def test_pages_hold_what_is_due_in_its_order(stage):
    on = stage({(SMS, "main"): Scripted()})
    low = on.take(priority="LOW")
    first, second, third = (on.take(priority="HIGH") for _ in range(3))
    on.take(priority="HIGH", scheduled_for=datetime.fromtimestamp(START + 60, UTC))
    code = on.take_otp().message_id
    assert [t.message_id for t in on.dispatcher.page(3, 10)] == [first, second, third]
    assert [t.message_id for t in on.dispatcher.page(3, 2)] == [first, second]
    assert [t.message_id for t in on.dispatcher.page(2, 10)] == [code]
    assert [t.message_id for t in on.dispatcher.page(7, 10)] == [low]
    on.clock.at += 60
    assert len(on.dispatcher.page(3, 10)) == 4


def test_the_number_that_waits_is_counted_for_the_bound(stage):
    on = stage({(SMS, "main"): Scripted()})
    for _ in range(3):
        on.take()
    sent(on)
    on.intake.waiting = 0
    on.dispatcher.tick()
    assert on.intake.waiting == 3


def test_receipts_are_collected_and_joined(stage):
    sms, call = Scripted(), Scripted()
    on = stage({(SMS, "main"): sms, (CALL, "voice"): call})
    arrived, lost, rung = sent(on), sent(on), sent(on, preferred_channel="Call")
    sms.due = [receipt(arrived, Status.DELIVERED), receipt(lost, Status.UNDELIVERED)]
    call.due = [receipt(rung, Status.READ, "voice"), receipt("msg_nobody", Status.READ)]
    on.dispatcher.tick()
    assert [on.status(m) for m in (arrived, lost, rung)] == ["delivered", "queued", "read"]
    assert on.message(arrived).finished_at == START + 9
    assert on.attempts(lost)[0].receipt_status is Status.UNDELIVERED
    assert on.attempts(lost)[0].receipt_by is None


def test_who_does_not_lead_collects_nothing(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    other(on).tick()
    made = sent(on)
    sms.due = [receipt(made, Status.DELIVERED)]
    assert not on.dispatcher.tick()
    assert on.status(made) == "sent"
    assert len(sms.due) == 1


def test_a_provider_that_cannot_be_polled_stops_nobody_else(stage):
    broken, sms = Scripted(), Scripted()
    broken.poll = lambda now: (_ for _ in ()).throw(SendError("down"))
    on = stage({(SMS, "broken"): broken, (SMS, "main"): sms})
    made = on.take(metadata={"a": 1})
    assert on.dispatcher.tick()
    on.finish(made)
    sms.due = [receipt(made, Status.DELIVERED, on.attempts(made)[0].provider)]
    on.clock.at += 1
    assert on.dispatcher.tick()
    assert on.dispatcher.leading


def test_a_receipt_that_never_comes_makes_the_message_unknown(stage):
    on = stage({(SMS, "main"): Scripted()})
    made = sent(on)
    on.clock.at = START + 599
    on.dispatcher.tick()
    assert on.status(made) == "sent"
    on.clock.at = START + 600
    on.dispatcher.tick()
    assert on.status(made) == "unknown"
    assert on.message(made).finished_at == START + 600


def test_news_of_a_sent_message_does_not_end_the_wait_for_its_receipt(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    made = sent(on)
    sms.due = [receipt(made, Status.SENT)]
    on.dispatcher.tick()
    assert on.status(made) == "sent"
    on.clock.at = START + 600
    on.dispatcher.tick()
    assert on.status(made) == "unknown"


def test_a_receipt_that_comes_too_late_still_counts(stage):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    made = sent(on)
    on.clock.at = START + 600
    on.dispatcher.tick()
    sms.due = [receipt(made, Status.DELIVERED)]
    on.clock.at += 1
    on.dispatcher.tick()
    assert on.status(made) == "delivered"


def test_a_provider_without_receipts_is_not_waited_for(stage):
    on = stage({(SMS, "main"): Scripted(receipts=False)})
    made = sent(on)
    on.clock.at = START + 1e6
    on.dispatcher.tick()
    assert on.status(made) == "sent"


@pytest.mark.parametrize("first", [Status.DELIVERED, Status.READ])
def test_receipts_only_lead_forwards(stage, first):
    sms = Scripted()
    on = stage({(SMS, "main"): sms})
    made = sent(on)
    for status in (first, Status.SENT, Status.UNDELIVERED, Status.UNKNOWN):
        sms.due = [receipt(made, status)]
        on.clock.at += 1
        on.dispatcher.tick()
        assert on.status(made) == first.value


def test_keys_are_forgotten_after_a_day_and_not_before(stage):
    on = stage({(SMS, "main"): Scripted()})
    asked = MessageRequest(phone_number=PHONE, content="hello")

    def again(body):
        return on.intake.send_message(asked, Once("key", body, on.clock.at)).message_id

    on.dispatcher.tick()
    first = again(b"a" * 32)
    on.clock.at = START + DAY - 1
    on.dispatcher.tick()
    assert again(b"a" * 32) == first
    with pytest.raises(IdempotencyConflict):
        again(b"b" * 32)
    on.clock.at = START + DAY + TIDY + 1
    on.dispatcher.tick()
    assert again(b"b" * 32) != first


def test_tidying_is_done_once_an_hour(stage):
    on = stage({(SMS, "main"): Scripted()})
    calls = []
    store = SimpleNamespace(
        lead=lambda *_: True,
        recent_attempts=lambda _: [],
        waiting=lambda _: 0,
        overdue=lambda *_: [],
        join_parked=lambda _: [],
        spent=lambda _: 0.0,
        missed=lambda _: [],
        forget_keys=calls.append,
    )
    leader = Dispatcher(store, on.intake, on.ways, on.listener, "me", on.clock, learner=on.learner)
    for _ in range(8):
        leader.tick()
        on.clock.at += TIDY / 4
    assert calls == [START - DAY, START + TIDY - DAY]
