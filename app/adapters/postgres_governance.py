"""Governance of stored policies in PostgreSQL."""

from __future__ import annotations

from app.adapters.governance_rows import GET, policy_lock, replacing
from app.adapters.postgres_connection import PostgresReaders
from app.ports import AuditUnavailable, Outcome


class PostgresGovernance:
    """`app.governance_port.GovernanceStore` on a server."""

    def __init__(self, readers: PostgresReaders) -> None:
        self._readers = readers

    async def get(self, tenant_id: str, policy_id: str) -> bytes | None:
        """Document of a policy, read from the server each time."""
        row = await self._readers.fetch_one(GET, tenant_id, policy_id)
        return bytes(row[0]) if row else None

    async def replace(self, tenant_id: str, policy_id: str, revision: int, document: bytes) -> bool:
        """Store a revision where the stored one is that before it."""
        values = (tenant_id, policy_id, revision, document)
        lock = policy_lock(tenant_id, policy_id)
        try:
            return await self._readers.fetch_one_locked(lock, replacing(revision), *values) is not None
        except AuditUnavailable as error:
            raise AuditUnavailable(error.detail, Outcome.UNKNOWN) from None
