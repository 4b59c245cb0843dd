"""Every kind of change of a stored log is found (R21): single bytes of every column, rows taken, added and exchanged, a
cut end, a restored backup, a fork. A head that was kept outside reveals what the log alone cannot.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.adapters.database import open_database, open_tree
from app.adapters.log_key import FileSigner, load_signer
from app.adapters.schema import migrate
from app.signatures import check_signature
from app.usecases.prove import prove_inclusion, signed_checkpoint
from app.usecases.verify_log import Verified, verify_log
from services.audit.note import Checkpoint, verified_checkpoint
from services.core.errors import InvalidInput
from tests.fault.harness import Row, sizes
from tests.support.audit import record

ENTRIES, EARLIER = 560, 300
"""Length of the log, of which two full tiles are stored; and of the backup that was taken of it."""
NOT_COMMITTED = {
    "audit_entry": {"log_id", "stored_length", "client_reference", "head_size"},
    "audit_body": {"log_id", "idx", "base_sha256"},
    "merkle_tile": {"log_id"},
    "log_head": {"log_id", "verifier_key", "room", "partition_rows"},
}
"""Columns that no hash covers: where and how bytes are kept (with another base no body comes out); a copy of the
client's reference, which is covered in its body; the head that a receipt is for, any later one being as good; the key:
with another the service does not start."""


async def append(path: Path, count: int, mark: str) -> Checkpoint:
    """Append records; the head afterwards."""
    async with open_database(f"sqlite:///{path}") as database:
        items = [record(portfolio_id=f"pf_{n % 3}", request=f"{mark}{n}".encode()) for n in range(count)]
        for place in range(0, count, 100):
            await asyncio.gather(*(database.audit.append(item, timeout=60) for item in items[place : place + 100]))
        head = await database.tree.head()
        for index in range(0, head.size, 256):  # a proof leaves the tiles that it needed
            await prove_inclusion(database.tree, index, head.size)
        return Checkpoint(head.origin, head.size, head.root)


async def verified(path: Path, *kept: Checkpoint) -> Verified:
    """What a check of the file finds."""
    async with open_tree(f"sqlite:///{path}") as tree:
        return await verify_log(tree, list(kept), bodies=True, advance=lambda *_: None)


@contextmanager
def owner(path: Path) -> Iterator[sqlite3.Connection]:
    """What the owner of a file can do: the guards are off."""
    connection = sqlite3.connect(path, isolation_level=None)
    triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("PRAGMA ignore_check_constraints = 1")
    yield connection
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def columns_of(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Every column that holds something of the log."""
    tables = ("audit_entry", "audit_body", "log_head", "merkle_tile")
    return [
        (table, row[1])
        for table in tables
        for row in connection.execute(f"PRAGMA table_info({table})")
        if row[1] not in NOT_COMMITTED.get(table, {"log_id", "idx"})
    ]


def altered(value: Any, rng: random.Random) -> Any:
    """Another value: one bit of bytes, one character of a text, another number."""
    if isinstance(value, bytes) and value:
        place = rng.randrange(len(value))
        return value[:place] + bytes([value[place] ^ (1 << rng.randrange(8))]) + value[place + 1 :]
    if isinstance(value, str) and value:
        place = rng.randrange(len(value))
        return value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :]
    if isinstance(value, int):
        return value + rng.randrange(1_000, 100_000)
    return "x"


def flip(connection: sqlite3.Connection, place: tuple[str, str], rng: random.Random) -> str:
    """One value of one row of a column."""
    table, column = place
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    query = f"SELECT rowid, {column} FROM {table} LIMIT 1 OFFSET ?"
    while True:
        rowid, value = connection.execute(query, (rng.randrange(count),)).fetchone()
        try:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (altered(value, rng), rowid))
        except sqlite3.IntegrityError:  # it would be another one's id, of which the store takes none twice
            continue
        return f"{table}.{column}"


def delete(connection: sqlite3.Connection, rng: random.Random) -> str:
    """An entry."""
    connection.execute("DELETE FROM audit_entry WHERE idx = ?", (rng.randrange(ENTRIES),))
    return "row deleted"


def insert(connection: sqlite3.Connection, rng: random.Random) -> str:
    """An entry of another one's bytes behind the end."""
    names = [row[1] for row in connection.execute("PRAGMA table_info(audit_entry)")]
    values = {name: name for name in names} | {"idx": str(ENTRIES), "event_id": "randomblob(16)"}
    values["stream_seq"] = "stream_seq + 1000"  # the store takes no number of a stream twice
    chosen = ", ".join(values[name] for name in names)
    query = f"INSERT INTO audit_entry ({', '.join(names)}) SELECT {chosen} FROM audit_entry WHERE idx = ?"
    connection.execute(query, (rng.randrange(ENTRIES),))
    connection.execute("UPDATE log_head SET size = size + 1")
    return "row inserted"


def swap(connection: sqlite3.Connection, rng: random.Random) -> str:
    """Two entries change places."""
    one, two = rng.sample(range(ENTRIES), 2)
    for source, target in ((one, -1), (two, one), (-1, two)):
        connection.execute("UPDATE audit_entry SET idx = ? WHERE idx = ?", (target, source))
    return "rows exchanged"


def cut(connection: sqlite3.Connection, rng: random.Random) -> str:
    """The last entries, and the size of the head with them."""
    size = ENTRIES - rng.randrange(1, 50)
    connection.execute("DELETE FROM audit_entry WHERE idx >= ?", (size,))
    connection.execute("UPDATE log_head SET size = ?", (size,))
    return "end cut off, head not"


@sizes((1_000,), (48,))
async def test_every_change_is_found(tmp_path: Path, size: tuple[int, ...], fault_table: Row) -> None:
    (count,) = size
    sound, backup, changed = tmp_path / "sound.db", tmp_path / "backup.db", tmp_path / "changed.db"
    await asyncio.to_thread(migrate, f"sqlite:///{sound}")
    await append(sound, EARLIER, "early")
    with owner(sound):
        pass
    shutil.copy(sound, backup)
    kept = await append(sound, ENTRIES - EARLIER, "late")
    with owner(sound) as connection:
        columns = columns_of(connection)
    assert (await verified(sound, kept)).findings == ()
    rng, made, missed = random.Random(2024), Counter[str](), Counter[str]()
    for number in range(count):
        shutil.copy(sound, changed)
        with owner(changed) as connection:
            if number % 6:
                what = flip(connection, columns[number % len(columns)], rng)
            else:
                what = rng.choice((delete, insert, swap, cut))(connection, rng)
        made[what] += 1
        missed[what] += not (await verified(changed, kept)).findings
    assert +missed == Counter(), f"of {dict(made)}"
    notes = await altered_notes(sound, tmp_path, rng, count // 10)
    alone = await only_a_kept_head_shows(backup, changed, kept)
    fault_table(
        "R21",
        f"{count + notes} changes of a stored log",
        load=f"{ENTRIES} entries, {len(columns)} columns, {len(made)} kinds of change, {notes} altered signed heads",
        stored=ENTRIES,
        recovery="–",
        besides=f"0 missed; {' and '.join(alone)} show only against a head that was kept",
    )


async def altered_notes(path: Path, folder: Path, rng: random.Random, count: int) -> int:
    """One bit of a signed head, wherever it is, and it is refused."""
    signer: FileSigner = load_signer(folder / "log.key", create=True)
    async with open_tree(f"sqlite:///{path}") as tree:
        head = await tree.head()
        note, key = signed_checkpoint(head, signer), signer.public(head.origin)
    assert verified_checkpoint(note, key, check_signature).size == ENTRIES
    for _ in range(count):
        raw = altered(note.encode(), rng)
        try:
            found = verified_checkpoint(raw.decode(errors="replace"), key, check_signature)
        except InvalidInput:
            continue
        raise AssertionError(f"{raw!r} passes as {found}")
    return count


async def only_a_kept_head_shows(backup: Path, changed: Path, kept: Checkpoint) -> Sequence[str]:
    """A restored backup, and a fork of it: whole logs, of which only a head from outside knows that they are others."""
    shutil.copy(backup, changed)
    for what in (lambda: asyncio.sleep(0), lambda: append(changed, ENTRIES - EARLIER, "other")):
        await what()
        assert (await verified(changed)).findings == (), "documented: the log alone cannot show it"
        assert (await verified(changed, kept)).findings
    return "a restored backup", "a fork"
