"""A claim is held by one at a time, outlives nobody for long, and a late holder changes nothing."""

from threading import Barrier, Thread

import pytest

from otp_messaging_agent.errors import Scope, SendError
from otp_messaging_agent.flow.deliver import GRACE
from otp_messaging_agent.message import Channel
from otp_messaging_agent.providers.base import Sent

from .scripted import START, TIMEOUT, Scripted

SMS, CALL = Channel.SMS, Channel.CALL
LEASE = TIMEOUT + GRACE


class PowerCutError(BaseException):
    """What ends a process in the middle of a send: nothing in it may catch this."""


def crash(_):
    raise PowerCutError


def sending(on, **fields):
    """Take a message in and let the process die while it is being sent."""
    made = on.take(**fields)
    with pytest.raises(PowerCutError):
        on.deliverer.handle(made)
    return made


def test_a_process_that_dies_while_sending_leaves_an_open_attempt(stage):
    on = stage({(SMS, "main"): Scripted(crash)})
    made = sending(on)
    assert on.status(made) == "sending"
    assert on.tries(made) == [("SMS", "main", None, None)]
    assert on.message(made).due_at == START + LEASE


def test_nobody_touches_it_before_its_lease_is_over(stage):
    sms = Scripted(crash, answers=[Sent("x")])
    on = stage({(SMS, "main"): sms})
    made = sending(on)
    on.clock.at = START + LEASE - 0.1
    on.deliverer.handle(made)
    assert sms.asked == []
    assert len(sms.outs) == 1


def test_then_the_provider_is_asked_first_and_what_it_took_is_not_sent_again(stage):
    sms = Scripted(crash, answers=[Sent("x")])
    on = stage({(SMS, "main"): sms})
    made = sending(on)
    assert on.finish(made) == [LEASE]
    assert (len(sms.asked), len(sms.outs)) == (1, 1)
    assert sms.asked[0][1] == START
    assert on.tries(made) == [("SMS", "main", "sent", None)]
    assert on.message(made).cost == 0.0083


def test_what_it_did_not_take_is_sent_again_at_once(stage):
    sms = Scripted(crash, answers=[None])
    on = stage({(SMS, "main"): sms})
    made = sending(on)
    assert on.finish(made) == [LEASE, 1]
    assert on.tries(made) == [
        ("SMS", "main", "failed", "interrupted"),
        ("SMS", "main", "sent", None),
    ]


def test_what_nobody_can_tell_of_is_sent_again_but_not_marketing(stage):
    on = stage({(SMS, "main"): Scripted(crash, crash)})
    alert, advert = sending(on, message_type="alert"), sending(on, message_type="marketing")
    on.finish(alert)
    on.finish(advert)
    assert [o for *_, o, _ in on.tries(alert)] == ["ambiguous", "sent"]
    assert [o for *_, o, _ in on.tries(advert)] == ["ambiguous"]
    assert on.status(advert) == "unknown"
    assert on.message(advert).error_code == "interrupted"


def outlive(on, then):
    """Return a step that is slower than its lease: another asks meanwhile, then *then* comes."""

    def step(out):
        on().clock.at += LEASE + 1
        on().deliverer.handle(out.message_id)
        on().flush()
        if isinstance(then, Exception):
            raise then
        return then

    return step


def test_a_send_slower_than_its_lease_that_was_found_meanwhile_is_sent_once(stage):
    sms = Scripted(outlive(lambda: on, Sent("same")), answers=[Sent("same")])
    on = stage({(SMS, "main"): sms})
    made = on.take()
    on.deliverer.handle(made)
    assert on.finish(made) == []
    assert (on.status(made), len(sms.outs), len(sms.asked)) == ("sent", 1, 1)
    assert on.message(made).cost == on.attempts(made)[0].cost == 0.0083


@pytest.mark.parametrize("late", [SendError("down"), SendError("cut", ambiguous=True)])
def test_a_verdict_that_comes_too_late_changes_nothing(stage, late):
    sms = Scripted(outlive(lambda: on, late), answers=[Sent("taken")])
    on = stage({(SMS, "main"): sms})
    made = on.take()
    on.deliverer.handle(made)
    assert (on.status(made), on.message(made).due_at) == ("sent", None)
    (kept,) = on.attempts(made)
    assert (kept.outcome, kept.provider_message_id) == ("sent", "taken")
    assert kept.receipt_by is not None


def test_a_late_refusal_does_not_end_a_message_that_is_being_tried_again(stage):
    refused = SendError("invalid_number", permanent=True, scope=Scope.RECIPIENT)
    sms = Scripted(outlive(lambda: on, refused), answers=[None])
    on = stage({(SMS, "main"): sms})
    made = on.take()
    on.deliverer.handle(made)
    assert on.status(made) == "queued"
    on.finish(made)
    assert on.status(made) == "sent"


def test_a_message_whose_only_channel_was_taken_off_fails_and_says_so(stage):
    made = stage({(SMS, "main"): Scripted()}).take()
    on = stage({(Channel.EMAIL, "main"): Scripted()})
    on.finish(made)
    assert (on.status(made), on.message(made).error_code) == ("failed", "no_channel")


def test_two_processes_over_a_store_send_each_message_once(stage):
    sms = Scripted()
    one, two = stage({(SMS, "main"): sms}), stage({(SMS, "main"): sms})
    made = [one.take() for _ in range(25)]
    start = Barrier(4)

    def work(on):
        start.wait()
        for message_id in made:
            on.deliverer.handle(message_id)

    threads = [Thread(target=work, args=(on,)) for on in (one, two, one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    two.flush()
    assert sorted(out.message_id for out in sms.outs) == made
    assert {one.status(message_id) for message_id in made} == {"sent"}
    assert {len(one.attempts(message_id)) for message_id in made} == {1}
