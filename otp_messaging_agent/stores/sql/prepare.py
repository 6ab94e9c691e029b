"""From the words of the agent to the arguments of the writer's operations: encrypt and hash."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from ...message import Message
from ...message import VerificationStatus as Status
from ...safety.encryption import Keyring
from ..base import Check, Once, OtpOrder, Row, Submission
from . import checks, consent, intake, rows
from .once import OnceRow


def submission(s: Submission, keys: Keyring) -> intake.Prepared:
    """Return a submission as rows."""
    batch_row, given = None, s.rows() if callable(s.rows) else s.rows
    if s.batch_id is not None:
        batch_row = {
            "id": s.batch_id,
            "created_at": s.at,
            "accepted": len(given),
            "rejected": s.rejected,
        }
    return intake.Prepared(
        rows=[_row(row, s.at, keys) for row in given],
        at=s.at,
        batch_row=batch_row,
        once=once(s.once, keys),
        respond=s.respond,
        judged=lambda conn, row: _judged(conn, row, s, keys),
    )


def _judged(
    conn: Connection, row: intake.MessageRow, s: Submission, keys: Keyring
) -> intake.MessageRow:
    """Return what becomes of a message whose recipient may have opted out of something."""
    wishes = consent.blocked(conn, row[0], keys)
    if not wishes or s.judge is None:
        return row
    judged = s.judge(row[0], wishes)
    return row if judged is row[0] else (judged, rows.message_row(judged, keys))


def _row(row: Row, now: float, keys: Keyring) -> intake.MessageRow | intake.OtpRow:
    if isinstance(row, Message):
        return row, rows.message_row(row, keys)
    return intake.OtpRow(
        row.message,
        rows.message_row(row.message, keys),
        _verification_row(row, now, keys),
        row.limits,
    )


def _verification_row(order: OtpOrder, now: float, keys: Keyring) -> dict[str, Any]:
    message = order.message
    address = str(message.phone_number or message.email)
    return {
        "id": order.verification_id,
        "recipient_idx": rows.found_by(keys, "recipient", address),
        "channel_kind": "phone_number" if message.phone_number else "email",
        "purpose": order.purpose,
        "status": Status.PENDING.value,
        "code_hash": order.code_hash,
        "code_enc": keys.encrypt(
            order.code, table="verifications", column="code_enc", row=order.verification_id
        ),
        "created_at": now,
        "expires_at": order.expires_at,
        "attempts": 0,
        "max_attempts": order.max_attempts,
        "sends": 1,
    }


def check(c: Check, keys: Keyring) -> checks.PreparedCheck:
    """Return a check with its recipient hashed."""
    who = None if c.recipient is None else rows.found_by(keys, "recipient", c.recipient)
    return checks.PreparedCheck(c, who, once(c.once, keys))


def once(given: Once | None, keys: Keyring) -> OnceRow:
    """Return an idempotency key beside its hash, under which it is kept."""
    return None if given is None else (keys.blind_index("once", given.key), given)
