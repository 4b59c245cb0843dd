"""Backups as docs/runbook.md walks through them: taken beside the service, restored, verified, gone on with."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from app.adapters.database import Database, open_database, open_tree
from app.adapters.schema import migrate
from app.usecases.verify_log import Verified, verify_log
from scripts.embedded_servers import find_postgres
from services.audit.note import Checkpoint
from tests.servers import AnyServer, fresh_database
from tests.support.audit import record

SECONDS = 20.0


async def fill(database: Database, count: int) -> Checkpoint:
    """Append entries; the head afterwards, as somebody outside keeps it."""
    for _ in range(count):
        await database.audit.append(record(portfolio_id="desk"), timeout=SECONDS)
    state = await database.tree.head()
    return Checkpoint(state.origin, state.size, state.root)


async def verified(url: str, *kept: Checkpoint) -> Verified:
    async with open_tree(url) as tree:
        return await verify_log(tree, kept, bodies=True, advance=lambda done, total: None)


async def check(url: str, head: Checkpoint, later: Checkpoint) -> None:
    """What was restored is the log up to the backup, and goes on; that it misses the rest is seen with a later head."""
    found = await verified(url, head)
    assert (found.size, found.findings, found.pruned) == (head.size, (), 0)
    short = await verified(url, head, later)
    assert [finding.what for finding in short.findings] == [
        f"a checkpoint of size {later.size} was signed: the end of the log is missing"
    ]
    async with open_database(url) as database:
        await fill(database, 2)
    assert (await verified(url, head)).findings == ()


@pytest.fixture
def restored_url(postgres_server: AnyServer) -> Iterator[str]:
    """An empty database beside that of the test."""
    with fresh_database(postgres_server.url) as url:
        yield url


async def test_a_copy_of_the_embedded_file_beside_its_service(tmp_path: Path) -> None:
    url, copy = f"sqlite:///{tmp_path / 'a.db'}", tmp_path / "copy.db"
    await asyncio.to_thread(migrate, url)
    async with open_database(url) as database:
        head = await fill(database, 20)
        source, target = sqlite3.connect(f"file:{tmp_path / 'a.db'}?mode=ro", uri=True), sqlite3.connect(copy)
        source.backup(target)
        source.close()
        target.close()
        later = await fill(database, 5)
    await check(f"sqlite:///{copy}", head, later)


async def test_a_dump_of_the_server_beside_its_service(postgres_url: str, restored_url: str, tmp_path: Path) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    dump, tools = tmp_path / "trimtab.dump", find_postgres().parent
    async with open_database(postgres_url) as database:
        head = await fill(database, 20)
        command = [str(tools / "pg_dump"), "--format=custom", f"--file={dump}", f"--dbname={libpq(postgres_url)}"]
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
        later = await fill(database, 5)
    command = [str(tools / "pg_restore"), "--exit-on-error", "--no-owner", f"--dbname={libpq(restored_url)}", str(dump)]
    done = await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    await check(restored_url, head, later)


def libpq(url: str) -> str:
    """URL as the tools of PostgreSQL take it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(autouse=True)
def _tools_ship_with_the_server() -> None:
    assert (find_postgres().parent / "pg_dump").exists(), "pg_dump is missing beside the server of these tests"
