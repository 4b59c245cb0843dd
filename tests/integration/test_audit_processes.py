"""Several processes on one log, and processes that die: nothing acknowledged is lost, no index is skipped."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from app.adapters.database import open_database
from app.adapters.file_lock import DatabaseInUse
from app.adapters.schema import migrate
from tests.support.audit import key, record

ROOT = Path(__file__).resolve().parents[2]
KILLED_AFTER = 200
"""Acknowledged appends after which a process is killed."""
EACH = 200
"""Appends of a writer: more than a process that waits for a processor can miss all of."""


class Writer:
    """A process that has opened the log and waits for `go`."""

    def __init__(self, url: str, writers: int, count: int, prefix: int) -> None:
        command = [sys.executable, "-m", "tests.support.audit_writer", url, str(writers), str(count), str(prefix)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self.read(1) == ["ready\n"]

    def read(self, count: int) -> list[str]:
        """The next lines, without those that do not come any more."""
        assert self.process.stdout is not None
        return [line for _ in range(count) if (line := self.process.stdout.readline())]

    def go(self) -> None:
        """Let it begin."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self) -> list[str]:
        """Wait for its end; the remaining lines."""
        return self.process.communicate()[0].splitlines(keepends=True)


def acknowledged(lines: list[str]) -> dict[str, int]:
    """Index by event id; a line torn by the kill does not count."""
    whole = [line.split() for line in lines if line.endswith("\n")]
    return {name: int(index) for name, index in whole}


async def stored(url: str) -> dict[str, int]:
    async with open_database(url) as database:
        entries = await database.audit.entries("local", after=None, limit=1_000_000)
        while (size := await database.audit.size()) > len(entries):  # the last commit of one that was killed
            entries = await database.audit.entries("local", after=None, limit=1_000_000)
        assert size == len(entries)
        for entry in entries[:: max(len(entries) // 20, 1)]:
            assert await database.audit.get("local", entry.event_id) is not None
        return {entry.event_id: entry.index for entry in entries}


async def test_two_processes_with_eight_writers_each_share_one_log(postgres_url: str) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    writers = [await asyncio.to_thread(Writer, postgres_url, 8, EACH, number) for number in (1, 2)]
    for writer in writers:
        writer.go()
    mine = [acknowledged(lines) for lines in await asyncio.gather(*(asyncio.to_thread(w.finish) for w in writers))]
    assert [writer.process.returncode for writer in writers] == [0, 0]
    everything = await stored(postgres_url)
    assert everything == mine[0] | mine[1]
    assert sorted(everything.values()) == list(range(2 * 8 * EACH))
    overlap = range(max(min(m.values()) for m in mine), min(max(m.values()) for m in mine))
    assert len(overlap) > 0, "the processes did not write at the same time: nothing was shown"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_killed_process_loses_nothing_that_it_acknowledged(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'audit.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    await asyncio.to_thread(migrate, url)
    seen: dict[str, int] = {}
    for round_number in range(1, 4):
        writer = await asyncio.to_thread(Writer, url, 16, 0, round_number)
        writer.go()
        lines = await asyncio.to_thread(writer.read, KILLED_AFTER)
        writer.process.kill()
        seen |= acknowledged(lines + await asyncio.to_thread(writer.finish))
        everything = await stored(url)
        assert {name: everything.get(name) for name in seen} == seen
        assert sorted(everything.values()) == list(range(len(everything)))
    assert len(seen) >= 3 * KILLED_AFTER


async def test_one_key_raced_by_two_stores_is_written_once(postgres_url: str) -> None:
    """Two processes' writers differ from two writers here in nothing but memory, which they share none of."""
    await asyncio.to_thread(migrate, postgres_url)
    async with open_database(postgres_url) as one, open_database(postgres_url) as two:
        for number in range(20):
            calls = [
                log.append(record(idempotency=key(f"k{number}")), timeout=20) for log in (one.audit, two.audit) * 25
            ]
            answers = await asyncio.gather(*calls)
            assert {answer.index for answer in answers} == {number}
            assert [answer.replayed for answer in answers].count(False) == 1
            assert len({answer.entry for answer in answers if answer.replayed}) == 1
        assert await one.audit.size() == 20


async def test_a_second_process_on_the_embedded_file_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    async with open_database(url):
        second = await asyncio.to_thread(Writer, url, 1, 1, 1)
        assert not second.ready
        assert await asyncio.to_thread(second.finish) == []
        assert second.process.returncode == 1
        with pytest.raises(DatabaseInUse, match="in use by another process"):
            async with open_database(url):
                pass
    second = await asyncio.to_thread(Writer, url, 1, 1, 1)
    second.go()
    assert len(await asyncio.to_thread(second.finish)) == 1
