"""Registered portfolios in the embedded SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.adapters.portfolio_rows import (
    END,
    ONE,
    PUT,
    PUT_SNAPSHOT,
    REGISTERED,
    SNAPSHOT,
    page,
    portfolio_of,
    registered_of,
    snapshot_of,
)
from app.adapters.sqlite_connection import SqliteReaders, from_microseconds, microseconds
from app.adapters.sqlite_writer import SqliteWriter
from app.live_ports import StoredPortfolio, StoredSnapshot, VersionConflict

_PAGE = page("BINARY")


class SqlitePortfolios:
    """`app.live_ports.PortfolioStore` of one process: its one writing thread decides the order."""

    def __init__(self, writer: SqliteWriter, readers: SqliteReaders) -> None:
        self._writer, self._readers = writer, readers

    async def put(
        self, tenant_id: str, portfolio_id: str, specification: bytes, *, expected: int | None, now: datetime
    ) -> StoredPortfolio:
        """Create or replace, as the next version."""
        values = (tenant_id, portfolio_id, specification, microseconds(now), expected)
        rows: list[Any] = []
        await self._writer.perform(lambda connection: rows.extend(connection.execute(_own(PUT), values)))
        if not rows:
            raise await self._conflict(tenant_id, portfolio_id)
        return StoredPortfolio(
            portfolio_id=portfolio_id, version=rows[0][0], specification=specification, updated_at=now
        )

    async def get(self, tenant_id: str, portfolio_id: str) -> StoredPortfolio | None:
        """The portfolio, if registered."""
        rows = await self._rows(ONE, tenant_id, portfolio_id)
        return portfolio_of(rows[0], from_microseconds) if rows else None

    async def delete(self, tenant_id: str, portfolio_id: str, *, expected: int | None, now: datetime) -> bool:
        """Forget the portfolio and its snapshot."""
        values = (tenant_id, portfolio_id, microseconds(now), expected)
        ended: list[Any] = []
        await self._writer.perform(lambda connection: ended.extend(connection.execute(_own(END), values)))
        if not ended and expected is not None:
            raise await self._conflict(tenant_id, portfolio_id)
        return bool(ended)

    async def put_snapshot(self, tenant_id: str, snapshot: StoredSnapshot) -> StoredSnapshot | None:
        """Keep a newer snapshot; what is stored afterwards."""
        values = (
            tenant_id,
            snapshot.portfolio_id,
            snapshot.snapshot_seq,
            snapshot.snapshot,
            microseconds(snapshot.received_at),
        )
        stored: list[StoredSnapshot] = []

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(_own(PUT_SNAPSHOT), values).fetchall():
                stored.append(snapshot)
            elif row := connection.execute(_own(SNAPSHOT), (tenant_id, snapshot.portfolio_id)).fetchone():
                stored.append(snapshot_of(row, from_microseconds))

        await self._writer.perform(work)
        return stored[0] if stored else None

    async def get_snapshot(self, tenant_id: str, portfolio_id: str) -> StoredSnapshot | None:
        """The newest snapshot."""
        rows = await self._rows(SNAPSHOT, tenant_id, portfolio_id)
        return snapshot_of(rows[0], from_microseconds) if rows else None

    async def registered(self) -> list[tuple[str, StoredPortfolio, StoredSnapshot | None]]:
        """Every portfolio with its newest snapshot."""
        return [registered_of(row, from_microseconds) for row in await self._rows(REGISTERED)]

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> list[StoredPortfolio]:
        """Page of portfolios by id."""
        return [portfolio_of(row, from_microseconds) for row in await self._rows(_PAGE, tenant_id, after or "", limit)]

    async def _conflict(self, tenant_id: str, portfolio_id: str) -> VersionConflict:
        stored = await self.get(tenant_id, portfolio_id)
        return VersionConflict(stored.version if stored else None)

    async def _rows(self, text: str, *values: object) -> Sequence[Any]:
        return await self._readers.run(lambda connection: connection.execute(_own(text), values).fetchall())


def _own(text: str) -> str:
    return text.replace("$", "?")
