"""Audit log in an embedded SQLite file."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Collection, Sequence
from typing import Any

from app import deadline
from app.adapters.audit_batch import LOG_ID, Entry, Known, Pending, Scope, Verdict, place, settled, unknown_bases
from app.adapters.audit_codec import event_uuid
from app.adapters.audit_rows import (
    BY_EVENT,
    BY_INDEX,
    BY_KEY,
    CHUNK,
    PREVIOUS,
    SIZE,
    TAIL,
    Bodies,
    RowReader,
    named_bases,
    page_query,
    read_bases,
)
from app.adapters.audit_seal import LogHead, SealedBatch, new_secret, seal_batch
from app.adapters.log_growth import LogGrowth
from app.adapters.sqlite_connection import SqliteReaders, from_microseconds, microseconds
from app.adapters.sqlite_writer import SqliteWriter
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

_KNOWN = "SELECT fingerprint, idx FROM idempotency WHERE tenant_id = ? AND route = ? AND key = ?"
_INSERT_ENTRY = (
    "INSERT INTO audit_entry (log_id, idx, event_id, recorded_at, tenant_id, kind, portfolio_id, client_reference, "
    "status, body_sha256, body_length, stored_length, stream, stream_seq, entry, leaf, head_size) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_BODY = "INSERT INTO audit_body (log_id, idx, body, base_sha256) VALUES (?, ?, ?, ?)"
_INSERT_CHUNK = (
    "INSERT INTO audit_chunk (log_id, sha256, idx, content) VALUES (?, ?, ?, ?) ON CONFLICT (log_id, sha256) DO NOTHING"
)
_INSERT_KEY = (
    "INSERT INTO idempotency (tenant_id, route, key, fingerprint, log_id, idx, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_ADVANCE = "UPDATE log_head SET size = ?, frontier = ?, root = ? WHERE log_id = ?"
_HEAD = f"SELECT size, origin, frontier FROM log_head WHERE log_id = {LOG_ID}"  # noqa: S608 - a constant
_TENANT = "SELECT stream_secret FROM tenant WHERE tenant_id = ?"
_ADD_TENANT = "INSERT INTO tenant (tenant_id, stream_secret) VALUES (?, ?) ON CONFLICT (tenant_id) DO NOTHING"
_STREAM_HEAD = "SELECT stream_seq, leaf FROM audit_entry WHERE stream = ? ORDER BY idx DESC LIMIT 1"
# Each batch clears twice what it adds: the table stays bounded without a timer.
_SWEEP = (
    "DELETE FROM idempotency WHERE rowid IN "
    "(SELECT rowid FROM idempotency WHERE created_at < ? ORDER BY created_at LIMIT ?)"
)
_RETENTION = int(IDEMPOTENCY_RETENTION.total_seconds() * 1_000_000)
READ = RowReader(from_microseconds, lambda value: uuid.UUID(bytes=value))


def write_entries(connection: sqlite3.Connection, entries: Sequence[Entry]) -> list[Verdict]:
    """Place entries and put them into the open transaction."""
    size, origin, frontier = connection.execute(_HEAD).fetchone()
    placement = place(entries, size, _known(connection, entries))
    if not placement.rows:
        return placement.verdicts
    rows = placement.rows
    head = LogHead(origin, Frontier.unpacked(size, frontier))
    batch = seal_batch(head, rows, _stream_heads(connection, {entry.stream for _, entry in rows}))
    connection.executemany(_INSERT_ENTRY, _entry_rows(batch))
    connection.executemany(_INSERT_BODY, [_body_row(index, entry) for index, entry in rows])
    # Every time: a batch that was rolled back may have been the one that brought it.
    chunks = [(LOG_ID, base.sha256, index, base.chunk) for base, index in unknown_bases(rows, connection)]
    connection.executemany(_INSERT_CHUNK, chunks)
    if keys := [_key_row(index, entry) for index, entry in rows if entry.scope is not None]:
        connection.execute(_SWEEP, (max(row[-1] for row in keys) - _RETENTION, 2 * len(keys)))
        connection.executemany(_INSERT_KEY, keys)
    connection.execute(_ADVANCE, (batch.after.size, batch.after.packed(), batch.after.root, LOG_ID))
    return placement.sealed(batch.seals())


def tenant_secret(connection: sqlite3.Connection, tenant_id: str) -> bytes:
    """Secret of a tenant; one that has none gets it in the open transaction."""
    connection.execute(_ADD_TENANT, (tenant_id, new_secret()))
    [secret] = connection.execute(_TENANT, (tenant_id,)).fetchone()
    return bytes(secret)


def _stream_heads(connection: sqlite3.Connection, streams: Collection[bytes]) -> dict[bytes, StreamHead]:
    found = {stream: connection.execute(_STREAM_HEAD, (stream,)).fetchone() for stream in streams}
    return {stream: StreamHead(*row) for stream, row in found.items() if row is not None}


def _entry_rows(batch: SealedBatch) -> list[tuple[object, ...]]:
    size = batch.after.size
    return [
        (*_entry_row(index, entry), entry.stream, link.stream_seq, link.entry, link.leaf, size)
        for (index, entry), link in zip(batch.rows, batch.links, strict=True)
    ]


def _known(connection: sqlite3.Connection, entries: Sequence[Entry]) -> dict[Scope, Known]:
    scopes = {entry.scope for entry in entries if entry.scope is not None}
    found = {scope: connection.execute(_KNOWN, scope).fetchone() for scope in scopes}
    return {scope: Known(row[0], row[1]) for scope, row in found.items() if row is not None}


def _body_row(index: int, entry: Entry) -> tuple[object, ...]:
    body = entry.body
    return LOG_ID, index, body.blob, body.base.sha256 if body.base else None


def _entry_row(index: int, entry: Entry) -> tuple[object, ...]:
    record, body = entry.record, entry.body
    return (
        LOG_ID,
        index,
        entry.event.bytes,
        microseconds(record.recorded_at),
        record.tenant_id,
        EventKind(record.kind).value,
        record.portfolio_id,
        record.client_reference,
        record.status,
        body.sha256,
        body.length,
        len(body.blob),
    )


def _key_row(index: int, entry: Entry) -> tuple[str, str, str, bytes, int, int, int]:
    key = entry.record.idempotency
    assert key is not None
    return (
        entry.record.tenant_id,
        key.route,
        key.key,
        key.fingerprint,
        LOG_ID,
        index,
        microseconds(entry.record.recorded_at),
    )


def stored_bases(connection: sqlite3.Connection, rows: Sequence[Any], column: int = 11) -> dict[bytes, bytes]:
    """Bodies that those of the rows were stored on."""
    statement = CHUNK.replace("$", "?")
    found = {sha256: connection.execute(statement, (sha256,)).fetchone() for sha256 in named_bases(rows, column)}
    return read_bases((sha256, row[0]) for sha256, row in found.items() if row is not None)


def read_tail(connection: sqlite3.Connection, after: int, limit: int) -> list[TailEntry]:
    """Entries above `after` with their bodies."""
    rows = connection.execute(TAIL.replace("$", "?"), (after, limit)).fetchall()
    return READ.tail(rows, stored_bases(connection, rows))


class SqliteAuditLog:
    """`app.ports.AuditLog` on one file and one process."""

    def __init__(self, writer: SqliteWriter, readers: SqliteReaders, growth: LogGrowth) -> None:
        self._writer, self._readers, self._growth = writer, readers, growth

    async def append(self, record: AuditRecord, *, timeout: float) -> Appended:
        """Make the record durable, then return its index."""
        timeout = deadline.at_most(timeout)
        pending = Pending(record, asyncio.get_running_loop().create_future())
        self._writer.submit(pending)
        appended = await settled(pending, timeout)
        deadline.lift()
        if not appended.replayed:
            return appended
        found = await self._stored(BY_INDEX, appended.index)
        if found is None:
            raise AuditDamaged(f"entry {appended.index} of a stored key is missing")
        return Appended(appended.index, replayed=True, entry=READ.entry(*found))

    async def find_idempotent(self, tenant_id: str, route: str, key: str) -> IdempotentEntry | None:
        """Entry stored under the key."""
        found = await self._stored(BY_KEY, tenant_id, route, key)
        return READ.idempotent(*found) if found else None

    async def get(self, tenant_id: str, event_id: str) -> StoredEntry | None:
        """Entry with this event id."""
        event = event_uuid(event_id)
        found = await self._stored(BY_EVENT, tenant_id, event.bytes) if event else None
        return READ.entry(*found) if found else None

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
        rows = await self._readers.run(
            lambda connection: connection.execute(text.replace("$", "?"), arguments).fetchall()
        )
        return [READ.summary(row) for row in rows]

    async def tail(self, *, after: int, limit: int) -> list[TailEntry]:
        """Entries above `after`, read and checked in the reading thread."""
        return await self._readers.run(lambda connection: read_tail(connection, after, limit))

    async def wait(self, *, after: int, timeout: float) -> int:
        """Size of the log once it is above `after + 1`: only this process makes it grow."""
        return await self._growth.wait(after=after, timeout=timeout, read_size=self.size)

    async def previous(self, tenant_id: str, index: int, *, kind: EventKind, portfolio_id: str) -> EntrySummary | None:
        """Last entry of this kind and portfolio below `index`."""
        row = await self._one(PREVIOUS, tenant_id, portfolio_id, index, kind.value)
        return READ.summary(row) if row else None

    async def size(self) -> int:
        """Number of entries of the whole log."""
        row = await self._one(SIZE)
        return int(row[0]) if row else 0

    async def ping(self) -> None:
        """Return if the file answers."""
        await self.size()

    def activity(self) -> AuditActivity:
        """What the writer does."""
        return self._writer.activity()

    def server_version(self) -> str:
        """Version of the library."""
        return f"SQLite {sqlite3.sqlite_version}"

    def warnings(self) -> tuple[str, ...]:
        """None: WAL with synchronous=FULL is set on the writing connection itself."""
        return ()

    async def _stored(self, text: str, *arguments: object) -> tuple[tuple[Any, ...], Bodies] | None:
        statement = text.replace("$", "?")

        def read(connection: sqlite3.Connection) -> tuple[tuple[Any, ...], Bodies] | None:
            row = connection.execute(statement, arguments).fetchone()
            return (row, stored_bases(connection, [row])) if row else None

        return await self._readers.run(read)

    async def _one(self, text: str, *arguments: object) -> tuple[Any, ...] | None:
        statement = text.replace("$", "?")
        return await self._readers.run(lambda connection: connection.execute(statement, arguments).fetchone())
