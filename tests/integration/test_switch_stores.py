"""Operator's switches on both stores: one writer of a version, a copy that is never old, and none that is made up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.adapters.database import Database, open_database
from app.adapters.postgres_switches import LOOK_SECONDS, STALENESS_SECONDS, PostgresSwitches
from app.adapters.schema import migrate
from app.ports import AuditUnavailable
from services.guards.switches import Switch, SwitchMode

START = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)


def switch(scope: str = "global", version: int = 1, **changes: Any) -> Switch:
    fields: dict[str, Any] = {
        "mode": SwitchMode.HALT,
        "actor": "ann",
        "reason": "für den Handel; 'quoted'",
        "set_at": START,
        "expires_at": START + timedelta(microseconds=1),
    }
    return Switch(scope=scope, version=version, **(fields | changes))


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'x.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    await asyncio.to_thread(migrate, url)
    async with open_database(url) as database:
        yield database


async def test_nothing_is_stored(database: Database) -> None:
    store = database.switches
    assert list(await store.read("local")) == []
    assert await store.get("local", "global") is None
    assert await store.list("local", after=None, limit=10) == []
    assert not await store.replace("local", switch(version=2), 1), "there is no version 1 to replace"
    assert await store.get("local", "global") is None


async def test_a_switch_comes_back_exactly_and_belongs_to_its_tenant(database: Database) -> None:
    store, made = database.switches, switch("symbol:BTC/USDT:USDT")
    assert await store.replace("local", made, 0)
    assert await store.get("local", made.scope) == made
    assert list(await store.read("local")) == [made]
    assert await store.get("other", made.scope) is None
    assert list(await store.read("other")) == []
    endless = replace(made, version=2, expires_at=None)
    assert await store.replace("local", endless, 1)
    assert await store.get("local", made.scope) == endless


async def test_only_who_knows_the_version_replaces(database: Database) -> None:
    store = database.switches
    assert await store.replace("local", switch(), 0)
    assert not await store.replace("local", switch(actor="bob"), 0)
    assert not await store.replace("local", switch(version=3, actor="bob"), 2)
    assert await store.get("local", "global") == switch()
    assert await store.replace("local", switch(actor="bob"), 1), "a version may be settled in place"
    found = await store.get("local", "global")
    assert found is not None
    assert (found.version, found.actor) == (1, "bob")


async def test_of_writers_at_once_one_gets_each_version(database: Database) -> None:
    store = database.switches
    for expected in range(3):
        made = [switch(version=expected + 1, actor=f"writer {number}") for number in range(8)]
        stored = await asyncio.gather(*(store.replace("local", item, expected) for item in made))
        assert sum(stored) == 1
        assert await store.get("local", "global") == made[stored.index(True)]


async def test_a_change_through_this_process_is_read_at_once_and_what_stops_nothing_is_not_read(
    database: Database,
) -> None:
    store = database.switches
    for version in range(1, 6):
        stops = version % 2 == 1
        mode = SwitchMode.HALT if stops else SwitchMode.NORMAL
        await store.replace("local", switch(version=version, mode=mode, expires_at=None), version - 1)
        assert [item.version for item in await store.read("local")] == ([version] if stops else [])
    ending = switch(version=6, mode=SwitchMode.NORMAL)
    await store.replace("local", ending, 5)
    assert list(await store.read("local")) == [ending], "a permission that ends may stop something later"


async def test_pages_are_in_the_order_of_bytes(database: Database) -> None:
    scopes = ["symbol:b", "symbol:B", "symbol:a-1", "symbol:a.1", "global", "venue:x", "symbol:aa", "account:9"]
    for scope in scopes:
        await database.switches.replace("local", switch(scope), 0)
    found: list[str] = []
    while page := await database.switches.list("local", after=found[-1] if found else None, limit=3):
        found += [item.scope for item in page]
    assert found == sorted(scopes)


async def test_another_process_sees_a_stop_within_the_published_time(postgres_url: str) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    async with open_database(postgres_url) as here, open_database(postgres_url) as there:
        assert here.switches.staleness_seconds == STALENESS_SECONDS == 1.0
        assert list(await here.switches.read("local")) == []
        await there.switches.replace("local", switch(), 0)
        await asyncio.sleep(LOOK_SECONDS)
        assert list(await here.switches.read("local")) == [switch()]


class Readers:
    """Rows that are there, or a server that is away."""

    def __init__(self) -> None:
        self.away, self.reads, self.open = False, 0, asyncio.Event()
        self.open.set()

    async def fetch_one(self, statement: str, *arguments: object) -> tuple[object, ...]:
        return (1,)

    async def fetch(self, statement: str, *arguments: object) -> list[tuple[object, ...]]:
        self.reads += 1
        await self.open.wait()
        if self.away:
            raise AuditUnavailable("the audit database cannot be reached")
        return [("global", 1, "halt", "ann", "why", START, None)]


class Loop:
    """Time of the event loop, set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def time(self) -> float:
        return self.now


async def test_a_copy_is_used_while_it_is_fresh_and_never_after(monkeypatch: pytest.MonkeyPatch) -> None:
    readers, loop = Readers(), Loop()
    monkeypatch.setattr("app.adapters.postgres_switches.asyncio.get_running_loop", lambda: loop)
    store = PostgresSwitches(readers)  # type: ignore[arg-type]
    first = await store.read("local")
    assert await store.read("local") is first
    assert readers.reads == 1, "a fresh copy costs no look"
    readers.away = True
    loop.now += LOOK_SECONDS
    assert await store.read("local") is first, "the last known copy, while fresh"
    loop.now = 100.0 + STALENESS_SECONDS - 0.001
    assert await store.read("local") is first
    loop.now = 100.0 + STALENESS_SECONDS
    with pytest.raises(AuditUnavailable):
        await store.read("local")
    readers.away = False
    assert await store.read("local") == first


async def test_many_readers_at_once_are_one_look_and_a_change_begins_another() -> None:
    readers = Readers()
    store = PostgresSwitches(readers)  # type: ignore[arg-type]
    readers.open.clear()
    before = [asyncio.create_task(store.read("local")) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert readers.reads == 1
    await store.replace("local", switch(), 0)
    after = [asyncio.create_task(store.read("local")) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert readers.reads == 2, "who reads after the change does not take what was read before it"
    before[0].cancel()
    readers.open.set()
    found = await asyncio.gather(*before[1:], *after)
    assert {item[0].scope for item in found} == {"global"}
    assert await store.read("local") is after[0].result()
    assert readers.reads == 2
