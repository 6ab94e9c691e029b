"""The tables. A change here comes with a migration in `stores/migrations/versions`.

Columns ending in `_enc` are ciphertexts bound to table, column and row; columns ending in
`_idx` are keyed hashes to find them by. Times are Unix seconds. Ids are time-ordered text.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    func,
)

metadata = MetaData()

messages = Table(
    "messages",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("type", String(16), nullable=False),
    Column("priority", String(16), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("due_at", Float),
    Column("phone_enc", LargeBinary),
    Column("phone_idx", LargeBinary(32)),
    Column("email_enc", LargeBinary),
    Column("email_idx", LargeBinary(32)),
    Column("user_enc", LargeBinary),
    Column("user_idx", LargeBinary(32)),
    Column("content_enc", LargeBinary),
    Column("subject_enc", LargeBinary),
    Column("metadata_enc", LargeBinary),
    Column("reference", String(200)),
    Column("preferred_channel", String(16)),
    Column("channel", String(16)),
    Column("scheduled_for", Float),
    Column("expires_at", Float),
    Column("batch_id", String(40)),
    Column("verification_id", String(40)),
    Column("finished_at", Float),
    Column("error_code", String(64)),
    Column("cost", Float, nullable=False, default=0.0),
    Column("tries", Integer, nullable=False, default=0),
    Column("version", Integer, nullable=False, default=0),
    Column("exempt", Boolean, nullable=False, server_default=false()),
    Column("key_id", String(40)),
)
Index(
    "messages_due",
    messages.c.rank,
    messages.c.due_at,
    messages.c.id,
    sqlite_where=messages.c.due_at.is_not(None),
    postgresql_where=messages.c.due_at.is_not(None),
)
Index("messages_status", messages.c.status, messages.c.id)
for _name in (
    "phone_idx",
    "email_idx",
    "user_idx",
    "reference",
    "batch_id",
    "verification_id",
):
    Index(
        f"messages_{_name}",
        messages.c[_name],
        messages.c.id,
        sqlite_where=messages.c[_name].is_not(None),
        postgresql_where=messages.c[_name].is_not(None),
    )

attempts = Table(
    "attempts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("message_id", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("outcome", String(16)),
    Column("provider_message_id", String(128)),
    Column("error_code", String(64)),
    Column("error_detail", String(500)),
    Column("permanent", Boolean),
    Column("scope", String(16)),
    Column("retry_after", Float),
    Column("cost", Float, nullable=False, default=0.0),
    Column("decision", Text),
    Column("receipt_by", Float),
    Column("receipt_status", String(16)),
    Column("receipt_at", Float),
    Column("told_at", Float),
    Column("lookups", Integer, nullable=False, default=0),
    Column("parts", Integer, nullable=False, server_default="1"),
    Column("duplicate", Boolean, nullable=False, server_default=false()),
    Column("country", String(2)),
    Column("prefix", String(16)),
)
Index("attempts_message", attempts.c.message_id, attempts.c.number)
Index("attempts_started", attempts.c.started_at)
Index(
    "attempts_provider_id",
    attempts.c.provider,
    attempts.c.provider_message_id,
    sqlite_where=attempts.c.provider_message_id.is_not(None),
    postgresql_where=attempts.c.provider_message_id.is_not(None),
)
Index(
    "attempts_receipt_by",
    attempts.c.receipt_by,
    sqlite_where=attempts.c.receipt_by.is_not(None),
    postgresql_where=attempts.c.receipt_by.is_not(None),
)
Index(
    "attempts_told",
    attempts.c.told_at,
    sqlite_where=attempts.c.told_at.is_not(None),
    postgresql_where=attempts.c.told_at.is_not(None),
)
Index(
    "attempts_failed",
    attempts.c.finished_at,
    sqlite_where=attempts.c.outcome == "failed",
    postgresql_where=attempts.c.outcome == "failed",
)

verifications = Table(
    "verifications",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("recipient_idx", LargeBinary(32), nullable=False),
    Column("channel_kind", String(16), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("status", String(32), nullable=False),
    Column("code_hash", LargeBinary(32), nullable=False),
    Column("code_enc", LargeBinary),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("max_attempts", Integer, nullable=False),
    Column("sends", Integer, nullable=False, default=1),
    Column("approved_at", Float),
    Column("key_id", String(40)),
)
code_at = func.coalesce(verifications.c.approved_at, verifications.c.expires_at)
"""When the code was typed in, or else when its time is over."""
Index("verifications_status", verifications.c.status, code_at)
Index("verifications_recipient", verifications.c.recipient_idx, verifications.c.purpose)
Index(
    "verifications_one_pending",
    verifications.c.recipient_idx,
    verifications.c.purpose,
    unique=True,
    sqlite_where=verifications.c.status == "pending",
    postgresql_where=verifications.c.status == "pending",
)

recipient_events = Table(
    "recipient_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("recipient_idx", LargeBinary(32), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("at", Float, nullable=False),
)
Index(
    "recipient_events_recent",
    recipient_events.c.recipient_idx,
    recipient_events.c.kind,
    recipient_events.c.at,
)
Index("recipient_events_at", recipient_events.c.at)

batches = Table(
    "batches",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("key_id", String(40)),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key_idx", LargeBinary(32), primary_key=True),
    Column("body", LargeBinary(32), nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
)
Index("idempotency_at", idempotency.c.at)

leases = Table(
    "leases",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("expires_at", Float, nullable=False),
)

inbox = Table(
    "sandbox_inbox",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("provider", String(64), nullable=False),
    Column("message_id", String(40), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("to_enc", LargeBinary, nullable=False),
    Column("to_idx", LargeBinary(32), nullable=False),
    Column("subject_enc", LargeBinary),
    Column("content_enc", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
    Column("receipt_status", String(16)),
    Column("receipt_due", Float),
)
Index("sandbox_inbox_at", inbox.c.at)
Index(
    "sandbox_inbox_receipts",
    inbox.c.receipt_due,
    sqlite_where=inbox.c.receipt_due.is_not(None),
    postgresql_where=inbox.c.receipt_due.is_not(None),
)
