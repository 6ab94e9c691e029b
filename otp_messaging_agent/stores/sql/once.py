"""Idempotency keys: the first request with one is carried out, the rest get its answer."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, insert, select

from ..base import KeyReused, Once, Replay
from .schema import idempotency

OnceRow = tuple[bytes, Once] | None
"""A key beside its hash, under which it is kept."""


def replay(conn: Connection, once: OnceRow) -> Replay | KeyReused | None:
    """Return what an earlier request with this key got, None where it is the first."""
    if once is None:
        return None
    key, o = once
    row = conn.execute(
        select(idempotency.c.body, idempotency.c.response).where(idempotency.c.key_idx == key)
    ).one_or_none()
    if row is None:
        return None
    return Replay(json.loads(row.response)) if row.body == o.body else KeyReused()


def remember(conn: Connection, once: OnceRow, response: Any) -> None:
    """Keep *response* for whoever repeats the request."""
    if once is None:
        return
    key, o = once
    conn.execute(
        insert(idempotency),
        {
            "key_idx": key,
            "body": o.body,
            "response": json.dumps(response).encode(),
            "at": o.at,
        },
    )
