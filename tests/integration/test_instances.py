"""Two instances of the service on one PostgreSQL and one Valkey: each reads what the other wrote, whatever dies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import redis

from app.adapters.switching_bus import open_redis_bus
from scripts import embedded_servers
from services.streaming.update import Channel, Kind
from tests.support.bus import Recorder
from tests.support.service import ServiceProcess

AUDIT = Channel("local", Kind.AUDIT)
SECONDS = 60.0


@pytest.fixture
def valkey(servers_directory: Path, tmp_path: Path) -> Iterator[embedded_servers.ValkeyServer]:
    with embedded_servers.valkey(servers_directory / tmp_path.name) as server:
        yield server


@pytest.fixture
def instances(
    postgres_url: str, valkey: embedded_servers.ValkeyServer, tmp_path: Path
) -> Iterator[list[ServiceProcess]]:
    found = [
        ServiceProcess(tmp_path / name, database_url=postgres_url, redis_url=valkey.url) for name in ("one", "two")
    ]
    found[0].migrate()
    with ExitStack() as stack:
        for service in found:
            stack.callback(service.kill)
            service.start()
        yield found


async def leads(service: ServiceProcess) -> bool:
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as http:
        return bool(re.search(r"^live_leads 1\.0$", (await http.get("/metrics")).text, re.MULTILINE))


async def leader_of(instances: list[ServiceProcess]) -> ServiceProcess:
    """The instance that runs the live engine, once exactly one does."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = [service for service in instances if service.process is not None and await leads(service)]
            if len(found) == 1:
                return found[0]
            await asyncio.sleep(0.05)


async def observe(service: ServiceProcess, number: int) -> bool:
    """Feed one bar; whether it was recorded."""
    day, hour = divmod(number, 24)
    row = {"symbol": "BTC-PERP", "interval": "PT1H", "close_time": f"2026-10-{day + 1:02d}T{hour:02d}:00:00Z"}
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=60) as http:
        body = {"observations": [row | {"close": 100 + number}]}
        key = {"Idempotency-Key": f"bar-{number}"}
        for _ in range(100):  # a store that is slow for a moment refuses, and the call may be repeated
            response = await http.post("/v1/observations", json=body, headers=key)
            if response.status_code != 503:
                break
            await asyncio.sleep(0.1)
        return response.status_code == 200


async def test_instances_share_one_stream_over_every_loss(
    instances: list[ServiceProcess], valkey: embedded_servers.ValkeyServer
) -> None:
    async with open_redis_bus(valkey.url) as bus:
        reader = Recorder()
        bus.listen(reader)
        reader.begin(AUDIT, await bus.follow(AUDIT))
        recorded = bars = 0

        async def write(count: int, *through: ServiceProcess) -> None:
            nonlocal recorded, bars
            for turn in range(count):
                recorded += await observe(through[turn % len(through)], bars)
                bars += 1

        async def told() -> None:
            await reader.until(lambda: reader.newest(AUDIT) == recorded - 1, SECONDS)

        first = await leader_of(instances)
        second = next(service for service in instances if service is not first)
        await write(20, first, second)
        await told()
        assert reader.versions(AUDIT) == list(range(20)), "each entry once, in the order of the log"

        first_epoch = reader.states[AUDIT][-1].position.epoch
        valkey.kill()
        valkey.start()
        await reader.until(lambda: bus.shared, SECONDS)
        await write(10, first, second)
        await told()

        with redis.Redis.from_url(valkey.url) as admin:
            admin.flushall()
        await write(10, first, second)
        await told()
        epoch = reader.states[AUDIT][-1].position.epoch
        assert len([u for u in reader.states[AUDIT] if u.position.epoch == epoch]) >= 1
        assert epoch != first_epoch

        first.kill()
        await write(10, second)
        await told()
        assert await leader_of(instances) is second
        assert recorded == 50, "the restart of the cache costs no call that comes after it"
        first.start()
        await write(5, first, second)
        await told()
        assert await leader_of(instances) is second, "a leader that works is not replaced"
        assert reader.broken == []


async def test_an_instance_that_ends_in_good_order_gives_the_lease_away(instances: list[ServiceProcess]) -> None:
    first = await leader_of(instances)
    second = next(service for service in instances if service is not first)
    await asyncio.to_thread(first.stop)
    assert await leader_of([second]) is second
    assert "no longer runs the live engine" in first.log_tail(20_000)
