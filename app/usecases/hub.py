"""Channels and their readers in one process: takes updates from the bus, and never waits for a reader."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from app.live_ports import UpdateBus
from app.ports import Clock
from app.telemetry import Telemetry
from app.translate.frames import Frame, expired_at, expiry_notice, frame_of, notice
from services.streaming.close import CloseCode
from services.streaming.delivery import DeliveryRules
from services.streaming.resume import Continuation, Resumption, resume
from services.streaming.session import Ended, Phase, SessionRules
from services.streaming.update import Channel, Position, Update

if TYPE_CHECKING:
    from app.usecases.stream import Connection

TICK_SECONDS = 0.25
"""How often connections and expiries are looked at."""
READ_AGAIN = 3
"""Times that a history is read anew because its stream went on meanwhile."""
RECONNECT_MS = (0, 5000)
MAX_CONNECTIONS = 10_000


@dataclass(slots=True, eq=False)
class _Stream:
    """A channel that somebody reads.

    `holders` counts readers to be, who wait for the bus; `over` says that the end of the newest state was told.
    """

    channel: Channel
    newest: Update | None = None
    readers: set[Connection] = field(default_factory=set)
    holders: int = 0
    followed: bool = False
    over: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def take(self, update: Update | None) -> None:
        """Keep the newest state."""
        known = self.newest
        if update is None or (known is not None and _is_older(update, known)):
            return
        self.newest, self.over = update, False


def _is_older(update: Update, known: Update) -> bool:
    return update.position.epoch == known.position.epoch and update.position.seq <= known.position.seq


def _position(update: Update | None) -> Position | None:
    return None if update is None else update.position


class Began(NamedTuple):
    """A subscription that has begun."""

    newest: Update | None
    resumption: Resumption


class Hub:
    """Joins the bus and the connections of a process.

    Parameters
    ----------
    bus : UpdateBus
        Where updates come from; the hub becomes its listener.
    clock : Clock
        Tells when states are over.
    telemetry : Telemetry
        Where connections are counted.
    drain_seconds : float
        Time in which connections are told and closed when the service ends.
    """

    def __init__(
        self,
        bus: UpdateBus,
        clock: Clock,
        telemetry: Telemetry,
        *,
        session_rules: SessionRules | None = None,
        delivery_rules: DeliveryRules | None = None,
        drain_seconds: float = 0.0,
    ) -> None:
        self.bus, self.clock, self.telemetry = bus, clock, telemetry
        self.session_rules = session_rules or SessionRules()
        self.delivery_rules = delivery_rules or DeliveryRules()
        self.connections: set[Connection] = set()
        self.drain_seconds = drain_seconds
        self.degraded = ""
        self.draining = False
        self.pushes = 0
        self._streams: dict[Channel, _Stream] = {}
        self._chores: set[asyncio.Task[None]] = set()
        bus.listen(self)

    # What the bus tells

    def updated(self, update: Update) -> None:
        """Offer a new state to every reader of its channel."""
        if (stream := self._streams.get(update.channel)) is not None:
            stream.take(update)
            self._offer(stream, frame_of(update))

    def reset(self, channel: Channel, newest: Update | None) -> None:
        """Tell every reader that history was lost: by a state of the new epoch, or by a notice where there is none."""
        if (stream := self._streams.get(channel)) is None:
            return
        stream.newest, stream.over = newest, False
        if newest is not None:
            self._offer(stream, frame_of(newest))
            return
        text = notice("stream_reset", ch=channel.name)
        for connection in tuple(stream.readers):
            connection.tell(text)

    def health(self, *, degraded: bool, detail: str) -> None:
        """Tell every connection that updates come from this process alone, or that all is well again."""
        if bool(self.degraded) == degraded:
            return
        self.degraded = detail or "degraded" if degraded else ""
        text = notice("degraded" if degraded else "recovered", detail=detail)
        for connection in tuple(self.connections):
            connection.tell(text)

    def _offer(self, stream: _Stream, frame: Frame) -> None:
        now = time.monotonic()
        for connection in tuple(stream.readers):
            connection.offer(frame, now)

    # What connections ask for

    def join(self, connection: Connection) -> None:
        """A connection begins."""
        self.connections.add(connection)
        self.telemetry.connections(len(self.connections))

    def leave(self, connection: Connection) -> None:
        """A connection ends; what nobody reads any more is no longer followed."""
        self.connections.discard(connection)
        self.telemetry.connections(len(self.connections))
        for channel, _ in connection.delivery.positions():
            self.unsubscribe(connection, channel)

    async def subscribe(self, connection: Connection, channel: Channel, since: Position | None) -> Began:
        """Begin, or begin again, to send a channel to a connection.

        Raises
        ------
        Ended
            4404 if the position lies ahead of the stream.
        """
        async with self._held(channel) as stream:
            found = await self._resumption(stream, since)
            if found.continuation is Continuation.IMPOSSIBLE:
                raise Ended(CloseCode.STREAM_RESET, channel.name)
            newest = stream.newest
            if connection.phase is not Phase.CLOSED:
                stream.readers.add(connection)
                recovered = found.continuation is Continuation.RECOVERED
                connection.delivery.subscribe(channel, since if recovered else _position(newest))
        if since is not None:
            self.telemetry.resumed(recovered=found.continuation is Continuation.RECOVERED)
        return Began(newest, found)

    async def _resumption(self, stream: _Stream, since: Position | None) -> Resumption:
        for _ in range(READ_AGAIN):
            newest = stream.newest
            history = None
            if since is not None and newest is not None and newest.position.epoch == since.epoch:
                history = await self.bus.since(stream.channel, since) if since.seq < newest.position.seq else ()
            found = resume(since, stream.newest, history)
            if found.continuation is not Continuation.BEHIND:
                return found
        return Resumption(Continuation.SNAPSHOT)

    @contextlib.asynccontextmanager
    async def _held(self, channel: Channel) -> AsyncIterator[_Stream]:
        """The stream of a channel, followed, which stays so within the block."""
        stream = self._streams.get(channel)
        if stream is None:
            stream = self._streams[channel] = _Stream(channel)
        stream.holders += 1
        try:
            async with stream.turn:
                if not stream.followed:
                    stream.take(await self.bus.follow(channel))
                    stream.followed = True
            yield stream
        finally:
            stream.holders -= 1
            self._let_go(stream)

    def unsubscribe(self, connection: Connection, channel: Channel) -> None:
        """End a channel of a connection."""
        if (stream := self._streams.get(channel)) is not None:
            stream.readers.discard(connection)
            self._let_go(stream)

    def _let_go(self, stream: _Stream) -> None:
        if not (stream.readers or stream.holders):
            self._chore(self._unfollow(stream))

    async def _unfollow(self, stream: _Stream) -> None:
        async with stream.turn:
            if stream.readers or stream.holders:
                return
            if stream.followed:
                stream.followed, stream.newest = False, None
                await self.bus.unfollow(stream.channel)
            if not (stream.readers or stream.holders) and self._streams.get(stream.channel) is stream:
                del self._streams[stream.channel]

    def _chore(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def newest(self, channel: Channel) -> Update | None:
        """Newest state of a channel."""
        stream = self._streams.get(channel)
        return stream.newest if stream is not None and stream.followed else await self.bus.latest(channel)

    # What time brings

    async def run(self) -> None:
        """Look at connections and expiries, for ever."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick(time.monotonic(), self.clock.now())

    def tick(self, now: float, moment: datetime) -> None:
        """Send what is due, cut who does not keep up, tell which states are over."""
        for stream in self._streams.values():
            if stream.newest is not None and not stream.over and expired_at(stream.newest, moment):
                stream.over = True
                text = expiry_notice(stream.newest)
                for connection in stream.readers:
                    connection.tell(text)
        for connection in tuple(self.connections):
            connection.tick(now, moment)
        self.telemetry.pushed(self.pushes)
        self.pushes = 0

    def shut_down(self) -> None:
        """The service ends: begin to drain, once."""
        if not self.draining:
            self.draining = True
            self._chore(self.drain(self.drain_seconds))

    async def drain(self, seconds: float) -> None:
        """Tell every connection that the service ends, and close them one by one within `seconds`."""
        self.draining = True
        until = time.monotonic() + seconds
        text = notice("draining", close_in_s=seconds, reconnect_after_ms=RECONNECT_MS)
        ends = {connection: time.monotonic() + seconds * random.random() for connection in self.connections}  # noqa: S311
        for connection in ends:
            connection.drain(text)
        while self.connections and time.monotonic() < until:
            now = time.monotonic()
            for connection in tuple(self.connections):
                if ends.get(connection, now) <= now and not connection.busy:
                    connection.end(Ended(CloseCode.RESTART))
            await asyncio.sleep(min(TICK_SECONDS / 5.0, max(until - now, 0.0)))
        for connection in tuple(self.connections):
            connection.end(Ended(CloseCode.RESTART))
