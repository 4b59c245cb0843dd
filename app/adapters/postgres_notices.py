"""Notices of PostgreSQL that the log has grown, sent by the commit that made it grow.

They are a means to be quick, never to be complete: a notice that is lost is made good by the poll of `LogGrowth`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import asyncpg

from app.adapters.database_url import PostgresUrl
from app.adapters.log_growth import LogGrowth
from app.adapters.postgres_connection import CONNECT_SECONDS, CONNECTION_ERRORS, connect
from app.redaction import redact

logger = logging.getLogger(__name__)

GROWN_CHANNEL = "trimtab_log_grown"
POLL_SECONDS = 1.0
"""How late an entry of another process is seen while no notices arrive."""
PULSE_SECONDS = 5.0
"""Time between two signs of life of the listening connection."""
RETRY_SECONDS = 1.0


class PostgresNotices:
    """Owner of the listening connection: one task that connects, listens, and connects anew; begun on first use."""

    def __init__(self, target: PostgresUrl, growth: LogGrowth) -> None:
        self._target, self._growth = target, growth
        self._task: asyncio.Task[None] | None = None

    async def wait(self, *, after: int, timeout: float, read_size: Callable[[], Awaitable[int]]) -> int:
        """See `LogGrowth.wait`; the first call begins to listen."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="postgres-notices")
        return await self._growth.wait(after=after, timeout=timeout, read_size=read_size)

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                logger.info("no notices of the audit database: %s: %s", type(error).__name__, redact(str(error)))
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        """Pass notices on until the connection ends."""
        connection = await connect(self._target)
        try:
            await connection.add_listener(GROWN_CHANNEL, self._heard)
            while True:
                await asyncio.sleep(PULSE_SECONDS)
                await connection.execute("SELECT 1", timeout=CONNECT_SECONDS)
        finally:
            with contextlib.suppress(*CONNECTION_ERRORS):
                connection.terminate()

    def _heard(self, _connection: object, _process: int, _channel: str, size: object) -> None:
        if isinstance(size, str) and size.isascii() and size.isdigit():
            self._growth.tell(int(size))
