"""The contract of a store, each method one operation of the writer or one read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from ...message import (
    Attempt,
    Message,
    Receipt,
    Status,
    Ticket,
)
from ...message import VerificationStatus as VStatus
from ..base import (
    Check,
    Checked,
    Joined,
    KeyReused,
    Limited,
    Once,
    Replay,
    RowResult,
    Submission,
    Verdict,
    Work,
)
from . import (
    checks,
    counters,
    dispatch,
    intake,
    lease,
    prepare,
    receipts,
    verdicts,
)
from .once import replay
from .reading import Reading

RENEW = 2.0
"""Seconds between two heartbeats of the dispatcher."""


class SqlStore(Reading):
    """The contract of `stores.base` over a SQL database."""

    # ------------------------------------------------------------ intake

    def submit(self, submission: Submission) -> list[RowResult] | Replay | KeyReused:
        """Keep all rows, or replay the answer of an earlier submission."""

        def prepared() -> intake.Prepared:
            return prepare.submission(submission, self._keys)

        made = prepared if callable(submission.rows) else prepared()
        results = self._writer.call(intake.submit, made)
        if isinstance(results, list):
            self._recent.put(r for r in results if isinstance(r, Message))
        return results

    def answered(self, once: Once) -> Replay | KeyReused | None:
        """Return what an earlier request with this key got."""
        return self._read(replay, prepare.once(once, self._keys))

    def check(self, check: Check) -> Checked | Limited | Replay | KeyReused:
        """Count one try, then compare: one atomic step."""
        return self._writer.call(checks.check, prepare.check(check, self._keys))

    def cancel_message(
        self, message_id: str, now: float, once: Once | None = None
    ) -> Status | Replay | KeyReused | None:
        """Cancel a waiting message; return the status it then has."""
        canceled = self._writer.call(
            checks.cancel_message, checks.Cancel(message_id, now, prepare.once(once, self._keys))
        )
        self._recent.take(message_id)
        return canceled

    def cancel_verification(
        self, verification_id: str, now: float, once: Once | None = None
    ) -> VStatus | Replay | KeyReused | None:
        """Cancel a pending verification and what still waits to be sent of it."""
        return self._writer.call(
            checks.cancel_verification,
            checks.Cancel(verification_id, now, prepare.once(once, self._keys)),
        )

    def forget_keys(self, before: float) -> int:
        """Drop idempotency keys and limit counts from before *before*."""
        return self._writer.call(intake.forget, before)

    # ---------------------------------------------------------- dispatch

    def lead(self, owner: str, now: float, ttl: float) -> bool:
        """Become or stay the one process that dispatches."""
        owner = lease.identity(owner)
        mine, at = self._renewed
        if mine == owner and ttl > 0 and at <= now < at + min(RENEW, ttl / 3):
            return True
        holder = self._read(lease.holder)
        if (
            holder
            and holder[0] != owner
            and (ttl == 0 or (holder[1] > now and not lease.is_dead(holder[0], owner)))
        ):
            self._renewed = ("", 0.0)
            return False
        leading = self._writer.call(lease.lead, lease.Lead(owner, now, ttl))
        self._renewed = (owner, now) if leading else ("", 0.0)
        return leading

    def tickets(self, rank: int, limit: int, until: float) -> list[Ticket]:
        """Return the first messages of *rank* due by *until*, in order."""
        self._watch()
        found = self._read(dispatch.tickets, rank, limit, until)
        wanted = self._recent.missing(t.message_id for t in found)
        self._recent.put(self._read(dispatch.messages_of, wanted, self._keys))
        return found

    def load(self, message_id: str) -> Work | None:
        """Return the message with its attempts, None where there is none."""
        recent = self._recent.take(message_id)
        work = Work(recent) if recent else self._read(dispatch.load, message_id, self._keys)
        if work is None or not self._watched:
            return work
        return replace(work, blocked=self.blocked(work.message))

    def begin(self, attempt: Attempt, version: int, lease_until: float) -> bool:
        """Claim the message at *version* and keep the attempt before it is made."""
        won = self._writer.call(dispatch.begin, dispatch.Begin(attempt, version, lease_until))
        self._recent.take(attempt.message_id)
        return won

    def settle(self, verdict: Verdict, *, wait: bool = True) -> bool:
        """Keep *verdict*; with wait=False with the next commit."""
        self._recent.take(verdict.message_id)
        if wait:
            return self._writer.call(verdicts.settle, verdict)
        self._writer.post(verdicts.settle, verdict)
        return True

    def receive(self, receipt: Receipt) -> Joined | None:
        """Join a receipt to its attempt, forwards only, or park it."""
        return self._writer.call(receipts.receive, (receipt, time.time()))

    def join_parked(self, before: float) -> Sequence[Joined]:
        """Join parked receipts whose attempt is known by now; drop those that are too old."""
        if not self._read(receipts.any_ripe, before):
            return []
        return self._writer.call(receipts.join_parked, (before, time.time()))

    def missed(self, since: float) -> list[Joined]:
        """Return the messages whose last try did not arrive, as was told since *since*."""
        return self._read(receipts.missed, since)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter that outlives the process; nobody waits, as strangers can cause it."""
        if self._pending.add(name, by):
            self._writer.post(counters.count, self._pending.take)

    def overdue(self, now: float, limit: int) -> list[Receipt]:
        """Return receipts that should have come by *now*, each as `unknown`."""
        return self._read(receipts.overdue, now, limit)
