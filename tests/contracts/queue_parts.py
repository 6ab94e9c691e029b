"""What the tests of queues are made of: a handler that records, and a store as a queue sees it."""

import bisect
import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from otp_messaging_agent.message import MessageType, Priority, Ticket, rank_of

PATIENT = 30.0
"""Seconds after which something that has to happen counts as never happening."""

OTP = rank_of(Priority.HIGH, MessageType.OTP)
LOW = rank_of(Priority.LOW, MessageType.MARKETING)


class Handler:
    """Records the ids it is called with, and does for some of them what a test says."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.at: dict[str, float] = {}
        self.then: dict[str, Callable[[], None]] = {}
        self._changed = threading.Condition()

    def __call__(self, message_id: str) -> None:
        with self._changed:
            self.at[message_id] = time.time()
            self.seen.append(message_id)
            self._changed.notify_all()
        self.then.get(message_id, lambda: None)()

    def wait_until(self, true: Callable[[], bool]) -> None:
        """Return once *true* holds; it is asked after each call of the handler."""
        with self._changed:
            assert self._changed.wait_for(true, PATIENT), f"never, after {self.seen[-20:]}"

    def wait_for(self, *message_ids: str) -> None:
        """Return once each of *message_ids* was handled."""
        self.wait_until(lambda: set(message_ids) <= set(self.seen))

    def wait_count(self, count: int) -> None:
        """Return once *count* calls were made."""
        self.wait_until(lambda: len(self.seen) >= count)


class Shelf:
    """A store as a queue sees it: it holds tickets until they are taken."""

    def __init__(self, tickets: Iterable[Ticket] = ()) -> None:
        self.dispatching = True
        self.ticks = 0
        self.pages = 0
        self.fail: list[Exception] = []
        self.on_page: Callable[[int], None] = lambda rank: None
        self._waiting: dict[int, list[Ticket]] = defaultdict(list)
        self._lock = threading.Lock()
        for ticket in tickets:
            self.add(ticket)

    def add(self, ticket: Ticket) -> Ticket:
        """Hold *ticket*."""
        with self._lock:
            bisect.insort(self._waiting[ticket.rank], ticket)
        return ticket

    def take(self, ticket: Ticket) -> None:
        """Let go of *ticket*, as a store does once its message is claimed."""
        with self._lock:
            waiting = self._waiting[ticket.rank]
            del waiting[bisect.bisect_left(waiting, ticket)]

    def tick(self) -> bool:
        """Count the calls; raise what a test put into `fail`."""
        self.ticks += 1
        if self.fail:
            raise self.fail.pop()
        return self.dispatching

    def page(self, rank: int, limit: int) -> list[Ticket]:
        """Return the first due tickets."""
        self.pages += 1
        now = time.time()
        with self._lock:
            first = [t for t in self._waiting[rank][:limit] if t.due_at <= now]
        self.on_page(rank)
        return first


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


class Plug:
    """Occupies a worker from `put` until `pull`, so that a test can fill a queue in peace."""

    def __init__(self, queue, handler: Handler, name: str = "plug", rank: int = 0) -> None:
        self._queue, self._handler = queue, handler
        self._ticket = Ticket(rank, 0.0, name)
        self._pulled = threading.Event()

    def put(self) -> None:
        """Return once a worker is stuck."""
        self._handler.then[self._ticket.message_id] = lambda: self._pulled.wait(PATIENT)
        self._queue.put(self._ticket)
        self._handler.wait_for(self._ticket.message_id)

    def pull(self) -> None:
        """Let the worker go on."""
        self._pulled.set()


@contextlib.contextmanager
def plugged(queue, handler: Handler) -> Iterator[None]:
    """Hold the only worker of *queue* while the block fills it."""
    plug = Plug(queue, handler)
    plug.put()
    try:
        yield
    finally:
        plug.pull()
