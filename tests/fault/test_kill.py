"""`kill -9` under load loses nothing that was answered (promise R1).

50 clients send evaluations in closed loops; the service is killed at a random moment; after its restart on the same
store the audit log is compared with what the clients were told:

* every answered evaluation is in the log, at the index that its answer named, and reads back byte for byte;
* indices are contiguous from 0: a torn batch leaves no hole;
* a call without an answer was written once or not at all: repeated with its Idempotency-Key, it gives one answer,
  and no key is ever stored twice.

One round runs in `make test`, five in `make faults`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.bodies import smallest
from tests.support.clients import Crowd, History, audit_entries, post
from tests.support.service import ServiceProcess

CLIENTS = 50
SAMPLE = 40


async def load_until_killed(service: ServiceProcess, crowd: Crowd, generation: int, seconds: float) -> None:
    """Load the service and kill it after `seconds`, with all clients in flight."""
    clients = asyncio.create_task(crowd.run(generation))
    await asyncio.sleep(seconds)
    await asyncio.to_thread(service.kill)
    await clients


def restart(service: ServiceProcess) -> float:
    """Start again on the same store; seconds until ready."""
    started = time.monotonic()
    service.start()
    return time.monotonic() - started


async def settle_unknown(service: ServiceProcess, history: History) -> None:
    """Repeat every unanswered call with its key: the answer says where it lies."""
    keys, history.unknown = history.unknown, []
    async with httpx.AsyncClient(base_url=service.url, timeout=15.0, trust_env=False) as http:
        for key in keys:
            response = await post(http, key, smallest())
            history.record(key, response.status_code, response.content)


def check(service: ServiceProcess, history: History, generator: random.Random) -> int:
    """Compare the log with the history; returns the number of entries."""
    entries = list(audit_entries(service.url))
    assert [entry["index"] for entry in entries] == list(range(len(entries))), "indices have a hole"
    stored = {entry["evaluation_id"]: entry for entry in entries}
    lost = [item.key for item in history.acknowledged if item.evaluation_id not in stored]
    assert not lost, f"{len(lost)} answered evaluations are not in the log, such as {lost[:3]}"
    moved = [item.key for item in history.acknowledged if stored[item.evaluation_id]["index"] != item.index]
    assert not moved, f"{len(moved)} answers name another index than the log, such as {moved[:3]}"
    references = Counter(entry["client_reference"] for entry in entries)
    twice = [key for key, count in references.items() if count > 1]
    assert not twice, f"{len(twice)} keys were stored twice, such as {twice[:3]}"
    sample = generator.sample(history.acknowledged, min(SAMPLE, len(history.acknowledged)))
    with httpx.Client(base_url=service.url, timeout=15.0, trust_env=False) as http:
        changed = [
            item.key for item in sample if http.get(f"/v1/evaluations/{item.evaluation_id}").content != item.body
        ]
    assert not changed, f"answers that do not read back byte for byte: {changed[:3]}"
    return len(entries)


@pytest.fixture(params=["sqlite", "postgres"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> ServiceProcess:
    """The service on each durable store."""
    if request.param == "sqlite":
        return ServiceProcess(tmp_path)
    stores = {name: request.getfixturevalue(f"{name}_url") for name in ("postgres", "redis")}
    service = ServiceProcess(tmp_path, stores["postgres"], stores["redis"])
    service.migrate()
    return service


@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.faults)])
def test_kill_under_load_loses_no_answer(
    service: ServiceProcess, rounds: int, fault_table: Callable[..., None]
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    generator = random.Random(seed)
    history = History()
    ready, unknown = [], 0
    try:
        service.start()
        for generation in range(rounds):
            crowd = Crowd(service.port, CLIENTS, smallest(), history)
            asyncio.run(load_until_killed(service, crowd, generation, generator.uniform(0.5, 1.5)))
            ready.append(restart(service))
            unknown += len(history.unknown)
            check(service, history, generator)
            asyncio.run(settle_unknown(service, history))
        entries = check(service, history, generator)
    finally:
        service.kill()
    assert not history.refused, f"seed {seed}: {history.refused[:3]}"
    assert len(history.acknowledged) >= rounds * CLIENTS, f"seed {seed}: the load was too light to show anything"
    assert unknown >= rounds * CLIENTS // 2, f"seed {seed}: {unknown} calls were in flight at the kills: too few"
    assert entries == len(history.acknowledged), (
        f"seed {seed}: after repeating every unanswered call, log and answers must agree"
    )
    fault_table(
        f"R1 kill -9, {rounds} times, {'PostgreSQL' if service.database_url else 'SQLite'}",
        load=f"{CLIENTS} REST in closed loops",
        answered=f"{len(history.acknowledged)} answered, {unknown} unanswered, {entries} entries",
        lost="0",
        recovery=f"ready again in {max(ready):.1f} s",
        besides=f"seed {seed}",
    )
