"""Tables: the audit log in three parts, the registered instruments, the stored policies, and the live portfolios.

An entry is small and stays for ever; its body is large, compressed and may be pruned one day, so it lies apart under
the same key. Keys start with `log_id` and `idx`, so that both can become tables partitioned by `idx` without a new key;
`event_id` then keeps a plain index (PostgreSQL has no unique index over partitions without the partition key).
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, text

from models.db.base import Big, Bytes, EventId, Int, Moment, Small, String, metadata

log_head = Table(
    "log_head",
    metadata,
    Column("log_id", Int, primary_key=True, autoincrement=False),
    Column("size", Big, nullable=False),
    CheckConstraint("size >= 0", name="size"),
    sqlite_strict=True,
)
"""One row a log. Who holds its lock gives out the next indices: so they are contiguous with any number of writers."""

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("log_id", Int, primary_key=True, autoincrement=False),
    Column("idx", Big, primary_key=True, autoincrement=False),
    Column("event_id", EventId, nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("tenant_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("portfolio_id", String),
    Column("client_reference", String),
    Column("status", Small, nullable=False),
    Column("body_sha256", Bytes, nullable=False),
    Column("body_length", Int, nullable=False),
    Column("stored_length", Int, nullable=False),
    CheckConstraint("length(body_sha256) = 32", name="body_sha256"),
    CheckConstraint("idx >= 0", name="idx"),
    Index("uq_audit_entry_event_id", "event_id", unique=True),
    Index("ix_audit_entry_tenant_id_idx", "tenant_id", "idx"),
    Index(
        "ix_audit_entry_portfolio_id_idx",
        "tenant_id",
        "portfolio_id",
        "idx",
        postgresql_where=text("portfolio_id IS NOT NULL"),
        sqlite_where=text("portfolio_id IS NOT NULL"),
    ),
    Index(
        "ix_audit_entry_client_reference_idx",
        "tenant_id",
        "client_reference",
        "idx",
        postgresql_where=text("client_reference IS NOT NULL"),
        sqlite_where=text("client_reference IS NOT NULL"),
    ),
    sqlite_strict=True,
)

audit_body = Table(
    "audit_body",
    metadata,
    Column("log_id", Int, primary_key=True, autoincrement=False),
    Column("idx", Big, primary_key=True, autoincrement=False),
    Column("body", Bytes, nullable=False),
    sqlite_strict=True,
)
"""Compressed by the application (`app.adapters.audit_codec`); PostgreSQL is told not to try again."""

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("route", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("fingerprint", Bytes, nullable=False),
    Column("log_id", Int, nullable=False),
    Column("idx", Big, nullable=False),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("length(fingerprint) = 32", name="fingerprint"),
    Index("ix_idempotency_created_at", "created_at"),
    sqlite_strict=True,
)
"""Written with the entry it points to. Rows leave after the published retention."""

instrument = Table(
    "instrument",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("venue", String, primary_key=True),
    Column("symbol", String, primary_key=True),
    Column("specification", Bytes, nullable=False),
    sqlite_strict=True,
)
"""`venue` is empty for an instrument without one."""

instrument_generation = Table(
    "instrument_generation",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("generation", Big, nullable=False),
    sqlite_strict=True,
)
"""Counts the changes of a tenant's instruments: processes reload their copy when it has moved."""

stored_policy = Table(
    "stored_policy",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("policy_id", String, primary_key=True),
    Column("version", Int, primary_key=True, autoincrement=False),
    Column("sha256", Bytes, nullable=False),
    Column("defaults_version", Int, nullable=False),
    Column("sent", Bytes, nullable=False),
    Column("resolved", Bytes, nullable=False),
    Column("comment", String),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("length(sha256) = 32", name="sha256"),
    CheckConstraint("version >= 1", name="version"),
    sqlite_strict=True,
)
"""Rows are only ever added. The primary key decides between two writers of one version."""

portfolio = Table(
    "portfolio",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("portfolio_id", String, primary_key=True),
    Column("version", Int, nullable=False),
    Column("specification", Bytes),
    Column("updated_at", Moment, nullable=False),
    Column("snapshot_seq", Big),
    Column("snapshot", Bytes),
    Column("received_at", Moment),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("(snapshot IS NULL) = (snapshot_seq IS NULL)", name="snapshot"),
    CheckConstraint("(snapshot IS NULL) = (received_at IS NULL)", name="received_at"),
    CheckConstraint("snapshot IS NULL OR specification IS NOT NULL", name="registered"),
    sqlite_strict=True,
)
"""Rows are never removed: one without a specification is that of a deleted portfolio, whose versions go on counting.

The newest snapshot lies in the row, so that none can outlive its portfolio; the audit log has all of them.
"""
