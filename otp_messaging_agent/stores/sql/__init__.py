"""SQLite through SQLAlchemy Core: every write through one thread, every read on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from ...errors import StoreUnavailable
from ...message import Attempt, Channel, Message, Receipt, Status, Ticket, Verification
from ...message import VerificationStatus as VStatus
from ...providers.base import InboxEntry
from ...safety.encryption import Keyring
from ..base import (
    Check,
    Checked,
    Figures,
    KeyReused,
    Limited,
    Once,
    OtpOrder,
    Replay,
    Row,
    RowResult,
    Search,
    Submission,
    Verdict,
    Work,
)
from . import archive, checks, dispatch, engine, intake, lease, rows
from .schema import inbox, verifications
from .writer import Writer

T = TypeVar("T")
RENEW = 2.0
"""Seconds between two heartbeats of the dispatcher."""


def make(url: str, *, synchronous: str, keys: Keyring) -> SqlStore:
    """Return a store over *url*; nothing is opened yet."""
    return SqlStore(url, synchronous, keys)


class SqlStore:
    """The contract of `stores.base` over a SQL database."""

    def __init__(self, url: str, synchronous: str, keys: Keyring) -> None:
        self._engines = engine.Engines(url, synchronous)
        self._keys = keys
        self._writer = Writer(self._engines.write)
        self._renewed: tuple[str, float] = ("", 0.0)

    def open(self) -> None:
        """Create or migrate the schema and start what writes."""
        try:
            self._engines.migrate()
        except SQLAlchemyError as e:
            msg = f"cannot open the store: {getattr(e, 'orig', None) or type(e).__name__}"
            raise StoreUnavailable(msg) from e
        self._writer.start()

    def close(self, timeout: float) -> None:
        """Write what waits and release everything."""
        self._writer.stop(timeout)
        self._engines.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engines.read.connect() as connection:
                yield connection
        except SQLAlchemyError as e:
            msg = f"the store could not read: {type(e).__name__}"
            raise StoreUnavailable(msg) from e

    def _read(self, query: Callable[..., T], *args: Any) -> T:
        with self._reading() as connection:
            return query(connection, *args)

    # ------------------------------------------------------------ intake

    def submit(self, submission: Submission) -> list[RowResult] | Replay | KeyReused:
        """Keep all rows, or replay the answer of an earlier submission."""
        batch_row = submission.batch_id and {
            "id": submission.batch_id,
            "created_at": submission.at,
            "accepted": len(submission.rows),
            "rejected": submission.rejected,
        }
        prepared = intake.Prepared(
            rows=[self._prepared(row, submission.at) for row in submission.rows],
            at=submission.at,
            batch_row=batch_row or None,
            once=self._once(submission.once),
            respond=submission.respond,
        )
        return self._writer.call(intake.submit, prepared)

    def _prepared(self, row: Row, now: float) -> tuple[Message, dict[str, Any]] | intake.OtpRow:
        if isinstance(row, Message):
            return row, rows.message_row(row, self._keys)
        return intake.OtpRow(
            row.message,
            rows.message_row(row.message, self._keys),
            self._verification_row(row, now),
            row.limits,
        )

    def _verification_row(self, order: OtpOrder, now: float) -> dict[str, Any]:
        message = order.message
        address = str(message.phone_number or message.email)
        code = self._keys.encrypt(
            order.code,
            table="verifications",
            column="code_enc",
            row=order.verification_id,
        )
        return {
            "id": order.verification_id,
            "recipient_idx": self._keys.blind_index("recipient", address),
            "channel_kind": "phone_number" if message.phone_number else "email",
            "purpose": order.purpose,
            "status": VStatus.PENDING.value,
            "code_hash": order.code_hash,
            "code_enc": code,
            "created_at": now,
            "expires_at": order.expires_at,
            "attempts": 0,
            "max_attempts": order.max_attempts,
            "sends": 1,
        }

    def _once(self, once: Once | None) -> tuple[bytes, Once] | None:
        return None if once is None else (self._keys.blind_index("once", once.key), once)

    def check(self, check: Check) -> Checked | Limited | Replay | KeyReused:
        """Count one try, then compare: one atomic step."""
        who = None
        if check.recipient is not None:
            who = self._keys.blind_index("recipient", check.recipient)
        return self._writer.call(
            checks.check, checks.PreparedCheck(check, who, self._once(check.once))
        )

    def cancel_message(
        self, message_id: str, now: float, once: Once | None = None
    ) -> Status | Replay | KeyReused | None:
        """Cancel a waiting message; return the status it then has."""
        return self._writer.call(
            checks.cancel_message, checks.Cancel(message_id, now, self._once(once))
        )

    def cancel_verification(
        self, verification_id: str, now: float, once: Once | None = None
    ) -> VStatus | Replay | KeyReused | None:
        """Cancel a pending verification and what still waits to be sent of it."""
        return self._writer.call(
            checks.cancel_verification,
            checks.Cancel(verification_id, now, self._once(once)),
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
        return self._read(dispatch.tickets, rank, limit, until)

    def load(self, message_id: str) -> Work | None:
        """Return the message with its attempts, None where there is none."""
        return self._read(dispatch.load, message_id, self._keys)

    def begin(self, attempt: Attempt, version: int, lease_until: float) -> bool:
        """Claim the message at *version* and keep the attempt before it is made."""
        return self._writer.call(dispatch.begin, dispatch.Begin(attempt, version, lease_until))

    def settle(self, verdict: Verdict, *, wait: bool = True) -> bool:
        """Keep *verdict*; with wait=False with the next commit."""
        if wait:
            return self._writer.call(dispatch.settle, verdict)
        self._writer.post(dispatch.settle, verdict)
        return True

    def receive(self, receipt: Receipt) -> bool:
        """Join a receipt to its attempt, forwards only."""
        return self._writer.call(dispatch.receive, receipt)

    def overdue(self, now: float, limit: int) -> list[Receipt]:
        """Return receipts that should have come by *now*, each as `unknown`."""
        return self._read(dispatch.overdue, now, limit)

    # ----------------------------------------------------------- archive

    def message(self, message_id: str) -> tuple[Message, list[Attempt]] | None:
        """Return a message and its attempts in order, or None."""
        work = self.load(message_id)
        return None if work is None else (work.message, list(work.attempts))

    def search(self, search: Search) -> list[Message]:
        """Return the newest messages that match."""
        found = self._read(archive.search, search, self._keys)
        return [rows.message(r, self._keys) for r in found]

    def batch(self, batch_id: str) -> Mapping[str, Any] | None:
        """Return a batch's counts by status, or None."""
        return self._read(archive.batch, batch_id)

    def verification(self, verification_id: str, now: float) -> Verification | None:
        """Return a verification as it stands at *now*, or None."""
        with self._reading() as connection:
            row = (
                connection.execute(
                    select(verifications).where(verifications.c.id == verification_id)
                )
                .mappings()
                .one_or_none()
            )
        return None if row is None else rows.verification(row, now)

    def figures(self, now: float) -> Figures:
        """Count everything /metrics shows."""
        return self._read(archive.figures, now)

    def waiting(self, at_most: int) -> int:
        """Return how many messages wait, counting no further than *at_most*."""
        return self._read(archive.waiting, at_most)

    def recent_attempts(self, since: float) -> Sequence[tuple[Channel, str, float]]:
        """Return (channel, provider, started_at) since *since*."""
        return self._read(archive.recent_attempts, since)

    # ------------------------------------------------------------- inbox

    def put_inbox(self, entry: InboxEntry) -> None:
        """Keep *entry* durably; the same id again changes nothing."""
        self._writer.call(_put_inbox, rows.inbox_row(entry, self._keys))

    def inbox(self, *, limit: int = 200, to: str | None = None) -> list[InboxEntry]:
        """Return the newest entries first, only those for *to* if given."""
        query = select(inbox).order_by(inbox.c.at.desc()).limit(limit)
        if to is not None:
            query = query.where(inbox.c.to_idx == self._keys.blind_index("inbox", to))
        with self._reading() as connection:
            found = connection.execute(query).mappings().all()
        return [rows.inbox_entry(r, self._keys) for r in found]

    def inbox_entry(self, entry_id: str) -> InboxEntry | None:
        """Return one entry, or None."""
        with self._reading() as connection:
            row = (
                connection.execute(select(inbox).where(inbox.c.id == entry_id))
                .mappings()
                .one_or_none()
            )
        return None if row is None else rows.inbox_entry(row, self._keys)

    def due_receipts(self, provider: str, now: float) -> list[InboxEntry]:
        """Return the entries of *provider* whose receipt is due and was not returned before."""
        with self._reading() as connection:
            first = connection.execute(_due_of(provider, now).limit(1)).one_or_none()
        if first is None:
            return []
        found = self._writer.call(_take_receipts, (provider, now))
        return [rows.inbox_entry(r, self._keys) for r in found]


def _put_inbox(conn: Connection, calls: Sequence[dict[str, Any]]) -> list[None]:
    conn.execute(upsert(inbox).on_conflict_do_nothing(), list(calls))
    return [None] * len(calls)


def _due_of(provider: str, now: float) -> Select[Any]:
    return select(inbox).where(inbox.c.receipt_due <= now, inbox.c.provider == provider)


def _take_receipts(
    conn: Connection, calls: Sequence[tuple[str, float]]
) -> list[list[Mapping[str, Any]]]:
    return [_take_due(conn, provider, now) for provider, now in calls]


def _take_due(conn: Connection, provider: str, now: float) -> list[Mapping[str, Any]]:
    found = conn.execute(_due_of(provider, now).limit(500)).mappings().all()
    ids = [r["id"] for r in found]
    conn.execute(update(inbox).where(inbox.c.id.in_(ids)).values(receipt_due=None))
    return list(found)
