"""The operator's port: what is there, what leaves the public one, and a port for each worker."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import random
import re
import socket
import time
from pathlib import Path

import httpx
import pytest

from app.internal import _listener
from app.main import create_app
from app.ports import AuditUnavailable, Outcome, StateUnavailable
from app.settings import SettingError, Settings
from models.api.discovery import ReadyAnswer
from tests.integration.test_http_edge import Failing
from tests.support.http import client
from tests.support.requests import smallest
from tests.support.service import ServiceDied, answers, free_port, running


def samples(text: str) -> dict[str, float]:
    """Samples by name and labels."""
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=20.0)


def test_metrics_and_details_leave_the_public_port(tmp_path: Path) -> None:
    inner = free_port()
    with running(tmp_path / "data", environment={"TRIMTAB_METRICS_PORT": str(inner)}) as process:
        metrics, ready = get(f"http://127.0.0.1:{inner}/metrics"), get(f"http://127.0.0.1:{inner}/readyz")
        assert samples(metrics.text)["log_size"] == 0.0 and ready.json()["dependencies"].keys() == {
            "audit", "volatility_state",
        }  # fmt: skip
        public = get(f"{process.url}/readyz")
        assert public.json() == {"status": "ready", "degraded": []}
        ReadyAnswer.model_validate(public.json())
        gone, nowhere = get(f"{process.url}/metrics"), get(f"{process.url}/metricz")
        assert gone.status_code == nowhere.status_code == 404 and gone.json()["detail"] == nowhere.json()["detail"]
        assert get(f"http://127.0.0.1:{inner}/livez").json() == {"status": "live"}
        assert get(f"http://127.0.0.1:{inner}/v1/limits").status_code == 404
        foreign = httpx.get(f"http://127.0.0.1:{inner}/metrics", headers={"Host": "evil.example"}, trust_env=False)
        assert foreign.status_code == 421
        text = get(f"http://127.0.0.1:{inner}/metrics").text
        assert 'http_requests_total{code="not_found",method="GET",route="/metrics",status="404"} 1.0' in text


def test_a_port_that_is_taken_is_a_reason_not_to_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        with pytest.raises(ServiceDied, match=f"TRIMTAB_METRICS_PORT {port}: Address already in use"):
            running(tmp_path / "data", environment={"TRIMTAB_METRICS_PORT": port}).__enter__()


def test_each_worker_finds_a_port_and_one_that_comes_back_the_free_one() -> None:
    first = ports(3)
    found = [_listener("127.0.0.1", first, 3) for _ in range(3)]
    assert sorted(item.getsockname()[1] for item in found) == [first, first + 1, first + 2]
    with pytest.raises(OSError, match="already in use"):
        _listener("127.0.0.1", first, 3)
    found[1].close()
    again = _listener("127.0.0.1", first, 3)
    assert again.getsockname()[1] == first + 1
    for item in (found[0], again, found[2]):
        item.close()


@pytest.mark.parametrize(
    ("port", "workers", "metrics"), [(8000, 1, 8000), (8002, 4, 8000), (8000, 4, 65_533), (8000, 1, 0)]
)
def test_ports_that_cannot_be_are_named(port: int, workers: int, metrics: int) -> None:
    variables = {
        "TRIMTAB_PORT": str(port),
        "TRIMTAB_WORKERS": str(workers),
        "TRIMTAB_METRICS_PORT": str(metrics),
        "DATABASE_URL": "postgresql://db/risk",
        "REDIS_URL": "redis://cache",
    }
    with pytest.raises(SettingError, match="TRIMTAB_METRICS_PORT must"):
        Settings.from_mapping(variables)


async def scrape(http: httpx.AsyncClient) -> dict[str, float]:
    return samples((await http.get("/metrics")).text)


async def test_a_scrape_says_what_the_service_does(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        before = await scrape(http)
        assert before["audit_batch_size_count"] == 0.0 and math.isnan(before['vol_state_age_seconds{quantile="1"}'])
        assert math.isnan(before["redis_up"]) and 0.0 <= before["checkpoint_age_seconds"] < 60.0
        await asyncio.gather(*(http.post("/v1/evaluations", json=smallest()) for _ in range(8)))
        after = await scrape(http)
        assert after["audit_batch_size_sum"] == after["audit_entries_total"] == after["log_size"] == 8.0
        assert after["audit_batch_size_count"] == after['audit_batch_size_bucket{le="+Inf"}'] >= 1.0
        bounds = [value for name, value in after.items() if name.startswith("audit_batch_size_bucket")]
        assert bounds == sorted(bounds) and len(bounds) == 11, "the buckets are cumulative"
        assert after['dependency_up{dependency="volatility_state"}'] == 1.0 and after["audit_unknown_total"] == 0.0


async def test_switches_and_ages_of_states_are_counted_and_kept_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.usecases.vitals.KEPT_SECONDS", 0.0)
    bars = [
        {"symbol": symbol, "interval": "P1D", "close_time": f"2026-11-{day:02d}T00:00:00Z", "close": 100 + day}
        for symbol, last in (("AAA", 12), ("BBB", 10))
        for day in range(last - 5, last + 1)
    ]
    async with client(tmp_path) as http:
        assert (await http.post("/v1/observations", json={"observations": bars})).status_code == 200
        switch = {"mode": "halt", "reason": "a test", "actor": "me"}
        assert (await http.put("/v1/breakers/symbol:AAA", json=switch)).status_code == 200
        found = await scrape(http)
        assert (found['breaker_state{mode="halt"}'], found['breaker_state{mode="reduce_only"}']) == (1.0, 0.0)
        youngest, oldest = (found[f'vol_state_age_seconds{{quantile="{name}"}}'] for name in ("0.5", "1"))
        assert oldest - youngest == pytest.approx(2 * 86_400.0, abs=0.001)
        monkeypatch.setattr("app.usecases.vitals.KEPT_SECONDS", 1e9)
        assert (await http.put("/v1/breakers/symbol:BBB", json=switch)).status_code == 200
        assert (await scrape(http))['breaker_state{mode="halt"}'] == 1.0


async def test_a_caller_in_doubt_and_stores_that_are_away_are_told(tmp_path: Path) -> None:
    broken = {
        "audit": Failing(AuditUnavailable("late", Outcome.UNKNOWN)),
        "volatility": Failing(StateUnavailable("no route")),
    }
    async with client(tmp_path, **broken) as http:
        assert (await http.post("/v1/evaluations", json=smallest())).status_code == 504
        found = await scrape(http)
    assert found["audit_unknown_total"] == 1.0
    assert found['dependency_up{dependency="audit"}'] == found['dependency_up{dependency="volatility_state"}'] == 0.0


async def test_the_age_of_the_head_grows_while_it_cannot_be_read(tmp_path: Path) -> None:
    class Tree:
        async def head(self) -> None:
            raise AuditUnavailable("down")

        async def stream_secrets(self) -> dict[str, bytes]:
            raise AuditUnavailable("down")

    settings = Settings(data_dir=tmp_path)
    async with client(tmp_path, settings) as http:
        app = http._transport.app  # type: ignore[attr-defined]
        first = (await scrape(http))["checkpoint_age_seconds"]
        app.state.container = dataclasses.replace(app.state.container, tree=Tree())
        ages = [(await scrape(http))["checkpoint_age_seconds"] for _ in range(2)]
    assert first < ages[0] < ages[1]
    assert create_app(settings).state.vitals._signed_at is None


def ports(count: int) -> int:
    """The first of some free ports in a row, below those that the system gives to connections meanwhile."""
    while True:
        first = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + count):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first


def test_workers_are_scraped_one_by_one_and_their_counts_add_up(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    first = ports(2)
    variables = {"TRIMTAB_WORKERS": "2", "TRIMTAB_METRICS_PORT": str(first)}
    options = {"database_url": postgres_url, "redis_url": redis_url, "environment": variables}
    with running(tmp_path / "data", **options, start_seconds=240.0) as process:
        urls = [f"http://127.0.0.1:{port}" for port in (first, first + 1)]
        deadline = time.monotonic() + 240.0
        while not all(answers(f"{url}/readyz") for url in urls):
            assert time.monotonic() < deadline, process.log_tail()
            time.sleep(0.1)
        for _ in range(12):  # a connection each: the workers share them out as they like
            assert httpx.post(f"{process.url}/v1/evaluations", json=smallest(), trust_env=False).status_code == 200
        found = [samples(get(f"{url}/metrics").text) for url in urls]
    assert sum(worker["audit_entries_total"] for worker in found) == found[0]["log_size"] == 12.0
    assert [worker["redis_up"] for worker in found] == [1.0, 1.0]
