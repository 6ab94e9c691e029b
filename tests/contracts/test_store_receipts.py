"""What every store promises of receipts: joined to their attempt, forwards only, and missed."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otp_messaging_agent.message import Outcome, Receipt, Status
from otp_messaging_agent.stores.base import Verdict

from .store_parts import NOW, attempt, keep, message, sent

STEPS = [Status.SENT, Status.UNKNOWN, Status.UNDELIVERED, Status.DELIVERED, Status.READ]
"""From what says least of its arrival to what says most."""


def taken(store, **fields):
    """Return an attempt of a new message that a provider took."""
    row = message()
    keep(store, row)
    a = attempt(row)
    assert store.begin(a, 0, NOW + 40)
    assert store.settle(sent(a, **fields))
    return a


def receipt(a, status, at=NOW + 5, **fields):
    return Receipt("sandbox", f"theirs-{a.id}", status, at, **fields)


def test_a_receipt_ends_its_message_and_stands_at_its_attempt(store):
    a = taken(store)
    assert store.receive(receipt(a, Status.UNDELIVERED, error_code="handset_off")) is not None
    found, (kept,) = store.message(a.message_id)
    assert (found.status, found.finished_at) == (Status.UNDELIVERED, NOW + 5)
    assert found.error_code == kept.error_code == "handset_off"
    assert (kept.receipt_status, kept.receipt_at) == (Status.UNDELIVERED, NOW + 5)
    assert (kept.receipt_by, kept.outcome) == (None, Outcome.SENT)


def test_a_receipt_of_an_unknown_send_is_not_taken(store):
    a = taken(store)
    assert store.receive(replace(receipt(a, Status.DELIVERED), provider="other")) is None
    assert store.receive(Receipt("sandbox", "theirs-none", Status.DELIVERED, NOW)) is None
    assert store.message(a.message_id)[0].status is Status.SENT


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=8))
def test_receipts_in_any_order_only_go_forwards(store, steps):
    a = taken(store)
    reached = 0
    for second, step in enumerate(steps):
        before = store.message(a.message_id)
        assert store.receive(receipt(a, step, NOW + 5 + second)) is not None
        if STEPS.index(step) <= reached and before[0].status is not Status.SENT:
            assert store.message(a.message_id) == before
        reached = max(reached, STEPS.index(step))
        found, (kept,) = store.message(a.message_id)
        assert found.status is kept.receipt_status is STEPS[reached]


def test_every_order_of_all_receipts_ends_alike(store):
    for steps in itertools.permutations(STEPS):
        a = taken(store)
        for step in steps:
            store.receive(receipt(a, step))
        assert store.message(a.message_id)[0].status is Status.READ


@pytest.mark.parametrize(
    ("steps", "arrived"),
    [
        ([Status.DELIVERED], 0),
        ([Status.READ], 0),
        ([Status.DELIVERED, Status.READ], 0),
        ([Status.SENT, Status.DELIVERED, Status.READ], 1),
        ([Status.UNKNOWN, Status.READ], 1),
        ([Status.UNDELIVERED, Status.DELIVERED, Status.READ], 1),
        ([Status.UNDELIVERED, Status.READ], 1),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, list) else str(given),
)
def test_when_it_arrived_stays_whenever_it_is_read(store, steps, arrived):
    a = taken(store)
    for second, step in enumerate(steps):
        assert store.receive(receipt(a, step, NOW + 5 + second)) is not None
    _, (kept,) = store.message(a.message_id)
    assert (kept.receipt_status, kept.receipt_at) == (steps[-1], NOW + 5 + arrived)


def test_a_missing_receipt_is_overdue(store):
    a, b = taken(store), taken(store, at=NOW + 100)
    assert store.overdue(NOW + 600.9, 10) == []
    (missing,) = store.overdue(NOW + 601, 10)
    assert missing == receipt(a, Status.UNKNOWN, NOW + 601)
    assert len(store.overdue(NOW + 701, 10)) == 2
    assert len(store.overdue(NOW + 701, 1)) == 1
    assert store.receive(missing)
    assert store.message(a.message_id)[0].status is Status.UNKNOWN
    assert store.overdue(NOW + 701, 10) == [receipt(b, Status.UNKNOWN, NOW + 701)]
    assert store.receive(receipt(a, Status.DELIVERED, NOW + 900))
    assert store.message(a.message_id)[0].status is Status.DELIVERED


def test_of_two_sends_with_one_id_each_missing_receipt_is_its_own(store):
    early = taken(store, provider_message_id="same")
    late = taken(store, provider_message_id="same", at=NOW + 100)
    for missing in store.overdue(NOW + 601, 10):
        store.receive(missing)
    assert store.message(early.message_id)[0].status is Status.UNKNOWN
    assert store.message(late.message_id)[0].status is Status.SENT
    assert store.overdue(NOW + 601, 10) == []
    for missing in store.overdue(NOW + 701, 10):
        store.receive(missing)
    assert store.message(late.message_id)[0].status is Status.UNKNOWN
    assert store.overdue(NOW + 10_000, 10) == []


def test_a_receipt_that_it_left_the_provider_is_not_the_one_awaited(store):
    a = taken(store)
    store.receive(receipt(a, Status.SENT))
    assert store.message(a.message_id)[0].finished_at is None
    assert store.overdue(NOW + 601, 10) == [receipt(a, Status.UNKNOWN, NOW + 601)]


@pytest.mark.parametrize("came", [Status.UNDELIVERED, Status.DELIVERED, Status.READ])
def test_what_came_is_not_overdue(store, came):
    store.receive(receipt(taken(store), came))
    assert store.overdue(NOW + 10_000, 10) == []


def test_nothing_is_awaited_of_a_provider_that_gives_no_receipts(store):
    a = taken(store, receipt_by=None)
    assert store.overdue(NOW + 10_000, 10) == []
    assert store.message(a.message_id)[0].finished_at == NOW + 1


def test_a_receipt_of_an_earlier_try_does_not_touch_what_is_being_sent(store):
    row = message()
    keep(store, row)
    first, second = attempt(row, 1), attempt(row, 2)
    store.begin(first, 0, NOW + 40)
    again = sent(first, status=Status.QUEUED)
    store.settle(replace(again, due_at=NOW + 2))
    store.begin(second, 2, NOW + 40)
    before, _ = store.message(row.id)
    assert store.receive(receipt(first, Status.UNDELIVERED)) is not None
    found, (kept, _) = store.message(row.id)
    assert found == before
    assert kept.receipt_status is Status.UNDELIVERED
    assert store.settle(sent(second, 3))


@pytest.mark.parametrize("status", [Status.FAILED, Status.EXPIRED, Status.CANCELED])
def test_what_arrived_has_arrived_however_its_message_ended(store, status):
    row = message()
    keep(store, row)
    a = attempt(row)
    store.begin(a, 0, NOW + 40)
    store.settle(replace(sent(a), status=Status.QUEUED, due_at=NOW + 2))
    assert store.settle(Verdict(row.id, 2, status, NOW + 3))
    for nothing_new in (Status.SENT, Status.UNKNOWN, Status.UNDELIVERED):
        assert store.receive(receipt(a, nothing_new)) is not None
        assert store.message(row.id)[0].status is status
    assert store.receive(receipt(a, Status.DELIVERED)) is not None
    assert store.message(row.id)[0].status is Status.DELIVERED
