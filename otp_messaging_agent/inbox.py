"""The sandbox's inbox: what each recipient would have got."""

from __future__ import annotations

from dataclasses import dataclass
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


class Inbox(Protocol):
    """Where the sandbox delivers; lives in the store."""

    def put_inbox(self, entry: InboxEntry) -> None:
        """Keep *entry* durably; the same id again changes nothing."""

    def inbox(self, *, limit: int = 200, to: str | None = None) -> list[InboxEntry]:
        """Return the newest entries first, only those for *to* if given."""

    def inbox_entry(self, entry_id: str) -> InboxEntry | None:
        """Return one entry, or None."""

    def due_receipts(self, provider: str, now: float) -> list[InboxEntry]:
        """Return the entries of *provider* whose receipt is due and was not returned before."""
