"""The sandbox's inbox, as operations of the writer and reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from .fast import Statement, params
from .schema import inbox

SOME = 500
"""Receipts taken at once."""


_PUT = Statement(
    upsert(inbox).values(params(c.name for c in inbox.columns)).on_conflict_do_nothing()
)


def put(conn: Connection, calls: Sequence[dict[str, Any]]) -> list[None]:
    """Keep entries; an id that is there already changes nothing."""
    _PUT.many(conn, calls)
    return [None] * len(calls)


def newest(conn: Connection, limit: int, to_idx: bytes | None) -> Sequence[RowMapping]:
    """Return the newest entries first."""
    query = select(inbox).order_by(inbox.c.at.desc(), inbox.c.id.desc()).limit(limit)
    if to_idx is not None:
        query = query.where(inbox.c.to_idx == to_idx)
    return conn.execute(query).mappings().all()


def one(conn: Connection, entry_id: str) -> RowMapping | None:
    """Return one entry, or None."""
    return conn.execute(select(inbox).where(inbox.c.id == entry_id)).mappings().one_or_none()


def _due(provider: str, now: float) -> Select[Any]:
    return select(inbox).where(inbox.c.receipt_due <= now, inbox.c.provider == provider)


def any_due(conn: Connection, provider: str, now: float) -> bool:
    """Whether a receipt is due: asked each second, so that an idle service writes nothing."""
    return conn.execute(_due(provider, now).limit(1)).first() is not None


def take_due(conn: Connection, calls: Sequence[tuple[str, float]]) -> list[list[RowMapping]]:
    """Return the entries of a provider whose receipt is due, each only once."""
    return [_take(conn, provider, now) for provider, now in calls]


def _take(conn: Connection, provider: str, now: float) -> list[RowMapping]:
    found = conn.execute(_due(provider, now).limit(SOME)).mappings().all()
    ids = [r["id"] for r in found]
    conn.execute(update(inbox).where(inbox.c.id.in_(ids)).values(receipt_due=None))
    return list(found)
