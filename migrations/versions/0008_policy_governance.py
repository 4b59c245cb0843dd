"""Governance of stored policies: rules and proposals, one document for each.

Revision: 0008, on 0007.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INT = sa.Integer().with_variant(sqlite.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "policy_governance",
        sa.Column("tenant_id", sa.Text()),
        sa.Column("policy_id", sa.Text()),
        sa.Column("revision", INT, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "policy_id"),
        sa.CheckConstraint("revision >= 1", name="revision"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("policy_governance")
