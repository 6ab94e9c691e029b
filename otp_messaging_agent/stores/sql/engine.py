"""The two engines over one database: one connection that writes, a pool that reads."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event, make_url

READERS = 600
"""More than all worker and server threads together: a reader never waits for a connection."""

BUSY_SECONDS = 30
"""How long a write waits for another process's transaction before it counts as failed."""


class Engines:
    """Opened lazily by SQLAlchemy; `migrate` first."""

    def __init__(self, url: str, synchronous: str) -> None:
        self._path = make_url(url).database
        self._synchronous = synchronous
        options: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}}
        self.write = create_engine(url, **options, pool_size=1, max_overflow=0)
        self.read = create_engine(url, **options, pool_size=READERS, isolation_level="AUTOCOMMIT")
        event.listen(self.write, "connect", self._connected)
        event.listen(self.read, "connect", self._connected)
        event.listen(self.write, "begin", _begin)

    def _connected(self, connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={self._synchronous}",
            "wal_autocheckpoint=10000",
            "foreign_keys=ON",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    def migrate(self) -> None:
        """Bring the schema to the newest version, one process at a time."""
        self._create()
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
        with self.write.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _create(self) -> None:
        """Make the file readable by its owner alone, able to shrink again, and with a WAL.

        `auto_vacuum` only takes effect before the first table, and before WAL.
        """
        path = Path(str(self._path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        end = time.monotonic() + BUSY_SECONDS
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            while True:
                try:
                    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
                    connection.execute("PRAGMA journal_mode=WAL")
                except sqlite3.OperationalError:
                    # The change to WAL does not wait for others that open the new file now.
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.01)
                else:
                    return

    def dispose(self) -> None:
        """Close every connection."""
        self.read.dispose()
        self.write.dispose()


def _begin(connection: Connection) -> None:
    """Take the write lock first, so that a read inside never has to be given up later."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
