"""Between rows and the words of the agent; the only place where columns are encrypted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...inbox import InboxEntry
from ...message import (
    Attempt,
    Channel,
    Message,
    MessageType,
    Outcome,
    Priority,
    Status,
    Verification,
    VerificationStatus,
)
from ...safety.encryption import Keyring

_SECRET = {
    "phone_enc": "phone_number",
    "email_enc": "email",
    "user_enc": "user_id",
    "content_enc": "content",
    "subject_enc": "subject",
}
_INDEXED = {"phone_idx": "phone_number", "email_idx": "email", "user_idx": "user_id"}
_PLAIN = (
    "id",
    "created_at",
    "due_at",
    "reference",
    "scheduled_for",
    "expires_at",
    "batch_id",
    "verification_id",
    "finished_at",
    "error_code",
    "cost",
    "tries",
    "version",
    "exempt",
)


def message_row(m: Message, keys: Keyring) -> dict[str, Any]:
    """Return the columns of *m*, what is sensitive encrypted."""
    row: dict[str, Any] = {name: getattr(m, name) for name in _PLAIN}
    row.update(
        type=m.type.value,
        priority=m.priority.value,
        rank=m.rank,
        status=m.status.value,
        preferred_channel=m.preferred_channel and m.preferred_channel.value,
        channel=None,
        key_id=None,
        metadata_enc=_seal(keys, "metadata_enc", m.id, json.dumps(dict(m.metadata)))
        if m.metadata
        else None,
    )
    for column, name in _SECRET.items():
        value = getattr(m, name)
        row[column] = None if value is None else _seal(keys, column, m.id, value)
    for column, name in _INDEXED.items():
        value = getattr(m, name)
        row[column] = None if value is None else found_by(keys, name, value)
    return row


def message(row: Mapping[Any, Any], keys: Keyring) -> Message:
    """Return the message a row holds."""
    plain: dict[str, Any] = {name: row[name] for name in _PLAIN}
    plain["exempt"] = bool(plain["exempt"])
    secret: dict[str, Any] = {name: _open(keys, column, row) for column, name in _SECRET.items()}
    metadata = _open(keys, "metadata_enc", row)
    preferred = row["preferred_channel"]
    return Message(
        type=MessageType(row["type"]),
        priority=Priority(row["priority"]),
        status=Status(row["status"]),
        preferred_channel=Channel(preferred) if preferred else None,
        metadata=json.loads(metadata) if metadata else {},
        **plain,
        **secret,
    )


def found_by(keys: Keyring, kind: str, value: str) -> bytes:
    """Return what *value* is found by; addresses in any case, so that nobody has two of one."""
    return keys.blind_index(kind, value if kind == "user_id" else value.casefold())


def _seal(keys: Keyring, column: str, row: str, text: str) -> bytes:
    return keys.encrypt(text, table="messages", column=column, row=row)


def _open(keys: Keyring, column: str, row: Mapping[Any, Any]) -> str | None:
    blob = row[column]
    if blob is None:
        return None
    return keys.decrypt(blob, table="messages", column=column, row=row["id"])


ATTEMPT = (
    "id",
    "message_id",
    "number",
    "channel",
    "provider",
    "started_at",
    "cost",
    "decision",
    "lookups",
    "parts",
    "country",
    "prefix",
)
"""Columns of an attempt as it begins."""

ENDED = (
    "finished_at",
    "outcome",
    "provider_message_id",
    "error_code",
    "error_detail",
    "permanent",
    "scope",
    "retry_after",
    "cost",
    "receipt_by",
    "receipt_status",
    "receipt_at",
    "told_at",
    "lookups",
)
"""Columns of an attempt that its end fills in."""


def attempt_row(a: Attempt) -> dict[str, Any]:
    """Return the columns of an attempt as it begins."""
    return {
        "id": a.id,
        "message_id": a.message_id,
        "number": a.number,
        "channel": a.channel.value,
        "provider": a.provider,
        "started_at": a.started_at,
        "cost": a.cost,
        "decision": json.dumps(dict(a.decision), separators=(",", ":")),
        "lookups": 0,
        "parts": a.parts,
        "country": a.country,
        "prefix": a.prefix,
    }


def attempt(row: Mapping[Any, Any]) -> Attempt:
    """Return the attempt a row holds."""
    values = dict(row)
    del values["told_at"]
    values["channel"] = Channel(row["channel"])
    values["outcome"] = Outcome(row["outcome"]) if row["outcome"] else None
    values["receipt_status"] = Status(row["receipt_status"]) if row["receipt_status"] else None
    values["duplicate"] = bool(row["duplicate"])
    values["decision"] = json.loads(row["decision"]) if row["decision"] else {}
    return Attempt(**values)


def verification(row: Mapping[Any, Any], now: float) -> Verification:
    """Return the verification a row holds; one past its time counts as expired."""
    status = VerificationStatus(row["status"])
    if status is VerificationStatus.PENDING and row["expires_at"] <= now:
        status = VerificationStatus.EXPIRED
    return Verification(
        id=row["id"],
        channel_kind=row["channel_kind"],
        purpose=row["purpose"],
        status=status,
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        attempts=row["attempts"],
        max_attempts=row["max_attempts"],
        sends=row["sends"],
        approved_at=row["approved_at"],
    )


def inbox_row(e: InboxEntry, keys: Keyring) -> dict[str, Any]:
    """Return the columns of an inbox entry."""

    def seal(column: str, text: str) -> bytes:
        return keys.encrypt(text, table="sandbox_inbox", column=column, row=e.id)

    return {
        "id": e.id,
        "provider": e.provider,
        "message_id": e.message_id,
        "channel": e.channel.value,
        "to_enc": seal("to_enc", e.to),
        "to_idx": keys.blind_index("inbox", e.to),
        "subject_enc": None if e.subject is None else seal("subject_enc", e.subject),
        "content_enc": seal("content_enc", e.content),
        "at": e.at,
        "receipt_status": e.receipt_status and e.receipt_status.value,
        "receipt_due": e.receipt_due,
    }


def inbox_entry(row: Mapping[Any, Any], keys: Keyring) -> InboxEntry:
    """Return the inbox entry a row holds."""

    def opened(column: str) -> str:
        return keys.decrypt(row[column], table="sandbox_inbox", column=column, row=row["id"])

    return InboxEntry(
        id=row["id"],
        provider=row["provider"],
        message_id=row["message_id"],
        channel=Channel(row["channel"]),
        to=opened("to_enc"),
        content=opened("content_enc"),
        at=row["at"],
        subject=None if row["subject_enc"] is None else opened("subject_enc"),
        receipt_status=Status(row["receipt_status"]) if row["receipt_status"] else None,
        receipt_due=row["receipt_due"],
    )
