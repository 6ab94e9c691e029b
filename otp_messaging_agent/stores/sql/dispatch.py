"""What the workers need, as operations of the writer and reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, tuple_, update

from ...message import Attempt, Outcome, Status, Ticket
from ...safety.encryption import Keyring
from ..base import Verdict, Work
from . import rows
from .schema import attempts, messages, verifications

FINAL = {
    Status.DELIVERED,
    Status.READ,
    Status.UNDELIVERED,
    Status.FAILED,
    Status.EXPIRED,
    Status.CANCELED,
    Status.SUPPRESSED,
    Status.UNKNOWN,
}


def tickets(conn: Connection, rank: int, limit: int, until: float) -> list[Ticket]:
    """Return the first waiting tickets of *rank*; reads nothing but the index."""
    found = conn.execute(
        select(messages.c.due_at, messages.c.id)
        .where(
            messages.c.rank == rank,
            messages.c.due_at.is_not(None),
            messages.c.due_at <= until,
        )
        .order_by(messages.c.due_at, messages.c.id)
        .limit(limit)
    )
    return [Ticket(rank, due_at, message_id) for due_at, message_id in found]


def load(conn: Connection, message_id: str, keys: Keyring) -> Work | None:
    """Return a message with its attempts and, for a pending OTP, the code."""
    row = conn.execute(select(messages).where(messages.c.id == message_id)).mappings().one_or_none()
    if row is None:
        return None
    message = rows.message(row, keys)
    tried = attempts_of(conn, message_id) if message.tries else []
    if message.verification_id is None:
        return Work(message, tried)
    return Work(message, tried, *_code(conn, message.verification_id, keys))


def attempts_of(conn: Connection, message_id: str) -> list[Attempt]:
    """Return the attempts of a message in their order."""
    found = conn.execute(
        select(attempts).where(attempts.c.message_id == message_id).order_by(attempts.c.number)
    ).mappings()
    return [rows.attempt(r) for r in found]


def _code(conn: Connection, verification_id: str, keys: Keyring) -> tuple[str | None, str]:
    row = conn.execute(
        select(verifications.c.code_enc, verifications.c.purpose).where(
            verifications.c.id == verification_id
        )
    ).one()
    if row.code_enc is None:
        return None, row.purpose
    code = keys.decrypt(row.code_enc, table="verifications", column="code_enc", row=verification_id)
    return code, row.purpose


@dataclass(frozen=True, slots=True)
class Begin:
    """A claim: the attempt to keep, the version it was planned on, the end of the lease."""

    attempt: Attempt
    version: int
    lease_until: float


def begin(conn: Connection, calls: Sequence[Begin]) -> list[bool]:
    """Claim messages by compare-and-set and keep the attempts of those that were won."""
    wanted = {(c.attempt.message_id, c.version) for c in calls}
    won = set(
        conn.execute(
            update(messages)
            .where(
                tuple_(messages.c.id, messages.c.version).in_(sorted(wanted)),
                messages.c.due_at.is_not(None),
            )
            .values(
                status=Status.SENDING.value,
                due_at=max(c.lease_until for c in calls),
                version=messages.c.version + 1,
                tries=messages.c.tries + 1,
            )
            .returning(messages.c.id)
        ).scalars()
    )
    results = []
    kept = []
    for c in calls:
        mine = c.attempt.message_id in won
        won.discard(c.attempt.message_id)
        results.append(mine)
        if mine:
            kept.append(rows.attempt_row(c.attempt))
    if kept:
        conn.execute(insert(attempts), kept)
    return results


_SETTLE_MESSAGE = (
    update(messages)
    .where(messages.c.id == bindparam("b_id"), messages.c.version == bindparam("b_version"))
    .values(
        status=bindparam("b_status"),
        due_at=bindparam("b_due"),
        finished_at=bindparam("b_finished"),
        error_code=bindparam("b_error"),
        cost=messages.c.cost + bindparam("b_cost"),
        channel=bindparam("b_channel"),
        version=messages.c.version + 1,
    )
)
_END_MESSAGE = (
    update(messages)
    .where(messages.c.id == bindparam("b_id"), messages.c.version == bindparam("b_version"))
    .values(
        status=bindparam("b_status"),
        due_at=bindparam("b_due"),
        finished_at=bindparam("b_finished"),
        error_code=bindparam("b_error"),
        version=messages.c.version + 1,
    )
)
_SETTLE_ATTEMPT = (
    update(attempts)
    .where(attempts.c.id == bindparam("b_id"))
    .values(
        {
            name: bindparam(f"b_{name}")
            for name in (
                "finished_at",
                "outcome",
                "provider_message_id",
                "error_code",
                "error_detail",
                "permanent",
                "scope",
                "retry_after",
                "cost",
                "receipt_by",
                "receipt_status",
                "receipt_at",
                "lookups",
            )
        }
    )
)


def settle(conn: Connection, calls: Sequence[Verdict]) -> list[bool]:
    """Keep verdicts; one on a message that has moved on changes nothing but its attempt."""
    with_attempt = [_settled(v, v.attempt) for v in calls if v.attempt is not None]
    without = [_ended(v) for v in calls if v.attempt is None]
    if with_attempt:
        conn.execute(_SETTLE_MESSAGE, with_attempt)
        conn.execute(_SETTLE_ATTEMPT, [_attempt(v.attempt) for v in calls if v.attempt])
    if without:
        conn.execute(_END_MESSAGE, without)
    return [True] * len(calls)


def _ended(v: Verdict) -> dict[str, object]:
    awaited = v.attempt is not None and v.attempt.receipt_by is not None
    final = v.status in FINAL or (v.status is Status.SENT and not awaited)
    return {
        "b_id": v.message_id,
        "b_version": v.version,
        "b_status": v.status.value,
        "b_due": v.due_at,
        "b_finished": v.at if final else None,
        "b_error": v.error_code,
    }


def _settled(v: Verdict, a: Attempt) -> dict[str, object]:
    cost = a.cost if a.outcome is Outcome.SENT else 0.0
    return {**_ended(v), "b_cost": cost, "b_channel": a.channel.value}


def _attempt(a: Attempt) -> dict[str, object]:
    return {
        "b_id": a.id,
        "b_finished_at": a.finished_at,
        "b_outcome": a.outcome and a.outcome.value,
        "b_provider_message_id": a.provider_message_id,
        "b_error_code": a.error_code,
        "b_error_detail": a.error_detail,
        "b_permanent": a.permanent,
        "b_scope": a.scope,
        "b_retry_after": a.retry_after,
        "b_cost": a.cost if a.outcome is Outcome.SENT else 0.0,
        "b_receipt_by": a.receipt_by,
        "b_receipt_status": a.receipt_status and a.receipt_status.value,
        "b_receipt_at": a.receipt_at,
        "b_lookups": a.lookups,
    }
