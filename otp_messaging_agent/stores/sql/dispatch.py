"""What the workers need, as operations of the writer and reads."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from ...message import Attempt, Message, Status, Ticket
from ...safety.encryption import DecryptionError, Keyring
from ..base import Work
from . import rows
from .fast import Statement, params
from .schema import attempts, messages, verifications


def tickets(conn: Connection, rank: int, limit: int, until: float) -> list[Ticket]:
    """Return the first waiting tickets of *rank*; reads nothing but the index."""
    found = conn.execute(
        select(messages.c.due_at, messages.c.id)
        .where(
            messages.c.rank == rank,
            messages.c.due_at.is_not(None),
            messages.c.due_at <= until,
        )
        .order_by(messages.c.due_at, messages.c.id)
        .limit(limit)
    )
    return [Ticket(rank, due_at, message_id) for due_at, message_id in found]


_CHUNK = 500
"""Ids in one query; SQLite takes 32 766 parameters, older ones 999."""

_MESSAGE = Statement(select(messages).where(messages.c.id == bindparam("id")))
_CODE = Statement(
    select(verifications.c.code_enc, verifications.c.purpose).where(
        verifications.c.id == bindparam("id")
    )
)


def load(conn: Connection, message_id: str, keys: Keyring) -> Work | None:
    """Return a message with its attempts and, for a pending OTP, the code."""
    row = _MESSAGE.first(conn, {"id": message_id})
    if row is None:
        return None
    message = rows.message(row, keys)
    tried = attempts_of(conn, message_id) if message.tries else []
    if message.verification_id is None:
        return Work(message, tried)
    return Work(message, tried, *_code(conn, message.verification_id, keys))


def messages_of(conn: Connection, ids: Sequence[str], keys: Keyring) -> list[Message]:
    """Return those of *ids* that wait for their first try and are no codes.

    One that cannot be decrypted is left out: it fails alone, when it is loaded.
    """
    found: list[Message] = []
    for start in range(0, len(ids), _CHUNK):
        chosen = messages.c.id.in_(ids[start : start + _CHUNK])
        query = select(messages).where(
            chosen,
            messages.c.tries == 0,
            messages.c.due_at.is_not(None),
            messages.c.verification_id.is_(None),
        )
        for row in conn.execute(query).mappings():
            with contextlib.suppress(DecryptionError):
                found.append(rows.message(row, keys))
    return found


def attempts_of(conn: Connection, message_id: str) -> list[Attempt]:
    """Return the attempts of a message in their order."""
    found = conn.execute(
        select(attempts).where(attempts.c.message_id == message_id).order_by(attempts.c.number)
    ).mappings()
    return [rows.attempt(r) for r in found]


def _code(conn: Connection, verification_id: str, keys: Keyring) -> tuple[str | None, str]:
    row = _CODE.first(conn, {"id": verification_id})
    if row is None or row["code_enc"] is None:
        return None, ""
    code = keys.decrypt(
        row["code_enc"], table="verifications", column="code_enc", row=verification_id
    )
    return code, row["purpose"]


@dataclass(frozen=True, slots=True)
class Begin:
    """A claim: the attempt to keep, the version it was planned on, the end of the lease."""

    attempt: Attempt
    version: int
    lease_until: float


_CLAIM = Statement(
    update(messages)
    .where(
        messages.c.id == bindparam("b_id"),
        messages.c.version == bindparam("b_version"),
        messages.c.due_at.is_not(None),
    )
    .values(
        status=bindparam("b_status"),
        due_at=bindparam("b_lease"),
        version=messages.c.version + bindparam("b_one"),
        tries=messages.c.tries + bindparam("b_one"),
    )
)
_ATTEMPT = Statement(insert(attempts).values(params(rows.ATTEMPT)))


def begin(conn: Connection, calls: Sequence[Begin]) -> list[bool]:
    """Claim messages by compare-and-set and keep the attempts of those that were won."""
    won = _CLAIM.changed(
        conn,
        [
            {
                "b_id": c.attempt.message_id,
                "b_version": c.version,
                "b_status": Status.SENDING.value,
                "b_lease": c.lease_until,
                "b_one": 1,
            }
            for c in calls
        ],
    )
    _ATTEMPT.many(
        conn, [rows.attempt_row(c.attempt) for c, mine in zip(calls, won, strict=True) if mine]
    )
    return won
