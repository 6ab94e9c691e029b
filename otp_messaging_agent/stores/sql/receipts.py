"""What providers say became of messages, joined to their attempts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, null, select, update

from ...message import Receipt, Status
from .schema import attempts, messages

PROGRESS = {
    Status.SENT: 1,
    Status.UNKNOWN: 2,
    Status.UNDELIVERED: 3,
    Status.DELIVERED: 4,
    Status.READ: 5,
}
"""How far a receipt says a message came; a receipt never takes it back."""


def receive(conn: Connection, calls: Sequence[Receipt]) -> list[bool]:
    """Join receipts to their attempts and messages, forwards only."""
    return [_receive(conn, r) for r in calls]


def _receive(conn: Connection, r: Receipt) -> bool:
    row = conn.execute(
        select(
            attempts.c.id,
            attempts.c.message_id,
            attempts.c.receipt_status,
            messages.c.status,
        )
        .join_from(attempts, messages, messages.c.id == attempts.c.message_id)
        .where(
            attempts.c.provider == r.provider,
            attempts.c.provider_message_id == r.provider_message_id,
        )
        .order_by(attempts.c.started_at.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return False
    new = PROGRESS[r.status]
    if new > PROGRESS.get(row.receipt_status, 0):
        conn.execute(
            update(attempts)
            .where(attempts.c.id == row.id)
            .values(
                receipt_status=r.status.value,
                receipt_at=r.at,
                receipt_by=attempts.c.receipt_by if r.status is Status.SENT else null(),
                error_code=r.error_code,
            )
        )
    if new > PROGRESS.get(row.status, len(PROGRESS)):
        conn.execute(
            update(messages)
            .where(messages.c.id == row.message_id)
            .values(
                status=r.status.value,
                finished_at=r.at,
                error_code=r.error_code,
                version=messages.c.version + 1,
            )
        )
    return True


def overdue(conn: Connection, now: float, limit: int) -> list[Receipt]:
    """Return receipts that should have come by now, each as `unknown`."""
    found = conn.execute(
        select(attempts.c.provider, attempts.c.provider_message_id)
        .where(attempts.c.receipt_by.is_not(None), attempts.c.receipt_by <= now)
        .limit(limit)
    )
    return [Receipt(r.provider, r.provider_message_id, Status.UNKNOWN, now) for r in found]
