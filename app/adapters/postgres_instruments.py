"""Registered instruments in PostgreSQL, read from a copy that is at most a second old."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.adapters.instrument_cache import InstrumentCopy
from app.adapters.postgres_connection import PostgresReaders
from app.ports import AuditUnavailable, InstrumentKey, Outcome

STALENESS_SECONDS = 1.0
_GENERATION = "SELECT generation FROM instrument_generation WHERE tenant_id = $1"
# Generation and rows in one statement: one snapshot, so the copy is never newer or older than it says.
_ROWS = """
SELECT i.venue, i.symbol, i.specification, (SELECT generation FROM instrument_generation WHERE tenant_id = $1)
FROM instrument i WHERE i.tenant_id = $1
"""
_PUT = """
WITH changed AS (
    INSERT INTO instrument (tenant_id, venue, symbol, specification)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bytea[])
    ON CONFLICT (tenant_id, venue, symbol) DO UPDATE SET specification = excluded.specification
)
INSERT INTO instrument_generation AS g (tenant_id, generation) VALUES ($1, 1)
ON CONFLICT (tenant_id) DO UPDATE SET generation = g.generation + 1
"""


class PostgresInstruments:
    """`app.ports.InstrumentStore` on a server: a copy in the process, and a look at its generation once a second."""

    staleness_seconds = STALENESS_SECONDS

    def __init__(self, readers: PostgresReaders) -> None:
        self._readers = readers
        self._copies: dict[str, tuple[float, InstrumentCopy]] = {}
        self._changes = 0

    async def put_many(self, tenant_id: str, rows: Sequence[tuple[str, str, bytes]]) -> None:
        """Create or replace rows, all or none."""
        # In one order everywhere, so that two writers cannot wait for each other; the last of a repeated key counts.
        ordered = sorted({(venue, symbol): specification for venue, symbol, specification in rows}.items())
        try:
            await self._readers.fetch(
                _PUT,
                tenant_id,
                [venue for (venue, _), _ in ordered],
                [symbol for (_, symbol), _ in ordered],
                [specification for _, specification in ordered],
            )
        except AuditUnavailable as error:
            raise AuditUnavailable(error.detail, Outcome.UNKNOWN) from None
        finally:
            self._changes += 1
            self._copies.pop(tenant_id, None)

    async def get_many(self, tenant_id: str, keys: Sequence[InstrumentKey]) -> dict[InstrumentKey, bytes]:
        """Specifications of the keys that are registered."""
        return (await self._copy(tenant_id)).get_many(keys)

    async def list(self, tenant_id: str, *, after: InstrumentKey | None, limit: int) -> list[tuple[str, str, bytes]]:
        """Page of rows by (venue, symbol)."""
        return (await self._copy(tenant_id)).page(after, limit)

    async def _copy(self, tenant_id: str) -> InstrumentCopy:
        now, changes = asyncio.get_running_loop().time(), self._changes
        checked_at, copy = self._copies.get(tenant_id, (0.0, None))
        if copy is not None and now - checked_at < STALENESS_SECONDS:
            return copy
        if copy is None or await self._generation(tenant_id) != copy.generation:
            copy = await self._load(tenant_id)
        if changes == self._changes:
            self._copies[tenant_id] = (now, copy)
        return copy

    async def _generation(self, tenant_id: str) -> int:
        row = await self._readers.fetch_one(_GENERATION, tenant_id)
        return int(row[0]) if row else 0

    async def _load(self, tenant_id: str) -> InstrumentCopy:
        rows = await self._readers.fetch(_ROWS, tenant_id)
        generation = int(rows[0][3]) if rows else 0
        return InstrumentCopy(generation, [(row[0], row[1], bytes(row[2])) for row in rows])
