"""The bus on a Redis that restarts, forgets, freezes and loses messages: nothing is missed without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import redis

from app.adapters.bus_codec import PREFIX, feed_name, log_key, meta_key
from app.adapters.switching_bus import SwitchingBus, open_redis_bus
from app.live_ports import CursorLost
from scripts import embedded_servers
from services.streaming.update import Channel, Kind, Position
from tests.support.bus import Recorder, portfolio, publication

pytestmark = pytest.mark.own_limits
TARGETS, AUDIT = portfolio("pf_1"), Channel("local", Kind.AUDIT)


@pytest.fixture
def server(servers_directory: Path, tmp_path: Path) -> Iterator[embedded_servers.ValkeyServer]:
    with embedded_servers.valkey(servers_directory / tmp_path.name) as server:
        yield server


@pytest.fixture
async def nodes(server: embedded_servers.ValkeyServer) -> AsyncIterator[tuple[SwitchingBus, SwitchingBus]]:
    """Two processes: the first publishes, the second reads."""
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(open_redis_bus(server.url)) for _ in range(2)]
        yield one, two


async def reader_of(bus: SwitchingBus, *channels: Channel) -> Recorder:
    reader = Recorder()
    bus.listen(reader)
    for channel in channels:
        reader.begin(channel, await bus.follow(channel))
    return reader


async def publish(bus: SwitchingBus, channel: Channel, *versions: int) -> None:
    await bus.publish_many([publication(channel, version) for version in versions])


async def test_messages_that_were_dropped_are_read_from_the_stream(
    nodes: tuple[SwitchingBus, SwitchingBus], server: embedded_servers.ValkeyServer
) -> None:
    """The connection that listens is cut; what is published before it is made again is told, once and in order."""
    one, two = nodes
    reader = await reader_of(two, AUDIT, TARGETS)
    with redis.Redis.from_url(server.url) as admin:
        for turn in range(8):
            await publish(one, AUDIT, *range(10 * turn, 10 * turn + 5))
            assert admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub") >= 1
            await publish(one, AUDIT, *range(10 * turn + 5, 10 * turn + 10))
            await publish(one, TARGETS, turn)
            await reader.until(lambda turn=turn: reader.newest(AUDIT) == 10 * turn + 9)  # type: ignore[misc]
    await reader.until(lambda: reader.newest(TARGETS) == 7)
    assert reader.versions(AUDIT) == list(range(80))
    assert reader.resets == [] and reader.degraded == []


async def test_a_message_that_never_came_is_found_by_the_next_one_or_by_the_check(
    nodes: tuple[SwitchingBus, SwitchingBus], server: embedded_servers.ValkeyServer
) -> None:
    one, two = nodes
    reader = await reader_of(two, AUDIT, TARGETS)
    await publish(one, AUDIT, 0)
    await reader.until(lambda: reader.newest(AUDIT) == 0)
    with redis.Redis.from_url(server.url) as admin:
        # As PUBLISH would have it without its last command: stored, and nobody told.
        for channel, seq in ((AUDIT, 2), (TARGETS, 1)):
            admin.hset(meta_key(channel), mapping={"e": admin.hget(meta_key(AUDIT), "e"), "s": seq, "v": seq - 1})  # type: ignore[dict-item]
            admin.xadd(log_key(channel), {"h": f"{seq - 1}:1795255200000000:", "d": "{}"}, id=f"{seq}-0")  # type: ignore[arg-type]
    await publish(one, AUDIT, 2)
    await reader.until(lambda: reader.newest(AUDIT) == 2)
    assert reader.versions(AUDIT) == [0, 1, 2]
    assert TARGETS not in reader.states
    await two._feed.check()
    await reader.until(lambda: reader.newest(TARGETS) == 0)
    assert reader.resets == []


async def test_after_flushall_readers_are_told_that_history_is_lost(
    nodes: tuple[SwitchingBus, SwitchingBus], server: embedded_servers.ValkeyServer
) -> None:
    one, two = nodes
    reader = await reader_of(two, AUDIT, TARGETS)
    await publish(one, AUDIT, *range(5))
    await publish(one, TARGETS, *range(5))
    await one.advance(4)
    await reader.until(lambda: reader.newest(AUDIT) == reader.newest(TARGETS) == 4)
    before = reader.states[AUDIT][-1].position
    with redis.Redis.from_url(server.url) as admin:
        admin.flushall()
    assert await one.cursor() is None
    await publish(one, AUDIT, 3, 4)
    await reader.until(lambda: len(reader.versions(AUDIT)) > 5 and reader.newest(AUDIT) == 4)
    assert reader.states[AUDIT][-1].position.epoch != before.epoch
    assert await two.since(AUDIT, before) is None
    await two._feed.check()
    await reader.until(lambda: (TARGETS, None) in reader.resets)
    assert await two.latest(TARGETS) is None


async def test_the_loss_of_everything_is_seen_also_where_it_meets_an_advance(
    nodes: tuple[SwitchingBus, SwitchingBus], server: embedded_servers.ValkeyServer
) -> None:
    one, _ = nodes
    await one.advance(7)
    assert await one.cursor() == 7
    with redis.Redis.from_url(server.url) as admin:
        admin.flushall()
    await one.advance(8)
    assert await one.cursor() is None, "it would never be found out that nothing is there"
    await one.advance(8)
    assert await one.cursor() == 8


async def test_a_cursor_holds_only_for_the_store_that_it_was_read_from(
    nodes: tuple[SwitchingBus, SwitchingBus], server: embedded_servers.ValkeyServer
) -> None:
    """Redis goes or comes back under a relay: going on from the cursor of the other would leave a hole for ever."""
    one, _ = nodes
    assert await one.cursor() is None
    await publish(one, AUDIT, *range(5))
    await one.advance(4)
    await asyncio.to_thread(server.stop)
    with pytest.raises(CursorLost):
        await one.publish_many([publication(AUDIT, 5)], after=4)
    assert await one.cursor() is None, "of the bus within the process"
    await publish(one, AUDIT, 5)
    await one.advance(5)
    server.start()
    async with asyncio.timeout(20.0):
        while not one.shared:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    with pytest.raises(CursorLost):
        await one.publish_many([publication(AUDIT, 6)], after=5)
    with pytest.raises(CursorLost):
        await one.advance(6, after=5)
    assert await one.cursor() == 4
    assert await one.publish_many([publication(AUDIT, 5)], after=4) != [None]


async def test_a_restart_is_bridged(
    nodes: tuple[SwitchingBus, SwitchingBus], server: embedded_servers.ValkeyServer
) -> None:
    """Killed and started again: states are told within each process meanwhile, and between them afterwards."""
    one, two = nodes
    readers = await reader_of(one, AUDIT, TARGETS), await reader_of(two, AUDIT, TARGETS)
    await publish(one, TARGETS, 0, 1, 2)
    for reader in readers:
        await reader.until(lambda reader=reader: reader.newest(TARGETS) == 2)  # type: ignore[misc]
    await asyncio.to_thread(server.kill)
    for bus, reader in zip(nodes, readers, strict=True):
        await publish(bus, TARGETS, 3)
        assert reader.degraded == [True] and not bus.shared
        await reader.until(lambda reader=reader: reader.newest(TARGETS) == 3)  # type: ignore[misc]
        channels = [channel for channel, _ in reader.resets]
        assert sorted(channels) == sorted([AUDIT, TARGETS])
        assert reader.versions(TARGETS) == [0, 1, 2, 2, 3], "the state that was known went along"
        newest = await bus.latest(TARGETS)
        assert newest is not None and newest.version == 3
    server.start()
    for reader in readers:
        await reader.until(lambda reader=reader: reader.degraded == [True, False])  # type: ignore[misc]
        await reader.until(lambda reader=reader: reader.newest(TARGETS) == 3)  # type: ignore[misc]
    assert one.shared and two.shared
    await publish(two, TARGETS, 4)
    await publish(two, AUDIT, 4)
    for reader in readers:
        await reader.until(lambda reader=reader: reader.newest(TARGETS) == reader.newest(AUDIT) == 4)  # type: ignore[misc]
        assert reader.versions(TARGETS) == sorted(reader.versions(TARGETS)), "nobody was shown an older state again"


async def test_a_frozen_server_delays_nobody_and_is_forgiven(
    nodes: tuple[SwitchingBus, SwitchingBus], server: embedded_servers.ValkeyServer
) -> None:
    one, two = nodes
    reader = await reader_of(two, TARGETS)
    await publish(one, TARGETS, 0)
    await reader.until(lambda: reader.newest(TARGETS) == 0)
    server.suspend()
    await publish(two, TARGETS, 1)  # also waits in the sockets of the frozen server
    await reader.until(lambda: reader.newest(TARGETS) == 1 and reader.degraded == [True])
    server.resume()
    await reader.until(lambda: reader.degraded == [True, False])
    await publish(one, TARGETS, 1)
    await publish(one, TARGETS, 2)
    await reader.until(lambda: reader.newest(TARGETS) == 2)
    assert reader.versions(TARGETS) == sorted(reader.versions(TARGETS))


async def test_a_store_that_came_back_older_begins_a_new_epoch(
    nodes: tuple[SwitchingBus, SwitchingBus], server: embedded_servers.ValkeyServer
) -> None:
    """It would give sequences twice, for other states: readers would take the second for what they have."""
    one, two = nodes
    reader = await reader_of(two, AUDIT)
    await publish(one, AUDIT, *range(10))
    await reader.until(lambda: reader.newest(AUDIT) == 9)
    with redis.Redis.from_url(server.url) as admin:
        kept = admin.xrange(log_key(AUDIT), max="7-0")
        admin.hset(meta_key(AUDIT), mapping={"s": 7, "v": 6})
        admin.delete(log_key(AUDIT))
        for identity, fields in kept:  # type: ignore[union-attr]
            admin.xadd(log_key(AUDIT), fields, id=identity)
    await publish(one, AUDIT, 20, 21)
    await reader.until(lambda: reader.newest(AUDIT) == 21)
    assert reader.resets, "the readers know that history is not what it was"
    epochs = {update.position.epoch for update in reader.states[AUDIT]}
    assert len(epochs) == 2
    seen = [update.position for update in reader.states[AUDIT]]
    assert len(set(seen)) == len(seen), "a position names one state"


async def test_a_process_that_starts_while_redis_is_away_goes_over_to_it(
    server: embedded_servers.ValkeyServer,
) -> None:
    server.kill()
    async with open_redis_bus(server.url) as bus:
        reader = await reader_of(bus, TARGETS)
        assert not bus.shared
        assert reader.degraded == [True]
        await publish(bus, TARGETS, 5)
        await reader.until(lambda: reader.newest(TARGETS) == 5)
        server.start()
        await reader.until(lambda: reader.degraded == [True, False])
        newest = await bus.latest(TARGETS)
        assert newest is not None and newest.version == 5, "what is newer here goes ahead"


async def test_what_cannot_be_read_is_passed_over(
    nodes: tuple[SwitchingBus, SwitchingBus], server: embedded_servers.ValkeyServer
) -> None:
    one, two = nodes
    reader = await reader_of(two, TARGETS)
    with redis.Redis.from_url(server.url) as admin:
        for name in (feed_name(TARGETS, 0), f"{PREFIX}{{", f"{PREFIX}{{a:nonsense}}:feed:0", f"{PREFIX}alive"):
            for message in (b"", b"x", b"e 1 1:2:3", b"e x h d", b"\xff \xff \xff \xff"):
                admin.publish(name, message)
    await publish(one, TARGETS, 1)
    await reader.until(lambda: reader.newest(TARGETS) == 1)
    assert await two.since(TARGETS, Position("nonsense", 2**60)) is None
