"""The hub between a bus that takes its time and connections without sockets: nothing is lost in between."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.adapters.memory_bus import MemoryBus
from app.telemetry import Telemetry
from app.usecases.hub import Hub
from app.usecases.stream import Connection
from services.streaming.session import SessionRules
from services.streaming.update import Channel, Kind, Position, Update

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TARGETS = Channel("local", Kind.TARGETS, "pf_main")


class SlowBus(MemoryBus):
    """Answers after other things have happened, and counts who is followed."""

    def __init__(self, pauses: random.Random | None = None) -> None:
        super().__init__()
        self.following: list[Channel] = []
        self.pauses = pauses or random.Random(1)

    async def _pause(self) -> None:
        for _ in range(self.pauses.randrange(4)):
            await asyncio.sleep(0)

    async def follow(self, channel: Channel) -> Update | None:
        found = await super().follow(channel)
        self.following.append(channel)
        await self._pause()
        return found

    async def unfollow(self, channel: Channel) -> None:
        await self._pause()
        self.following.remove(channel)
        await super().unfollow(channel)

    async def since(self, channel: Channel, position: Position) -> Sequence[Update] | None:
        found = await super().since(channel, position)
        await self._pause()
        return found


@dataclass
class Clock:
    """A clock that is set."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment


@dataclass
class Box:
    """What connections take of a container."""

    clock: Clock = field(default_factory=Clock)
    tenant_id: str = "local"

    def of(self, tenant_id: str) -> Box:
        return Box(self.clock, tenant_id)


class Sink:
    """A socket that remembers, and may be full."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.has_room = True
        self.on_room: Any = None
        self.on_shutdown: Any = None

    def write(self, text: bytes) -> None:
        self.frames.append(json.loads(text))

    def cut(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def limit_send_buffer(self, size: int) -> None:
        pass

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]


def explain(error: Exception) -> Any:
    raise error


def connected(hub: Hub) -> tuple[Connection, Sink]:
    """A connection that is greeted."""
    sink = Sink()
    connection = Connection(Box(hub.clock), hub, explain, sink)  # type: ignore[arg-type]
    connection.open()
    return connection, sink


async def say(connection: Connection, **frame: Any) -> None:
    await connection.receive(json.dumps({"id": "1", **frame}))


async def publish(bus: MemoryBus, version: int, valid_until: datetime | None = None) -> Update | None:
    data = b'{"version":%d}' % version
    return await bus.publish(TARGETS, version=version, at=NOW, data=data, valid_until=valid_until)


@pytest.mark.parametrize("seed", range(60))
async def test_readers_that_come_and_go_while_states_are_published_miss_nothing(seed: int) -> None:
    chance = random.Random(seed)
    bus = SlowBus(chance)
    hub = Hub(bus, Clock(), Telemetry())
    done = False

    async def write() -> None:
        nonlocal done
        for version in range(1, 60):
            await publish(bus, version)
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
        done = True

    async def read() -> None:
        connection, sink = connected(hub)
        since: Position | None = None
        while not done or chance.random() < 0.3:
            extra = {} if since is None else {"since": since._asdict()}
            await say(connection, op="subscribe", ch="targets:pf_main", **extra)
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            await say(connection, op="ack", n=len(sink.of("update")))
            since = verified(sink.frames)
            if chance.random() < 0.5:
                await say(connection, op="unsubscribe", ch="targets:pf_main")
            connection.session._allowance = 40.0
        await say(connection, op="subscribe", ch="targets:pf_main")
        last = verified(sink.frames)
        assert last is not None and last.seq == 59
        connection.close()

    await asyncio.gather(write(), *(read() for _ in range(4)))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not hub._streams and not bus.following and not hub.connections


def verified(frames: list[dict[str, Any]]) -> Position | None:
    """Where a reader stands who applies the rule to what it was sent; the rule never fails here."""
    position: Position | None = None
    for frame in frames:
        if frame["type"] == "reply" and "recovered" in frame:
            position = Position(frame["epoch"], frame["seq"]) if frame["epoch"] else Position("", 0)
            if frame.get("snapshot"):
                assert frame["snapshot"]["version"] == frame["seq"]
        elif frame["type"] == "update":
            assert position is not None and frame["prev"] == position.seq
            assert frame["data"]["version"] == frame["seq"]
            position = Position(frame["epoch"], frame["seq"])
    return position if position is not None and position.epoch else None


async def test_a_full_socket_is_written_to_again_once_it_has_room() -> None:
    bus = SlowBus()
    hub = Hub(bus, Clock(), Telemetry())
    connection, sink = connected(hub)
    await say(connection, op="subscribe", ch="targets:pf_main")
    sink.has_room = False
    connection.room(False)
    for version in range(1, 50):
        await publish(bus, version)
    assert not sink.of("update")
    sink.has_room = True
    connection.room(True)
    assert [frame["seq"] for frame in sink.of("update")] == [*range(1, 32), 49]


async def test_frames_are_not_read_while_replies_pile_up() -> None:
    hub = Hub(SlowBus(), Clock(), Telemetry())
    connection, sink = connected(hub)
    connection.session._allowance = 1000.0
    sink.has_room = False
    reading = asyncio.create_task(_ping(connection, 100))
    for _ in range(200):
        await asyncio.sleep(0)
    assert not reading.done() and len(connection._replies) == 64
    sink.has_room = True
    connection.room(True)
    await reading
    assert len(sink.of("pong")) == 100


async def _ping(connection: Connection, times: int) -> None:
    for number in range(times):
        connection.session._allowance = 40.0
        await say(connection, op="ping", ts=number)


async def test_time_that_jumps_ends_states_once() -> None:
    bus, clock = SlowBus(), Clock()
    hub = Hub(bus, clock, Telemetry(), session_rules=SessionRules(heartbeat_seconds=1e9))
    connection, sink = connected(hub)
    await say(connection, op="subscribe", ch="targets:pf_main")
    await publish(bus, 1, NOW + timedelta(seconds=60))
    for jump in (59.9, 3600.0, -3600.0, 7200.0):
        clock.moment = NOW + timedelta(seconds=jump)
        hub.tick(0.0, clock.now())
    assert [frame["seq"] for frame in sink.of("notice")] == [1]
    await publish(bus, 2, clock.now() + timedelta(seconds=1))
    clock.moment += timedelta(seconds=1)
    hub.tick(0.0, clock.now())
    assert [frame["seq"] for frame in sink.of("notice")] == [1, 2]


async def test_a_connection_that_closes_while_it_subscribes_leaves_nothing() -> None:
    bus = SlowBus(random.Random(5))
    hub = Hub(bus, Clock(), Telemetry())
    for _ in range(20):
        connection, _sink = connected(hub)
        subscribing = asyncio.create_task(say(connection, op="subscribe", ch="targets:pf_main"))
        await asyncio.sleep(0)
        connection.close()
        await subscribing
    for _ in range(50):
        await asyncio.sleep(0)
    assert not hub._streams and not bus.following


async def test_a_stream_that_runs_ahead_of_its_history_gives_a_snapshot() -> None:
    class Racing(SlowBus):
        async def since(self, channel: Channel, position: Position) -> Sequence[Update] | None:
            found = await super().since(channel, position)
            await publish(self, self.next)
            self.next += 1
            return found

    bus = Racing()
    bus.next = 3  # type: ignore[attr-defined]
    hub = Hub(bus, Clock(), Telemetry())
    first = await publish(bus, 1)
    await publish(bus, 2)
    assert first is not None
    connection, sink = connected(hub)
    await say(connection, op="subscribe", ch="targets:pf_main", since=first.position._asdict())
    reply = sink.of("reply")[-1]
    assert (reply["recovered"], reply["seq"]) == (False, 5)
    assert verified(sink.frames) == Position(first.position.epoch, 5)


async def test_a_bus_that_fails_closes_with_4405() -> None:
    class Broken(SlowBus):
        async def follow(self, channel: Channel) -> Update | None:
            raise RuntimeError("broken")

    hub = Hub(Broken(), Clock(), Telemetry())
    connection, sink = connected(hub)
    await say(connection, op="subscribe", ch="targets:pf_main")
    assert sink.closed is not None and sink.closed[0] == 4405
    await asyncio.sleep(0.01)
    assert not hub._streams


async def test_a_channel_that_is_let_go_and_taken_again_at_once_is_still_followed() -> None:
    bus = SlowBus()
    hub = Hub(bus, Clock(), Telemetry())
    connection, sink = connected(hub)
    await say(connection, op="subscribe", ch="targets:pf_main")
    await say(connection, op="unsubscribe", ch="targets:pf_main")
    await say(connection, op="subscribe", ch="targets:pf_main")
    for _ in range(20):
        await asyncio.sleep(0)
    await publish(bus, 1)
    assert [frame["seq"] for frame in sink.of("update")] == [1]
