"""What comes from outside, as operations of the writer: submissions, checks, cancellations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from ...message import WAITING, Message, Status, Verification, VerificationStatus
from ...otp import free_at
from ..base import Issued, KeyReused, Limited, Limits, Replay, RowResult
from . import consent
from .fast import Statement, params
from .once import OnceRow, remember, replay
from .rows import verification
from .schema import batches, idempotency, messages, recipient_events, verifications

DAY = 86_400.0
_WAITING = [s.value for s in WAITING]


MessageRow = tuple[Message, dict[str, Any]]
"""A message with its columns, everything encrypted."""


@dataclass(frozen=True, slots=True)
class OtpRow:
    """An OTP order with everything encrypted: two rows that may become one on a resend."""

    message: Message
    message_row: dict[str, Any]
    verification_row: dict[str, Any]
    limits: Limits


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission as rows; `once` already carries the hashed key.

    judged: asks for the opt-outs of a message's recipient and returns what becomes of it.
    """

    rows: Sequence[MessageRow | OtpRow]
    at: float
    batch_row: dict[str, Any] | None
    once: OnceRow
    respond: Callable[[Sequence[RowResult]], Any] | None
    judged: Callable[[Connection, MessageRow], MessageRow]


_MESSAGES = Statement(insert(messages).values(params(c.name for c in messages.columns)))


def submit(
    conn: Connection, calls: Sequence[Prepared]
) -> list[list[RowResult] | Replay | KeyReused]:
    """Take in submissions; all plain messages go in one statement."""
    message_rows: list[dict[str, Any]] = []
    watched = consent.any_wish(conn)
    results: list[list[RowResult] | Replay | KeyReused] = []
    for call in calls:
        earlier = replay(conn, call.once)
        if earlier is not None:
            results.append(earlier)
            continue
        taken = [
            _issue(conn, row, call.at, message_rows)
            if isinstance(row, OtpRow)
            else _take(call.judged(conn, row) if watched else row, message_rows)
            for row in call.rows
        ]
        if call.batch_row is not None and _kept(taken):
            refused = sum(isinstance(r, Limited) for r in taken)
            conn.execute(insert(batches), _counted(call.batch_row, refused))
        if call.once is not None and call.respond is not None and _kept(taken):
            remember(conn, call.once, call.respond(taken))
        results.append(taken)
    if message_rows:
        _MESSAGES.many(conn, message_rows)
    return results


def _kept(results: Sequence[RowResult]) -> bool:
    """Whether anything was kept; a request that was refused whole may be repeated."""
    return any(not isinstance(r, Limited) for r in results)


def _counted(batch_row: dict[str, Any], refused: int) -> dict[str, Any]:
    return {
        **batch_row,
        "accepted": batch_row["accepted"] - refused,
        "rejected": batch_row["rejected"] + refused,
    }


def _take(row: MessageRow, message_rows: list[dict[str, Any]]) -> Message:
    message_rows.append(row[1])
    return row[0]


def _issue(
    conn: Connection, order: OtpRow, now: float, message_rows: list[dict[str, Any]]
) -> Issued | Limited:
    limits = order.limits
    new = order.verification_row
    sends, wrong = recent(conn, new["recipient_idx"], now)
    free = max(
        free_at(sends, limits.sends, limits.cooldown, now),
        free_at(wrong, [(DAY, limits.wrong_per_day)], 0, now),
    )
    if free > now:
        return Limited(free)
    verified = _pending(conn, new, now) or _begin(conn, new)
    conn.execute(
        insert(recipient_events),
        {"recipient_idx": new["recipient_idx"], "kind": "send", "at": now},
    )
    message_rows.append(
        {
            **order.message_row,
            "verification_id": verified.id,
            "expires_at": verified.expires_at,
        }
    )
    return Issued(
        order.message,
        verified,
        free_at([*sends, now], limits.sends, limits.cooldown, now),
    )


def _pending(conn: Connection, new: dict[str, Any], now: float) -> Verification | None:
    """Count a resend on the pending verification, or end it where its time is over."""
    row = (
        conn.execute(
            select(verifications).where(
                verifications.c.recipient_idx == new["recipient_idx"],
                verifications.c.purpose == new["purpose"],
                verifications.c.status == VerificationStatus.PENDING.value,
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    if row["expires_at"] <= now:
        end(conn, row["id"], VerificationStatus.EXPIRED, now)
        return None
    conn.execute(
        update(verifications)
        .where(verifications.c.id == row["id"])
        .values(sends=verifications.c.sends + 1)
    )
    return verification({**row, "sends": row["sends"] + 1}, now)


def _begin(conn: Connection, new: dict[str, Any]) -> Verification:
    conn.execute(insert(verifications), new)
    return verification({"approved_at": None, **new}, new["created_at"])


def recent(conn: Connection, recipient: bytes, now: float) -> tuple[list[float], list[float]]:
    """Return the times of the recipient's sends and wrong tries of the last day, ascending."""
    rows = conn.execute(
        select(recipient_events.c.kind, recipient_events.c.at)
        .where(
            recipient_events.c.recipient_idx == recipient,
            recipient_events.c.at > now - DAY,
        )
        .order_by(recipient_events.c.at)
    ).all()
    return [r.at for r in rows if r.kind == "send"], [r.at for r in rows if r.kind == "wrong"]


def end(conn: Connection, verification_id: str, status: VerificationStatus, now: float) -> None:
    """End a pending verification: drop its code and what still waits to be sent of it."""
    approved = now if status is VerificationStatus.APPROVED else None
    conn.execute(
        update(verifications)
        .where(verifications.c.id == verification_id)
        .values(status=status.value, code_enc=None, approved_at=approved)
    )
    expired = status is VerificationStatus.EXPIRED
    conn.execute(
        update(messages)
        .where(
            messages.c.verification_id == verification_id,
            messages.c.status.in_(_WAITING),
        )
        .values(
            status=(Status.EXPIRED if expired else Status.CANCELED).value,
            due_at=None,
            finished_at=now,
            version=messages.c.version + 1,
        )
    )


def forget(conn: Connection, calls: Sequence[float]) -> list[int]:
    """Drop idempotency keys and limit counts from before each given time."""
    dropped = []
    for before in calls:
        keys = conn.execute(delete(idempotency).where(idempotency.c.at < before)).rowcount
        events = conn.execute(
            delete(recipient_events).where(recipient_events.c.at < before)
        ).rowcount
        dropped.append(keys + events)
    return dropped
