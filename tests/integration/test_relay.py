"""The relay tells every entry once and in order, whoever runs it and wherever it stopped."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from app.adapters.database import Database, open_database
from app.adapters.memory_bus import MemoryBus
from app.adapters.schema import migrate
from app.adapters.switching_bus import open_redis_bus
from app.live_ports import UpdateBus
from app.ports import EventKind
from app.telemetry import Telemetry
from app.usecases import relay as relay_module
from app.usecases.relay import Relay
from services.streaming.update import Channel, Kind
from tests.support.audit import START, record
from tests.support.bus import Recorder, portfolio
from tests.support.live_entries import decision

AUDIT = Channel("local", Kind.AUDIT)
SECONDS = 20.0


class SharedMemoryBus(MemoryBus):
    """A bus within the process that several relays of a test take for a shared one."""

    shared = True


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    migrate(url)
    async with open_database(url) as database:
        yield database


def relay_of(database: Database, bus: UpdateBus) -> Relay:
    return Relay(database.audit, bus, database.portfolios, Telemetry())


async def follow(bus: UpdateBus, *channels: Channel) -> Recorder:
    reader = Recorder()
    bus.listen(reader)
    for channel in channels:
        reader.begin(channel, await bus.follow(channel))
    return reader


async def append(database: Database, count: int) -> None:
    for _ in range(count):
        await database.audit.append(record(), timeout=SECONDS)


async def test_every_entry_once_and_in_order(database: Database) -> None:
    bus = MemoryBus()
    reader = await follow(bus, AUDIT)
    await append(database, 20)
    relaying = asyncio.create_task(relay_of(database, bus).run(lambda: True))
    await append(database, 700)
    await reader.until(lambda: reader.newest(AUDIT) == 719)
    relaying.cancel()
    assert reader.versions(AUDIT) == list(range(720))
    assert await bus.cursor() in (719, 718), "the cursor follows what was published"


async def test_what_is_published_is_what_was_recorded(database: Database) -> None:
    bus, targets = MemoryBus(), portfolio("pf_1")
    reader = await follow(bus, targets, AUDIT)
    await append(database, 1)
    relaying = asyncio.create_task(relay_of(database, bus).run(lambda: True))
    await reader.until(lambda: reader.newest(AUDIT) == 0)  # on a bus without a past it tells the last decision only
    for number in range(5):
        await database.audit.append(decision("pf_1", number), timeout=SECONDS)
    await reader.until(lambda: reader.newest(targets) == 5)
    relaying.cancel()
    rows = [orjson.loads(update.data) for update in reader.states[targets]]
    assert [(row["snapshot_seq"], row["targets"], row["index"]) for row in rows] == [
        (n, [{"number": n}], n + 1) for n in range(5)
    ]


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_relays_that_are_killed_anywhere_and_run_side_by_side_tell_each_entry_once(
    kind: str, request: pytest.FixtureRequest, database: Database
) -> None:
    async def scenario(bus: UpdateBus) -> None:
        reader = await follow(bus, AUDIT)
        writing = asyncio.create_task(append(database, 400))
        while not writing.done():
            pair = [asyncio.create_task(relay_of(database, bus).run(lambda: True)) for _ in range(2)]
            await asyncio.sleep(0.02)
            for task in pair:
                task.cancel()
            await asyncio.gather(*pair, return_exceptions=True)
        last = asyncio.create_task(relay_of(database, bus).run(lambda: True))
        await reader.until(lambda: reader.newest(AUDIT) == 399)
        last.cancel()
        assert reader.versions(AUDIT) == list(range(400))

    if kind == "memory":
        await scenario(MemoryBus())
    else:
        async with open_redis_bus(request.getfixturevalue("redis_url")) as bus:
            await scenario(bus)


async def test_a_bus_that_lost_everything_gets_the_last_decisions_and_the_newest_entries(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "BACKLOG", 10)
    for name in ("pf_1", "pf_2", "pf_silent"):
        await database.portfolios.put("local", name, b"{}", expected=None, now=START)
    for number, name in enumerate(["pf_1", "pf_2", "pf_1", "pf_gone"]):
        await database.audit.append(decision(name, number), timeout=SECONDS)
    await append(database, 30)
    bus = MemoryBus()
    relaying = asyncio.create_task(relay_of(database, bus).run(lambda: True))
    reader = await follow(bus, AUDIT)
    await reader.until(lambda: reader.newest(AUDIT) == 33)
    assert {name: (await bus.latest(portfolio(name)) or None) and (await bus.latest(portfolio(name))).version  # type: ignore[union-attr]
            for name in ("pf_1", "pf_2", "pf_silent", "pf_gone")} == {
        "pf_1": 2, "pf_2": 1, "pf_silent": None, "pf_gone": None,
    }  # fmt: skip
    assert reader.versions(AUDIT) == list(range(24, 34)), "an old decision as the first state would be before a hole"
    epoch = reader.states[AUDIT][-1].position.epoch
    await bus.forget()
    await reader.until(lambda: reader.newest(AUDIT) == 33 and reader.states[AUDIT][-1].position.epoch != epoch)
    newest = await bus.latest(portfolio("pf_2"))
    assert newest is not None and newest.version == 1
    relaying.cancel()


async def test_a_bus_that_lost_everything_shows_nobody_an_older_decision(database: Database) -> None:
    """What may be skipped begins with its newest state: one published before it might still look valid."""
    bus, targets = MemoryBus(), portfolio("pf_1")
    for number in range(40):
        await database.audit.append(decision("pf_1", number), timeout=SECONDS)
    reader = await follow(bus, targets, AUDIT)
    relaying = asyncio.create_task(relay_of(database, bus).run(lambda: True))
    await reader.until(lambda: reader.newest(AUDIT) == 39)
    relaying.cancel()
    assert reader.versions(targets) == [39]
    assert reader.versions(AUDIT) == list(range(40)), "what must not be skipped is told from the oldest on"


async def test_a_log_that_ends_before_the_cursor_begins_the_stream_anew(database: Database) -> None:
    """The database was replaced, or a replica took over that had not seen the end: what was published is void."""
    bus = MemoryBus()
    await bus.advance(5000)
    await bus.publish(AUDIT, version=5000, at=START, data=b"{}")
    reader = await follow(bus, AUDIT)
    relaying = asyncio.create_task(relay_of(database, bus).run(lambda: True))
    await append(database, 3)
    await reader.until(lambda: reader.newest(AUDIT) == 2)
    relaying.cancel()
    assert reader.resets
    assert reader.versions(AUDIT) == [0, 1, 2]


async def test_a_damaged_entry_does_not_stop_the_others(database: Database, tmp_path: Path) -> None:
    bus = MemoryBus()
    await append(database, 6)
    with sqlite3.connect(tmp_path / "audit.db") as file:
        file.execute("DROP TRIGGER audit_body_update")
        file.execute("UPDATE audit_body SET body = (SELECT body FROM audit_body WHERE idx = 0) WHERE idx IN (2, 3)")
    file.close()
    reader = await follow(bus, AUDIT)
    relaying = asyncio.create_task(relay_of(database, bus).run(lambda: True))
    await reader.until(lambda: reader.newest(AUDIT) == 5)
    relaying.cancel()
    assert reader.versions(AUDIT) == [0, 1, 4, 5]


async def test_an_answer_that_cannot_be_understood_is_told_as_an_entry(database: Database) -> None:
    bus = MemoryBus()
    reader = await follow(bus, AUDIT, portfolio("pf_1"))
    relaying = asyncio.create_task(relay_of(database, bus).run(lambda: True))
    for response in (b"not JSON", b"{}", b"[]"):
        await database.audit.append(
            record(kind=EventKind.LIVE, portfolio_id="pf_1", response=response), timeout=SECONDS
        )
    await database.audit.append(decision("pf_1"), timeout=SECONDS)
    await reader.until(lambda: reader.newest(portfolio("pf_1")) == 3 and reader.newest(AUDIT) == 3)
    relaying.cancel()
    assert reader.versions(AUDIT) == [0, 1, 2, 3]


async def test_who_does_not_lead_acts_only_where_nobody_else_does(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader may be cut off from Redis alone: it works within itself, and the others would starve."""
    monkeypatch.setattr(relay_module, "STANDBY_SECONDS", 3.0)
    bus = SharedMemoryBus()
    reader = await follow(bus, AUDIT)
    leader = asyncio.create_task(relay_of(database, bus).run(lambda: True))
    published = {"others": 0}
    standby = relay_of(database, bus)
    ordinary = standby._publish

    async def counting(entries: object, after: int | None = None) -> None:
        published["others"] += 1
        await ordinary(entries, after)  # type: ignore[arg-type]

    monkeypatch.setattr(standby, "_publish", counting)
    others = asyncio.create_task(standby.run(lambda: False))
    for _ in range(10):
        await append(database, 5)
        await asyncio.sleep(0.03)
    await reader.until(lambda: reader.newest(AUDIT) == 49)
    assert published["others"] == 0
    leader.cancel()
    await asyncio.gather(leader, return_exceptions=True)
    await append(database, 5)
    await reader.until(lambda: reader.newest(AUDIT) == 54)
    assert published["others"] > 0
    others.cancel()
    assert reader.versions(AUDIT) == list(range(55))
