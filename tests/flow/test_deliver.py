"""One ticket, one attempt at most, and the verdict kept: sent, try again, or ended."""

import pytest

from otp_messaging_agent.errors import Scope, SendError
from otp_messaging_agent.message import Channel, MessageType, Outcome, Status
from otp_messaging_agent.providers.base import Sent
from otp_messaging_agent.retry import RetryPolicy

from .lessons import history, taught
from .scripted import PHONE, START, TIMEOUT, Scripted

SMS, WHATSAPP, CALL, EMAIL = Channel.SMS, Channel.WHATSAPP, Channel.CALL, Channel.EMAIL
DOWN = "provider_unavailable"


def down(times):
    return [SendError(DOWN, detail="503") for _ in range(times)]


def refusal(scope, code="refused"):
    return SendError(code, permanent=True, scope=scope)


def test_a_message_is_sent_by_its_first_way(stage):
    sms, mail = Scripted(), Scripted()
    on = stage({(SMS, "main"): sms, (EMAIL, "main"): mail})
    made = on.take(email="ada@example.com", priority="HIGH", subject="Hi", message_type="alert")
    assert on.finish(made) == [0.0]
    assert on.status(made) == "sent"
    (out,) = sms.outs
    assert mail.outs == []
    assert (out.to, out.content, out.subject) == (PHONE, "hello", "Hi")
    assert (out.message_id, out.attempt_id, out.channel) == (made, f"{made}.1", SMS)
    assert (out.type, out.code, out.validity) == (MessageType.ALERT, None, None)
    assert sms.timeouts == [TIMEOUT]


def test_mail_goes_to_the_mailbox(stage):
    mail = Scripted()
    on = stage({(EMAIL, "main"): mail})
    on.finish(on.take(email="ada@example.com"))
    on.finish(on.take_otp(email="ada@example.com").message_id)
    plain, code = mail.outs
    assert (plain.to, plain.subject) == ("ada@example.com", None)
    assert (code.to, code.subject) == ("ada@example.com", "Your verification code")


@pytest.mark.parametrize("adaptive", [True, False])
def test_an_attempt_is_kept_with_the_decision_that_chose_it(stage, adaptive):
    on = stage({(SMS, "main"): Scripted(), (CALL, "main"): Scripted()}, adaptive=adaptive)
    made = on.take(priority="CRITICAL")
    on.finish(made)
    (kept,) = on.attempts(made)
    assert (kept.id, kept.message_id, kept.number) == (f"{made}.1", made, 1)
    assert (kept.channel, kept.provider, kept.outcome) == (CALL, "main", Outcome.SENT)
    assert (kept.started_at, kept.finished_at) == (START, START)
    assert kept.provider_message_id == f"ext-{made}.1"
    ranked = kept.decision["ranked"]
    assert [way["channel"] for way in ranked] == ["Call", "SMS"]
    assert "unproven" in ranked[1]["parts"] if adaptive else ranked[0]["parts"]["mapped"] == 1
    assert kept.decision["excluded"] == []


def test_the_attempt_is_on_disk_before_the_provider_is_called(stage):
    seen = []

    def look(out):
        message, attempts = on.store.message(out.message_id)
        seen.append((message.status, attempts[0].outcome, message.due_at > START + TIMEOUT))
        return Sent("x")

    on = stage({(SMS, "main"): Scripted(look)})
    on.finish(on.take())
    assert seen == [(Status.SENDING, None, True)]


def test_sent_is_final_where_the_provider_gives_no_receipts(stage):
    on = stage({(SMS, "main"): Scripted(receipts=False)})
    made = on.take()
    on.finish(made)
    assert on.message(made).finished_at == START
    assert on.attempts(made)[0].receipt_by is None


def test_a_receipt_is_awaited_where_the_provider_gives_one(stage):
    on = stage({(SMS, "main"): Scripted(receipts=True)})
    made = on.take()
    on.finish(made)
    assert on.message(made).finished_at is None
    assert on.attempts(made)[0].receipt_by == START + 600


def test_a_provider_that_knows_at_once_needs_no_receipt(stage):
    on = stage({(SMS, "main"): Scripted(Sent("x", Status.DELIVERED))})
    made = on.take()
    on.finish(made)
    (kept,) = on.attempts(made)
    assert on.message(made).finished_at == START
    assert on.status(made) == "delivered"
    assert (kept.receipt_status, kept.receipt_at, kept.receipt_by) == (
        Status.DELIVERED,
        START,
        None,
    )


def test_only_what_was_sent_costs(stage):
    on = stage({(SMS, "main"): Scripted(*down(2)), (EMAIL, "main"): Scripted()})
    made = on.take(email="ada@example.com", preferred_channel="SMS")
    on.finish(made)
    assert [a.cost for a in on.attempts(made)] == [0, 0, 0.0083]
    assert on.message(made).cost == 0.0083


def test_what_the_provider_charges_is_what_it_cost(stage):
    on = stage({(SMS, "main"): Scripted(Sent("x", cost=0.5), Sent("y", cost=0.0))})
    dear, free = on.take(), on.take()
    on.finish(dear)
    on.finish(free)
    assert [on.message(m).cost for m in (dear, free)] == [0.5, 0.0]
    assert [on.attempts(m)[0].cost for m in (dear, free)] == [0.5, 0.0]


@pytest.mark.parametrize("scope", [Scope.RECIPIENT, Scope.MESSAGE])
def test_what_no_channel_can_mend_ends_the_message(stage, scope):
    sms, call = Scripted(refusal(scope, "invalid_number")), Scripted()
    on = stage({(SMS, "main"): sms, (CALL, "main"): call})
    made = on.take(preferred_channel="SMS")
    assert on.finish(made) == [0.0]
    kept = on.message(made)
    assert (kept.status, kept.error_code, kept.finished_at) == (
        Status.FAILED,
        "invalid_number",
        START,
    )
    assert call.outs == []
    assert on.attempts(made)[0].permanent is True
    assert on.attempts(made)[0].scope == scope


def test_a_channel_that_cannot_reach_the_recipient_is_left_at_once(stage):
    sms, call = Scripted(refusal(Scope.CHANNEL, "not_mobile")), Scripted()
    on = stage({(SMS, "main"): sms, (CALL, "main"): call})
    made = on.take(preferred_channel="SMS")
    assert on.finish(made) == [0.0, 0.0]
    assert on.tries(made) == [
        ("SMS", "main", "failed", "not_mobile"),
        ("Call", "main", "sent", None),
    ]
    assert on.message(made).error_code is None


def test_a_provider_that_is_down_is_tried_again_after_one_two_and_four_seconds(stage):
    on = stage({(SMS, "main"): Scripted(*down(3))})
    made = on.take()
    assert on.finish(made) == [0, 1, 2, 4]
    assert on.status(made) == "sent"
    assert [a.number for a in on.attempts(made)] == [1, 2, 3, 4]


def test_then_the_next_channel_begins_at_once_with_a_count_of_its_own(stage):
    ways = {(c, "main"): Scripted(*down(9)) for c in Channel}
    on = stage(ways)
    made = on.take(email="ada@example.com", priority="HIGH")
    assert on.finish(made) == [0, 1, 2, 4] * 4
    order = [channel for channel, *_ in on.tries(made)]
    assert order == ["SMS"] * 4 + ["WhatsApp"] * 4 + ["Call"] * 4 + ["Email"] * 4
    kept = on.message(made)
    assert (kept.status, kept.error_code, kept.tries) == (Status.FAILED, DOWN, 16)
    assert kept.cost == 0


def test_jitter_makes_waits_longer_never_shorter(stage):
    on = stage({(SMS, "main"): Scripted(*down(3))}, random=0.999)
    waits = on.finish(on.take())[1:]
    assert waits == [pytest.approx(w * 1.24975) for w in (1, 2, 4)]


def test_the_providers_own_wait_wins(stage):
    busy = [SendError("rate_limited", retry_after=7.5), SendError("rate_limited", retry_after=0.1)]
    on = stage({(SMS, "main"): Scripted(*busy)})
    made = on.take()
    assert on.finish(made) == [0, 7.5, 2]
    assert [a.retry_after for a in on.attempts(made)] == [7.5, 0.1, None]


def test_a_wait_counts_from_the_end_of_the_failed_try(stage):
    def slow(out):
        on.clock.at += 3
        raise SendError(DOWN)

    on = stage({(SMS, "main"): Scripted(slow)})
    made = on.take()
    assert on.finish(made) == [0, 1]
    first, second = on.attempts(made)
    assert (first.started_at, first.finished_at, second.started_at) == (START, START + 3, START + 4)


def test_retries_are_counted_as_configured(stage):
    policy = RetryPolicy(max_retries=1, exponential=False, base_delay=3)
    on = stage({(SMS, "main"): Scripted(*down(9)), (CALL, "main"): Scripted()}, retries=policy)
    assert on.finish(on.take(preferred_channel="SMS")) == [0, 3, 0]


def test_an_account_that_is_refused_leaves_its_channel_to_its_sibling(stage):
    a, b, call = Scripted(refusal(Scope.PROVIDER, "auth_failed")), Scripted(*down(1)), Scripted()
    on = stage({(SMS, "a"): a, (SMS, "b"): b, (CALL, "main"): call})
    made = on.take(preferred_channel="SMS")
    on.finish(made)
    assert [(p, error) for _, p, _, error in on.tries(made)] == [
        ("a", "auth_failed"),
        ("b", DOWN),
        ("b", None),
    ]
    assert call.outs == []


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("priority", ["HIGH", "MEDIUM"])
def test_each_retry_takes_the_next_account(stage, priority, adaptive):
    ways = {(SMS, "a"): Scripted(*down(9)), (SMS, "b"): Scripted(*down(9))}
    on = stage(ways, adaptive=adaptive)
    made = on.take(priority=priority)
    on.finish(made)
    taken = [provider for _, provider, *_ in on.tries(made)]
    assert taken in (["a", "b"] * 2, ["b", "a"] * 2)
    if priority == "MEDIUM" or not adaptive:  # whose mapped channel is another: nothing is known
        assert taken[0] == "a"


def test_what_is_learned_of_a_channel_leads_the_next_message_elsewhere(stage):
    on = stage({(SMS, "main"): Scripted(), (CALL, "main"): Scripted()})
    before, after = on.take(priority="HIGH"), on.take(priority="HIGH")
    on.finish(before)
    taught(*history(0.0, until=on.clock.at), learned=on.ways.learned)
    on.finish(after)
    assert [on.tries(m)[0][0] for m in (before, after)] == ["SMS", "Call"]


def test_long_details_are_cut_and_empty_ones_left_out(stage):
    on = stage({(SMS, "main"): Scripted(SendError("a", detail="x" * 900), SendError("b"))})
    made = on.take()
    on.finish(made)
    assert [a.error_detail for a in on.attempts(made)] == ["x" * 500, None, None]
