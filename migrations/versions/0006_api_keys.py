"""API keys, by the digests of their secrets.

Revision: 0006, on 0005.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INT = sa.Integer().with_variant(sqlite.INTEGER(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sqlite.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.Text()),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.Column("networks", sa.Text(), nullable=False),
        sa.Column("signing", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary()),
        sa.Column("digest", sa.LargeBinary()),
        sa.Column("units_per_second", INT),
        sa.Column("burst_units", INT),
        sa.PrimaryKeyConstraint("key_id"),
        sa.CheckConstraint("signing IN ('bearer', 'ed25519', 'hmac')", name="signing"),
        sa.CheckConstraint("(digest IS NOT NULL) = (signing = 'bearer')", name="bearer"),
        sa.CheckConstraint("(public_key IS NOT NULL) = (signing = 'ed25519')", name="ed25519"),
        sa.CheckConstraint("digest IS NULL OR length(digest) = 32", name="digest"),
        sa.CheckConstraint("public_key IS NULL OR length(public_key) = 32", name="public_key"),
        sqlite_strict=True,
    )
    op.create_index("ix_api_key_tenant_id_key_id", "api_key", ["tenant_id", "key_id"])


def downgrade() -> None:
    op.drop_table("api_key")
