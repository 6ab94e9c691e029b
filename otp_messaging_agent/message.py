"""The words every stage speaks: messages, attempts, receipts, tickets and what they can be.

Times are Unix seconds (UTC, float); durations are seconds; money is in the unit of
`cost_per_message` (US dollars in the shipped config).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class _Word(StrEnum):
    """A word of the contract: read in any case, written as it stands there."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        folded = value.casefold() if isinstance(value, str) else None
        return next((w for w in cls if w.value.casefold() == folded), None)


class Priority(_Word):
    """The four lanes of the queue, most urgent first."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class Channel(_Word):
    """The media a message can travel by."""

    SMS = "SMS"
    WHATSAPP = "WhatsApp"
    CALL = "Call"
    EMAIL = "Email"


class MessageType(_Word):
    """What a message is for; it decides default priority, limits and what may be resent."""

    OTP = "otp"
    NOTIFICATION = "notification"
    ALERT = "alert"
    REMINDER = "reminder"
    MARKETING = "marketing"


class Status(StrEnum):
    """Where a message is: docs/delivery.md says what each means."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"


WAITING = frozenset({Status.ACCEPTED, Status.SCHEDULED, Status.QUEUED})
"""Not yet handed to a provider: these can be canceled."""


class VerificationStatus(StrEnum):
    """Where a verification is."""

    PENDING = "pending"
    APPROVED = "approved"
    CANCELED = "canceled"
    EXPIRED = "expired"
    MAX_ATTEMPTS_REACHED = "max_attempts_reached"
    BLOCKED = "blocked"
    FAILED = "failed"


class Outcome(StrEnum):
    """How one attempt ended; an attempt without one is still in flight."""

    SENT = "sent"
    FAILED = "failed"
    AMBIGUOUS = "ambiguous"


DEFAULT_PRIORITY: Mapping[MessageType, Priority] = {
    MessageType.OTP: Priority.HIGH,
    MessageType.ALERT: Priority.HIGH,
    MessageType.NOTIFICATION: Priority.MEDIUM,
    MessageType.REMINDER: Priority.MEDIUM,
    MessageType.MARKETING: Priority.LOW,
}

_LANES = {p: i for i, p in enumerate(Priority)}


def rank_of(priority: Priority, type_: MessageType) -> int:
    """Return the place in the queue, 0 (first) to 7: the lane, OTPs before the rest within it."""
    return 2 * _LANES[priority] + (type_ is not MessageType.OTP)


RANKS = range(2 * len(Priority))
URGENT = frozenset(
    rank_of(p, t)
    for p in Priority
    for t in MessageType
    if t is MessageType.OTP or p in {Priority.CRITICAL, Priority.HIGH}
)
"""Ranks of codes and of everything CRITICAL or HIGH."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as the store holds it.

    An OTP has no content here: its text is made at the send from the code that the
    verification keeps, so a code lies in one place only.
    `due_at`: when to try next; None = nothing left to do. While `sending` it is the end of the
    lease: a claim whose worker died comes due again by itself.
    `version`: grows with each claim and verdict; a stale holder changes nothing.
    `exempt`: goes out whatever the recipient has opted out of, as the answer to a STOP does.
    """

    id: str
    type: MessageType
    priority: Priority
    status: Status
    created_at: float
    due_at: float | None
    phone_number: str | None = None
    email: str | None = None
    content: str | None = None
    subject: str | None = None
    user_id: str | None = None
    reference: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    preferred_channel: Channel | None = None
    scheduled_for: float | None = None
    expires_at: float | None = None
    batch_id: str | None = None
    verification_id: str | None = None
    finished_at: float | None = None
    error_code: str | None = None
    cost: float = 0.0
    tries: int = 0
    version: int = 0
    exempt: bool = False

    @property
    def rank(self) -> int:
        """Place in the queue, 0 to 7."""
        return rank_of(self.priority, self.type)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One send of one message on one channel by one provider.

    `decision`: why this channel (`Decision.as_json`). `receipt_by`: when its receipt is overdue.
    `parts`: what it was priced by; `duplicate`: another had arrived.
    `country`, `prefix`: of the recipient's number.
    """

    id: str
    message_id: str
    number: int
    channel: Channel
    provider: str
    started_at: float
    finished_at: float | None = None
    outcome: Outcome | None = None
    provider_message_id: str | None = None
    error_code: str | None = None
    error_detail: str | None = None
    permanent: bool | None = None
    scope: str | None = None
    retry_after: float | None = None
    cost: float = 0.0
    decision: Mapping[str, Any] = field(default_factory=dict)
    receipt_by: float | None = None
    receipt_status: Status | None = None
    receipt_at: float | None = None
    lookups: int = 0
    parts: int = 1
    duplicate: bool = False
    country: str | None = None
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider says became of a message it took.

    provider: its name in the config; error_code, scope: of `undelivered`, as in a `SendError`;
    cost: what the vendor says it took, where it does.
    """

    provider: str
    provider_message_id: str
    status: Status
    at: float
    error_code: str | None = None
    error_detail: str | None = None
    scope: str | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """What somebody wrote to us. sender: a number or an e-mail address."""

    provider: str
    provider_message_id: str
    channel: Channel
    sender: str
    text: str
    at: float


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """What travels through a queue: never the message, only its id, place and due time."""

    rank: int
    due_at: float
    message_id: str


@dataclass(frozen=True, slots=True)
class Verification:
    """One code sent to one recipient for one purpose, and how its check stands."""

    id: str
    channel_kind: str
    purpose: str
    status: VerificationStatus
    created_at: float
    expires_at: float
    attempts: int
    max_attempts: int
    sends: int
    approved_at: float | None = None
