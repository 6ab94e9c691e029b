"""What every queue promises about a store behind it: bounded memory, and nothing out of turn."""

import threading
import time

import pytest

from otp_messaging_agent import plugins
from otp_messaging_agent.message import RANKS, MessageType, Priority, Ticket, rank_of

from ..until import until
from .queue_parts import LOW, OTP, PATIENT, Shelf, Taking, plugged

SMALL = 10 * len(RANKS)
BULK = rank_of(Priority.MEDIUM, MessageType.NOTIFICATION)


@pytest.fixture(params=plugins.names("queues"))
def start(request):
    """Make a queue of each kind over a shelf, with the handler that takes from it."""
    engine = plugins.load("queues", request.param)
    started = []

    def make(max_tickets=SMALL, workers=1, fill=lambda taking: None):
        taking = Taking(Shelf())
        fill(taking)
        taking.queue = engine.make(max_tickets)
        started.append(taking.queue)
        taking.queue.run(taking, taking.shelf, workers=workers)
        return taking

    yield make
    for queue in started:
        assert queue.stop(PATIENT)


def numbers(count, start=0):
    return [f"n{i:06}" for i in range(start, start + count)]


def test_what_waits_in_the_store_is_paged_in_within_bounds_and_in_order(start):
    names = numbers(2000)

    def fill(taking):
        for i, name in enumerate(names):
            taking.add(BULK, 1000.0 + i, name)

    taking = start(fill=fill)
    taking.wait_count(2000)
    assert taking.seen == names
    assert max(taking.depths) <= SMALL
    until(taking.queue.idle)
    assert taking.queue.depth() == 0


def test_the_bound_holds_for_what_is_put_as_well(start):
    taking = start()
    tomorrow = time.time() + 86_400
    with plugged(taking.queue, taking):
        for i, name in enumerate(numbers(1000)):
            taking.accept(i % len(RANKS), 1000.0 + i, name)
            taking.queue.put(Ticket(i % len(RANKS), time.time() + 30, f"retry-{i}"))
            taking.queue.put(Ticket(i % len(RANKS), tomorrow, f"scheduled-{i}"))
            assert taking.queue.depth() <= SMALL + 1
    taking.wait_count(1001)
    assert sorted(taking.seen[1:]) == numbers(1000)


def test_what_arrives_late_does_not_jump_over_what_waits_in_the_store(start):
    taking = start()
    with plugged(taking.queue, taking):
        for i, name in enumerate(numbers(40)):
            taking.accept(BULK, 1000.0 + i, name)

    def more():  # each is accepted while earlier ones wait in the store
        name = numbers(1, start=40 + len(taking.seen))[0]
        if len(taking.seen) < 200:
            taking.accept(BULK, 2000.0 + len(taking.seen), name)
            taking.then[name] = more

    for name in numbers(40):
        taking.then[name] = more
    taking.wait_count(239)
    assert taking.seen[1:] == sorted(taking.seen[1:])


def test_what_arrives_while_a_page_is_read_is_not_overtaken(start):
    taking = start()
    full, raced = threading.Event(), threading.Event()

    def race(rank):  # the page was read; what comes now finds the rank full, and is not in it
        if full.is_set() and rank == BULK:
            full.clear()
            taking.accept(BULK, 3000.0, "n-first")
        elif "n-first" in taking.tickets and not raced.is_set():
            taking.accept(BULK, 4000.0, "n-second")
            raced.set()

    taking.shelf.on_page = race
    names = numbers(12)
    taking.then[names[-1]] = lambda: raced.wait(PATIENT)
    with plugged(taking.queue, taking):
        for i, name in enumerate(names):
            taking.accept(BULK, 1000.0 + i, name)
        full.set()
    taking.wait_for("n-first", "n-second")
    assert taking.seen == ["plug", *names, "n-first", "n-second"]


def test_what_another_process_accepts_is_found_while_this_one_has_nothing_to_do(start):
    taking = start()
    taking.add(LOW, 1000.0, "n-theirs")
    taking.wait_for("n-theirs")
    assert taking.seen == ["n-theirs"]


def test_what_another_process_accepts_has_its_turn_while_this_one_is_busy(start):
    taking = start()

    def more():  # the rank stays four fifths full, so it never runs low
        i = len(taking.seen) + 8
        if "n-theirs" not in taking.seen and i < 10**6:
            name = f"n{i:06}"
            taking.then[name] = more
            taking.accept(BULK, 2000.0 + i, name)

    with plugged(taking.queue, taking):
        for name in numbers(8):
            taking.then[name] = more
            taking.accept(BULK, 2000.0, name)
        taking.add(BULK, 1000.0, "n-theirs")
    taking.wait_for("n-theirs")


def test_retries_that_wait_hold_up_nothing_that_is_due(start):
    taking = start()
    soon = time.time() + 50
    for i in range(SMALL):
        taking.queue.put(Ticket(OTP, soon, f"retry-{i}"))
    taking.accept(OTP, 1000.0, "n-now")
    taking.wait_for("n-now")
    assert taking.seen == ["n-now"]


def test_retries_are_held_however_many_came_before(start):
    taking = start()

    def again():
        if len(taking.seen) < 40:
            taking.queue.put(Ticket(OTP, time.time() + 0.002, "retry"))

    tomorrow = time.time() + 86_400
    for i in range(SMALL):
        taking.queue.put(Ticket(OTP, tomorrow, f"scheduled-{i}"))
    taking.then["retry"] = again
    taking.queue.put(Ticket(OTP, 0.0, "retry"))
    taking.wait_count(40)


def test_an_urgent_code_goes_before_fifty_thousand_that_wait(start):
    accepted = threading.Event()
    names = numbers(50_000)

    def fill(taking):
        for i, name in enumerate(names):
            taking.add(LOW, 1000.0 + i, name)
        taking.then[names[100]] = lambda: accepted.wait(PATIENT)

    taking = start(max_tickets=20_000, fill=fill)
    taking.wait_for(names[100])
    taking.accept(OTP, time.time(), "n-code")
    accepted.set()
    taking.wait_count(200)
    assert taking.seen[:200] == [*names[:101], "n-code", *names[101:199]]


def test_a_feed_that_fails_once_is_asked_again(start):
    taking = start()

    def fail(rank):
        taking.shelf.on_page = lambda rank: None
        msg = "the store is away"
        raise OSError(msg)

    taking.shelf.on_page = fail
    taking.shelf.fail.append(OSError("the store is away"))
    taking.add(BULK, 1000.0, "n-one")
    taking.wait_for("n-one")
    assert not taking.shelf.fail
    assert taking.queue.depth() <= 1


def test_a_process_that_does_not_dispatch_takes_nothing_from_the_store(start):
    def fill(taking):
        taking.shelf.dispatching = False
        taking.add(BULK, 1000.0, "n-one")

    taking = start(fill=fill)
    until(lambda: taking.shelf.ticks >= 2)
    assert (taking.shelf.pages, taking.seen, taking.queue.depth()) == (0, [], 0)
    taking.shelf.dispatching = True
    taking.wait_for("n-one")


def test_the_feed_is_ticked_all_the_time(start):
    taking = start()
    until(lambda: taking.shelf.ticks >= 4)
    with plugged(taking.queue, taking):
        ticks = taking.shelf.ticks
        until(lambda: taking.shelf.ticks >= ticks + 2)


def test_a_queue_that_dropped_tickets_is_not_idle(start):
    taking = start()
    read, answer = threading.Event(), threading.Event()

    def slow(rank):
        read.set()
        answer.wait(PATIENT)

    with plugged(taking.queue, taking):
        for i, name in enumerate(numbers(40)):
            taking.accept(BULK, 1000.0 + i, name)
        taking.shelf.on_page = slow
    read.wait(PATIENT)
    until(lambda: taking.queue.depth() == 0)
    assert len(taking.seen) < 40
    assert not taking.queue.idle()
    answer.set()
    until(taking.queue.idle)
    assert len(taking.seen) == 41
