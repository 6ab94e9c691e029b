"""What came of attempts, as an operation of the writer."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from ...message import Attempt, Outcome, Status
from ..base import Verdict
from . import arrived, rows
from .fast import Statement, params
from .schema import attempts, messages

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
        return _late(conn, v, v.attempt)
    _SETTLE_ATTEMPT.many(conn, [_attempt(v.attempt)])
    if v.attempt.number > 1:
        arrived.keep(conn, v.message_id, v.attempt.id, v.at)
    return True


def _late(conn: Connection, v: Verdict, a: Attempt) -> bool:
    """Keep that a send was taken though its claim had run out; it need not be sent again then."""
    if a.outcome is Outcome.SENT and not _is_known(conn, a):
        _SETTLE_ATTEMPT.many(conn, [_attempt(a)])
        conn.execute(
            update(messages)
            .where(messages.c.id == v.message_id)
            .values(cost=messages.c.cost + a.cost)
        )
        conn.execute(
            update(messages)
            .where(messages.c.id == v.message_id, messages.c.status == Status.QUEUED.value)
            .values(
                status=v.status.value,
                due_at=None,
                finished_at=_ended(v)["b_finished"],
                error_code=None,
                channel=a.channel.value,
                version=messages.c.version + 1,
            )
        )
    return False


def _is_known(conn: Connection, a: Attempt) -> bool:
    """Whether it was found out before: then receipts may have come, which are not to be undone."""
    sent = attempts.c.outcome == Outcome.SENT.value
    return (
        conn.execute(select(attempts.c.id).where(attempts.c.id == a.id, sent)).first() is not None
    )


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
        "b_told_at": a.receipt_at,
        "b_lookups": a.lookups,
    }
