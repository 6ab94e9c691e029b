"""What every store promises to those who look things up, and the sandbox's inbox in it."""

import pytest

from otp_messaging_agent.inbox import InboxEntry
from otp_messaging_agent.message import Channel, MessageType, Priority, Status
from otp_messaging_agent.stores.base import Search

from .store_parts import NOW, attempt, keep, message, order, sent


@pytest.fixture
def filled(store):
    """Return a store with five messages of which each differs from the rest in some way."""
    keep(
        store,
        message("msg_1", phone_number="+447700900001", created_at=NOW),
        message("msg_2", email="ada@example.com", created_at=NOW + 1, batch_id="bat_1"),
        message("msg_3", user_id="user-1", created_at=NOW + 2, reference="order-1"),
        message("msg_4", type=MessageType.ALERT, created_at=NOW + 3, status=Status.SCHEDULED),
        message("msg_5", phone_number=None, email="bob@example.com", created_at=NOW + 4),
    )
    a = attempt(message("msg_5"))
    assert store.begin(a, 0, NOW + 40)
    assert store.settle(sent(a))
    return store


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "54321"),
        ({"status": Status.SCHEDULED}, "4"),
        ({"status": Status.SENT}, "5"),
        ({"channel": Channel.SMS}, "5"),
        ({"channel": Channel.CALL}, ""),
        ({"type": MessageType.ALERT}, "4"),
        ({"batch_id": "bat_1"}, "2"),
        ({"reference": "order-1"}, "3"),
        ({"since": NOW + 2}, "543"),
        ({"until": NOW + 2}, "21"),
        ({"since": NOW + 1, "until": NOW + 2}, "2"),
        ({"phone_number": "+447700900001"}, "1"),
        ({"phone_number": "+44770090000"}, ""),
        ({"email": "bob@example.com"}, "5"),
        ({"user_id": "user-1"}, "3"),
        ({"user_id": "order-1"}, ""),
        ({"limit": 2}, "54"),
        ({"limit": 2, "after": "msg_4"}, "32"),
        ({"type": MessageType.NOTIFICATION, "until": NOW + 1}, "1"),
    ],
)
def test_a_search_finds_what_matches_newest_first(filled, asked, found):
    assert "".join(m.id[-1] for m in filled.search(Search(**asked))) == found


def test_what_waits_is_counted_no_further_than_asked(filled):
    assert filled.waiting(100) == 4
    assert filled.waiting(3) == 3
    filled.cancel_message("msg_1", NOW)
    assert filled.waiting(100) == 3


def test_figures_count_everything(filled):
    keep(filled, message("msg_6", due_at=NOW + 99), order(at=NOW + 7))
    going = message("msg_7", priority=Priority.LOW)
    keep(filled, going)
    assert filled.begin(attempt(going), 0, NOW)
    figures = filled.figures(NOW + 50)
    assert figures.by_status == {"accepted": 5, "scheduled": 1, "sent": 1, "sending": 1}
    assert figures.verifications == {"pending": 1}
    medium, otp = message().rank, order().message.rank
    assert figures.waiting_by_rank == {medium: 4, otp: 1}
    assert figures.oldest_due_by_rank == {medium: NOW, otp: NOW + 7}
    (sms,) = figures.channels
    assert (sms["channel"], sms["provider"]) == ("SMS", "sandbox")
    assert (sms["attempts"], sms["sent"], sms["failed"], sms["delivered"]) == (2, 1, 0, 0)
    assert figures.timings == [(NOW + 4, NOW, NOW + 1)]


def test_sent_is_final_where_no_receipt_is_awaited(filled):
    assert filled.figures(NOW).final_sent == 0
    row = message("msg_6")
    keep(filled, row)
    a = attempt(row)
    assert filled.begin(a, 0, NOW + 40)
    assert filled.settle(sent(a, receipt_by=None))
    assert filled.figures(NOW).final_sent == 1


def test_recent_attempts_outlive_a_restart(filled, place):
    assert place.store().recent_attempts(NOW - 1) == [(Channel.SMS, "sandbox", NOW)]
    assert place.store().recent_attempts(NOW) == []


def entry(name, **fields):
    given = {"to": "+447700900001", "content": "Hello \N{WAVING HAND SIGN}", "at": NOW}
    given |= {"provider": "sandbox", "message_id": f"msg_{name}", "channel": Channel.SMS}
    return InboxEntry(id=f"msg_{name}.1", **given | fields)


def test_an_entry_of_the_inbox_is_kept_once(store):
    one = entry("a", subject="Hi")
    store.put_inbox(one)
    store.put_inbox(entry("a", content="another text under the same id"))
    assert store.inbox() == [one]
    assert store.inbox_entry(one.id) == one
    assert store.inbox_entry("msg_b.1") is None


def test_the_inbox_shows_the_newest_first_and_one_recipient_if_asked(store):
    entries = [entry(n, at=NOW + i, to=f"+44770090000{i % 2}") for i, n in enumerate("abcd")]
    for one in entries:
        store.put_inbox(one)
    assert store.inbox() == entries[::-1]
    assert store.inbox(limit=2) == entries[:1:-1]
    assert store.inbox(to="+447700900001") == [entries[3], entries[1]]
    assert store.inbox(to="+447700900009") == []


def test_a_receipt_that_is_due_is_handed_out_once(store):
    waits = {"receipt_status": Status.UNDELIVERED}
    soon, later = entry("a", receipt_due=NOW + 5, **waits), entry("b", receipt_due=NOW + 9, **waits)
    theirs = entry("c", receipt_due=NOW + 5, provider="other", **waits)
    for one in (soon, later, theirs, entry("d")):
        store.put_inbox(one)
    assert store.due_receipts("sandbox", NOW + 4) == []
    assert store.due_receipts("sandbox", NOW + 5) == [soon]
    assert store.due_receipts("sandbox", NOW + 6) == []
    assert store.due_receipts("sandbox", NOW + 9) == [later]
    assert store.due_receipts("other", NOW + 9) == [theirs]
