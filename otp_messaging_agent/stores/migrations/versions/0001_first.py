"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table and index."""
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("provider_message_id", sa.String(length=128), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_detail", sa.String(length=500), nullable=True),
        sa.Column("permanent", sa.Boolean(), nullable=True),
        sa.Column("scope", sa.String(length=16), nullable=True),
        sa.Column("retry_after", sa.Float(), nullable=True),
        sa.Column("cost", sa.Float(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("receipt_by", sa.Float(), nullable=True),
        sa.Column("receipt_status", sa.String(length=16), nullable=True),
        sa.Column("receipt_at", sa.Float(), nullable=True),
        sa.Column("lookups", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("attempts_message", "attempts", ["message_id", "number"], unique=False)
    op.create_index(
        "attempts_provider_id",
        "attempts",
        ["provider", "provider_message_id"],
        unique=False,
        sqlite_where=sa.text("provider_message_id IS NOT NULL"),
        postgresql_where=sa.text("provider_message_id IS NOT NULL"),
    )
    op.create_index(
        "attempts_receipt_by",
        "attempts",
        ["receipt_by"],
        unique=False,
        sqlite_where=sa.text("receipt_by IS NOT NULL"),
        postgresql_where=sa.text("receipt_by IS NOT NULL"),
    )
    op.create_index("attempts_started", "attempts", ["started_at"], unique=False)
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "idempotency",
        sa.Column("key_idx", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(length=32), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key_idx"),
    )
    op.create_index("idempotency_at", "idempotency", ["at"], unique=False)
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=True),
        sa.Column("phone_enc", sa.LargeBinary(), nullable=True),
        sa.Column("phone_idx", sa.LargeBinary(length=32), nullable=True),
        sa.Column("email_enc", sa.LargeBinary(), nullable=True),
        sa.Column("email_idx", sa.LargeBinary(length=32), nullable=True),
        sa.Column("user_enc", sa.LargeBinary(), nullable=True),
        sa.Column("user_idx", sa.LargeBinary(length=32), nullable=True),
        sa.Column("content_enc", sa.LargeBinary(), nullable=True),
        sa.Column("subject_enc", sa.LargeBinary(), nullable=True),
        sa.Column("metadata_enc", sa.LargeBinary(), nullable=True),
        sa.Column("reference", sa.String(length=200), nullable=True),
        sa.Column("preferred_channel", sa.String(length=16), nullable=True),
        sa.Column("channel", sa.String(length=16), nullable=True),
        sa.Column("scheduled_for", sa.Float(), nullable=True),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.Column("batch_id", sa.String(length=40), nullable=True),
        sa.Column("verification_id", sa.String(length=40), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("cost", sa.Float(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "messages_batch_id",
        "messages",
        ["batch_id", "id"],
        unique=False,
        sqlite_where=sa.text("batch_id IS NOT NULL"),
        postgresql_where=sa.text("batch_id IS NOT NULL"),
    )
    op.create_index(
        "messages_due",
        "messages",
        ["rank", "due_at", "id"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "messages_email_idx",
        "messages",
        ["email_idx", "id"],
        unique=False,
        sqlite_where=sa.text("email_idx IS NOT NULL"),
        postgresql_where=sa.text("email_idx IS NOT NULL"),
    )
    op.create_index(
        "messages_phone_idx",
        "messages",
        ["phone_idx", "id"],
        unique=False,
        sqlite_where=sa.text("phone_idx IS NOT NULL"),
        postgresql_where=sa.text("phone_idx IS NOT NULL"),
    )
    op.create_index(
        "messages_reference",
        "messages",
        ["reference", "id"],
        unique=False,
        sqlite_where=sa.text("reference IS NOT NULL"),
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_index("messages_status", "messages", ["status", "id"], unique=False)
    op.create_index(
        "messages_user_idx",
        "messages",
        ["user_idx", "id"],
        unique=False,
        sqlite_where=sa.text("user_idx IS NOT NULL"),
        postgresql_where=sa.text("user_idx IS NOT NULL"),
    )
    op.create_index(
        "messages_verification_id",
        "messages",
        ["verification_id", "id"],
        unique=False,
        sqlite_where=sa.text("verification_id IS NOT NULL"),
        postgresql_where=sa.text("verification_id IS NOT NULL"),
    )
    op.create_table(
        "recipient_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("recipient_idx", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("recipient_events_at", "recipient_events", ["at"], unique=False)
    op.create_index(
        "recipient_events_recent", "recipient_events", ["recipient_idx", "kind", "at"], unique=False
    )
    op.create_table(
        "sandbox_inbox",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("to_enc", sa.LargeBinary(), nullable=False),
        sa.Column("to_idx", sa.LargeBinary(length=32), nullable=False),
        sa.Column("subject_enc", sa.LargeBinary(), nullable=True),
        sa.Column("content_enc", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("receipt_status", sa.String(length=16), nullable=True),
        sa.Column("receipt_due", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sandbox_inbox_at", "sandbox_inbox", ["at"], unique=False)
    op.create_index(
        "sandbox_inbox_receipts",
        "sandbox_inbox",
        ["receipt_due"],
        unique=False,
        sqlite_where=sa.text("receipt_due IS NOT NULL"),
        postgresql_where=sa.text("receipt_due IS NOT NULL"),
    )
    op.create_table(
        "verifications",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("recipient_idx", sa.LargeBinary(length=32), nullable=False),
        sa.Column("channel_kind", sa.String(length=16), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("code_enc", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("approved_at", sa.Float(), nullable=True),
        sa.Column("key_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "verifications_one_pending",
        "verifications",
        ["recipient_idx", "purpose"],
        unique=True,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "verifications_recipient", "verifications", ["recipient_idx", "purpose"], unique=False
    )
    op.create_index("verifications_status", "verifications", ["status"], unique=False)


def downgrade() -> None:
    """Drop every table."""
    for table in (
        "sandbox_inbox",
        "leases",
        "idempotency",
        "batches",
        "recipient_events",
        "verifications",
        "attempts",
        "messages",
    ):
        op.drop_table(table)
