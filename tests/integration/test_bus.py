"""Both buses keep the same promises: order, no hole, `since`, and a version is published once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from app.adapters.memory_bus import HISTORY, HISTORY_BYTES, MemoryBus
from app.adapters.switching_bus import open_redis_bus
from app.live_ports import CursorLost, UpdateBus
from services.streaming.update import Channel, Kind, Mode, Position
from tests.support.bus import Recorder, portfolio, publication

TARGETS, HEDGES = portfolio("pf_1"), portfolio("pf_1", Kind.HEDGES)
AUDIT = Channel("local", Kind.AUDIT)
HOSTILE = [
    Channel("a{b", Kind.VOLATILITY, "BTC/USDT:USDT"),
    Channel("a", Kind.VOLATILITY, "}:meta"),
    Channel("a:b", Kind.TARGETS, "%7B x\u00fc"),
    Channel("a", Kind.TARGETS, "b:x"),
]


@pytest.fixture(params=["memory", "redis"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[UpdateBus]:
    if request.param == "memory":
        yield MemoryBus()
        return
    async with open_redis_bus(request.getfixturevalue("redis_url")) as bus:
        yield bus


@pytest.fixture
async def reader(bus: UpdateBus) -> Recorder:
    recorder = Recorder()
    bus.listen(recorder)
    return recorder


async def test_a_bus_that_nothing_was_published_on(bus: UpdateBus, reader: Recorder) -> None:
    assert await bus.latest(TARGETS) is None
    assert await bus.since(TARGETS, Position("x", 0)) is None
    assert await bus.cursor() is None
    assert await bus.follow(TARGETS) is None
    assert reader.states == {}
    assert bus.shared is not isinstance(bus, MemoryBus)


async def test_states_come_back_as_they_were_published(bus: UpdateBus, reader: Recorder) -> None:
    for channel in (*HOSTILE, TARGETS, AUDIT):
        assert await bus.follow(channel) is None
        item = publication(channel, 7, b'{"a b:c":"\xc3\xbc\\u0000"}' * 50)
        update = await bus.publish(
            channel, version=item.version, at=item.at, data=item.data, valid_until=item.valid_until
        )
        assert update is not None
        assert update.position.seq == 1
        for name in ("channel", "version", "at", "data", "valid_until"):
            assert getattr(update, name) == getattr(item, name)
        assert await bus.latest(channel) == update
        await reader.until(lambda channel=channel, update=update: reader.states.get(channel) == [update])  # type: ignore[misc]
    bare = await bus.publish(HEDGES, version=1, at=datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC), data=b"{}")
    assert bare is not None
    assert bare.valid_until is None
    assert await bus.latest(HEDGES) == bare
    assert HEDGES not in reader.states, "it is not followed"


async def test_sequences_are_each_channels_own_and_a_version_is_published_once(
    bus: UpdateBus, reader: Recorder
) -> None:
    await bus.follow(TARGETS)
    published = await bus.publish_many(
        [publication(channel, version) for channel, version in [(TARGETS, 3), (HEDGES, 3), (TARGETS, 3), (TARGETS, 2)]]
        + [publication(TARGETS, 9), publication(HEDGES, 10)]
    )
    assert [update and update.position.seq for update in published] == [1, 1, None, None, 2, 2]
    assert published[0] is not None and published[4] is not None
    assert published[0].position.epoch == published[4].position.epoch
    await reader.until(lambda: reader.versions(TARGETS) == [3, 9])
    assert await bus.publish_many([publication(TARGETS, 9)]) == [None]
    assert await bus.publish_many([]) == []


async def test_what_came_after_a_position(bus: UpdateBus) -> None:
    limit = HISTORY[Mode.LATEST]
    published = await bus.publish_many([publication(TARGETS, version) for version in range(limit + 10)])
    updates = [update for update in published if update is not None]
    epoch = updates[0].position.epoch
    for seq in range(limit + 10 + 1):
        expected = updates[seq:] if seq >= 10 else None
        assert await bus.since(TARGETS, Position(epoch, seq)) == expected, seq
    assert await bus.since(TARGETS, Position(epoch, limit + 11)) is None, "a position that was never given"
    assert await bus.since(TARGETS, Position("another", limit)) is None


async def test_a_channel_whose_readers_skip_nothing_keeps_more(bus: UpdateBus) -> None:
    count = HISTORY[Mode.EVERY]
    published = await bus.publish_many([publication(AUDIT, version) for version in range(count + 1)])
    assert published[0] is not None
    epoch = published[0].position.epoch
    found = await bus.since(AUDIT, Position(epoch, 1))
    assert found is not None
    assert [update.version for update in found] == list(range(1, count + 1))
    assert await bus.since(AUDIT, Position(epoch, 0)) is None


async def test_history_within_the_process_is_bounded_in_bytes() -> None:
    bus, size = MemoryBus(), HISTORY_BYTES // 3
    updates = [await bus.publish(HEDGES, version=n, at=publication(HEDGES, n).at, data=b"x" * size) for n in range(5)]
    assert updates[4] is not None
    epoch = updates[4].position.epoch
    found = await bus.since(HEDGES, Position(epoch, 2))
    assert found is not None and len(found) == 3
    assert await bus.since(HEDGES, Position(epoch, 1)) is None
    await bus.publish(HEDGES, version=9, at=publication(HEDGES, 9).at, data=b"x" * (HISTORY_BYTES + 1))
    newest = await bus.latest(HEDGES)
    assert newest is not None and newest.version == 9


async def test_following_continues_what_it_returned(bus: UpdateBus, reader: Recorder) -> None:
    await bus.publish_many([publication(TARGETS, version) for version in range(5)])
    newest = await bus.follow(TARGETS)
    assert newest is not None and newest.version == 4
    assert await bus.follow(TARGETS) == newest, "once more changes nothing"
    reader.begin(TARGETS, newest)
    await bus.publish_many([publication(TARGETS, version) for version in range(5, 200)])
    await reader.until(lambda: reader.newest(TARGETS) == 199)
    assert reader.versions(TARGETS) == list(range(5, 200))
    await bus.unfollow(TARGETS)
    await bus.publish_many([publication(TARGETS, 200)])
    await bus.follow(AUDIT)
    await bus.publish_many([publication(AUDIT, 1)])
    await reader.until(lambda: reader.versions(AUDIT) == [1])
    assert reader.newest(TARGETS) == 199
    newest = await bus.follow(TARGETS)
    assert newest is not None and newest.version == 200


async def test_following_while_others_publish_leaves_no_hole(bus: UpdateBus, reader: Recorder) -> None:
    names = [portfolio(f"pf_{number}", Kind.HEDGES) for number in range(20)]

    async def write() -> None:
        for version in range(60):
            await bus.publish_many([publication(name, version) for name in names])
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    first = {}
    for name in names:
        newest = await bus.follow(name)
        # What was told since is in the order of the record: nothing came between the answer and this line.
        reader.begin(name, newest)
        first[name] = newest.version if newest else -1
        await asyncio.sleep(0)
    await writing
    await reader.until(lambda: all(reader.newest(name) == 59 or first[name] == 59 for name in names))
    for name in names:
        assert reader.versions(name) == list(range(first[name] + 1, 60))


async def test_the_cursor_only_rises(bus: UpdateBus) -> None:
    for index, expected in ((4, 4), (9, 9), (7, 9), (10, 10)):
        await bus.advance(index)
        assert await bus.cursor() == expected


async def test_forgetting_begins_anew(bus: UpdateBus, reader: Recorder) -> None:
    await bus.publish_many([publication(TARGETS, version) for version in range(90, 95)])
    await bus.advance(94)
    before = await bus.follow(TARGETS)
    assert before is not None
    await bus.forget()
    assert await bus.cursor() is None
    assert await bus.latest(TARGETS) is None
    assert await bus.since(TARGETS, before.position) is None
    published = await bus.publish_many([publication(TARGETS, 0)])
    assert published[0] is not None
    assert published[0].position.seq == 1
    assert published[0].position.epoch != before.position.epoch
    await reader.until(lambda: reader.newest(TARGETS) == 0)
    assert TARGETS in [channel for channel, _ in reader.resets]


async def test_two_processes_read_what_either_publishes(redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(open_redis_bus(redis_url)) for _ in range(2)]
        readers = Recorder(), Recorder()
        one.listen(readers[0])
        two.listen(readers[1])
        await one.follow(AUDIT)
        await two.follow(AUDIT)
        for version in range(100):
            await (one, two)[version % 2].publish_many([publication(AUDIT, version)])
        for reader in readers:
            await reader.until(lambda reader=reader: reader.newest(AUDIT) == 99)  # type: ignore[misc]
            assert reader.versions(AUDIT) == list(range(100))
        # Two relays that publish the same: each version once.
        items = [publication(AUDIT, version) for version in range(100, 200)]
        answers = await asyncio.gather(one.publish_many(items), two.publish_many(items))
        assert [sum(answer[n] is not None for answer in answers) for n in range(100)] == [1] * 100
        for reader in readers:
            await reader.until(lambda reader=reader: reader.newest(AUDIT) == 199)  # type: ignore[misc]
            assert reader.versions(AUDIT) == list(range(200))


async def test_who_goes_on_from_a_cursor_that_is_lost_or_lies_back_is_refused(bus: UpdateBus) -> None:
    """Two relays and a loss of everything: one begins anew while the other still holds its old place in the log."""
    assert await bus.cursor() is None
    await bus.advance(4)
    assert await bus.publish_many([publication(AUDIT, 5)], after=4) != [None]
    await bus.forget()
    with pytest.raises(CursorLost):
        await bus.publish_many([publication(AUDIT, 6)], after=4)
    assert await bus.cursor() is None
    await bus.advance(-1)
    with pytest.raises(CursorLost):
        await bus.publish_many([publication(AUDIT, 6)], after=4)
    published = await bus.publish_many([publication(AUDIT, version) for version in range(7)], after=-1)
    assert [update.position.seq for update in published if update] == list(range(1, 8)), "no hole"
