"""Audit log, idempotency keys and registered instruments.

Revision: 0001, the first.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INTEGER = sqlite.INTEGER()
SMALL = sa.SmallInteger().with_variant(_INTEGER, "sqlite")
INT = sa.Integer().with_variant(_INTEGER, "sqlite")
BIG = sa.BigInteger().with_variant(_INTEGER, "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(_INTEGER, "sqlite")
EVENT_ID = sa.Uuid().with_variant(sqlite.BLOB(), "sqlite")
TABLES = ("log_head", "audit_entry", "audit_body", "idempotency", "instrument", "instrument_generation")


def upgrade() -> None:
    _create_log()
    _create_idempotency()
    _create_instruments()
    op.execute("INSERT INTO log_head (log_id, size) VALUES (1, 0)")
    if op.get_bind().dialect.name == "postgresql":
        # Bodies are compressed already: store them as they are, out of the row.
        op.execute("ALTER TABLE audit_body ALTER COLUMN body SET STORAGE EXTERNAL")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _create_log() -> None:
    _create(
        "log_head",
        sa.Column("log_id", INT, autoincrement=False),
        sa.Column("size", BIG, nullable=False),
        sa.PrimaryKeyConstraint("log_id"),
        sa.CheckConstraint("size >= 0", name="size"),
    )
    _create(
        "audit_entry",
        sa.Column("log_id", INT, autoincrement=False),
        sa.Column("idx", BIG, autoincrement=False),
        sa.Column("event_id", EVENT_ID, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("portfolio_id", sa.Text()),
        sa.Column("client_reference", sa.Text()),
        sa.Column("status", SMALL, nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("body_length", INT, nullable=False),
        sa.Column("stored_length", INT, nullable=False),
        sa.PrimaryKeyConstraint("log_id", "idx"),
        sa.CheckConstraint("length(body_sha256) = 32", name="body_sha256"),
        sa.CheckConstraint("idx >= 0", name="idx"),
    )
    op.create_index("uq_audit_entry_event_id", "audit_entry", ["event_id"], unique=True)
    op.create_index("ix_audit_entry_tenant_id_idx", "audit_entry", ["tenant_id", "idx"])
    for column in ("portfolio_id", "client_reference"):
        given = sa.text(f"{column} IS NOT NULL")
        columns = ["tenant_id", column, "idx"]
        op.create_index(
            f"ix_audit_entry_{column}_idx", "audit_entry", columns, postgresql_where=given, sqlite_where=given
        )
    _create(
        "audit_body",
        sa.Column("log_id", INT, autoincrement=False),
        sa.Column("idx", BIG, autoincrement=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "idx"),
    )


def _create_idempotency() -> None:
    _create(
        "idempotency",
        sa.Column("tenant_id", sa.Text()),
        sa.Column("route", sa.Text()),
        sa.Column("key", sa.Text()),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("log_id", INT, nullable=False),
        sa.Column("idx", BIG, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "route", "key"),
        sa.CheckConstraint("length(fingerprint) = 32", name="fingerprint"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])


def _create_instruments() -> None:
    _create(
        "instrument",
        sa.Column("tenant_id", sa.Text()),
        sa.Column("venue", sa.Text()),
        sa.Column("symbol", sa.Text()),
        sa.Column("specification", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "venue", "symbol"),
    )
    _create(
        "instrument_generation",
        sa.Column("tenant_id", sa.Text()),
        sa.Column("generation", BIG, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
    )


def _create(name: str, *parts: sa.schema.SchemaItem) -> None:
    """Create a table, strict in SQLite; constraints are named by the convention of `models.db.base`."""
    op.create_table(name, *parts, sqlite_strict=True)
