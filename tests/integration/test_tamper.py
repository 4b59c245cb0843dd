"""Everything that the owner of the tables, the files and the key can change about a history, on both stores.

With a head that somebody kept, `verify` finds all of it; a cut end without one is not found, and that is tested too.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.adapters.database import open_tree
from app.adapters.database_url import SqliteUrl
from app.adapters.log_key import load_signer
from app.adapters.schema import migrate
from app.commands.audit_files import read_checkpoint
from app.commands.console import Failure
from app.log_ports import LogState, LogTree
from app.usecases.prove import prove_inclusion, signed_checkpoint
from app.usecases.verify_log import Part, Verified, join_segments, segments, verify_log, verify_segment
from services.audit.entry import FIRST, digest_text
from services.audit.frontier import Frontier
from services.audit.merkle import leaf_hash
from services.audit.note import Checkpoint, VerifierKey
from services.audit.tiles import TileHashes
from tests.integration.test_audit_log import Store
from tests.integration.test_audit_tree import fill, unguard

SIZE, EARLY = 300, 280
TABLES = ("audit_entry", "audit_body", "log_head", "merkle_tile", "tenant")
Row = dict[str, Any]


@dataclass
class Hand:
    """The hand of the owner: every table in memory, and any content put in its place."""

    store: Store
    sound: dict[str, list[Row]] = field(default_factory=dict)
    connection: Any = None

    @property
    def embedded(self) -> bool:
        return isinstance(self.store.target, SqliteUrl)

    async def __aenter__(self) -> Hand:
        if isinstance(self.store.target, SqliteUrl):
            self.connection = sqlite3.connect(self.store.target.path, isolation_level=None)
            self.connection.row_factory = sqlite3.Row
        else:
            self.connection = await asyncpg.connect(self.store.target.dsn)
        for statement in unguard(self.store):
            await self._run(statement)
        for table in TABLES:
            rows = await self._run(f"SELECT * FROM {table}")
            self.sound[table] = sorted((dict(row) for row in rows), key=lambda row: row.get("idx", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.embedded:
            self.connection.close()
        else:
            await self.connection.close()

    async def put(self, table: str, rows: list[Row]) -> None:
        """These rows instead of those that are there."""
        names = list(self.sound[table][0])
        marks = ", ".join(("?" if self.embedded else f"${place}") for place in range(1, len(names) + 1))
        insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
        values = [tuple(row[name] for name in names) for row in rows]
        if self.embedded:
            self.connection.execute("BEGIN")
            self.connection.execute(f"DELETE FROM {table}")
            self.connection.executemany(insert, values)
            self.connection.execute("COMMIT")
            return
        async with self.connection.transaction():
            await self.connection.execute(f"DELETE FROM {table}")
            await self.connection.executemany(insert, values)

    async def restore(self, tables: set[str]) -> None:
        """What was there at first."""
        for table in tables:
            await self.put(table, self.sound[table])

    async def _run(self, statement: str) -> list[Any]:
        if self.embedded:
            return list(self.connection.execute(statement).fetchall())
        return list(await self.connection.fetch(statement))


def flipped(value: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(value))
    return value[:place] + bytes((value[place] ^ (1 << rng.randrange(8)),)) + value[place + 1 :]


Tables = dict[str, list[Row]]


def entries(tables: Tables) -> list[Row]:
    return tables["audit_entry"]


def flip(table: str, column: str) -> Callable[[Tables, random.Random], None]:
    """One bit of one value."""

    def act(tables: Tables, rng: random.Random) -> None:
        row = rng.choice(tables[table])
        row[column] = flipped(bytes(row[column]), rng)

    return act


def shift(column: str) -> Callable[[Tables, random.Random], None]:
    """A number of a row moved."""

    def act(tables: Tables, rng: random.Random) -> None:
        rng.choice(entries(tables))[column] += rng.choice([1, 2, 1000])

    return act


def rename(column: str) -> Callable[[Tables, random.Random], None]:
    """A row given to somebody else."""

    def act(tables: Tables, rng: random.Random) -> None:
        row = rng.choice(entries(tables))
        row[column] = f"{row[column]}x"

    return act


def delete(tables: Tables, rng: random.Random) -> None:
    """An entry taken out; the last ones, too."""
    place = rng.randrange(SIZE)
    del tables["audit_entry"][place], tables["audit_body"][place]


def delete_and_close_up(tables: Tables, rng: random.Random) -> None:
    """An entry taken out, the later ones moved up, and the head put right."""
    delete(tables, rng)
    for name in ("audit_entry", "audit_body"):
        for place, row in enumerate(tables[name]):
            row["idx"] = place
    for row in entries(tables):
        row["head_size"] = row["idx"] + 1
    put_right(tables)


def insert(tables: Tables, rng: random.Random) -> None:
    """A copy of an entry behind the head, under a new name."""
    row = dict(rng.choice(entries(tables)))
    tables["audit_entry"].append(
        row | {"idx": SIZE, "head_size": SIZE + 1, "event_id": other_event(row["event_id"]), "stream_seq": 9999}
    )


def insert_and_count(tables: Tables, rng: random.Random) -> None:
    """The same, and the head counts it."""
    insert(tables, rng)
    put_right(tables)


def swap(tables: Tables, rng: random.Random) -> None:
    """Two entries in each other's place."""
    one, two = rng.sample(entries(tables), 2)
    for name in ("entry", "leaf", "body_sha256", "body_length", "recorded_at", "status", "kind"):
        one[name], two[name] = two[name], one[name]
    if one["entry"] == two["entry"]:
        raise AssertionError


def swap_bodies(tables: Tables, rng: random.Random) -> None:
    one, two = rng.sample(tables["audit_body"], 2)
    one["body"], two["body"] = two["body"], one["body"]


def truncate(tables: Tables, rng: random.Random) -> None:
    """The end cut off, with everything put right: what an old backup looks like, too."""
    ends = sorted({row["head_size"] for row in entries(tables)} - {SIZE})
    cut_at(tables, rng.choice(ends))


def cut_at(tables: Tables, size: int) -> None:
    for name in ("audit_entry", "audit_body"):
        tables[name] = [row for row in tables[name] if row["idx"] < size]
    put_right(tables)


def truncate_alone(tables: Tables, rng: random.Random) -> None:
    """The end cut off, and nothing else."""
    size = rng.randrange(1, SIZE)
    tables["audit_entry"] = [row for row in entries(tables) if row["idx"] < size]


def fork(tables: Tables, rng: random.Random) -> None:
    """One entry rewritten, and all that follows from it: streams, leaves, tiles, head."""
    place = rng.randrange(SIZE)
    row = entries(tables)[place]
    row["entry"] = row["entry"].replace(b'"status":200', b'"status":%d' % rng.choice([201, 204, 500]))
    row["status"] = int(row["entry"].partition(b'"status":')[2][:3])
    last: dict[bytes, bytes] = {}
    for row in entries(tables):
        before = digest_text(last.get(row["stream"], FIRST)).encode()
        head, mark, rest = bytes(row["entry"]).partition(b'"stream_prev":"')
        row["entry"] = head + mark + before + rest[len(before) :]
        row["leaf"] = leaf_hash(row["entry"])
        last[row["stream"]] = row["leaf"]
    put_right(tables)


def put_right(tables: Tables) -> None:
    """Head and tiles as they follow from the leaves."""
    leaves = [bytes(row["leaf"]) for row in entries(tables)]
    tree, tiles = Frontier().appended(leaves), TileHashes()
    tiles.add(leaves)
    tables["log_head"][0] |= {"size": tree.size, "root": tree.root, "frontier": tree.packed()}
    tables["merkle_tile"] = [
        row | {"hashes": hashes} for row in tables["merkle_tile"] if (hashes := tiles.at(row["level"], row["number"]))
    ]


def other_event(value: Any) -> Any:
    """An event id that nothing has, as the store writes it."""
    number = (2**127).to_bytes(16, "big")
    return number if isinstance(value, bytes) else uuid.UUID(bytes=number)


MUTATIONS: dict[str, tuple[Callable[[Tables, random.Random], None], set[str]]] = {
    "entry": (flip("audit_entry", "entry"), {"audit_entry"}),
    "leaf": (flip("audit_entry", "leaf"), {"audit_entry"}),
    "body": (flip("audit_body", "body"), {"audit_body"}),
    "tile": (flip("merkle_tile", "hashes"), {"merkle_tile"}),
    "frontier": (flip("log_head", "frontier"), {"log_head"}),
    "root": (flip("log_head", "root"), {"log_head"}),
    "secret": (flip("tenant", "stream_secret"), {"tenant"}),
    "digest": (flip("audit_entry", "body_sha256"), {"audit_entry"}),
    "stream": (flip("audit_entry", "stream"), {"audit_entry"}),
    "status": (shift("status"), {"audit_entry"}),
    "length": (shift("body_length"), {"audit_entry"}),
    "number": (shift("stream_seq"), {"audit_entry"}),
    "batch": (shift("head_size"), {"audit_entry"}),
    "tenant": (rename("tenant_id"), {"audit_entry"}),
    "kind": (rename("kind"), {"audit_entry"}),
    "portfolio": (rename("portfolio_id"), {"audit_entry"}),
    "delete": (delete, {"audit_entry", "audit_body"}),
    "delete and close up": (delete_and_close_up, set(TABLES)),
    "insert": (insert, {"audit_entry"}),
    "insert and count": (insert_and_count, set(TABLES)),
    "swap": (swap, {"audit_entry"}),
    "swap bodies": (swap_bodies, {"audit_body"}),
    "truncate": (truncate, set(TABLES)),
    "truncate alone": (truncate_alone, {"audit_entry"}),
    "fork": (fork, set(TABLES)),
}
HEAD_MUTATIONS = ("note", "signature")


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = f"sqlite:///{tmp_path / 'audit.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate(url)
    return Store(url)


@dataclass
class Case:
    """A log with its tiles, the hand of its owner, and a head that somebody kept, as a file."""

    hand: Hand
    tree: LogTree
    early: LogState
    kept: Checkpoint
    note: Path
    key: VerifierKey

    async def verify(self, *kept: Checkpoint) -> Verified:
        """The whole in one piece, and in parts of 256 rows, which must find as much."""

        async def parts() -> AsyncIterator[Part]:
            for start, end in segments(state.size, 8):
                yield await verify_segment(self.tree, start, end, kept, bodies=True)

        def advance(done: int, total: int) -> None:
            assert done <= total

        state = await self.tree.head()
        whole = await verify_log(self.tree, kept, bodies=True, advance=advance)
        joined = await join_segments(self.tree, state, kept, parts(), bodies=True, advance=advance)
        assert bool(joined.findings) == bool(whole.findings), (whole.findings, joined.findings)
        if not whole.findings:
            assert joined == whole
        return whole


@pytest.fixture
async def case(store: Store, tmp_path: Path) -> AsyncIterator[Case]:
    async with store.open() as database:
        await fill(database, EARLY)
        early = await database.tree.head()
        for _ in range(SIZE - EARLY):
            await fill(database, 1)
        await prove_inclusion(database.tree, SIZE - 1, SIZE)  # a tile is stored when it is first needed
        state = await database.tree.head()
    signer = load_signer(tmp_path / "log.key", create=True)
    note = tmp_path / "head.txt"
    note.write_text(signed_checkpoint(state, signer))
    async with Hand(store) as hand, open_tree(store.url) as tree:
        kept = Checkpoint(state.origin, state.size, state.root)
        yield Case(hand, tree, early, kept, note, signer.public(state.origin))


async def check_mutations(case: Case, count: int) -> None:
    assert (await case.verify(case.kept)).findings == ()
    missed: list[tuple[int, str]] = []
    tried: Counter[str] = Counter()
    for seed, name in zip(range(count), itertools.cycle([*MUTATIONS, *HEAD_MUTATIONS]), strict=False):
        rng = random.Random(seed)
        tried[name] += 1
        found = head_refused(case, name, rng) if name in HEAD_MUTATIONS else await changed(case, name, rng)
        if not found:
            missed.append((seed, name))
    assert missed == []
    assert sum(tried.values()) == count and len(tried) == len(MUTATIONS) + len(HEAD_MUTATIONS)
    assert (await case.verify(case.kept)).findings == (), "everything is as it was"


async def changed(case: Case, name: str, rng: random.Random) -> bool:
    act, touched = MUTATIONS[name]
    tables = {table: [dict(row) for row in rows] for table, rows in case.hand.sound.items()}
    act(tables, rng)
    for table in touched:
        await case.hand.put(table, tables[table])
    try:
        return bool((await case.verify(case.kept)).findings)
    finally:
        await case.hand.restore(touched)


def head_refused(case: Case, name: str, rng: random.Random) -> bool:
    """A kept head that was changed is no head: it is told, not passed over."""
    raw = case.note.read_bytes()
    text, blank, signatures = raw.rpartition(b"\n\n")
    changed = flipped(text, rng) + blank + signatures if name == "note" else text + blank + flipped(signatures, rng)
    path = case.note.with_name("changed.txt")
    path.write_bytes(changed)
    try:
        found = read_checkpoint(path, case.key)
    except Failure:
        return True
    return found == case.kept and changed == raw


async def test_what_a_kept_head_can_reveal_is_found(case: Case) -> None:
    await check_mutations(case, 54)


@pytest.mark.faults
async def test_what_a_kept_head_can_reveal_is_found_five_hundred_times(case: Case) -> None:
    await check_mutations(case, 500)


async def test_an_old_backup_is_found_by_whoever_kept_a_head_and_by_nobody_else(case: Case) -> None:
    """The honest limit: everything is in order, and the end is missing."""
    tables = {table: [dict(row) for row in rows] for table, rows in case.hand.sound.items()}
    cut_at(tables, EARLY)
    for table in TABLES:
        await case.hand.put(table, tables[table])
    alone = await case.verify()
    assert (alone.findings, alone.size, alone.root) == ((), EARLY, case.early.root)
    assert (await case.verify(Checkpoint(case.early.origin, EARLY, case.early.root))).findings == ()
    found = await case.verify(case.kept)
    assert [item.what for item in found.findings] == [
        f"a checkpoint of size {SIZE} was signed: the end of the log is missing"
    ]


async def test_a_check_beside_a_writer_does_not_take_new_rows_for_forged_ones(store: Store) -> None:
    async with store.open() as database:
        await fill(database, 10)

        async def write() -> None:
            for _ in range(20):
                await fill(database, 1)

        async def look() -> list[Any]:
            async with open_tree(store.url) as tree:
                return [(await verify_log(tree, [], bodies=True, advance=lambda a, b: None)).findings for _ in range(8)]

        _, found = await asyncio.gather(write(), look())
    assert found == [()] * 8
