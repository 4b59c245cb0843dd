"""What the verifiable log costs: a receipt with an evaluation, a proof later on, and a check of the whole.

Hypotheses: sealing a record is a few hashes, some 20 µs in a batch; its proof walks 17 levels in Python, some 200 µs; a
receipt in an answer adds one Ed25519 signature; a proof of a stored log reads two tiles a level and is independent of
its length once the tiles are stored. A check is linear in the rows: one regular expression, four hashes, a tenth of the
time in the tree. Processor time of this process beside wall time: the machine may be shared. Nothing is asserted about
time.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.adapters.audit_batch import encode_entry
from app.adapters.audit_seal import LogHead, seal_batch
from app.adapters.database import open_database, open_tree
from app.adapters.log_key import load_cosigner, load_signer, write_new
from app.adapters.schema import migrate
from app.log_ports import LogTree
from app.signatures import check_signature
from app.usecases.export_log import rows_of, span_of
from app.usecases.prove import prove_consistency, prove_inclusion, receipt_of, signed_checkpoint
from app.usecases.verify_log import verify_log
from services.audit.frontier import Frontier
from services.audit.note import Checkpoint, cosignature
from services.audit.receipt import check_receipt
from tests.support.audit import record

pytestmark = pytest.mark.benchmark
ROWS = 20_000
CLOSES = b'{"close":[' + b",".join(b"%d.5" % (90_000 + place) for place in range(100)) + b'],"n":%d}'


def micro(call: Callable[[], object], repeats: int = 300) -> float:
    """Median [µs]."""
    call()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return 1e6 * statistics.median(taken)


async def micro_async(call: Callable[[], Awaitable[object]], repeats: int = 300) -> float:
    """Median [µs]."""
    await call()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - start)
    return 1e6 * statistics.median(taken)


def test_a_receipt_and_a_proof(tmp_path: Path) -> None:
    secret = bytes(32)
    batch = [encode_entry(record(response=CLOSES % place, proof=True), secret) for place in range(64)]
    plain = [encode_entry(record(response=CLOSES % place), secret) for place in range(64)]
    before = Frontier().appended([bytes(32)] * 100_003)
    head = LogHead("risk.example/log1", before)
    sealed = micro(lambda: seal_batch(head, list(enumerate(plain, before.size)), {}).seals(), 50) / 64
    proved = micro(lambda: seal_batch(head, list(enumerate(batch, before.size)), {}).seals(), 50) / 64
    signer = load_signer(tmp_path / "log.key", create=True)
    text = Checkpoint("risk.example/log1", 100_067, bytes(32)).text()
    signed = micro(lambda: signer.sign(text.encode()))
    write_new(tmp_path / "mldsa.pem", mldsa=True)
    mldsa = load_cosigner(tmp_path / "mldsa.pem")
    key = mldsa.public("risk.example/log1")
    postquantum = micro(lambda: cosignature(key, mldsa.sign, text, 0))
    print(
        f"\na record, sealed in a batch of 64: {sealed:.0f} µs; with its proof {proved:.0f} µs; a head signed with "
        f"Ed25519 {signed:.0f} µs, with ML-DSA-44 {postquantum:.0f} µs"
    )


async def test_a_stored_log(tmp_path: Path) -> None:
    async with filled(tmp_path) as tree:
        state = await tree.head()
        signer = load_signer(tmp_path / "log.key", create=True)
        inclusion = await micro_async(lambda: prove_inclusion(tree, ROWS // 3, ROWS))
        consistency = await micro_async(lambda: prove_consistency(tree, ROWS // 3, ROWS))
        [row] = await tree.stored(start=ROWS // 3, limit=1, bodies=False)
        logged = await tree.entry_of("local", row.event_id)
        assert logged is not None
        receipt = await receipt_of(tree, logged, state.origin, signer)
        later = await micro_async(lambda: receipt_of(tree, logged, state.origin, signer))
        key = signer.public(state.origin)
        checked = micro(lambda: check_receipt(receipt, logged.entry, key, check_signature))
        head = len(signed_checkpoint(state, signer))
        print(
            f"\nof {ROWS} entries: inclusion proof {inclusion:.0f} µs, consistency proof {consistency:.0f} µs, receipt "
            f"{later:.0f} µs and {len(receipt)} bytes, checked in {checked:.0f} µs; head of {head} bytes"
        )
        for bodies in (False, True):
            wall, cpu = time.perf_counter(), time.process_time()
            found = await verify_log(tree, [], bodies=bodies, advance=lambda done, total: None)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            assert (found.findings, found.size) == ((), ROWS)
            what = "rows and bodies" if bodies else "rows"
            print(f"verify, {what}: {ROWS / wall:,.0f} a second, {ROWS / cpu:,.0f} a second of processor time")
        wall, cpu = time.perf_counter(), time.process_time()
        span = await span_of(tree, 0, None)
        count = sum([len(rows) async for rows in rows_of(tree, span, bodies=True)])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert count == ROWS
        print(f"read for an export: {ROWS / wall:,.0f} a second, {ROWS / cpu:,.0f} a second of processor time")


@asynccontextmanager
async def filled(folder: Path) -> AsyncIterator[LogTree]:
    """An embedded log, to be read."""
    url = f"sqlite:///{folder / 'audit.db'}"
    migrate(url)
    async with open_database(url) as database:
        for first in range(0, ROWS, 2_000):
            made = [
                record(portfolio_id=f"pf_{place % 50}", response=CLOSES % place)
                for place in range(first, first + 2_000)
            ]
            await asyncio.gather(*(database.audit.append(item, timeout=120) for item in made))
        await prove_inclusion(database.tree, ROWS - 1, ROWS)
    async with open_tree(url) as tree:
        yield tree
