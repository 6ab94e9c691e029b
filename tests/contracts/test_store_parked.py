"""What every store promises of receipts that come before their send is known, and of counters."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from otp_messaging_agent.message import Receipt, Status
from otp_messaging_agent.stores.base import Joined
from otp_messaging_agent.stores.sql import receipts as kept

from ..switching import crowd
from .store_parts import NOW, attempt, keep, message, sent

OLD = 0.0
"""Parked before then is too old: nothing is."""


def unknown(store):
    return store.figures(NOW).counters.get("receipts_unknown", 0)


def finishes(call, seconds=5.0):
    """Return what *call* returns; fails where it does not end within *seconds*."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(call).result(seconds)
    finally:
        pool.shutdown(wait=False)


def begun(store):
    """Return an attempt that a provider has taken, of which we have not kept the id yet."""
    row = message()
    keep(store, row)
    a = attempt(row)
    assert store.begin(a, 0, NOW + 40)
    return a


def receipt(a, status=Status.DELIVERED, at=NOW + 5, **fields):
    return Receipt("sandbox", f"theirs-{a.id}", status, at, **fields)


def test_one_that_comes_before_our_commit_waits_and_is_joined(store):
    a = begun(store)
    early = receipt(a, Status.UNDELIVERED, error_code="off", error_detail="x", scope="channel")
    assert store.receive(early) is None
    assert store.join_parked(OLD) == []
    assert store.settle(sent(a))
    assert store.message(a.message_id)[0].status is Status.SENT
    assert store.join_parked(OLD) == [Joined(a.message_id, a.id, Status.UNDELIVERED, last=True)]
    found, (kept_,) = store.message(a.message_id)
    assert (found.status, found.finished_at) == (Status.UNDELIVERED, NOW + 5)
    assert (kept_.error_code, kept_.error_detail, kept_.scope) == ("off", "x", "channel")
    assert store.join_parked(OLD) == []
    assert unknown(store) == 0


def test_what_waited_keeps_its_cost(store):
    a = begun(store)
    store.receive(receipt(a, cost=0.0123))
    store.settle(sent(a, cost=0.01))
    store.join_parked(OLD)
    assert store.message(a.message_id)[0].cost == pytest.approx(0.0123)


def test_several_of_one_send_are_joined_in_the_order_they_came(store):
    a = begun(store)
    for status in (Status.DELIVERED, Status.SENT, Status.READ, Status.UNDELIVERED):
        assert store.receive(receipt(a, status)) is None
    store.settle(sent(a))
    joined = store.join_parked(OLD)
    assert [j.status for j in joined] == [
        Status.DELIVERED,
        Status.SENT,
        Status.READ,
        Status.UNDELIVERED,
    ]
    assert store.message(a.message_id)[0].status is Status.READ


def test_only_the_same_provider_with_the_same_id_is_its_send(store):
    a = begun(store)
    store.receive(Receipt("other", f"theirs-{a.id}", Status.DELIVERED, NOW))
    store.receive(Receipt("sandbox", f"theirs-{a.id}x", Status.DELIVERED, NOW))
    store.settle(sent(a))
    assert store.join_parked(OLD) == []
    assert store.message(a.message_id)[0].status is Status.SENT


def test_what_is_parked_outlives_the_process(place):
    first = place.store()
    a = begun(first)
    first.receive(receipt(a))
    first.settle(sent(a))
    second = place.store()
    assert [j.attempt_id for j in second.join_parked(OLD)] == [a.id]
    assert first.join_parked(OLD) == []


def test_what_nothing_came_of_is_dropped_in_time_and_counted(store):
    began = time.time()
    a = begun(store)
    store.receive(receipt(a))
    store.receive(Receipt("sandbox", "never", Status.READ, NOW))
    assert store.join_parked(began - 1) == []
    assert unknown(store) == 0
    assert store.join_parked(time.time() + 1) == []
    assert unknown(store) == 2
    store.settle(sent(a))
    assert store.join_parked(OLD) == []
    assert store.message(a.message_id)[0].status is Status.SENT


def test_what_is_known_by_now_is_joined_however_old_it_is(store, monkeypatch):
    monkeypatch.setattr(kept, "_SOME", 2)
    made = [begun(store) for _ in range(5)]
    for a in made:
        store.receive(receipt(a))
    store.receive(Receipt("sandbox", "never", Status.READ, NOW))
    for a in made:
        store.settle(sent(a))
    joined = [j.attempt_id for _ in range(3) for j in store.join_parked(time.time() + 1)]
    assert joined == [a.id for a in made]
    assert unknown(store) == 1


def test_so_many_are_kept_the_newest_and_the_rest_only_counted(store, monkeypatch):
    monkeypatch.setattr(kept, "PARKED_MOST", 3)
    made = [begun(store) for _ in range(5)]
    for a in made:
        assert store.receive(receipt(a)) is None
    assert unknown(store) == 2
    for a in made:
        store.settle(sent(a))
    assert [j.attempt_id for j in store.join_parked(OLD)] == [a.id for a in made[2:]]
    late = begun(store)
    store.receive(receipt(late))  # there is room again
    store.settle(sent(late))
    assert [j.attempt_id for j in store.join_parked(OLD)] == [late.id]
    assert unknown(store) == 2


def test_what_nothing_comes_of_takes_no_turn_of_the_writer(place):
    store = place.store()
    store.receive(Receipt("sandbox", "never", Status.READ, NOW))
    with closing(sqlite3.connect(place.folder / "agent.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # no write can be made now
        assert finishes(lambda: store.join_parked(OLD)) == []
        other.execute("ROLLBACK")


def test_a_flood_at_one_moment_is_bounded_too(store, monkeypatch):
    monkeypatch.setattr(kept, "PARKED_MOST", 50)
    crowd(
        lambda n: [
            store.receive(Receipt("sandbox", f"{n}/{i}", Status.READ, NOW)) for i in range(10)
        ]
    )
    assert unknown(store) == 110
    store.join_parked(time.time() + 1)
    assert unknown(store) == 160


def test_a_known_one_is_never_parked_even_where_there_is_no_room(store, monkeypatch):
    monkeypatch.setattr(kept, "PARKED_MOST", 0)
    a = begun(store)
    store.settle(sent(a))
    assert store.receive(receipt(a)) == Joined(a.message_id, a.id, Status.DELIVERED, last=True)
    assert unknown(store) == 0


def test_counters_add_up_and_outlive_the_process(place):
    store = place.store()
    assert store.figures(NOW).counters == {}
    store.count("callbacks_forged")
    store.count("callbacks_forged", 4)
    store.count("other", 2)
    assert store.figures(NOW).counters == {"callbacks_forged": 5, "other": 2}
    assert place.store().figures(NOW).counters == {"callbacks_forged": 5, "other": 2}


def test_nobody_waits_for_a_count_and_none_is_lost(place):
    store = place.store()
    with closing(sqlite3.connect(place.folder / "agent.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # no write can be made now
        finishes(lambda: [store.count("callbacks_forged") for _ in range(10_000)])
        other.execute("ROLLBACK")
    assert store.figures(NOW).counters == {"callbacks_forged": 10_000}


def test_no_count_is_lost_between_threads(store):
    crowd(lambda n: [store.count("seen", n % 2 + 1) for _ in range(20)])
    assert store.figures(NOW).counters["seen"] == 480


def test_a_race_of_receipt_and_commit_loses_neither(store):
    made = [begun(store) for _ in range(16)]

    def both(n):
        if n % 2:
            store.settle(sent(made[n // 2]), wait=False)
        else:
            store.receive(receipt(made[n // 2]))

    crowd(both)
    store.join_parked(OLD)
    for a in made[:8]:
        assert store.message(a.message_id)[0].status is Status.DELIVERED
    assert unknown(store) == 0
