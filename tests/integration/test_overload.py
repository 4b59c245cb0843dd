"""More than the service can do: work is refused with 503 and a time to come again, the health is answered always."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import middleware
from app.container import Container
from app.examples import SMALLEST
from app.lifespan import open_container
from app.limits import MAX_WAITING_RECORDS
from app.ports import Appended, AuditActivity, AuditFull, AuditRecord
from app.settings import Settings
from tests.support.http import client_of

SECONDS = 30.0
FOUR_FIFTHS = int(0.8 * MAX_WAITING_RECORDS)
HEALTH = ("/livez", "/readyz", "/metrics")


class Audit:
    """A real log of which a test says how much waits, and when records are written."""

    def __init__(self, real: Any) -> None:
        self.real, self.waiting, self.full = real, 0, False
        self.open = asyncio.Event()
        self.open.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def activity(self) -> AuditActivity:
        """As much as the test says."""
        return AuditActivity(self.waiting, 0, 0)

    async def append(self, record: AuditRecord, *, timeout: float) -> Appended:
        """Append once the test lets it."""
        if self.full:
            raise AuditFull("no room")
        await self.open.wait()
        appended: Appended = await self.real.append(record, timeout=timeout)
        return appended


@pytest.fixture
async def container(tmp_path: Path) -> AsyncIterator[Container]:
    async with open_container(Settings(data_dir=tmp_path)) as container:
        yield dataclasses.replace(container, audit=Audit(container.audit))


@pytest.fixture
async def http(container: Container) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(container) as http:
        yield http


def audit_of(container: Container) -> Audit:
    assert isinstance(container.audit, Audit)
    return container.audit


def refused(answer: httpx.Response) -> bool:
    """Whether it is the refusal, whole: code, outcome, time to come again."""
    if answer.status_code != 503:
        return False
    problem = answer.json()
    assert (problem["code"], problem["outcome"], problem["retryable"]) == ("overloaded", "rejected", True)
    assert answer.headers["retry-after"] == "1"
    return True


async def test_work_is_refused_from_four_fifths_on_and_reading_is_not(
    container: Container, http: httpx.AsyncClient
) -> None:
    audit_of(container).waiting = FOUR_FIFTHS
    assert (await http.post("/v1/evaluations", json=SMALLEST)).status_code == 200
    audit_of(container).waiting = FOUR_FIFTHS + 1
    size = await container.audit.size()
    calls = [
        http.post("/v1/evaluations", content=b"not even JSON"),
        http.put("/v1/instruments", json={}),
        http.delete("/v1/portfolios/desk"),
        http.get("/v1/scalar", params={"symbol": "A", "target_volatility": "0.2"}),
    ]
    assert [refused(await call) for call in calls] == [True] * 4
    assert await container.audit.size() == size
    for path in (*HEALTH, "/v1/audit/entries", "/v1/limits"):
        assert (await http.get(path)).status_code == 200, path
    audit_of(container).waiting = 0
    assert (await http.post("/v1/evaluations", json=SMALLEST)).status_code == 200


async def test_a_full_queue_is_an_overload_and_not_an_outage(container: Container, http: httpx.AsyncClient) -> None:
    audit_of(container).full = True
    assert refused(await http.post("/v1/evaluations", json=SMALLEST))


async def test_requests_under_way_have_an_end_and_the_health_has_none(
    container: Container, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "MAX_ACTIVE_REQUESTS", 2)
    audit = audit_of(container)
    audit.open.clear()
    first = [asyncio.create_task(http.post("/v1/evaluations", json=SMALLEST)) for _ in range(2)]
    async with asyncio.timeout(SECONDS):
        while not refused(await http.get("/v1/limits")):  # noqa: ASYNC110 - the second has not begun yet
            await asyncio.sleep(0)
    for path in HEALTH:
        assert (await http.get(path)).status_code == 200, path
    audit.open.set()
    assert [answer.status_code for answer in await asyncio.gather(*first)] == [200, 200]
    assert (await http.get("/v1/limits")).status_code == 200


async def test_the_limits_are_published(http: httpx.AsyncClient) -> None:
    limits = (await http.get("/v1/limits")).json()
    assert limits["max_waiting_records"] == MAX_WAITING_RECORDS
    assert {"max_computations", "max_active_requests"} <= limits.keys()
