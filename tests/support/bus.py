"""A listener that records, and checks on the way what every listener may rely on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.streaming.update import Channel, Kind, Position, Publication, Update

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def portfolio(name: str, kind: Kind = Kind.TARGETS, tenant: str = "local") -> Channel:
    return Channel(tenant, kind, name)


def publication(channel: Channel, version: int, data: bytes | None = None) -> Publication:
    at = START + timedelta(microseconds=version)
    return Publication(
        channel=channel,
        version=version,
        at=at,
        data=b'{"version":%d}' % version if data is None else data,
        valid_until=at + timedelta(minutes=1) if version % 2 else None,
    )


@dataclass
class Recorder:
    """What was told, by channel. A hole or a repetition within an epoch fails the test at once."""

    states: dict[Channel, list[Update]] = field(default_factory=dict)
    resets: list[tuple[Channel, Update | None]] = field(default_factory=list)
    degraded: list[bool] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _positions: dict[Channel, Position | None] = field(default_factory=dict)
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, channel: Channel, newest: Update | None) -> None:
        """Note what `follow` returned."""
        self._positions[channel] = newest.position if newest else None

    def updated(self, update: Update) -> None:
        before = self._positions.get(update.channel)
        wanted = Position(before.epoch, before.seq + 1) if before else Position(update.position.epoch, 1)
        if update.position != wanted:
            self.broken.append(f"{update.position} after {before}")
        self._positions[update.channel] = update.position
        self.states.setdefault(update.channel, []).append(update)
        self._told.set()

    def reset(self, channel: Channel, newest: Update | None) -> None:
        self._positions[channel] = newest.position if newest else None
        self.resets.append((channel, newest))
        if newest is not None:
            self.states.setdefault(channel, []).append(newest)
        self._told.set()

    def health(self, *, degraded: bool, detail: str) -> None:
        assert detail
        self.degraded.append(degraded)
        self._told.set()

    def versions(self, channel: Channel) -> list[int]:
        return [update.version for update in self.states.get(channel, [])]

    def newest(self, channel: Channel) -> int | None:
        return self.versions(channel)[-1] if self.versions(channel) else None

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait for what is told to meet a condition."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._told.clear()
                await self._told.wait()
        assert self.broken == []
