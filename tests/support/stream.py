"""The stream as a client meets it: a real server in the test's loop, and the bus behind it to publish on."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.settings import Settings
from app.usecases.hub import Hub
from models.api.stream import SUBPROTOCOL
from services.streaming.delivery import DeliveryRules
from services.streaming.session import SessionRules
from services.streaming.update import Channel, Kind, Update
from tests.support.sockets import listening

AT = datetime(2026, 11, 20, tzinfo=UTC)
TARGETS = Channel("local", Kind.TARGETS, "pf_main")
MARGIN = Channel("local", Kind.MARGIN, "pf_main")
AUDIT = Channel("local", Kind.AUDIT)
Body = dict[str, Any]


@dataclass(slots=True)
class Talk:
    """One connection; frames that are not wanted now are kept, so that none is lost."""

    socket: ClientConnection
    hello: Body = field(default_factory=dict)
    kept: list[Body] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: itertools.count(1))

    async def send(self, **frame: Any) -> str:
        """Send a frame with an id of its own; returns the id."""
        name = str(next(self.ids))
        await self.socket.send(json.dumps({"id": name, **frame}))
        return name

    async def read(self, seconds: float = 10.0) -> Body:
        """Next frame as it comes."""
        return dict(json.loads(await asyncio.wait_for(self.socket.recv(), seconds)))

    async def next(self, kind: str, seconds: float = 10.0, **members: Any) -> Body:
        """Next frame of a type whose members have these values."""
        wanted = {"type": kind, **members}.items()
        for frame in self.kept:
            if wanted <= {key: value for key, value in frame.items() if key in dict(wanted)}.items():
                self.kept.remove(frame)
                return frame
        async with asyncio.timeout(seconds):
            while True:
                frame = await self.read(seconds)
                if all(frame.get(key) == value for key, value in wanted):
                    return frame
                self.kept.append(frame)

    async def ask(self, **frame: Any) -> Body:
        """Send a frame and return its reply."""
        name = await self.send(**frame)
        return await self.next("pong" if frame["op"] == "ping" else "reply", id=name)

    async def push(self, seconds: float = 10.0) -> Body:
        """Next push."""
        return await self.next("update", seconds)

    async def closed(self, seconds: float = 10.0) -> tuple[int, str]:
        """Code and reason with which the service closes; what comes before is kept."""
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    self.kept.append(await self.read(seconds))
        return self.socket.close_code or 0, self.socket.close_reason or ""


@dataclass(slots=True)
class Served:
    """A service, its hub, and its bus."""

    port: int
    app: Any

    @property
    def url(self) -> str:
        """Address of the stream."""
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    @property
    def hub(self) -> Hub:
        """Hub of the process."""
        found: Hub = self.app.state.hub
        return found

    @property
    def bus(self) -> Any:
        """Bus of the process."""
        return self.app.state.container.bus

    async def publish(self, channel: Channel, version: int, *, valid_for: float | None = None, size: int = 0) -> Update:
        """Publish a state that tells its version."""
        data = orjson.dumps({"version": version, **({"filling": "x" * size} if size else {})})
        at = datetime.now(UTC)
        until = None if valid_for is None else at + timedelta(seconds=valid_for)
        found: Update = await self.bus.publish(channel, version=version, at=at, data=data, valid_until=until)
        return found

    @asynccontextmanager
    async def talk(self, *, hello: bool = True, **options: Any) -> AsyncIterator[Talk]:
        """A connection, greeted."""
        options = {"subprotocols": [SUBPROTOCOL], "max_size": None, "compression": None, **options}
        async with connect(self.url, **options) as socket:
            talk = Talk(socket)
            if hello:
                talk.hello = await talk.read()
            yield talk


@asynccontextmanager
async def served(
    folder: Path, *, session: SessionRules | None = None, delivery: DeliveryRules | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """A service with an embedded database, and with other rules for its connections where given."""
    async with listening(Settings(data_dir=folder, port=0, shutdown_seconds=1.0, **settings), watched=False) as here:
        found = Served(here.port, here.app)
        found.hub.session_rules = session or found.hub.session_rules
        found.hub.delivery_rules = delivery or found.hub.delivery_rules
        yield found
