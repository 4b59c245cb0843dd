"""Bytes and time that one audited evaluation costs: `python -m tests.benchmark.audit_storage`, half a minute.

A caller sends the last 500 daily closes of 20 markets once a bar, so each window but its first and last value was in
the call before. Beside what is built, on the same recorded bodies: a frame each, with the trained dictionary; chunks
cut by their content (a rolling hash over 16 bytes); chunks of 64 bars, aligned by the time of the series. The last two
are sketches that count bytes: chunks and what is left are compressed, a reference takes the 32 bytes of its digest.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import zstandard

from app.adapters.audit_bases import Bases
from app.adapters.audit_codec import encode_body
from app.lifespan import open_container
from app.ports import AuditRecord, StoredEntry
from app.settings import Settings
from tests.support.audit import record
from tests.support.http import client_of
from tests.support.requests import closes, smallest

MARKETS, BARS, CALLS, WARM = 20, 500, 100, 10
DIGEST = 32
FIRST = datetime(2026, 8, 1, tzinfo=UTC)


def request(turn: int, prices: list[list[float]]) -> bytes:
    """The call at one bar."""
    end = f"{FIRST + timedelta(days=turn):%Y-%m-%dT00:00:00Z}"
    names = [f"COIN{n}-PERP" for n in range(MARKETS)]
    windows = {name: row[turn : turn + BARS] for name, row in zip(names, prices, strict=True)}
    series = [
        {"symbol": name, "interval": "P1D", "end": end, "calendar": "24/7", "close": windows[name]} for name in names
    ]
    positions = [
        {"symbol": name, "quantity": f"{(n - 10) * (1 + turn / 100):.3f}", "mark_price": str(windows[name][-1])}
        for n, name in enumerate(names)
    ]
    signals = [{"symbol": name, "direction": round((n % 5 - 2) / 2, 2)} for n, name in enumerate(names)]
    account = {"equity": f"{100_000 + 13.7 * turn:.2f}", "currency": "USD"}
    as_of = end.replace("00Z", "05Z")
    return orjson.dumps(smallest(as_of=as_of, account=account, positions=positions, series=series, signals=signals))


async def recorded() -> list[StoredEntry]:
    """Entries of a service that was called so."""
    prices = [closes(n, BARS + CALLS, 50 + 7 * n) for n in range(MARKETS)]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), log_level="WARNING")
        async with open_container(settings) as container, client_of(container) as http:
            for turn in range(CALLS):
                sent = request(turn, prices)
                answer = await http.post("/v1/evaluations", content=sent, headers={"Content-Type": "application/json"})
                assert answer.status_code == 200, answer.text
            return [item.entry for item in await container.audit.tail(after=-1, limit=CALLS)]


def records(entries: list[StoredEntry], *, window_only: bool) -> Iterator[AuditRecord]:
    """The same as records, a day apart; without the answers where only the windows count."""
    for turn, entry in enumerate(entries):
        at = FIRST + timedelta(days=turn)
        response = b"" if window_only else entry.response
        yield record(
            recorded_at=at, request=entry.request, response=response, state=entry.state, versions=entry.versions
        )


def encoded(entries: list[StoredEntry], bases: Bases | None, *, window_only: bool) -> tuple[float, list[float]]:
    """Mean bytes after the first ten calls, chunks among them, and the time of each [µs]."""
    sizes, times, chunks = [], [], set[bytes]()
    for item in records(entries, window_only=window_only):
        started = time.perf_counter()
        body = encode_body(item, bases)
        times.append(1e6 * (time.perf_counter() - started))
        size = len(body.blob)
        if body.base is not None:
            size += DIGEST
            if body.base.sha256 not in chunks:
                chunks.add(body.base.sha256)
                size += len(body.base.chunk)
        sizes.append(size)
    return statistics.fmean(sizes[WARM:]), times[WARM:]


def compressed(data: bytes) -> int:
    return len(zstandard.compress(data, 3))


def by_content(entries: list[StoredEntry], bits: int, *, window_only: bool) -> float:
    """Chunks of about `2 ** bits` bytes that end where a rolling hash says so."""
    gear = np.random.default_rng(1).integers(0, 2**32, 256, dtype=np.uint64)
    seen, sizes = set[bytes](), []
    for entry in entries:
        values = gear[np.frombuffer(entry.request, np.uint8)]
        rolling = np.zeros(len(values), np.uint64)
        for shift in range(16):
            rolling[shift:] += values[: len(values) - shift] << np.uint64(shift)
        ends = np.flatnonzero((rolling & np.uint64(((1 << bits) - 1) << 16)) == 0) + 1
        cuts = [0, *(int(end) for end in ends if end < len(values)), len(values)]
        size = 0 if window_only else compressed(entry.response + entry.state + entry.versions)
        for start, stop in itertools.pairwise(cuts):
            chunk = entry.request[start:stop]
            digest = hashlib.sha256(chunk).digest()
            size += DIGEST
            if digest not in seen:
                seen.add(digest)
                size += DIGEST + compressed(chunk)
        sizes.append(size)
    return statistics.fmean(sizes[WARM:])


def by_bars(entries: list[StoredEntry], count: int, *, window_only: bool) -> float:
    """Chunks of `count` bars; the first of a window may be the end of a chunk, the last lies in the body."""
    seen, sizes = set[tuple[str, int]](), []
    for turn, entry in enumerate(entries):
        document, size, inline = orjson.loads(entry.request), 0, []
        for row in document["series"]:
            values, place = row["close"], 0
            while place < len(values):
                stop = min(len(values), place + count - (turn + place) % count)
                name, text = (row["symbol"], (turn + place) // count), orjson.dumps(values[place:stop])
                if name in seen and (stop - place == count or place == 0):
                    size += DIGEST
                elif stop - place == count:
                    seen.add(name)
                    size += 2 * DIGEST + compressed(text)
                else:
                    inline.append(text)
                place = stop
            row["close"] = []
        rest = b"" if window_only else entry.response + entry.state + entry.versions
        sizes.append(size + compressed(orjson.dumps(document) + b"".join(inline) + rest))
    return statistics.fmean(sizes[WARM:])


def main() -> None:
    """Print the table."""
    entries = asyncio.run(recorded())
    first = entries[0]
    print(
        f"request {len(first.request):,} B, answer {len(first.response):,} B, the last {CALLS - WARM} of {CALLS} calls"
    )
    print("| stored as | window, B a call | whole evaluation, B a call | encoding, µs (median) | mean |")
    print("|---|---|---|---|---|")
    made: list[tuple[str, Callable[[], Bases | None]]] = [("a frame each (before)", lambda: None), ("on a base", Bases)]
    for name, bases in made:
        window, _ = encoded(entries, bases(), window_only=True)
        whole, times = encoded(entries, bases(), window_only=False)
        print(
            f"| {name} | {window:,.0f} | {whole:,.0f} "
            f"| {statistics.median(times):,.0f} | {statistics.fmean(times):,.0f} |"
        )
    for bits in (8, 9, 10):
        window, whole = (by_content(entries, bits, window_only=only) for only in (True, False))
        print(f"| chunks by content, about {2**bits} B | {window:,.0f} | {whole:,.0f} | | |")
    for count in (32, 64, 128):
        window, whole = (by_bars(entries, count, window_only=only) for only in (True, False))
        print(f"| chunks of {count} bars | {window:,.0f} | {whole:,.0f} | | |")


if __name__ == "__main__":
    main()
