"""Publishes to its readers at a steady rate: `python -m tests.benchmark.stream_server ours|bare COUNT RATE SECONDS`.

`bare` is `websockets.broadcast` of the same bytes, the least that can be done in Python. Prints its port; begins once
COUNT readers have come and a line arrives on standard input; then prints a JSON line: processor seconds used while it
published, memory per connection, states published.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from app.translate.frames import frame_of
from services.streaming.update import Channel, Kind, Position, Update
from tests.support.stream import served

CHANNEL = Channel("local", Kind.TARGETS, "pf_main")
STATE_BYTES = 2000
AT = datetime(2026, 11, 20, tzinfo=UTC)


def state() -> bytes:
    """A state that tells when it was published."""
    return b'{"at":%d,"filling":"%b"}' % (time.monotonic_ns(), b"x" * STATE_BYTES)


async def publish(count: int, seconds: float, rate: float, send: Callable[[int], Awaitable[None]]) -> dict[str, Any]:
    """Publish at a rate and measure this process."""
    await asyncio.to_thread(sys.stdin.readline)
    begun, used = time.monotonic(), time.process_time()
    number = 0
    while (now := time.monotonic()) < begun + seconds:
        if now < begun + number / rate:
            await asyncio.sleep(begun + number / rate - now)
            continue
        number += 1
        await send(number)
        await asyncio.sleep(0)
    await asyncio.sleep(0.5)
    return {"published": number, "processor": time.process_time() - used, "seconds": time.monotonic() - begun}


def memory() -> int:
    """Resident bytes of this process."""
    return int(psutil.Process(os.getpid()).memory_info().rss)


async def ours(count: int, rate: float, seconds: float) -> None:
    """The service."""
    with tempfile.TemporaryDirectory() as folder:
        async with served(Path(folder)) as service:
            before = memory()
            print(service.port, flush=True)
            while CHANNEL not in service.hub._streams or len(service.hub._streams[CHANNEL].readers) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            each = (memory() - before) / count
            print("ready", flush=True)

            async def send(number: int) -> None:
                await service.bus.publish(CHANNEL, version=number, at=AT, data=state())

            found = await publish(count, seconds, rate, send)
            print(json.dumps({**found, "memory": each}), flush=True)
            service.app.state.hub.connections.clear()
            os._exit(0)


async def bare(count: int, rate: float, seconds: float) -> None:
    """`websockets` alone."""
    readers: set[ServerConnection] = set()

    async def handle(connection: ServerConnection) -> None:
        readers.add(connection)
        async for _ in connection:
            pass

    async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        before = memory()
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        while len(readers) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        each = (memory() - before) / count
        print("ready", flush=True)

        async def send(number: int) -> None:
            update = Update(
                channel=CHANNEL, position=Position("e", number), version=number, at=AT, valid_until=None, data=state()
            )
            broadcast(readers, frame_of(update).plain.decode())

        found = await publish(count, seconds, rate, send)
        print(json.dumps({**found, "memory": each}), flush=True)
        os._exit(0)


if __name__ == "__main__":
    work = {"ours": ours, "bare": bare}[sys.argv[1]]
    uvloop.run(work(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
