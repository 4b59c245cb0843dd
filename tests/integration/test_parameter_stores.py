"""Published parameters on both stores: numbered without gaps, never changed, found by the time they hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.database import Database, open_database
from app.adapters.schema import migrate
from app.parameter_port import StoredPublication

MARKET, START = "BTC/USDT:USDT", datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)


def publication(
    version: int = 1, hours: float = 0.0, market: str = "BTC/USDT:USDT", writer: str = ""
) -> StoredPublication:
    return StoredPublication(
        market=market,
        version=version,
        effective_at=START + timedelta(hours=hours),
        published_at=START - timedelta(microseconds=1),
        content=b'{"writer":"%b"}' % writer.encode(),
    )


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'x.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    await asyncio.to_thread(migrate, url)
    async with open_database(url) as database:
        yield database


async def test_nothing_is_published(database: Database) -> None:
    store = database.parameters
    assert await store.since("local", "BTC-PERP", START) == []
    assert await store.versions("local", "BTC-PERP", after=0, limit=10) == []
    assert not await store.add("local", publication(2)), "versions have no gaps"


async def test_a_version_comes_back_exactly_and_belongs_to_its_tenant_and_market(database: Database) -> None:
    store, made = database.parameters, publication()
    assert await store.add("local", made)
    assert not await store.add("local", publication(writer="another")), "it is never changed"
    assert await store.versions("local", MARKET, after=0, limit=10) == [made]
    assert await store.versions("other", MARKET, after=0, limit=10) == []
    assert await store.versions("local", "BTC", after=0, limit=10) == []


async def test_versions_are_found_by_the_time_they_hold(database: Database) -> None:
    store = database.parameters
    made = [publication(1, 0), publication(2, 48), publication(3, 24), publication(4, 72)]
    for item in made:
        assert await store.add("local", item)

    async def since(hours: float) -> list[int]:
        moment = START + timedelta(hours=hours)
        return [item.version for item in await store.since("local", MARKET, moment)]

    assert [await since(at) for at in (-1, 0, 23.9, 24, 48, 72)] == [
        [1, 2, 3, 4],
        [1, 2, 3, 4],
        [1, 2, 3, 4],
        [3, 4],
        [3, 4],
        [4],
    ]
    pages = [[item.version for item in await store.versions("local", MARKET, after=at, limit=3)] for at in (0, 3)]
    assert pages == [[1, 2, 3], [4]]


async def test_of_writers_at_once_one_gets_each_version(database: Database) -> None:
    for version in (1, 2):
        made = [publication(version, writer=str(number)) for number in range(8)]
        stored = await asyncio.gather(*(database.parameters.add("local", item) for item in made))
        assert sum(stored) == 1
        kept = await database.parameters.versions("local", MARKET, after=version - 1, limit=1)
        assert kept == [made[stored.index(True)]]
