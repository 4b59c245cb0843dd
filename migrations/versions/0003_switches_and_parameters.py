"""Operator's switches, and published parameters of markets.

Revision: 0003, on 0002.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INT = sa.Integer().with_variant(sqlite.INTEGER(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sqlite.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "breaker_switch",
        sa.Column("tenant_id", sa.Text()),
        sa.Column("scope", sa.Text()),
        sa.Column("version", INT, nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.PrimaryKeyConstraint("tenant_id", "scope"),
        sa.CheckConstraint("mode IN ('normal', 'reduce_only', 'halt')", name="mode"),
        sa.CheckConstraint("version >= 1", name="version"),
        sqlite_strict=True,
    )
    op.create_table(
        "published_parameters",
        sa.Column("tenant_id", sa.Text()),
        sa.Column("market", sa.Text()),
        sa.Column("version", INT, autoincrement=False),
        sa.Column("effective_at", MOMENT, nullable=False),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "market", "version"),
        sa.CheckConstraint("version >= 1", name="version"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("published_parameters")
    op.drop_table("breaker_switch")
