"""Client of Redis or Valkey as every adapter here needs it: bounded waits, no silent repetition, no dead connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

TIMEOUT_SECONDS = 0.25


@asynccontextmanager
async def open_redis_client(url: str, *, max_connections: int) -> AsyncIterator[Redis]:
    """Client of a server: no call takes longer than a second, none is repeated by itself.

    Notifications of maintenance are off: with them (the driver's default) the pool hands out connections without
    looking whether the server has closed them, so that after a restart the first call on each of them fails.

    Raises
    ------
    ValueError
        If the URL has another form.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    client = Redis(connection_pool=pool)
    try:
        yield client
    finally:
        await client.aclose()
        await pool.aclose()


def heed_cancellation() -> None:
    """End the task if it was cancelled meanwhile.

    The driver sends through `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that meets its end: one
    task in twenty would go on.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
