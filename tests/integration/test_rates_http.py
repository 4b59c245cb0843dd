"""Rates over HTTP: what calls cost, what answers say, and who is not limited."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import quota
from app.adapters.memory_doors import MemoryDoors
from app.container import Container
from app.costs import PRICES
from app.examples import SMALLEST
from app.lifespan import open_container
from app.operations import OPERATIONS
from app.routes import ROUTES
from app.routes.routing import RawRoute
from app.settings import Settings
from app.token_bucket import RatePlan, Taken
from app.turnstile import Turnstile
from tests.support.http import client_of
from tests.support.keys import bearer, make_key

BAR = {"interval": "P1D", "close_time": "2026-01-02T00:00:00Z", "close": 100.0, "calendar": "24/7"}


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@dataclasses.dataclass
class Service:
    """A service in process; its buckets fill as the test lets time pass."""

    container: Container
    http: httpx.AsyncClient
    clock: Ticking

    async def key(self, **fields: Any) -> dict[str, str]:
        return bearer((await make_key(self.container, **fields))["key"])


@asynccontextmanager
async def opened(folder: Path, doors: type[MemoryDoors] = MemoryDoors, **settings: Any) -> AsyncIterator[Service]:
    clock = Ticking()
    async with open_container(Settings(data_dir=folder, **settings)) as container:
        container = dataclasses.replace(container, doors=doors(0, clock), turnstile=Turnstile(clock))
        async with client_of(container) as http:
            yield Service(container, http, clock)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with opened(tmp_path) as found:
        yield found


def left(answer: httpx.Response) -> int:
    """Units that an answer says are left."""
    found = re.fullmatch(r'"units";r=([0-9]+);t=[0-9]+', answer.headers["ratelimit"])
    assert found is not None, answer.headers["ratelimit"]
    return int(found[1])


async def test_without_keys_nobody_is_limited(service: Service) -> None:
    for method, path in (("GET", "/v1/portfolios"), ("POST", "/v1/evaluations")):
        answer = await service.http.request(method, path, json=SMALLEST if method == "POST" else None)
        assert answer.status_code == 200 and "ratelimit" not in answer.headers


async def test_a_rate_may_be_set_for_those_without_keys(tmp_path: Path) -> None:
    async with opened(tmp_path, rate_units_per_second=1.0, rate_burst_units=2) as service:
        answers = [await service.http.get("/v1/portfolios") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert (await service.http.get("/v1/time")).status_code == 200, "what is public costs nothing"
    async with opened(tmp_path, rate_units_per_second=0.0) as service:
        assert "ratelimit" not in (await service.http.get("/v1/portfolios", headers=await service.key())).headers


async def test_every_limited_answer_says_what_is_left(service: Service) -> None:
    headers = await service.key()
    first = await service.http.get("/v1/portfolios", headers=headers)
    assert (first.headers["ratelimit-policy"], left(first)) == ('"units";q=2000;w=10', 1999)
    for path in ("/v1/portfolios/none", "/v1/portfolios?unknown=1"):
        answer = await service.http.get(path, headers=headers)
        assert answer.status_code in (404, 422) and "ratelimit" in answer.headers
    assert left(answer) == 1997
    service.clock.time += 0.01
    assert left(await service.http.get("/v1/portfolios", headers=headers)) == 1998
    assert "ratelimit" not in (await service.http.get("/v1/portfolios")).headers, "nobody was charged"


@pytest.mark.parametrize(
    ("path", "body", "cost"),
    [
        ("/v1/evaluations", SMALLEST, 2),
        ("/v1/evaluations", {"series": [{"symbol": "A", "close": [1.0] * 2001}, {"symbol": "B", "close": [1.0]}]}, 5),
        ("/v1/evaluations", {"series": [{"symbol": "A", "ohlcv": [[0, 1, 1, 1, 1, 1]] * 1000}]}, 2),
        ("/v1/evaluations", {"positions": [{"symbol": str(number)} for number in range(200)]}, 200),
        ("/v1/observations", {"observations": [{"symbol": name, **BAR} for name in "ABC"]}, 4),
        ("/v1/evaluations", {"series": "nonsense", "positions": [1, None, {"symbol": 7}]}, 1),
        ("/v1/evaluations", [], 1),
    ],
)
async def test_the_size_of_a_request_is_its_price(service: Service, path: str, body: Any, cost: int) -> None:
    answer = await service.http.post(path, json=body, headers=await service.key())
    assert left(answer) == 2000 - cost


async def test_who_has_spent_all_waits_and_nothing_is_computed_or_recorded(service: Service) -> None:
    headers = await service.key(units_per_second=1, burst_units=5)
    first = await service.http.post("/v1/evaluations", json=SMALLEST, headers=headers)
    assert first.status_code == 200 and first.headers["ratelimit-policy"] == '"units";q=5;w=5'
    assert (await service.http.post("/v1/evaluations", json=SMALLEST, headers=headers)).status_code == 200
    size = await service.container.audit.size()
    refused = await service.http.post("/v1/evaluations", json=SMALLEST, headers=headers)
    said = refused.json()
    assert (refused.status_code, said["code"], said["outcome"], said["retryable"]) == (
        429, "rate_limited", "rejected", True
    )  # fmt: skip
    assert refused.headers["retry-after"] == "1" and left(refused) == 1
    assert "costs 2 units" in said["detail"]
    assert await service.container.audit.size() == size
    assert (await service.http.get("/v1/portfolios", headers=headers)).status_code == 200, "it has a unit left"
    service.clock.time += float(refused.headers["retry-after"]) + 1.0
    assert (await service.http.post("/v1/evaluations", json=SMALLEST, headers=headers)).status_code == 200
    other = await service.key(units_per_second=1, burst_units=5)
    assert left(await service.http.get("/v1/portfolios", headers=other)) == 4, "each key has a bucket of its own"


async def test_of_a_caller_who_has_nothing_no_body_is_read(service: Service) -> None:
    headers = await service.key(units_per_second=1, burst_units=1)
    read = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"{}"

    for _ in range(3):
        answer = await service.http.post(
            "/v1/evaluations", content=parts(), headers={**headers, "Content-Type": "application/json"}
        )
    assert (answer.status_code, read) == (429, 2), "the second call found out, the third was refused at the door"
    assert answer.headers["retry-after"] == "1" and left(answer) == 0
    service.clock.time += 1.0
    assert (await service.http.get("/v1/portfolios", headers=headers)).status_code == 200


async def test_a_key_has_eight_computations_at_a_time(tmp_path: Path) -> None:
    inside, release = 0, asyncio.Event()

    class Waiting(MemoryDoors):
        """Holds every evaluation at its payment."""

        async def take(self, caller: str, plan: RatePlan, cost: int) -> Taken:
            nonlocal inside
            if cost > 1:
                inside += 1
                await release.wait()
            return await super().take(caller, plan, cost)

    async with opened(tmp_path, Waiting) as service:
        headers, other = await service.key(), await service.key()
        calls = [
            asyncio.create_task(service.http.post("/v1/evaluations", json=SMALLEST, headers=headers)) for _ in range(8)
        ]
        async with asyncio.timeout(60):
            while inside < 8:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        ninth = await service.http.post("/v1/evaluations", json=SMALLEST, headers=headers)
        assert (ninth.status_code, ninth.json()["code"], ninth.headers["retry-after"]) == (
            429, "too_many_concurrent", "1"
        )  # fmt: skip
        assert (await service.http.get("/v1/portfolios", headers=headers)).status_code == 200
        release.set()
        assert {(await call).status_code for call in calls} == {200}
        assert (await service.http.post("/v1/evaluations", json=SMALLEST, headers=other)).status_code == 200
        assert (await service.http.post("/v1/evaluations", json=SMALLEST, headers=headers)).status_code == 200


async def test_the_prices_are_published_and_name_operations(service: Service) -> None:
    rate = (await service.http.get("/v1/limits")).json()["rate"]
    assert (rate["units_per_second"], rate["burst_units"], rate["without_keys"]) == (200.0, 2000, False)
    assert rate["operations"]["POST /v1/backtests"] == {"base": 100, "sized": True}
    known = {f"{operation.method} {operation.path}" for operation in OPERATIONS}
    assert set(PRICES) <= known
    assert (rate["computations_per_key"], rate["streams_per_key"], rate["other_operations"]) == (8, 20, 1)


async def test_readiness_and_metrics_say_that_rates_are_counted_apart(tmp_path: Path) -> None:
    class Apart(MemoryDoors):
        shared = False

        async def recover(self) -> bool:
            return False

    async with opened(tmp_path, Apart) as service:
        report = (await service.http.get("/readyz")).json()
        assert (report["status"], report["degraded"]) == ("degraded", ["rate_limits"])
        assert "\nrates_shared 0.0\n" in (await service.http.get("/metrics")).text


async def test_every_price_is_that_of_a_route() -> None:
    """The router writes some parts of a path otherwise than the table does."""
    charged = {
        (next(iter(item.methods or ())), re.sub(r":[a-z_]+\}", "}", item.path)): item.price
        for item in ROUTES
        if isinstance(item, RawRoute)
    }
    for name, price in PRICES.items():
        method, path = name.split(" ", 1)
        assert charged[method, path] == price, name


async def test_requests_of_a_key_that_wait_have_an_end(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_KEY_REQUESTS", 2)
    key, other = await service.key(), await service.key()
    with (
        service.container.turnstile.inside(quota.ACTIVE, key_id_of(key), 2),
        service.container.turnstile.inside(quota.ACTIVE, key_id_of(key), 2),
    ):
        full = await service.http.get("/v1/portfolios", headers=key)
        assert (full.status_code, full.json()["code"]) == (429, "too_many_concurrent")
        assert (await service.http.get("/v1/portfolios", headers=other)).status_code == 200
    assert (await service.http.get("/v1/portfolios", headers=key)).status_code == 200


async def test_an_open_path_of_the_log_has_places_of_its_own(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_PUBLIC_REQUESTS", 1)
    with service.container.turnstile.inside(quota.ACTIVE, "/v1/log/key", 1):
        assert (await service.http.get("/v1/log/key")).status_code == 429
        assert (await service.http.get("/v1/log/checkpoint")).status_code == 200
        assert (await service.http.get("/livez")).status_code == 200
    assert (await service.http.get("/v1/log/key")).status_code == 200


def key_id_of(headers: dict[str, str]) -> str:
    return f"key_{headers['Authorization'].split('_')[2]}"
