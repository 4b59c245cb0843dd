"""Stored policies in PostgreSQL."""

from __future__ import annotations

from app.adapters.governance_rows import GET, policy_lock
from app.adapters.policy_rows import (
    ADD,
    ATTEMPTS,
    NEWEST,
    ONE,
    VERSIONS,
    PolicyMemo,
    arguments,
    crowded,
    known,
    numbered,
    page,
    policy_of,
)
from app.adapters.postgres_connection import PostgresReaders
from app.governance_port import PolicyGoverned
from app.ports import AuditUnavailable, Outcome, PolicyDraft, StoredPolicy

_PAGE = page('"C"')


class PostgresPolicies:
    """`app.ports.PolicyStore` on a server."""

    def __init__(self, readers: PostgresReaders) -> None:
        self._readers, self._memo = readers, PolicyMemo()

    async def add(self, tenant_id: str, draft: PolicyDraft, *, decided: int | None = None) -> tuple[StoredPolicy, bool]:
        """Store as the next version unless the newest is the same."""
        values = arguments(tenant_id, draft, draft.created_at, decided)
        lock = policy_lock(tenant_id, draft.policy_id)
        for _ in range(ATTEMPTS):
            try:
                row = await self._readers.fetch_one_locked(lock, ADD, *values)
            except AuditUnavailable as error:
                raise AuditUnavailable(error.detail, Outcome.UNKNOWN) from None
            if row is not None:
                return numbered(draft, row[0]), True
            if decided is not None:
                return known(await self.get(tenant_id, draft.policy_id, decided), draft), False
            if await self._readers.fetch_one(GET, tenant_id, draft.policy_id) is not None:
                raise PolicyGoverned(draft.policy_id)
            newest = await self.newest(tenant_id, draft.policy_id)
            # Another content: somebody stored a version between the reading and the writing of that statement.
            if newest is not None and newest.sha256 == draft.sha256:
                return newest, False
        raise crowded(draft.policy_id)

    async def newest(self, tenant_id: str, policy_id: str) -> StoredPolicy | None:
        """Newest version, read from the server each time."""
        row = await self._readers.fetch_one(NEWEST, tenant_id, policy_id)
        return policy_of(row) if row else None

    async def get(self, tenant_id: str, policy_id: str, version: int) -> StoredPolicy | None:
        """One version."""
        if (known := self._memo.get(tenant_id, policy_id, version)) is not None:
            return known
        row = await self._readers.fetch_one(ONE, tenant_id, policy_id, version)
        if row is None:
            return None
        found = policy_of(row)
        self._memo.keep(tenant_id, found)
        return found

    async def versions(self, tenant_id: str, policy_id: str, *, limit: int) -> list[StoredPolicy]:
        """Versions, newest first."""
        rows = await self._readers.fetch(VERSIONS, tenant_id, policy_id, limit)
        return [policy_of(row) for row in rows]

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> list[StoredPolicy]:
        """Page of newest versions by id."""
        rows = await self._readers.fetch(_PAGE, tenant_id, after or "", limit)
        return [policy_of(row) for row in rows]
