"""Whether a message arrived by an earlier or another try, and what it then was sent for twice."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, select, true, update

from ...message import Outcome, Status
from .schema import attempts, messages

ARRIVED = (Status.DELIVERED, Status.READ)


def _has_arrived() -> ColumnElement[bool]:
    """As far as its provider says; what one that gives no receipts took counts as arrived."""
    final = attempts.c.receipt_status.is_(None) & attempts.c.receipt_by.is_(None)
    took = attempts.c.outcome == Outcome.SENT.value
    return took & (attempts.c.receipt_status.in_(ARRIVED) | final)


def other(conn: Connection, message_id: str, *, beside: str) -> Status | None:
    """Return how far another attempt of the message came: read, delivered, or None."""
    found = conn.execute(
        select(attempts.c.receipt_status).where(
            attempts.c.message_id == message_id, attempts.c.id != beside, _has_arrived()
        )
    ).scalars()
    came = set(found)
    if not came:
        return None
    return Status.READ if Status.READ in came else Status.DELIVERED


def keep(conn: Connection, message_id: str, attempt_id: str, now: float) -> None:
    """After a later try: where an earlier one has arrived meanwhile, the message has.

    That try is a duplicate already where no receipt is to come that would say so.
    """
    status = other(conn, message_id, beside=attempt_id)
    if status is None:
        return
    beyond = ARRIVED if status is Status.DELIVERED else (Status.READ,)
    conn.execute(
        update(messages)
        .where(messages.c.id == message_id, messages.c.status.not_in(beyond))
        .values(status=status.value, due_at=None, finished_at=now, error_code=None)
    )
    conn.execute(
        update(attempts).where(attempts.c.id == attempt_id, _has_arrived()).values(duplicate=true())
    )
