"""Checking a code and calling things off, as operations of the writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from ...message import WAITING, Status, VerificationStatus
from ...otp import free_at
from ..base import Check, Checked, KeyReused, Limited, Replay
from .intake import DAY, end, recent
from .once import OnceRow, remember, replay
from .schema import messages, recipient_events, verifications


@dataclass(frozen=True, slots=True)
class PreparedCheck:
    """A check with its recipient and idempotency key hashed."""

    check: Check
    recipient_idx: bytes | None
    once: OnceRow


@dataclass(frozen=True, slots=True)
class Cancel:
    """What to call off."""

    id: str
    now: float
    once: OnceRow


def check(
    conn: Connection, calls: Sequence[PreparedCheck]
) -> list[Checked | Limited | Replay | KeyReused]:
    """Check codes one after the other; each try is counted before it is compared."""
    return [_check(conn, call) for call in calls]


def _check(conn: Connection, call: PreparedCheck) -> Checked | Limited | Replay | KeyReused:
    earlier = replay(conn, call.once)
    if earlier is not None:
        return earlier
    row = _find(conn, call)
    result = _judge(conn, call.check, row)
    if isinstance(result, Checked):
        remember(
            conn,
            call.once,
            {
                "verified": result.verified,
                "status": result.status,
                "reason": result.reason,
                "attempts_remaining": result.attempts_remaining,
            },
        )
    return result


def _find(conn: Connection, call: PreparedCheck) -> Row[Any] | None:
    query = select(verifications)
    if call.check.verification_id is not None:
        query = query.where(verifications.c.id == call.check.verification_id)
    else:
        query = query.where(
            verifications.c.recipient_idx == call.recipient_idx,
            verifications.c.purpose == call.check.purpose,
        )
    return conn.execute(query.order_by(verifications.c.id.desc()).limit(1)).one_or_none()


_OVER = {
    VerificationStatus.EXPIRED: "expired",
    VerificationStatus.MAX_ATTEMPTS_REACHED: "max_attempts_reached",
}


def _judge(conn: Connection, c: Check, row: Row[Any] | None) -> Checked | Limited:
    if row is None:
        return Checked(verified=False, status=None, reason="not_found", attempts_remaining=0)
    status = VerificationStatus(row.status)
    if status is VerificationStatus.PENDING and row.expires_at <= c.at:
        end(conn, row.id, VerificationStatus.EXPIRED, c.at)
        status = VerificationStatus.EXPIRED
    if status is not VerificationStatus.PENDING:
        return Checked(
            verified=False,
            status=status,
            reason=_OVER.get(status, "not_found"),
            attempts_remaining=0,
        )
    _, wrong = recent(conn, row.recipient_idx, c.at)
    free = free_at(wrong, [(DAY, c.limits.wrong_per_day)], 0, c.at)
    if free > c.at:
        return Limited(free)
    return _try(conn, c, row)


def _try(conn: Connection, c: Check, row: Row[Any]) -> Checked:
    counted = conn.execute(
        update(verifications)
        .where(
            verifications.c.id == row.id,
            verifications.c.status == VerificationStatus.PENDING.value,
            verifications.c.attempts < verifications.c.max_attempts,
        )
        .values(attempts=verifications.c.attempts + 1)
        .returning(verifications.c.attempts, verifications.c.code_hash)
    ).one()
    left = row.max_attempts - counted.attempts
    if c.matches(row.id, counted.code_hash):
        end(conn, row.id, VerificationStatus.APPROVED, c.at)
        conn.execute(
            delete(recipient_events).where(
                recipient_events.c.recipient_idx == row.recipient_idx,
                recipient_events.c.kind == "wrong",
            )
        )
        return Checked(
            verified=True,
            status=VerificationStatus.APPROVED,
            reason=None,
            attempts_remaining=left,
        )
    conn.execute(
        insert(recipient_events),
        {"recipient_idx": row.recipient_idx, "kind": "wrong", "at": c.at},
    )
    if left:
        return Checked(
            verified=False,
            status=VerificationStatus.PENDING,
            reason="wrong_code",
            attempts_remaining=left,
        )
    end(conn, row.id, VerificationStatus.MAX_ATTEMPTS_REACHED, c.at)
    return Checked(
        verified=False,
        status=VerificationStatus.MAX_ATTEMPTS_REACHED,
        reason="wrong_code",
        attempts_remaining=0,
    )


def cancel_message(
    conn: Connection, calls: Sequence[Cancel]
) -> list[Status | Replay | KeyReused | None]:
    """Cancel messages that still wait."""
    return [_cancel_message(conn, c) for c in calls]


def _cancel_message(conn: Connection, c: Cancel) -> Status | Replay | KeyReused | None:
    earlier = replay(conn, c.once)
    if earlier is not None:
        return earlier
    conn.execute(
        update(messages)
        .where(messages.c.id == c.id, messages.c.status.in_([s.value for s in WAITING]))
        .values(
            status=Status.CANCELED.value,
            due_at=None,
            finished_at=c.now,
            version=messages.c.version + 1,
        )
    )
    status = conn.execute(select(messages.c.status).where(messages.c.id == c.id)).scalar()
    if status == Status.CANCELED:
        remember(conn, c.once, status)
    return None if status is None else Status(status)


def cancel_verification(
    conn: Connection, calls: Sequence[Cancel]
) -> list[VerificationStatus | Replay | KeyReused | None]:
    """Cancel verifications that are still pending."""
    return [_cancel_verification(conn, c) for c in calls]


def _cancel_verification(
    conn: Connection, c: Cancel
) -> VerificationStatus | Replay | KeyReused | None:
    earlier = replay(conn, c.once)
    if earlier is not None:
        return earlier
    row = conn.execute(
        select(verifications.c.status, verifications.c.expires_at).where(verifications.c.id == c.id)
    ).one_or_none()
    if row is None:
        return None
    status = VerificationStatus(row.status)
    if status is VerificationStatus.PENDING:
        over = row.expires_at <= c.now
        status = VerificationStatus.EXPIRED if over else VerificationStatus.CANCELED
        end(conn, c.id, status, c.now)
    if status is VerificationStatus.CANCELED:
        remember(conn, c.once, status.value)
    return status
