"""SQLite as both stores use it: one connection that writes, a few that read, each in its own thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from app.ports import AuditUnavailable

T = TypeVar("T")

BUSY_MILLISECONDS = 5000
READERS = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def connect(path: Path, *, writes: bool) -> sqlite3.Connection:
    """Connection in autocommit mode; transactions are begun by hand.

    WAL lets readers go on during a commit; FULL makes a commit reach the disk before it returns.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MILLISECONDS / 1000)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL") if writes else ("query_only=ON",):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC, exactly.

    Examples
    --------
    >>> from_microseconds(microseconds(datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC))).isoformat()
    '2026-11-21T10:00:00.123456+00:00'
    """
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """Aware UTC time, the inverse of `microseconds`."""
    return _EPOCH + timedelta(microseconds=count)


class SqliteReaders:
    """Threads that read, each with its own connection; they see every commit made before their query began."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Result of `query`.

        Raises
        ------
        AuditUnavailable
            If the file cannot be read.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._call, query)
        except sqlite3.Error as error:
            raise AuditUnavailable(f"the audit database refused: {error}") from error

    def _call(self, query: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path, writes=False)
            self._opened.append(connection)
        return query(connection)

    def close(self) -> None:
        """Wait for running queries, then close every connection. Blocking."""
        self._pool.shutdown()
        for connection in self._opened:
            connection.close()
