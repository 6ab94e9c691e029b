"""What comes back: receipts joined to their attempts, and what a missing or a bad one leads to."""

import sqlite3
from contextlib import closing

import pytest

from otp_messaging_agent.channels.base import Medium
from otp_messaging_agent.errors import Forged, NotFound, SendError
from otp_messaging_agent.flow.verdict import Proof
from otp_messaging_agent.message import Channel, Receipt, Status
from otp_messaging_agent.providers.base import Heard, Sent
from otp_messaging_agent.retry import RetryPolicy

from .letters import letter
from .routes import MEDIA
from .scripted import PHONE, START, Scripted

SMS, WHATSAPP, CALL, EMAIL = Channel.SMS, Channel.WHATSAPP, Channel.CALL, Channel.EMAIL
WITHIN = MEDIA[SMS].receipt_within
SOON = 30.0
PROOF = {SMS: Proof(fallback_after=SOON)}
FRENCH = "+33612345678"


def receipt(message_id, status, number=1, provider="main", at=START, **fields):
    return Receipt(provider, f"ext-{message_id}.{number}", status, at, **fields)


def two(**options):
    """Return the ways of two channels, SMS first."""
    return {(SMS, "main"): Scripted(**options), (WHATSAPP, "other"): Scripted(**options)}


def sent(on, **fields):
    """Send an alert, or what *fields* make of it, by the first way; return its id."""
    given = {"priority": "HIGH", "message_type": "alert", **fields}
    made = on.take_otp().message_id if given["message_type"] == "otp" else on.take(**given)
    on.step(made)
    assert on.status(made) == "sent"
    return made


def tick(on, at=None):
    """Let the dispatcher do what is due *at*."""
    on.clock.at = on.clock.at if at is None else at
    assert on.dispatcher.tick()


def ways(on, message_id):
    return [(channel, outcome) for channel, _, outcome, _ in on.tries(message_id)]


def counters(on):
    return on.store.figures(on.clock.at).counters


# ------------------------------------------------------------------------- callbacks


def test_every_channel_of_a_name_hears_its_callbacks_and_receipts_are_joined_once(stage):
    both = Scripted(), Scripted()
    on = stage({(SMS, "main"): both[0], (CALL, "main"): both[1]})
    first, second = sent(on), sent(on, preferred_channel="Call")
    heard = []
    for message_id, provider in ((first, both[0]), (second, both[1])):
        told = Heard([receipt(message_id, Status.DELIVERED)], answer="taken")
        for p in both:
            p.heard[message_id] = told if p is provider else Heard()
        assert on.listener.callback("main", message_id) == "taken"
        heard.append(on.status(message_id))
    assert heard == ["delivered", "delivered"]
    (attempt,) = on.attempts(first)
    assert (attempt.receipt_status, attempt.receipt_at) == ("delivered", START)


@pytest.mark.parametrize("wrong", ["unreadable", "forged"])
@pytest.mark.parametrize("turned", [False, True])
def test_what_one_channel_of_a_name_cannot_read_another_may(stage, wrong, turned):
    class Unreadable(Scripted):
        def hear(self, callback):
            raise ValueError if wrong == "unreadable" else Forged

    able = Scripted()
    pair = [able, Unreadable()][:: -1 if turned else 1]
    on = stage({(SMS, "main"): pair[0], (CALL, "main"): pair[1]})
    made = sent(on)
    able.heard["told"] = Heard([receipt(made, Status.DELIVERED)])
    on.listener.callback("main", "told")
    assert on.status(made) == "delivered"
    assert counters(on).get("callbacks_forged", 0) == 0
    with pytest.raises(ValueError if wrong == "unreadable" else Forged):
        on.listener.callback("main", "unheard of")


def test_a_forged_callback_is_refused_and_counted(stage):
    on = stage(two())
    for _ in range(2):
        with pytest.raises(Forged):
            on.listener.callback("main", "forged")
    assert counters(on)["callbacks_forged"] == 2


def test_a_name_that_is_not_configured_is_not_found(stage):
    on = stage(two())
    with pytest.raises(NotFound):
        on.listener.callback("elsewhere", "anything")


def test_a_receipt_of_an_unknown_send_is_kept_and_then_counted(stage):
    on = stage(two())
    on.listener.receipt(Receipt("main", "nobody's", Status.DELIVERED, START))
    assert counters(on).get("receipts_unknown", 0) == 0
    tick(on)  # the parking goes by the real time, which is long past here
    assert counters(on)["receipts_unknown"] == 1


def test_a_receipt_that_came_before_the_send_was_noted_is_joined(stage):
    early = []

    def take(out):
        on.listener.receipt(receipt(out.message_id, Status.UNDELIVERED, error_code="not_mobile"))
        early.append(on.status(out.message_id))
        return Sent(f"ext-{out.attempt_id}")

    on = stage({(SMS, "main"): Scripted(take), (WHATSAPP, "other"): Scripted()})
    made = sent(on)
    assert early == ["sending"]
    tick(on)
    assert on.status(made) == "queued"
    on.finish(made)
    assert ways(on, made) == [("SMS", "sent"), ("WhatsApp", "sent")]


# ------------------------------------------------------------------------- it did not arrive


@pytest.mark.parametrize("kind", ["otp", "alert", "notification", "marketing"])
def test_what_did_not_arrive_goes_the_next_way_at_once(stage, kind):
    on = stage(two())
    made = sent(on, message_type=kind)
    on.clock.at += 5
    on.listener.receipt(receipt(made, Status.UNDELIVERED, error_code="unreachable"))
    assert on.status(made) == "queued"
    assert on.finish(made) == [0.0]
    assert ways(on, made) == [("SMS", "sent"), ("WhatsApp", "sent")]
    first, _ = on.attempts(made)
    assert (first.receipt_status, first.error_code) == ("undelivered", "unreachable")
    on.listener.receipt(receipt(made, Status.DELIVERED, 2, "other"))
    assert on.status(made) == "delivered"


def test_the_same_bad_news_again_sends_nothing_more(stage):
    on = stage(two())
    made = sent(on)
    for _ in range(3):
        on.listener.receipt(receipt(made, Status.UNDELIVERED))
    on.finish(made)
    on.listener.receipt(receipt(made, Status.UNDELIVERED))
    assert on.status(made) == "sent"
    assert ways(on, made) == [("SMS", "sent"), ("WhatsApp", "sent")]


def test_after_the_deadline_it_stays_undelivered(stage):
    on = stage(two())
    made = sent(on, expires_at=START + 60)
    on.clock.at = START + 60
    on.listener.receipt(receipt(made, Status.UNDELIVERED, error_code="unreachable"))
    message = on.message(made)
    assert (message.status, message.due_at) == ("undelivered", None)
    assert message.error_code == "unreachable"


def test_a_code_that_was_used_is_not_sent_another_way(stage):
    on = stage(two())
    made = on.take_otp()
    on.step(made.message_id)
    on.verifier.cancel(made.verification_id, None)
    on.listener.receipt(receipt(made.message_id, Status.UNDELIVERED))
    assert (on.status(made.message_id), on.message(made.message_id).due_at) == ("undelivered", None)


def test_where_every_way_was_tried_it_stays_undelivered(stage):
    on = stage(two())
    made = sent(on)
    on.listener.receipt(receipt(made, Status.UNDELIVERED))
    on.finish(made)
    on.listener.receipt(receipt(made, Status.UNDELIVERED, 2, "other"))
    assert (on.status(made), on.message(made).due_at) == ("undelivered", None)


def test_who_opted_out_meanwhile_is_not_sent_it_another_way(stage):
    on = stage({**two(), (EMAIL, "post"): Scripted()})
    made = sent(on)
    on.listener.inbound(letter("STOP", channel=WHATSAPP))
    on.listener.receipt(receipt(made, Status.UNDELIVERED))
    assert (on.status(made), on.message(made).due_at) == ("undelivered", None)


def test_bad_news_of_an_earlier_try_does_not_touch_a_later_one(stage):
    on = stage(two(), proof=PROOF)
    made = sent(on)
    tick(on, START + SOON)
    on.finish(made)
    on.listener.receipt(receipt(made, Status.UNDELIVERED))
    assert on.status(made) == "sent"
    assert len(on.tries(made)) == 2


# ------------------------------------------------------------------------- nothing came


@pytest.mark.parametrize("kind", ["otp", "alert"])
def test_an_urgent_message_without_a_receipt_goes_another_way_too(stage, kind):
    on = stage(two(), proof=PROOF)
    made = sent(on, message_type=kind)
    tick(on, START + SOON - 0.5)
    assert on.status(made) == "sent"
    tick(on, START + SOON)
    assert on.status(made) == "queued"
    on.finish(made)
    assert ways(on, made) == [("SMS", "sent"), ("WhatsApp", "sent")]
    assert on.attempts(made)[0].receipt_status is Status.UNKNOWN


@pytest.mark.parametrize("kind", ["notification", "reminder", "marketing"])
def test_any_other_is_unknown_after_the_channels_own_time(stage, kind):
    on = stage(two(), proof=PROOF)
    made = sent(on, message_type=kind)
    tick(on, START + WITHIN - 0.5)
    assert on.status(made) == "sent"
    tick(on, START + WITHIN)
    assert (on.status(made), on.message(made).due_at) == ("unknown", None)
    assert len(on.tries(made)) == 1


@pytest.mark.parametrize(
    ("providers", "proof"),
    [([SMS], PROOF), ([SMS, WHATSAPP], {SMS: Proof()})],
    ids=["no other way", "never by config"],
)
def test_an_urgent_one_waits_the_channels_own_time_where_nothing_is_won_by_less(
    stage, providers, proof
):
    on = stage({(c, "main"): Scripted() for c in providers}, proof=proof)
    made = sent(on)
    tick(on, START + WITHIN - 0.5)
    assert on.status(made) == "sent"
    tick(on, START + WITHIN)
    expected = "unknown" if len(providers) == 1 else "queued"
    assert on.status(made) == expected


def test_the_carriers_having_it_is_no_receipt_yet(stage):
    on = stage(two(), proof=PROOF)
    made = sent(on)
    on.listener.receipt(receipt(made, Status.SENT))
    tick(on, START + SOON)
    assert on.status(made) == "queued"


@pytest.mark.parametrize(("retries", "then"), [(0, "sent"), (1, "queued")])
def test_a_sibling_is_another_way_only_where_it_may_be_tried(stage, retries, then):
    siblings = {(SMS, name): Scripted() for name in ("a", "b")}
    on = stage(siblings, proof=PROOF, retries=RetryPolicy(max_retries=retries))
    made = sent(on)
    tick(on, START + SOON)
    assert on.status(made) == then


def test_a_receipt_in_time_is_waited_for_no_more(stage):
    on = stage(two(), proof=PROOF)
    made = sent(on)
    on.listener.receipt(receipt(made, Status.DELIVERED))
    tick(on, START + WITHIN)
    assert on.status(made) == "delivered"
    assert len(on.tries(made)) == 1


def test_an_unknown_message_is_what_a_late_receipt_says(stage):
    on = stage(two())
    arrived, lost = (sent(on, message_type="notification") for _ in range(2))
    tick(on, START + WITHIN)
    on.listener.receipt(receipt(arrived, Status.DELIVERED))
    assert on.status(arrived) == "delivered"
    on.listener.receipt(receipt(lost, Status.UNDELIVERED))
    on.finish(lost)
    assert ways(on, lost) == [("SMS", "sent"), ("WhatsApp", "sent")]


@pytest.mark.parametrize(
    ("proof", "options", "number"),
    [
        ({SMS: Proof(fallback_after=SOON, without=frozenset({"FR"}))}, {}, FRENCH),
        ({SMS: Proof(expected=False, fallback_after=SOON)}, {}, PHONE),
        (PROOF, {"receipts": False}, PHONE),
    ],
    ids=["country", "channel", "provider"],
)
def test_where_no_receipts_come_what_was_sent_is_final(stage, proof, options, number):
    on = stage(two(**options), proof=proof)
    made = sent(on, phone_number=number)
    assert on.message(made).finished_at == START
    tick(on, START + 10 * WITHIN)
    assert on.status(made) == "sent"
    assert len(on.tries(made)) == 1


def test_a_receipt_is_expected_in_other_countries(stage):
    on = stage(two(), proof={SMS: Proof(fallback_after=SOON, without=frozenset({"FR"}))})
    made = sent(on)
    assert on.message(made).finished_at is None
    tick(on, START + SOON)
    assert on.status(made) == "queued"


def test_the_media_say_how_long_a_receipt_is_waited_for():
    assert all(isinstance(m, Medium) and m.receipt_within > SOON for m in MEDIA.values())


# ------------------------------------------------------------------------- it came late


def fallen_back(on):
    """Return an alert that has begun to go the next way, as no receipt came."""
    made = sent(on)
    tick(on, START + SOON)
    assert on.status(made) == "queued"
    return made


def duplicates(on, message_id):
    return [a.duplicate for a in on.attempts(message_id)]


def test_a_late_arrival_calls_the_waiting_fallback_off(stage):
    ways_out = two()
    on = stage(ways_out, proof=PROOF)
    made = fallen_back(on)
    on.listener.receipt(receipt(made, Status.DELIVERED))
    assert (on.status(made), on.message(made).due_at) == ("delivered", None)
    on.deliverer.handle(made)
    assert ways_out[WHATSAPP, "other"].outs == []
    assert duplicates(on, made) == [False]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_message_that_arrives_twice_is_marked_with_what_the_second_cost(stage, order):
    on = stage(two(), proof=PROOF)
    made = fallen_back(on)
    on.finish(made)
    for number in order:
        provider = {1: "main", 2: "other"}[number]
        on.listener.receipt(receipt(made, Status.DELIVERED, number, provider, cost=number / 10))
    assert on.status(made) == "delivered"
    assert duplicates(on, made) == [number == order[1] for number in (1, 2)]
    assert [a.cost for a in on.attempts(made)] == [0.1, 0.2]
    assert on.message(made).cost == pytest.approx(0.3)


def test_reading_the_first_does_not_make_it_the_duplicate(stage):
    on = stage(two(), proof=PROOF)
    made = fallen_back(on)
    on.finish(made)
    on.listener.receipt(receipt(made, Status.DELIVERED))
    on.listener.receipt(receipt(made, Status.DELIVERED, 2, "other"))
    on.listener.receipt(receipt(made, Status.READ))
    assert on.status(made) == "read"
    assert duplicates(on, made) == [False, True]


@pytest.mark.parametrize("status", [Status.DELIVERED, Status.READ])
def test_what_arrives_while_the_fallback_is_being_sent_has_arrived(stage, status):
    def take(out):
        on.listener.receipt(receipt(out.message_id, status))
        assert on.status(out.message_id) == "sending"
        return Sent("second")

    given = {(SMS, "main"): Scripted(), (WHATSAPP, "other"): Scripted(take, receipts=False)}
    on = stage(given, proof=PROOF)
    made = fallen_back(on)
    on.finish(made)
    assert on.status(made) == status
    assert duplicates(on, made) == [False, True]
    assert on.message(made).cost == pytest.approx(sum(a.cost for a in on.attempts(made)))


def test_what_arrives_while_the_fallback_fails_is_not_tried_again(stage):
    def refuse(out):
        on.listener.receipt(receipt(out.message_id, Status.DELIVERED))
        raise SendError("provider_unavailable")

    other = Scripted(refuse)
    on = stage({(SMS, "main"): Scripted(), (WHATSAPP, "other"): other}, proof=PROOF)
    made = fallen_back(on)
    on.finish(made)
    assert (on.status(made), on.message(made).due_at) == ("delivered", None)
    assert duplicates(on, made) == [False, False]
    assert len(other.outs) == 1


def test_a_message_that_cannot_be_read_stops_no_other_and_no_start(stage, tmp_path):
    on = stage(two(), proof=PROOF)
    broken, whole = sent(on), sent(on)
    with closing(sqlite3.connect(tmp_path / "agent.db")) as db, db:
        db.execute("UPDATE messages SET phone_enc = x'00' WHERE id = ?", [broken])
    for message_id in (broken, whole):
        on.store.receive(receipt(message_id, Status.UNDELIVERED))  # and the process dies
    tick(on)
    assert on.status(whole) == "queued"
    on.listener.receipt(receipt(broken, Status.UNDELIVERED))
