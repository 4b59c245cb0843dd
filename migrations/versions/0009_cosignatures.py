"""Cosignatures of witnesses on heads of the log.

Revision: 0009, on 0008.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_INTEGER = sqlite.INTEGER()
INT = sa.Integer().with_variant(_INTEGER, "sqlite")
BIG = sa.BigInteger().with_variant(_INTEGER, "sqlite")


def upgrade() -> None:
    op.create_table(
        "cosignature",
        sa.Column("log_id", INT, autoincrement=False),
        sa.Column("size", BIG, autoincrement=False),
        sa.Column("witness", sa.Text()),
        sa.Column("key_id", sa.LargeBinary()),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "size", "witness", "key_id"),
        sa.CheckConstraint("size >= 1", name="size"),
        sa.CheckConstraint("length(key_id) = 4", name="key_id"),
        sa.CheckConstraint("length(signature) BETWEEN 9 AND 4096", name="signature"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("cosignature")
