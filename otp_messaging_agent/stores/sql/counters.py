"""Counters that outlive the process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import chain

from sqlalchemy import Column, Connection, Integer, String, Table
from sqlalchemy.dialects.sqlite import insert as upsert

from .schema import metadata

counters = Table(
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Integer, nullable=False),
)


Counts = Sequence[tuple[str, int]]


def count(conn: Connection, calls: Sequence[Counts]) -> list[None]:
    """Add to counters."""
    for name, by in chain.from_iterable(calls):
        if by:
            new = upsert(counters).values(name=name, value=by)
            conn.execute(
                new.on_conflict_do_update(
                    index_elements=["name"], set_={"value": counters.c.value + by}
                )
            )
    return [None] * len(calls)


class Pending:
    """What was counted and not yet handed over: a flood of one thing becomes one row."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self.told = True
        """Whether all that was counted was waited for since."""

    def add(self, name: str, by: int) -> bool:
        """Count; return whether `take` is to be called for it."""
        with self._lock:
            first, self.told = not self._counts, False
            self._counts[name] = self._counts.get(name, 0) + by
            return first

    def take(self) -> Counts:
        """Hand over what was counted."""
        with self._lock:
            taken, self._counts = self._counts, {}
            return list(taken.items())
