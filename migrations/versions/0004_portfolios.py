"""Registered portfolios and their newest snapshots.

Revision: 0004, on 0002.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

INT = sa.Integer().with_variant(sqlite.INTEGER(), "sqlite")
BIG = sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sqlite.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "portfolio",
        sa.Column("tenant_id", sa.Text()),
        sa.Column("portfolio_id", sa.Text()),
        sa.Column("version", INT, nullable=False),
        sa.Column("specification", sa.LargeBinary()),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("snapshot_seq", BIG),
        sa.Column("snapshot", sa.LargeBinary()),
        sa.Column("received_at", MOMENT),
        sa.PrimaryKeyConstraint("tenant_id", "portfolio_id"),
        sa.CheckConstraint("version >= 1", name="version"),
        sa.CheckConstraint("(snapshot IS NULL) = (snapshot_seq IS NULL)", name="snapshot"),
        sa.CheckConstraint("(snapshot IS NULL) = (received_at IS NULL)", name="received_at"),
        sa.CheckConstraint("snapshot IS NULL OR specification IS NOT NULL", name="registered"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("portfolio")
