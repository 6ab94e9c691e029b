"""The contract of a queue: at least once, urgent first, never before due, bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..message import Ticket

Handle = Callable[[str], None]


class Feed(Protocol):
    """Where a queue gets what it does not hold."""

    def tick(self) -> bool:
        """Do what is done about twice a second; return whether this process dispatches."""

    def page(self, rank: int, limit: int) -> list[Ticket]:
        """Return the first *limit* tickets of *rank* that are due in the store, in order."""


class Queue(Protocol):
    """Order and threads; the store remembers, so a queue may forget."""

    def put(self, ticket: Ticket) -> None:
        """Accept *ticket*; safe from any thread, also from inside a handler.

        A ticket whose message already waits here changes nothing; where the queue is full the
        ticket is dropped and comes back with a page from the store.
        """

    def run(self, handle: Handle, feed: Feed, *, workers: int) -> None:
        """Start calling *handle* with message ids, and return at once."""

    def stop(self, timeout: float) -> bool:
        """Take no more, let running handlers finish; True when all did within *timeout* s."""

    def depth(self) -> int:
        """Tickets held in this process, waiting or running."""

    def idle(self) -> bool:
        """Whether nothing is running and nothing that waits here is due."""
