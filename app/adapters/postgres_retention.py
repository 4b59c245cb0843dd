"""Removal of bodies in PostgreSQL: functions of the database do it, so that nobody needs the right to delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.adapters import log_rows as rows
from app.adapters.audit_rows import KEPT_FROM
from app.adapters.postgres_connection import PostgresReaders
from app.retention_port import AgedEntry

SWEEP_ROWS = 1000
_ALLOWED = (
    "SELECT has_function_privilege('audit_retain(bigint, bytea)', 'EXECUTE') "
    "AND has_function_privilege('audit_sweep(bigint)', 'EXECUTE')"
)


class PostgresRetention:
    """`app.retention_port.RetentionStore` on a server."""

    def __init__(self, readers: PostgresReaders) -> None:
        self._readers = readers

    async def allowed(self) -> bool:
        """Whether this login may call the functions."""
        return bool((await self._readers.fetch_one(_ALLOWED))[0])

    async def kept_from(self) -> int:
        """Index of the first entry that is kept."""
        return int((await self._readers.fetch_one(KEPT_FROM))[0])

    async def ages(self, *, start: int, limit: int) -> Sequence[AgedEntry]:
        """Entries from `start` on."""
        return [AgedEntry(*row) for row in await self._readers.fetch(rows.AGES, start, limit)]

    async def retain(self, index: int, content: bytes) -> None:
        """Permit a removal; the database compares it with the entry."""
        await self._readers.fetch("SELECT audit_retain($1, $2)", index, content)

    async def sweep(self) -> int:
        """Drop partitions that lie in the range as a whole, and delete rows of the others."""
        return int((await self._readers.fetch_one("SELECT audit_sweep($1)", SWEEP_ROWS))[0])

    async def forget_keys(self, *, before: datetime, limit: int) -> int:
        """Delete keys."""
        return len(await self._readers.fetch(f"{rows.FORGET_KEYS} RETURNING 1", before, limit))
