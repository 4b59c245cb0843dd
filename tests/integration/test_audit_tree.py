"""The tree of the log on both stores: against the slow reference, from several writers, through a migration, and
against everything that its owner could do to it.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from alembic import command

from app.adapters.database import Database
from app.adapters.database_url import SqliteUrl
from app.adapters.log_key import LogKeyRefused, load_signer
from app.adapters.schema import migrate, run_alembic
from app.log_ports import LogTree
from app.ports import AuditRecord
from app.signatures import check_signature
from app.usecases.prove import (
    LogTooYoung,
    prove_consistency,
    prove_inclusion,
    receipt_of,
    signed_checkpoint,
)
from services.audit.merkle import verify_consistency, verify_inclusion
from services.audit.note import Checkpoint, verified_checkpoint
from services.audit.receipt import check_receipt
from services.audit.tiles import WIDTH
from services.audit.verify import LogCheck
from tests.integration.test_audit_log import SECONDS, Store
from tests.support import merkle_reference as reference
from tests.support.audit import record


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = f"sqlite:///{tmp_path / 'audit.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate(url)
    return Store(url)


@pytest.fixture
async def database(store: Store) -> AsyncIterator[Database]:
    async with store.open() as database:
        yield database


def records(count: int) -> list[AuditRecord]:
    owners = (None, "pf_a", "pf_b")
    return [
        record(portfolio_id=owners[n % 3], tenant_id="local" if n % 4 else "other", request=b"%d" % n)
        for n in range(count)
    ]


async def fill(database: Database, count: int) -> None:
    await asyncio.gather(*(database.audit.append(item, timeout=SECONDS) for item in records(count)))


async def checked(tree: LogTree, *checkpoints: Checkpoint) -> LogCheck:
    """The whole log, read in small pages."""
    state = await tree.head()
    found = LogCheck(state.origin, await tree.stream_secrets(), checkpoints, bodies=True)
    while rows := await tree.stored(start=found.frontier.size, limit=97, bodies=True):
        before = found.frontier.size
        found.add(rows)
        if found.frontier.size == before:
            break
    found.close(state.size, state.root, state.frontier)
    return found


async def entries_of(tree: LogTree) -> list[bytes]:
    return [row.entry for row in await tree.stored(start=0, limit=10_000, bodies=False)]


async def test_roots_proofs_and_receipts_are_those_of_the_recursive_definition(
    database: Database, tmp_path: Path
) -> None:
    await fill(database, 300)
    tree = database.tree
    state, entries = await tree.head(), await entries_of(tree)
    assert (state.size, state.root) == (300, reference.root(entries))
    for index, size in ((0, 1), (0, 300), (255, 256), (255, 300), (256, 257), (299, 300), (17, 133)):
        proof = await prove_inclusion(tree, index, size)
        assert proof == reference.path(index, entries[:size])
    for first, second in ((1, 300), (255, 256), (256, 300), (7, 8), (300, 300)):
        assert await prove_consistency(tree, first, second) == reference.proof(first, entries[:second])
    signer = load_signer(tmp_path / "log.key", create=True)
    key = signer.public(state.origin)
    event = (await database.audit.entries("local", after=200, limit=1))[0].event_id
    logged = await tree.entry_of("local", event)
    assert logged is not None and await tree.entry_of("other", event) is None
    text = await receipt_of(tree, logged, state.origin, signer)
    index, head = check_receipt(text, logged.entry, key, check_signature)
    assert index == logged.index and head.root == reference.root(entries[: head.size])
    assert await receipt_of(tree, logged, state.origin, signer) == text, "the same bytes whenever it is made"
    with pytest.raises(LogTooYoung, match="300 entries, not 301"):
        await prove_inclusion(tree, 0, 301)


async def test_the_writer_proves_what_it_was_asked_to_prove(database: Database) -> None:
    asked = [record(portfolio_id="pf_a", proof=n % 2 == 0) for n in range(60)]
    appended = await asyncio.gather(*(database.audit.append(item, timeout=SECONDS) for item in asked))
    entries = await entries_of(database.tree)
    for item, done in zip(asked, appended, strict=True):
        seal = done.seal
        assert seal is not None and seal.entry == entries[done.index]
        assert seal.root == reference.root(entries[: seal.size])
        if item.proof:
            assert verify_inclusion(done.index, seal.size, seal.leaf, seal.proof, seal.root)
        else:
            assert seal.proof == ()


async def test_every_pair_of_heads_is_consistent(database: Database) -> None:
    heads = []
    for count in (1, 2, 5, 9, 40):
        await fill(database, count)
        state = await database.tree.head()
        heads.append(Checkpoint(state.origin, state.size, state.root))
    for place, first in enumerate(heads):
        for second in heads[place:]:
            proof = await prove_consistency(database.tree, first.size, second.size)
            assert verify_consistency(first.size, second.size, first.root, second.root, proof)
    assert (await checked(database.tree, *heads)).findings == []


async def test_writers_of_two_processes_share_one_tree(postgres_url: str) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    store = Store(postgres_url)
    async with store.open() as one, store.open() as two:
        mixed = records(200)
        places = await asyncio.gather(
            *((one if n % 2 else two).audit.append(item, timeout=SECONDS) for n, item in enumerate(mixed))
        )
        assert sorted(item.index for item in places) == list(range(200))
        found = await checked(one.tree)
        assert (found.findings, found.frontier.size) == ([], 200)


async def test_the_store_refuses_changes_of_the_history(store: Store, database: Database) -> None:
    await fill(database, 3)
    statements = ["UPDATE audit_entry SET status = 500", "DELETE FROM audit_entry", "DELETE FROM audit_body"]
    if not isinstance(store.target, SqliteUrl):
        statements += ["TRUNCATE audit_entry", "TRUNCATE audit_body"]
    for statement in statements:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, sqlite3.IntegrityError), match="append-only"):
            await store.run(statement)
    assert (await checked(database.tree)).findings == []


async def test_what_was_recorded_before_there_was_a_tree_is_in_it(store: Store) -> None:
    async with store.open() as database:
        await fill(database, 40)
    await asyncio.to_thread(run_alembic, store.url, lambda config: command.downgrade(config, "0004"))
    await asyncio.to_thread(migrate, store.url)
    async with store.open() as database:
        found = await checked(database.tree)
        assert (found.findings, found.frontier.size) == ([], 40)
        await fill(database, 40)
        found = await checked(database.tree)
        assert (found.findings, found.frontier.size) == ([], 80)
        assert b'"request"' not in (await entries_of(database.tree))[0], "their digests were never taken"
        entry = (await database.audit.entries("local", after=None, limit=1))[0]
        assert await database.audit.get("local", entry.event_id) is not None


CHANGES = {
    "entry": "UPDATE audit_entry SET entry = {blob} WHERE idx = {idx}",
    "leaf": "UPDATE audit_entry SET leaf = {hash} WHERE idx = {idx}",
    "stream": "UPDATE audit_entry SET stream = {hash} WHERE idx = {idx}",
    "stream_seq": "UPDATE audit_entry SET stream_seq = stream_seq + 1000 WHERE idx = {idx}",
    "body_sha256": "UPDATE audit_entry SET body_sha256 = {hash} WHERE idx = {idx}",
    "status": "UPDATE audit_entry SET status = status + 1 WHERE idx = {idx}",
    "kind": "UPDATE audit_entry SET kind = 'margin' WHERE idx = {idx}",
    "recorded_at": "UPDATE audit_entry SET recorded_at = {later} WHERE idx = {idx}",
    "tenant": "UPDATE audit_entry SET tenant_id = 'thief' WHERE idx = {idx}",
    "portfolio": "UPDATE audit_entry SET portfolio_id = 'pf_z' WHERE idx = {idx}",
    "body": "UPDATE audit_body SET body = {blob} WHERE idx = {idx}",
    "another's body": "UPDATE audit_body SET body = (SELECT body FROM audit_body WHERE idx = {other}) "
    "WHERE idx = {idx}",
    "deleted": "DELETE FROM audit_entry WHERE idx = {idx}",
    "root": "UPDATE log_head SET root = {hash}",
    "frontier": "UPDATE log_head SET frontier = {hash}",
    "size": "UPDATE log_head SET size = size + 1",
    "origin": "UPDATE log_head SET origin = 'another.example/log'",
}


@pytest.mark.parametrize("what", CHANGES)
async def test_a_change_by_the_owner_of_the_tables_is_found(store: Store, what: str) -> None:
    """The guards taken off, each kind of change, at places of a fixed random choice."""
    async with store.open() as database:
        await fill(database, 30)
        for statement in unguard(store):
            await store.run(statement)
        rng = random.Random(what)
        idx = rng.randrange(1, 29)
        sqlite = isinstance(store.target, SqliteUrl)
        values = {
            "idx": idx,
            "other": idx - 1,
            "blob": "x'00ff'" if sqlite else "'\\x00ff'::bytea",
            "hash": f"x'{rng.randbytes(32).hex()}'" if sqlite else f"'\\x{rng.randbytes(32).hex()}'::bytea",
            "later": "recorded_at + 1" if sqlite else "recorded_at + interval '1 microsecond'",
        }
        await store.run(CHANGES[what].format(**values))
        found = await checked(database.tree)
        assert found.findings, f"{what} was changed at {idx}, and nothing was found"


def unguard(store: Store) -> list[str]:
    tables = ("audit_entry", "audit_body")
    if isinstance(store.target, SqliteUrl):
        return [f"DROP TRIGGER {table}_{event}" for table in tables for event in ("update", "delete")]
    return [f"ALTER TABLE {table} DISABLE TRIGGER append_only" for table in tables]


async def test_a_cut_end_is_found_by_whoever_kept_a_head_and_by_nobody_else(store: Store) -> None:
    """An honest limit: without a checkpoint outside, a log that lost its end is a log that was shorter."""
    async with store.open() as database:
        await fill(database, 20)
        short = await database.tree.head()
        await fill(database, 20)
        kept = await database.tree.head()
        for statement in unguard(store):
            await store.run(statement)
        await store.run("DELETE FROM audit_entry WHERE idx >= 20")
        blob = "x'{}'" if isinstance(store.target, SqliteUrl) else "'\\x{}'::bytea"
        root, frontier = (blob.format(value.hex()) for value in (short.root, short.frontier))
        await store.run(f"UPDATE log_head SET size = 20, root = {root}, frontier = {frontier}")
        assert (await checked(database.tree)).findings == []
        found = await checked(database.tree, Checkpoint(kept.origin, kept.size, kept.root))
        assert [item.what for item in found.findings] == [
            "a checkpoint of size 40 was signed: the end of the log is missing"
        ]


async def test_the_log_has_one_key(database: Database, tmp_path: Path) -> None:
    state = await database.tree.head()
    one, two = (load_signer(tmp_path / name, create=True).public(state.origin).text() for name in ("a.key", "b.key"))
    assert await database.tree.adopt_key(one) == one
    assert await database.tree.adopt_key(two) == one


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    first = load_signer(path, create=True)
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert load_signer(path, create=False).public("log").public == first.public("log").public
    path.chmod(0o644)
    with pytest.raises(LogKeyRefused, match="chmod 600"):
        load_signer(path, create=False)
    path.chmod(0o600)
    path.write_text("-----BEGIN PRIVATE KEY-----\nnothing\n")
    with pytest.raises(LogKeyRefused, match="openssl genpkey"):
        load_signer(path, create=False)
    with pytest.raises(LogKeyRefused, match="No such file"):
        load_signer(tmp_path / "missing.key", create=False)


async def test_a_checkpoint_is_signed_by_the_key_of_the_log(database: Database, tmp_path: Path) -> None:
    await fill(database, 5)
    state = await database.tree.head()
    signer = load_signer(tmp_path / "log.key", create=True)
    head = verified_checkpoint(signed_checkpoint(state, signer), signer.public(state.origin), check_signature)
    assert (head.size, head.root) == (5, state.root)


async def test_a_long_log_needs_few_rows_for_a_proof(database: Database) -> None:
    await fill(database, 2 * WIDTH + 3)
    await prove_inclusion(database.tree, 300, 2 * WIDTH + 3)  # the first one hashes what nobody has read yet
    assert [(level, number, len(hashes)) for level, number, hashes in await database.tree.tiles()] == [(1, 0, 64)]
    asked: list[tuple[int, int]] = []

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(database.tree, name)

        async def leaves(self, start: int, end: int) -> list[bytes]:
            asked.append((start, end))
            return await database.tree.leaves(start, end)

    await prove_inclusion(Counting(), 10, 2 * WIDTH + 3)  # type: ignore[arg-type]
    assert sorted(asked) == [(0, 256), (512, 515)]
