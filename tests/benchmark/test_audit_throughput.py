"""Entries per second of the audit log beside one commit a row, on the same server in the same run.

Hypothesis: one transaction for everything that waits gives at least five times the entries of a transaction each, with
the same tree and the same promise; 200 callers wait 30 ms at most (99 %). Small entries cost their rows, a full answer
of 20 symbols costs its field tree and its compression. Growth: a batch costs its commit once, and every entry a
constant. `make bench` prints the table and the bound that the disk sets; only counts are asserted.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from app.adapters.schema import migrate
from app.container import LOCAL_TENANT
from app.lifespan import open_container
from app.ports import AuditRecord
from app.settings import Settings
from tests import servers
from tests.benchmark.comparison import table
from tests.benchmark.document import conditions, markdown, write
from tests.support.audit import record
from tests.support.bodies import book, observations
from tests.support.http import client_of
from tests.support.service import ROOT

pytestmark = pytest.mark.benchmark
CLIENTS = 200
SECONDS = float(os.environ.get("AUDIT_BENCH_SECONDS", "4"))
SYNC_SECONDS = 1.0
SYNC_BYTES = 8192
WAYS = (
    ("PostgreSQL, a row a transaction, no tree", "postgres", "plain", 1),
    ("PostgreSQL, a row a transaction", "postgres", "row", 1),
    ("PostgreSQL, 1 process", "postgres", "batch", 1),
    ("PostgreSQL, 2 processes", "postgres", "batch", 2),
    ("PostgreSQL, 4 processes", "postgres", "batch", 4),
    ("SQLite, a row a transaction", "sqlite", "row", 1),
    ("SQLite", "sqlite", "batch", 1),
)
HEADER = ("", "entries/s", "p50 ms", "p99 ms", "a batch", "processor µs an entry", "stages of the writer's time, %")


async def real_record(folder: Path) -> AuditRecord:
    """What one evaluation of 20 symbols on cached states records, with its full answer."""
    now = datetime.now(UTC)
    async with open_container(Settings(data_dir=folder, live=False)) as container, client_of(container) as http:
        (await http.post("/v1/observations", json=observations(20, 400, now))).raise_for_status()
        answer = await http.post("/v1/evaluations", json=book(20, now, bars=400))
        answer.raise_for_status()
        entry = await container.audit.get(LOCAL_TENANT, answer.json()["evaluation_id"])
    assert entry is not None
    return record(request=entry.request, response=entry.response, state=entry.state, versions=entry.versions)


def run(url: str, mode: str, processes: int, path: Path) -> list[dict[str, Any]]:
    """Processes that begin at once; what each has measured."""
    share = CLIENTS // processes
    command = [sys.executable, "-m", "tests.benchmark.audit_load", url, mode, str(share), str(SECONDS), str(path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(processes)]
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=120)
    return [json.loads(path.with_name(f"{process.pid}.json").read_bytes()) for process in started]


def row_of(name: str, found: list[dict[str, Any]]) -> list[str]:
    """Line of the table."""
    latencies = np.array([one for part in found for one in part["latencies"]]) * 1000.0
    stages = {stage: sum(part["stages"].get(stage, 0.0) for part in found) for stage in sorted({*found[0]["stages"]})}
    whole = (SECONDS + 1.0) * len(found)
    shares = ", ".join(f"{stage} {100.0 * spent / whole:.0f}" for stage, spent in stages.items())
    return [
        name,
        f"{latencies.size / SECONDS:,.0f}",
        f"{np.percentile(latencies, 50):.1f}",
        f"{np.percentile(latencies, 99):.1f}",
        f"{sum(part['entries'] for part in found) / max(sum(part['batches'] for part in found), 1):.0f}",
        f"{1e6 * sum(part['processor'] for part in found) / latencies.size:.0f}",
        shares or "–",
    ]


def syncs_per_second(folder: Path) -> float:
    """Writes of one page with `fdatasync` after each: what the disk allows in commits that are not shared."""
    count, begun = 0, time.perf_counter()
    with (folder / "sync").open("wb", buffering=0) as file:
        while (spent := time.perf_counter() - begun) < SYNC_SECONDS:
            file.seek(0)
            file.write(bytes(SYNC_BYTES))
            os.fdatasync(file.fileno())
            count += 1
    return count / spent


@pytest.mark.parametrize("kind", ["small", "full answer of 20 symbols"])
def test_beside_one_commit_a_row(
    kind: str, postgres_server: servers.AnyServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = record() if kind == "small" else servers.run(real_record(tmp_path / "data"))
    path = tmp_path / "record"
    path.write_bytes(pickle.dumps(replace(template, idempotency=None)))
    before, syncs = conditions(), syncs_per_second(tmp_path)
    rows, answered = [], []
    for name, store, mode, processes in WAYS:
        with servers.fresh_database(postgres_server.url) as fresh:
            url = fresh if store == "postgres" else f"sqlite:///{tmp_path / f'{mode}.db'}"
            migrate(url)
            found = run(url, mode, processes, path)
        answered += [len(part["latencies"]) for part in found]
        rows.append(row_of(name, found))
    size = len(template.request) + len(template.response) + len(template.state) + len(template.versions)
    title = f"{kind}: {size:,} bytes a record, {CLIENTS} callers; the disk syncs {syncs:,.0f} times a second"
    with capsys.disabled():
        print("\n\n" + table(title, HEADER, rows))
    write(kind.split()[0], f"{before} {title[0].upper()}{title[1:]}.\n\n{markdown(HEADER, rows)}")
    assert min(answered) > 0, orjson.dumps(answered)
