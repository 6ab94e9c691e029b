"""What goes out: the answers, the same over HTTP and in Python.

Times are aware datetimes (ISO 8601 with offset in JSON).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .message import (
    Channel,
    Status,
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


class Answer(BaseModel):
    """What every answer is: frozen, and nothing but what it says."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OtpAccepted(Answer):
    """A code is on its way; the code itself is never in an answer."""

    message_id: str
    verification_id: str
    status: VerificationStatus
    expires_at: datetime
    next_resend_at: datetime
    attempts_remaining: int


class CheckResult(Answer):
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


class Accepted(Answer):
    """A message is durable and will be sent."""

    message_id: str
    status: Status
    verification_id: str | None = Field(None, description="Of an OTP.", exclude_if=_absent)


class RowError(Answer):
    """Why one row of a bulk request was not taken."""

    code: str
    detail: str
    errors: list[dict[str, Any]] = []


class RowResult(Answer):
    """One row of a bulk request: taken (`message_id`) or not (`error`)."""

    index: int
    message_id: str | None = Field(None, exclude_if=_absent)
    verification_id: str | None = Field(None, exclude_if=_absent)
    error: RowError | None = Field(None, exclude_if=_absent)


class BulkAccepted(Answer):
    """Good rows are taken, bad rows named."""

    batch_id: str
    accepted: int
    rejected: int
    results: list[RowResult]


class Expected(Answer):
    """What is to be expected of one way, as far as learned; shares are from 0 to 1."""

    reach: float = Field(description="Share of recipients there who have the channel.")
    rate: float = Field(description="Share of those that arrives, over hours.")
    health: float = Field(description="How the last minutes were, of what was to be expected.")
    trust: float = Field(description="How many codes are typed in, of what is usual there.")
    success: float = Field(description="`rate` x `health` x `trust`.")
    latency_seconds: float = Field(description="From the send until one arrives.")
    trials: float = Field(description="Tries of this way there that speak; they fade with age.")


Mode = Literal["adaptive", "fixed"]
"""What ranks: evidence, and the configuration where there is none; or the configuration alone."""


class ChannelScore(Answer):
    """One channel and provider as the router sees it for one message."""

    channel: Channel
    provider: str
    score: float | None = Field(description="The sum of `parts`; null where it is out.")
    parts: dict[str, float]
    out: str | None = Field(description="Why it cannot be used; null where it can.")
    cost: float = Field(description="What the message would cost this way.")
    segments: int = Field(description="Messages it would be sent as; a long SMS is several.")
    estimate: Expected | None = Field(None, description="null where it is out")


class Explanation(Answer):
    """How a message would be routed now, best first; nothing is sent."""

    mode: Mode = Field(description="What ranked: evidence, or the configuration alone.")
    ranked: list[ChannelScore]
    excluded: list[ChannelScore]
