"""What became known of tries, and when: reads only.

Each query walks one index backwards from the newest and joins to each try the code it carried.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    case,
    desc,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from ...message import Channel, Outcome, Status, VerificationStatus
from ..base import Tried
from .arrived import ARRIVED
from .schema import attempts, code_at, messages, verifications

_TOLD = (*ARRIVED, Status.UNDELIVERED)
"""Receipts that say whether it arrived."""

_HAD_THEIR_TIME = (
    VerificationStatus.APPROVED,
    VerificationStatus.PENDING,
    VerificationStatus.EXPIRED,
)
"""How codes stand that somebody could type in; a pending one may be past its time already."""

_FAILED = attempts.c.outcome == literal_column(f"'{Outcome.FAILED.value}'")
"""As the partial index says it: behind a parameter it may not be known to be the same."""


def failures(conn: Connection, since: float, until: float, limit: int) -> list[Tried]:
    """Return tries that no provider took, by when they ended."""
    return _newest(conn, attempts.c.finished_at, since, until, limit, _FAILED)


def receipts(conn: Connection, since: float, until: float, limit: int) -> list[Tried]:
    """Return tries whose receipt says whether they arrived, by when it came."""
    told = attempts.c.receipt_status.in_(_TOLD)
    return _newest(conn, attempts.c.told_at, since, until, limit, told)


def silences(
    conn: Connection, channel: Channel, patience: float, since: float, until: float, limit: int
) -> list[Tried]:
    """Return sent tries of *channel* that no receipt came of within *patience* s."""
    a = attempts.c
    late = a.receipt_status.in_(_TOLD) & (a.told_at > a.started_at + patience)
    return _newest(
        conn,
        a.started_at,
        since - patience,
        until - patience,
        limit,
        a.channel == channel.value,
        or_(
            a.outcome == Outcome.AMBIGUOUS.value,
            (a.outcome == Outcome.SENT.value)
            & or_(a.receipt_by.is_not(None), a.receipt_status == Status.UNKNOWN.value, late),
        ),
    )


def codes(conn: Connection, since: float, until: float, limit: int) -> list[Tried]:
    """Return, by `code_at`, the try that each code counts for.

    A select for each status, so that each reads its part of the index in order and stops early.
    """
    counted = attempts.c.id == _counts_for()
    parts = [
        _tried(code_at)
        .join_from(verifications, attempts, counted)
        .where(verifications.c.status == status.value, code_at > since, code_at <= until)
        for status in _HAD_THEIR_TIME
    ]
    newest = union_all(*parts).order_by(desc("code_at"), desc("attempt_id"))
    found = conn.execute(newest.limit(limit))
    return [_of(row) for row in found.mappings()][::-1]


def _counts_for() -> ColumnElement[str]:
    """Choose the last that was sent while the code was good, and of them one not undelivered."""
    tries = attempts.alias()
    status = tries.c.receipt_status
    not_lost = or_(
        status.is_(None),
        status != Status.UNDELIVERED.value,
        tries.c.receipt_at >= code_at,
    )
    sent = (
        select(tries.c.id)
        .join_from(messages, tries, tries.c.message_id == messages.c.id)
        .where(
            messages.c.verification_id == verifications.c.id,
            tries.c.outcome == Outcome.SENT.value,
            tries.c.started_at < code_at,
        )
        .order_by(tries.c.started_at.desc(), tries.c.id.desc())
        .limit(1)
        .correlate(verifications)
    )
    return func.coalesce(sent.where(not_lost).scalar_subquery(), sent.scalar_subquery())


def _newest(
    conn: Connection,
    at: ColumnElement[Any],
    since: float,
    until: float,
    limit: int,
    *where: ColumnElement[bool],
) -> list[Tried]:
    """Return the newest tries by *at*, oldest first; those of one moment by their ids."""
    had_time = verifications.c.status.in_(_HAD_THEIR_TIME)
    found = conn.execute(
        _tried(case((had_time, code_at)))
        .outerjoin_from(attempts, messages, messages.c.id == attempts.c.message_id)
        .outerjoin(verifications, verifications.c.id == messages.c.verification_id)
        .where(at > since, at <= until, *where)
        .order_by(at.desc(), attempts.c.id.desc())
        .limit(limit)
    )
    return [_of(row) for row in found.mappings()][::-1]


def _tried(typed_in: ColumnElement[Any]) -> Select[Any]:
    a = attempts.c
    return select(
        a.id.label("attempt_id"),
        a.channel,
        a.provider,
        a.country,
        a.prefix,
        a.started_at,
        a.finished_at,
        a.error_code,
        a.permanent,
        a.scope,
        a.receipt_status,
        a.receipt_at,
        a.told_at,
        a.receipt_by.is_not(None).label("waits"),
        verifications.c.approved_at,
        typed_in.label("code_at"),
    )


def _of(row: RowMapping) -> Tried:
    values: dict[str, Any] = dict(row)
    values["channel"] = Channel(row["channel"])
    values["receipt_status"] = Status(row["receipt_status"]) if row["receipt_status"] else None
    return Tried(**values)
