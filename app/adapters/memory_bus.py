"""Bus of updates within one process: for deployments without a shared store, and for all others while it is down."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.live_ports import BusListener, CursorLost
from services.streaming.update import Channel, Mode, Position, Publication, Update

HISTORY = {Mode.LATEST: 16, Mode.EVERY: 1000}
"""States kept of a channel, so that a reader who was away can go on from its position. Of a channel whose readers may
skip states a few are enough; one of them can have 400 kB."""
HISTORY_BYTES = 4 * 1024 * 1024
"""Bytes kept of a channel, or its newest state."""
MAX_CHANNELS = 50_000
"""Channels kept; beyond, those published longest ago and followed by nobody are forgotten, and begin a new epoch."""


def new_epoch() -> str:
    """Name of an epoch that no other has."""
    return secrets.token_hex(6)


@dataclass(slots=True)
class _Line:
    """States of one channel, `bytes` of them in all."""

    limit: int
    epoch: str = field(default_factory=new_epoch)
    seq: int = 0
    version: int = -1
    bytes: int = 0
    history: deque[Update] = field(default_factory=deque)

    def add(self, item: Publication) -> Update:
        self.seq, self.version = self.seq + 1, item.version
        update = Update(
            channel=item.channel,
            position=Position(self.epoch, self.seq),
            version=item.version,
            at=item.at,
            valid_until=item.valid_until,
            data=item.data,
        )
        self.history.append(update)
        self.bytes += len(item.data)
        while len(self.history) > 1 and (len(self.history) > self.limit or self.bytes > HISTORY_BYTES):
            self.bytes -= len(self.history.popleft().data)
        return update

    def since(self, position: Position) -> list[Update] | None:
        if position.epoch != self.epoch or not self.seq - len(self.history) <= position.seq <= self.seq:
            return None
        missed = self.seq - position.seq
        return list(self.history)[len(self.history) - missed :]


class MemoryBus:
    """`app.live_ports.UpdateBus` within the process, with its history; `followed` is what the listener is told of."""

    shared = False

    def __init__(self) -> None:
        self._lines: dict[Channel, _Line] = {}
        self.followed: set[Channel] = set()
        self._listener: BusListener | None = None
        self._cursor: int | None = None

    async def publish(
        self, channel: Channel, *, version: int, at: datetime, data: bytes, valid_until: datetime | None = None
    ) -> Update | None:
        """Give the state the next sequence and tell the listener; None for a version that is not new."""
        return self.add(Publication(channel=channel, version=version, at=at, data=data, valid_until=valid_until))

    async def publish_many(
        self, publications: Sequence[Publication], *, after: int | None = None
    ) -> list[Update | None]:
        """Publish in order, if the bus has what came before."""
        self._check(after)
        return [self.add(item) for item in publications]

    def add(self, item: Publication) -> Update | None:
        """Publish one state."""
        line = self._lines.pop(item.channel, None) or _Line(HISTORY[item.channel.kind.mode])
        self._lines[item.channel] = line  # the last one is the one published last
        if item.version <= line.version:
            return None
        update = line.add(item)
        self._make_room()
        if self._listener is not None and item.channel in self.followed:
            self._listener.updated(update)
        return update

    async def latest(self, channel: Channel) -> Update | None:
        """Newest state."""
        line = self._lines.get(channel)
        return line.history[-1] if line else None

    async def since(self, channel: Channel, position: Position) -> Sequence[Update] | None:
        """States after a position, oldest first; None if they are not all known."""
        line = self._lines.get(channel)
        return line.since(position) if line else None

    async def follow(self, channel: Channel) -> Update | None:
        """Tell the listener of this channel from now on; returns the newest state."""
        self.followed.add(channel)
        return await self.latest(channel)

    async def unfollow(self, channel: Channel) -> None:
        """Stop telling the listener."""
        self.followed.discard(channel)

    def listen(self, listener: BusListener) -> None:
        """Set the one listener of this process."""
        self._listener = listener

    def _check(self, after: int | None) -> None:
        if after is not None and (self._cursor is None or self._cursor < after):
            raise CursorLost

    async def cursor(self) -> int | None:
        """Audit index up to which everything was published; None before the first `advance`."""
        return self._cursor

    async def advance(self, index: int, *, after: int | None = None) -> None:
        """Note that everything up to an audit index is published; never goes back."""
        self._check(after)
        self._cursor = index if self._cursor is None else max(self._cursor, index)

    async def forget(self) -> None:
        """Begin new epochs, and know no cursor."""
        followed, self._lines, self._cursor = self.followed & self._lines.keys(), {}, None
        for channel in followed:
            if self._listener is not None:
                self._listener.reset(channel, None)

    def _make_room(self) -> None:
        if len(self._lines) > MAX_CHANNELS:
            oldest = next((channel for channel in self._lines if channel not in self.followed), None)
            if oldest is not None:
                del self._lines[oldest]
