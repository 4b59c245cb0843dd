"""Lease of the live engine on PostgreSQL: an advisory lock that belongs to one session.

What is guaranteed. The server gives the lock to one session at a time. It ends the session, and with it the lock, as
soon as the holder's process or connection ends, and after `LIFE_SECONDS` without a question: so a holder that hangs, or
that the network has cut off, cannot keep it. The holder asks each second and takes a silence of `ASK_SECONDS` for a
loss: cut off, it stops at least two seconds before another can begin. What cannot be excluded: a process frozen between
a question and a write may write after the lock has passed on, and a server that is restarted gives the lock away before
the former holder has noticed. For these the log decides, see `app.live_ports.continuation`.

The lock needs a session: behind a pooler that shares sessions between clients (PgBouncer in transaction mode) it does
not work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

import asyncpg

from app.adapters.database_url import PostgresUrl
from app.adapters.postgres_connection import CONNECTION_ERRORS, SERVER_SETTINGS, connect
from app.redaction import redact

logger = logging.getLogger(__name__)

LEASE_KEY = 0x7472696D6C6976
"""Advisory lock of the live engine ("trimliv" in ASCII)."""
LIFE_SECONDS = 5
ASK_SECONDS = 1.0
_SETTINGS = SERVER_SETTINGS | {
    "idle_session_timeout": f"{LIFE_SECONDS}s",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": f"{LIFE_SECONDS}s",
}


class PostgresLease:
    """`app.live_ports.Lease` on a server; owner of the connection whose session holds the lock."""

    def __init__(self, target: PostgresUrl) -> None:
        self._target = target
        self._connection: asyncpg.Connection | None = None
        self._holds = False
        self._turn = asyncio.Lock()

    async def acquire(self) -> bool:
        """Take the lock if nobody has it."""
        async with self._turn:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._drop()
                    self._connection = await connect(self._target, _SETTINGS)
                if not self._holds:
                    self._holds = bool(await self._ask("SELECT pg_try_advisory_lock($1)", LEASE_KEY))
                return self._holds
            except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                logger.info("the lease cannot be asked for: %s: %s", type(error).__name__, redact(str(error)))
                self._drop()
                return False

    async def held(self) -> bool:
        """Whether the session that took the lock still lives: its answer says so."""
        async with self._turn:
            if self._holds:
                try:
                    await self._ask("SELECT $1", str(LEASE_KEY))
                except (*CONNECTION_ERRORS, asyncpg.PostgresError):
                    self._drop()
            return self._holds

    async def release(self) -> None:
        """End the session."""
        async with self._turn:
            connection = self._connection
            if connection is not None:
                with contextlib.suppress(*CONNECTION_ERRORS):
                    await connection.close(timeout=ASK_SECONDS)
            self._drop()

    async def _ask(self, statement: str, argument: object) -> object:
        """Answer within `ASK_SECONDS`; a hung server never answers a cancellation, so the connection is dropped."""
        connection = self._connection
        assert connection is not None
        guard = asyncio.get_running_loop().call_later(ASK_SECONDS, connection.terminate)
        try:
            return await connection.fetchval(statement, argument)
        except asyncio.CancelledError:
            self._drop()  # whether the lock was given is not known
            raise
        finally:
            guard.cancel()

    def _drop(self) -> None:
        connection, self._connection, self._holds = self._connection, None, False
        if connection is not None:
            with contextlib.suppress(*CONNECTION_ERRORS):
                connection.terminate()
