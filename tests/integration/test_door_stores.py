"""Both memories of the doors keep the same promises; that in Redis also under faults and with several processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis

from app.adapters.memory_doors import MAX_BUCKETS, MemoryDoors
from app.adapters.redis_doors import BEGAN_KEY, open_redis_doors
from app.door_ports import DoorStore, DoorsUnsure
from app.token_bucket import BILLIONTHS, RatePlan
from scripts import embedded_servers
from tests.support.documents import ROOT

SLOW = RatePlan(1, 5)
NOW = 1_790_000_000_000


@pytest.fixture(params=["memory", "redis"])
async def doors(request: pytest.FixtureRequest) -> AsyncIterator[DoorStore]:
    if request.param == "memory":
        yield MemoryDoors(0)
        return
    url = request.getfixturevalue("redis_url")
    redis.from_url(url).set(BEGAN_KEY, 0)
    async with open_redis_doors(url, processes=1, alone=False) as opened:
        yield opened


async def claim(doors: DoorStore, nonce: str, *, key: str = "key_1", at: int = NOW, seconds: float = 60.0) -> bool:
    return await doors.claim(key, nonce, signed_at_ms=at, now_ms=at, seconds=seconds)


async def test_a_bucket_is_emptied_and_refuses(doors: DoorStore) -> None:
    assert [(await doors.take("a", SLOW, 2)).allowed for _ in range(3)] == [True, True, False]
    refused = await doors.take("a", SLOW, 2)
    assert refused.left == 1 and refused.shared and 0 < refused.seconds_until(2, SLOW) <= 1000.0
    assert (await doors.take("b", SLOW, 5)).allowed, "each caller has a bucket of its own"


async def test_what_costs_more_than_the_burst_leaves_a_debt(doors: DoorStore) -> None:
    assert (await doors.take("a", SLOW, 7)).allowed
    after = await doors.take("a", SLOW, 1)
    assert not after.allowed and after.left == 0 and after.level < -1.9 * BILLIONTHS


@pytest.mark.parametrize("caller", ["a{b}", "a}:rate", "a:b", "ü {x} %7B", ""])
async def test_no_name_of_a_caller_touches_another(doors: DoorStore, caller: str) -> None:
    for _ in range(2):
        await doors.take(caller, SLOW, 5)
    assert (await doors.take("a", SLOW, 5)).allowed


async def test_a_nonce_is_used_once_for_each_key(doors: DoorStore) -> None:
    assert [await claim(doors, "n1"), await claim(doors, "n1"), await claim(doors, "n2")] == [True, False, True]
    assert await claim(doors, "n1", key="key_2")


async def test_of_many_at_once_one_uses_the_nonce(doors: DoorStore) -> None:
    assert sum(await asyncio.gather(*(claim(doors, "n") for _ in range(20)))) == 1


async def test_a_ticket_is_redeemed_once(doors: DoorStore) -> None:
    await doors.keep("t1", b"content", seconds=30.0)
    assert [await doors.redeem("t1"), await doors.redeem("t1"), await doors.redeem("t2")] == [b"content", None, None]
    await doors.keep("t3", b"over", seconds=0.001)
    await asyncio.sleep(0.01)
    assert await doors.redeem("t3") is None


async def test_what_was_signed_before_the_memory_began_is_refused() -> None:
    doors = MemoryDoors(NOW)
    for at in (NOW - 1, NOW, NOW + 1000):
        with pytest.raises(DoorsUnsure):
            await claim(doors, "n", at=at)
    assert await claim(doors, "n", at=NOW + 1001)


async def test_a_server_that_forgot_everything_lets_no_old_signature_in(redis_url: str) -> None:
    async with open_redis_doors(redis_url, processes=1, alone=False) as one:
        later = time.time_ns() // 1_000_000 + 1_500
        assert await claim(one, "n", at=later)
    redis.from_url(redis_url).flushall()
    async with open_redis_doors(redis_url, processes=1, alone=False) as other:
        with pytest.raises(DoorsUnsure):
            await other.claim("key_1", "n", signed_at_ms=later - 1_500, now_ms=later, seconds=60.0)


async def test_memory_is_bounded() -> None:
    now = [0.0]
    doors = MemoryDoors(0, lambda: now[0])
    for number in range(MAX_BUCKETS + 10):
        doors.take_at(str(number), SLOW, 1, 0)
    assert len(doors._buckets) == MAX_BUCKETS
    for number in range(100):
        assert doors.note(("k", str(number)), 1.0)
    now[0] = 2.0
    assert doors.note(("k", "0"), 1.0)
    assert (len(doors._nonces), len(doors._old)) == (1, 1)


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded_servers.Server]:
    """Server of this test only, to be killed."""
    with embedded_servers.valkey(Path(tmp_path_factory.mktemp("valkey"))) as server:
        yield server


async def test_the_real_server_takes_the_steps_of_the_bucket(redis_url: str) -> None:
    local, random = MemoryDoors(0), Random(7)
    async with open_redis_doors(redis_url, processes=1, alone=False) as remote:
        for turn in range(20):
            plan = RatePlan(random.randint(1, 10**9), random.randint(1, 10**6))
            now = NOW * 1000
            for _ in range(20):
                now += int(10 ** random.uniform(0, 12)) - 500
                cost = int(plan.burst * random.uniform(0, 1.5))
                name = f"c{turn}"
                assert await remote.take_at(name, plan, cost, now) == local.take_at(name, plan, cost, now)


@pytest.mark.own_limits
async def test_while_the_server_is_away_each_process_has_its_share(own_server: embedded_servers.Server) -> None:
    plan = RatePlan(1, 20)
    async with open_redis_doors(own_server.url, processes=4, alone=False) as doors:
        assert (await doors.take("a", plan, 1)).shared and doors.shared
        own_server.kill()
        taken = [await doors.take("a", plan, 1) for _ in range(7)]
        assert [item.allowed for item in taken] == [True] * 5 + [False] * 2
        assert not any(item.shared for item in taken) and not doors.shared
        await doors.keep("t", b"here", seconds=30.0)
        assert await doors.redeem("t") == b"here"
        with pytest.raises(DoorsUnsure, match="does not answer"):
            await claim(doors, "n")
        own_server.start()
        async with asyncio.timeout(30):
            while not (await doors.take("b", plan, 1)).shared:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert doors.shared


@pytest.mark.own_limits
async def test_a_process_that_is_alone_knows_its_nonces_without_the_server(own_server: embedded_servers.Server) -> None:
    async with open_redis_doors(own_server.url, processes=1, alone=True) as doors:
        later = time.time_ns() // 1_000_000 + 60_000
        assert await claim(doors, "n1", at=later)
        own_server.kill()
        assert [await claim(doors, "n1", at=later), await claim(doors, "n2", at=later)] == [False, True]
        with pytest.raises(DoorsUnsure, match="before"):
            await claim(doors, "n3", at=later - 120_000)


@pytest.mark.own_limits
async def test_a_hanging_server_is_waited_for_once(own_server: embedded_servers.Server) -> None:
    """Its timeout, and then a second of going on alone: the clock of the test says nothing, the asked calls do."""
    async with open_redis_doors(own_server.url, processes=1, alone=False) as doors:
        await doors.take("a", SLOW, 1)
        own_server.suspend()
        asked = 0
        whole = doors._client.evalsha

        async def counted(*arguments: Any) -> Any:
            nonlocal asked
            asked += 1
            return await whole(*arguments)

        doors._client.evalsha = counted  # type: ignore[method-assign]
        assert not (await doors.take("a", SLOW, 1)).shared
        await asyncio.gather(*(doors.take("a", SLOW, 1) for _ in range(100)))
        assert asked <= 2
        own_server.resume()


SPENDER = """
import asyncio, sys, time
from app.adapters.redis_doors import open_redis_doors
from app.token_bucket import RatePlan

async def main():
    async with open_redis_doors(sys.argv[1], processes=5, alone=False) as doors:
        print("ready", flush=True)
        sys.stdin.readline()
        end, passed = time.monotonic() + 1.0, 0
        while time.monotonic() < end:
            taken = await asyncio.gather(*(doors.take("a", RatePlan.of(100, 50), 1) for _ in range(8)))
            passed += sum(item.allowed for item in taken if item.shared)
        print(passed)

asyncio.run(main())
"""


def test_five_processes_together_spend_no_more_than_rate_and_burst(redis_url: str) -> None:
    server = redis.from_url(redis_url)
    command = [sys.executable, "-c", SPENDER, redis_url]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(5)
    ]
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        begin = server.time()
        outputs = [process.communicate("go\n", timeout=60)[0] for process in processes]
        end = server.time()
    finally:
        for process in processes:
            process.kill()
            process.wait()
    seconds = (end[0] - begin[0]) + (end[1] - begin[1]) / 1e6
    spent = sum(int(text) for text in outputs)
    assert 50 < spent <= 50 + 100 * seconds
