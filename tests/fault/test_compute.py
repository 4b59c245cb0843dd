"""Work that goes on for ever is ended at its limit (R18; the largest evaluation: `test_store_faults`)."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from app.adapters import fit_worker
from app.adapters.fit_worker import ProcessFitWorker
from app.adapters.system_clock import SystemClock
from tests.fault.harness import Row, sizes
from tests.support.bodies import smallest
from tests.support.clients import Crowd, audit_entries
from tests.support.history import History, Known, disagreements
from tests.support.stream import served
from tests.support.witness import spread

LIMIT_SECONDS = 1.0
PATIENCE_SECONDS = 240.0


def hangs(*_: object) -> None:
    """A worker that never answers."""
    time.sleep(3_600.0)


def fit_request() -> dict[str, Any]:
    """A fit like any other."""
    steps = 0.01 * np.random.default_rng(3).standard_normal(600)
    closes = (100.0 * np.exp(np.cumsum(steps))).tolist()
    series = {"symbol": "A", "interval": "P1D", "calendar": "24/7", "end": "2024-11-20T00:00:00Z", "close": closes}
    return {"series": series, "model": "gjr_garch", "as_of": "2024-11-20T00:00:05Z"}


@sizes((99, 5), (10, 3))
async def test_work_that_hangs_is_ended_at_its_limit(
    tmp_path: Path, monkeypatch: Any, size: tuple[int, ...], fault_table: Row
) -> None:
    clients, turns = size
    monkeypatch.setattr(fit_worker, "serve_fits", hangs)
    worker = ProcessFitWorker(SystemClock(), time_limit=LIMIT_SECONDS)
    history = History()
    try:
        async with served(tmp_path) as service:
            container = dataclasses.replace(service.app.state.container, fits=worker)
            service.app.state.container = container
            url = f"http://127.0.0.1:{service.port}"
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60.0) as http:
                began = time.monotonic()
                accepted = (await http.post("/v1/volatility:fit", json=fit_request())).json()
                crowd = Crowd([service.port], clients, [smallest()], history, pause=0.2)
                calling = asyncio.create_task(crowd.run())
                row = await ended(http, accepted["fit_id"])
                took = time.monotonic() - began
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while len(history.of(Known.OK)) < clients * turns:  # noqa: ASYNC110
                        await asyncio.sleep(0.02)
                crowd.over = True
                await calling
            entries = await asyncio.to_thread(lambda: list(audit_entries(url)))
    finally:
        worker.close()
    assert (row["status"], row["reason"]) == ("failed", "time_limit")
    assert {one.status for one in history.attempts} == {200}
    assert disagreements(history, entries) == []
    fault_table(
        "R18",
        f"a fit that never ends, limit {LIMIT_SECONDS:g} s",
        load=f"{clients} REST beside it",
        acked=len(history.attempts),
        stored=len(entries),
        recovery=f"its process was ended after {took:.1f} s",
        besides=f"calls beside it p50/p99/max {spread([one.seconds for one in history.attempts])} ms",
    )


async def ended(http: httpx.AsyncClient, fit_id: str) -> dict[str, Any]:
    """The fit, once nothing changes any more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            row: dict[str, Any] = (await http.get(f"/v1/volatility/fits/{fit_id}")).json()
            if row["status"] not in ("queued", "running"):
                return row
            await asyncio.sleep(0.05)
