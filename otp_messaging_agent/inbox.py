"""The sandbox's inbox: what each recipient would have got; and the outages it plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from .message import Channel, Status


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """What a recipient of the sandbox would have got; `id` is the attempt's."""

    id: str
    provider: str
    message_id: str
    channel: Channel
    to: str
    content: str
    at: float
    subject: str | None = None
    receipt_status: Status | None = None
    receipt_due: float | None = None


class OutageMode(StrEnum):
    """How a provider of the sandbox fails."""

    REJECT = "reject"  # it takes nothing
    FAIL = "fail"  # it takes the message, and reports that it did not arrive
    SILENT = "silent"  # it takes the message, and never reports


@dataclass(frozen=True, slots=True)
class Outage:
    """A provider of the sandbox fails, until *until* (Unix seconds).

    provider: its name in the config; channel: None = every channel of that name.
    share: of its messages, more than 0, at most 1.
    """

    provider: str
    mode: OutageMode
    until: float
    share: float = 1.0
    channel: Channel | None = None


class Inbox(Protocol):
    """Where the sandbox delivers, and what it plays; lives in the store."""

    def put_inbox(self, entry: InboxEntry) -> None:
        """Keep *entry* durably; the same id again changes nothing."""

    def inbox(self, *, limit: int = 200, to: str | None = None) -> list[InboxEntry]:
        """Return the newest entries first, only those for *to* if given."""

    def inbox_entry(self, entry_id: str) -> InboxEntry | None:
        """Return one entry, or None."""

    def due_receipts(self, provider: str, now: float) -> list[InboxEntry]:
        """Return the entries of *provider* whose receipt is due and was not returned before."""

    def outages(self, now: float) -> Sequence[Outage]:
        """Return what stands at *now*, of every provider, sorted by provider and channel."""


class Outages(Protocol):
    """Where outages begin and end."""

    def put_outage(self, outage: Outage, now: float) -> None:
        """Keep *outage* in place of an earlier one of the same provider and channel."""

    def end_outages(self, provider: str, now: float) -> int:
        """Drop what stands of *provider* at *now*; return how many."""
