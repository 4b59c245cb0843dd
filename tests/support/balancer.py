"""A TCP balancer in the test's loop: one address before several instances, and a hand on all connections at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast


class _Side(asyncio.Protocol):
    """One half of a connection; what it reads goes to the other half, which holds it back where it cannot follow."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self.early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        else:
            self.early += data

    def eof_received(self) -> None:
        self.connection_lost(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()


class Balancer:
    """Passes each connection on to the next of its ports that accepts it."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports, self._turn = tuple(ports), itertools.count()
        self._clients: set[_Front] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Address of the deployment."""
        return f"http://127.0.0.1:{self.port}"

    def drop_all(self) -> int:
        """Reset every connection, on both sides, at once; their number."""
        fronts = list(self._clients)
        for side in (half for front in fronts for half in (front, front.other)):
            if side is not None and side.transport is not None:
                side.transport.abort()
        return len(fronts)

    def accepted(self, front: _Front) -> None:
        """A client has connected."""
        self._clients.add(front)
        task = asyncio.create_task(self._join(front))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def gone(self, front: _Front) -> None:
        """A client is gone."""
        self._clients.discard(front)

    async def _join(self, front: _Front) -> None:
        first = next(self._turn)
        for place in range(len(self._ports)):
            port = self._ports[(first + place) % len(self._ports)]
            try:
                _, back = await asyncio.get_running_loop().create_connection(_Side, "127.0.0.1", port)
            except OSError:
                continue
            assert front.transport is not None and back.transport is not None
            if front.transport.is_closing():
                back.transport.close()
                return
            back.other, front.other = front, back
            back.transport.write(bytes(front.early))
            return
        assert front.transport is not None
        front.transport.abort()


class _Front(_Side):
    def __init__(self, balancer: Balancer) -> None:
        super().__init__()
        self._balancer = balancer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._balancer.accepted(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._balancer.gone(self)
        super().connection_lost(error)


@asynccontextmanager
async def balancing(ports: Sequence[int]) -> AsyncIterator[Balancer]:
    """A balancer before the ports, gone at the end of the block."""
    balancer = Balancer(ports)
    server = await asyncio.get_running_loop().create_server(lambda: _Front(balancer), "127.0.0.1", 0, backlog=2048)
    balancer.port = server.sockets[0].getsockname()[1]
    try:
        yield balancer
    finally:
        server.close()
        balancer.drop_all()
        await asyncio.sleep(0)
