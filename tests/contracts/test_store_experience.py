"""What every store promises routing to learn from: what became known of tries, and when."""

from dataclasses import replace

import pytest
import time_machine

from otp_messaging_agent.message import Channel, Outcome, Status
from otp_messaging_agent.stores.base import Tried

from .store_parts import NOW, Guess, attempt, keep, message, sent
from .tries import (
    ALWAYS,
    PATIENCE,
    TTL,
    answered,
    approved,
    canceled,
    coded,
    failed,
    guessed_at,
    ids,
    receipt,
    silences,
    taken,
)

# ------------------------------------------------------------- every window


def _failed_at(store, at, **fields):
    return failed(store, at=at - 1, **fields)


def _answered_at(store, at, **fields):
    return answered(store, Status.DELIVERED, at, at=NOW - 60, **fields)


def _silent_at(store, at, **fields):
    return taken(store, at=at - PATIENCE, **fields)


def _typed_at(store, at, **fields):
    a = taken(store, coded(store, at=NOW - 60), at=NOW - 60, **fields)
    approved(store, a, at)
    return a


def _over_at(store, at, **fields):
    return taken(store, coded(store, at=at - TTL), at=at - TTL, **fields)


KINDS = {
    "failures": (_failed_at, "finished_at", lambda store, *asked: store.failures(*asked)),
    "receipts": (_answered_at, "receipt_at", lambda store, *asked: store.receipts(*asked)),
    "silences": (_silent_at, "started_at", silences),
    "codes-typed-in": (_typed_at, "code_at", lambda store, *asked: store.codes(*asked)),
    "codes-not": (_over_at, "code_at", lambda store, *asked: store.codes(*asked)),
}


@pytest.fixture(params=KINDS)
def kind(request):
    """Return how to make a try known at a time, the field of that time, and how to ask for it."""
    return KINDS[request.param]


def test_what_became_known_after_since_and_until_until_is_found(store, kind):
    make, _, ask = kind
    before, at_since, within, at_until, after = (
        make(store, at).id for at in (NOW - 1, NOW, NOW + 5, NOW + 10, NOW + 11)
    )
    assert ids(ask(store, NOW, NOW + 10, 100)) == [within, at_until]
    assert ids(ask(store, NOW - 2, NOW, 100)) == [before, at_since]
    assert ids(ask(store, NOW + 10, NOW + 20, 100)) == [after]
    assert ids(ask(store, NOW + 11, NOW + 20, 100)) == []


def test_the_newest_are_found_oldest_first(store, kind):
    make, field, ask = kind
    for at in (3.0, 1.0, 4.0, 2.0):
        make(store, NOW + at)
    times = [getattr(t, field) for t in ask(store, NOW, NOW + 10, 100)]
    assert len(times) == 4
    assert times == sorted(times)
    assert [getattr(t, field) for t in ask(store, NOW, NOW + 10, 2)] == times[2:]
    assert ask(store, NOW, NOW + 10, 0) == []


def test_those_of_one_moment_have_an_order_too(store, kind):
    make, _, ask = kind
    made = sorted(make(store, NOW + 1).id for _ in range(5))
    assert ids(ask(store, NOW, NOW + 1, 100)) == made
    assert ids(ask(store, NOW, NOW + 1, 3)) == made[2:]


def test_after_a_restart_and_in_other_processes_it_is_the_same(place, kind):
    make, _, ask = kind
    store = place.store()
    for at in (1.0, 2.0, 3.0):
        make(store, NOW + at, country="GB", prefix="+4477")
    asked = (NOW, NOW + 10, 2)
    told = ask(store, *asked)
    assert len(told) == 2
    assert ask(place.store(), *asked) == told
    place.leave()
    assert ask(place.store(), *asked) == told


# ----------------------------------------------------------- what a try says


def test_a_try_is_told_as_it_stands(store):
    o = coded(store)
    a = failed(store, o.message, at=NOW + 1, country="GB", prefix="+4477", provider="mine")
    told = Tried(
        attempt_id=a.id,
        channel=Channel.SMS,
        provider="mine",
        country="GB",
        prefix="+4477",
        started_at=NOW + 1,
        finished_at=NOW + 2,
        error_code="down",
        permanent=False,
        scope="provider",
        receipt_status=None,
        receipt_at=None,
        waits=False,
        approved_at=None,
        code_at=NOW + TTL,
    )
    assert store.failures(*ALWAYS) == [told]
    approved(store, a, NOW + 9)
    assert store.failures(*ALWAYS) == [replace(told, approved_at=NOW + 9, code_at=NOW + 9)]


def test_where_a_try_goes_is_kept_from_its_beginning(store):
    row = message()
    keep(store, row)
    a = attempt(row, country="GB", prefix="+4477")
    assert store.begin(a, 0, NOW + 40)
    assert store.message(row.id)[1] == [a]
    assert store.settle(sent(a))
    (kept,) = store.load(row.id).attempts
    assert (kept.country, kept.prefix) == ("GB", "+4477")


def test_what_went_to_no_number_went_to_no_country_and_no_code_went_along(store):
    row = message(phone_number=None, email="ada@example.com")
    a = answered(store, Status.UNDELIVERED, NOW + 5, row=row, channel=Channel.EMAIL)
    (told,) = store.receipts(*ALWAYS)
    assert (told.attempt_id, told.channel) == (a.id, Channel.EMAIL)
    assert (told.country, told.prefix, told.approved_at, told.code_at) == (None,) * 4


def test_a_try_waits_until_its_receipt_came(store):
    a = taken(store)
    assert [t.waits for t in silences(store, *ALWAYS)] == [True]
    store.receive(receipt(a, Status.UNKNOWN, NOW + 50))
    (told,) = silences(store, *ALWAYS)
    assert (told.waits, told.receipt_status, told.receipt_at) == (False, "unknown", NOW + 50)
    store.receive(receipt(a, Status.DELIVERED, NOW + 70))
    (told,) = silences(store, *ALWAYS)
    assert (told.waits, told.receipt_status, told.receipt_at) == (False, "delivered", NOW + 70)


def _find_expired(store, o):
    Guess(store)("0000", o.verification_id, at=NOW + TTL)


@pytest.mark.parametrize(
    ("ends", "code_at"),
    [
        (lambda store, o: None, NOW + TTL),
        (_find_expired, NOW + TTL),
        (canceled, None),
        (guessed_at, None),
    ],
    ids=["pending", "expired", "canceled", "guessed-at"],
)
def test_what_a_try_carried_is_over_in_time_or_never(store, ends, code_at):
    o = coded(store)
    failed(store, o.message)
    answered(store, Status.DELIVERED, NOW + 5, row=coded(store, resend=o).message)
    ends(store, o)
    for told in (*store.failures(*ALWAYS), *store.receipts(*ALWAYS)):
        assert (told.approved_at, told.code_at) == (None, code_at)
    counted = [NOW + TTL] if code_at else []
    assert [t.code_at for t in store.codes(*ALWAYS)] == counted


# ----------------------------------------------------- failures and receipts


def test_a_failure_is_what_no_provider_took(store):
    taken(store)
    failed(store, outcome=Outcome.AMBIGUOUS)
    row = message()
    keep(store, row)
    assert store.begin(attempt(row), 0, NOW + 40)
    assert store.failures(*ALWAYS) == []
    a = failed(store)
    assert ids(store.failures(*ALWAYS)) == [a.id]


@pytest.mark.parametrize("came", [Status.DELIVERED, Status.READ, Status.UNDELIVERED])
def test_a_receipt_says_whether_it_arrived(store, came):
    a = answered(store, came, NOW + 5, scope="channel", error_code="none")
    (told,) = store.receipts(*ALWAYS)
    assert (told.attempt_id, told.receipt_status, told.receipt_at) == (a.id, came, NOW + 5)
    assert (told.scope, told.error_code, told.waits) == ("channel", "none", False)


@pytest.mark.parametrize("came", [Status.SENT, Status.UNKNOWN])
def test_what_says_nothing_of_its_arrival_is_no_receipt(store, came):
    answered(store, came, NOW + 5)
    taken(store)
    failed(store)
    assert store.receipts(*ALWAYS) == []


def test_a_receipt_counts_by_when_it_arrived_not_by_when_it_was_read(store):
    a = answered(store, Status.DELIVERED, NOW + 5)
    store.receive(receipt(a, Status.READ, NOW + 3000))
    (told,) = store.receipts(NOW, NOW + 10, 100)
    assert (told.receipt_status, told.receipt_at) == (Status.READ, NOW + 5)
    assert store.receipts(NOW + 10, NOW + 5000, 100) == []
    assert silences(store, *ALWAYS) == []


def test_what_a_provider_knew_at_once_is_a_receipt(store):
    a = taken(store, receipt_by=None, receipt_status=Status.DELIVERED, receipt_at=NOW + 1)
    assert ids(store.receipts(*ALWAYS)) == [a.id]


def test_a_receipt_is_found_by_when_it_was_told_not_by_the_vendors_clock(store):
    a = taken(store)
    with time_machine.travel(NOW + 100, tick=False):
        store.receive(receipt(a, Status.DELIVERED, NOW + 5))
    (found,) = store.receipts(NOW + 90, NOW + 110, 100)
    assert (found.receipt_at, found.told_at) == (NOW + 5, NOW + 100)
    assert store.receipts(NOW, NOW + 10, 100) == []
    assert ids(silences(store, *ALWAYS)) == [a.id]  # nobody had told by then
