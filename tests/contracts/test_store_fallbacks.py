"""What every store promises where a message went out more than once: arrivals, doubles, costs."""

import itertools
from dataclasses import replace

import pytest

from otp_messaging_agent.message import Channel, Outcome, Receipt, Status
from otp_messaging_agent.stores.base import Joined, Verdict

from .store_parts import NOW, attempt, keep, message, sent

UNDELIVERED, DELIVERED, READ = Status.UNDELIVERED, Status.DELIVERED, Status.READ


def receipt(a, status, at=NOW + 50, **fields):
    return Receipt("sandbox", f"theirs-{a.id}", status, at, **fields)


def failed(a, version, status=Status.QUEUED, outcome=Outcome.FAILED, **fields):
    """Return the verdict that *a* was not taken."""
    ended = replace(a, finished_at=NOW + 30, outcome=outcome, error_code="down")
    fields = {"error_code": "down", "attempt": ended, **fields}
    return Verdict(a.message_id, version, status, NOW + 30, **fields)


def again(store, first_cost=0.02):
    """Return a message's first attempt, which did not arrive, and its second, under way."""
    row = message()
    keep(store, row)
    first = attempt(row, 1, cost=first_cost)
    store.begin(first, 0, NOW + 40)
    store.settle(sent(first))
    store.receive(receipt(first, UNDELIVERED, NOW + 9))
    version = store.message(row.id)[0].version
    assert store.settle(Verdict(row.id, version, Status.QUEUED, NOW + 10, due_at=NOW + 10))
    second = replace(attempt(row, 2, at=NOW + 11, cost=0.03), channel=Channel.CALL)
    assert store.begin(second, version + 1, NOW + 50)
    return first, second, version + 2


def state(store, a):
    """Return the message's status, and of each attempt its receipt and whether it is a double."""
    found, tried = store.message(a.message_id)
    return found.status, [(t.receipt_status, t.duplicate) for t in tried]


def test_a_late_arrival_after_a_fallback_is_a_double_and_the_message_stays_delivered(store):
    first, second, version = again(store)
    store.settle(sent(second, version))
    store.receive(receipt(second, DELIVERED, NOW + 20))
    late = store.receive(receipt(first, DELIVERED, NOW + 60))
    assert late == Joined(first.message_id, first.id, DELIVERED, last=False)
    assert state(store, first) == (DELIVERED, [(DELIVERED, True), (DELIVERED, False)])
    found, tried = store.message(first.message_id)
    assert found.finished_at == NOW + 20
    assert [t.cost for t in tried if t.duplicate] == [0.02]


def test_where_the_first_arrives_after_all_the_second_is_the_double(store):
    first, second, version = again(store)
    store.settle(sent(second, version))
    store.receive(receipt(first, DELIVERED))
    assert state(store, first) == (DELIVERED, [(DELIVERED, False), (None, False)])
    store.receive(receipt(second, DELIVERED))
    assert state(store, first) == (DELIVERED, [(DELIVERED, False), (DELIVERED, True)])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_in_any_order_exactly_one_of_two_is_the_double(store, order):
    first, second, version = again(store)
    store.settle(sent(second, version))
    told = [receipt(first, DELIVERED), receipt(second, DELIVERED), receipt(first, READ)]
    for index in order:
        store.receive(told[index])
    for repeated in told:
        store.receive(repeated)
    status, tried = state(store, first)
    assert status is READ
    assert [came for came, _ in tried] == [READ, DELIVERED]
    assert [double for _, double in tried].count(True) == 1
    assert tried[order.index(1) > min(order.index(0), order.index(2))][1]


def test_reading_both_makes_no_second_double(store):
    first, second, version = again(store)
    store.settle(sent(second, version))
    for came in (DELIVERED, READ):
        store.receive(receipt(first, came))
        store.receive(receipt(second, came))
    assert state(store, first) == (READ, [(READ, False), (READ, True)])


def test_one_that_did_not_arrive_is_no_double(store):
    first, second, version = again(store)
    store.settle(sent(second, version))
    store.receive(receipt(second, DELIVERED))
    store.receive(receipt(first, Status.UNKNOWN))
    assert state(store, first) == (DELIVERED, [(UNDELIVERED, False), (DELIVERED, False)])


def test_an_arrival_during_the_next_try_waits_for_its_verdict(store):
    first, second, version = again(store)
    store.receive(receipt(first, DELIVERED))
    assert store.message(first.message_id)[0].status is Status.SENDING
    assert store.settle(sent(second, version, at=NOW + 70))
    found, _ = store.message(first.message_id)
    assert (found.status, found.due_at, found.finished_at) == (DELIVERED, None, NOW + 70)
    store.receive(receipt(second, DELIVERED))
    assert state(store, first) == (DELIVERED, [(DELIVERED, False), (DELIVERED, True)])


@pytest.mark.parametrize("came", [DELIVERED, READ])
@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.QUEUED, "due_at": NOW + 40},
        {"status": Status.FAILED},
        {"status": Status.EXPIRED},
        {"status": Status.SENDING, "outcome": Outcome.AMBIGUOUS, "due_at": NOW + 40},
        {"status": Status.UNKNOWN, "outcome": Outcome.AMBIGUOUS},
    ],
    ids=["retry", "failed", "expired", "open", "unknown"],
)
def test_no_verdict_on_a_later_try_undoes_an_arrival(store, fields, came):
    first, second, version = again(store)
    store.receive(receipt(first, came))
    assert store.settle(failed(second, version, **fields))
    found, _ = store.message(first.message_id)
    assert (found.status, found.due_at, found.error_code) == (came, None, None)
    assert [t for rank in range(8) for t in store.tickets(rank, 10, NOW * 2)] == []


def test_without_an_arrival_a_later_verdict_stands(store):
    first, second, version = again(store)
    store.settle(failed(second, version, Status.FAILED))
    found, _ = store.message(first.message_id)
    assert (found.status, found.error_code) == (Status.FAILED, "down")


def test_an_arrival_while_the_message_waits_ends_the_wait(store):
    first, second, version = again(store)
    store.settle(failed(second, version, due_at=NOW + 40))
    store.receive(receipt(first, DELIVERED))
    found, _ = store.message(first.message_id)
    assert (found.status, found.due_at) == (DELIVERED, None)
    third = attempt(found, 3, at=NOW + 41)
    assert not store.begin(third, version + 1, NOW + 80)
    assert not store.settle(Verdict(found.id, version + 1, Status.EXPIRED, NOW + 42))
    assert store.message(found.id)[0] == found


def test_that_an_earlier_try_did_not_arrive_says_nothing_of_the_last(store):
    first, second, version = again(store)
    store.settle(sent(second, version))
    before = store.message(first.message_id)[0]
    assert store.receive(receipt(first, UNDELIVERED)).last is False
    assert store.message(first.message_id)[0] == before
    assert store.receive(receipt(second, UNDELIVERED)).last is True
    assert store.message(first.message_id)[0].status is UNDELIVERED


# What it cost


def costs(store, a):
    found, tried = store.message(a.message_id)
    return found.cost, [t.cost for t in tried]


def test_a_message_costs_what_its_sends_cost(store):
    first, second, version = again(store)
    assert costs(store, first) == (0.02, [0.02, 0.03])
    store.settle(sent(second, version))
    total, each = costs(store, first)
    assert (total, each) == (pytest.approx(0.05), [0.02, 0.03])


def test_what_the_vendor_says_it_took_stands_instead(store):
    first, second, version = again(store)
    store.settle(sent(second, version))
    store.receive(receipt(second, DELIVERED, cost=0.5))
    assert costs(store, first) == (pytest.approx(0.52), [0.02, 0.5])
    store.receive(receipt(first, DELIVERED, cost=0.0))
    assert costs(store, first) == (pytest.approx(0.5), [0.0, 0.5])
    store.receive(receipt(first, DELIVERED, cost=7.0))  # told again: not counted again
    store.receive(receipt(second, READ))  # says nothing of the cost
    assert costs(store, first) == (pytest.approx(0.5), [0.0, 0.5])


def test_what_failed_cost_nothing(store):
    first, second, version = again(store)
    store.settle(failed(second, version, Status.FAILED))
    assert costs(store, first) == (0.02, [0.02, 0.0])


def test_a_cost_that_comes_while_the_next_try_is_under_way_is_counted(store):
    first, second, version = again(store)
    store.receive(receipt(first, DELIVERED, cost=0.07))
    store.settle(sent(second, version))
    assert costs(store, first)[0] == pytest.approx(0.10)


def test_the_days_spend_is_what_its_attempts_cost(store):
    assert store.spent(NOW) == 0
    first, second, version = again(store)  # begun at NOW and NOW + 11
    assert store.spent(NOW) == pytest.approx(0.05)  # what is under way is reserved
    assert store.spent(NOW + 11) == pytest.approx(0.03)
    assert store.spent(NOW + 11.001) == 0
    store.settle(failed(second, version, Status.FAILED))
    assert store.spent(NOW) == pytest.approx(0.02)
    store.receive(receipt(first, DELIVERED, cost=0.2))
    assert store.spent(NOW) == pytest.approx(0.2)


# A worker that comes back when its claim is over


def overtaken(store):
    """Return an attempt whose claim ran out, and which was then found to be sent."""
    row = message()
    keep(store, row)
    a = attempt(row, cost=0.02)
    store.begin(a, 0, NOW + 40)
    assert store.settle(sent(a, at=NOW + 45))
    return a


def test_a_worker_that_is_late_undoes_no_receipt_and_counts_no_cost_twice(store):
    a = overtaken(store)
    store.receive(receipt(a, DELIVERED, cost=0.05))
    before = store.message(a.message_id)
    assert not store.settle(sent(a, at=NOW + 60))
    assert store.message(a.message_id) == before
    assert store.overdue(NOW * 2, 10) == []


def test_a_worker_that_is_late_during_the_next_try_has_its_cost_counted(store):
    row = message()
    keep(store, row)
    first, second = attempt(row, 1, cost=0.02), attempt(row, 2, cost=0.03)
    store.begin(first, 0, NOW + 40)
    store.settle(failed(first, 1, outcome=Outcome.AMBIGUOUS, due_at=NOW + 41))
    store.begin(second, 2, NOW + 80)
    assert not store.settle(sent(first, at=NOW + 60))
    assert store.settle(sent(second, 3))
    total, each = costs(store, first)
    assert (total, each) == (pytest.approx(0.05), [0.02, 0.03])
