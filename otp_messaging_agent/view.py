"""What became of things: messages, attempts, verifications, batches, as callers see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import Field

from .answer import Answer, as_time, when
from .message import (
    Attempt,
    Channel,
    Inbound,
    Message,
    MessageType,
    Outcome,
    Priority,
    Status,
    Verification,
    VerificationStatus,
)


class AttemptView(Answer):
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
    segments: int = Field(description="Messages it was sent as; a long SMS is several.")
    receipt_status: Status | None
    receipt_at: datetime | None
    duplicate: bool = Field(description="It arrived though another attempt had arrived.")
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
            segments=a.parts,
            duplicate=a.duplicate,
            receipt_status=a.receipt_status,
            receipt_at=when(a.receipt_at),
            decision=a.decision,
        )


class MessageView(Answer):
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
    cost: float = Field(description="What its attempts cost.")
    estimated_cost: float | None = Field(
        None, description="What the next attempt would cost; null in lists, and once none is due."
    )
    segments: int | None = Field(
        None, description="SMS it would be sent as; null in lists, and once none is due."
    )
    attempts: list[AttemptView] | None = Field(None, description="null in lists")

    @classmethod
    def of(
        cls, m: Message, attempts: list[Attempt] | None = None, **estimate: float | None
    ) -> Self:
        """Return the view of a message, with its attempts and an estimate where they are given."""
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
            **estimate,
        )


class MessagePage(Answer):
    """A page of messages, newest first; `next_cursor` is null on the last."""

    messages: list[MessageView]
    next_cursor: str | None


class VerificationView(Answer):
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


class BatchView(Answer):
    """How far a bulk request is."""

    batch_id: str
    created_at: datetime
    accepted: int
    rejected: int
    by_status: dict[str, int]


class InboxView(Answer):
    """What one recipient of the sandbox would have got."""

    message_id: str
    channel: Channel
    to: str
    subject: str | None
    content: str
    at: datetime


class InboxPage(Answer):
    """The sandbox's inbox, newest first."""

    messages: list[InboxView]


class OptOutView(Answer):
    """Somebody wants no more; a channel or category of null is all of them."""

    opt_out_id: str
    phone_number: str | None
    email: str | None
    channel: Channel | None
    category: MessageType | None = Field(
        description="A message type; null: all that `consent.stop_types` names."
    )
    source: str = Field(description="inbound, link or api", examples=["inbound"])
    created_at: datetime


class OptOutPage(Answer):
    """A page of opt-outs, newest first; `next_cursor` is null on the last."""

    opt_outs: list[OptOutView]
    next_cursor: str | None


class InboundView(Answer):
    """What somebody wrote to one of your senders."""

    number: int
    provider: str
    channel: Channel
    sender: str
    text: str
    at: datetime

    @classmethod
    def of(cls, number: int, i: Inbound) -> Self:
        """Return the view of what somebody wrote."""
        return cls(
            number=number,
            provider=i.provider,
            channel=i.channel,
            sender=i.sender,
            text=i.text,
            at=as_time(i.at),
        )


class InboundPage(Answer):
    """A page of what people wrote, newest first; `next_cursor` is null on the last."""

    messages: list[InboundView]
    next_cursor: int | None
