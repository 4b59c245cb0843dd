"""A Merkle tree over the audit log: canonical entries, leaf hashes, streams, tiles; nothing recorded can be changed.

What was recorded before gets its entry here, without digests of request and answer apart: these lie compressed.

Revision: 0005, on 0004.
"""

import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INTEGER = sqlite.INTEGER()
SMALL = sa.SmallInteger().with_variant(_INTEGER, "sqlite")
INT = sa.Integer().with_variant(_INTEGER, "sqlite")
BIG = sa.BigInteger().with_variant(_INTEGER, "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(_INTEGER, "sqlite")
EVENT_ID = sa.Uuid().with_variant(sqlite.BLOB(), "sqlite")
BYTES = sa.LargeBinary()
CHUNK = 2000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EMPTY_ROOT = hashlib.sha256(b"").digest()
CHECKS = {
    "body_sha256": "length(body_sha256) = 32",
    "stream": "length(stream) = 32",
    "leaf": "length(leaf) = 32",
    "stream_seq": "stream_seq >= 1",
    "head_size": "head_size > idx",
    "idx": "idx >= 0",
}
ADDED = ("stream", "leaf", "stream_seq", "head_size")
INDEXES = ("uq_audit_entry_event_id", "ix_audit_entry_tenant_id_idx")
PROTECTED = ("audit_entry", "audit_body")
OLD = (
    *("log_id", "idx", "event_id", "recorded_at", "tenant_id", "kind", "portfolio_id", "client_reference", "status"),
    *("body_sha256", "body_length", "stored_length"),
)


def upgrade() -> None:
    _create_tables()
    if op.get_bind().dialect.name == "postgresql":
        _extend_postgres()
    else:
        _rebuild_sqlite(extended=True)
    _protect()


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in PROTECTED:
            op.execute(f"DROP TRIGGER append_only ON {table}")
            op.execute(f"DROP TRIGGER no_truncate ON {table}")
        op.execute("DROP FUNCTION audit_append_only()")
        op.drop_index("ix_audit_entry_stream_stream_seq", "audit_entry")
        for name in ADDED:
            op.drop_constraint(op.f(f"ck_audit_entry_{name}"), "audit_entry")
        for name in ("stream", "stream_seq", "entry", "leaf", "head_size"):
            op.drop_column("audit_entry", name)
        op.drop_constraint(op.f("ck_log_head_root"), "log_head")
        for name in ("origin", "frontier", "root", "verifier_key"):
            op.drop_column("log_head", name)
    else:
        for table in PROTECTED:
            for event in ("update", "delete"):
                op.execute(f"DROP TRIGGER {table}_{event}")
        _rebuild_sqlite(extended=False)
    op.drop_table("merkle_tile")
    op.drop_table("tenant")


def _create_tables() -> None:
    op.create_table(
        "tenant",
        sa.Column("tenant_id", sa.Text()),
        sa.Column("stream_secret", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
        sa.CheckConstraint("length(stream_secret) = 32", name="stream_secret"),
        sqlite_strict=True,
    )
    op.create_table(
        "merkle_tile",
        sa.Column("log_id", INT, autoincrement=False),
        sa.Column("level", INT, autoincrement=False),
        sa.Column("number", BIG, autoincrement=False),
        sa.Column("hashes", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("log_id", "level", "number"),
        sa.CheckConstraint("level >= 1", name="level"),
        sa.CheckConstraint("length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0", name="hashes"),
        sqlite_strict=True,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE merkle_tile ALTER COLUMN hashes SET STORAGE EXTERNAL")


def _new_columns() -> list[Any]:
    return [
        sa.Column("stream", BYTES),
        sa.Column("stream_seq", BIG),
        sa.Column("entry", BYTES),
        sa.Column("leaf", BYTES),
        sa.Column("head_size", BIG),
    ]


def _extend_postgres() -> None:
    for column in _new_columns():
        op.add_column("audit_entry", column)
    for column in (sa.Column("origin", sa.Text()), sa.Column("frontier", BYTES), sa.Column("root", BYTES)):
        op.add_column("log_head", column)
    op.add_column("log_head", sa.Column("verifier_key", sa.Text()))
    bind = op.get_bind()
    log = _Log(_secrets("audit_entry"))
    update = sa.text(
        "UPDATE audit_entry SET stream = :stream, stream_seq = :stream_seq, entry = :entry, leaf = :leaf, "
        "head_size = :head_size WHERE log_id = :log_id AND idx = :idx"
    )
    for rows in _old_rows("audit_entry"):
        bind.execute(update, [{**log.sealed(row), "log_id": row["log_id"], "idx": row["idx"]} for row in rows])
    bind.execute(sa.text("UPDATE log_head SET origin = :origin, frontier = :frontier, root = :root"), log.head())
    for name in ("stream", "stream_seq", "entry", "leaf", "head_size"):
        op.alter_column("audit_entry", name, nullable=False)
    for name in ("origin", "frontier", "root"):
        op.alter_column("log_head", name, nullable=False)
    for name in ADDED:
        op.create_check_constraint(op.f(f"ck_audit_entry_{name}"), "audit_entry", CHECKS[name])
    op.create_check_constraint(op.f("ck_log_head_root"), "log_head", "length(root) = 32")
    _create_stream_index()


def _rebuild_sqlite(*, extended: bool) -> None:
    """SQLite adds no NOT NULL column without a default: new tables take the place of the old ones."""
    partial = [f"ix_audit_entry_{name}_idx" for name in ("portfolio_id", "client_reference")]
    for name in (*INDEXES, *partial, *(() if extended else ("ix_audit_entry_stream_stream_seq",))):
        op.drop_index(name, "audit_entry")
    op.rename_table("audit_entry", "audit_entry_before")
    op.rename_table("log_head", "log_head_before")
    _create_entries(extended=extended)
    bind = op.get_bind()
    if extended:
        log = _Log(_secrets("audit_entry_before"))
        names = (*OLD, "stream", "stream_seq", "entry", "leaf", "head_size")
        values = ", ".join(f":{name}" for name in names)
        insert = sa.text(f"INSERT INTO audit_entry ({', '.join(names)}) VALUES ({values})")  # noqa: S608
        for rows in _old_rows("audit_entry_before"):
            bind.execute(insert, [{**row, **log.sealed(row)} for row in rows])
        bind.execute(
            sa.text(
                "INSERT INTO log_head (log_id, size, origin, frontier, root) "
                "SELECT log_id, size, :origin, :frontier, :root FROM log_head_before"
            ),
            log.head(),
        )
    else:
        columns = ", ".join(OLD)
        op.execute(f"INSERT INTO audit_entry ({columns}) SELECT {columns} FROM audit_entry_before")  # noqa: S608
        op.execute("INSERT INTO log_head (log_id, size) SELECT log_id, size FROM log_head_before")
    op.drop_table("audit_entry_before")
    op.drop_table("log_head_before")
    if extended:
        _create_stream_index()


def _create_entries(*, extended: bool) -> None:
    head = [
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("frontier", BYTES, nullable=False),
        sa.Column("root", BYTES, nullable=False),
        sa.Column("verifier_key", sa.Text()),
    ]
    op.create_table(
        "log_head",
        sa.Column("log_id", INT, autoincrement=False),
        sa.Column("size", BIG, nullable=False),
        *(head if extended else ()),
        sa.PrimaryKeyConstraint("log_id"),
        sa.CheckConstraint("size >= 0", name="size"),
        *([sa.CheckConstraint("length(root) = 32", name="root")] if extended else ()),
        sqlite_strict=True,
    )
    added = _new_columns() if extended else []
    for column in added:
        column.nullable = False
    op.create_table(
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
        sa.Column("body_sha256", BYTES, nullable=False),
        sa.Column("body_length", INT, nullable=False),
        sa.Column("stored_length", INT, nullable=False),
        *added,
        sa.PrimaryKeyConstraint("log_id", "idx"),
        *(sa.CheckConstraint(rule, name=name) for name, rule in CHECKS.items() if extended or name not in ADDED),
        sqlite_strict=True,
    )
    op.create_index("uq_audit_entry_event_id", "audit_entry", ["event_id"], unique=True)
    op.create_index("ix_audit_entry_tenant_id_idx", "audit_entry", ["tenant_id", "idx"])
    for column in ("portfolio_id", "client_reference"):
        given = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_audit_entry_{column}_idx", "audit_entry", ["tenant_id", column, "idx"], sqlite_where=given)


def _create_stream_index() -> None:
    op.create_index("ix_audit_entry_stream_stream_seq", "audit_entry", ["stream", "stream_seq"], unique=True)


def _protect() -> None:
    """Refuse changes of what is recorded: they would be found out anyway, but not before somebody looks."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
            "'% on % refused: the audit log is append-only', TG_OP, TG_TABLE_NAME "
            "USING ERRCODE = 'insufficient_privilege'; END $$"
        )
        for table in PROTECTED:
            op.execute(
                f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION audit_append_only()"
            )
            op.execute(
                f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
            )
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER no_truncate")
        return
    for table in PROTECTED:
        for event in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_{event} BEFORE {event.upper()} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            )


def _secrets(table: str) -> dict[str, bytes]:
    """A secret for each tenant that has entries, and for the one that every installation has."""
    bind = op.get_bind()
    names = {"local", *bind.execute(sa.text(f"SELECT DISTINCT tenant_id FROM {table}")).scalars()}  # noqa: S608
    made = {name: secrets.token_bytes(32) for name in sorted(names)}
    rows = [{"tenant_id": name, "stream_secret": secret} for name, secret in made.items()]
    bind.execute(sa.text("INSERT INTO tenant (tenant_id, stream_secret) VALUES (:tenant_id, :stream_secret)"), rows)
    return made


def _old_rows(table: str) -> Iterator[list[dict[str, Any]]]:
    bind, after = op.get_bind(), -1
    columns = ", ".join(OLD)
    select = sa.text(f"SELECT {columns} FROM {table} WHERE idx > :after ORDER BY idx LIMIT {CHUNK}")  # noqa: S608
    while rows := [dict(row) for row in bind.execute(select, {"after": after}).mappings()]:
        yield rows
        after = rows[-1]["idx"]


class _Log:
    """The tree as `services.audit` builds it, in the words of this revision: it must not change with the code."""

    def __init__(self, stream_secrets: dict[str, bytes]) -> None:
        self.secrets = stream_secrets
        self.origin = f"trimtab.local/{secrets.token_hex(8)}"
        self.size, self.subtrees = 0, list[bytes]()
        self.streams: dict[bytes, tuple[int, bytes]] = {}

    def sealed(self, row: dict[str, Any]) -> dict[str, Any]:
        portfolio = row["portfolio_id"]
        name = b"" if portfolio is None else b"portfolio:" + portfolio.encode()
        stream = hmac.new(self.secrets[row["tenant_id"]], name, hashlib.sha256).digest()
        seq, before = self.streams.get(stream, (0, bytes(32)))
        entry = json.dumps(
            {
                "at": _moment(row["recorded_at"]),
                "body": f"sha256:{bytes(row['body_sha256']).hex()}",
                "body_len": row["body_length"],
                "id": f"ev_{_uuid(row['event_id']).hex}",
                "kind": row["kind"],
                "log": self.origin,
                "status": row["status"],
                "stream": f"hmac-sha256:{stream.hex()}",
                "stream_prev": f"sha256:{before.hex()}",
                "stream_seq": seq + 1,
                "v": 1,
            },
            sort_keys=True,
            separators=(",", ":"),
        ).encode()
        leaf = hashlib.sha256(b"\x00" + entry).digest()
        self.streams[stream] = (seq + 1, leaf)
        self._append(leaf)
        # What was written one by one, or in batches that nobody knows any more, is a batch each.
        return {
            "stream": stream,
            "stream_seq": seq + 1,
            "entry": entry,
            "leaf": leaf,
            "head_size": self.size,
        }

    def _append(self, leaf: bytes) -> None:
        bits = self.size
        while bits & 1:
            leaf, bits = hashlib.sha256(b"\x01" + self.subtrees.pop() + leaf).digest(), bits >> 1
        self.subtrees.append(leaf)
        self.size += 1

    def head(self) -> dict[str, Any]:
        root = self.subtrees[-1] if self.subtrees else EMPTY_ROOT
        for left in reversed(self.subtrees[:-1]):
            root = hashlib.sha256(b"\x01" + left + root).digest()
        return {"origin": self.origin, "frontier": b"".join(self.subtrees), "root": root}


def _moment(value: Any) -> str:
    moment = EPOCH + timedelta(microseconds=value) if isinstance(value, int) else value.astimezone(UTC)
    return str(moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


def _uuid(value: Any) -> uuid.UUID:
    return uuid.UUID(bytes=bytes(value)) if isinstance(value, bytes) else uuid.UUID(str(value))
