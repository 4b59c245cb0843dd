"""The newest entries checked by the holder of the lease: on both stores, against whatever their owner could change."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from app.adapters.database import Database
from app.adapters.database_url import SqliteUrl
from app.adapters.system_clock import SystemClock
from app.lifespan import open_container
from app.main import create_app
from app.settings import Settings
from app.telemetry import Telemetry
from app.usecases.keep_log import CHECK_PAGE, CheckReport, LogKeeper, check_newest, store_tiles
from tests.integration.test_audit_log import Store
from tests.integration.test_audit_tree import CHANGES, fill, records, store, unguard

__all__ = ["store"]
WAIT_SECONDS = 60.0
SIZE, NEWEST = 360, 2 * CHECK_PAGE + 30
FIRST = SIZE - NEWEST


@pytest.fixture
async def filled(store: Store) -> AsyncIterator[Database]:
    async with store.open() as database:
        await fill(database, SIZE)
        await store_tiles(database.tree, SIZE, 0)
        yield database


async def checked(database: Database, entries: int = NEWEST) -> CheckReport:
    return await check_newest(database.tree, SystemClock(), entries)


async def change(store: Store, what: str, index: int) -> None:
    """Do what only the owner of the tables can do."""
    with contextlib.suppress(sqlite3.OperationalError):  # they are off already
        for statement in unguard(store):
            await store.run(statement)
    sqlite = isinstance(store.target, SqliteUrl)
    values = {
        "idx": index,
        "other": index - 1,
        "blob": "x'00ff'" if sqlite else "'\\x00ff'::bytea",
        "hash": f"x'{'ab' * 32}'" if sqlite else f"'\\x{'ab' * 32}'::bytea",
        "later": "recorded_at + 1" if sqlite else "recorded_at + interval '1 microsecond'",
    }
    await store.run(CHANGES[what].format(**values))


async def test_an_untouched_log_is_found_so_from_every_place(filled: Database) -> None:
    for entries in (1, 7, NEWEST, SIZE, 10 * SIZE):
        report = await checked(filled, entries)
        assert report.findings == () and report.pruned == 0
        assert (report.first, report.size) == (max(SIZE - entries, 0), SIZE)
    await fill(filled, 1)
    assert (await checked(filled, 1)).findings == ()


@pytest.mark.parametrize("what", CHANGES)
async def test_a_change_among_the_newest_is_found(store: Store, filled: Database, what: str) -> None:
    await change(store, what, FIRST + CHECK_PAGE + 11)
    assert (await checked(filled)).findings, what


async def test_an_older_change_that_the_tree_does_not_show_is_left_to_the_full_check(
    store: Store,
    filled: Database,
) -> None:
    """An honest limit: of entries before the newest only leaves are read, and those of stored tiles not even that."""
    await change(store, "status", 5)
    assert (await checked(filled)).findings == ()
    await change(store, "leaf", 300 - CHECK_PAGE)
    assert (await checked(filled, 60)).findings == (), "it lies in a stored tile"
    await store.run("DELETE FROM merkle_tile")
    assert (await checked(filled, 60)).findings, "without the tile its leaf is read, and the root is another"


async def test_a_wrong_tile_is_found(store: Store, filled: Database) -> None:
    blob = f"x'{'cd' * 32}'" if isinstance(store.target, SqliteUrl) else f"'\\x{'cd' * 32}'::bytea"
    await store.run(f"UPDATE merkle_tile SET hashes = {blob}")
    assert (await checked(filled, 60)).findings


@pytest.mark.parametrize("what", ["body", "leaf"])
async def test_damage_is_told_in_readyz_and_in_a_metric(tmp_path: Path, what: str) -> None:
    """The whole way: the process that leads checks by itself, and says what it found."""
    settings = Settings(data_dir=tmp_path, check_entries=50, check_seconds=1.0)
    async with open_container(settings) as container:
        await asyncio.gather(*(container.audit.append(item, timeout=20) for item in records(60)))
        tampered = Store(settings.audit_url)
        app = create_app(settings, container)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http,
        ):
            ready = await until(http, "ok")
            assert ready["status"] == "ready" and ready["log_check"]["size"] >= 60
            await change(tampered, what, 40)
            ready = await until(http, "damaged")
            assert ready["status"] == "degraded" and ready["degraded"] == ["audit_entries"]
            assert 40 in ready["log_check"]["entries"]
            metrics = (await http.get("/metrics")).text
            assert 'log_checks_total{outcome="damaged"}' in metrics and "\nlog_check_findings 0.0" not in metrics


async def until(http: httpx.AsyncClient, status: str) -> dict[str, object]:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            ready: dict[str, object] = (await http.get("/readyz")).json()
            check = ready["log_check"]
            if isinstance(check, dict) and check["status"] == status:
                return ready
            await asyncio.sleep(0.05)


async def test_a_check_that_fails_is_counted_and_made_again(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, check_seconds=1.0)
    telemetry = Telemetry()
    async with open_container(settings) as container:
        real, refused = container.tree, asyncio.Event()

        class Broken:
            def __getattr__(self, name: str) -> object:
                return getattr(real, name)

            async def head(self) -> object:
                if not refused.is_set():
                    refused.set()
                    raise RuntimeError("a defect")
                return await real.head()

        keeper = LogKeeper(replace(container, tree=Broken()), telemetry)  # type: ignore[arg-type]
        task = asyncio.create_task(keeper.run())
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while keeper.last is None:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.02)
        finally:
            task.cancel()
        assert keeper.last.findings == ()
        assert 'log_checks_total{outcome="failed"} 1.0' in telemetry.render().decode()
