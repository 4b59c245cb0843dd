"""The tree of the log in the embedded SQLite file."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from app.adapters import log_rows as rows
from app.adapters.audit_codec import event_uuid
from app.adapters.sqlite_audit import read_tail, stored_bases
from app.adapters.sqlite_connection import SqliteReaders, from_microseconds
from app.adapters.sqlite_writer import SqliteWriter
from app.log_ports import LoggedEntry, LogState
from app.ports import StoredEntry
from services.audit.chain import StreamHead
from services.audit.note import Signature
from services.audit.verify import StoredLeaf


class SqliteLogTree:
    """`app.log_ports.LogTree` of one process; without a writer it can only be read, and computes tiles anew."""

    def __init__(self, writer: SqliteWriter | None, readers: SqliteReaders) -> None:
        self._writer, self._readers = writer, readers

    async def head(self) -> LogState:
        """Head of the log."""
        [(origin, size, root, frontier, key)] = await self._rows(rows.HEAD)
        return LogState(origin=origin, size=size, root=root, frontier=frontier, verifier_key=key)

    async def adopt_key(self, verifier_key: str) -> str:
        """Make this the key of the log unless it has one."""
        await self._change(rows.ADOPT_KEY, verifier_key)
        return (await self.head()).verifier_key or verifier_key

    async def change_key(self, former: str, verifier_key: str) -> str:
        """Make this the key of the log if it has the former one."""
        await self._change(rows.CHANGE_KEY, former, verifier_key)
        return (await self.head()).verifier_key or ""

    async def entry_of(self, tenant_id: str, event_id: str) -> LoggedEntry | None:
        """Entry of an event."""
        event = event_uuid(event_id)
        found = await self._rows(rows.ENTRY_OF, tenant_id, event.bytes) if event else []
        return LoggedEntry(*found[0]) if found else None

    async def leaves(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes."""
        return [row[0] for row in await self._rows(rows.LEAVES, start, end)]

    async def tile(self, level: int, number: int) -> bytes:
        """Hashes of a tile."""
        found = await self._rows(rows.TILE, level, number)
        return found[0][0] if found else b""

    async def put_tile(self, level: int, number: int, hashes: bytes) -> None:
        """Store a tile."""
        await self._change(rows.PUT_TILE, level, number, hashes)

    async def stored(self, *, start: int, limit: int, bodies: bool) -> list[StoredLeaf]:
        """Rows for a check; bodies are read and hashed in the reading thread."""
        statement = _own(rows.STORED_WITH_BODIES if bodies else rows.STORED)

        def read(connection: sqlite3.Connection) -> list[StoredLeaf]:
            found = connection.execute(statement, (start, limit)).fetchall()
            bases = stored_bases(connection, found, rows.BASE_COLUMN) if bodies else {}
            return [
                rows.stored_leaf(row, from_microseconds, lambda value: uuid.UUID(bytes=value), bases) for row in found
            ]

        return await self._readers.run(read)

    async def records(self, *, after: int, limit: int) -> list[StoredEntry]:
        """Entries with their bodies, decompressed in the reading thread."""
        return [item.entry for item in await self._readers.run(lambda connection: read_tail(connection, after, limit))]

    async def stream_secrets(self) -> Mapping[str, bytes]:
        """Secrets of the streams."""
        return dict(await self._rows(rows.SECRETS))

    async def stream_head(self, stream: bytes, *, before: int) -> StreamHead:
        """Last entry of a stream."""
        found = await self._rows(rows.STREAM_HEAD, stream, before)
        return StreamHead(*found[0]) if found else StreamHead()

    async def tiles(self) -> Sequence[tuple[int, int, bytes]]:
        """Every stored tile."""
        return await self._rows(rows.TILES)

    async def retentions(self) -> Sequence[tuple[int, bytes]]:
        """What the log said would be removed."""
        return await self._rows(rows.RETENTIONS)

    async def add_cosignatures(self, size: int, signatures: Sequence[Signature]) -> None:
        """Store signatures of witnesses."""
        for item in signatures:
            await self._change(rows.ADD_COSIGNATURE, size, item.name, item.key_id, item.signature)

    async def cosignatures(self, size: int) -> list[Signature]:
        """Signatures of witnesses on the head of a size."""
        return [Signature(*row) for row in await self._rows(rows.COSIGNATURES, size)]

    async def cosigned_sizes(self, *, least: int, signatures: int, newest: bool, limit: int) -> list[int]:
        """Sizes of cosigned heads."""
        statement = rows.NEWEST_SIZES if newest else rows.SIZES
        return [row[0] for row in await self._rows(statement, least, signatures, limit)]

    async def _rows(self, text: str, *values: object) -> list[Any]:
        return await self._readers.run(lambda connection: connection.execute(_own(text), values).fetchall())

    async def _change(self, text: str, *values: object) -> None:
        if self._writer is None:
            return

        def work(connection: Any) -> None:
            connection.execute(_own(text), values)

        await self._writer.perform(work)


def _own(text: str) -> str:
    return text.replace("$", "?")
