"""Statements of the hot path: compiled once, run on the driver's own cursor.

SQLAlchemy still writes the SQL and knows the dialect; what is left out is its work per execution
(about 100 us), which is more than SQLite itself takes. Values go in and out as the driver knows
them, so only columns of plain types (text, numbers, bytes) are used here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam
from sqlalchemy.sql.base import Executable


class Statement:
    """One statement with named parameters."""

    def __init__(self, clause: Executable) -> None:
        self._clause = clause
        self._compiled: dict[str, tuple[str, Sequence[str] | None]] = {}

    def _for(self, conn: Connection) -> tuple[str, Sequence[str] | None]:
        found = self._compiled.get(conn.dialect.name)
        if found is None:
            compiled = self._clause.compile(dialect=conn.dialect)  # type: ignore[attr-defined]
            found = str(compiled), compiled.positiontup
            self._compiled[conn.dialect.name] = found
        return found

    def many(self, conn: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute once for each of *rows*."""
        sql, names = self._for(conn)
        cursor = conn.connection.cursor()
        try:
            cursor.executemany(sql, [_values(names, row) for row in rows])
        finally:
            cursor.close()

    def changed(self, conn: Connection, rows: Iterable[Mapping[str, Any]]) -> list[bool]:
        """Execute once for each of *rows* and return for each whether it changed anything."""
        sql, names = self._for(conn)
        cursor = conn.connection.cursor()
        try:
            return [
                cursor.execute(sql, _values(names, r)) is not None and cursor.rowcount > 0
                for r in rows
            ]
        finally:
            cursor.close()

    def first(self, conn: Connection, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the first row found, by column names, or None."""
        sql, names = self._for(conn)
        cursor = conn.connection.cursor()
        try:
            cursor.execute(sql, _values(names, row))
            found = cursor.fetchone()
            if found is None:
                return None
            return dict(zip((d[0] for d in cursor.description), found, strict=True))
        finally:
            cursor.close()

    def all(self, conn: Connection, row: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return every row found."""
        sql, names = self._for(conn)
        cursor = conn.connection.cursor()
        try:
            cursor.execute(sql, _values(names, row))
            return list(cursor.fetchall())
        finally:
            cursor.close()


def _values(names: Sequence[str] | None, row: Mapping[str, Any]) -> Any:
    return row if names is None else tuple([row[name] for name in names])


def params(names: Iterable[str], prefix: str = "") -> dict[str, Any]:
    """Return a bound parameter for each column name, for `values()`."""
    return {name: bindparam(f"{prefix}{name}") for name in names}
