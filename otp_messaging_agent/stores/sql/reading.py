"""The part of the contract that only tells: what is looked up, and what routing learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...message import Attempt, Channel, Message, Verification
from ..base import Figures, Search, Tried
from . import archive, counters, dispatch, experience, rows
from .people import People


class Reading(People):
    """What is stored, told to those who ask."""

    # ----------------------------------------------------------- archive

    def message(self, message_id: str) -> tuple[Message, list[Attempt]] | None:
        """Return a message and its attempts in order, or None."""
        work = self._read(dispatch.load, message_id, self._keys)
        return None if work is None else (work.message, list(work.attempts))

    def search(self, search: Search) -> list[Message]:
        """Return the newest messages that match."""
        found = self._read(archive.search, search, self._keys)
        return [rows.message(r, self._keys) for r in found]

    def history(
        self, since: float, until: float, after: str | None, limit: int
    ) -> list[tuple[Message, list[Attempt]]]:
        """Return messages that were tried, with their attempts, oldest first."""
        return self._read(archive.history, (since, until), after, limit, self._keys)

    def batch(self, batch_id: str) -> Mapping[str, Any] | None:
        """Return a batch's counts by status, or None."""
        return self._read(archive.batch, batch_id)

    def verification(self, verification_id: str, now: float) -> Verification | None:
        """Return a verification as it stands at *now*, or None."""
        row = self._read(archive.verification, verification_id)
        return None if row is None else rows.verification(row, now)

    def figures(self, now: float) -> Figures:
        """Count everything /metrics shows."""
        if not self._pending.told:
            self._pending.told = True
            self._writer.call(counters.count, ())  # what was counted goes before it
        return self._read(archive.figures, now)

    def waiting(self, at_most: int) -> int:
        """Return how many messages wait, counting no further than *at_most*."""
        return self._read(archive.waiting, at_most)

    def spent(self, since: float) -> float:
        """Return what attempts begun since *since* cost."""
        return self._read(archive.spent, since)

    def recent_attempts(self, since: float) -> Sequence[tuple[Channel, str, float]]:
        """Return (channel, provider, started_at) since *since*."""
        return self._read(archive.recent_attempts, since)

    # -------------------------------------------------------- experience

    def failures(self, since: float, until: float, limit: int) -> list[Tried]:
        """Return tries that no provider took, by when they ended."""
        return self._read(experience.failures, since, until, limit)

    def receipts(self, since: float, until: float, limit: int) -> list[Tried]:
        """Return tries with a receipt, by when it came."""
        return self._read(experience.receipts, since, until, limit)

    def silences(
        self, channel: Channel, patience: float, since: float, until: float, limit: int
    ) -> list[Tried]:
        """Return sent tries of *channel* whose receipt did not come within *patience* s."""
        return self._read(experience.silences, channel, patience, since, until, limit)

    def codes(self, since: float, until: float, limit: int) -> list[Tried]:
        """Return, by `code_at`, the try that each code counts for."""
        return self._read(experience.codes, since, until, limit)
