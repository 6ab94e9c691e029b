"""Counters that outlive the process."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Connection, Integer, String, Table
from sqlalchemy.dialects.sqlite import insert as upsert

from .schema import metadata

counters = Table(
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Integer, nullable=False),
)


def count(conn: Connection, calls: Sequence[tuple[str, int]]) -> list[None]:
    """Add to counters."""
    for name, by in calls:
        if by:
            new = upsert(counters).values(name=name, value=by)
            conn.execute(
                new.on_conflict_do_update(
                    index_elements=["name"], set_={"value": counters.c.value + by}
                )
            )
    return [None] * len(calls)
