"""Registered instruments in the embedded SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from app.adapters.instrument_cache import InstrumentCopy
from app.adapters.sqlite_connection import SqliteReaders
from app.adapters.sqlite_writer import SqliteWriter
from app.ports import InstrumentKey

_ROWS = "SELECT venue, symbol, specification FROM instrument WHERE tenant_id = ?"
_PUT = (
    "INSERT INTO instrument (tenant_id, venue, symbol, specification) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (tenant_id, venue, symbol) DO UPDATE SET specification = excluded.specification"
)
_ADVANCE = (
    "INSERT INTO instrument_generation (tenant_id, generation) VALUES (?, 1) "
    "ON CONFLICT (tenant_id) DO UPDATE SET generation = generation + 1"
)


class SqliteInstruments:
    """`app.ports.InstrumentStore` of one process: its copy is exact, because nobody else writes the file."""

    staleness_seconds = 0.0

    def __init__(self, writer: SqliteWriter, readers: SqliteReaders) -> None:
        self._writer, self._readers = writer, readers
        self._copies: dict[str, InstrumentCopy] = {}
        self._changes = 0

    async def put_many(self, tenant_id: str, rows: Sequence[tuple[str, str, bytes]]) -> None:
        """Create or replace rows, all or none; durable before it returns."""
        changes = [(tenant_id, *row) for row in rows]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(_PUT, changes)
            connection.execute(_ADVANCE, (tenant_id,))

        # Bound to the write itself, not to this call: a caller that goes away does not leave an old copy behind.
        await self._writer.perform(work, lambda: self._changed(tenant_id))

    async def get_many(self, tenant_id: str, keys: Sequence[InstrumentKey]) -> dict[InstrumentKey, bytes]:
        """Specifications of the keys that are registered."""
        return (await self._copy(tenant_id)).get_many(keys)

    async def list(self, tenant_id: str, *, after: InstrumentKey | None, limit: int) -> list[tuple[str, str, bytes]]:
        """Page of rows by (venue, symbol)."""
        return (await self._copy(tenant_id)).page(after, limit)

    async def _copy(self, tenant_id: str) -> InstrumentCopy:
        copy = self._copies.get(tenant_id)
        if copy is not None:
            return copy
        changes = self._changes
        rows = await self._readers.run(lambda connection: connection.execute(_ROWS, (tenant_id,)).fetchall())
        copy = InstrumentCopy(0, rows)
        if changes == self._changes:
            self._copies[tenant_id] = copy
        return copy

    def _changed(self, tenant_id: str) -> None:
        self._changes += 1
        self._copies.pop(tenant_id, None)
