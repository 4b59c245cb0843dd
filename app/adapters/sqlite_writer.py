"""The one thread that writes to the embedded store: everything queued becomes one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from app.adapters.audit_bases import Bases
from app.adapters.audit_batch import (
    MAX_BATCH,
    Entry,
    Pending,
    Room,
    Verdict,
    encode_all,
    encode_small,
    resolve_all,
)
from app.adapters.log_growth import LogGrowth
from app.adapters.sqlite_connection import connect
from app.limits import MAX_WAITING_RECORDS
from app.ports import Appended, AuditActivity, AuditFull, AuditUnavailable, Outcome

logger = logging.getLogger(__name__)

T = TypeVar("T")
WRITE_SECONDS = 10.0
"""How long the caller of another change than an entry waits."""
WriteEntries = Callable[[sqlite3.Connection, Sequence[Entry]], list[Verdict]]
TenantSecret = Callable[[sqlite3.Connection, str], bytes]


@dataclass(frozen=True, slots=True)
class Task:
    """Another change, in a transaction of its own."""

    work: Callable[[sqlite3.Connection], None]
    done: asyncio.Future[Exception | None]


class SqliteWriter:
    """Owner of the writing connection.

    `write` puts entries into the open transaction and returns their verdicts; `secret_of` gives the secret of a tenant,
    a new one where there is none.

    Compression and hashing of all but small records, and the disk, happen in this thread; the event loop is called back
    once a batch, and told in `growth` how far the log reaches.
    """

    def __init__(
        self,
        path: Path,
        write: WriteEntries,
        secret_of: TenantSecret,
        loop: asyncio.AbstractEventLoop,
        growth: LogGrowth,
    ) -> None:
        self._path, self._write, self._secret_of, self._loop, self._growth = path, write, secret_of, loop, growth
        self._secrets: dict[str, bytes] = {}
        self._bases = Bases()
        self._connection: sqlite3.Connection | None = connect(path, writes=True)
        self._queue: SimpleQueue[Pending | Task | None] = SimpleQueue()
        self._closing, self._room = False, Room()
        self._batches = self._entries_written = 0
        self._sizes = Counter[int]()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, item: Pending | Task) -> None:
        """Queue a record or a task.

        Raises
        ------
        AuditUnavailable
            If the queue is full or the store is closed.
        """
        if self._closing:
            raise AuditUnavailable("the store is closed")
        if self._queue.qsize() >= MAX_WAITING_RECORDS:
            raise AuditFull(f"{MAX_WAITING_RECORDS} records wait already")
        if isinstance(item, Pending):
            self._room.take(item)
            encode_small(item, self._secrets)
        self._queue.put(item)

    async def perform(
        self, work: Callable[[sqlite3.Connection], None], afterwards: Callable[[], None] | None = None
    ) -> None:
        """Do `work` in a transaction of its own; durable when this returns.

        `afterwards` is called once the write has ended, however it did and whether or not the caller still waits.

        Raises
        ------
        AuditUnavailable
            If the store refuses, or does not answer within `WRITE_SECONDS`: the outcome is then unknown.
        """
        done: asyncio.Future[Exception | None] = self._loop.create_future()
        if afterwards is not None:
            done.add_done_callback(lambda _: afterwards())
        self.submit(Task(work, done))
        await asyncio.wait((done,), timeout=WRITE_SECONDS)
        if not done.done():
            raise AuditUnavailable(f"the store did not answer within {WRITE_SECONDS:g} s", Outcome.UNKNOWN)
        if error := done.result():
            raise error

    def activity(self) -> AuditActivity:
        """What waits, and what was written."""
        return AuditActivity(self._queue.qsize(), self._batches, self._entries_written, dict(self._sizes))

    def close(self) -> None:
        """Write everything queued, then close. Blocking."""
        self._closing = True
        self._queue.put(None)
        self._thread.join()
        self._disconnect()

    def _run(self) -> None:
        open_for_more = True
        while open_for_more:
            items = self._take()
            open_for_more = None not in items
            self._commit([item for item in items if isinstance(item, Pending) and item.claim()])
            for item in items:
                if isinstance(item, Task):
                    self._perform(item)

    def _take(self) -> list[Pending | Task | None]:
        items = [self._queue.get()]
        with contextlib.suppress(Empty):
            while len(items) < MAX_BATCH:
                items.append(self._queue.get_nowait())
        return items

    def _commit(self, batch: Sequence[Pending]) -> None:
        if batch:
            verdicts = self._verdicts(batch)
            self._batches += 1
            self._entries_written += sum(isinstance(one, Appended) and not one.replayed for one in verdicts)
            self._sizes[sum(isinstance(one, Appended) and not one.replayed for one in verdicts)] += 1
            self._call_back(resolve_all, list(zip(batch, verdicts, strict=True)), self._growth)

    def _verdicts(self, batch: Sequence[Pending]) -> list[Verdict]:
        try:
            for tenant_id in {pending.record.tenant_id for pending in batch} - self._secrets.keys():
                self._secrets[tenant_id] = self._transaction(self._secret(tenant_id))
        except Exception as error:
            return [_unavailable(error)] * len(batch)
        late = iter(encode_all([item.record for item in batch if item.encoded is None], self._secrets, self._bases))
        encoded = [next(late) if item.encoded is None else item.encoded for item in batch]
        entries = [item for item in encoded if isinstance(item, Entry)]
        verdicts = iter(self._entries(entries))
        return [next(verdicts) if isinstance(item, Entry) else item for item in encoded]

    def _secret(self, tenant_id: str) -> Callable[[sqlite3.Connection], bytes]:
        return lambda connection: self._secret_of(connection, tenant_id)

    def _entries(self, entries: Sequence[Entry]) -> list[Verdict]:
        if not entries:
            return []
        try:
            return self._transaction(lambda connection: self._write(connection, entries))
        except Exception as error:
            if len(entries) > 1 and isinstance(error, sqlite3.IntegrityError | sqlite3.DataError | UnicodeError):
                # One record that the store refuses must not fail its neighbours.
                return [verdict for entry in entries for verdict in self._entries([entry])]
            return [_unavailable(error)] * len(entries)

    def _perform(self, task: Task) -> None:
        result: Exception | None = None
        try:
            self._transaction(task.work)
        except Exception as error:
            result = _unavailable(error)
        self._call_back(_finish, task.done, result)

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connected()
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
            connection.execute("COMMIT")
        except Exception as error:
            self._roll_back(connection, error)
            raise
        return result

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self._path, writes=True)
        return self._connection

    def _roll_back(self, connection: sqlite3.Connection, error: Exception) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            logger.exception("rolling back failed")
        if isinstance(error, sqlite3.OperationalError):
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _call_back(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(function, *arguments)


def _finish(done: asyncio.Future[Exception | None], result: Exception | None) -> None:
    if not done.done():
        done.set_result(result)


def _unavailable(error: Exception) -> AuditUnavailable:
    logger.error("the embedded store refused a write", exc_info=error)
    return AuditUnavailable(
        f"the audit database refused: {error}", Outcome.UNKNOWN if _in_doubt(error) else Outcome.REJECTED
    )


def _in_doubt(error: Exception) -> bool:
    """Whether the write may yet appear.

    After a failed write or sync, recovery from a crash could find the commit complete. A full disk or a busy database
    fails before the commit mark is written, and rolls back for certain.
    """
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR
