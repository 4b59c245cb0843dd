"""A PostgreSQL server that dies or hangs, a wire that breaks at a COMMIT: the truth is told, the log stays whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from app.adapters import postgres_writer
from app.adapters.database import open_database
from app.adapters.database_url import PostgresUrl, parse_database_url
from app.adapters.schema import migrate
from app.ports import Appended, AuditLog, AuditUnavailable, Outcome
from scripts import embedded_servers
from tests import servers
from tests.support.audit import key, record
from tests.support.postgres_proxy import Cut, PostgresProxy

pytestmark = pytest.mark.own_limits
SECONDS = 20.0
GUARD_SECONDS = 10.0
"""A call that takes longer hangs; the deadlines under test are far shorter."""


@pytest.fixture(scope="module")
def own_server(servers_directory: Path) -> Iterator[embedded_servers.PostgresServer]:
    """A server that a test may kill."""
    with embedded_servers.postgres(servers_directory / "postgres-outages") as server:
        yield server


@pytest.fixture
def own_url(own_server: embedded_servers.PostgresServer) -> Iterator[str]:
    with servers.fresh_database(own_server.url) as url:
        migrate(url)
        yield url


@pytest.fixture
async def log(own_url: str) -> AsyncIterator[AuditLog]:
    async with open_database(own_url) as database:
        yield database.audit


async def refused(log: AuditLog, timeout: float = 2.0) -> AuditUnavailable:
    with pytest.raises(AuditUnavailable) as caught:
        await asyncio.wait_for(log.append(record(), timeout=timeout), GUARD_SECONDS)
    return caught.value


async def recovered(log: AuditLog) -> None:
    """Wait until the log takes records again, without any help."""
    async with asyncio.timeout(GUARD_SECONDS):
        while True:
            with contextlib.suppress(AuditUnavailable):
                await log.append(record(), timeout=2)
                return
            await asyncio.sleep(0.01)


async def pinged(log: AuditLog) -> None:
    """Wait until the log can be read again: a new connection beside twenty clients may take its time."""
    async with asyncio.timeout(GUARD_SECONDS):
        while True:
            with contextlib.suppress(AuditUnavailable):
                await log.ping()
                return


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(GUARD_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process or below the driver
            await asyncio.sleep(0.01)


async def check_whole(log: AuditLog, acknowledged: dict[str, int]) -> None:
    entries = await log.entries("local", after=None, limit=1_000_000)
    assert [entry.index for entry in entries] == list(range(len(entries))) == list(range(await log.size()))
    places = {entry.event_id: entry.index for entry in entries}
    assert {name: places.get(name) for name in acknowledged} == acknowledged


async def test_a_killed_server_is_refused_at_once_and_found_again(
    own_server: embedded_servers.PostgresServer, log: AuditLog
) -> None:
    acknowledged: dict[str, int] = {}
    outcomes: dict[str, Outcome] = {}
    stop = asyncio.Event()

    async def client() -> None:
        while not stop.is_set():
            item = record()
            try:
                acknowledged[item.event_id] = (await log.append(item, timeout=2)).index
            except AuditUnavailable as error:
                outcomes[item.event_id] = error.outcome
                await asyncio.sleep(0.01)  # a refusal may come without a turn of the loop

    async with asyncio.TaskGroup() as clients:
        for _ in range(20):
            clients.create_task(client())
        try:
            for _ in range(3):
                before = len(acknowledged)
                await until(lambda: len(acknowledged) > before + 50)  # noqa: B023 - used at once
                own_server.kill()
                error = await refused(log, timeout=5)
                assert error.outcome is Outcome.REJECTED
                with pytest.raises(AuditUnavailable):
                    await log.ping()
                own_server.start()  # not in a thread: the server would end with it
                await recovered(log)
                await pinged(log)
        finally:
            stop.set()
    await check_whole(log, acknowledged)
    stored = {entry.event_id for entry in await log.entries("local", after=None, limit=1_000_000)}
    rejected = {name for name, outcome in outcomes.items() if outcome is Outcome.REJECTED}
    assert not rejected & stored, "told rejected, yet stored"


async def test_a_hung_server_is_not_waited_for(
    own_server: embedded_servers.PostgresServer, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writer, "TRANSACTION_SECONDS", 10 * GUARD_SECONDS)
    await log.append(record(), timeout=SECONDS)
    await asyncio.to_thread(own_server.suspend)
    try:
        loop = asyncio.get_running_loop()
        before = loop.time()
        errors = await asyncio.gather(*(refused(log, timeout=0.5) for _ in range(20)))
        with pytest.raises(AuditUnavailable):
            await asyncio.wait_for(log.ping(), GUARD_SECONDS)
        # Not a speed test: what ends these calls are our deadlines of 0.5 s and 1.5 s, and nothing else would.
        assert loop.time() - before < GUARD_SECONDS
        assert {error.outcome for error in errors} <= {Outcome.REJECTED, Outcome.UNKNOWN}
    finally:
        await asyncio.to_thread(own_server.resume)
    await recovered(log)
    await check_whole(log, {})


async def test_a_killed_backend_does_not_stop_the_others(own_url: str, log: AuditLog) -> None:
    target = parse_database_url(own_url)
    assert isinstance(target, PostgresUrl)
    killer = await asyncpg.connect(target.dsn)
    acknowledged: dict[str, int] = {}
    failed: list[AuditUnavailable] = []

    stop = asyncio.Event()

    async def client() -> None:
        while not stop.is_set():
            item = record()
            try:
                acknowledged[item.event_id] = (await log.append(item, timeout=SECONDS)).index
            except AuditUnavailable as error:
                failed.append(error)
                return

    clients = [asyncio.create_task(client()) for _ in range(10)]
    for _ in range(5):
        before = len(acknowledged)
        await until(lambda: len(acknowledged) > before + 30)  # noqa: B023 - used at once
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trimtab'"
        )
    stop.set()
    await asyncio.gather(*clients)
    await killer.close()
    assert failed == [], "each attempt is repeated on a new connection"
    await check_whole(log, acknowledged)


@pytest.fixture
async def wire(own_url: str) -> AsyncIterator[PostgresProxy]:
    async with PostgresProxy(own_url) as proxy:
        yield proxy


@pytest.mark.parametrize("cut", [Cut.LOSE_ANSWER, Cut.LOSE_COMMIT, Cut.DELAY_COMMIT])
async def test_a_commit_in_doubt_is_looked_up_before_anything_else(wire: PostgresProxy, cut: Cut) -> None:
    """No keys here: they would hide a second write. A look that does not wait for the former commit finds nothing."""
    async with open_database(wire.url) as database:
        log = database.audit
        await log.append(record(), timeout=SECONDS)
        wire.cut = cut
        calls = [asyncio.create_task(log.append(record(), timeout=SECONDS)) for _ in range(5)]
        await until(lambda: wire.cuts > 0)
        wire.blocked = False
        assert {(await call).index for call in calls} == set(range(1, 6))
        assert await log.size() == 6, "each is stored exactly once"
        await check_whole(log, {})


@pytest.mark.parametrize("cut", [Cut.LOSE_ANSWER, Cut.LOSE_COMMIT])
async def test_a_commit_still_in_doubt_at_the_deadline_is_unknown_and_its_key_tells(
    wire: PostgresProxy, own_url: str, cut: Cut
) -> None:
    async with open_database(wire.url) as database:
        log = database.audit
        await log.append(record(), timeout=SECONDS)
        wire.cut = cut
        first = record(idempotency=key("k"))
        with pytest.raises(AuditUnavailable) as doubt:
            await log.append(first, timeout=5.0)
        assert doubt.value.outcome is Outcome.UNKNOWN
        async with open_database(own_url) as elsewhere:
            entry = await elsewhere.audit.get("local", first.event_id)
            assert (entry is not None) == (cut is Cut.LOSE_ANSWER)
            again = await elsewhere.audit.append(record(idempotency=key("k")), timeout=SECONDS)
            assert (again.index, again.replayed) == (1, cut is Cut.LOSE_ANSWER)
        wire.blocked = False
        await recovered(log)
        once_more = await log.append(record(idempotency=key("k")), timeout=SECONDS)
        assert (once_more.index, once_more.replayed) == (1, True)
        await check_whole(log, {})


async def test_what_queues_during_an_outage_is_refused_not_left_waiting(wire: PostgresProxy) -> None:
    async with open_database(wire.url) as database:
        log = database.audit
        await log.append(record(), timeout=SECONDS)
        wire.cut = Cut.LOSE_ANSWER
        first = asyncio.create_task(log.append(record(), timeout=SECONDS))
        await until(lambda: wire.cuts > 0)
        errors = await asyncio.gather(*(refused(log, timeout=SECONDS) for _ in range(10)))
        assert {error.outcome for error in errors} == {Outcome.REJECTED}
        assert not first.done(), "its commit is in doubt: it waits for the truth"
        wire.blocked = False
        assert await first == Appended(1)
        assert await log.size() == 2


async def test_what_a_client_is_told_names_no_address(
    own_server: embedded_servers.PostgresServer, own_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_database(own_url) as database:
        own_server.kill()
        error = await refused(database.audit)
        with pytest.raises(AuditUnavailable) as read:
            await database.audit.size()
        own_server.start()
        await recovered(database.audit)
    assert error.detail == read.value.detail == "the audit database cannot be reached"
    messages = [entry.getMessage() for entry in caplog.records if entry.name == "app.adapters.postgres_writer"]
    assert [message.split(":")[0] for message in messages] == [
        "the audit database is away",
        "the audit database is back",
    ]
    assert own_server.password not in caplog.text
