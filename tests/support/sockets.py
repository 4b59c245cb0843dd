"""The service on a real socket in the test's own loop, and requests as raw bytes that no client library mends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from app.server import configuration
from app.settings import Settings

Pairs = tuple[tuple[str, str], ...]
JSON: Pairs = (("Content-Type", "application/json"),)


@dataclass(slots=True)
class Listening:
    """A server, its application, and the longest processor time that passed between two turns of its loop."""

    port: int
    app: Any = None
    stall: float = field(default=0.0)

    async def watch(self) -> None:
        """Note the longest stall, for ever. Processor time: what else runs on the machine does not count."""
        while True:
            before = time.process_time()
            await asyncio.sleep(0.0005)
            self.stall = max(self.stall, time.process_time() - before)

    async def send(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send raw bytes from another thread; status, headers and body of the answer."""
        return await asyncio.to_thread(exchange, self.port, request)


@asynccontextmanager
async def listening(settings: Settings, *, watched: bool = True) -> AsyncIterator[Listening]:
    """The service at a free port, with the stores that the settings name; its stalls are measured where `watched`."""
    server = uvicorn.Server(configuration(settings))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    here = Listening(server.servers[0].sockets[0].getsockname()[1], server.config.app)
    serving = asyncio.create_task(server.main_loop())
    watching = asyncio.create_task(here.watch()) if watched else None
    try:
        yield here
    finally:
        if watching is not None:
            watching.cancel()
        server.should_exit = True
        await serving
        await server.shutdown()


def raw_request(method: str, path: str, body: bytes = b"", headers: Pairs = JSON) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1") + body


def exchange(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes and read the answer to its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent
            connection.sendall(request)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer on a connection that the server closes."""
    received = bytearray()
    while chunk := connection.recv(65_536):
        received += chunk
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), fields, body
