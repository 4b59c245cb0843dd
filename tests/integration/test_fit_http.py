"""Fits over HTTP with the real worker process: queued at once, read later, and never a hang."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from app.adapters.fit_worker import ProcessFitWorker, open_fit_worker
from app.adapters.system_clock import SystemClock
from services.volatility.fitting import Fit, FitChoice, fit
from tests.support.http import client
from tests.support.service import running
from tests.unit.volatility.garch_series import garch_returns

END = "2024-11-20T00:00:00Z"
POLL_SECONDS = 0.02
PATIENCE = 60.0


def series(seed: int = 1, returns: int = 1_500) -> dict[str, Any]:
    closes = 100.0 * np.exp(np.cumsum(garch_returns(seed, returns + 1)))
    return {"symbol": "BTC-PERP", "interval": "P1D", "calendar": "24/7", "end": END, "close": closes.tolist()}


def body(**fields: Any) -> dict[str, Any]:
    return {"series": series(), "model": "gjr_garch", "as_of": "2024-11-20T00:00:05Z", **fields}


async def submitted(http: httpx.AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    answer = await http.post("/v1/volatility:fit", json=request)
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/volatility/fits/{accepted['fit_id']}"
    assert (accepted["status"], accepted["reason"]) == ("queued", "none")
    return accepted


async def finished(http: httpx.AsyncClient, fit_id: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await http.get(f"/v1/volatility/fits/{fit_id}")
            assert found.status_code == 200, found.text
            row: dict[str, Any] = found.json()
            if row["status"] in ("done", "rejected", "failed"):
                return row
            assert row["status"] in ("queued", "running")
            await asyncio.sleep(POLL_SECONDS)


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Service in process, with the worker that it starts with."""
    async with client(tmp_path) as found:
        yield found


async def test_estimates_are_those_of_the_library_and_can_be_pasted(http: httpx.AsyncClient) -> None:
    row = await finished(http, (await submitted(http, body()))["fit_id"])
    assert (row["status"], row["reason"]) == ("done", "none")
    closes = np.array(series()["close"])
    expected = fit(np.log(closes[1:] / closes[:-1]), FitChoice(model="gjr_garch"))
    assert isinstance(expected, Fit)
    fitted, given = row["result"]["fitted"], expected.model.estimator
    assert fitted["estimator"]["omega"] == given.omega and fitted["estimator"]["beta"] == given.beta
    assert fitted["degrees_of_freedom"] == expected.model.degrees_of_freedom
    assert row["result"]["long_run_volatility"] == pytest.approx((given.long_run_variance * 365) ** 0.5, rel=1e-7)
    again = await finished(http, (await submitted(http, body(previous=fitted)))["fit_id"])
    assert again["status"] == "done"
    assert again["result"]["iterations"] < row["result"]["iterations"] / 2
    assert again["result"]["log_likelihood"] == pytest.approx(row["result"]["log_likelihood"], abs=1e-3)


async def test_a_rejection_names_its_reason(http: httpx.AsyncClient) -> None:
    row = await finished(http, (await submitted(http, body(series=series(returns=100))))["fit_id"])
    assert (row["status"], row["reason"]) == ("rejected", "insufficient_history")
    assert row["detail"].startswith("100 returns, at least 250 are needed")
    assert "result" not in row


async def test_what_is_wrong_with_a_request_is_said_at_once(http: httpx.AsyncClient) -> None:
    fitted = {"estimator": {"method": "garch", "omega": 1e-6, "alpha": 0.1, "beta": 0.8}}
    crooked = {"estimator": {"method": "garch", "omega": 1e-6, "alpha": 0.3, "beta": 0.8}}
    spoilt = series()
    spoilt["close"][7] = -1.0
    for fields, pointer in (
        ({"model": "arch"}, "/model"),
        ({"model": "egarch", "procedure": "variance_targeted"}, "/procedure"),
        ({"previous": fitted}, "/previous/estimator/method"),
        ({"model": "garch", "previous": fitted}, "/previous/degrees_of_freedom"),
        ({"model": "garch", "previous": crooked}, "/estimator"),
        ({"series": spoilt}, "/series"),
        ({"series": {**series(), "end": "2024-11-21T00:00:00Z"}}, "/series/end"),
        ({"as_of": "2200-01-01T00:00:00Z"}, "/as_of"),
    ):
        answer = await http.post("/v1/volatility:fit", json=body(**fields))
        assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == pointer, answer.text
    unknown = await http.get("/v1/volatility/fits/fit_" + "0" * 32)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


async def test_requests_are_answered_while_fits_run(http: httpx.AsyncClient) -> None:
    """Five fits of 20,000 bars are queued; the clock answers before the first one is done."""
    long = body(series=series(returns=19_000), model="egarch")
    fits = [await submitted(http, long) for _ in range(5)]
    assert (await http.get("/v1/time")).status_code == 200
    row = (await http.get(f"/v1/volatility/fits/{fits[-1]['fit_id']}")).json()
    assert row["status"] == "queued"


async def test_a_full_queue_is_a_clear_problem(tmp_path: Path) -> None:
    worker = ProcessFitWorker(SystemClock(), waiting=1)
    try:
        async with client(tmp_path, fits=worker) as http:
            long = body(series=series(returns=19_000), model="egarch")
            answers = [await http.post("/v1/volatility:fit", json=long) for _ in range(3)]
            refused = [answer for answer in answers if answer.status_code == 429]
            assert refused, [answer.text for answer in answers]
            problem = refused[0].json()
            assert (problem["code"], problem["retryable"]) == ("fit_queue_full", True)
            assert refused[0].headers["retry-after"] == "1"
    finally:
        await asyncio.to_thread(worker.close)


async def test_a_killed_process_fails_its_fit_and_the_next_one_runs(tmp_path: Path) -> None:
    async with open_fit_worker(SystemClock()) as worker, client(tmp_path, fits=worker) as http:
        accepted = await submitted(http, body(series=series(returns=19_000), model="egarch"))
        os.kill(await started(worker), signal.SIGKILL)
        row = await finished(http, accepted["fit_id"])
        assert (row["status"], row["reason"]) == ("failed", "worker_ended")
        assert (await finished(http, (await submitted(http, body()))["fit_id"]))["status"] == "done"
        before = await started(worker)
        os.kill(before, signal.SIGKILL)  # while nothing runs: nobody is to notice
        assert (await finished(http, (await submitted(http, body()))["fit_id"]))["status"] == "done"
        assert worker.process_id() != before


async def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    worker = ProcessFitWorker(SystemClock(), time_limit=2.0)
    try:
        async with client(tmp_path, fits=worker) as http:
            accepted = await submitted(http, body(series=series(returns=19_000), model="egarch"))
            os.kill(await started(worker), signal.SIGSTOP)
            row = await finished(http, accepted["fit_id"])
            assert (row["status"], row["reason"]) == ("failed", "time_limit")
    finally:
        await asyncio.to_thread(worker.close)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if condition():
                return
            await asyncio.sleep(POLL_SECONDS)


async def started(worker: ProcessFitWorker) -> int:
    """Id of the process, once there is one."""
    await until(lambda: worker.process_id() is not None)
    process = worker.process_id()
    assert process is not None
    return process


async def test_closing_ends_the_process_in_the_middle_of_a_fit(tmp_path: Path) -> None:
    worker = ProcessFitWorker(SystemClock())
    async with client(tmp_path, fits=worker) as http:
        await submitted(http, body(series=series(returns=19_000), model="egarch"))
        process = await started(worker)
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(worker.close)
    assert worker.process_id() is None
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def spawned(process: psutil.Process) -> list[psutil.Process]:
    """Child processes, as soon as there are any: a fit is accepted before its process has started."""
    until = time.monotonic() + PATIENCE
    while not (children := process.children(recursive=True)) and time.monotonic() < until:
        time.sleep(0.01)
    return children


def test_the_service_ends_in_good_order_in_the_middle_of_a_fit(tmp_path: Path) -> None:
    """SIGTERM on `trimtab serve`: the shutdown completes, and no process is left behind."""
    with running(tmp_path / "data") as service:
        accepted = httpx.post(
            f"{service.url}/v1/volatility:fit",
            json=body(series=series(returns=19_000), model="egarch"),
            timeout=PATIENCE,
            trust_env=False,
        )
        assert accepted.status_code == 202, accepted.text
        children = spawned(psutil.Process(service.pid))
        service.stop()
        assert "Application shutdown complete" in service.log_tail()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert children and alive == []


class Watch:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 20, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


async def test_results_are_kept_for_an_hour(tmp_path: Path) -> None:
    watch = Watch()
    async with open_fit_worker(watch) as worker, client(tmp_path, fits=worker) as http:
        fit_id = (await submitted(http, body(series=series(returns=300))))["fit_id"]
        row = await finished(http, fit_id)
        assert row["kept_until"] == "2026-11-20T01:00:00.000000Z"
        watch.time += timedelta(minutes=59)
        assert (await http.get(f"/v1/volatility/fits/{fit_id}")).status_code == 200
        watch.time += timedelta(minutes=2)
        assert (await http.get(f"/v1/volatility/fits/{fit_id}")).status_code == 404
