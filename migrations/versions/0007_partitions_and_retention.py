"""Partitions of the audit log in PostgreSQL, bodies that may be pruned once the log says so, chunks stored once.

PostgreSQL keeps what is stored as the first partition, without copying it.

Revision: 0007, on 0006.
"""

import sqlalchemy as sa
import zstandard
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INTEGER = sqlite.INTEGER()
INT = sa.Integer().with_variant(_INTEGER, "sqlite")
BIG = sa.BigInteger().with_variant(_INTEGER, "sqlite")
BYTES = sa.LargeBinary()
PARTITION_ROWS = 5_000_000
PARTITIONED = ("audit_entry", "audit_body")
PARTIAL = {
    "audit_entry": {
        "tenant_id": None,
        "portfolio_id": "portfolio_id IS NOT NULL",
        "client_reference": "client_reference IS NOT NULL",
    },
}
FUNCTIONS = (
    "audit_extend(bigint)",
    "audit_partition(text, bigint, bigint)",
    "audit_guard_partition(text)",
    "audit_retain(bigint, bytea)",
    "audit_sweep(bigint)",
)
PLAIN = b"\x01"
"""First byte of a blob that can be read without a chunk; its frame needs no dictionary."""
PAGE = 200


def upgrade() -> None:
    _create_tables()
    for name in ("room", "partition_rows"):
        op.add_column("log_head", sa.Column(name, BIG))
    op.add_column("audit_body", sa.Column("base_sha256", BYTES))
    if op.get_bind().dialect.name == "postgresql":
        _partition()
        op.execute("ALTER TABLE audit_chunk ALTER COLUMN content SET STORAGE EXTERNAL")
        _guard_postgres()
    else:
        op.drop_index("ix_audit_entry_stream_stream_seq", "audit_entry")
        op.create_index("ix_audit_entry_stream_idx", "audit_entry", ["stream", "idx"])
        _index_bases()
        _guard_sqlite()


def downgrade() -> None:
    """Back to one table each; bodies that name a chunk are stored whole again, pruned ones stay away."""
    if op.get_bind().dialect.name == "postgresql":
        for signature in FUNCTIONS:
            op.execute(f"DROP FUNCTION {signature}")
        op.execute("DROP TRIGGER guard ON audit_chunk")
        op.execute("DROP FUNCTION audit_chunk_guard()")
        op.execute("DROP TRIGGER append_only ON audit_retention")
        op.execute("ALTER TABLE audit_body DISABLE TRIGGER append_only")
        _store_whole()
        for table in PARTITIONED:
            _unpartition(table)
        op.execute("DROP FUNCTION audit_body_guard()")
    else:
        for name in ("audit_body_update", "audit_body_delete", "audit_chunk_update", "audit_chunk_delete"):
            op.execute(f"DROP TRIGGER {name}")
        for event in ("update", "delete"):
            op.execute(f"DROP TRIGGER audit_retention_{event}")
        _store_whole()
        for event in ("update", "delete"):
            op.execute(_refusal("audit_body", event))
        op.drop_index("ix_audit_entry_stream_idx", "audit_entry")
        op.create_index("ix_audit_entry_stream_stream_seq", "audit_entry", ["stream", "stream_seq"], unique=True)
        op.drop_index("ix_audit_body_base_sha256", "audit_body")
        op.drop_column("audit_body", "base_sha256")
    for name in ("room", "partition_rows"):
        op.drop_column("log_head", name)
    op.drop_table("audit_retention")
    op.drop_table("audit_chunk")


def _create_tables() -> None:
    op.create_table(
        "audit_chunk",
        sa.Column("log_id", INT, autoincrement=False),
        sa.Column("sha256", BYTES),
        sa.Column("idx", BIG, nullable=False),
        sa.Column("content", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("log_id", "sha256"),
        sa.CheckConstraint("length(sha256) = 32", name="sha256"),
        sqlite_strict=True,
    )
    op.create_index("ix_audit_chunk_idx", "audit_chunk", ["idx"])
    op.create_table(
        "audit_retention",
        sa.Column("log_id", INT, autoincrement=False),
        sa.Column("idx", BIG, autoincrement=False),
        sa.Column("first_idx", BIG, nullable=False),
        sa.Column("end_idx", BIG, nullable=False),
        sa.Column("content", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("log_id", "idx"),
        sa.CheckConstraint("0 <= first_idx AND first_idx < end_idx AND end_idx <= idx", name="range"),
        sqlite_strict=True,
    )


def _index_bases() -> None:
    named = sa.text("base_sha256 IS NOT NULL")
    op.create_index(
        "ix_audit_body_base_sha256", "audit_body", ["base_sha256"], postgresql_where=named, sqlite_where=named
    )


def _partition() -> None:
    """The tables become the first partitions of new ones of their names."""
    size = op.get_bind().execute(sa.text("SELECT coalesce(max(size), 0) FROM log_head")).scalar_one()
    room = (size // PARTITION_ROWS + 1) * PARTITION_ROWS
    for table in PARTITIONED:
        for trigger in ("append_only", "no_truncate"):
            op.execute(f"DROP TRIGGER {trigger} ON {table}")
    op.drop_index("ix_audit_entry_stream_stream_seq", "audit_entry")
    op.execute("ALTER INDEX uq_audit_entry_event_id RENAME TO uq_audit_entry_0_event_id")
    for column in PARTIAL["audit_entry"]:
        op.execute(f"ALTER INDEX ix_audit_entry_{column}_idx RENAME TO ix_audit_entry_0_{column}_idx")
    for table in PARTITIONED:
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT pk_{table} TO pk_{table}_0")
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_0")
        op.execute(
            f"CREATE TABLE {table} (LIKE {table}_0 INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE) "
            "PARTITION BY RANGE (idx)"
        )
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY (log_id, idx)")
    for column, given in PARTIAL["audit_entry"].items():
        columns = ["tenant_id", "idx"] if column == "tenant_id" else ["tenant_id", column, "idx"]
        where = sa.text(given) if given else None
        op.create_index(f"ix_audit_entry_{column}_idx", "audit_entry", columns, postgresql_where=where)
    op.create_index("ix_audit_entry_stream_idx", "audit_entry", ["stream", "idx"])
    _index_bases()
    for table in PARTITIONED:
        op.execute(f"ALTER TABLE {table} ATTACH PARTITION {table}_0 FOR VALUES FROM (0) TO ({room})")
    op.execute(f"UPDATE log_head SET room = {room}, partition_rows = {PARTITION_ROWS}")  # noqa: S608 - numbers


def _guard_postgres() -> None:
    bind = op.get_bind()
    schema = bind.execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    path = f"SET search_path = {schema}, pg_temp"
    op.execute(_BODY_GUARD)
    op.execute(_CHUNK_GUARD)
    for text in (_GUARD_PARTITION, _MAKE_PARTITION, _EXTEND, _RETAIN, _SWEEP):
        op.execute(text.replace("@PATH@", path))
    for signature in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    for table, guard in (("audit_entry", "audit_append_only"), ("audit_body", "audit_body_guard")):
        # PostgreSQL copies a trigger on rows to every partition, present and future; one on TRUNCATE it does not.
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {guard}()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
        for name in (table, f"{table}_0"):
            op.execute(f"SELECT audit_guard_partition('{name}')")
    op.execute(
        "CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON audit_chunk FOR EACH ROW EXECUTE FUNCTION audit_chunk_guard()"
    )
    op.execute("ALTER TABLE audit_chunk ENABLE ALWAYS TRIGGER guard")
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_retention "
        "FOR EACH ROW EXECUTE FUNCTION audit_append_only()"
    )
    op.execute("ALTER TABLE audit_retention ENABLE ALWAYS TRIGGER append_only")
    for table in ("audit_chunk", "audit_retention"):
        op.execute(f"SELECT audit_guard_partition('{table}')")
    op.execute("SELECT audit_extend((SELECT size FROM log_head WHERE log_id = 1))")


_REFUSED = (
    "RAISE EXCEPTION '% on % refused: the audit log is append-only', TG_OP, TG_TABLE_NAME "
    "USING ERRCODE = 'insufficient_privilege'"
)
_BODY_GUARD = f"""
CREATE FUNCTION audit_body_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM audit_retention WHERE log_id = OLD.log_id AND first_idx <= OLD.idx AND OLD.idx < end_idx
    ) THEN
        RETURN OLD;
    END IF;
    {_REFUSED};
END $$
"""
_CHUNK_GUARD = f"""
CREATE FUNCTION audit_chunk_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM audit_body WHERE base_sha256 = OLD.sha256) THEN
        RETURN OLD;
    END IF;
    {_REFUSED};
END $$
"""
_GUARD_PARTITION = """
CREATE FUNCTION audit_guard_partition(name text) RETURNS void LANGUAGE plpgsql @PATH@ AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT '
                   'EXECUTE FUNCTION audit_append_only()', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER no_truncate', name);
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = name::regclass AND tgname = 'append_only') THEN
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER append_only', name);
    END IF;
END $$
"""
# Made apart and then attached: that leaves readers and writers of the other partitions alone.
_MAKE_PARTITION = """
CREATE FUNCTION audit_partition(parent text, first bigint, upto bigint) RETURNS void LANGUAGE plpgsql @PATH@ AS $$
DECLARE
    name text := format('%s_%s', parent, first);
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)',
                   name, parent);
    IF parent = 'audit_entry' THEN
        EXECUTE format('CREATE UNIQUE INDEX %I ON %I (event_id)', format('uq_%s_event_id', name), name);
    END IF;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', parent, name, first, upto);
    PERFORM audit_guard_partition(name);
END $$
"""
# Whoever writes may have partitions made up to what the log can need next, and no others.
_EXTEND = """
CREATE FUNCTION audit_extend(needed bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
@PATH@ SET lock_timeout = '100ms' AS $$
DECLARE
    head log_head%ROWTYPE;
BEGIN
    SELECT * INTO head FROM log_head WHERE log_id = 1 FOR UPDATE;
    needed := least(needed, head.size + 10000);
    BEGIN
        WHILE head.room < needed + 2 * head.partition_rows LOOP
            PERFORM audit_partition('audit_entry', head.room, head.room + head.partition_rows);
            PERFORM audit_partition('audit_body', head.room, head.room + head.partition_rows);
            head.room := head.room + head.partition_rows;
        END LOOP;
        UPDATE log_head SET room = head.room WHERE log_id = 1;
        RETURN head.room;
    EXCEPTION WHEN lock_not_available THEN
        -- Somebody works on the table: there is room for two partitions, and the next batch asks again.
        RETURN (SELECT room FROM log_head WHERE log_id = 1);
    END;
END $$
"""
# Only what an entry of the log announces in its answer, and only from where the last one ended.
_RETAIN = """
CREATE FUNCTION audit_retain(entry_idx bigint, said bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
@PATH@ AS $$
DECLARE
    canonical bytea;
    lower bigint;
    upper bigint;
BEGIN
    SELECT entry INTO canonical FROM audit_entry WHERE log_id = 1 AND idx = entry_idx AND kind = 'retention';
    IF (convert_from(canonical, 'UTF8')::jsonb)->>'response' IS DISTINCT FROM 'sha256:' || encode(sha256(said), 'hex')
    THEN
        RAISE EXCEPTION 'entry % of the log does not announce this', entry_idx USING ERRCODE = 'insufficient_privilege';
    END IF;
    lower := (convert_from(said, 'UTF8')::jsonb)->>'first';
    upper := (convert_from(said, 'UTF8')::jsonb)->>'end';
    IF lower > coalesce((SELECT max(end_idx) FROM audit_retention WHERE log_id = 1), 0) THEN
        RAISE EXCEPTION 'the range of entry % does not begin where the last one ended', entry_idx;
    END IF;
    INSERT INTO audit_retention (log_id, idx, first_idx, end_idx, content)
    VALUES (1, entry_idx, lower, upper, said) ON CONFLICT DO NOTHING;
END $$
"""
_SWEEP = """
CREATE FUNCTION audit_sweep(most bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
@PATH@ SET lock_timeout = '1s' AS $$
DECLARE
    reach bigint := (SELECT max(end_idx) FROM audit_retention WHERE log_id = 1);
    part record;
    gone bigint := 0;
    deleted bigint;
BEGIN
    FOR part IN
        SELECT c.oid::regclass AS name,
               (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''?(\\d+)''?\\)'))[1]::bigint AS upto
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'audit_body'::regclass
    LOOP
        IF part.upto <= reach THEN
            EXECUTE format('ALTER TABLE audit_body DETACH PARTITION %s', part.name);
            EXECUTE format('DROP TABLE %s', part.name);
            gone := gone + 1;
        END IF;
    END LOOP;
    DELETE FROM audit_body WHERE log_id = 1 AND idx = ANY (ARRAY(
        SELECT idx FROM audit_body WHERE log_id = 1 AND idx < reach ORDER BY idx LIMIT most));
    GET DIAGNOSTICS deleted = ROW_COUNT;
    gone := gone + deleted;
    IF deleted < most THEN
        DELETE FROM audit_chunk WHERE log_id = 1 AND sha256 = ANY (ARRAY(
            SELECT c.sha256 FROM audit_chunk c JOIN audit_entry e ON e.log_id = c.log_id AND e.idx = c.idx
            WHERE c.log_id = 1 AND c.idx < reach AND e.recorded_at < now() - interval '31 days'
            AND NOT EXISTS (SELECT FROM audit_body b WHERE b.base_sha256 = c.sha256) LIMIT most));
        GET DIAGNOSTICS deleted = ROW_COUNT;
        gone := gone + deleted;
    END IF;
    RETURN gone;
END $$
"""


def _refusal(table: str, event: str, unless: str = "") -> str:
    return (
        f"CREATE TRIGGER {table}_{event} BEFORE {event.upper()} ON {table} {unless}"
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
    )


def _guard_sqlite() -> None:
    op.execute("DROP TRIGGER audit_body_delete")
    covered = (
        "WHEN NOT EXISTS (SELECT 1 FROM audit_retention WHERE log_id = OLD.log_id AND first_idx <= OLD.idx "
        "AND OLD.idx < end_idx) "
    )
    named = "WHEN EXISTS (SELECT 1 FROM audit_body WHERE base_sha256 = OLD.sha256) "
    op.execute(_refusal("audit_body", "delete", covered))
    op.execute(_refusal("audit_chunk", "update"))
    op.execute(_refusal("audit_chunk", "delete", named))
    for event in ("update", "delete"):
        op.execute(_refusal("audit_retention", event))


def _store_whole() -> None:
    bind, after = op.get_bind(), -1
    select = sa.text(
        "SELECT b.log_id, b.idx, b.body, c.content FROM audit_body b JOIN audit_chunk c ON c.log_id = b.log_id "
        "AND c.sha256 = b.base_sha256 WHERE b.idx > :after ORDER BY b.idx LIMIT :page"
    )
    update = sa.text("UPDATE audit_body SET body = :body WHERE log_id = :log_id AND idx = :idx")
    plain, compressor = zstandard.ZstdDecompressor(), zstandard.ZstdCompressor()
    while rows := bind.execute(select, {"after": after, "page": PAGE}).all():
        for log_id, idx, blob, content in rows:
            base = zstandard.ZstdCompressionDict(plain.decompress(bytes(content)), zstandard.DICT_TYPE_RAWCONTENT)
            body = zstandard.ZstdDecompressor(dict_data=base).decompress(bytes(blob)[1:])
            values = {"body": PLAIN + compressor.compress(body), "log_id": log_id, "idx": idx}
            bind.execute(update, values)
        after = rows[-1][1]


def _unpartition(table: str) -> None:
    op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT pk_{table} TO pk_{table}_before")
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
    op.execute(f"CREATE TABLE {table} (LIKE {table}_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)")
    op.execute(f"INSERT INTO {table} SELECT * FROM {table}_before ORDER BY log_id, idx")  # noqa: S608 - a constant
    op.execute(f"DROP TABLE {table}_before")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY (log_id, idx)")
    if table == "audit_entry":
        op.create_index("uq_audit_entry_event_id", "audit_entry", ["event_id"], unique=True)
        op.create_index("ix_audit_entry_stream_stream_seq", "audit_entry", ["stream", "stream_seq"], unique=True)
        for column, given in PARTIAL["audit_entry"].items():
            columns = ["tenant_id", "idx"] if column == "tenant_id" else ["tenant_id", column, "idx"]
            where = sa.text(given) if given else None
            op.create_index(f"ix_audit_entry_{column}_idx", "audit_entry", columns, postgresql_where=where)
    else:
        op.drop_column("audit_body", "base_sha256")
    for name, what in (("append_only", "UPDATE OR DELETE"), ("no_truncate", "TRUNCATE")):
        each = "STATEMENT" if name == "no_truncate" else "ROW"
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {what} ON {table} FOR EACH {each} EXECUTE FUNCTION audit_append_only()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
