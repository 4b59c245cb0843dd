"""A log of a million entries of which nobody has asked a proof: what the first takes without and with stored tiles.

Hypothesis: without them it hashes every entry, O(n); with them it reads two tiles a level, O(log n), whoever asks.
Input: rows with leaf hashes as their owner could make them; no request makes a log of this length in the time of a
test. The check of the newest thousand entries is measured on entries that were written in earnest. Nothing is asserted
about time.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.adapters.database import open_database
from app.adapters.database_url import PostgresUrl, parse_database_url
from app.adapters.schema import migrate
from app.adapters.system_clock import SystemClock
from app.usecases.keep_log import STEP_SECONDS, check_newest, store_tiles
from app.usecases.prove import prove_inclusion
from services.audit.tiles import WIDTH
from tests import servers
from tests.benchmark.comparison import table
from tests.benchmark.document import conditions, markdown, write
from tests.support.audit import record

pytestmark = pytest.mark.benchmark
SIZE = 1_000_000
NEWEST = 1000
HEADER = ("store", "first proof, no tiles s", "tiles stored in s", "largest step ms", "a proof then ms", "check ms")
COLUMNS = (
    "log_id, idx, event_id, recorded_at, tenant_id, kind, status, body_sha256, body_length, stored_length, stream, "
    "stream_seq, entry, leaf, head_size"
)
ON_POSTGRES = f"""
INSERT INTO audit_entry ({COLUMNS})
SELECT 1, n, gen_random_uuid(), now(), 'local', 'evaluation', 200, sha256('b'), 1, 1, sha256('s'), n + 1, 'e',
       sha256(n::text::bytea), n + 1
FROM generate_series(0, {SIZE - 1}) AS n;
UPDATE log_head SET size = {SIZE}, frontier = decode(repeat('00', 32 * {SIZE.bit_count()}), 'hex')
"""
ON_SQLITE = f"""
INSERT INTO audit_entry ({COLUMNS})
WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < {SIZE - 1})
SELECT 1, n, randomblob(16), n, 'local', 'evaluation', 200, zeroblob(32), 1, 1, zeroblob(32), n + 1, x'00',
       randomblob(32), n + 1 FROM counted;
UPDATE log_head SET size = {SIZE}, frontier = zeroblob(32 * {SIZE.bit_count()});
"""


@pytest.fixture
def long_url(postgres_server: servers.AnyServer) -> Iterator[str]:
    """A second database."""
    with servers.fresh_database(postgres_server.url) as url:
        yield url


async def fill(url: str) -> None:
    """A million rows at once."""
    target = parse_database_url(url)
    if isinstance(target, PostgresUrl):
        connection = await asyncpg.connect(target.dsn)
        await connection.execute(ON_POSTGRES, timeout=600)
        await connection.close()
        return
    store = sqlite3.connect(target.path)
    store.executescript(ON_SQLITE)
    store.close()


@pytest.mark.parametrize("kind", ["SQLite", "PostgreSQL"])
async def test_the_first_proof_of_a_long_log(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = conditions()
    url = f"sqlite:///{tmp_path / 'audit.db'}" if kind == "SQLite" else request.getfixturevalue("postgres_url")
    await asyncio.to_thread(migrate, url)
    async with open_database(url) as database:
        await asyncio.gather(*(database.audit.append(record(), timeout=60) for _ in range(NEWEST)))
        checked = await check_newest(database.tree, SystemClock(), NEWEST)
        assert checked.findings == ()
    other = f"sqlite:///{tmp_path / 'long.db'}" if kind == "SQLite" else request.getfixturevalue("long_url")
    await asyncio.to_thread(migrate, other)
    await fill(other)
    async with open_database(other) as database:
        steps, done, begun = [0.0], 0, time.perf_counter()
        while True:
            started = time.perf_counter()
            reached = await store_tiles(database.tree, SIZE, done)
            if reached == done:
                break
            steps.append(time.perf_counter() - started)
            done = reached
            await asyncio.sleep(STEP_SECONDS)
        stored = time.perf_counter() - begun
        assert done == SIZE // WIDTH
        started = time.perf_counter()
        proof = await prove_inclusion(database.tree, 123_456, SIZE)
        with_tiles = time.perf_counter() - started

        class Without:
            """The same log, nothing stored."""

            def __getattr__(self, name: str) -> object:
                return getattr(database.tree, name)

            def __init__(self) -> None:
                self.kept: dict[tuple[int, int], bytes] = {}

            async def tile(self, level: int, number: int) -> bytes:
                return self.kept.get((level, number), b"")

            async def put_tile(self, level: int, number: int, hashes: bytes) -> None:
                self.kept[level, number] = hashes

        started = time.perf_counter()
        assert await prove_inclusion(Without(), 123_456, SIZE) == proof  # type: ignore[arg-type]
        without = time.perf_counter() - started
    figures = (without, stored, 1000 * max(steps), 1000 * with_tiles, 1000 * checked.seconds)
    row = [kind, *(f"{value:,.1f}" for value in figures)]
    title = f"{SIZE:,} entries; the check reads the newest {NEWEST:,}, with their bodies, of a log of its own"
    with capsys.disabled():
        print("\n\n" + table(title, HEADER, [row]))
    write(f"tiles on {kind}", f"{before}\n\n{markdown(HEADER, [row])}")
