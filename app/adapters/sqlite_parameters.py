"""Published parameters in the embedded SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.adapters.parameter_rows import ADD, SINCE, VERSIONS, arguments, publication_of
from app.adapters.sqlite_connection import SqliteReaders, from_microseconds, microseconds
from app.adapters.sqlite_writer import SqliteWriter
from app.parameter_port import StoredPublication


class SqliteParameters:
    """`app.parameter_port.ParameterStore` of one process."""

    def __init__(self, writer: SqliteWriter, readers: SqliteReaders) -> None:
        self._writer, self._readers = writer, readers

    async def add(self, tenant_id: str, publication: StoredPublication) -> bool:
        """Store a version where the newest is the one before it."""
        values, stored = arguments(tenant_id, publication, microseconds), list[Any]()

        def work(connection: sqlite3.Connection) -> None:
            stored.append(connection.execute(_own(ADD), values).fetchone())

        await self._writer.perform(work)
        return stored[0] is not None

    async def since(self, tenant_id: str, market: str, moment: datetime) -> list[StoredPublication]:
        """The version that held at `moment` and all after it."""
        return await self._rows(SINCE, tenant_id, market, microseconds(moment))

    async def versions(self, tenant_id: str, market: str, *, after: int, limit: int) -> list[StoredPublication]:
        """Page of versions."""
        return await self._rows(VERSIONS, tenant_id, market, after, limit)

    async def _rows(self, text: str, *values: object) -> list[StoredPublication]:
        rows: Sequence[Any] = await self._readers.run(lambda c: c.execute(_own(text), values).fetchall())
        return [publication_of(row, from_microseconds) for row in rows]


def _own(text: str) -> str:
    return text.replace("$", "?")
