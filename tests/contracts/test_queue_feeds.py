"""What every queue promises about a store behind it: bounded memory, and nothing out of turn."""

import time

import pytest

from otp_messaging_agent import plugins
from otp_messaging_agent.message import MessageType, Priority, RANKS, Ticket, rank_of

from .queue_parts import LOW, OTP, PATIENT, Handler, Plug, Shelf, eventually, plugged

SMALL = 10 * len(RANKS)
BULK = rank_of(Priority.MEDIUM, MessageType.NOTIFICATION)


class Taking(Handler):
    """A handler that takes what it handles from the shelf, and may put more."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__()
        self.shelf = shelf
        self.tickets: dict[str, Ticket] = {}
        self.depths: list[int] = []
        self.queue = None

    def add(self, rank, due_at, name):
        """Hold a ticket in the store, as if another process had accepted it."""
        ticket = self.tickets[name] = Ticket(rank, due_at, name)
        return self.shelf.add(ticket)

    def accept(self, rank, due_at, name):
        """Hold a ticket in the store and put it into the queue, as the intake does."""
        self.queue.put(self.add(rank, due_at, name))

    def __call__(self, message_id):
        ticket = self.tickets.pop(message_id, None)
        if ticket is not None:
            self.shelf.take(ticket)
            self.depths.append(self.queue.depth())
        elif message_id.startswith("n"):
            return  # a page that was read before the ticket was taken: a store would say no
        super().__call__(message_id)


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
    assert all([queue.stop(PATIENT) for queue in started])


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
    eventually(taking.queue.idle)
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


def test_what_arrives_while_a_page_is_read_does_not_fall_behind(start):
    taking = start()
    raced = []

    def race(rank):  # the page was read; now this comes, while the rank still counts as full
        if rank == BULK and raced == ["armed"]:
            raced.append("done")
            taking.accept(BULK, 3000.0, "n-during")

    with plugged(taking.queue, taking):
        for i, name in enumerate(numbers(12)):
            taking.accept(BULK, 1000.0 + i, name)
        raced.append("armed")
        taking.shelf.on_page = race
        last = Plug(taking.queue, taking, numbers(1, start=11)[0], BULK)
        taking.then[numbers(1, start=11)[0]] = lambda: last._pulled.wait(PATIENT)
    taking.wait_for(numbers(1, start=11)[0])
    eventually(lambda: raced == ["armed", "done"])
    pages = taking.shelf.pages
    eventually(lambda: taking.shelf.pages > pages or taking.shelf.ticks > 2)
    taking.accept(BULK, 4000.0, "n-after")
    last.pull()
    taking.wait_for("n-during", "n-after")
    assert taking.seen[-2:] == ["n-during", "n-after"]


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


def test_an_urgent_code_goes_before_fifty_thousand_that_wait(start):
    def fill(taking):
        for i, name in enumerate(numbers(50_000)):
            taking.add(LOW, 1000.0 + i / 1000, name)

    taking = start(max_tickets=20_000, fill=fill)
    stuck = Plug(taking.queue, taking, numbers(1, start=100)[0], LOW)
    taking.then[numbers(1, start=100)[0]] = lambda: stuck._pulled.wait(PATIENT)
    taking.wait_count(101)
    taking.accept(OTP, time.time(), "n-code")
    stuck.pull()
    taking.wait_count(200)
    assert taking.seen[101] == "n-code"
    assert taking.seen[:101] + taking.seen[102:] == numbers(len(taking.seen) - 1)


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
    eventually(lambda: taking.shelf.ticks >= 2)
    assert (taking.shelf.pages, taking.seen, taking.queue.depth()) == (0, [], 0)
    taking.shelf.dispatching = True
    taking.wait_for("n-one")


def test_the_feed_is_ticked_all_the_time(start):
    taking = start()
    eventually(lambda: taking.shelf.ticks >= 4)
    with plugged(taking.queue, taking):
        ticks = taking.shelf.ticks
        eventually(lambda: taking.shelf.ticks >= ticks + 2)


def test_a_queue_that_dropped_tickets_is_not_idle(start):
    taking = start()
    with plugged(taking.queue, taking):
        for i, name in enumerate(numbers(40)):
            taking.accept(BULK, 1000.0 + i, name)
    eventually(taking.queue.idle)
    assert len(taking.seen) == 41
