"""The one task of a process that writes to PostgreSQL: everything queued becomes one transaction.

The row of `log_head` is locked inside the transaction, so any number of processes give out contiguous indices without a
leader.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

import asyncpg

from app.adapters.audit_bases import Bases
from app.adapters.audit_batch import (
    MAX_BATCH,
    Entry,
    Pending,
    Placement,
    Room,
    Verdict,
    encode_all,
    encode_small,
    resolve_all,
    size_of,
)
from app.adapters.database_url import PostgresUrl
from app.adapters.log_growth import LogGrowth
from app.adapters.postgres_connection import CONNECTION_ERRORS, connect, unavailable
from app.limits import MAX_WAITING_RECORDS
from app.ports import Appended, AuditActivity, AuditFull, AuditUnavailable, Outcome
from app.redaction import redact

logger = logging.getLogger(__name__)

TRANSACTION_SECONDS = 5.0
"""A transaction that takes longer is cut off: its connection is dropped; if COMMIT was sent, its fate is looked up."""
RETRY_SECONDS = 0.1
ATTEMPTS = 3
CLOSE_SECONDS = 5.0
THREAD_BYTES = 16_384
"""Bodies up to this size together are read on the event loop: 0.5 ms at most, and a thread would not take less."""
CHUNK_BYTES = 262_144
"""Records up to this size together are encoded in one go: 10 ms, after which they can be written."""

RECORD_ERRORS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,  # the driver's own refusal of a value
)
"""The store refuses a record for what it holds."""

TRANSIENT_ERRORS = (*CONNECTION_ERRORS, asyncpg.TransactionRollbackError, asyncpg.ObjectNotInPrerequisiteStateError)
"""Nothing was written, and the same may succeed at once: connection lost, deadlock, lock not available."""

WriteBatch = Callable[[asyncpg.Connection, Sequence[Entry]], Awaitable[Placement]]
ReadSecrets = Callable[[asyncpg.Connection, Collection[str]], Awaitable[dict[str, bytes]]]
FindWritten = Callable[[asyncpg.Connection, Sequence[Entry]], Awaitable[bool]]


class _CommitInDoubt(Exception):
    """COMMIT was sent and no answer came."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement


class PostgresWriter:
    """Owner of the writing connection.

    `write` places entries and inserts them in the open transaction; `written` takes the lock of the log and tells
    whether any of the entries is stored; `secrets_of` gives the secrets of tenants, new ones where there are none;
    `growth` is told how far the log reaches.
    """

    def __init__(
        self,
        target: PostgresUrl,
        write: WriteBatch,
        written: FindWritten,
        secrets_of: ReadSecrets,
        growth: LogGrowth,
    ) -> None:
        self._target, self._write, self._written, self._growth = target, write, written, growth
        self._secrets_of, self._secrets = secrets_of, dict[str, bytes]()
        self._bases = Bases()
        self._connection: asyncpg.Connection | None = None
        self._strangers, self._raw, self._ready = deque[Pending](), deque[Pending](), deque[Pending]()
        self._encoding, self._room = 0, Room()
        self._wake, self._wake_encoder = asyncio.Event(), asyncio.Event()
        self._closing = self._away = False
        self._batches = self._entries_written = 0
        self._sizes = Counter[int]()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="audit-encoder")
        self._encoder = asyncio.create_task(self._encode(), name="audit-encoder")
        self._task = asyncio.create_task(self._run(), name="postgres-writer")

    def submit(self, pending: Pending) -> None:
        """Queue a record.

        Raises
        ------
        AuditUnavailable
            If the queue is full or the store is closed.
        """
        if self._closing:
            raise AuditUnavailable("the store is closed")
        if self._waiting() >= MAX_WAITING_RECORDS:
            raise AuditFull(f"{MAX_WAITING_RECORDS} records wait already")
        self._room.take(pending)
        if encode_small(pending, self._secrets):
            self._ready.append(pending)
            self._wake.set()
        elif pending.record.tenant_id in self._secrets:
            self._raw.append(pending)
            self._wake_encoder.set()
        else:
            self._strangers.append(pending)
            self._wake.set()

    def activity(self) -> AuditActivity:
        """What waits, and what was written."""
        return AuditActivity(self._waiting(), self._batches, self._entries_written, dict(self._sizes))

    def _waiting(self) -> int:
        return len(self._strangers) + len(self._raw) + self._encoding + len(self._ready)

    async def close(self) -> None:
        """Write what is queued, for at most `CLOSE_SECONDS`, then close."""
        self._closing = True
        self._wake.set()
        await asyncio.wait((self._task,), timeout=CLOSE_SECONDS)
        self._task.cancel()
        self._encoder.cancel()
        self._reject_queued(AuditUnavailable("the store is closed"))
        self._drop()
        self._threads.shutdown(wait=False)

    async def _run(self) -> None:
        while await self._something_to_do():
            try:
                await self._connected()
            except CONNECTION_ERRORS as error:
                await self._outage(error)
                continue
            if self._strangers:
                await self._introduce()
            if batch := self._take():
                verdicts = await self._verdicts(batch)
                self._batches += 1
                self._entries_written += sum(isinstance(one, Appended) and not one.replayed for one in verdicts)
                self._sizes[sum(isinstance(one, Appended) and not one.replayed for one in verdicts)] += 1
                resolve_all(zip(batch, verdicts, strict=True), self._growth)

    async def _something_to_do(self) -> bool:
        while not (self._strangers or self._ready) and (self._waiting() or not self._closing):
            self._wake.clear()
            await self._wake.wait()
        return self._waiting() > 0

    async def _introduce(self) -> None:
        """Learn the secrets of tenants that this process has not met yet, so that their records can be encoded."""
        strangers = [*self._strangers]
        self._strangers.clear()
        if (refusal := await self._learn({pending.record.tenant_id for pending in strangers})) is None:
            self._raw.extend(strangers)
            self._wake_encoder.set()
            return
        for pending in strangers:
            if pending.claim():
                pending.resolve(refusal)

    async def _encode(self) -> None:
        """Encode what arrives, in a thread, while batches before it are on their way to the disk."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._raw:
                self._wake_encoder.clear()
                await self._wake_encoder.wait()
            chunk = self._chunk()
            records = [pending.record for pending in chunk]
            self._encoding = len(chunk)
            encoded = await loop.run_in_executor(self._threads, encode_all, records, self._secrets, self._bases)
            for pending, item in zip(chunk, encoded, strict=True):
                pending.encoded = item
            self._encoding = 0
            self._ready.extend(chunk)
            self._wake.set()

    def _chunk(self) -> list[Pending]:
        chunk, size = [self._raw.popleft()], 0
        while self._raw and (size := size + size_of(chunk[-1].record)) < CHUNK_BYTES:
            chunk.append(self._raw.popleft())
        return chunk

    def _take(self) -> list[Pending]:
        batch: list[Pending] = []
        while self._ready and len(batch) < MAX_BATCH:
            if (pending := self._ready.popleft()).claim():
                batch.append(pending)
        return batch

    async def _verdicts(self, batch: Sequence[Pending]) -> list[Verdict]:
        try:
            entries = {place: item.encoded for place, item in enumerate(batch) if isinstance(item.encoded, Entry)}
            waiting = [batch[place] for place in entries]
            written = dict(zip(entries, await self._entries(list(entries.values()), waiting), strict=True))
            return [
                item.encoded if isinstance(item.encoded, Exception) else written[place]
                for place, item in enumerate(batch)
            ]
        except Exception as error:
            logger.exception("the writer of the audit log failed")
            self._drop()
            return [AuditUnavailable(f"internal error: {type(error).__name__}", Outcome.UNKNOWN)] * len(batch)

    async def _learn(self, tenants: set[str]) -> AuditUnavailable | None:
        """Read the secrets of tenants; the refusal of their records if it cannot."""
        last: BaseException | None = None
        for _ in range(ATTEMPTS):
            if not (unknown := tenants - self._secrets.keys()):
                return None
            try:
                connection = await self._connected()
                async with self._guarded(connection), connection.transaction():
                    await connection.execute("SET LOCAL synchronous_commit = on")
                    self._secrets |= await self._secrets_of(connection, unknown)
            except TRANSIENT_ERRORS as error:
                self._drop()
                last = error
            except Exception as error:  # it must not end the writer
                logger.exception("the secret of a tenant cannot be read")
                self._drop()
                return unavailable(error)
        return unavailable(last or TimeoutError())

    @contextlib.asynccontextmanager
    async def _guarded(self, connection: asyncpg.Connection) -> AsyncIterator[None]:
        """Cut a connection off that does not answer."""
        guard = asyncio.get_running_loop().call_later(TRANSACTION_SECONDS, connection.terminate)
        try:
            yield
        finally:
            guard.cancel()

    async def _entries(self, entries: Sequence[Entry], waiting: Sequence[Pending]) -> list[Verdict]:
        """Write entries; each repetition is safe, because the former attempt is known to have left nothing."""
        if not entries:
            return []
        last: BaseException | None = None
        for _ in range(ATTEMPTS):
            try:
                return (await self._transaction(await self._connected(), entries)).verdicts
            except _CommitInDoubt as doubt:
                last = doubt.__cause__
                written = await self._settle(entries, waiting)
                if written is None:
                    return [AuditUnavailable("the commit is in doubt", Outcome.UNKNOWN)] * len(entries)
                if written:
                    return doubt.placement.verdicts
            except RECORD_ERRORS as error:
                return await self._apart(entries, waiting, error)
            except TRANSIENT_ERRORS as error:
                last = error
            except asyncpg.PostgresError as error:
                logger.exception("the audit log cannot be written")
                return [unavailable(error)] * len(entries)
        return [unavailable(last or TimeoutError())] * len(entries)

    async def _apart(self, entries: Sequence[Entry], waiting: Sequence[Pending], error: Exception) -> list[Verdict]:
        """One record that the store refuses must not fail its neighbours: write each on its own."""
        if len(entries) == 1:
            logger.error("the store refused audit entry %s", entries[0].record.event_id, exc_info=error)
            return [unavailable(error)]
        return [
            verdict
            for entry, pending in zip(entries, waiting, strict=True)
            for verdict in await self._entries([entry], [pending])
        ]

    async def _transaction(self, connection: asyncpg.Connection, entries: Sequence[Entry]) -> Placement:
        guard = asyncio.get_running_loop().call_later(TRANSACTION_SECONDS, connection.terminate)
        try:
            await connection.execute("BEGIN; SET LOCAL synchronous_commit = on")
            placement = await self._write(connection, entries)
            try:
                await connection.execute("COMMIT")
            except Exception as error:
                if placement.rows:
                    raise _CommitInDoubt(placement) from error
            return placement
        except BaseException:
            # Dropping the connection rolls back, whatever state it is in.
            self._drop()
            raise
        finally:
            guard.cancel()

    async def _settle(self, entries: Sequence[Entry], waiting: Sequence[Pending]) -> bool | None:
        """Whether an attempt whose COMMIT was not answered has been written; None once nobody waits for the answer.

        The lock of the log is taken first: the former transaction holds it until it has ended, so what is seen then is
        final.
        """
        while not all(pending.abandoned for pending in waiting):
            try:
                return await self._look_up(await self._connected(), entries)
            except TRANSIENT_ERRORS as error:
                self._drop()
                await self._outage(error)
        return None

    async def _look_up(self, connection: asyncpg.Connection, entries: Sequence[Entry]) -> bool:
        async with self._guarded(connection):
            await connection.execute("BEGIN")
            found = await self._written(connection, entries)
            await connection.execute("ROLLBACK")
            return found

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._target)
            if self._away:
                self._away = False
                logger.warning("the audit database is back")
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*CONNECTION_ERRORS):
                connection.terminate()

    async def _outage(self, error: BaseException) -> None:
        """Refuse all that waits at once: nothing of it was written. Then leave the server a moment."""
        if not self._away:
            self._away = True
            logger.warning("the audit database is away: %s: %s", type(error).__name__, redact(str(error)))
        self._reject_queued(unavailable(error))
        await asyncio.sleep(RETRY_SECONDS)

    def _reject_queued(self, refusal: AuditUnavailable) -> None:
        for queue in (self._strangers, self._raw, self._ready):
            while queue:
                if (pending := queue.popleft()).claim():
                    pending.resolve(refusal)
