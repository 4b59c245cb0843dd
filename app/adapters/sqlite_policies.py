"""Stored policies in the embedded SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from app.adapters.governance_rows import GET
from app.adapters.policy_rows import ADD, NEWEST, ONE, VERSIONS, PolicyMemo, arguments, known, numbered, page, policy_of
from app.adapters.sqlite_connection import SqliteReaders, from_microseconds, microseconds
from app.adapters.sqlite_writer import SqliteWriter
from app.governance_port import PolicyGoverned
from app.ports import PolicyDraft, StoredPolicy

_PAGE = page("BINARY")


class SqlitePolicies:
    """`app.ports.PolicyStore` of one process: its one writing thread decides the order."""

    def __init__(self, writer: SqliteWriter, readers: SqliteReaders) -> None:
        self._writer, self._readers, self._memo = writer, readers, PolicyMemo()

    async def add(self, tenant_id: str, draft: PolicyDraft, *, decided: int | None = None) -> tuple[StoredPolicy, bool]:
        """Store as the next version unless the newest is the same."""
        values = arguments(tenant_id, draft, microseconds(draft.created_at), decided)
        name = (tenant_id, draft.policy_id)
        found: list[tuple[StoredPolicy, bool] | None] = []

        def work(connection: sqlite3.Connection) -> None:
            row = connection.execute(_own(ADD), values).fetchone()
            if row is not None:
                found.append((numbered(draft, row[0]), True))
            elif decided is not None or connection.execute(_own(GET), name).fetchone() is not None:
                found.append(None)
            else:
                found.append((_policy(connection.execute(_own(NEWEST), name).fetchone()), False))

        await self._writer.perform(work)
        if (stored := found[0]) is not None:
            return stored
        if decided is None:
            raise PolicyGoverned(draft.policy_id)
        return known(await self.get(tenant_id, draft.policy_id, decided), draft), False

    async def newest(self, tenant_id: str, policy_id: str) -> StoredPolicy | None:
        """Newest version."""
        rows = await self._rows(NEWEST, tenant_id, policy_id)
        return _policy(rows[0]) if rows else None

    async def get(self, tenant_id: str, policy_id: str, version: int) -> StoredPolicy | None:
        """One version."""
        if (known := self._memo.get(tenant_id, policy_id, version)) is not None:
            return known
        rows = await self._rows(ONE, tenant_id, policy_id, version)
        if not rows:
            return None
        self._memo.keep(tenant_id, found := _policy(rows[0]))
        return found

    async def versions(self, tenant_id: str, policy_id: str, *, limit: int) -> list[StoredPolicy]:
        """Versions, newest first."""
        return [_policy(row) for row in await self._rows(VERSIONS, tenant_id, policy_id, limit)]

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> list[StoredPolicy]:
        """Page of newest versions by id."""
        return [_policy(row) for row in await self._rows(_PAGE, tenant_id, after or "", limit)]

    async def _rows(self, text: str, *values: object) -> Sequence[Any]:
        return await self._readers.run(lambda connection: connection.execute(_own(text), values).fetchall())


def _own(text: str) -> str:
    return text.replace("$", "?")


def _policy(row: Sequence[Any]) -> StoredPolicy:
    return policy_of(row, from_microseconds)
