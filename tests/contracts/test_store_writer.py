"""Calls of one moment share a transaction of the SQL store, and yet each is on its own."""

import contextlib
import sqlite3
import threading

import pytest

from otp_messaging_agent import plugins
from otp_messaging_agent.errors import StoreUnavailable
from otp_messaging_agent.message import Receipt, Status
from otp_messaging_agent.stores.base import Once, Submission
from otp_messaging_agent.stores.sql import intake, prepare, writer

from ..until import until
from .store_parts import CODE, NOW, PATIENT, Guess, Place, attempt, keep, message, order, sent


@pytest.fixture
def place(tmp_path):
    """Yield a place for SQLite."""
    place = Place(plugins.load("stores", "sql"), tmp_path)
    yield place
    place.leave()


@contextlib.contextmanager
def writer_held(store, waiting):
    """Hold the transaction open until *waiting* calls wait, so that they become one group."""
    inside, leave = threading.Event(), threading.Event()

    def respond(_):
        inside.set()
        return leave.wait(PATIENT)

    first = threading.Thread(
        target=keep,
        args=(store, message("msg_first")),
        kwargs={"once": Once("hold", b"h" * 32, NOW), "respond": respond},
    )
    first.start()
    assert inside.wait(PATIENT)
    yield
    until(lambda: len(store._writer._calls) >= waiting)
    leave.set()
    first.join()


def group(store, calls):
    """Make *calls* in their order within one transaction; return results and errors."""
    ended = [None] * len(calls)

    def run(place, call):
        try:
            ended[place] = call()
        except Exception as e:  # noqa: BLE001 - the test says which error is right
            ended[place] = e

    threads = [threading.Thread(target=run, args=c) for c in enumerate(calls)]
    with writer_held(store, len(calls)):
        for number, thread in enumerate(threads, 1):
            thread.start()
            until(lambda number=number: len(store._writer._calls) >= number)
    for thread in threads:
        thread.join()
    return ended


def test_who_is_interrupted_while_waiting_keeps_nobody_else_waiting(store, monkeypatch):
    monkeypatch.setattr(writer, "LOST", 0.05)
    ended = []

    def interrupted():
        argument = prepare.submission(Submission([message()], NOW), store._keys)
        store._writer._hand_in(writer._Call(intake.submit, argument, urgent=True))
        ended.append("left")  # as one that got an exception instead of waiting

    def waiting():
        ended.append(keep(store, message())[0].status)

    threads = [threading.Thread(target=t) for t in (interrupted, waiting, waiting)]
    with writer_held(store, len(threads)):
        for number, thread in enumerate(threads, 1):
            thread.start()
            until(lambda number=number: len(store._writer._calls) >= number)
    for thread in threads:
        thread.join(PATIENT)
    assert ended == ["left", Status.ACCEPTED, Status.ACCEPTED]


def test_closing_waits_for_what_is_being_written(store):
    row = message()
    keep(store, row)
    a = attempt(row)
    assert store.begin(a, 0, NOW + 40)
    closing = threading.Thread(target=store.close, args=(PATIENT,))
    with writer_held(store, 1):  # the verdict
        store.settle(sent(a), wait=False)
        closing.start()
        closing.join(0.2)
        assert closing.is_alive()
    closing.join()
    assert not store._writer._thread.is_alive()


def test_a_transaction_waits_for_another_process_before_it_reads(place, store):
    keep(store, message())
    asked = []
    row = message()

    def post():
        keep(store, row, once=Once("k", b"k", NOW), respond=asked.append)

    posting = threading.Thread(target=post)
    with contextlib.closing(sqlite3.connect(place.folder / "agent.db")) as other:
        other.execute("UPDATE messages SET cost = 1")
        posting.start()
        posting.join(0.3)
        assert (posting.is_alive(), asked) == (True, [])
        other.commit()
    posting.join()
    assert asked == [[row]]


def test_one_bad_call_of_a_group_fails_alone(store):
    there = message()
    keep(store, there)
    rows = [message() for _ in range(20)]
    calls = [lambda row=row: keep(store, row) for row in rows]
    calls[7] = lambda: keep(store, there)
    ended = group(store, calls)
    assert isinstance(ended[7], StoreUnavailable)
    del ended[7], rows[7]
    assert ended == [[row] for row in rows]
    assert all(store.load(row.id) for row in rows)


def test_a_bug_in_a_callers_own_function_fails_that_caller_alone(store):
    code, row = order(), message()
    keep(store, code)

    def bug(results):
        msg = "a bug"
        raise ZeroDivisionError(msg)

    ended = group(
        store,
        [
            lambda: keep(store, row),
            lambda: keep(store, message("msg_bug"), once=Once("k", b"b", NOW), respond=bug),
            lambda: Guess(store)(CODE, code.verification_id),
        ],
    )
    assert ended[0] == [row]
    assert isinstance(ended[1], ZeroDivisionError)
    assert ended[2].verified
    assert store.load("msg_bug") is None


def test_of_claims_in_one_group_the_one_at_the_current_version_wins(store):
    row = message()
    keep(store, row)
    old, first = attempt(row, 1), attempt(row, 2)
    assert store.begin(attempt(row, 0), 0, NOW)
    claims = [(old, 0), (first, 1), (attempt(row, 3), 1), (attempt(row, 4), 0)]
    won = group(store, [lambda c=c: store.begin(*c, NOW + 40) for c in claims])
    assert won == [False, True, False, False]
    found, attempts = store.message(row.id)
    assert (found.version, found.tries) == (2, 2)
    assert [a.number for a in attempts] == [0, 2]


def test_a_verdict_and_its_receipt_in_one_group_are_joined_in_their_order(store):
    row = message()
    keep(store, row)
    a = attempt(row)
    assert store.begin(a, 0, NOW + 40)
    receipt = Receipt("sandbox", f"theirs-{a.id}", Status.DELIVERED, NOW + 2)
    ended = group(store, [lambda: store.settle(sent(a)), lambda: store.receive(receipt)])
    assert ended[0] is True
    assert ended[1].message_id == row.id
    assert store.message(row.id)[0].status is Status.DELIVERED


def test_one_key_twice_in_a_group_is_carried_out_once(store):
    one, two = message(), message()
    key = Once("twice", b"t" * 32, NOW)
    ended = group(
        store,
        [
            lambda row=row: keep(store, row, once=key, respond=lambda _: "kept")
            for row in (one, two)
        ],
    )
    assert ended[0] == [one]
    assert ended[1].response == "kept"
    assert store.load(two.id) is None
