"""Governance of stored policies in the embedded SQLite file."""

from __future__ import annotations

import sqlite3
from typing import Any

from app.adapters.governance_rows import GET, replacing
from app.adapters.sqlite_connection import SqliteReaders
from app.adapters.sqlite_writer import SqliteWriter


class SqliteGovernance:
    """`app.governance_port.GovernanceStore` of one process: its one writing thread decides the order."""

    def __init__(self, writer: SqliteWriter, readers: SqliteReaders) -> None:
        self._writer, self._readers = writer, readers

    async def get(self, tenant_id: str, policy_id: str) -> bytes | None:
        """Document of a policy."""
        row = await self._readers.run(lambda c: c.execute(_own(GET), (tenant_id, policy_id)).fetchone())
        return bytes(row[0]) if row else None

    async def replace(self, tenant_id: str, policy_id: str, revision: int, document: bytes) -> bool:
        """Store a revision where the stored one is that before it."""
        stored: list[Any] = []

        def work(connection: sqlite3.Connection) -> None:
            values = (tenant_id, policy_id, revision, document)
            stored.append(connection.execute(_own(replacing(revision)), values).fetchone())

        await self._writer.perform(work)
        return stored[0] is not None


def _own(text: str) -> str:
    return text.replace("$", "?")
