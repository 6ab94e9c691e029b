"""The contract of a store, as four small ones: take in, dispatch, look up, and the inbox.

Every write returns only when it is committed durably. Every write is atomic. Refusals that are
part of the business (a limit reached, a wrong code) are returned, never raised, because other
callers' writes may share the transaction. StoreUnavailable is raised where nothing was kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..inbox import Inbox
from ..message import (
    Attempt,
    Channel,
    Message,
    MessageType,
    Receipt,
    Status,
    Ticket,
    Verification,
    VerificationStatus,
)


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key: the first request with it is carried out, the rest get its answer.

    body: a digest of the request, so another body under the same key is refused.
    """

    key: str
    body: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Replay:
    """The answer an earlier request with the same key and body got."""

    response: Any


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The key came before with another body."""


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

    message_id: str
    verification: Verification
    next_send_at: float


@dataclass(frozen=True, slots=True)
class Limited:
    """A limit of the recipient is reached until *free_at*; nothing was kept."""

    free_at: float


Row = Message | OtpOrder
RowResult = Message | Issued | Limited


@dataclass(frozen=True, slots=True)
class Submission:
    """What one request asks to take in, as one transaction.

    respond: makes the answer that *once* will replay, from the rows' results in their order.
    """

    rows: Sequence[Row]
    at: float
    batch_id: str | None = None
    rejected: int = 0
    once: Once | None = None
    respond: Callable[[Sequence[RowResult]], Any] | None = None


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


@dataclass(frozen=True, slots=True)
class Work:
    """A message to try, all that was tried, and for an OTP still pending its code and purpose."""

    message: Message
    attempts: Sequence[Attempt] = ()
    code: str | None = None
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a message: its new status, when to try next, and the attempt as it ended.

    version: the one the holder claimed with; where the message has moved on nothing changes.
    """

    message_id: str
    version: int
    status: Status
    at: float
    due_at: float | None = None
    error_code: str | None = None
    attempt: Attempt | None = None


class Dispatch(Protocol):
    """What the workers need."""

    def lead(self, owner: str, now: float, ttl: float) -> bool:
        """Become or stay the one process that dispatches; True while *owner* is it.

        A dead owner on the same host is replaced at once, any other when its *ttl* s are over.
        Taking over makes everything that was being sent due again.
        """

    def tickets(self, rank: int, limit: int, until: float) -> list[Ticket]:
        """Return the first *limit* messages of *rank* due by *until*, in order."""

    def load(self, message_id: str) -> Work | None:
        """Return the message with its attempts, None where there is none."""

    def begin(self, attempt: Attempt, version: int, lease_until: float) -> bool:
        """Claim the message at *version* and keep the attempt before it is made.

        False: someone else has it, or it was canceled; nothing was changed.
        """

    def settle(self, verdict: Verdict, *, wait: bool = True) -> bool:
        """Keep *verdict*; False where the message has moved on, and then nothing is changed.

        With wait=False it returns True at once and keeps it with the next commit.
        """

    def receive(self, receipt: Receipt) -> bool:
        """Join a receipt to its attempt, forwards only; False where no attempt has that id."""


@dataclass(frozen=True, slots=True)
class Search:
    """Filters of a search; `after` is the id the last page ended with, newest first."""

    status: Status | None = None
    channel: Channel | None = None
    type: MessageType | None = None
    batch_id: str | None = None
    reference: str | None = None
    since: float | None = None
    until: float | None = None
    phone_number: str | None = None
    email: str | None = None
    user_id: str | None = None
    after: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Figures:
    """What the store can count: the raw material of /metrics.

    final_sent: messages that are `sent` by providers that give no receipts;
    timings: (due, begun, answered) of the newest first attempts.
    """

    by_status: Mapping[str, int] = field(default_factory=dict)
    final_sent: int = 0
    waiting_by_rank: Mapping[int, int] = field(default_factory=dict)
    oldest_due_by_rank: Mapping[int, float] = field(default_factory=dict)
    channels: Sequence[Mapping[str, Any]] = ()
    timings: Sequence[tuple[float, float, float]] = ()
    verifications: Mapping[str, int] = field(default_factory=dict)


class Archive(Protocol):
    """What people and programs look up."""

    def message(self, message_id: str) -> tuple[Message, list[Attempt]] | None:
        """Return a message and its attempts in order, or None."""

    def search(self, search: Search) -> list[Message]:
        """Return the newest messages that match."""

    def batch(self, batch_id: str) -> Mapping[str, Any] | None:
        """Return a batch's counts by status, or None."""

    def verification(self, verification_id: str, now: float) -> Verification | None:
        """Return a verification as it stands at *now*, or None."""

    def figures(self, now: float) -> Figures:
        """Count everything /metrics shows."""

    def waiting(self, at_most: int) -> int:
        """Return how many messages wait, counting no further than *at_most*."""


class Store(Intake, Dispatch, Archive, Inbox, Protocol):
    """All of it, with a life: made closed, opened once, closed once."""

    def open(self) -> None:
        """Create or migrate the schema and start what writes."""

    def close(self, timeout: float) -> None:
        """Write what waits and release everything, within *timeout* s."""

    def overdue(self, now: float, limit: int) -> Sequence[Receipt]:
        """Return receipts that should have come by *now*, each as `unknown`."""

    def recent_attempts(self, since: float) -> Sequence[tuple[Channel, str, float]]:
        """Return (channel, provider, started_at) since *since*, so limits outlive a restart."""
