"""Experience: what became known of tries, and when, for routing to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...message import Channel, Status


@dataclass(frozen=True, slots=True)
class Tried:
    """One try, as it stands now.

    country, prefix: of its recipient's number, also where it went by e-mail; None without one.
    receipt_at: when it arrived or failed, by the vendor's clock; told_at: when we were told, by
    ours. receipt_status `unknown` means that nobody told anything; waits: its receipt is still
    to come. code_at: where it carried a code, when that was typed in (approved) or when its time
    was over.
    """

    attempt_id: str
    channel: Channel
    provider: str
    country: str | None
    prefix: str | None
    started_at: float
    finished_at: float | None
    error_code: str | None
    permanent: bool | None
    scope: str | None
    receipt_status: Status | None
    receipt_at: float | None
    waits: bool
    approved_at: float | None = None
    code_at: float | None = None
    told_at: float | None = None


class Experience(Protocol):
    """What became known after *since* and until *until* (Unix seconds), in that order.

    Each returns the newest *limit* at most, oldest first.
    """

    def failures(self, since: float, until: float, limit: int) -> Sequence[Tried]:
        """Return tries that no provider took, by when they ended."""

    def receipts(self, since: float, until: float, limit: int) -> Sequence[Tried]:
        """Return tries with a receipt, by when it was told; `sent` and `unknown` are none."""

    def silences(
        self, channel: Channel, patience: float, since: float, until: float, limit: int
    ) -> Sequence[Tried]:
        """Return tries of *channel* of which nobody told anything within *patience* s.

        By when that time was over: sent ones whose receipt was not told by then, but not of
        providers that give none; and ones of which nobody knows whether they were taken.
        """

    def codes(self, since: float, until: float, limit: int) -> Sequence[Tried]:
        """Return, by `code_at`, the try that each code counts for: typed in, or its time over.

        That is the last that was sent before, and not `undelivered` before; codes that were
        canceled, blocked or guessed at too often say nothing.
        """
