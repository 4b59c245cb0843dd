"""One process at a time holds the lease, and one that dies, freezes or is cut off does not keep it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from app.adapters import postgres_lease
from app.adapters.database import open_database
from app.adapters.database_url import PostgresUrl, parse_database_url
from app.adapters.schema import migrate
from app.live_ports import continuation
from app.ports import EventKind
from tests.support.audit import record

pytestmark = pytest.mark.own_limits
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def url(postgres_url: str) -> str:
    migrate(postgres_url)
    return postgres_url


async def execute(url: str, statement: str) -> object:
    target = parse_database_url(url)
    assert isinstance(target, PostgresUrl)
    connection = await asyncpg.connect(target.dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


class Holder:
    """A process that wants the lease, and then keeps it."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "tests.support.lease_holder", url]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.word() == "ready"

    def word(self) -> str:
        """The next word that it says."""
        assert self.process.stdout is not None
        return (self.process.stdout.readline().split() or [""])[0]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


async def test_on_an_embedded_file_its_process_holds_the_lease(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path / 'audit.db'}")
    async with open_database(f"sqlite:///{tmp_path / 'audit.db'}") as database:
        assert await database.lease.acquire()
        assert await database.lease.held()
        await database.lease.release()


async def test_the_lease_has_one_holder_and_can_be_given_back(url: str) -> None:
    async with AsyncExitStack() as stack:
        one, two = [(await stack.enter_async_context(open_database(url))).lease for _ in range(2)]
        assert not await one.held()
        assert await one.acquire()
        assert await one.acquire(), "asking again changes nothing"
        assert not await two.acquire()
        assert (await one.held(), await two.held()) == (True, False)
        await one.release()
        assert not await one.held()
        assert await two.acquire()
        assert not await one.acquire()
        assert all(await asyncio.gather(*(two.held() for _ in range(10)))), "several may ask at once"


async def test_a_lease_of_another_database_of_the_server_is_another(url: str, postgres_server: object) -> None:
    from tests import servers

    with servers.fresh_database(postgres_server.url) as other:  # type: ignore[attr-defined]
        await asyncio.to_thread(migrate, other)
        async with open_database(url) as one, open_database(other) as two:
            assert await one.lease.acquire()
            assert await two.lease.acquire()


async def test_a_holder_whose_session_ended_knows_it_and_can_take_the_lease_again(url: str) -> None:
    async with open_database(url) as database:
        assert await database.lease.acquire()
        await execute(
            url, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted LIMIT 1"
        )
        assert not await database.lease.held()
        async with asyncio.timeout(10.0):
            while not await database.lease.acquire():  # noqa: ASYNC110 - its end is said before the lock is back
                await asyncio.sleep(0.05)
        assert await database.lease.held()


async def test_a_killed_holder_is_followed_by_who_waits(url: str) -> None:
    first = await asyncio.to_thread(Holder, url)
    assert await asyncio.to_thread(first.word) == "held"
    second = await asyncio.to_thread(Holder, url)
    async with open_database(url) as database:
        assert not await database.lease.acquire()
    first.kill()
    assert await asyncio.to_thread(second.word) == "held"
    second.kill()


async def test_a_frozen_holder_loses_the_lease_and_learns_of_it_when_it_wakes(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    first = await asyncio.to_thread(Holder, url)
    assert await asyncio.to_thread(first.word) == "held"
    second = await asyncio.to_thread(Holder, url)
    first.process.send_signal(signal.SIGSTOP)
    assert await asyncio.to_thread(second.word) == "held", "the server ends a session that asks nothing"
    first.process.send_signal(signal.SIGCONT)
    assert await asyncio.to_thread(first.word) == "lost"
    for holder in (first, second):
        holder.kill()


def test_a_holder_that_is_cut_off_stops_before_another_can_begin() -> None:
    """It asks each second (`app.usecases.live`) and waits `ASK_SECONDS` for the answer."""
    from app.usecases.live import RENEW_SECONDS

    assert RENEW_SECONDS + postgres_lease.ASK_SECONDS + 2 < postgres_lease.LIFE_SECONDS + 0.001


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_of_two_entries_that_continue_the_same_one_the_first_is_kept(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """What a holder writes after the lease has passed on: it gets the entry of its successor, and writes nothing."""
    url = f"sqlite:///{tmp_path / 'audit.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    await asyncio.to_thread(migrate, url)
    async with open_database(url) as database:
        log = database.audit

        def live(previous: int | None, portfolio: str = "pf_1", **changes: object) -> object:
            key = continuation(portfolio, previous)
            return log.append(
                record(kind=EventKind.LIVE, portfolio_id=portfolio, idempotency=key, **changes), timeout=20
            )

        results = await asyncio.gather(live(None), live(None, response=b"late"), live(None, "pf_2"))  # type: ignore[arg-type]
        assert sorted(result.replayed for result in results) == [False, False, True]
        first = min(result.index for result in results[:2])
        after = await live(first)  # type: ignore[misc]
        late = await live(first, response=b"late")  # type: ignore[misc]
        assert not after.replayed
        assert late.replayed and late.entry.index == after.index
        assert await log.size() == 3
