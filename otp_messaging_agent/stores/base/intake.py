"""Taking in: what comes from outside, its limits, its one answer to a repeated request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...message import Message, Status, Verification, VerificationStatus
from .consent import Blocked
from .once import KeyReused, Once, Replay


@dataclass(frozen=True, slots=True)
class Limits:
    """How often one recipient may be sent codes and may guess wrong.

    sends: (window in seconds, number) pairs; wrong_per_day: over 86 400 s;
    cooldown: least seconds between two sends.
    """

    sends: Sequence[tuple[float, int]]
    wrong_per_day: int
    cooldown: float = 0.0


@dataclass(frozen=True, slots=True)
class OtpOrder:
    """A code to issue: the message that carries it and the verification that checks it.

    Where one is pending for the same recipient and purpose this is a resend: its code, expiry
    and count stay, and `code`, `code_hash` and `message.expires_at` here are not used.
    """

    message: Message
    verification_id: str
    purpose: str
    code: str
    code_hash: bytes
    expires_at: float
    max_attempts: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Issued:
    """A code is on its way. `next_send_at`: when the recipient may be sent another."""

    message: Message
    verification: Verification
    next_send_at: float

    @property
    def message_id(self) -> str:
        """The id of the message that carries the code."""
        return self.message.id


@dataclass(frozen=True, slots=True)
class Limited:
    """A limit of the recipient is reached until *free_at*; nothing was kept."""

    free_at: float


Row = Message | OtpOrder
RowResult = Message | Issued | Limited


@dataclass(frozen=True, slots=True)
class Submission:
    """What one request asks to take in, as one transaction.

    rows: or what makes them, called once and by the thread that writes: for single rows, whose
    making costs less there than another thread's turn. What it raises is raised to the caller.
    respond: makes the answer that *once* will replay, from the rows' results in their order.
    judge: what becomes of a message whose recipient has opted out of something.
    """

    rows: Sequence[Row] | Callable[[], Sequence[Row]]
    at: float
    batch_id: str | None = None
    rejected: int = 0
    once: Once | None = None
    respond: Callable[[Sequence[RowResult]], Any] | None = None
    judge: Callable[[Message, Sequence[Blocked]], Message] | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A code to check. Found by `verification_id`, else the newest of recipient and purpose.

    matches: (verification id, stored hash) -> whether the given code is the right one.
    """

    at: float
    matches: Callable[[str, bytes], bool]
    limits: Limits
    verification_id: str | None = None
    recipient: str | None = None
    purpose: str | None = None
    once: Once | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """How a check ended; `reason` is None exactly where it was approved."""

    verified: bool
    status: VerificationStatus | None
    reason: str | None
    attempts_remaining: int


class Intake(Protocol):
    """What comes from outside."""

    def submit(self, submission: Submission) -> list[RowResult] | Replay | KeyReused:
        """Keep all rows, or replay the answer of an earlier submission."""

    def answered(self, once: Once) -> Replay | KeyReused | None:
        """Return what an earlier request with this key got, None where it is the first."""

    def check(self, check: Check) -> Checked | Limited | Replay | KeyReused:
        """Count one try, then compare: one atomic step, so no try is ever free."""

    def cancel_message(
        self, message_id: str, now: float, once: Once | None = None
    ) -> Status | Replay | KeyReused | None:
        """Cancel a waiting message; return the status it then has, None where there is none."""

    def cancel_verification(
        self, verification_id: str, now: float, once: Once | None = None
    ) -> VerificationStatus | Replay | KeyReused | None:
        """Cancel a pending verification and what still waits to be sent of it."""

    def forget_keys(self, before: float) -> int:
        """Drop idempotency keys and limit counts from before *before*; return how many."""
