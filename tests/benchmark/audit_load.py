"""A process that appends for some seconds: `python -m tests.benchmark.audit_load URL MODE CLIENTS SECONDS RECORD`.

It prints ``ready``, waits for a line on standard input, and leaves one JSON object beside the record, named by its
process id: the latencies, and the seconds of each stage of its writer. Modes: ``batch`` as the service runs; ``row``
the same code with batches of one; ``plain`` rows without a tree, each in a transaction of its own, over as many
connections as help (PostgreSQL).
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from app.adapters import audit_batch, postgres_audit, postgres_writer, sqlite_audit, sqlite_writer
from app.adapters.audit_codec import encode_body, event_uuid
from app.adapters.database import open_database
from app.adapters.database_url import PostgresUrl, parse_database_url
from app.ids import new_id
from app.ports import AuditRecord
from app.telemetry import LAG_PERIOD
from tests.support.audit import START

PLAIN_CONNECTIONS = 16
WARM_UP_SECONDS = 1.0
APPEND_SECONDS = 30.0
PLAIN_ENTRY = (
    "INSERT INTO plain_entry (event_id, recorded_at, tenant_id, kind, status, body_sha256, body) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
PLAIN_TABLE = """
CREATE TABLE IF NOT EXISTS plain_entry (idx bigserial PRIMARY KEY, event_id uuid NOT NULL UNIQUE,
    recorded_at timestamptz NOT NULL, tenant_id text NOT NULL, kind text NOT NULL, status smallint NOT NULL,
    body_sha256 bytea NOT NULL, body bytea NOT NULL)
"""
STATEMENTS = (
    ("BEGIN", "begin"),
    ("COMMIT", "commit"),
    (postgres_audit._LOCK, "lock"),
    (postgres_audit._KNOWN, "read"),
    (postgres_audit._STREAM_HEADS, "read"),
    (postgres_audit._WRITE, "write"),
)
Append = Callable[[AuditRecord], Any]


class Stages:
    """Seconds of each stage: the functions of the writer are wrapped, it does not know of it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.batches = 0

    def timed(self, owner: Any, name: str, stage: str) -> None:
        """Time a function; what it calls of other stages counts for both."""
        inner = getattr(owner, name)

        def outer(*arguments: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return inner(*arguments, **named)
            finally:
                self.seconds[stage] += time.perf_counter() - begun

        setattr(owner, name, outer)

    def statements(self) -> None:
        """Time what goes to PostgreSQL, by statement."""
        for name in ("execute", "fetch", "fetchrow"):
            self._statement(name, getattr(asyncpg.Connection, name))

    def _statement(self, name: str, inner: Any) -> None:
        async def outer(connection: Any, text: str, *arguments: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return await inner(connection, text, *arguments, **named)
            finally:
                stage = next((found for start, found in STATEMENTS if text.startswith(start)), "other")
                self.seconds[stage] += time.perf_counter() - begun
                self.batches += stage == "commit"

        setattr(asyncpg.Connection, name, outer)


def fresh(template: AuditRecord, number: int) -> AuditRecord:
    """A record of its own: eight portfolios take turns."""
    return replace(template, event_id=new_id("ev", START), portfolio_id=f"pf_{number % 8}")


async def load(append: Append, template: AuditRecord, clients: int, seconds: float) -> dict[str, Any]:
    """Closed loops; what ends within the time after the warm-up counts."""
    begun = time.perf_counter() + WARM_UP_SECONDS
    end = begun + seconds
    latencies: list[float] = []
    lags: list[float] = []
    processor = 0.0

    async def client(number: int) -> None:
        while (sent := time.perf_counter()) < end:
            await append(fresh(template, number))
            now = time.perf_counter()
            if begun <= now < end:
                latencies.append(now - sent)

    async def watch() -> None:
        nonlocal processor
        await asyncio.sleep(WARM_UP_SECONDS)
        processor = time.process_time()
        while (asked := time.perf_counter()) < end:
            await asyncio.sleep(LAG_PERIOD / 25)
            lags.append(time.perf_counter() - asked - LAG_PERIOD / 25)
        processor = time.process_time() - processor

    await asyncio.gather(watch(), *(client(number) for number in range(clients)))
    return {"latencies": latencies, "largest_lag": max(lags, default=0.0), "processor": processor}


async def through_the_log(url: str, mode: str, clients: int, seconds: float, template: AuditRecord) -> dict[str, Any]:
    """Append as the service does."""
    stages = Stages()
    stages.statements()
    for module in (postgres_writer, sqlite_writer, audit_batch):
        stages.timed(module, "encode_all", "encode")
    for module in (postgres_audit, sqlite_audit):
        stages.timed(module, "seal_batch", "seal")
    if mode == "row":
        postgres_writer.MAX_BATCH = sqlite_writer.MAX_BATCH = 1
    async with open_database(url) as database:
        await until_told()
        log = database.audit
        found = await load(lambda item: log.append(item, timeout=APPEND_SECONDS), template, clients, seconds)
        activity = log.activity()
    return {**found, "stages": stages.seconds, "batches": activity.batches, "entries": activity.entries}


async def plainly(url: str, clients: int, seconds: float, template: AuditRecord) -> dict[str, Any]:
    """Append rows without a tree, a transaction each."""
    target = parse_database_url(url)
    assert isinstance(target, PostgresUrl)
    async with asyncpg.create_pool(target.dsn, min_size=PLAIN_CONNECTIONS, max_size=PLAIN_CONNECTIONS) as pool:
        await pool.execute(PLAIN_TABLE)
        await until_told()

        async def append(item: AuditRecord) -> None:
            body = encode_body(item)
            row = (event_uuid(item.event_id), item.recorded_at, item.tenant_id, item.kind.value, item.status)
            await pool.execute(PLAIN_ENTRY, *row, body.sha256, body.blob)

        found = await load(append, template, clients, seconds)
    count = len(found["latencies"])
    return {**found, "stages": {}, "batches": count, "entries": count}


async def until_told() -> None:
    """Wait for the others."""
    os.write(1, b"ready\n")
    await asyncio.to_thread(sys.stdin.readline)


def main() -> None:
    """Run and leave what was found."""
    url, mode, clients, seconds, path = sys.argv[1:6]
    template: AuditRecord = pickle.loads(Path(path).read_bytes())
    work = (
        plainly(url, int(clients), float(seconds), template)
        if mode == "plain"
        else through_the_log(url, mode, int(clients), float(seconds), template)
    )
    found = uvloop.run(work)
    Path(path).with_name(f"{os.getpid()}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
