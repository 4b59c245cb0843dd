"""Tables: the audit log and its tree, registered instruments, stored policies, and live portfolios.

An entry is small and stays for ever; its body is large, compressed and may be pruned one day, so it lies apart under
the same key. In PostgreSQL both are partitioned by `idx`. A unique index over all partitions must hold the partition
key: so `event_id` is unique within a partition there (`info` says that the index is none of the parent's).
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, text

from models.db.base import Big, Bytes, EventId, Int, Moment, Small, String, metadata

log_head = Table(
    "log_head",
    metadata,
    Column("log_id", Int, primary_key=True, autoincrement=False),
    Column("size", Big, nullable=False),
    Column("origin", String, nullable=False),
    Column("frontier", Bytes, nullable=False),
    Column("root", Bytes, nullable=False),
    Column("verifier_key", String),
    Column("room", Big),
    Column("partition_rows", Big),
    CheckConstraint("size >= 0", name="size"),
    CheckConstraint("length(root) = 32", name="root"),
    sqlite_strict=True,
)
"""One row a log. Who holds its lock gives out the next indices: so they are contiguous with any number of writers.

`frontier` holds one hash for each complete subtree of the Merkle tree, `root` its root; `verifier_key` is the public
key of the one that signs, from the first signature on. Indices below `room` have a partition, of `partition_rows` each
as far as they are made anew; SQLite has none.
"""

tenant = Table(
    "tenant",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("stream_secret", Bytes, nullable=False),
    CheckConstraint("length(stream_secret) = 32", name="stream_secret"),
    sqlite_strict=True,
)
"""`stream_secret` turns portfolio ids into the stream names of the public tree, and event ids into the salts of fields.
It never changes: processes keep it.
"""

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
    Column("stream", Bytes, nullable=False),
    Column("stream_seq", Big, nullable=False),
    Column("entry", Bytes, nullable=False),
    Column("leaf", Bytes, nullable=False),
    Column("head_size", Big, nullable=False),
    CheckConstraint("length(body_sha256) = 32", name="body_sha256"),
    CheckConstraint("length(stream) = 32", name="stream"),
    CheckConstraint("length(leaf) = 32", name="leaf"),
    CheckConstraint("stream_seq >= 1", name="stream_seq"),
    CheckConstraint("head_size > idx", name="head_size"),
    CheckConstraint("idx >= 0", name="idx"),
    # By `idx`, not by `stream_seq`: so the newest entry of a stream is looked for in the newest partition first.
    Index("ix_audit_entry_stream_idx", "stream", "idx"),
    Index("uq_audit_entry_event_id", "event_id", unique=True, info={"only": "sqlite"}),
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
"""`entry` is what the leaf hash is taken of: canonical JSON, never made anew. `head_size` is the size of the log once
the batch that wrote it was in: a receipt over it is the same whenever it is made.
"""

merkle_tile = Table(
    "merkle_tile",
    metadata,
    Column("log_id", Int, primary_key=True, autoincrement=False),
    Column("level", Int, primary_key=True, autoincrement=False),
    Column("number", Big, primary_key=True, autoincrement=False),
    Column("hashes", Bytes, nullable=False),
    CheckConstraint("level >= 1", name="level"),
    CheckConstraint("length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0", name="hashes"),
    sqlite_strict=True,
)
"""Tiles above the leaves: a copy of what the entries say, to be found faster; they grow, and never change otherwise."""

cosignature = Table(
    "cosignature",
    metadata,
    Column("log_id", Int, primary_key=True, autoincrement=False),
    Column("size", Big, primary_key=True, autoincrement=False),
    Column("witness", String, primary_key=True),
    Column("key_id", Bytes, primary_key=True),
    Column("signature", Bytes, nullable=False),
    CheckConstraint("size >= 1", name="size"),
    CheckConstraint("length(key_id) = 4", name="key_id"),
    CheckConstraint("length(signature) BETWEEN 9 AND 4096", name="signature"),
    sqlite_strict=True,
)
"""What witnesses signed of heads of the log: `signature` is what follows the key id on the line of a note."""

audit_body = Table(
    "audit_body",
    metadata,
    Column("log_id", Int, primary_key=True, autoincrement=False),
    Column("idx", Big, primary_key=True, autoincrement=False),
    Column("body", Bytes, nullable=False),
    Column("base_sha256", Bytes),
    Index(
        "ix_audit_body_base_sha256",
        "base_sha256",
        postgresql_where=text("base_sha256 IS NOT NULL"),
        sqlite_where=text("base_sha256 IS NOT NULL"),
    ),
    sqlite_strict=True,
)
"""Compressed by the application (`app.adapters.audit_codec`); PostgreSQL is told not to try again. `base_sha256` names
the chunk that it takes to read the body, if there is one.
"""

audit_chunk = Table(
    "audit_chunk",
    metadata,
    Column("log_id", Int, primary_key=True, autoincrement=False),
    Column("sha256", Bytes, primary_key=True),
    Column("idx", Big, nullable=False),
    Column("content", Bytes, nullable=False),
    CheckConstraint("length(sha256) = 32", name="sha256"),
    Index("ix_audit_chunk_idx", "idx"),
    sqlite_strict=True,
)
"""What several bodies have in common, stored once under its digest, with the first entry that needed it. A chunk leaves
once no body names it; the store refuses that before.
"""

audit_retention = Table(
    "audit_retention",
    metadata,
    Column("log_id", Int, primary_key=True, autoincrement=False),
    Column("idx", Big, primary_key=True, autoincrement=False),
    Column("first_idx", Big, nullable=False),
    Column("end_idx", Big, nullable=False),
    Column("content", Bytes, nullable=False),
    CheckConstraint("0 <= first_idx AND first_idx < end_idx AND end_idx <= idx", name="range"),
    sqlite_strict=True,
)
"""Bodies from `first_idx` up to `end_idx`, which is left out, may be removed, because entry `idx` of the log says so in
`content`. Without a row here the store refuses to remove a body; `trimtab audit verify` asks the log itself.
"""

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

policy_governance = Table(
    "policy_governance",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("policy_id", String, primary_key=True),
    Column("revision", Int, nullable=False),
    Column("document", Bytes, nullable=False),
    CheckConstraint("revision >= 1", name="revision"),
    sqlite_strict=True,
)
"""Rules and proposals of a policy as one document: who knows the revision may replace it. Rows are never removed."""

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
breaker_switch = Table(
    "breaker_switch",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("scope", String, primary_key=True),
    Column("version", Int, nullable=False),
    Column("mode", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("set_at", Moment, nullable=False),
    Column("expires_at", Moment),
    CheckConstraint("mode IN ('normal', 'reduce_only', 'halt')", name="mode"),
    CheckConstraint("version >= 1", name="version"),
    sqlite_strict=True,
)
"""The present setting of each switch; the former ones are in the audit log. Who knows the version may change it."""

published_parameters = Table(
    "published_parameters",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("market", String, primary_key=True),
    Column("version", Int, primary_key=True, autoincrement=False),
    Column("effective_at", Moment, nullable=False),
    Column("published_at", Moment, nullable=False),
    Column("content", Bytes, nullable=False),
    CheckConstraint("version >= 1", name="version"),
    sqlite_strict=True,
)
"""Rows are only ever added. The primary key decides between two writers of one version."""

api_key = Table(
    "api_key",
    metadata,
    Column("key_id", String, primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("scopes", String, nullable=False),
    Column("label", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("networks", String, nullable=False),
    Column("signing", String, nullable=False),
    Column("public_key", Bytes),
    Column("digest", Bytes),
    Column("units_per_second", Int),
    Column("burst_units", Int),
    CheckConstraint("signing IN ('bearer', 'ed25519', 'hmac')", name="signing"),
    CheckConstraint("(digest IS NOT NULL) = (signing = 'bearer')", name="bearer"),
    CheckConstraint("(public_key IS NOT NULL) = (signing = 'ed25519')", name="ed25519"),
    CheckConstraint("digest IS NULL OR length(digest) = 32", name="digest"),
    CheckConstraint("public_key IS NULL OR length(public_key) = 32", name="public_key"),
    Index("ix_api_key_tenant_id_key_id", "tenant_id", "key_id"),
    sqlite_strict=True,
)
"""`digest` is HMAC-SHA256 of a key under a pepper that is not in the database; no secret of a key is. `scopes` and
`networks` are words separated by spaces. Rows are never removed, and change once: when a key is revoked.
"""
