"""Registered instruments on both stores: what was put is what is read, and how old a read can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.adapters import postgres_instruments
from app.adapters.database import Database, open_database
from app.adapters.schema import migrate

ROWS = [
    ("", "BTC-PERP", b'{"a":1}'),
    ("deribit", "BTC-PERP", b'{"a":2}'),
    ("", "ETH", b"{}"),
    ("okx", "BTC/USDT:USDT", b"{3}"),
]


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'x.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    await asyncio.to_thread(migrate, url)
    async with open_database(url) as database:
        yield database


async def test_nothing_registered(database: Database) -> None:
    assert await database.instruments.get_many("local", [("", "BTC-PERP")]) == {}
    assert await database.instruments.list("local", after=None, limit=10) == []


async def test_a_change_is_seen_at_once_by_its_own_process(database: Database) -> None:
    store = database.instruments
    assert await store.get_many("local", [("", "ETH")]) == {}
    await store.put_many("local", ROWS)
    keys = [("", "BTC-PERP"), ("deribit", "BTC-PERP"), ("deribit", "ETH")]
    assert await store.get_many("local", keys) == {keys[0]: b'{"a":1}', keys[1]: b'{"a":2}'}
    await store.put_many("local", [("", "BTC-PERP", b'{"a":9}')])
    assert (await store.get_many("local", keys))[keys[0]] == b'{"a":9}'
    assert (await store.get_many("local", keys))[keys[1]] == b'{"a":2}'
    assert await store.get_many("other", keys) == {}


async def test_pages_are_ordered_by_venue_and_symbol(database: Database) -> None:
    store = database.instruments
    await store.put_many("local", ROWS)
    everything = await store.list("local", after=None, limit=100)
    assert everything == sorted(ROWS)
    found: list[tuple[str, str, bytes]] = []
    while page := await store.list("local", after=found[-1][:2] if found else None, limit=2):
        found += page
    assert found == everything
    assert await store.list("local", after=("a", "never registered"), limit=10) == sorted(ROWS)[2:]


async def test_the_last_of_a_repeated_key_counts(database: Database) -> None:
    await database.instruments.put_many("local", [("", "X", b"1"), ("", "Y", b"1"), ("", "X", b"2")])
    assert await database.instruments.get_many("local", [("", "X")]) == {("", "X"): b"2"}


async def test_writers_at_once(database: Database) -> None:
    async def put(number: int) -> None:
        rows = [("", f"S{n}", b"%d" % number) for n in range(20)]
        await database.instruments.put_many("local", rows if number % 2 else rows[::-1])

    await asyncio.gather(*(put(number) for number in range(10)))
    values = {row[2] for row in await database.instruments.list("local", after=None, limit=100)}
    assert len(values) == 1, "each call is written whole"


async def test_another_process_sees_a_change_after_the_stated_time(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    async with open_database(postgres_url) as here, open_database(postgres_url) as there:
        assert here.instruments.staleness_seconds == postgres_instruments.STALENESS_SECONDS == 1.0
        monkeypatch.setattr(postgres_instruments, "STALENESS_SECONDS", 60.0)
        await there.instruments.put_many("local", [("", "X", b"1")])
        assert await here.instruments.get_many("local", [("", "X")]) == {("", "X"): b"1"}
        await there.instruments.put_many("local", [("", "X", b"2"), ("", "Y", b"1")])
        assert await here.instruments.get_many("local", [("", "Y")]) == {}, "still from the copy"
        monkeypatch.setattr(postgres_instruments, "STALENESS_SECONDS", 0.0)
        assert await here.instruments.get_many("local", [("", "X"), ("", "Y")]) == {("", "X"): b"2", ("", "Y"): b"1"}
