"""Published parameters in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from app.adapters.parameter_rows import ADD, SINCE, VERSIONS, arguments, publication_of
from app.adapters.postgres_connection import PostgresReaders
from app.parameter_port import StoredPublication
from app.ports import AuditUnavailable, Outcome


class PostgresParameters:
    """`app.parameter_port.ParameterStore` on a server."""

    def __init__(self, readers: PostgresReaders) -> None:
        self._readers = readers

    async def add(self, tenant_id: str, publication: StoredPublication) -> bool:
        """Store a version where the newest is the one before it."""
        try:
            return await self._readers.fetch_one(ADD, *arguments(tenant_id, publication)) is not None
        except AuditUnavailable as error:
            raise AuditUnavailable(error.detail, Outcome.UNKNOWN) from None

    async def since(self, tenant_id: str, market: str, moment: datetime) -> list[StoredPublication]:
        """The version that held at `moment` and all after it."""
        return [publication_of(row) for row in await self._readers.fetch(SINCE, tenant_id, market, moment)]

    async def versions(self, tenant_id: str, market: str, *, after: int, limit: int) -> list[StoredPublication]:
        """Page of versions."""
        return [publication_of(row) for row in await self._readers.fetch(VERSIONS, tenant_id, market, after, limit)]
