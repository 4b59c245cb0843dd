"""Registered portfolios in PostgreSQL."""

from __future__ import annotations

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
from app.adapters.postgres_connection import PostgresReaders
from app.live_ports import StoredPortfolio, StoredSnapshot, VersionConflict
from app.ports import AuditUnavailable, Outcome

_PAGE = page('"C"')


class PostgresPortfolios:
    """`app.live_ports.PortfolioStore` on a server."""

    def __init__(self, readers: PostgresReaders) -> None:
        self._readers = readers

    async def put(
        self, tenant_id: str, portfolio_id: str, specification: bytes, *, expected: int | None, now: datetime
    ) -> StoredPortfolio:
        """Create or replace, as the next version."""
        row = await self._write(PUT, tenant_id, portfolio_id, specification, now, expected)
        if row is None:
            raise await self._conflict(tenant_id, portfolio_id)
        return StoredPortfolio(portfolio_id=portfolio_id, version=row[0], specification=specification, updated_at=now)

    async def get(self, tenant_id: str, portfolio_id: str) -> StoredPortfolio | None:
        """The portfolio, if registered."""
        row = await self._readers.fetch_one(ONE, tenant_id, portfolio_id)
        return portfolio_of(row) if row else None

    async def delete(self, tenant_id: str, portfolio_id: str, *, expected: int | None, now: datetime) -> bool:
        """Forget the portfolio and its snapshot."""
        row = await self._write(END, tenant_id, portfolio_id, now, expected)
        if row is None and expected is not None:
            raise await self._conflict(tenant_id, portfolio_id)
        return row is not None

    async def put_snapshot(self, tenant_id: str, snapshot: StoredSnapshot) -> StoredSnapshot | None:
        """Keep a newer snapshot; what is stored afterwards."""
        values = (snapshot.portfolio_id, snapshot.snapshot_seq, snapshot.snapshot, snapshot.received_at)
        if await self._write(PUT_SNAPSHOT, tenant_id, *values) is not None:
            return snapshot
        return await self.get_snapshot(tenant_id, snapshot.portfolio_id)

    async def get_snapshot(self, tenant_id: str, portfolio_id: str) -> StoredSnapshot | None:
        """The newest snapshot."""
        row = await self._readers.fetch_one(SNAPSHOT, tenant_id, portfolio_id)
        return snapshot_of(row) if row else None

    async def registered(self) -> list[tuple[str, StoredPortfolio, StoredSnapshot | None]]:
        """Every portfolio with its newest snapshot."""
        return [registered_of(row) for row in await self._readers.fetch(REGISTERED)]

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> list[StoredPortfolio]:
        """Page of portfolios by id."""
        return [portfolio_of(row) for row in await self._readers.fetch(_PAGE, tenant_id, after or "", limit)]

    async def _conflict(self, tenant_id: str, portfolio_id: str) -> VersionConflict:
        stored = await self.get(tenant_id, portfolio_id)
        return VersionConflict(stored.version if stored else None)

    async def _write(self, statement: str, *values: object) -> Any:
        try:
            return await self._readers.fetch_one(statement, *values)
        except AuditUnavailable as error:
            raise AuditUnavailable(error.detail, Outcome.UNKNOWN) from None
