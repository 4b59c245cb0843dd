"""An embedded store whose disk is full or fails: what callers are told, and that it recovers by itself."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.adapters import sqlite_writer
from app.adapters.database import open_database
from app.adapters.sqlite_connection import connect
from app.ports import Appended, AuditLog, AuditUnavailable, InstrumentStore, Outcome
from tests.support.audit import record

SECONDS = 20.0


class Disk:
    """Switches for every writing connection made from now on."""

    def __init__(self) -> None:
        self.max_pages = 0

    def connect(self, path: Path, *, writes: bool) -> sqlite3.Connection:
        connection = connect(path, writes=writes)
        if self.max_pages:
            connection.execute(f"PRAGMA max_page_count = {self.max_pages}")
        return connection


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(sqlite_writer, "connect", disk.connect)
    return disk


async def test_a_full_disk_is_refused_and_room_is_used_again(disk: Disk, tmp_path: Path) -> None:
    disk.max_pages = 60
    async with open_database(f"sqlite:///{tmp_path / 'audit.db'}") as database:
        noise = [hashlib.sha256(b"%d" % n).digest() * 2 for n in range(200)]
        calls = [database.audit.append(record(request=b"".join(noise[n:])), timeout=SECONDS) for n in range(200)]
        results = [await asyncio.gather(call, return_exceptions=True) for call in calls]
        refused = [result for [result] in results if isinstance(result, AuditUnavailable)]
        stored = len(results) - len(refused)
        assert 0 < stored < 200
        assert all("full" in error.detail and error.outcome is Outcome.REJECTED for error in refused)
        assert await database.audit.size() == stored
        disk.max_pages = 0
        assert await database.audit.append(record(), timeout=SECONDS) == Appended(stored)


class Failing:
    """Makes the next writes fail with an error code of SQLite."""

    def __init__(self) -> None:
        self.code: int | None = None

    def check(self) -> None:
        if self.code is not None:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode, self.code = self.code, None
            raise error


@pytest.fixture
async def failing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[tuple[Failing, AuditLog, InstrumentStore]]:
    failing = Failing()
    original = sqlite_writer.SqliteWriter._connected

    def connected(writer: sqlite_writer.SqliteWriter) -> sqlite3.Connection:
        failing.check()
        return original(writer)

    monkeypatch.setattr(sqlite_writer.SqliteWriter, "_connected", connected)
    async with open_database(f"sqlite:///{tmp_path / 'audit.db'}") as database:
        yield failing, database.audit, database.instruments


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (sqlite3.SQLITE_FULL, Outcome.REJECTED),
        (sqlite3.SQLITE_BUSY, Outcome.REJECTED),
        (sqlite3.SQLITE_IOERR, Outcome.UNKNOWN),
        (sqlite3.SQLITE_IOERR_FSYNC, Outcome.UNKNOWN),
        (sqlite3.SQLITE_IOERR_WRITE, Outcome.UNKNOWN),
    ],
)
async def test_a_failed_sync_leaves_a_doubt_and_other_failures_none(
    failing: tuple[Failing, AuditLog, InstrumentStore], code: int, outcome: Outcome
) -> None:
    switch, log, _ = failing
    await log.append(record(), timeout=SECONDS)
    switch.code = code
    with pytest.raises(AuditUnavailable) as refused:
        await log.append(record(), timeout=SECONDS)
    assert refused.value.outcome is outcome
    assert await log.append(record(), timeout=SECONDS) == Appended(1)


async def test_instruments_hear_of_a_failure_and_stay_as_they_were(
    failing: tuple[Failing, AuditLog, InstrumentStore],
) -> None:
    switch, _, instruments = failing
    await instruments.put_many("local", [("", "X", b"1")])
    switch.code = sqlite3.SQLITE_FULL
    with pytest.raises(AuditUnavailable):
        await instruments.put_many("local", [("", "X", b"2")])
    assert await instruments.get_many("local", [("", "X")]) == {("", "X"): b"1"}


async def test_a_caller_that_leaves_while_instruments_are_written_leaves_no_old_copy(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with open_database(f"sqlite:///{path}") as database:
        await database.instruments.put_many("local", [("", "X", b"1")])
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        caller = asyncio.create_task(database.instruments.put_many("local", [("", "X", b"2")]))
        await asyncio.sleep(0.05)
        caller.cancel()
        assert await database.instruments.get_many("local", [("", "X")]) == {("", "X"): b"1"}
        blocker.close()
        for _ in range(2):  # the second is written after whatever was taken together with the first
            await database.audit.append(record(), timeout=SECONDS)
        assert await database.instruments.get_many("local", [("", "X")]) == {("", "X"): b"2"}
