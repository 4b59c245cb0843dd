"""Operator's switches in the embedded SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from app.adapters.sqlite_connection import SqliteReaders, from_microseconds, microseconds
from app.adapters.sqlite_writer import SqliteWriter
from app.adapters.switch_rows import ACTING, ONE, page, replacing, switch_of
from services.guards.switches import Switch

_PAGE = page("BINARY")


class SqliteSwitches:
    """`app.switch_port.SwitchStore` of one process: its copy is exact, because nobody else writes the file."""

    staleness_seconds = 0.0

    def __init__(self, writer: SqliteWriter, readers: SqliteReaders) -> None:
        self._writer, self._readers = writer, readers
        self._copies: dict[str, tuple[Switch, ...]] = {}
        self._changes = 0

    async def read(self, tenant_id: str) -> tuple[Switch, ...]:
        """Switches that may stop something."""
        copy = self._copies.get(tenant_id)
        if copy is not None:
            return copy
        changes = self._changes
        copy = tuple(await self._rows(ACTING, tenant_id))
        if changes == self._changes:
            self._copies[tenant_id] = copy
        return copy

    async def get(self, tenant_id: str, scope: str) -> Switch | None:
        """Switch of one scope."""
        found = await self._rows(ONE, tenant_id, scope)
        return found[0] if found else None

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> list[Switch]:
        """Page of switches by scope."""
        return [*await self._rows(_PAGE, tenant_id, after or "", limit)]

    async def replace(self, tenant_id: str, switch: Switch, expected: int) -> bool:
        """Store a switch where the stored version is `expected`."""
        statement, values = replacing(tenant_id, switch, expected, microseconds)
        stored: list[Any] = []

        def work(connection: sqlite3.Connection) -> None:
            stored.append(connection.execute(_own(statement), values).fetchone())

        # Bound to the write itself, not to this call: a caller that goes away does not leave an old copy behind.
        await self._writer.perform(work, lambda: self._changed(tenant_id))
        return stored[0] is not None

    async def _rows(self, text: str, *values: object) -> Sequence[Switch]:
        rows: Sequence[Any] = await self._readers.run(lambda c: c.execute(_own(text), values).fetchall())
        return [switch_of(row, from_microseconds) for row in rows]

    def _changed(self, tenant_id: str) -> None:
        self._changes += 1
        self._copies.pop(tenant_id, None)


def _own(text: str) -> str:
    return text.replace("$", "?")
