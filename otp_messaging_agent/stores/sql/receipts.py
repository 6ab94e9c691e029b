"""What providers say became of messages, joined to their attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    case,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    true,
    update,
)

from ...message import Receipt, Status
from ..base import Joined
from . import arrived
from .counters import count
from .schema import attempts, messages, metadata

parked_receipts = Table(
    "parked_receipts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("provider", String(64), nullable=False),
    Column("provider_message_id", String(128), nullable=False),
    Column("status", String(16), nullable=False),
    Column("at", Float, nullable=False),
    Column("error_code", String(64)),
    Column("error_detail", String(500)),
    Column("scope", String(16)),
    Column("cost", Float),
    Column("received_at", Float, nullable=False),
)
Index("parked_receipts_received", parked_receipts.c.received_at)

PROGRESS = {
    Status.SENT: 1,
    Status.UNKNOWN: 2,
    Status.UNDELIVERED: 3,
    Status.DELIVERED: 4,
    Status.READ: 5,
}
"""How far a receipt says a message came; a receipt never takes it back."""

PARKED_MOST = 10_000
"""Receipts of unknown sends that are kept for later, the newest; the others are only counted."""

UNKNOWN, _SOME = "receipts_unknown", 500


def receive(conn: Connection, calls: Sequence[tuple[Receipt, float]]) -> list[Joined | None]:
    """Join receipts to their attempts and messages, forwards only; park those that meet none."""
    joined = [join(conn, receipt, at) for receipt, at in calls]
    left = [call for call, found in zip(calls, joined, strict=True) if found is None]
    if left:
        conn.execute(insert(parked_receipts), [_parked(r, at) for r, at in left])
        _make_room(conn)
    return joined


def _make_room(conn: Connection) -> None:
    """Drop the oldest over the bound: one whose send is only slow to be kept is a new one."""
    p = parked_receipts
    over = conn.execute(select(func.count()).select_from(p)).scalar_one() - PARKED_MOST
    if over > 0:
        oldest = select(p.c.number).order_by(p.c.number).limit(over)
        conn.execute(delete(p).where(p.c.number.in_(oldest)))
        count(conn, [[(UNKNOWN, over)]])


def join(conn: Connection, r: Receipt, told_at: float) -> Joined | None:
    """Join one receipt, told at *told_at*; None where no attempt has its id."""
    row = conn.execute(
        select(
            attempts.c.id,
            attempts.c.message_id,
            attempts.c.number,
            attempts.c.receipt_status,
            attempts.c.cost,
            messages.c.status,
            messages.c.tries,
            messages.c.due_at,
        )
        .join_from(attempts, messages, messages.c.id == attempts.c.message_id)
        .where(
            attempts.c.provider == r.provider,
            attempts.c.provider_message_id == r.provider_message_id,
        )
        .order_by(_awaits(r), attempts.c.started_at.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    if PROGRESS[r.status] > PROGRESS.get(row.receipt_status, 0):
        _mark(conn, r, row, max(told_at, r.at))
    last = row.number == row.tries
    if _moves(r, row, last=last):
        conn.execute(
            update(messages)
            .where(messages.c.id == row.message_id)
            .values(
                status=r.status.value,
                due_at=None,
                finished_at=r.at,
                error_code=r.error_code,
                version=messages.c.version + 1,
            )
        )
    return Joined(row.message_id, row.id, r.status, last)


def _awaits(r: Receipt) -> ColumnElement[int]:
    """Sort first, where a vendor gave one id twice, what a missing receipt is missing of."""
    missing = r.status is Status.UNKNOWN
    return case((literal(missing) & (attempts.c.receipt_by <= r.at), 0), else_=1)


def _moves(r: Receipt, row: Any, *, last: bool) -> bool:
    """Whether the message becomes what the receipt says.

    That it arrived is true whatever was tried since; that it did not, only of the last try. A
    message that is being sent again is left to the verdict of that send.
    """
    if row.status == Status.SENDING:
        return False
    new, now = PROGRESS[r.status], PROGRESS.get(row.status)
    if r.status in arrived.ARRIVED:
        return now is None or new > now
    return last and row.due_at is None and now is not None and new > now


def _mark(conn: Connection, r: Receipt, row: Any, told_at: float) -> None:
    """Keep what the receipt says; when it arrived stays, whenever it is read."""
    had_arrived = row.receipt_status in arrived.ARRIVED
    values: dict[str, Any] = {
        "receipt_status": r.status.value,
        "receipt_at": attempts.c.receipt_at if had_arrived else r.at,
        "told_at": attempts.c.told_at if had_arrived else told_at,
        "receipt_by": attempts.c.receipt_by if r.status is Status.SENT else null(),
        "error_code": r.error_code,
        "error_detail": r.error_detail,
        "scope": r.scope,
    }
    arrives = r.status in arrived.ARRIVED and not had_arrived
    if arrives and arrived.other(conn, row.message_id, beside=row.id):
        values["duplicate"] = true()
    if r.cost is not None:
        values["cost"] = r.cost
        conn.execute(
            update(messages)
            .where(messages.c.id == row.message_id)
            .values(cost=messages.c.cost + r.cost - row.cost)
        )
    conn.execute(update(attempts).where(attempts.c.id == row.id).values(values))


def _parked(r: Receipt, now: float) -> dict[str, Any]:
    return {**asdict(r), "status": r.status.value, "received_at": now}


def any_ripe(conn: Connection, before: float) -> bool:
    """Whether `join_parked` has anything to do: asked twice a second, so it must not hold writers.

    Receipts of sends that are none of ours are parked for long, and nothing comes of them.
    """
    old = select(parked_receipts.c.number).where(parked_receipts.c.received_at < before)
    ripe = (conn.execute(q.limit(1)).first() for q in (old, _known(parked_receipts.c.number)))
    return any(found is not None for found in ripe)


def _known(*columns: ColumnElement[Any]) -> Select[Any]:
    p = parked_receipts
    return select(*columns).join_from(
        p,
        attempts,
        (attempts.c.provider == p.c.provider)
        & (attempts.c.provider_message_id == p.c.provider_message_id),
    )


def join_parked(conn: Connection, calls: Sequence[tuple[float, float]]) -> list[list[Joined]]:
    """Join what is parked where its attempt is known by now; drop what is older than asked."""
    return [_join_parked(conn, before, now) for before, now in calls]


def _join_parked(conn: Connection, before: float, now: float) -> list[Joined]:
    p = parked_receipts
    found = conn.execute(_known(*p.c).order_by(p.c.number).limit(_SOME)).all()
    joined = [join(conn, _receipt(row), now) for row in found]
    conn.execute(delete(p).where(p.c.number.in_([row.number for row in found])))
    if len(found) < _SOME:  # else more that are known may be left: they are not dropped
        dropped = conn.execute(delete(p).where(p.c.received_at < before)).rowcount
        count(conn, [[(UNKNOWN, dropped)]])
    return [j for j in joined if j is not None]


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(
        row.provider,
        row.provider_message_id,
        Status(row.status),
        row.at,
        row.error_code,
        row.error_detail,
        row.scope,
        row.cost,
    )


def missed(conn: Connection, since: float) -> list[Joined]:
    """Return the messages whose last try did not arrive, as was told since *since*."""
    found = conn.execute(
        select(messages.c.id, attempts.c.id, messages.c.status)
        .join_from(messages, attempts, attempts.c.message_id == messages.c.id)
        .where(
            messages.c.status.in_([Status.UNDELIVERED, Status.UNKNOWN]),
            messages.c.finished_at >= since,
            attempts.c.number == messages.c.tries,
        )
        .order_by(messages.c.id)
        .limit(_SOME)
    )
    return [Joined(m, a, Status(status), last=True) for m, a, status in found]


def overdue(conn: Connection, now: float, limit: int) -> list[Receipt]:
    """Return receipts that should have come by now, each as `unknown`."""
    found = conn.execute(
        select(attempts.c.provider, attempts.c.provider_message_id)
        .where(attempts.c.receipt_by.is_not(None), attempts.c.receipt_by <= now)
        .limit(limit)
    )
    return [Receipt(r.provider, r.provider_message_id, Status.UNKNOWN, now) for r in found]
