"""What every queue promises: all is handled, never early, never twice at once, until it stops."""

import itertools
import threading
import time

import pytest

from otp_messaging_agent import plugins
from otp_messaging_agent.message import RANKS, URGENT, Ticket

from ..until import until
from .queue_parts import LOW, OTP, PATIENT, Handler, Plug, Shelf, plugged

BULK_WORKERS = 8


@pytest.fixture(params=plugins.names("queues"))
def start(request):
    """Start a queue of each kind; at the end all of them stop."""
    engine = plugins.load("queues", request.param)
    started = []

    def make(handler, shelf=None, *, max_tickets=20_000, workers=1):
        queue = engine.make(max_tickets)
        started.append(queue)
        queue.run(handler, shelf or Shelf(), workers=workers)
        return queue

    yield make
    for queue in started:
        assert queue.stop(PATIENT)


def test_everything_put_from_many_threads_is_handled_once(start):
    handler = Handler()
    queue = start(handler, workers=BULK_WORKERS)
    now = time.time()
    names = [[f"{t}-{i}" for i in range(250)] for t in range(4)]

    def put(mine):
        for i, name in enumerate(mine):
            queue.put(Ticket(i % len(RANKS), now, name))

    threads = [threading.Thread(target=put, args=(mine,)) for mine in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.wait_count(1000)
    until(queue.idle)
    assert sorted(handler.seen) == sorted(itertools.chain(*names))
    assert queue.depth() == 0


def test_nothing_is_handled_before_it_is_due(start):
    handler = Handler()
    queue = start(handler, workers=4)
    now = time.time()
    due = {f"in {ms} ms": now + ms / 1000 for ms in (400, 250, 100, 175, 325, 50)}
    for rank, (name, at) in enumerate(due.items()):
        queue.put(Ticket(rank, at, name))
    handler.wait_for(*due)
    assert all(handler.at[name] >= at for name, at in due.items())
    assert handler.seen == sorted(due, key=due.__getitem__)


def test_what_is_not_due_holds_up_nothing(start):
    handler = Handler()
    queue = start(handler)
    queue.put(Ticket(0, time.time() + 50, "later"))
    queue.put(Ticket(LOW, time.time(), "now"))
    handler.wait_for("now")
    assert handler.seen == ["now"]


def test_a_ticket_put_while_its_message_waits_changes_nothing(start):
    handler = Handler()
    queue = start(handler)
    ticket = Ticket(OTP, time.time(), "once")
    with plugged(queue, handler):
        for _ in range(3):
            queue.put(ticket)
        assert queue.depth() == 2  # the one, and the plug
        queue.put(Ticket(LOW, time.time(), "last"))
    handler.wait_for("last")
    assert handler.seen == ["plug", "once", "last"]


def test_a_handler_may_put_its_own_message_again(start):
    handler = Handler()
    queue = start(handler, workers=4)
    due = time.time() + 0.1

    def again():
        if handler.seen.count("again") <= 3:
            queue.put(Ticket(OTP, due, "again"))

    handler.then["again"] = again
    queue.put(Ticket(OTP, 0.0, "again"))
    handler.wait_count(4)
    assert handler.seen == ["again"] * 4
    assert handler.at["again"] >= due


def test_a_message_is_never_handled_by_two_workers_at_once(start):
    handler = Handler()
    queue = start(handler, workers=4)
    inside, most = [], []
    lock = threading.Lock()

    def again():
        with lock:
            inside.append(1)
            most.append(len(inside))
        if len(handler.seen) < 200:
            queue.put(Ticket(OTP, 0.0, "again"))
        if len(handler.seen) % 10 == 0:  # give another worker the time to be wrong
            threading.Event().wait(0.002)
        with lock:
            inside.pop()

    handler.then["again"] = again
    queue.put(Ticket(OTP, 0.0, "again"))
    handler.wait_count(200)
    assert max(most) == 1


def test_a_handler_that_raises_does_not_end_its_worker(start):
    handler = Handler()
    queue = start(handler)

    def fail():
        msg = "a bug"
        raise RuntimeError(msg)

    for i in range(3):
        handler.then[f"bad-{i}"] = fail
        queue.put(Ticket(OTP, 0.0, f"bad-{i}"))
    queue.put(Ticket(LOW, 0.0, "good"))
    handler.wait_for("good")
    until(queue.idle)
    assert queue.depth() == 0


def test_stop_waits_for_what_runs_and_starts_nothing_more(start):
    handler = Handler()
    queue = start(handler, workers=2)
    one, two = Plug(queue, handler, "one"), Plug(queue, handler, "two")
    one.put()
    two.put()
    ended = []
    handler.then["waiting"] = lambda: ended.append("waiting")
    queue.put(Ticket(0, 0.0, "waiting"))
    assert not queue.stop(0.01)
    queue.put(Ticket(0, 0.0, "late"))
    one.pull()
    assert not queue.stop(0.01)
    stopping = threading.Thread(target=lambda: ended.append(queue.stop(PATIENT)))
    stopping.start()
    two.pull()
    stopping.join()
    assert ended == [True]
    assert handler.seen == ["one", "two"]


def test_stop_before_anything_ran_is_quick(start):
    assert start(Handler(), workers=4).stop(PATIENT)


def test_slow_bulk_never_holds_up_what_is_urgent(start):
    handler = Handler()
    queue = start(handler, workers=BULK_WORKERS)
    bulk = [Plug(queue, handler, f"bulk-{i}", LOW) for i in range(BULK_WORKERS - 1)]
    for plug in bulk:
        plug.put()
    for i in range(50):
        queue.put(Ticket(LOW, 0.0, f"more-{i}"))
    urgent = {f"urgent-{rank}-{i}": rank for i in range(20) for rank in URGENT}
    for name, rank in urgent.items():
        queue.put(Ticket(rank, 0.0, name))
    soon = time.time() + 0.1
    queue.put(Ticket(OTP, soon, "a retry"))
    handler.wait_for("a retry", *urgent)
    assert not any(name.startswith("more") for name in handler.seen)
    for plug in bulk:
        plug.pull()
    handler.wait_count(BULK_WORKERS - 1 + 50 + len(urgent) + 1)


def test_idle_means_nothing_runs_and_nothing_is_due(start):
    handler = Handler()
    queue = start(handler)
    until(queue.idle)
    plug = Plug(queue, handler)
    plug.put()
    assert not queue.idle()
    queue.put(Ticket(LOW, 0.0, "waiting"))
    plug.pull()
    handler.wait_for("waiting")
    until(queue.idle)
    due = time.time() + 0.2
    queue.put(Ticket(LOW, due, "later"))
    plug = Plug(queue, handler, "plug again")
    assert queue.idle()
    plug.put()
    until(lambda: time.time() >= due)
    plug.pull()
    until(queue.idle)
    assert "later" in handler.seen
