"""Registered portfolios on both stores: versions count on, one writer wins, a snapshot only moves forward."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.database import Database, open_database
from app.adapters.schema import migrate
from app.live_ports import PortfolioStore, StoredSnapshot, VersionConflict

START = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def snapshot(seq: int, content: str = "x", portfolio_id: str = "desk", seconds: float = 0.0) -> StoredSnapshot:
    return StoredSnapshot(
        portfolio_id=portfolio_id, snapshot_seq=seq, snapshot=b'"%b"' % content.encode(), received_at=later(seconds)
    )


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'x.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    await asyncio.to_thread(migrate, url)
    async with open_database(url) as database:
        yield database


@pytest.fixture
def store(database: Database) -> PortfolioStore:
    return database.portfolios


async def register(store: PortfolioStore, name: str = "desk", expected: int | None = None, seconds: float = 0.0) -> int:
    stored = await store.put("local", name, b"{}", expected=expected, now=later(seconds))
    return stored.version


async def test_nothing_is_registered(store: PortfolioStore) -> None:
    assert await store.get("local", "desk") is None
    assert await store.get_snapshot("local", "desk") is None
    assert await store.list("local", after=None, limit=10) == []
    assert await store.registered() == []
    assert await store.delete("local", "desk", expected=None, now=START) is False
    assert await store.put_snapshot("local", snapshot(1)) is None
    assert await store.get_snapshot("local", "desk") is None


async def test_a_portfolio_comes_back_exactly_and_belongs_to_its_tenant(store: PortfolioStore) -> None:
    made = await store.put("local", "desk", b'{"a":"\xc3\xbc"}', expected=None, now=START)
    assert (made.version, made.specification, made.updated_at) == (1, b'{"a":"\xc3\xbc"}', START)
    assert await store.get("local", "desk") == made
    assert await store.get("other", "desk") is None
    assert await store.delete("other", "desk", expected=None, now=START) is False
    newer = await store.put("local", "desk", b"{}", expected=1, now=later(1))
    assert newer.version == 2
    assert await store.get("local", "desk") == newer


@pytest.mark.parametrize("expected", [0, 2, 7])
async def test_another_version_than_expected_is_refused_and_changes_nothing(
    store: PortfolioStore, expected: int
) -> None:
    await register(store)
    with pytest.raises(VersionConflict) as conflict:
        await store.put("local", "desk", b'"other"', expected=expected, now=later(1))
    assert conflict.value.current == 1
    if expected:
        with pytest.raises(VersionConflict):
            await store.delete("local", "desk", expected=expected, now=later(1))
    kept = await store.get("local", "desk")
    assert kept is not None
    assert (kept.version, kept.specification) == (1, b"{}")


async def test_a_version_is_expected_of_what_is_not_there(store: PortfolioStore) -> None:
    with pytest.raises(VersionConflict) as conflict:
        await register(store, expected=1)
    assert conflict.value.current is None
    with pytest.raises(VersionConflict):
        await store.delete("local", "desk", expected=1, now=START)
    assert await store.get("local", "desk") is None
    assert await register(store, expected=0) == 1


async def test_a_deletion_takes_the_snapshot_along_and_versions_count_on(store: PortfolioStore) -> None:
    await register(store)
    await register(store, seconds=1)
    await register(store, "other")
    await store.put_snapshot("local", snapshot(9))
    await store.put_snapshot("local", snapshot(4, portfolio_id="other"))
    assert await store.delete("local", "desk", expected=2, now=later(2)) is True
    assert await store.get("local", "desk") is None
    assert await store.get_snapshot("local", "desk") is None
    assert await store.get_snapshot("local", "other") is not None
    assert await store.delete("local", "desk", expected=None, now=later(3)) is False
    assert [item.portfolio_id for item in await store.list("local", after=None, limit=9)] == ["other"]
    with pytest.raises(VersionConflict) as conflict:
        await register(store, expected=2, seconds=4)
    assert conflict.value.current is None, "a deleted portfolio has no version that could be expected"
    assert await register(store, expected=0, seconds=5) == 3
    assert await store.put_snapshot("local", snapshot(1)) == snapshot(1), "its snapshots begin anew"


async def test_the_same_call_twice_is_one_version(store: PortfolioStore) -> None:
    """A driver repeats a statement whose answer was lost."""
    assert await register(store, expected=0) == 1
    assert await register(store, expected=0) == 1
    assert await register(store, expected=1, seconds=1) == 2
    assert await register(store, expected=1, seconds=1) == 2


async def test_a_snapshot_is_only_replaced_by_a_later_one(store: PortfolioStore) -> None:
    await register(store)
    assert await store.put_snapshot("local", snapshot(5, "a")) == snapshot(5, "a")
    for other in (snapshot(5, "b", seconds=1), snapshot(4, "c", seconds=1)):
        assert await store.put_snapshot("local", other) == snapshot(5, "a")
    newest = snapshot(2**53 - 1, "d", seconds=2)
    assert await store.put_snapshot("local", newest) == newest
    assert await store.get_snapshot("local", "desk") == newest
    assert await store.get_snapshot("other", "desk") is None


async def test_pages_are_in_the_order_of_bytes(store: PortfolioStore) -> None:
    names = ["b", "B", "a-1", "a.1", "a_1", "A", "9", "aa"]
    for name in names:
        await register(store, name)
    found: list[str] = []
    while page := await store.list("local", after=found[-1] if found else None, limit=3):
        found += [item.portfolio_id for item in page]
    assert found == sorted(names)


async def test_everything_registered_is_found_with_its_snapshot(store: PortfolioStore) -> None:
    await register(store, "with")
    await register(store, "without")
    await register(store, "gone")
    await store.put("other", "with", b'"theirs"', expected=None, now=START)
    await store.put_snapshot("local", snapshot(3, portfolio_id="with"))
    await store.delete("local", "gone", expected=None, now=START)
    found = {(tenant, item.portfolio_id): kept for tenant, item, kept in await store.registered()}
    assert found == {
        ("local", "with"): snapshot(3, portfolio_id="with"),
        ("local", "without"): None,
        ("other", "with"): None,
    }


async def test_of_writers_at_once_that_expect_one_version_one_wins(store: PortfolioStore) -> None:
    await register(store)
    tried = await asyncio.gather(
        *(register(store, expected=1, seconds=1 + n) for n in range(8)), return_exceptions=True
    )
    assert sorted(item for item in tried if isinstance(item, int)) == [2]
    assert sum(isinstance(item, VersionConflict) for item in tried) == 7


async def test_of_snapshots_at_once_the_latest_stays(store: PortfolioStore) -> None:
    await register(store)
    order = [3, 8, 1, 6, 2, 7, 5, 4]
    await asyncio.gather(*(store.put_snapshot("local", snapshot(seq, str(seq))) for seq in order))
    assert await store.get_snapshot("local", "desk") == snapshot(8, "8")


async def test_no_snapshot_outlives_its_portfolio(postgres_url: str) -> None:
    """Two processes: one deletes while the other sends snapshots."""
    await asyncio.to_thread(migrate, postgres_url)
    async with open_database(postgres_url) as here, open_database(postgres_url) as there:
        for round_number in range(10):
            await register(here.portfolios, seconds=round_number)
            pushes = [there.portfolios.put_snapshot("local", snapshot(seq)) for seq in range(6)]
            ending = here.portfolios.delete("local", "desk", expected=None, now=START)
            await asyncio.gather(*pushes[:3], ending, *pushes[3:])
            assert await here.portfolios.get_snapshot("local", "desk") is None
