"""API keys in the embedded SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.adapters.key_rows import ADD, ALL, REVOKE, arguments, key_of
from app.adapters.sqlite_connection import SqliteReaders, from_microseconds, microseconds
from app.adapters.sqlite_writer import SqliteWriter
from app.key_port import ApiKey


class SqliteKeys:
    """`app.key_port.KeyStore` of one process: its copy is exact, because nobody else writes the file."""

    staleness_seconds = 0.0

    def __init__(self, writer: SqliteWriter, keys: dict[str, ApiKey]) -> None:
        self._writer, self._keys = writer, keys

    @classmethod
    async def open(cls, writer: SqliteWriter, readers: SqliteReaders) -> SqliteKeys:
        """Store with its copy."""
        return cls(writer, {key.key_id: key for key in await read_keys(readers)})

    def any(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys)

    async def find(self, key_id: str) -> ApiKey | None:
        """Key of any tenant."""
        return self._keys.get(key_id)

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_own(ADD), arguments(key, microseconds))
            # In this thread, before the write is known to its caller: a store that is late must not lead to a key
            # that nobody is asked for.
            self._keys[key.key_id] = key

        await self._writer.perform(work)

    async def revoke(self, tenant_id: str, key_id: str, moment: datetime) -> ApiKey | None:
        """End a key of a tenant."""
        if (known := self._keys.get(key_id)) is None or known.tenant_id != tenant_id:
            return None
        changed: list[Any] = []

        def work(connection: sqlite3.Connection) -> None:
            changed.extend(connection.execute(_own(REVOKE), (tenant_id, key_id, microseconds(moment))).fetchall())
            self._keys[key_id] = key_of(changed[0], from_microseconds)

        await self._writer.perform(work)
        return self._keys[key_id]

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> Sequence[ApiKey]:
        """Page of keys."""
        found = (key for key in self._keys.values() if key.tenant_id == tenant_id and key.key_id > (after or ""))
        return sorted(found, key=lambda key: key.key_id)[:limit]


async def read_keys(readers: SqliteReaders) -> list[ApiKey]:
    """Every key of a file, also beside the process that writes it."""
    rows: Sequence[Any] = await readers.run(lambda connection: connection.execute(ALL).fetchall())
    return [key_of(row, from_microseconds) for row in rows]


def _own(text: str) -> str:
    return text.replace("$", "?")
