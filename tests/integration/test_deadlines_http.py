"""`Request-Timeout-Ms`: an answer comes by then, and says truly whether anything was written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.adapters import postgres_connection
from app.adapters.database_url import PostgresUrl, parse_database_url
from app.adapters.postgres_connection import PostgresReaders
from app.container import Container
from app.deadline import begin, request_time
from app.examples import SMALLEST
from app.lifespan import open_container
from app.operations import OPERATIONS, Operation
from app.ports import AuditUnavailable
from app.settings import Settings
from app.usecases import evaluate_portfolio
from tests.support.http import client_of
from tests.support.paths import a_path

PATIENCE = 60.0
DECIDE = evaluate_portfolio.decide


@pytest.fixture
async def container(tmp_path: Path) -> AsyncIterator[Container]:
    async with open_container(Settings(data_dir=tmp_path)) as container:
        yield container


@pytest.fixture
async def http(container: Container) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(container) as http:
        yield http


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Evaluations take as long as the test does not set this."""
    event = threading.Event()

    def slow(*arguments: Any, **named: Any) -> Any:
        event.wait(PATIENCE)
        return DECIDE(*arguments, **named)

    monkeypatch.setattr(evaluate_portfolio, "decide", slow)
    monkeypatch.setattr(evaluate_portfolio, "takes_a_while", lambda _: True)
    return event


async def test_a_computation_is_cut_and_nothing_is_written(
    container: Container, http: httpx.AsyncClient, released: threading.Event
) -> None:
    key = {"Idempotency-Key": "again"}
    late = await http.post("/v1/evaluations", json=SMALLEST, headers=key | {"Request-Timeout-Ms": "50"})
    problem = late.json()
    assert (late.status_code, problem["code"]) == (503, "timed_out")
    assert (problem["outcome"], problem["retryable"]) == ("rejected", True)
    released.set()
    again = await http.post("/v1/evaluations", json=SMALLEST, headers=key | {"Request-Timeout-Ms": "60000"})
    assert again.status_code == 200
    assert "idempotency-replayed" not in again.headers
    assert await container.audit.size() == 1


async def test_who_says_no_time_waits_for_the_computation(http: httpx.AsyncClient, released: threading.Event) -> None:
    calling = asyncio.create_task(http.post("/v1/evaluations", json=SMALLEST))
    await asyncio.sleep(0.1)
    assert not calling.done()
    released.set()
    assert (await calling).status_code == 200


async def test_what_has_begun_to_change_is_not_cut(
    container: Container, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A halt that took hold and was told to be refused would be a halt that nobody knows of."""
    kind = type(container.switches)
    replace = kind.replace

    async def slow(*arguments: Any, **named: Any) -> Any:
        done = await replace(*arguments, **named)
        await asyncio.sleep(1.2)
        return done

    monkeypatch.setattr(kind, "replace", slow)
    halt = {"mode": "halt", "actor": "ann", "reason": "drill"}
    answer = await http.put("/v1/breakers/global", json=halt, headers={"Request-Timeout-Ms": "1000"})
    assert (answer.status_code, answer.json().get("mode")) == (200, "halt"), answer.text
    assert await container.audit.size() == 1


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.timed], ids=lambda one: one.operation_id)
async def test_every_operation_that_promises_it_reads_it(http: httpx.AsyncClient, operation: Operation) -> None:
    body, zero = None if operation.body is None else {}, {"Request-Timeout-Ms": "0"}
    query = operation.query_examples
    answer = await http.request(operation.method, a_path(operation), json=body, params=query, headers=zero)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_header"), answer.text


async def test_a_read_of_a_hung_database_ends_by_then(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "READ_SECONDS", 10 * PATIENCE)
    target = parse_database_url(postgres_url)
    assert isinstance(target, PostgresUrl)
    readers = await PostgresReaders.open(target)
    try:
        async with asyncio.timeout(PATIENCE):
            with request_time():
                begin(0.3)
                with pytest.raises(AuditUnavailable):
                    await readers.fetch("SELECT pg_sleep(600)")
        assert (await readers.fetch_one("SELECT 1"))[0] == 1
    finally:
        await readers.close()
