"""SQLite through SQLAlchemy Core: every write through one thread, every read on its own."""

from __future__ import annotations

from ...safety.encryption import Keyring
from .store import SqlStore


def make(url: str, *, synchronous: str, keys: Keyring) -> SqlStore:
    """Return a store over *url*; nothing is opened yet."""
    return SqlStore(url, synchronous, keys)
