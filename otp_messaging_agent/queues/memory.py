"""A heap for each rank and some threads. The store remembers; this forgets on exit.

Order: CRITICAL before HIGH before MEDIUM before LOW, OTPs first within a lane, first come first
served after that. So that no rank starves for ever, one that was passed over `PATIENCE` times
while it had a message due gets the next turn.

Memory is bounded: each of the 8 ranks holds an eighth of `max_tickets`, at most a quarter of it
not yet due. What does not fit waits in the store and is paged in, in its order, when a rank is
less than half full. A rank that is fuller at a look into the store takes nothing more until then:
what the store may hold of other processes comes before what is put later.

So that slow bulk never holds up a code, one worker in eight takes only codes, CRITICAL and HIGH.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable

from .. import log
from ..message import RANKS, URGENT, Ticket
from .base import Feed, Handle

PATIENCE = 50
"""Turns a rank is passed over before it gets one: at least 2 % of all sends are its own."""

HORIZON = 60.0
"""Seconds ahead of its due time that a ticket may take up memory; later ones wait in the store."""

POLL = 0.5
"""Seconds between two looks into the store for what other processes accepted."""

_log = log.get(__name__)


def make(max_tickets: int) -> MemoryQueue:
    """Return a queue that holds at most *max_tickets* in memory."""
    return MemoryQueue(max_tickets)


class MemoryQueue:
    """The contract of `queues.base` within one process."""

    def __init__(self, max_tickets: int, clock: Callable[[], float] = time.time) -> None:
        self._room = max(1, max_tickets // len(RANKS))
        self._ahead = self._room // 4
        self._clock = clock
        self._ready: list[list[tuple[float, str]]] = [[] for _ in RANKS]
        self._later: list[tuple[float, str, int]] = []
        self._early = [0 for _ in RANKS]
        self._held: list[set[str]] = [set() for _ in RANKS]
        self._running: set[str] = set()
        self._again: dict[str, Ticket] = {}
        self._passed = [0 for _ in RANKS]
        self._more = [False for _ in RANKS]
        self._dropped = [0 for _ in RANKS]
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._urgent = threading.Condition(lock)
        self._low = threading.Event()
        self._stopping = False
        self._stopped = threading.Event()
        self._feed: Feed | None = None
        self._threads: list[threading.Thread] = []

    # ------------------------------------------------------------ taking in

    def put(self, ticket: Ticket) -> None:
        """Accept *ticket*; one already held changes nothing, one too many stays in the store."""
        if ticket.due_at > self._clock() + HORIZON:
            return
        rank = ticket.rank
        with self._changed:
            # Where others of its rank wait in the store, they come first.
            if self._more[rank] or not self._add(ticket):
                self._more[rank] = True
                self._dropped[rank] += 1

    def _add(self, ticket: Ticket) -> bool:
        """Hold *ticket*; False where there is no room. The lock is held.

        Of those not yet due only some are held: they must not keep out what is due.
        """
        if ticket.message_id in self._running:
            self._again[ticket.message_id] = ticket
            return True
        held = self._held[ticket.rank]
        if ticket.message_id in held:
            return True
        early = ticket.due_at > self._clock()
        if early and self._early[ticket.rank] >= self._ahead:
            return True  # a page brings it once it is due
        if len(held) >= self._room:
            return False
        held.add(ticket.message_id)
        if early:
            self._early[ticket.rank] += 1
            heapq.heappush(self._later, (ticket.due_at, ticket.message_id, ticket.rank))
        else:
            heapq.heappush(self._ready[ticket.rank], (ticket.due_at, ticket.message_id))
        self._wake(ticket.rank)
        return True

    def _wake(self, rank: int) -> None:
        self._changed.notify()
        if rank in URGENT:
            self._urgent.notify()

    def refill(self) -> None:
        """Top up every rank that runs low from the store; only the dispatcher has tickets."""
        if self._feed is None or not self._feed.tick():
            return
        for rank in RANKS:
            if len(self._held[rank]) > self._room // 2:
                self._more[rank] = True
                continue
            dropped = self._dropped[rank]
            tickets = self._feed.page(rank, self._room)
            with self._changed:
                whole = all(self._add(t) for t in tickets) and len(tickets) < self._room
                missed = self._dropped[rank] > dropped
                self._more[rank] = missed or not whole
            if missed:
                self._low.set()

    # ------------------------------------------------------------- handing out

    def run(self, handle: Handle, feed: Feed, *, workers: int) -> None:
        """Start calling *handle* with message ids, and return at once."""
        self._feed = feed
        reserved = workers // 8
        for i in range(workers):
            ranks = URGENT if i < reserved else None
            self._start(self._work, handle, ranks, name=f"deliver-{i}")
        self._start(self._pages, name="deliver-pages")

    def _start(self, target: Callable[..., None], *args: object, name: str) -> None:
        # Daemons, so that a script that ends without stop() is not held up for ever.
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _pages(self) -> None:
        while not self._stopping:
            try:
                self.refill()
            except Exception:  # noqa: BLE001 - a store that is away comes back
                _log.exception("refill_failed")
            self._low.wait(POLL)
            self._low.clear()

    def _work(self, handle: Handle, ranks: frozenset[int] | None) -> None:
        while (message_id := self._take(ranks)) is not None:
            try:
                handle(message_id)
            except Exception:  # noqa: BLE001 - one message must not end a worker
                _log.exception("handler_failed", message_id=message_id)
                self._stopped.wait(POLL)  # where the store is away, all of them fail: slow down
            finally:
                self._done(message_id)

    def _take(self, ranks: frozenset[int] | None) -> str | None:
        condition = self._urgent if ranks else self._changed
        with self._changed:
            while not self._stopping:
                self._ripen()
                rank = self._next(ranks)
                if rank is not None:
                    return self._pop(rank)
                condition.wait(self._until_due())
        return None

    def _ripen(self) -> None:
        """Move what has come due to its rank. The lock is held."""
        now = self._clock()
        moved = 0
        while self._later and self._later[0][0] <= now:
            due_at, message_id, rank = heapq.heappop(self._later)
            heapq.heappush(self._ready[rank], (due_at, message_id))
            self._early[rank] -= 1
            moved += 1
            if rank in URGENT:
                self._urgent.notify()
        self._changed.notify(moved)

    def _until_due(self) -> float:
        if not self._later:
            return 60.0
        return min(60.0, max(0.001, self._later[0][0] - self._clock()))

    def _next(self, ranks: frozenset[int] | None) -> int | None:
        """Choose the rank whose turn it is among those with a message due. The lock is held."""
        ready = [r for r in RANKS if self._ready[r] and (ranks is None or r in ranks)]
        if not ready:
            return None
        if ranks is not None:
            return ready[0]
        first = max(ready, key=lambda r: (self._passed[r] >= PATIENCE, self._passed[r], -r))
        chosen = first if self._passed[first] >= PATIENCE else ready[0]
        for rank in ready:
            self._passed[rank] = 0 if rank == chosen else self._passed[rank] + (rank > chosen)
        return chosen

    def _pop(self, rank: int) -> str:
        _, message_id = heapq.heappop(self._ready[rank])
        held = self._held[rank]
        held.discard(message_id)
        self._running.add(message_id)
        if self._more[rank] and len(held) <= self._room // 2:
            self._low.set()
        return message_id

    def _done(self, message_id: str) -> None:
        with self._changed:
            self._running.discard(message_id)
            again = self._again.pop(message_id, None)
        if again is not None:
            self.put(again)

    # ------------------------------------------------------------- looking, ending

    def depth(self) -> int:
        """Tickets held in this process, waiting or running."""
        with self._changed:
            return sum(map(len, self._held)) + len(self._running)

    def idle(self) -> bool:
        """Whether nothing is running and nothing that waits here is due."""
        with self._changed:
            self._ripen()
            return not self._running and not any(self._ready) and not any(self._more)

    def stop(self, timeout: float) -> bool:
        """Take no more, let running handlers finish; True when all did in time."""
        with self._changed:
            self._stopping = True
            self._stopped.set()
            self._changed.notify_all()
            self._urgent.notify_all()
        self._low.set()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(t.is_alive() for t in self._threads)
