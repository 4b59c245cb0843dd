"""Partitions, chunks and retention on both stores: what is removed, what stays, and what a check of the log says."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.adapters import audit_bases
from app.adapters.database import Database
from app.adapters.database_url import SqliteUrl
from app.adapters.schema import migrate
from app.examples import SMALLEST
from app.lifespan import open_container
from app.ports import AuditDamaged, AuditRecord, BodyPruned, EventKind
from app.settings import Settings
from app.telemetry import Telemetry
from app.usecases import live
from app.usecases.log_tail import read_on
from app.usecases.replay_log import replay_log
from app.usecases.retention import RemovalRefused, keep_house, plan_removal, remove
from app.usecases.verify_log import Verified, verify_log
from services.core.errors import InvalidInput
from tests.integration.test_audit_log import SECONDS, Store
from tests.support.audit import key, record
from tests.support.http import client_of
from tests.support.partitions import shrink

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = f"sqlite:///{tmp_path / 'audit.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    await asyncio.to_thread(migrate, url)
    if request.param == "postgres":
        await shrink(url, 10)
    return Store(url)


def aged(days: float, **changes: object) -> AuditRecord:
    return record(recorded_at=NOW - days * DAY, **changes)


def window(start: int, length: int = 40_000) -> bytes:
    """A request whose prices move on by some from one call to the next, as far as one byte string goes."""
    return random.Random(1).randbytes(60_000).hex().encode()[start * 64 : start * 64 + length]


async def fill(database: Database, records: list[AuditRecord]) -> None:
    for item in records:
        await database.audit.append(item, timeout=SECONDS)


async def verified(database: Database, *, bodies: bool = True) -> Verified:
    return await verify_log(database.tree, (), bodies=bodies, advance=lambda done, total: None)


async def prune(database: Database, days: float) -> int | None:
    removal = await plan_removal(database.retention, before=NOW - days * DAY, now=NOW)
    return await remove(database.audit, database.retention, removal, tenant_id="local", actor="night job", now=NOW)


async def bodies_left(store: Store) -> list[int]:
    return [int(str(row[0])) for row in await store.run("SELECT idx FROM audit_body ORDER BY idx")]


async def test_bodies_leave_entries_and_proofs_stay(store: Store) -> None:
    """Thirty-five entries a day apart over four partitions: two and a half of these are old."""
    async with store.open() as database:
        await fill(database, [aged(40 - n, event_id=f"ev_{n + 1:032x}", kind=EventKind.OBSERVATION) for n in range(35)])
        before = await database.tree.head()
        index = await prune(database, 15)
        assert index == 35 and await bodies_left(store) == list(range(25, 36)), "the one that is 15 days old stays"
        found = await verified(database)
        assert (found.findings, found.pruned, found.size) == ((), 25, 36)
        assert (await verified(database, bodies=False)).findings == ()
        with pytest.raises(BodyPruned, match=r"ev_0*1$"):
            await database.audit.get("local", f"ev_{1:032x}")
        kept = await database.audit.get("local", f"ev_{27:032x}")
        assert kept is not None and kept.index == 26
        assert await database.tree.entry_of("local", f"ev_{1:032x}") is not None
        assert len(await database.audit.entries("local", after=None, limit=100)) == 36
        tail = await database.audit.tail(after=-1, limit=4)
        assert [item.entry.index for item in tail] == [25, 26, 27, 28]
        assert (await database.tree.leaves(0, 35)) and before.size == 35
        said = await database.audit.tail(after=34, limit=1)
        assert said[0].entry.kind is EventKind.RETENTION
        digests = [row.body_sha256 for row in await database.tree.stored(start=0, limit=25, bodies=False)]
        assert hashlib.sha256(b"".join(digests)).hexdigest().encode() in said[0].entry.response
        assert b'"actor":"night job"' in said[0].entry.response
        assert await prune(database, 15) is None, "nothing more is due"
        replayed = await replay_log(database.tree, first=0, last=30, advance=lambda done, total: None)
        assert (replayed.entries, replayed.pruned) == (31, 25)
        await fill(database, [aged(0)])
        assert (await verified(database)).findings == ()


async def test_a_body_that_nobody_announced_to_remove_is_evidence(store: Store) -> None:
    async with store.open() as database:
        await fill(database, [aged(30 - n, event_id=f"ev_{n + 1:032x}") for n in range(20)])
        await prune(database, 25)
        with pytest.raises(Exception, match="append-only"):
            await store.run("DELETE FROM audit_body WHERE idx = 12")
        await unguard(store)
        await store.run("DELETE FROM audit_body WHERE idx IN (12, 13, 17)")
        found = await verified(database)
        assert [(item.index, item.what) for item in found.findings] == [
            (12, "bodies up to entry 13 are missing, and the log announced no removal"),
            (17, "its body is missing, and the log announced no removal"),
        ]
        assert found.pruned == 5
        assert (await verified(database, bodies=False)).findings == ()
        with pytest.raises(AuditDamaged, match="missing"):
            await database.audit.get("local", f"ev_{13:032x}")


async def unguard(store: Store) -> None:
    if isinstance(store.target, SqliteUrl):
        await store.run("DROP TRIGGER audit_body_delete")
    else:
        await store.run("ALTER TABLE audit_body DISABLE TRIGGER append_only")


async def test_a_marker_that_the_log_does_not_know_covers_nothing(store: Store) -> None:
    """The row that lets the store remove bodies is no reason to remove them: the log is asked."""
    async with store.open() as database:
        await fill(database, [aged(30 - n) for n in range(12)])
        blob = b'{"bodies_sha256":"sha256:00","end":5,"first":0}'.hex()
        content = f"x'{blob}'" if isinstance(store.target, SqliteUrl) else f"'\\x{blob}'::bytea"
        await store.run(f"INSERT INTO audit_retention VALUES (1, 11, 0, 5, {content})")
        await store.run("DELETE FROM audit_body WHERE idx < 5")
        found = await verified(database)
        assert [(item.index, item.what) for item in found.findings] == [
            (11, "a removal of bodies is ascribed to it that it did not announce"),
            (0, "bodies up to entry 4 are missing, and the log announced no removal"),
        ]
        with pytest.raises(Exception, match=r"does not announce|internal|refused"):
            await database.retention.retain(3, bytes.fromhex(blob))


async def test_after_a_crash_between_announcement_and_removal_the_next_run_goes_on(store: Store) -> None:
    async with store.open() as database:
        await fill(database, [aged(30 - n) for n in range(20)])

        class Crashes:
            """The store of the process that ended in between."""

            def __getattr__(self, name: str) -> object:
                return getattr(database.retention, name)

            async def retain(self, index: int, content: bytes) -> None:
                raise KeyboardInterrupt

        removal = await plan_removal(database.retention, before=NOW - 20 * DAY, now=NOW)
        with pytest.raises(KeyboardInterrupt):
            await remove(database.audit, Crashes(), removal, tenant_id="local", actor="a", now=NOW)  # type: ignore[arg-type]
        assert len(await bodies_left(store)) == 21
        assert (await verified(database)).findings == ()
        assert await prune(database, 20) == 21
        found = await verified(database)
        assert (found.findings, found.pruned) == ((), 10)


async def test_house_keeping_goes_on_with_a_removal_that_was_cut_off(store: Store) -> None:
    """Nothing new is due on the next day's turn, and what was announced and marked is still there."""
    async with store.open() as database:
        await fill(database, [aged(30 - n) for n in range(20)])
        removal = await plan_removal(database.retention, before=NOW - 20 * DAY, now=NOW)

        class Ends:
            """The store of the process that ended before its first sweep."""

            def __getattr__(self, name: str) -> object:
                return getattr(database.retention, name)

            async def sweep(self) -> bool:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await remove(database.audit, Ends(), removal, tenant_id="local", actor="a", now=NOW)  # type: ignore[arg-type]
        assert len(await bodies_left(store)) == 21
        due = await keep_house(database.audit, database.retention, tenant_id="local", retention_days=20, now=NOW)
        assert due is None, "nothing is announced again"
        assert await bodies_left(store) == list(range(10, 21))
        found = await verified(database)
        assert (found.findings, found.pruned) == ((), 10)


class Disturbed:
    """A log where something happens once, after the check took its head and before it reads the rows."""

    def __init__(self, tree: Any, disturb: Callable[[], Awaitable[object]]) -> None:
        self._tree, self._disturb, self.happened = tree, disturb, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tree, name)

    async def stored(self, **part: Any) -> Any:
        """Rows, after what happens."""
        if not self.happened:
            self.happened = True
            await self._disturb()
        return await self._tree.stored(**part)


async def test_a_check_beside_a_removal_is_no_alarm(store: Store) -> None:
    async with store.open() as database:
        await fill(database, [aged(40 - n, event_id=f"ev_{n + 1:032x}") for n in range(35)])
        tree = Disturbed(database.tree, lambda: prune(database, 15))
        found = await verify_log(tree, (), bodies=True, advance=lambda done, total: None)
        assert tree.happened and len(await bodies_left(store)) == 11
        assert (found.findings, found.pruned) == ((), 25)


async def test_a_forged_removal_beside_a_check_is_found(store: Store) -> None:
    """A marker that comes while rows are read is held against the entry that it names, as any other."""
    async with store.open() as database:
        await fill(database, [aged(30 - n) for n in range(12)])

        async def forge() -> None:
            blob = b'{"bodies_sha256":"sha256:00","end":5,"first":0}'.hex()
            content = f"x'{blob}'" if isinstance(store.target, SqliteUrl) else f"'\\x{blob}'::bytea"
            await store.run(f"INSERT INTO audit_retention VALUES (1, 11, 0, 5, {content})")
            await store.run("DELETE FROM audit_body WHERE idx < 5")

        found = await verify_log(Disturbed(database.tree, forge), (), bodies=True, advance=lambda done, total: None)
        assert (0, "bodies up to entry 4 are missing, and the log announced no removal") in [
            (item.index, item.what) for item in found.findings
        ]


async def test_removal_needs_an_age_above_that_of_keys(store: Store) -> None:
    async with store.open() as database:
        with pytest.raises(InvalidInput, match="at least 48 hours"):
            await plan_removal(database.retention, before=NOW - 47 * DAY / 24, now=NOW)


async def test_house_keeping_sweeps_keys_and_bodies_that_are_due(store: Store) -> None:
    async with store.open() as database:
        await fill(database, [aged(500 - n, idempotency=key(f"k{n}")) for n in range(3)])
        await fill(database, [aged(1, idempotency=key("young"))])
        # The writer swept some already; let all be there.
        house = {"tenant_id": "local", "now": NOW}
        assert await keep_house(database.audit, database.retention, retention_days=0, **house) is None  # type: ignore[arg-type]
        assert [row[0] for row in await store.run("SELECT key FROM idempotency")] == ["young"]
        assert len(await bodies_left(store)) == 4
        found = await keep_house(database.audit, database.retention, retention_days=400, **house)  # type: ignore[arg-type]
        assert found is not None and (found.first, found.end) == (0, 3)
        assert await bodies_left(store) == [3, 4]
        assert await keep_house(database.audit, database.retention, retention_days=400, **house) is None  # type: ignore[arg-type]


async def test_who_may_not_remove_announces_nothing(store: Store) -> None:
    async with store.open() as database:
        await fill(database, [aged(30)])

        class Forbids:
            def __getattr__(self, name: str) -> object:
                return getattr(database.retention, name)

            async def allowed(self) -> bool:
                return False

        removal = await plan_removal(database.retention, before=NOW - 20 * DAY, now=NOW)
        with pytest.raises(RemovalRefused, match="tt_retention"):
            await remove(database.audit, Forbids(), removal, tenant_id="local", actor="a", now=NOW)  # type: ignore[arg-type]
        assert await database.audit.size() == 1


async def test_repeated_windows_are_stored_once_and_come_back_to_the_byte(store: Store) -> None:
    sent = [
        aged(10 - n / 100, event_id=f"ev_{n + 1:032x}", portfolio_id="pf", request=window(n), state=bytes([n]) * 9)
        for n in range(30)
    ]
    async with store.open() as database:
        await fill(database, sent)
        [(chunks,)] = await store.run("SELECT count(*) FROM audit_chunk")
        [(stored,)] = await store.run("SELECT sum(length(body)) FROM audit_body")
        [(shared,)] = await store.run("SELECT sum(length(content)) FROM audit_chunk")
        assert chunks and int(str(stored)) + int(str(shared)) < 0.2 * sum(len(item.request) for item in sent)
        for item in sent:
            found = await database.audit.get("local", item.event_id)
            assert found is not None
            assert (found.request, found.response, found.state) == (item.request, item.response, item.state)
        assert [item.entry.request for item in await database.audit.tail(after=-1, limit=100)] == [
            item.request for item in sent
        ]
        assert (await verified(database)).findings == ()
    async with store.open() as database:
        after = dataclasses.replace(sent[-1], event_id=f"ev_{99:032x}")
        await fill(database, [after, dataclasses.replace(after, event_id=f"ev_{100:032x}")])
        assert (await verified(database)).findings == (), "another process begins without the bases of the first"


async def test_a_chunk_stays_as_long_as_a_body_needs_it(store: Store) -> None:
    first = [aged(60 - n / 100, portfolio_id="pf", request=window(n)) for n in range(5)]
    later = [aged(40 - n / 100, portfolio_id="pf", request=window(5 + n)) for n in range(5)]
    async with store.open() as database:
        await fill(database, first + later)
        [(chunks,)] = await store.run("SELECT count(DISTINCT base_sha256) FROM audit_body WHERE idx >= 5")
        with pytest.raises(Exception, match="append-only"):
            await store.run("DELETE FROM audit_chunk")
        await prune(database, 50)
        assert await bodies_left(store) == [*range(5, 11)]
        assert await store.run("SELECT count(*) FROM audit_chunk") == [(chunks,)]
        assert (await verified(database)).findings == ()
        await prune(database, 35)
        assert await store.run("SELECT count(*) FROM audit_chunk") == [(0,)]
        found = await verified(database)
        assert (found.findings, found.pruned) == ((), 10)


async def test_a_missing_chunk_is_evidence(store: Store) -> None:
    async with store.open() as database:
        await fill(database, [aged(10 - n / 100, portfolio_id="pf", request=window(n)) for n in range(4)])
        statements = (
            ["DROP TRIGGER audit_chunk_delete"]
            if isinstance(store.target, SqliteUrl)
            else ["ALTER TABLE audit_chunk DISABLE TRIGGER guard"]
        )
        for statement in [*statements, "DELETE FROM audit_chunk"]:
            await store.run(statement)
        found = await verified(database)
        assert {item.what for item in found.findings} == {"its body does not have the recorded digest"}
        assert len(found.findings) == 3, "the first body lies whole"


async def test_a_new_connection_writes_the_chunk_again(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fail-over to a server that never had the chunk, bodies must not name it."""
    await asyncio.to_thread(migrate, postgres_url)
    store = Store(postgres_url)
    async with store.open() as database:
        await fill(database, [aged(10 - n / 100, portfolio_id="pf", request=window(n)) for n in range(4)])
        await store.run("ALTER TABLE audit_chunk DISABLE TRIGGER guard")
        await store.run("DELETE FROM audit_chunk")
        await store.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        await fill(database, [aged(9, portfolio_id="pf", request=window(5), event_id=f"ev_{777:032x}")])
        found = await database.audit.get("local", f"ev_{777:032x}")
        assert found is not None and found.request == window(5)


async def test_the_writer_makes_partitions_before_they_are_needed(postgres_url: str) -> None:
    """Twelve hundred entries by two processes over twelve partitions: none fails for want of one."""
    await asyncio.to_thread(migrate, postgres_url)
    await shrink(postgres_url, 100)
    store, places = Store(postgres_url), []
    async with store.open() as one, store.open() as two:
        for start in range(0, 1200, 150):
            sent = [(one if n % 2 else two, record(portfolio_id=f"pf_{n % 7}")) for n in range(start, start + 150)]
            places += await asyncio.gather(*(at.audit.append(item, timeout=60) for at, item in sent))
        assert sorted(item.index for item in places) == list(range(1200))
        assert (await verified(one)).findings == ()
    for table in ("audit_entry", "audit_body"):
        [(count,)] = await store.run(f"SELECT count(*) FROM pg_inherits WHERE inhparent = '{table}'::regclass")
        assert count == 14, "two ahead"
    assert await store.run("SELECT room FROM log_head") == [(1400,)]


async def test_somebody_who_locks_the_table_does_not_stop_the_writer(postgres_url: str) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    await shrink(postgres_url, 10)
    store = Store(postgres_url)
    async with store.open() as database:
        server = await asyncpg.connect(store.target.dsn)  # type: ignore[union-attr]
        try:
            await server.execute("BEGIN; LOCK TABLE audit_entry IN SHARE UPDATE EXCLUSIVE MODE")
            await fill(database, [record() for _ in range(15)])
        finally:
            await server.close()
        await fill(database, [record() for _ in range(30)])
        assert (await verified(database)).findings == ()


async def test_every_partition_has_its_guards(postgres_url: str) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    await shrink(postgres_url, 10)
    store = Store(postgres_url)
    async with store.open() as database:
        await fill(database, [record() for _ in range(25)])
    partitions = "SELECT oid::regclass::text FROM pg_class WHERE relispartition AND relkind = 'r'"
    names = [row[0] for row in await store.run(partitions)]
    assert len(names) >= 10
    for name in [*names, "audit_entry", "audit_body", "audit_chunk", "audit_retention"]:
        enabled = await store.run(f"SELECT tgname, tgenabled::text FROM pg_trigger WHERE tgrelid = '{name}'::regclass")
        assert {row[1] for row in enabled} == {"A"} and len(enabled) == 2, name
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await store.run(f"TRUNCATE {name}")
    changes = ("DELETE FROM audit_entry_10", "UPDATE audit_entry_10 SET status = 1", "DELETE FROM audit_body_10")
    for statement in changes:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await store.run(statement)


async def test_what_is_pruned_answers_410_and_its_receipt_is_there(tmp_path: Path) -> None:
    async with open_container(Settings(data_dir=tmp_path)) as container, client_of(container) as http:
        sent = {**SMALLEST, "options": {"receipt": "proof"}}
        old = (await http.post("/v1/evaluations", json=sent)).json()
        then = container.clock.now() + 500 * DAY
        due = await plan_removal(container.retention, before=then - 400 * DAY, now=then)
        await remove(container.audit, container.retention, due, tenant_id="local", actor="a", now=then)
        new = (await http.post("/v1/evaluations", json=sent)).json()
        name = old["evaluation_id"]
        disclosed = await http.post(f"/v1/audit/entries/{name}:disclose", json={"fields": ["/portfolio"]})
        answers = [disclosed, await http.post(f"/v1/evaluations/{name}:replay")]
        for path in ("evaluations/{}", "evaluations/{}/permits", "evaluations/{}:diff", "audit/entries/{}/body"):
            answers.append(await http.get(f"/v1/{path.format(name)}"))
        answers.append(await http.get(f"/v1/evaluations/{new['evaluation_id']}:diff?against={name}"))
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(410, "body_pruned")] * 7
        assert name in answers[0].json()["detail"]
        receipt = await http.get(f"/v1/audit/entries/{name}/receipt")
        assert receipt.text == old["audit"]["receipt"]
        assert (await http.get(f"/v1/audit/entries/{name}/entry")).text == old["audit"]["entry"]
        listed = (await http.get("/v1/audit/entries?kind=retention")).json()["items"]
        assert [item["index"] for item in listed] == [1]
        announced = await http.get(f"/v1/audit/entries/{listed[0]['event_id']}/body")
        assert b'"end":1' in base64.b64decode(announced.json()["response"])


async def test_the_holder_of_the_lease_keeps_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HOUSE_FIRST_SECONDS", 0.0)
    async with open_container(Settings(data_dir=tmp_path, body_retention_days=30)) as container:
        await container.audit.append(record(recorded_at=container.clock.now() - 31 * DAY), timeout=SECONDS)
        part = live.Live(container, Telemetry())
        part.start()
        try:
            async with asyncio.timeout(60):
                while not await container.retention.kept_from():  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.05)
        finally:
            await part.stop()
        assert (await container.audit.tail(after=-1, limit=5))[0].entry.kind is EventKind.RETENTION


def test_a_base_is_used_no_longer_than_its_chunk_is_kept() -> None:
    assert audit_bases.LIFE + DAY <= audit_bases.CHUNK_LIFE == timedelta(days=31), "as the database has it"


async def test_a_reader_passes_over_what_was_removed_to_what_is_damaged(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with store.open() as database:
        await fill(database, [aged(30 - n) for n in range(12)])
        await prune(database, 25)
        await unguard(store)
        await store.run("DELETE FROM audit_body WHERE idx = 5")
        read = await read_on(database.audit, -1)
        assert (read.entries, read.reached) == ((), 5)
        assert "audit entry 5 is left out" in caplog.text
        assert [item.entry.index for item in (await read_on(database.audit, 5)).entries] == [*range(6, 13)]
