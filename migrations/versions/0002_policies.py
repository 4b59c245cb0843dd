"""Stored policies.

Revision: 0002, on 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INT = sa.Integer().with_variant(sqlite.INTEGER(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sqlite.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "stored_policy",
        sa.Column("tenant_id", sa.Text()),
        sa.Column("policy_id", sa.Text()),
        sa.Column("version", INT, autoincrement=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("defaults_version", INT, nullable=False),
        sa.Column("sent", sa.LargeBinary(), nullable=False),
        sa.Column("resolved", sa.LargeBinary(), nullable=False),
        sa.Column("comment", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "policy_id", "version"),
        sa.CheckConstraint("length(sha256) = 32", name="sha256"),
        sa.CheckConstraint("version >= 1", name="version"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("stored_policy")
