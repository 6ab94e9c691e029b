"""Dispatching: what the workers need, and what providers say afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...message import Attempt, Message, Receipt, Status, Ticket
from .consent import Blocked


@dataclass(frozen=True, slots=True)
class Work:
    """A message to try, all that was tried, and for an OTP still pending its code and purpose.

    blocked: the opt-outs of its recipient.
    """

    message: Message
    attempts: Sequence[Attempt] = ()
    code: str | None = None
    purpose: str = ""
    blocked: Sequence[Blocked] = ()


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


@dataclass(frozen=True, slots=True)
class Joined:
    """A receipt met its attempt. last: no later attempt of the message was begun."""

    message_id: str
    attempt_id: str
    status: Status
    last: bool


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

    def receive(self, receipt: Receipt) -> Joined | None:
        """Join a receipt to its attempt, forwards only; None where no attempt has that id.

        It is parked then, as it may have come before our own commit of the id: see `join_parked`.
        """
