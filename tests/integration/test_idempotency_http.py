"""An Idempotency-Key decides once: repeats, races and reuse with another body, over HTTP on both stores."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from tests.support.bodies import smallest
from tests.support.clients import audit_entries, post
from tests.support.service import ServiceProcess, running

RACERS = 8
KEYS = 4


@pytest.fixture(params=["sqlite", "postgres"])
def services(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[ServiceProcess]]:
    """One embedded service; or two processes that share PostgreSQL and Redis."""
    if request.param == "sqlite":
        with running(tmp_path / "one") as service:
            yield [service]
        return
    stores = {
        "database_url": request.getfixturevalue("postgres_url"),
        "redis_url": request.getfixturevalue("redis_url"),
    }
    with running(tmp_path / "one", **stores) as one, running(tmp_path / "two", **stores) as two:
        yield [one, two]


async def race(services: list[ServiceProcess], keys: list[str]) -> dict[str, list[httpx.Response]]:
    """Send every key `RACERS` times at once, spread over the services."""
    clients = [httpx.AsyncClient(base_url=service.url, timeout=30.0, trust_env=False) for service in services]
    try:
        calls = [post(clients[number % len(clients)], key, smallest()) for number in range(RACERS) for key in keys]
        responses = await asyncio.gather(*calls)
    finally:
        for client in clients:
            await client.aclose()
    return {key: list(responses[place :: len(keys)]) for place, key in enumerate(keys)}


def test_a_race_on_one_key_is_decided_once(services: list[ServiceProcess]) -> None:
    keys = [f"race-{number}" for number in range(KEYS)]
    responses = asyncio.run(race(services, keys))
    entries = list(audit_entries(services[0].url))
    for key in keys:
        assert {response.status_code for response in responses[key]} == {200}, [
            response.text[:300] for response in responses[key] if response.status_code != 200
        ][:1]
        assert len({response.content for response in responses[key]}) == 1, f"{key}: answers differ"
        assert sum(response.headers.get("Idempotency-Replayed") != "true" for response in responses[key]) == 1, (
            f"{key}: exactly one answer is the original"
        )
        assert sum(entry["client_reference"] == key for entry in entries) == 1
    assert [entry["index"] for entry in entries] == list(range(KEYS)), "a loser of the race used up an index"


def test_a_repeat_survives_a_restart_and_names_its_entry(services: list[ServiceProcess]) -> None:
    service = services[0]
    first = asyncio.run(race([service], ["again"]))["again"][0]
    service.kill()
    service.start()
    repeated = asyncio.run(race([service], ["again"]))["again"][0]
    assert repeated.content == first.content
    assert repeated.headers["Idempotency-Replayed"] == "true"


def test_a_key_with_another_body_is_refused(services: list[ServiceProcess]) -> None:
    with httpx.Client(base_url=services[0].url, timeout=30.0, trust_env=False) as http:
        headers = {"Content-Type": "application/json", "Idempotency-Key": "one"}
        body = smallest()
        assert http.post("/v1/evaluations", content=orjson.dumps(body), headers=headers).status_code == 200
        body["account"]["equity"] = "100001"
        response = http.post("/v1/evaluations", content=orjson.dumps(body), headers=headers)
        assert response.status_code == 422
        assert response.json()["code"] == "idempotency_mismatch"
        other_route = http.post("/v1/targets", content=orjson.dumps(body), headers=headers)
        assert other_route.status_code == 200, "the scope of a key is its route"
    assert len(list(audit_entries(services[0].url))) == 2


def test_a_refused_request_leaves_its_key_free(services: list[ServiceProcess]) -> None:
    with httpx.Client(base_url=services[0].url, timeout=30.0, trust_env=False) as http:
        headers = {"Content-Type": "application/json", "Idempotency-Key": "mended"}
        body = smallest()
        body["policy"]["sizing"]["target_volatility"] = 20
        assert http.post("/v1/evaluations", content=orjson.dumps(body), headers=headers).status_code == 422
        body["policy"]["sizing"]["target_volatility"] = 0.20
        assert http.post("/v1/evaluations", content=orjson.dumps(body), headers=headers).status_code == 200
