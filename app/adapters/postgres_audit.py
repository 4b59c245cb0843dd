"""Audit log in PostgreSQL, shared by any number of processes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import asyncpg

from app import deadline
from app.adapters.audit_batch import LOG_ID, Entry, Known, Pending, Placement, Scope, place, settled, unknown_bases
from app.adapters.audit_codec import event_uuid
from app.adapters.audit_rows import (
    BY_EVENT,
    BY_INDEX,
    BY_KEY,
    PREVIOUS,
    SIZE,
    TAIL,
    RowReader,
    named_bases,
    page_query,
    read_bases,
)
from app.adapters.audit_seal import LogHead, SealedBatch, new_secret, seal_batch
from app.adapters.postgres_connection import PostgresReaders
from app.adapters.postgres_notices import GROWN_CHANNEL, PostgresNotices
from app.adapters.postgres_writer import THREAD_BYTES, PostgresWriter
from app.ports import (
    IDEMPOTENCY_RETENTION,
    Appended,
    AuditActivity,
    AuditDamaged,
    AuditRecord,
    EntrySummary,
    EventKind,
    IdempotentEntry,
    StoredEntry,
    TailEntry,
)
from services.audit.chain import StreamHead
from services.audit.frontier import Frontier

_LOCK = f"SELECT size, origin, frontier, room, partition_rows FROM log_head WHERE log_id = {LOG_ID} FOR UPDATE"  # noqa: S608 - a constant
_KNOWN = (
    "SELECT k.tenant_id, k.route, k.key, k.fingerprint, k.idx FROM idempotency k "
    "JOIN unnest($1::text[], $2::text[], $3::text[]) AS w(tenant_id, route, key) USING (tenant_id, route, key)"
)
_WRITTEN = "SELECT EXISTS (SELECT FROM audit_entry WHERE event_id = ANY($1::uuid[]))"
_TENANTS = "SELECT tenant_id, stream_secret FROM tenant WHERE tenant_id = ANY($1::text[])"
_ADD_TENANT = "INSERT INTO tenant (tenant_id, stream_secret) VALUES ($1, $2) ON CONFLICT (tenant_id) DO NOTHING"
_STREAM_HEADS = (
    "SELECT w.stream, e.stream_seq, e.leaf FROM unnest($1::bytea[]) AS w(stream) CROSS JOIN LATERAL ("
    "SELECT stream_seq, leaf FROM audit_entry WHERE stream = w.stream ORDER BY idx DESC LIMIT 1) AS e"
)
# One statement, one round trip. Each batch clears twice the keys it adds: the table stays bounded without a timer.
# The notice is sent by the commit itself; it takes a lock that makes commits wait for one another, as they do anyway.
_WRITE = f"""
WITH entries AS (
    INSERT INTO audit_entry (log_id, idx, event_id, recorded_at, tenant_id, kind, portfolio_id, client_reference,
                             status, body_sha256, body_length, stored_length, stream, stream_seq, entry, leaf,
                             head_size)
    SELECT {LOG_ID}, *, $20 FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[],
                                        $6::text[], $7::text[], $8::smallint[], $9::bytea[], $10::int[], $11::int[],
                                        $21::bytea[], $22::bigint[], $23::bytea[], $24::bytea[])
), bodies AS (
    INSERT INTO audit_body (log_id, idx, body, base_sha256)
    SELECT {LOG_ID}, * FROM unnest($1::bigint[], $12::bytea[], $27::bytea[])
), chunks AS (
    INSERT INTO audit_chunk (log_id, sha256, idx, content)
    SELECT {LOG_ID}, * FROM unnest($28::bytea[], $29::bigint[], $30::bytea[]) ON CONFLICT DO NOTHING
), expired AS (
    DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM idempotency WHERE created_at < $19 ORDER BY created_at LIMIT 2 * cardinality($13::text[])))
), keys AS (
    INSERT INTO idempotency (tenant_id, route, key, fingerprint, log_id, idx, created_at)
    SELECT k.tenant_id, k.route, k.key, k.fingerprint, {LOG_ID}, k.idx, k.created_at
    FROM unnest($13::text[], $14::text[], $15::text[], $16::bytea[], $17::bigint[], $18::timestamptz[])
         AS k(tenant_id, route, key, fingerprint, idx, created_at)
)
UPDATE log_head SET size = $20, frontier = $25, root = $26 WHERE log_id = {LOG_ID}
RETURNING pg_notify('{GROWN_CHANNEL}', size::text)
"""  # noqa: S608 - only a constant is put in
_CHUNKS = f"SELECT sha256, content FROM audit_chunk WHERE log_id = {LOG_ID} AND sha256 = ANY($1::bytea[])"  # noqa: S608
READ = RowReader(lambda value: value, lambda value: value)


async def write_entries(connection: asyncpg.Connection, entries: Sequence[Entry]) -> Placement:
    """Take the lock of the log, place entries and insert them in the open transaction."""
    size, origin, frontier, room, partition_rows = await connection.fetchrow(_LOCK)
    # A statement after the lock sees what the former holder committed; in one statement with it, it would not.
    placement = place(entries, size, await _known(connection, entries))
    if not placement.rows:
        return placement
    needed = size + len(placement.rows)
    if needed + 2 * partition_rows > room:
        await connection.execute("SELECT audit_extend($1)", needed)
    head = LogHead(origin, Frontier.unpacked(size, frontier))
    streams = {entry.stream for _, entry in placement.rows}
    batch = seal_batch(head, placement.rows, await _stream_heads(connection, streams))
    unknown = unknown_bases(placement.rows, connection)
    chunks = [
        [base.sha256 for base, _ in unknown],
        [index for _, index in unknown],
        [base.chunk for base, _ in unknown],
    ]
    await connection.execute(_WRITE, *_columns(batch), *chunks)
    for base, _ in unknown:
        # Should the commit fail, this connection is dropped, and the next one does not know the chunk.
        base.known_to = connection
    return Placement(placement.rows, placement.sealed(batch.seals()))


async def tenant_secrets(connection: asyncpg.Connection, tenants: Collection[str]) -> dict[str, bytes]:
    """Secrets of tenants; one that has none gets it, of two processes that make one the first."""
    for tenant_id in sorted(tenants):
        await connection.execute(_ADD_TENANT, tenant_id, new_secret())
    return {row[0]: row[1] for row in await connection.fetch(_TENANTS, list(tenants))}


async def _stream_heads(connection: asyncpg.Connection, streams: Collection[bytes]) -> dict[bytes, StreamHead]:
    rows = await connection.fetch(_STREAM_HEADS, list(streams))
    return {row[0]: StreamHead(row[1], row[2]) for row in rows}


async def any_written(connection: asyncpg.Connection, entries: Sequence[Entry]) -> bool:
    """Whether one of the entries is stored, once no transaction that could store it is left."""
    await connection.execute(_LOCK)
    found: bool = await connection.fetchval(_WRITTEN, [entry.event for entry in entries])
    return found


async def _known(connection: asyncpg.Connection, entries: Sequence[Entry]) -> dict[Scope, Known]:
    scopes = list({entry.scope for entry in entries if entry.scope is not None})
    if not scopes:
        return {}
    rows = await connection.fetch(_KNOWN, *map(list, zip(*scopes, strict=True)))
    return {(row[0], row[1], row[2]): Known(row[3], row[4]) for row in rows}


def _columns(batch: SealedBatch) -> list[Any]:
    rows, links = batch.rows, batch.links
    records = [entry.record for _, entry in rows]
    bodies = [entry.body for _, entry in rows]
    keyed = [
        (index, record, record.idempotency)
        for (index, _), record in zip(rows, records, strict=True)
        if record.idempotency
    ]
    return [
        [index for index, _ in rows],
        [entry.event for _, entry in rows],
        [record.recorded_at for record in records],
        [record.tenant_id for record in records],
        [EventKind(record.kind).value for record in records],
        [record.portfolio_id for record in records],
        [record.client_reference for record in records],
        [record.status for record in records],
        [body.sha256 for body in bodies],
        [body.length for body in bodies],
        [len(body.blob) for body in bodies],
        [body.blob for body in bodies],
        [record.tenant_id for _, record, _ in keyed],
        [key.route for _, _, key in keyed],
        [key.key for _, _, key in keyed],
        [key.fingerprint for _, _, key in keyed],
        [index for index, _, _ in keyed],
        [record.recorded_at for _, record, _ in keyed],
        max(record.recorded_at for record in records) - IDEMPOTENCY_RETENTION,
        batch.after.size,
        [entry.stream for _, entry in rows],
        [link.stream_seq for link in links],
        [link.entry for link in links],
        [link.leaf for link in links],
        batch.after.packed(),
        batch.after.root,
        [body.base.sha256 if body.base else None for body in bodies],
    ]


async def stored_bases(readers: PostgresReaders, rows: Sequence[Any], column: int = 11) -> dict[bytes, bytes]:
    """Bodies that those of the rows were stored on."""
    if not (wanted := named_bases(rows, column)):
        return {}
    found = await readers.fetch(_CHUNKS, list(wanted))
    return await asyncio.to_thread(read_bases, [(row[0], row[1]) for row in found])


class PostgresAuditLog:
    """`app.ports.AuditLog` on a server."""

    def __init__(
        self,
        writer: PostgresWriter,
        readers: PostgresReaders,
        notices: PostgresNotices,
        version: str,
        warnings: tuple[str, ...],
    ) -> None:
        self._writer, self._readers, self._notices = writer, readers, notices
        self._version, self._warnings = version, warnings

    async def append(self, record: AuditRecord, *, timeout: float) -> Appended:
        """Make the record durable, then return its index."""
        timeout = deadline.at_most(timeout)
        pending = Pending(record, asyncio.get_running_loop().create_future())
        self._writer.submit(pending)
        appended = await settled(pending, timeout)
        deadline.lift()
        if not appended.replayed:
            return appended
        row = await self._readers.fetch_one(BY_INDEX, appended.index)
        if row is None:
            raise AuditDamaged(f"entry {appended.index} of a stored key is missing")
        return Appended(appended.index, replayed=True, entry=READ.entry(row, await stored_bases(self._readers, [row])))

    async def find_idempotent(self, tenant_id: str, route: str, key: str) -> IdempotentEntry | None:
        """Entry stored under the key."""
        row = await self._readers.fetch_one(BY_KEY, tenant_id, route, key)
        return READ.idempotent(row, await stored_bases(self._readers, [row])) if row else None

    async def get(self, tenant_id: str, event_id: str) -> StoredEntry | None:
        """Entry with this event id."""
        event = event_uuid(event_id)
        row = await self._readers.fetch_one(BY_EVENT, tenant_id, event) if event else None
        return READ.entry(row, await stored_bases(self._readers, [row])) if row else None

    async def entries(
        self,
        tenant_id: str,
        *,
        after: int | None,
        limit: int,
        kind: EventKind | None = None,
        portfolio_id: str | None = None,
        client_reference: str | None = None,
    ) -> list[EntrySummary]:
        """Page of summaries, ascending."""
        text, arguments = page_query(tenant_id, after, limit, kind, portfolio_id, client_reference)
        return [READ.summary(row) for row in await self._readers.fetch(text, *arguments)]

    async def tail(self, *, after: int, limit: int) -> list[TailEntry]:
        """Entries above `after`; a writer holds the lock of the log until its commit is seen, so none is skipped."""
        rows = await self._readers.fetch(TAIL, after, limit)
        bases = await stored_bases(self._readers, rows)
        if not bases and sum(row[9] for row in rows) <= THREAD_BYTES:
            return READ.tail(rows, bases)
        return await asyncio.to_thread(READ.tail, rows, bases)

    async def wait(self, *, after: int, timeout: float) -> int:
        """Size of the log once it is above `after + 1`: as the notices tell it, else asked each second."""
        return await self._notices.wait(after=after, timeout=timeout, read_size=self.size)

    async def previous(self, tenant_id: str, index: int, *, kind: EventKind, portfolio_id: str) -> EntrySummary | None:
        """Last entry of this kind and portfolio below `index`."""
        row = await self._readers.fetch_one(PREVIOUS, tenant_id, portfolio_id, index, kind.value)
        return READ.summary(row) if row else None

    async def size(self) -> int:
        """Number of entries of the whole log."""
        return int((await self._readers.fetch_one(SIZE))[0])

    async def ping(self) -> None:
        """Return if the server answers."""
        await self._readers.fetch("SELECT 1")

    def activity(self) -> AuditActivity:
        """What the writer does."""
        return self._writer.activity()

    def server_version(self) -> str:
        """Version of the server when the log was opened."""
        return self._version

    def warnings(self) -> tuple[str, ...]:
        """Settings of the server under which an acknowledged entry could be lost in a crash."""
        return self._warnings


async def durability_warnings(readers: PostgresReaders) -> tuple[str, ...]:
    """Server settings that break the promise, as texts.

    `synchronous_commit` is switched on by each of our transactions, so the server's own value does not count; where
    standbys are named, what is acknowledged is on one of them only from `on` upward.
    """
    rows = await readers.fetch(
        "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'data_checksums')"
    )
    found = dict(map(tuple, rows))
    warnings = [
        f"PostgreSQL {name} is {found.get(name)}: a crash of the machine can lose acknowledged entries"
        for name in ("fsync", "full_page_writes")
        if found.get(name) != "on"
    ]
    if found.get("data_checksums") != "on":
        warnings.append(
            "PostgreSQL data_checksums is off: only trimtab audit verify notices what a disk changes by itself"
        )
    return tuple(warnings)
