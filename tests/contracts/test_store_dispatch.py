"""What every store promises the workers: one claim each, and a late verdict changes nothing."""

from dataclasses import replace

import pytest

from otp_messaging_agent.message import (
    Channel,
    MessageType,
    Outcome,
    Priority,
    Status,
    Ticket,
)
from otp_messaging_agent.stores.base import Verdict

from .store_parts import NOW, attempt, keep, message, order, sent, together

LEASE = NOW + 40


@pytest.fixture
def row(store):
    """Return a message that waits."""
    row = message()
    keep(store, row)
    return row


def test_tickets_come_by_due_time_then_in_the_order_of_acceptance(store):
    rows = [message(f"msg_{i}", due_at=NOW - due) for i, due in enumerate((0, 5, 5, 9, 1))]
    keep(store, *rows[::-1])
    rank = rows[0].rank
    due = [Ticket(rank, NOW - d, f"msg_{i}") for i, d in ((3, 9), (1, 5), (2, 5), (4, 1), (0, 0))]
    assert store.tickets(rank, 10, NOW) == due
    assert store.tickets(rank, 2, NOW) == due[:2]
    assert store.tickets(rank, 10, NOW - 1) == due[:4]
    assert store.tickets(rank, 10, NOW - 10) == []


def test_tickets_are_of_one_rank(store):
    low = message(priority=Priority.LOW)
    code = order()
    alert = message(type=MessageType.ALERT, priority=Priority.HIGH)
    keep(store, low, code, alert)
    for one in (low, code.message, alert):
        assert store.tickets(one.rank, 10, NOW) == [Ticket(one.rank, NOW, one.id)]
    assert store.tickets(0, 10, NOW) == []


def test_what_ended_or_is_being_sent_has_no_ticket_until_its_lease_is_over(store, row):
    a = attempt(row)
    assert store.begin(a, 0, LEASE)
    assert store.tickets(row.rank, 10, LEASE - 0.1) == []
    assert store.tickets(row.rank, 10, LEASE) == [Ticket(row.rank, LEASE, row.id)]
    assert store.settle(sent(a))
    assert store.tickets(row.rank, 10, LEASE) == []


def test_a_claim_keeps_the_attempt_before_it_is_made(store, row):
    a = attempt(row, cost=0.0083, decision={"ranked": [{"channel": "SMS"}], "excluded": []})
    assert store.begin(a, 0, LEASE)
    work = store.load(row.id)
    assert work.attempts == [a]
    assert work.message == replace(
        row, status=Status.SENDING, due_at=LEASE, version=1, tries=1, cost=0.0
    )


def test_of_sixteen_claims_at_once_exactly_one_wins(place):
    stores = [place.store(), place.store()]
    for _ in range(5):
        row = message()
        keep(stores[0], row)
        claims = [attempt(row, i) for i in range(16)]
        won = together(
            [
                lambda a=a, store=stores[i % 2]: store.begin(a, 0, LEASE)
                for i, a in enumerate(claims)
            ]
        )
        assert won.count(True) == 1
        found, attempts = stores[1].message(row.id)
        assert attempts == [claims[won.index(True)]]
        assert (found.version, found.tries) == (1, 1)


def test_each_message_of_many_is_won_once(store):
    rows = [message() for _ in range(40)]
    keep(store, *rows)

    def claim_all(worker):
        return [store.begin(attempt(r, worker), 0, LEASE) for r in rows]

    won = together([lambda w=w: claim_all(w) for w in range(4)])
    assert [sum(column) for column in zip(*won, strict=True)] == [1] * 40


def test_nothing_is_claimed_at_another_version_or_after_its_end(store, row):
    assert not store.begin(attempt(row), 1, LEASE)
    assert not store.begin(attempt(message("msg_none")), 0, LEASE)
    assert store.begin(attempt(row), 0, LEASE)
    assert not store.begin(attempt(row, 2), 0, LEASE)
    assert store.settle(sent(attempt(row)))
    assert not store.begin(attempt(row, 2), 2, LEASE)
    assert [a.number for a in store.message(row.id)[1]] == [1]


def test_a_verdict_that_it_was_sent_is_kept(store, row):
    a = attempt(row, cost=0.0083)
    store.begin(a, 0, LEASE)
    verdict = sent(a)
    assert store.settle(verdict) is True
    found, attempts = store.message(row.id)
    assert attempts == [verdict.attempt]
    assert (found.status, found.due_at, found.version) == (Status.SENT, None, 2)
    assert (found.cost, found.error_code) == (0.0083, None)
    assert found.finished_at is None  # its receipt is awaited


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (Status.SENT, {"receipt_by": None}),
        (Status.DELIVERED, {"receipt_by": None, "receipt_status": Status.DELIVERED}),
    ],
)
def test_a_message_is_finished_where_no_more_can_come(store, row, status, fields):
    a = attempt(row)
    store.begin(a, 0, LEASE)
    assert store.settle(sent(a, status=status, **fields))
    found, _ = store.message(row.id)
    assert (found.status, found.finished_at) == (status, NOW + 1)


def failed(a, version, status, *, due_at, **fields):
    ended = {"finished_at": NOW + 1, "outcome": Outcome.FAILED, "error_code": "unavailable"}
    ended |= {"error_detail": "HTTP 503", "permanent": False, "scope": "provider"}
    ended = replace(a, **{**ended, **fields})
    return Verdict(
        a.message_id, version, status, NOW + 1, due_at, error_code="unavailable", attempt=ended
    )


def test_a_verdict_to_try_again_is_kept(store, row):
    a = attempt(row, cost=0.0083)
    store.begin(a, 0, LEASE)
    verdict = failed(a, 1, Status.QUEUED, due_at=NOW + 3.5, retry_after=2.5)
    assert store.settle(verdict)
    work = store.load(row.id)
    assert work.attempts == [replace(verdict.attempt, cost=0.0)]
    m = work.message
    assert (m.status, m.due_at, m.version, m.tries) == (Status.QUEUED, NOW + 3.5, 2, 1)
    assert (m.error_code, m.cost, m.finished_at) == ("unavailable", 0.0, None)
    assert store.tickets(row.rank, 10, NOW + 4) == [Ticket(row.rank, NOW + 3.5, row.id)]


def test_what_each_try_cost_adds_up_and_the_last_channel_is_found(store, row):
    for number, channel in ((1, Channel.SMS), (2, Channel.CALL)):
        a = replace(attempt(row, number, cost=0.5), channel=channel)
        assert store.begin(a, 2 * number - 2, LEASE)
        verdict = sent(a, 2 * number - 1, status=Status.QUEUED)
        assert store.settle(replace(verdict, due_at=NOW))
    assert store.message(row.id)[0].cost == 1.0
    assert [a.channel for a in store.load(row.id).attempts] == [Channel.SMS, Channel.CALL]


@pytest.mark.parametrize("status", [Status.FAILED, Status.EXPIRED, Status.CANCELED])
def test_a_message_can_end_without_an_attempt(store, row, status):
    assert store.settle(Verdict(row.id, 0, status, NOW + 1, error_code="why"))
    found, attempts = store.message(row.id)
    assert (found.status, found.due_at, found.finished_at) == (status, None, NOW + 1)
    assert (found.error_code, found.version, attempts) == ("why", 1, [])


def test_a_late_verdict_changes_nothing_of_a_message_that_is_sent_again(store, row):
    late, now = attempt(row, 1), attempt(row, 2)
    store.begin(late, 0, LEASE)
    store.settle(failed(late, 1, Status.QUEUED, due_at=NOW + 2))
    store.begin(now, 2, LEASE)
    before, (_, running) = store.message(row.id)
    assert store.settle(sent(late, 1)) is False
    found, (taken, still) = store.message(row.id)
    assert (found, still) == (before, running)
    assert taken.outcome is Outcome.SENT  # so that its receipt finds it
    before = store.message(row.id)
    assert store.settle(failed(late, 2, Status.FAILED, due_at=None)) is False
    assert store.settle(Verdict(row.id, 0, Status.EXPIRED, NOW + 9)) is False
    assert store.settle(Verdict("msg_none", 0, Status.EXPIRED, NOW + 9)) is False
    assert store.message(row.id) == before
    assert store.settle(sent(now, 3))
    after = store.message(row.id)
    assert store.settle(failed(now, 3, Status.QUEUED, due_at=NOW)) is False
    assert store.message(row.id) == after


def test_of_two_verdicts_on_one_claim_one_counts(place):
    one, two = place.store(), place.store()
    for _ in range(10):
        row = message()
        keep(one, row)
        a = attempt(row)
        one.begin(a, 0, LEASE)
        ways = [
            lambda a=a: one.settle(sent(a)),
            lambda a=a: two.settle(failed(a, 1, Status.QUEUED, due_at=NOW)),
        ]
        kept = together(ways)
        assert sorted(kept) == [False, True]
        found, (taken,) = one.message(row.id)
        assert (found.status, found.due_at) == (Status.SENT, None)  # it need not be sent again
        assert taken.outcome is Outcome.SENT


def test_a_canceled_message_is_not_brought_back_by_a_verdict(store, row):
    store.cancel_message(row.id, NOW)
    assert store.settle(Verdict(row.id, 0, Status.ACCEPTED, NOW, due_at=NOW + 5)) is False
    assert store.message(row.id)[0].status is Status.CANCELED


def test_a_verdict_nobody_waits_for_is_kept_with_the_next_commit(store, row):
    a = attempt(row)
    store.begin(a, 0, LEASE)
    assert store.settle(sent(a), wait=False) is True
    keep(store, message())
    assert store.message(row.id)[0].status is Status.SENT
