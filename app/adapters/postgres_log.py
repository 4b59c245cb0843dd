"""The tree of the log in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from app.adapters import log_rows as rows
from app.adapters.audit_codec import event_uuid
from app.adapters.audit_rows import TAIL
from app.adapters.postgres_audit import READ, stored_bases
from app.adapters.postgres_connection import PostgresReaders
from app.log_ports import LoggedEntry, LogState
from app.ports import StoredEntry
from services.audit.chain import StreamHead
from services.audit.note import Signature
from services.audit.verify import StoredLeaf


class PostgresLogTree:
    """`app.log_ports.LogTree` on a server."""

    def __init__(self, readers: PostgresReaders) -> None:
        self._readers = readers

    async def head(self) -> LogState:
        """Head of the log."""
        origin, size, root, frontier, key = await self._readers.fetch_one(rows.HEAD)
        return LogState(origin=origin, size=size, root=root, frontier=frontier, verifier_key=key)

    async def adopt_key(self, verifier_key: str) -> str:
        """Make this the key of the log unless it has one."""
        await self._readers.fetch(rows.ADOPT_KEY, verifier_key)
        return (await self.head()).verifier_key or verifier_key

    async def change_key(self, former: str, verifier_key: str) -> str:
        """Make this the key of the log if it has the former one."""
        await self._readers.fetch(rows.CHANGE_KEY, former, verifier_key)
        return (await self.head()).verifier_key or ""

    async def entry_of(self, tenant_id: str, event_id: str) -> LoggedEntry | None:
        """Entry of an event."""
        event = event_uuid(event_id)
        row = await self._readers.fetch_one(rows.ENTRY_OF, tenant_id, event) if event else None
        return LoggedEntry(*row) if row else None

    async def leaves(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes."""
        return [row[0] for row in await self._readers.fetch(rows.LEAVES, start, end)]

    async def tile(self, level: int, number: int) -> bytes:
        """Hashes of a tile."""
        row = await self._readers.fetch_one(rows.TILE, level, number)
        return row[0] if row else b""

    async def put_tile(self, level: int, number: int, hashes: bytes) -> None:
        """Store a tile."""
        await self._readers.fetch(rows.PUT_TILE, level, number, hashes)

    async def stored(self, *, start: int, limit: int, bodies: bool) -> list[StoredLeaf]:
        """Rows for a check; bodies are read and hashed in a worker thread."""
        found = await self._readers.fetch(rows.STORED_WITH_BODIES if bodies else rows.STORED, start, limit)
        bases = await stored_bases(self._readers, found, rows.BASE_COLUMN) if bodies else {}
        return await asyncio.to_thread(
            lambda: [rows.stored_leaf(row, lambda value: value, lambda value: value, bases) for row in found]
        )

    async def records(self, *, after: int, limit: int) -> list[StoredEntry]:
        """Entries with their bodies, decompressed in a worker thread."""
        found = await self._readers.fetch(TAIL, after, limit)
        bases = await stored_bases(self._readers, found)
        return [item.entry for item in await asyncio.to_thread(READ.tail, found, bases)]

    async def stream_secrets(self) -> Mapping[str, bytes]:
        """Secrets of the streams."""
        return {row[0]: row[1] for row in await self._readers.fetch(rows.SECRETS)}

    async def stream_head(self, stream: bytes, *, before: int) -> StreamHead:
        """Last entry of a stream."""
        row = await self._readers.fetch_one(rows.STREAM_HEAD, stream, before)
        return StreamHead(*row) if row else StreamHead()

    async def tiles(self) -> Sequence[tuple[int, int, bytes]]:
        """Every stored tile."""
        return [(row[0], row[1], row[2]) for row in await self._readers.fetch(rows.TILES)]

    async def retentions(self) -> Sequence[tuple[int, bytes]]:
        """What the log said would be removed."""
        return [(row[0], row[1]) for row in await self._readers.fetch(rows.RETENTIONS)]

    async def add_cosignatures(self, size: int, signatures: Sequence[Signature]) -> None:
        """Store signatures of witnesses."""
        for item in signatures:
            await self._readers.fetch(rows.ADD_COSIGNATURE, size, item.name, item.key_id, item.signature)

    async def cosignatures(self, size: int) -> list[Signature]:
        """Signatures of witnesses on the head of a size."""
        return [Signature(*row) for row in await self._readers.fetch(rows.COSIGNATURES, size)]

    async def cosigned_sizes(self, *, least: int, signatures: int, newest: bool, limit: int) -> list[int]:
        """Sizes of cosigned heads."""
        statement = rows.NEWEST_SIZES if newest else rows.SIZES
        return [row[0] for row in await self._readers.fetch(statement, least, signatures, limit)]
