"""Removal of bodies in the embedded file: its triggers let go what an announced range covers, and nothing else."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from app.adapters import log_rows as rows
from app.adapters.audit_bases import CHUNK_LIFE
from app.adapters.audit_batch import LOG_ID
from app.adapters.audit_rows import KEPT_FROM
from app.adapters.sqlite_connection import SqliteReaders, from_microseconds, microseconds
from app.adapters.sqlite_writer import SqliteWriter
from app.retention_port import AgedEntry
from services.audit.entry import digest_text
from services.audit.retention import KIND, Announcement

SWEEP_ROWS = 500
_ENTRY = f"SELECT entry FROM audit_entry WHERE log_id = {LOG_ID} AND idx = ? AND kind = ?"  # noqa: S608 - a constant
_RETAIN = (
    "INSERT INTO audit_retention (log_id, idx, first_idx, end_idx, content) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (log_id, idx) DO NOTHING"
)
_SWEEP_BODIES = (
    "DELETE FROM audit_body WHERE rowid IN (SELECT rowid FROM audit_body WHERE log_id = ? AND idx < ? LIMIT ?)"
)
_SWEEP_CHUNKS = (
    "DELETE FROM audit_chunk WHERE rowid IN (SELECT c.rowid FROM audit_chunk c "
    "JOIN audit_entry e ON e.log_id = c.log_id AND e.idx = c.idx WHERE c.log_id = ? AND c.idx < ? "
    "AND e.recorded_at < ? AND NOT EXISTS (SELECT 1 FROM audit_body b WHERE b.base_sha256 = c.sha256) LIMIT ?)"
)


class SqliteRetention:
    """`app.retention_port.RetentionStore` of one process."""

    def __init__(self, writer: SqliteWriter, readers: SqliteReaders) -> None:
        self._writer, self._readers = writer, readers

    async def allowed(self) -> bool:
        """Always: the file belongs to this process."""
        return True

    async def kept_from(self) -> int:
        """Index of the first entry that is kept."""
        return await self._readers.run(_kept_from)

    async def ages(self, *, start: int, limit: int) -> Sequence[AgedEntry]:
        """Entries from `start` on."""
        text = rows.AGES.replace("$", "?")
        found = await self._readers.run(lambda connection: connection.execute(text, (start, limit)).fetchall())
        return [AgedEntry(row[0], from_microseconds(row[1]), *row[2:]) for row in found]

    async def retain(self, index: int, content: bytes) -> None:
        """Permit a removal, once it was compared with the entry."""

        def work(connection: sqlite3.Connection) -> None:
            said = Announcement.parse(content)
            found = connection.execute(_ENTRY, (index, KIND)).fetchone()
            if found is None or f'"response":"{_digest(content)}"'.encode() not in found[0]:
                raise ValueError(f"entry {index} of the log does not announce this")
            if said.first > _kept_from(connection):
                raise ValueError(f"the range of entry {index} does not begin where the last one ended")
            connection.execute(_RETAIN, (LOG_ID, index, said.first, said.end, content))

        await self._writer.perform(work)

    async def sweep(self) -> int:
        """Delete rows; chunks once no body is left to delete."""

        def work(connection: sqlite3.Connection) -> int:
            reach = _kept_from(connection)
            gone = connection.execute(_SWEEP_BODIES, (LOG_ID, reach, SWEEP_ROWS)).rowcount
            if gone < SWEEP_ROWS:
                unused = microseconds(datetime.now(UTC) - CHUNK_LIFE)
                gone += connection.execute(_SWEEP_CHUNKS, (LOG_ID, reach, unused, SWEEP_ROWS)).rowcount
            return gone

        return await self._counted(work)

    async def forget_keys(self, *, before: datetime, limit: int) -> int:
        """Delete keys."""
        text, values = rows.FORGET_KEYS.replace("$", "?"), (microseconds(before), limit)
        return await self._counted(lambda connection: connection.execute(text, values).rowcount)

    async def _counted(self, work: Callable[[sqlite3.Connection], int]) -> int:
        counts: list[int] = []
        await self._writer.perform(lambda connection: counts.append(work(connection)))
        return counts[0]


def _kept_from(connection: sqlite3.Connection) -> int:
    return int(connection.execute(KEPT_FROM).fetchone()[0])


def _digest(content: bytes) -> str:
    return digest_text(hashlib.sha256(content).digest())
