"""What every store promises of silences: sent tries that no receipt came of in time."""

from functools import partial

import pytest

from otp_messaging_agent.message import Channel, Outcome, Status

from .store_parts import NOW, attempt, keep, message
from .tries import ALWAYS, PATIENCE, answered, failed, ids, receipt, silences, taken

OVER = NOW + PATIENCE
JUST_AFTER = OVER + 0.001


@pytest.mark.parametrize(
    ("came", "at", "silent"),
    [
        (None, None, True),
        (Status.SENT, NOW + 5, True),
        (Status.SENT, JUST_AFTER, True),
        (Status.UNKNOWN, NOW + 5, True),
        (Status.UNKNOWN, JUST_AFTER, True),
        (Status.DELIVERED, OVER, False),
        (Status.READ, OVER, False),
        (Status.UNDELIVERED, OVER, False),
        (Status.DELIVERED, JUST_AFTER, True),
        (Status.READ, JUST_AFTER, True),
        (Status.UNDELIVERED, JUST_AFTER, True),
    ],
)
def test_silent_is_what_no_receipt_came_of_in_time(store, came, at, silent):
    a = answered(store, came, at) if came else taken(store)
    assert ids(silences(store, *ALWAYS)) == [a.id] * silent


@pytest.mark.parametrize("came", [None, Status.SENT])
def test_no_silence_where_a_provider_gives_no_receipts(store, came):
    a = taken(store, receipt_by=None)
    if came:
        store.receive(receipt(a, came, JUST_AFTER))
    assert silences(store, *ALWAYS) == []


def test_silence_of_what_nobody_knows_whether_it_was_taken(store):
    a = failed(store, outcome=Outcome.AMBIGUOUS)
    assert [t.attempt_id for t in silences(store, *ALWAYS)] == [a.id]


def test_no_silence_of_what_was_not_sent(store):
    failed(store)
    row = message()
    keep(store, row)
    assert store.begin(attempt(row), 0, NOW + 40)
    assert silences(store, *ALWAYS) == []


def test_silence_is_asked_of_one_channel_with_its_patience(store):
    sms, call = taken(store), taken(store, channel=Channel.CALL)
    slow = answered(store, Status.DELIVERED, NOW + 50)
    ask = partial(store.silences, since=NOW + 90, until=NOW + 100, limit=9)
    assert ids(ask(Channel.CALL, 100.0)) == [call.id]
    assert ids(ask(Channel.SMS, 100.0)) == [sms.id]
    assert ids(ask(Channel.SMS, 89.0)) == ids(ask(Channel.SMS, 101.0)) == []
    quick = partial(store.silences, since=NOW, until=NOW + 100, limit=9)
    assert ids(quick(Channel.SMS, 49.0)) == [sms.id, slow.id]
