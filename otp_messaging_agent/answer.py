"""What goes out: the answers, the same over HTTP and in Python.

Times are aware datetimes (ISO 8601 with offset in JSON).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from .message import (
    Attempt,
    Channel,
    Message,
    MessageType,
    Outcome,
    Priority,
    Status,
    Verification,
    VerificationStatus,
)


def as_time(seconds: float) -> datetime:
    """Return Unix *seconds* as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def when(seconds: float | None) -> datetime | None:
    """Return the time, None where there is none."""
    return None if seconds is None else as_time(seconds)


def _absent(value: object) -> bool:
    return value is None


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OtpAccepted(_Answer):
    """A code is on its way; the code itself is never in an answer."""

    message_id: str
    verification_id: str
    status: VerificationStatus
    expires_at: datetime
    next_resend_at: datetime
    attempts_remaining: int


class CheckResult(_Answer):
    """How a check of a code ended; `reason` is null exactly where `verified` is true.

    `status` is null with reason `not_found`.
    """

    verified: bool
    status: VerificationStatus | None
    reason: str | None = Field(
        examples=["wrong_code"],
        description="wrong_code, expired, max_attempts_reached or not_found.",
    )
    attempts_remaining: int


class Accepted(_Answer):
    """A message is durable and will be sent."""

    message_id: str
    status: Status
    verification_id: str | None = Field(None, description="Of an OTP.", exclude_if=_absent)


class RowError(_Answer):
    """Why one row of a bulk request was not taken."""

    code: str
    detail: str
    errors: list[dict[str, Any]] = []


class RowResult(_Answer):
    """One row of a bulk request: taken (`message_id`) or not (`error`)."""

    index: int
    message_id: str | None = Field(None, exclude_if=_absent)
    verification_id: str | None = Field(None, exclude_if=_absent)
    error: RowError | None = Field(None, exclude_if=_absent)


class BulkAccepted(_Answer):
    """Good rows are taken, bad rows named."""

    batch_id: str
    accepted: int
    rejected: int
    results: list[RowResult]


class AttemptView(_Answer):
    """One send on one channel by one provider, with the decision that chose it."""

    attempt_id: str
    number: int
    channel: Channel
    provider: str
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome | None = Field(description="null while in flight")
    provider_message_id: str | None
    error_code: str | None
    error_detail: str | None
    permanent: bool | None
    cost: float
    receipt_status: Status | None
    receipt_at: datetime | None
    decision: Mapping[str, Any]

    @classmethod
    def of(cls, a: Attempt) -> Self:
        """Return the view of an attempt."""
        return cls(
            attempt_id=a.id,
            number=a.number,
            channel=a.channel,
            provider=a.provider,
            started_at=as_time(a.started_at),
            finished_at=when(a.finished_at),
            outcome=a.outcome,
            provider_message_id=a.provider_message_id,
            error_code=a.error_code,
            error_detail=a.error_detail,
            permanent=a.permanent,
            cost=a.cost,
            receipt_status=a.receipt_status,
            receipt_at=when(a.receipt_at),
            decision=a.decision,
        )


class MessageView(_Answer):
    """A message; an OTP's `content` is always null."""

    message_id: str
    message_type: MessageType
    priority: Priority
    status: Status
    phone_number: str | None
    email: str | None
    content: str | None
    subject: str | None
    user_id: str | None
    reference: str | None
    metadata: Mapping[str, Any]
    preferred_channel: Channel | None
    batch_id: str | None
    verification_id: str | None
    created_at: datetime
    scheduled_for: datetime | None
    expires_at: datetime | None
    next_try_at: datetime | None
    finished_at: datetime | None
    error_code: str | None
    cost: float
    attempts: list[AttemptView] | None = Field(None, description="null in lists")

    @classmethod
    def of(cls, m: Message, attempts: list[Attempt] | None = None) -> Self:
        """Return the view of a message, with its attempts where they are given."""
        return cls(
            message_id=m.id,
            message_type=m.type,
            priority=m.priority,
            status=m.status,
            phone_number=m.phone_number,
            email=m.email,
            content=m.content,
            subject=m.subject,
            user_id=m.user_id,
            reference=m.reference,
            metadata=m.metadata,
            preferred_channel=m.preferred_channel,
            batch_id=m.batch_id,
            verification_id=m.verification_id,
            created_at=as_time(m.created_at),
            scheduled_for=when(m.scheduled_for),
            expires_at=when(m.expires_at),
            next_try_at=when(m.due_at),
            finished_at=when(m.finished_at),
            error_code=m.error_code,
            cost=m.cost,
            attempts=None if attempts is None else [AttemptView.of(a) for a in attempts],
        )


class MessagePage(_Answer):
    """A page of messages, newest first; `next_cursor` is null on the last."""

    messages: list[MessageView]
    next_cursor: str | None


class VerificationView(_Answer):
    """Where a verification stands; never the code."""

    verification_id: str
    status: VerificationStatus
    purpose: str
    created_at: datetime
    expires_at: datetime
    approved_at: datetime | None
    attempts_remaining: int
    sends: int

    @classmethod
    def of(cls, v: Verification) -> Self:
        """Return the view of a verification."""
        return cls(
            verification_id=v.id,
            status=v.status,
            purpose=v.purpose,
            created_at=as_time(v.created_at),
            expires_at=as_time(v.expires_at),
            approved_at=when(v.approved_at),
            attempts_remaining=v.max_attempts - v.attempts,
            sends=v.sends,
        )


class BatchView(_Answer):
    """How far a bulk request is."""

    batch_id: str
    created_at: datetime
    accepted: int
    rejected: int
    by_status: dict[str, int]


class ChannelScore(_Answer):
    """One channel and provider as the router sees it for one message."""

    channel: Channel
    provider: str
    score: float | None = Field(description="The sum of `parts`; null where it is out.")
    parts: dict[str, float]
    out: str | None = Field(description="Why it cannot be used; null where it can.")


class Explanation(_Answer):
    """How a message would be routed now, best first; nothing is sent."""

    ranked: list[ChannelScore]
    excluded: list[ChannelScore]


class InboxView(_Answer):
    """What one recipient of the sandbox would have got."""

    message_id: str
    channel: Channel
    to: str
    subject: str | None
    content: str
    at: datetime


class InboxPage(_Answer):
    """The sandbox's inbox, newest first."""

    messages: list[InboxView]
