"""PostgreSQL as both stores use it: how a connection is made, and a pool for reads that can be given up at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from app.adapters.database_url import PostgresUrl
from app.deadline import at_most
from app.ports import AuditUnavailable

CONNECT_SECONDS = 2.0
READ_SECONDS = 1.5
POOL_SIZE = 8
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
"""Held until the transaction ends. Names with the same hash only wait for each other."""

CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # What the driver says ("cannot switch to state …") when the server ends a connection between two statements.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
"""The server is away, going away, out of room, or does not let us in."""

SERVER_SETTINGS = {
    "application_name": "trimtab",
    "timezone": "UTC",
    # A client that vanishes must not keep the lock of the log.
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "2s",
    "statement_timeout": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
}


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """Connection without the reset query on release (a round trip): our reads leave nothing behind in the session."""

    def get_reset_query(self) -> str:
        return ""


async def connect(target: PostgresUrl, settings: Mapping[str, str] = SERVER_SETTINGS) -> asyncpg.Connection:
    """Connection of its own, for a writer, a listener or the lease.

    Raises
    ------
    CONNECTION_ERRORS
        If the server cannot be reached within `CONNECT_SECONDS`.
    """
    return await asyncpg.connect(target.dsn, timeout=CONNECT_SECONDS, server_settings=dict(settings))


_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((asyncpg.InsufficientResourcesError,), "is out of room or connections"),
    ((asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError), "does not let this service in"),
    ((TimeoutError, asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError), "did not answer in time"),
    (CONNECTION_ERRORS, "cannot be reached"),
)


def unavailable(error: BaseException) -> AuditUnavailable:
    """Refusal for a client: the kind of failure, no address, no name, no content. The log has the rest."""
    reason = next((text for kinds, text in _REASONS if isinstance(error, kinds)), "refused the operation")
    return AuditUnavailable(f"the audit database {reason}")


class PostgresReaders:
    """Pool for reads. A read that takes too long is cut off on our side: a hung server never answers a cancellation."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, target: PostgresUrl) -> PostgresReaders:
        """Pool with one connection, growing to `POOL_SIZE`."""
        pool = await asyncpg.create_pool(
            target.dsn,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=CONNECT_SECONDS,
            server_settings=SERVER_SETTINGS,
            connection_class=_Connection,
        )
        return cls(pool)

    async def fetch(self, statement: str, *arguments: object) -> Sequence[Any]:
        """Rows.

        Raises
        ------
        AuditUnavailable
            If there is no answer within `READ_SECONDS`, or by the caller's deadline.
        DeadlinePassed
            If that was over before.
        """
        until = asyncio.get_running_loop().time() + at_most(READ_SECONDS)
        try:
            try:
                return await self._fetch(statement, arguments, until)
            except CONNECTION_ERRORS:
                # A connection that died while it lay idle says so on its first use; a read may simply be repeated.
                return await self._fetch(statement, arguments, until)
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            raise unavailable(error) from None

    async def fetch_one(self, statement: str, *arguments: object) -> Any:
        """First row, or None."""
        rows = await self.fetch(statement, *arguments)
        return rows[0] if rows else None

    async def fetch_one_locked(self, lock: str, statement: str, *arguments: object) -> Any:
        """First row of a statement that sees everything done under the same lock before it; durable when it returns.

        Raises
        ------
        AuditUnavailable
            As `fetch`.
        """
        until = asyncio.get_running_loop().time() + at_most(READ_SECONDS)
        try:
            try:
                rows = await self._fetch(statement, arguments, until, lock)
            except CONNECTION_ERRORS:
                # As in `fetch`. Where the first attempt was done after all, the second finds that, and changes nothing.
                rows = await self._fetch(statement, arguments, until, lock)
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            raise unavailable(error) from None
        return rows[0] if rows else None

    async def server_version(self) -> str:
        """Such as ``PostgreSQL 18.6``."""
        number = int((await self.fetch_one("SELECT current_setting('server_version_num')"))[0])
        return f"PostgreSQL {number // 10_000}.{number % 10_000}"

    async def _fetch(
        self, statement: str, arguments: Sequence[object], until: float, lock: str | None = None
    ) -> Sequence[Any]:
        loop = asyncio.get_running_loop()
        async with self._pool.acquire(timeout=max(until - loop.time(), 0.01)) as connection:
            guard = loop.call_at(until, connection.terminate)
            try:
                if lock is None:
                    rows: Sequence[Any] = await connection.fetch(statement, *arguments)
                else:
                    async with connection.transaction(isolation="read_committed"):
                        # A statement of its own: the next one's snapshot is then younger than the lock.
                        await connection.execute(LOCK, lock)
                        rows = await connection.fetch(statement, *arguments)
            except CONNECTION_ERRORS:
                connection.terminate()
                raise
            except AttributeError:
                if not connection.is_closed():
                    raise
                # Cut off between two messages: the driver goes on with the protocol that it no longer has.
                raise TimeoutError from None
            finally:
                guard.cancel()
            return rows

    async def close(self) -> None:
        """Close every connection, by force if the server does not answer."""
        with contextlib.suppress(*CONNECTION_ERRORS):
            done, _ = await asyncio.wait((asyncio.ensure_future(self._pool.close()),), timeout=READ_SECONDS)
            if not done:
                self._pool.terminate()
