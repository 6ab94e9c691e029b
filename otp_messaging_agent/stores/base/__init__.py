"""The contract of a store, as small ones: take in, dispatch, look up, consent, experience, inbox.

Every write returns only when it is committed durably. Every write is atomic. Refusals that are
part of the business (a limit reached, a wrong code) are returned, never raised, because other
callers' writes may share the transaction. StoreUnavailable is raised where nothing was kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ...inbox import Inbox, Outages
from ...message import Channel, Receipt
from .archive import Archive, Figures, Search
from .consent import Blocked, Consent, Letters, OptOut
from .dispatch import Dispatch, Joined, Verdict, Work
from .experience import Experience, Tried
from .intake import (
    Check,
    Checked,
    Intake,
    Issued,
    Limited,
    Limits,
    OtpOrder,
    Row,
    RowResult,
    Submission,
)
from .once import KeyReused, Once, Replay

__all__ = [
    "Archive",
    "Blocked",
    "Check",
    "Checked",
    "Consent",
    "Dispatch",
    "Experience",
    "Figures",
    "Intake",
    "Issued",
    "Joined",
    "KeyReused",
    "Letters",
    "Limited",
    "Limits",
    "Once",
    "OptOut",
    "OtpOrder",
    "Replay",
    "Row",
    "RowResult",
    "Search",
    "Store",
    "Submission",
    "Tried",
    "Verdict",
    "Work",
]


class Store(Intake, Dispatch, Archive, Consent, Letters, Experience, Inbox, Outages, Protocol):
    """All of it, with a life: made closed, opened once, closed once."""

    def open(self) -> None:
        """Create or migrate the schema and start what writes."""

    def close(self, timeout: float) -> None:
        """Write what waits and release everything, within *timeout* s."""

    def join_parked(self, before: float) -> Sequence[Joined]:
        """Join parked receipts whose attempt is known by now; drop those from before *before*.

        What is dropped is counted as `receipts_unknown`.
        """

    def missed(self, since: float) -> Sequence[Joined]:
        """Return the messages whose last try did not arrive, as was told since *since*."""

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter that outlives the process."""

    def overdue(self, now: float, limit: int) -> Sequence[Receipt]:
        """Return receipts that should have come by *now*, each as `unknown`."""

    def spent(self, since: float) -> float:
        """Return what attempts begun since *since* cost."""

    def recent_attempts(self, since: float) -> Sequence[tuple[Channel, str, float]]:
        """Return (channel, provider, started_at) since *since*, so limits outlive a restart."""
