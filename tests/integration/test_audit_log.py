"""One suite for both durable stores: an audit log behaves the same on an embedded file and on a server."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from app.adapters import audit_batch, postgres_writer, sqlite_writer
from app.adapters.audit_rows import TAIL_BYTES
from app.adapters.database import Database, open_database
from app.adapters.database_url import PostgresUrl, SqliteUrl, parse_database_url
from app.adapters.schema import migrate
from app.limits import MAX_WAITING_RECORDS
from app.ports import (
    IDEMPOTENCY_RETENTION,
    Appended,
    AuditDamaged,
    AuditFull,
    AuditLog,
    AuditUnavailable,
    EventKind,
    IdempotencyMismatch,
    Outcome,
    TailEntry,
)
from tests.support.audit import START, event_id, key, record

SECONDS = 20.0
"""Deadline of calls that must succeed: long, because nothing here measures time."""


@dataclass
class Store:
    """A migrated store, and a way into it behind the service's back."""

    url: str

    @property
    def target(self) -> SqliteUrl | PostgresUrl:
        return parse_database_url(self.url)

    def open(self) -> AbstractAsyncContextManager[Database]:
        return open_database(self.url)

    async def run(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement on a connection of its own."""
        if isinstance(self.target, SqliteUrl):
            connection = sqlite3.connect(self.target.path, isolation_level=None)
            try:
                return connection.execute(statement).fetchall()
            finally:
                connection.close()
        server = await asyncpg.connect(self.target.dsn)
        try:
            return [tuple(row) for row in await server.fetch(statement)]
        finally:
            await server.close()

    async def unprotect(self) -> None:
        """Do what only the owner of the tables can: take the guard off bodies."""
        if isinstance(self.target, SqliteUrl):
            await self.run("DROP TRIGGER audit_body_update")
        else:
            await self.run("ALTER TABLE audit_body DISABLE TRIGGER append_only")

    async def block(self) -> AbstractAsyncContextManager[None]:
        """Hold the lock that every writer needs."""
        return _Blocked(self.target)


class _Blocked(AbstractAsyncContextManager[None]):
    def __init__(self, target: SqliteUrl | PostgresUrl) -> None:
        self.target = target

    async def __aenter__(self) -> None:
        if isinstance(self.target, SqliteUrl):
            self.file = sqlite3.connect(self.target.path, isolation_level=None)
            self.file.execute("BEGIN IMMEDIATE")
        else:
            self.server = await asyncpg.connect(self.target.dsn)
            await self.server.execute("BEGIN; SELECT size FROM log_head FOR UPDATE")

    async def __aexit__(self, *_: object) -> None:
        if isinstance(self.target, SqliteUrl):
            self.file.close()
        else:
            await self.server.close()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = f"sqlite:///{tmp_path / 'audit.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate(url)
    return Store(url)


@pytest.fixture
async def database(store: Store) -> AsyncIterator[Database]:
    async with store.open() as database:
        yield database


@pytest.fixture
def log(database: Database) -> AuditLog:
    return database.audit


async def test_a_new_log_is_empty_and_says_what_it_is(store: Store, log: AuditLog) -> None:
    await log.ping()
    assert await log.size() == 0
    assert await log.entries("local", after=None, limit=10) == []
    kind, version = log.server_version().split(" ")
    assert kind == ("SQLite" if isinstance(store.target, SqliteUrl) else "PostgreSQL")
    assert [part.isdigit() for part in version.split(".")].count(False) == 0
    assert log.warnings() == (), "both stores of the tests sync to the disk"


async def test_everything_comes_back_exactly(log: AuditLog) -> None:
    bodies = {"request": bytes(range(256)) * 40, "response": "µ§—\0\n".encode() * 999, "state": b"", "versions": b"{}"}
    stored = record(portfolio_id="pf_ü", client_reference="r 1", status=207, kind=EventKind.HEDGES, **bodies)
    appended = await log.append(stored, timeout=SECONDS)
    entry = await log.get("local", stored.event_id)
    assert entry is not None
    assert {name: getattr(entry, name) for name in bodies} == bodies
    for name in ("event_id", "kind", "recorded_at", "portfolio_id", "client_reference", "status"):
        assert getattr(entry, name) == getattr(stored, name)
    assert entry.index == appended.index == 0
    assert entry.body_length == 16 + sum(map(len, bodies.values()))
    assert entry.stored_bytes < entry.body_length
    [summary] = await log.entries("local", after=None, limit=10)
    assert [getattr(summary, name) for name in summary.__slots__] == [
        getattr(entry, name) for name in summary.__slots__
    ]


async def test_entries_of_others_and_unknown_ids_are_not_there(log: AuditLog) -> None:
    foreign = record(tenant_id="other", idempotency=key("k"))
    await log.append(foreign, timeout=SECONDS)
    assert await log.get("local", foreign.event_id) is None
    assert await log.get("other", foreign.event_id) is not None
    assert await log.get("local", event_id(2**127)) is None
    assert await log.get("local", "nonsense") is None
    assert await log.entries("local", after=None, limit=10) == []
    assert await log.find_idempotent("local", "evaluations", "k") is None


async def test_pages_and_filters(log: AuditLog) -> None:
    kinds = [EventKind.EVALUATION, EventKind.MARGIN, EventKind.OBSERVATION]
    records = [
        record(
            kind=kinds[n % 3],
            portfolio_id=f"pf_{n % 4}" if n % 4 else None,
            client_reference=f"ref_{n % 5}" if n % 5 else None,
        )
        for n in range(130)
    ]
    await asyncio.gather(*(log.append(item, timeout=SECONDS) for item in records))
    places = {entry.event_id: entry.index for entry in await log.entries("local", after=None, limit=1000)}
    assert sorted(places.values()) == list(range(130))

    async def all_pages(**filters: object) -> list[int]:
        found: list[int] = []
        while page := await log.entries("local", after=found[-1] if found else None, limit=17, **filters):  # type: ignore[arg-type]
            assert len(page) <= 17
            found += [entry.index for entry in page]
        return found

    assert await all_pages() == list(range(130))
    choices = [
        {"kind": EventKind.MARGIN},
        {"portfolio_id": "pf_1"},
        {"client_reference": "ref_2"},
        {"kind": EventKind.MARGIN, "portfolio_id": "pf_1", "client_reference": "ref_2"},
        {"portfolio_id": "pf_nobody"},
    ]
    for filters in choices:
        wanted = [item for item in records if all(getattr(item, name) == value for name, value in filters.items())]
        assert await all_pages(**filters) == sorted(places[item.event_id] for item in wanted)


async def test_the_previous_entry_is_that_of_the_same_kind_and_portfolio(log: AuditLog) -> None:
    kinds, owners = (EventKind.EVALUATION, EventKind.TARGETS), ("a", "b", None)
    for number in range(24):
        await log.append(record(kind=kinds[number // 3 % 2], portfolio_id=owners[number % 3]), timeout=SECONDS)
    entries = await log.entries("local", after=None, limit=100)
    for index in range(26):
        for kind in kinds:
            earlier = [item for item in entries if (item.kind, item.portfolio_id) == (kind, "a") and item.index < index]
            found = await log.previous("local", index, kind=kind, portfolio_id="a")
            assert found == (earlier[-1] if earlier else None)
    assert await log.previous("other", 24, kind=EventKind.EVALUATION, portfolio_id="a") is None


async def test_the_tail_is_every_entry_of_every_tenant_in_order(log: AuditLog) -> None:
    assert await log.tail(after=-1, limit=10) == []
    records = [record(tenant_id=("local", "other")[n % 2], request=b"x" * n) for n in range(25)]
    for item in records:
        await log.append(item, timeout=SECONDS)
    found: list[TailEntry] = []
    while page := await log.tail(after=len(found) - 1, limit=7):
        assert len(page) <= 7
        found += page
    assert [(item.tenant_id, item.entry.event_id, item.entry.index) for item in found] == [
        (item.tenant_id, item.event_id, index) for index, item in enumerate(records)
    ]
    for item in found:
        assert item.entry == await log.get(item.tenant_id, item.entry.event_id)


async def test_a_read_of_the_tail_is_bounded_in_bytes(log: AuditLog) -> None:
    half = TAIL_BYTES // 2
    for size in (half, half, 10, half, TAIL_BYTES + 1):
        await log.append(record(request=random.Random(size).randbytes(size)), timeout=SECONDS)
    pages, after = [], -1
    while page := await log.tail(after=after, limit=100):
        pages.append([item.entry.index for item in page])
        after = page[-1].entry.index
    assert pages == [[0, 1], [2, 3, 4]], "an entry that begins within the bound is the last one"


async def test_the_tail_is_never_ahead_of_a_slower_writer(store: Store, database: Database) -> None:
    """Readers that follow the tail while several writers append see each index once, in order, without a hole."""
    seen: list[int] = []
    log = database.audit

    async def follow() -> None:
        while len(seen) < 300:
            await log.wait(after=len(seen) - 1, timeout=SECONDS)
            seen.extend(item.entry.index for item in await log.tail(after=len(seen) - 1, limit=64))

    async def write(database: Database) -> None:
        for _ in range(25):
            await database.audit.append(record(request=b"y" * 3000), timeout=SECONDS)

    follower = asyncio.create_task(follow())
    if isinstance(store.target, SqliteUrl):  # one process, so one opening
        await asyncio.gather(*(write(database) for _ in range(12)))
    else:
        async with store.open() as one, store.open() as two, store.open() as three:
            await asyncio.gather(*(write(database) for database in (one, two, three) for _ in range(4)))
    await follower
    assert seen == list(range(300))


async def test_waiting_for_the_log_to_grow(log: AuditLog) -> None:
    assert await log.wait(after=-1, timeout=0.01) == 0
    waiting = asyncio.create_task(log.wait(after=-1, timeout=SECONDS))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await log.append(record(), timeout=SECONDS)
    assert await waiting == 1
    assert await log.wait(after=-1, timeout=SECONDS) == 1, "what is there already is told at once"
    assert await log.wait(after=0, timeout=0.01) == 1
    await asyncio.gather(*(log.append(record(), timeout=SECONDS) for _ in range(5)))
    assert await log.wait(after=3, timeout=SECONDS) == 6


async def test_a_damaged_entry_stops_the_tail_at_it_and_nothing_else(store: Store, log: AuditLog) -> None:
    for _ in range(3):
        await log.append(record(), timeout=SECONDS)
    await store.unprotect()
    await store.run("UPDATE audit_body SET body = (SELECT body FROM audit_body WHERE idx = 0) WHERE idx = 1")
    with pytest.raises(AuditDamaged):
        await log.tail(after=-1, limit=10)
    assert [item.entry.index for item in await log.tail(after=-1, limit=1)] == [0]
    assert [item.entry.index for item in await log.tail(after=1, limit=10)] == [2]


async def test_a_repeated_call_gets_the_stored_entry_and_takes_no_index(log: AuditLog) -> None:
    first = record(idempotency=key("k"))
    assert await log.append(first, timeout=SECONDS) == Appended(0)
    again = await log.append(record(idempotency=key("k")), timeout=SECONDS)
    assert (again.index, again.replayed) == (0, True)
    assert again.entry is not None
    assert (again.entry.event_id, again.entry.response) == (first.event_id, first.response)
    found = await log.find_idempotent("local", "evaluations", "k")
    assert found is not None
    assert (found.fingerprint, found.entry) == (key("k").fingerprint, again.entry)
    with pytest.raises(IdempotencyMismatch, match="'k'"):
        await log.append(record(idempotency=key("k", b"another body")), timeout=SECONDS)
    assert await log.append(record(idempotency=key("k", route="margin")), timeout=SECONDS) == Appended(1)
    assert await log.size() == 2


async def test_race_of_identical_calls(log: AuditLog) -> None:
    names = [f"key-{n}" for n in range(20)]
    calls = [record(idempotency=key(name)) for name in names for _ in range(50)]
    answers = await asyncio.gather(*(log.append(call, timeout=SECONDS) for call in calls))
    assert await log.size() == 20
    for number, name in enumerate(names):
        group = answers[50 * number : 50 * number + 50]
        assert len({answer.index for answer in group}) == 1
        assert [answer.replayed for answer in group].count(False) == 1
        found = await log.find_idempotent("local", "evaluations", name)
        assert found is not None
        assert {answer.entry for answer in group if answer.replayed} == {found.entry}
    assert {answer.index for answer in answers} == set(range(20))


async def test_concurrent_writers_leave_no_hole(log: AuditLog) -> None:
    async def writer() -> list[int]:
        return [(await log.append(record(), timeout=SECONDS)).index for _ in range(50)]

    indices = await asyncio.gather(*(writer() for _ in range(8)))
    assert sorted(index for mine in indices for index in mine) == list(range(400))
    assert all(mine == sorted(mine) for mine in indices), "a later append has a higher index"
    assert await log.size() == 400


async def test_a_record_that_the_store_refuses_does_not_fail_its_neighbours(store: Store, log: AuditLog) -> None:
    await log.append(taken := record(), timeout=SECONDS)
    async with await store.block():  # so that all of them land in one batch
        first = asyncio.create_task(log.append(record(), timeout=SECONDS))
        await asyncio.sleep(0.05)
        batch = [record(), record(event_id=taken.event_id), record(event_id="nonsense"), record()]
        calls = [asyncio.create_task(log.append(item, timeout=SECONDS)) for item in batch]
        await asyncio.sleep(0.05)
    results = await asyncio.gather(first, *calls, return_exceptions=True)
    assert [type(result) for result in results] == [Appended, Appended, AuditUnavailable, ValueError, Appended]
    assert isinstance(results[2], AuditUnavailable)
    assert results[2].outcome is Outcome.REJECTED
    assert await log.size() == 4
    assert [entry.index for entry in await log.entries("local", after=None, limit=10)] == [0, 1, 2, 3]


async def test_what_a_caller_is_told_at_its_deadline_is_true(store: Store, log: AuditLog) -> None:
    """Rejected: not in the log, ever. Unknown: perhaps. Nothing else may happen to a call that is too late."""
    told: dict[str, Outcome] = {}
    for number in range(60):
        item = record()
        try:
            await log.append(item, timeout=0.0002 * (number % 6))
        except AuditUnavailable as error:
            told[item.event_id] = error.outcome
    await log.append(record(), timeout=SECONDS)  # after it, whatever was taken is written
    stored = {entry.event_id for entry in await log.entries("local", after=None, limit=1000)}
    assert told, "no deadline passed: nothing was shown"
    assert not {name for name, outcome in told.items() if outcome is Outcome.REJECTED} & stored


async def test_a_blocked_store_answers_by_the_deadline(store: Store, log: AuditLog) -> None:
    async with await store.block():
        taken = asyncio.create_task(log.append(record(), timeout=1.0))
        await asyncio.sleep(0.3)
        waiting = [asyncio.create_task(log.append(record(), timeout=0.1)) for _ in range(3)]
        results = await asyncio.gather(taken, *waiting, return_exceptions=True)
    assert all(isinstance(result, AuditUnavailable) for result in results)
    outcomes = [result.outcome for result in results if isinstance(result, AuditUnavailable)]
    assert outcomes == [Outcome.UNKNOWN, Outcome.REJECTED, Outcome.REJECTED, Outcome.REJECTED]
    assert await log.append(record(), timeout=SECONDS) in (Appended(0), Appended(1))


async def test_a_full_queue_refuses_at_once(store: Store, log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sqlite_writer, postgres_writer):
        monkeypatch.setattr(module, "MAX_WAITING_RECORDS", 5)
    async with await store.block():
        calls = [asyncio.create_task(log.append(record(), timeout=SECONDS)) for _ in range(20)]
        done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [result for result in results if isinstance(result, AuditUnavailable)]
    assert all(error.outcome is Outcome.REJECTED and "5 records wait" in error.detail for error in refused)
    accepted = [result.index for result in results if isinstance(result, Appended)]
    assert sorted(accepted) == list(range(20 - len(refused)))
    assert 5 <= len(accepted) <= 10, "those queued, and those that the writer had taken before"
    assert waiting
    assert done


async def test_bytes_that_wait_have_an_end_too(store: Store, log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_batch, "MAX_WAITING_BYTES", 10_000)
    await log.append(record(request=bytes(20_000)), timeout=SECONDS)  # alone it finds room, however large
    async with await store.block():
        calls = [asyncio.create_task(log.append(record(request=bytes(3_000)), timeout=SECONDS)) for _ in range(5)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(result, Appended) for result in results] == [True] * 3 + [False] * 2
    refused = [result for result in results if isinstance(result, AuditFull)]
    assert len(refused) == 2 and all(error.outcome is Outcome.REJECTED for error in refused)
    assert (await log.append(record(request=bytes(9_000)), timeout=SECONDS)).index == 4, "the room is free again"


async def test_closing_writes_what_was_accepted(store: Store) -> None:
    async with store.open() as database:
        calls = [asyncio.create_task(database.audit.append(record(), timeout=SECONDS)) for _ in range(100)]
        await asyncio.sleep(0)
    assert {(await call).index for call in calls} == set(range(100))
    with pytest.raises(AuditUnavailable, match="closed"):
        await database.audit.append(record(), timeout=SECONDS)
    async with store.open() as database:
        assert await database.audit.size() == 100
        assert await database.audit.append(record(), timeout=SECONDS) == Appended(100)


async def test_keys_leave_after_their_retention_and_entries_stay(store: Store, log: AuditLog) -> None:
    for number in range(6):
        await log.append(record(idempotency=key(f"old-{number}")), timeout=SECONDS)
    edge = START + IDEMPOTENCY_RETENTION
    await log.append(record(idempotency=key("within"), recorded_at=edge - timedelta(minutes=1)), timeout=SECONDS)
    assert await log.find_idempotent("local", "evaluations", "old-0") is not None
    for number in range(3):  # each clears two
        await log.append(
            record(idempotency=key(f"new-{number}"), recorded_at=edge + timedelta(minutes=1)), timeout=SECONDS
        )
    rows = await store.run("SELECT key FROM idempotency")
    assert {row[0] for row in rows} == {"within", "new-0", "new-1", "new-2"}
    assert await log.size() == 10
    assert await log.append(record(idempotency=key("old-0", b"another body")), timeout=SECONDS) == Appended(10)


async def test_a_body_changed_behind_our_back_is_reported_never_returned(store: Store, log: AuditLog) -> None:
    stored = record(response=b'{"target":"1"}')
    await log.append(stored, timeout=SECONDS)
    other = record(response=b'{"target":"2"}')
    await log.append(other, timeout=SECONDS)
    await store.unprotect()
    await store.run("UPDATE audit_body SET body = (SELECT body FROM audit_body WHERE idx = 1) WHERE idx = 0")
    with pytest.raises(AuditDamaged):
        await log.get("local", stored.event_id)
    assert await log.get("local", other.event_id) is not None


async def test_a_restart_continues_the_log(store: Store) -> None:
    for round_number in range(3):
        async with store.open() as database:
            assert await database.audit.append(record(idempotency=key("k")), timeout=SECONDS) is not None
            appended = await database.audit.append(record(), timeout=SECONDS)
            assert appended == Appended(round_number + 1)


async def test_sizes_at_the_bounds(log: AuditLog) -> None:
    large = bytes(uuid.uuid4().bytes) * 300_000  # 4.8 MB, as large as a request may be and some
    await log.append(stored := record(request=large, response=b""), timeout=SECONDS)
    await log.append(record(request=b"", response=b"", versions=b""), timeout=SECONDS)
    entry = await log.get("local", stored.event_id)
    assert entry is not None
    assert entry.request == large
    assert audit_batch.MAX_BATCH <= MAX_WAITING_RECORDS


async def test_the_writer_counts_what_it_wrote_and_not_what_was_there(log: AuditLog) -> None:
    before = log.activity()
    again = {"idempotency": key("counted")}
    for made in (record(), record(**again), record(**again)):
        await log.append(made, timeout=SECONDS)
    after = log.activity()
    assert (after.waiting, after.batches - before.batches, after.entries - before.entries) == (0, 3, 2)
    sizes = {size: count - before.sizes.get(size, 0) for size, count in after.sizes.items()}
    assert {size: count for size, count in sizes.items() if count} == {0: 1, 1: 2}
