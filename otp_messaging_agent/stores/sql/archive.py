"""What people and programs look up: reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, case, exists, func, select

from ...message import Attempt, Channel, Message, Outcome, Status
from ...safety.encryption import Keyring
from ..base import Figures, Search
from . import rows
from .counters import counters
from .schema import attempts, batches, messages, verifications

RECENT = 1000
"""Attempts that the latency figures are taken from."""
_CHUNK = 500
"""Ids in one query; SQLite takes 32 766 parameters, older ones 999."""


def search(conn: Connection, s: Search, keys: Keyring) -> list[RowMapping]:
    """Return the rows of the newest messages that match."""
    query: Select[Any] = select(messages).order_by(messages.c.id.desc()).limit(s.limit)
    equal = {
        "status": s.status,
        "channel": s.channel,
        "type": s.type,
        "batch_id": s.batch_id,
        "reference": s.reference,
    }
    for name, value in equal.items():
        if value is not None:
            query = query.where(messages.c[name] == value)
    hashed = {"phone": "phone_number", "email": "email", "user": "user_id"}
    for column, name in hashed.items():
        value = getattr(s, name)
        if value is not None:
            query = query.where(messages.c[f"{column}_idx"] == rows.found_by(keys, name, value))
    if s.since is not None:
        query = query.where(messages.c.created_at >= s.since)
    if s.until is not None:
        query = query.where(messages.c.created_at < s.until)
    if s.after is not None:
        query = query.where(messages.c.id < s.after)
    return list(conn.execute(query).mappings().all())


def history(
    conn: Connection, created: tuple[float, float], after: str | None, limit: int, keys: Keyring
) -> list[tuple[Message, list[Attempt]]]:
    """Return messages that were tried, created from the first time to before the second."""
    since, until = created
    query = (
        select(messages)
        .where(
            messages.c.created_at >= since,
            messages.c.created_at < until,
            exists().where(attempts.c.message_id == messages.c.id),
        )
        .order_by(messages.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(messages.c.id > after)
    found = [rows.message(r, keys) for r in conn.execute(query).mappings()]
    tried = _attempts_of(conn, [m.id for m in found])
    return [(m, tried[m.id]) for m in found]


def _attempts_of(conn: Connection, ids: Sequence[str]) -> Mapping[str, list[Attempt]]:
    tried: dict[str, list[Attempt]] = {message_id: [] for message_id in ids}
    for start in range(0, len(ids), _CHUNK):
        query = (
            select(attempts)
            .where(attempts.c.message_id.in_(ids[start : start + _CHUNK]))
            .order_by(attempts.c.message_id, attempts.c.number)
        )
        for row in conn.execute(query).mappings():
            tried[row["message_id"]].append(rows.attempt(row))
    return tried


def batch(conn: Connection, batch_id: str) -> Mapping[str, Any] | None:
    """Return a batch with its messages counted by status."""
    row = conn.execute(select(batches).where(batches.c.id == batch_id)).mappings().one_or_none()
    if row is None:
        return None
    counted = conn.execute(
        select(messages.c.status, func.count().label("n"))
        .where(messages.c.batch_id == batch_id)
        .group_by(messages.c.status)
    )
    return {**row, "by_status": {r.status: r.n for r in counted}}


def verification(conn: Connection, verification_id: str) -> RowMapping | None:
    """Return a verification's row, or None."""
    query = select(verifications).where(verifications.c.id == verification_id)
    return conn.execute(query).mappings().one_or_none()


def waiting(conn: Connection, at_most: int) -> int:
    """Return how many messages wait, counting no further than *at_most*."""
    some = select(messages.c.id).where(messages.c.due_at.is_not(None)).limit(at_most).subquery()
    return int(conn.execute(select(func.count()).select_from(some)).scalar_one())


def figures(conn: Connection, now: float) -> Figures:
    """Count everything /metrics shows."""
    by_status = conn.execute(
        select(messages.c.status, func.count().label("n")).group_by(messages.c.status)
    ).all()
    final_sent = conn.execute(
        select(func.count())
        .select_from(messages)
        .where(messages.c.status == Status.SENT.value, messages.c.finished_at.is_not(None))
    ).scalar_one()
    due = conn.execute(
        select(messages.c.rank, func.count(), func.min(messages.c.due_at))
        .where(
            messages.c.due_at.is_not(None),
            messages.c.due_at <= now,
            messages.c.status != Status.SENDING.value,
        )
        .group_by(messages.c.rank)
    ).all()
    verified = conn.execute(
        select(verifications.c.status, func.count().label("n")).group_by(verifications.c.status)
    ).all()
    return Figures(
        by_status={r.status: r.n for r in by_status},
        final_sent=final_sent,
        waiting_by_rank={r: n for r, n, _ in due},
        oldest_due_by_rank={r: oldest for r, _, oldest in due},
        channels=_channels(conn),
        timings=_timings(conn),
        verifications={r.status: r.n for r in verified},
        counters={r.name: r.value for r in conn.execute(select(counters))},
    )


def _channels(conn: Connection) -> list[Mapping[str, Any]]:
    def count(condition: Any) -> Any:
        return func.sum(case((condition, 1), else_=0))

    found = conn.execute(
        select(
            attempts.c.channel,
            attempts.c.provider,
            func.count().label("attempts"),
            count(attempts.c.outcome == Outcome.SENT.value).label("sent"),
            count(attempts.c.outcome == Outcome.FAILED.value).label("failed"),
            count(attempts.c.outcome == Outcome.AMBIGUOUS.value).label("ambiguous"),
            count(attempts.c.receipt_status.in_(["delivered", "read"])).label("delivered"),
            count(attempts.c.receipt_status == "undelivered").label("undelivered"),
            func.sum(attempts.c.cost).label("cost"),
            count(attempts.c.duplicate).label("duplicates"),
            func.sum(case((attempts.c.duplicate, attempts.c.cost), else_=0.0)).label(
                "duplicate_cost"
            ),
        ).group_by(attempts.c.channel, attempts.c.provider)
    ).mappings()
    return [dict(r) for r in found]


def _timings(conn: Connection) -> list[tuple[float, float, float]]:
    """Return (accepted or due, send begun, answered) of the newest first attempts."""
    newest = select(attempts).order_by(attempts.c.started_at.desc()).limit(RECENT).subquery()
    ready = func.max(messages.c.created_at, func.coalesce(messages.c.scheduled_for, 0.0))
    found = conn.execute(
        select(ready, newest.c.started_at, newest.c.finished_at)
        .join_from(newest, messages, messages.c.id == newest.c.message_id)
        .where(newest.c.number == 1, newest.c.finished_at.is_not(None))
    )
    return [(a, b, c) for a, b, c in found]


def recent_attempts(conn: Connection, since: float) -> list[tuple[Channel, str, float]]:
    """Return the attempts begun since *since*."""
    found = conn.execute(
        select(attempts.c.channel, attempts.c.provider, attempts.c.started_at).where(
            attempts.c.started_at > since
        )
    )
    return [(Channel(c), p, at) for c, p, at in found]


def spent(conn: Connection, since: float) -> float:
    """Return what attempts begun since *since* cost."""
    asked = select(func.coalesce(func.sum(attempts.c.cost), 0.0))
    return float(conn.execute(asked.where(attempts.c.started_at >= since)).scalar_one())
