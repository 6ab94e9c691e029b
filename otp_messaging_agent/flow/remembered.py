"""What a request is answered, in the form in which an idempotency key remembers it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..answer import BulkAccepted, OtpAccepted, RowError, RowResult, as_time
from ..errors import InvalidRequest
from ..message import Message
from ..stores import base as stores


def _accepted(result: stores.RowResult) -> dict[str, Any]:
    if isinstance(result, stores.Issued):
        return {
            "message_id": result.message_id,
            "status": "accepted",
            "verification_id": result.verification.id,
        }
    assert isinstance(result, Message)  # noqa: S101 - a limited row never gets here
    return {"message_id": result.id, "status": result.status.value}


def one(results: Sequence[stores.RowResult]) -> dict[str, Any]:
    """Return the answer to one message."""
    return _accepted(results[0])


def otp(results: Sequence[stores.RowResult]) -> dict[str, Any]:
    """Return the answer to one code."""
    issued = results[0]
    assert isinstance(issued, stores.Issued)  # noqa: S101 - of an OTP order
    v = issued.verification
    return OtpAccepted(
        message_id=issued.message_id,
        verification_id=v.id,
        status=v.status,
        expires_at=as_time(v.expires_at),
        next_resend_at=as_time(issued.next_send_at),
        attempts_remaining=v.max_attempts - v.attempts,
    ).model_dump(mode="json")


def bulk(
    batch_id: str,
    indexes: Sequence[int],
    results: Sequence[stores.RowResult],
    errors: Mapping[int, InvalidRequest],
) -> dict[str, Any]:
    """Return the answer to a bulk request, its rows in their order."""
    rows = [
        RowResult(
            index=i,
            error=RowError(code=e.code, detail=e.detail, errors=[f.as_json() for f in e.faults]),
        )
        for i, e in errors.items()
    ]
    for i, result in zip(indexes, results, strict=True):
        if isinstance(result, stores.Limited):
            detail = "too many codes or wrong tries for this recipient"
            rows.append(RowResult(index=i, error=RowError(code="rate_limited", detail=detail)))
        else:
            taken = _accepted(result)
            del taken["status"]
            rows.append(RowResult(index=i, **taken))
    rows.sort(key=lambda r: r.index)
    rejected = sum(r.error is not None for r in rows)
    return BulkAccepted(
        batch_id=batch_id, accepted=len(rows) - rejected, rejected=rejected, results=rows
    ).model_dump(mode="json")
