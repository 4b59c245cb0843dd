"""A request that computes for ever is ended at its limit, and the largest that is taken holds nobody up (R18)."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from app.adapters import fit_worker
from app.adapters.fit_worker import ProcessFitWorker
from app.adapters.system_clock import SystemClock
from tests.fault.harness import Row, sizes
from tests.support.bodies import smallest, with_series
from tests.support.clients import Crowd, audit_entries
from tests.support.history import History, Known, disagreements
from tests.support.service import running
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
        besides=f"calls beside it {milliseconds(history)}",
    )


async def ended(http: httpx.AsyncClient, fit_id: str) -> dict[str, Any]:
    """The fit, once nothing changes any more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            row: dict[str, Any] = (await http.get(f"/v1/volatility/fits/{fit_id}")).json()
            if row["status"] not in ("queued", "running"):
                return row
            await asyncio.sleep(0.05)


@sizes((99, 5, 200, 2_000), (10, 1, 40, 1_000))
def test_the_largest_request_holds_nobody_up(tmp_path: Path, size: tuple[int, ...], fault_table: Row) -> None:
    """Threads cannot be ended; what a request may ask for is bounded instead."""
    clients, count, symbols, bars = size
    large = many_markets(symbols, bars)
    history = History()

    async def play(port: int) -> list[float]:
        crowd = Crowd([port], clients, [smallest()], history, pause=0.5)
        calling, waits = asyncio.create_task(crowd.run()), []
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=120.0) as http:
            for _ in range(count):
                began = time.monotonic()
                answer = await http.post("/v1/evaluations", json=large)
                assert answer.status_code == 200, answer.text[:500]
                waits.append(time.monotonic() - began)
        crowd.over = True
        await calling
        return waits

    with running(tmp_path) as service:
        waits = asyncio.run(play(service.port))
        entries = list(audit_entries(service.url))
    assert {one.status for one in history.attempts} == {200}
    assert disagreements(history, entries) == []
    fault_table(
        "R18",
        f"the largest evaluation, {symbols} markets of {bars} bars, {count} times",
        load=f"{clients} REST beside it, two calls a second each",
        acked=len(history.attempts) + count,
        stored=len(entries),
        recovery=f"it takes {max(waits):.1f} s",
        besides=f"calls beside it {milliseconds(history)}",
    )


def many_markets(symbols: int, bars: int) -> dict[str, Any]:
    """A book of many markets, with series of each."""
    base = with_series(1, bars)
    names = [f"M{number:03d}" for number in range(symbols)]
    return base | {
        key: [base[key][0] | {"symbol": name} for name in names]
        for key in ("instruments", "positions", "signals", "series")
    }


def milliseconds(history: History) -> str:
    """How long calls took."""
    times: Sequence[float] = [one.seconds for one in history.attempts]
    return f"p50/p99/max {spread(times)} ms"
