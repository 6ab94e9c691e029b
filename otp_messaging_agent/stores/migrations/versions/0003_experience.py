"""Where tries went, and what finds those that something became known of."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and indexes; where earlier tries went stays unknown."""
    op.add_column("attempts", sa.Column("country", sa.String(length=2), nullable=True))
    op.add_column("attempts", sa.Column("prefix", sa.String(length=16), nullable=True))
    op.add_column("attempts", sa.Column("told_at", sa.Float(), nullable=True))
    op.execute("UPDATE attempts SET told_at = receipt_at WHERE receipt_at IS NOT NULL")
    op.create_index(
        "attempts_told",
        "attempts",
        ["told_at"],
        unique=False,
        sqlite_where=sa.text("told_at IS NOT NULL"),
        postgresql_where=sa.text("told_at IS NOT NULL"),
    )
    op.create_index(
        "attempts_failed",
        "attempts",
        ["finished_at"],
        unique=False,
        sqlite_where=sa.text("outcome = 'failed'"),
        postgresql_where=sa.text("outcome = 'failed'"),
    )
    op.drop_index("verifications_status", table_name="verifications")
    op.create_index(
        "verifications_status",
        "verifications",
        ["status", sa.text("coalesce(approved_at, expires_at)")],
        unique=False,
    )
