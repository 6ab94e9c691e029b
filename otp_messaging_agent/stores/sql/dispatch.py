"""What the workers need, as operations of the writer and reads."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from ...message import Attempt, Message, Outcome, Status, Ticket
from ...safety.encryption import DecryptionError, Keyring
from ..base import Verdict, Work
from . import rows
from .fast import Statement, params
from .schema import attempts, messages, verifications

FINAL = {
    Status.DELIVERED,
    Status.READ,
    Status.UNDELIVERED,
    Status.FAILED,
    Status.EXPIRED,
    Status.CANCELED,
    Status.SUPPRESSED,
    Status.UNKNOWN,
}


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


_SETTLE_MESSAGE = Statement(
    update(messages)
    .where(messages.c.id == bindparam("b_id"), messages.c.version == bindparam("b_version"))
    .values(
        status=bindparam("b_status"),
        due_at=bindparam("b_due"),
        finished_at=bindparam("b_finished"),
        error_code=bindparam("b_error"),
        cost=messages.c.cost + bindparam("b_cost"),
        channel=bindparam("b_channel"),
        version=messages.c.version + bindparam("b_one"),
    )
)
_END_MESSAGE = Statement(
    update(messages)
    .where(messages.c.id == bindparam("b_id"), messages.c.version == bindparam("b_version"))
    .values(
        status=bindparam("b_status"),
        due_at=bindparam("b_due"),
        finished_at=bindparam("b_finished"),
        error_code=bindparam("b_error"),
        version=messages.c.version + bindparam("b_one"),
    )
)
_SETTLE_ATTEMPT = Statement(
    update(attempts).where(attempts.c.id == bindparam("b_id")).values(params(rows.ENDED, "b_"))
)


def settle(conn: Connection, calls: Sequence[Verdict]) -> list[bool]:
    """Keep verdicts; one on a message that has moved on changes nothing, so it says False."""
    return [_settle(conn, v) for v in calls]


def _settle(conn: Connection, v: Verdict) -> bool:
    if v.attempt is None:
        return _END_MESSAGE.changed(conn, [_ended(v)])[0]
    if not _SETTLE_MESSAGE.changed(conn, [_settled(v, v.attempt)])[0]:
        return False
    _SETTLE_ATTEMPT.many(conn, [_attempt(v.attempt)])
    return True


def _ended(v: Verdict) -> dict[str, object]:
    awaited = v.attempt is not None and v.attempt.receipt_by is not None
    final = v.status in FINAL or (v.status is Status.SENT and not awaited)
    return {
        "b_id": v.message_id,
        "b_version": v.version,
        "b_status": v.status.value,
        "b_due": v.due_at,
        "b_finished": v.at if final else None,
        "b_error": v.error_code,
        "b_one": 1,
    }


def _settled(v: Verdict, a: Attempt) -> dict[str, object]:
    cost = a.cost if a.outcome is Outcome.SENT else 0.0
    return {**_ended(v), "b_cost": cost, "b_channel": a.channel.value}


def _attempt(a: Attempt) -> dict[str, object]:
    return {
        "b_id": a.id,
        "b_finished_at": a.finished_at,
        "b_outcome": a.outcome and a.outcome.value,
        "b_provider_message_id": a.provider_message_id,
        "b_error_code": a.error_code,
        "b_error_detail": a.error_detail,
        "b_permanent": a.permanent,
        "b_scope": a.scope,
        "b_retry_after": a.retry_after,
        "b_cost": a.cost if a.outcome is Outcome.SENT else 0.0,
        "b_receipt_by": a.receipt_by,
        "b_receipt_status": a.receipt_status and a.receipt_status.value,
        "b_receipt_at": a.receipt_at,
        "b_lookups": a.lookups,
    }
