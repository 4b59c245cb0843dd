"""A wire to a server that can be slow, that breaks at random, or that is cut at the worst moment: around a COMMIT."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from urllib.parse import urlsplit

COMMIT = b"COMMIT\0"
DELAY_SECONDS = 0.5


class Cut(Enum):
    """What happens to the next COMMIT that passes."""

    NOTHING = "it passes"
    LOSE_ANSWER = "the server gets it, the client never hears of it"
    LOSE_COMMIT = "the server never gets it"
    DELAY_COMMIT = "the client is cut off at once, the server gets it half a second later"


class PostgresProxy:
    """Forwards bytes between clients and the server of a URL; `cut` acts once, `blocked` refuses new connections.

    What the server sends comes `delay` [s] later; with the probability `reset_share` the connection
    is reset in place of passing bytes on. Only the cuts know PostgreSQL: any other server may stand behind it too.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._upstream = (parts.hostname, parts.port)
        self._url = url
        self.cut = Cut.NOTHING
        self.blocked = False
        self.cuts = self.resets = 0
        self.delay = self.reset_share = 0.0
        self._random = random.Random(url)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The same database through the proxy."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return self._url.replace(f"{self._upstream[0]}:{self._upstream[1]}", f"{host}:{port}")

    async def __aenter__(self) -> PostgresProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.blocked:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            writer.transport.abort()
            return
        answers = asyncio.create_task(self._copy(server_reader, writer))
        try:
            with contextlib.suppress(ConnectionError):
                await self._requests(reader, server_writer, answers, writer)
        finally:
            answers.cancel()
            for stream in (writer, server_writer):
                stream.transport.abort()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        answers: asyncio.Task[None],
        client: asyncio.StreamWriter,
    ) -> None:
        while data := await reader.read(65_536):
            cut, hit = self.cut, COMMIT in data
            if hit and cut is not Cut.NOTHING:
                self.cut, self.cuts, self.blocked = Cut.NOTHING, self.cuts + 1, cut is not Cut.DELAY_COMMIT
                answers.cancel()
                if cut is Cut.DELAY_COMMIT:
                    client.transport.abort()
                    await asyncio.sleep(DELAY_SECONDS)
                if cut is not Cut.LOSE_COMMIT:
                    server.write(data)
                    await server.drain()
                client.transport.abort()
                return
            if self._breaks():
                return
            server.write(data)
            await server.drain()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, now = asyncio.Queue[tuple[float, bytes]](), asyncio.get_running_loop().time
        passing = asyncio.create_task(self._pass_on(line, writer))
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65_536):
                    line.put_nowait((now() + self.delay, data))
            line.put_nowait((now() + self.delay, b""))
            await passing
        finally:
            passing.cancel()

    async def _pass_on(self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        """Pass on what has been on the line for its time: a wire may be long without being narrow."""
        now = asyncio.get_running_loop().time
        with contextlib.suppress(ConnectionError):
            while True:
                due, data = await line.get()
                if (wait := due - now()) > 0.0:
                    await asyncio.sleep(wait)
                if not data or self._breaks():
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    def _breaks(self) -> bool:
        broken = self.reset_share > 0.0 and self._random.random() < self.reset_share
        self.resets += broken
        return broken


@contextmanager
def proxied(url: str) -> Iterator[PostgresProxy]:
    """A proxy in a thread of its own, for tests whose own loop must not hold the wire up; set its attributes freely."""
    loop, proxy = asyncio.new_event_loop(), PostgresProxy(url)
    thread = threading.Thread(target=loop.run_forever, name="proxy", daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result(10.0)
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.__aexit__(), loop).result(10.0)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
