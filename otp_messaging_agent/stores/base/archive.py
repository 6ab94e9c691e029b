"""Looking up: what people and programs ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...message import Attempt, Channel, Message, MessageType, Status, Verification


@dataclass(frozen=True, slots=True)
class Search:
    """Filters of a search; `after` is the id the last page ended with, newest first."""

    status: Status | None = None
    channel: Channel | None = None
    type: MessageType | None = None
    batch_id: str | None = None
    reference: str | None = None
    since: float | None = None
    until: float | None = None
    phone_number: str | None = None
    email: str | None = None
    user_id: str | None = None
    after: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Figures:
    """What the store can count: the raw material of /metrics.

    final_sent: messages that are `sent` by providers that give no receipts;
    timings: (due, begun, answered) of the newest first attempts;
    counters: as `Store.count` has them.
    """

    by_status: Mapping[str, int] = field(default_factory=dict)
    final_sent: int = 0
    waiting_by_rank: Mapping[int, int] = field(default_factory=dict)
    oldest_due_by_rank: Mapping[int, float] = field(default_factory=dict)
    channels: Sequence[Mapping[str, Any]] = ()
    timings: Sequence[tuple[float, float, float]] = ()
    verifications: Mapping[str, int] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)


class Archive(Protocol):
    """What people and programs look up."""

    def message(self, message_id: str) -> tuple[Message, list[Attempt]] | None:
        """Return a message and its attempts in order, or None."""

    def search(self, search: Search) -> list[Message]:
        """Return the newest messages that match."""

    def history(
        self, since: float, until: float, after: str | None, limit: int
    ) -> Sequence[tuple[Message, Sequence[Attempt]]]:
        """Return messages that were tried, created since *since* and before *until*, oldest first.

        Each with its attempts in order; *after* is the id that the last page ended with.
        """

    def batch(self, batch_id: str) -> Mapping[str, Any] | None:
        """Return a batch's counts by status, or None."""

    def verification(self, verification_id: str, now: float) -> Verification | None:
        """Return a verification as it stands at *now*, or None."""

    def figures(self, now: float) -> Figures:
        """Count everything /metrics shows."""

    def waiting(self, at_most: int) -> int:
        """Return how many messages wait, counting no further than *at_most*."""
