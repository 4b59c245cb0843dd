"""Both stores of volatility states keep the same promises; Redis also under faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import redis

from app.adapters.memory_volatility import MemoryVolatilityStore
from app.adapters.redis_volatility import RedisVolatilityStore, open_redis_volatility
from app.adapters.volatility_keys import life_seconds
from app.ports import StateChange, StateKey, StateUnavailable, VolatilityStore
from scripts import embedded_servers
from services.core.annualization import Calendar
from services.volatility.codec import head_bytes, ring_bytes
from services.volatility.estimators.ewma import Ewma
from services.volatility.state import VolatilityState, empty_state, update
from tests.unit.volatility.markets import DAY, times, walk

MODEL = Ewma()


def key(symbol: str, *, tenant: str = "local", venue: str = "", bar_seconds: int = DAY) -> StateKey:
    return StateKey(tenant, venue, symbol, bar_seconds, MODEL.model_version)


def fed(bars: int, seed: int = 1) -> VolatilityState:
    fresh = empty_state(MODEL, bar_seconds=DAY, calendar=Calendar())
    return update(fresh, walk(seed, bars).tolist(), times(bars).tolist(), estimator=MODEL)[0]


def grown(state: VolatilityState) -> VolatilityState:
    return update(state, [state.last_close * 1.01], [state.last_close_at + DAY], estimator=MODEL)[0]


def same(left: VolatilityState | None, right: VolatilityState | None) -> bool:
    if left is None or right is None:
        return left is right
    return (head_bytes(left), ring_bytes(left)) == (head_bytes(right), ring_bytes(right))


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[VolatilityStore]:
    if request.param == "memory":
        yield MemoryVolatilityStore()
        return
    async with open_redis_volatility(request.getfixturevalue("redis_url")) as opened:
        yield opened


async def test_a_state_comes_back_as_it_was_stored(store: VolatilityStore) -> None:
    names = [key("A"), key("missing"), key("A", venue="x"), key("BTC/USDT:USDT"), key("{A}"), key("A", bar_seconds=60)]
    states = {name: fed(30 + place, place) for place, name in enumerate(names) if name.symbol != "missing"}
    stored = await store.compare_and_set([StateChange(name, None, state) for name, state in states.items()])
    assert stored == [True] * 5
    loaded = await store.load([*names, names[0]])
    assert all(same(found, states.get(name)) for name, found in zip([*names, names[0]], loaded, strict=True))
    assert await store.load([]) == []
    assert await store.compare_and_set([]) == []
    await store.ping()
    assert store.server_version()


async def test_only_a_state_made_from_the_stored_one_replaces_it(store: VolatilityStore) -> None:
    first, second = fed(30), grown(fed(30))
    name = key("A")
    assert await store.compare_and_set([StateChange(name, 7, first)]) == [False]
    assert await store.compare_and_set([StateChange(name, None, first)]) == [True]
    assert await store.compare_and_set([StateChange(name, None, second)]) == [False]
    assert await store.compare_and_set([StateChange(name, first.version, second)]) == [True]
    assert await store.compare_and_set([StateChange(name, first.version, grown(second))]) == [False]
    assert same((await store.load([name]))[0], second)


async def test_changes_are_independent(store: VolatilityStore) -> None:
    await store.compare_and_set([StateChange(key("B"), None, fed(30))])
    changes = [
        StateChange(key("A"), None, fed(31)),
        StateChange(key("B"), None, fed(32)),
        StateChange(key("C"), None, fed(33)),
    ]
    assert await store.compare_and_set(changes) == [True, False, True]


async def test_deleting_forgets(store: VolatilityStore) -> None:
    await store.compare_and_set([StateChange(key("A"), None, fed(30))])
    assert await store.delete(key("A"))
    assert not await store.delete(key("A"))
    assert await store.load([key("A")]) == [None]
    assert await store.list("local", after=None, limit=10) == []
    assert await store.compare_and_set([StateChange(key("A"), None, fed(31))]) == [True]


async def test_listing_pages_through_one_tenant(store: VolatilityStore) -> None:
    symbols = [f"S{number:02d}" for number in range(23)]
    await store.compare_and_set([StateChange(key(symbol), None, fed(30)) for symbol in symbols])
    await store.compare_and_set([StateChange(key("S05", tenant="other"), None, fed(30))])
    found: list[str] = []
    after: StateKey | None = None
    while page := await store.list("local", after=after, limit=5):
        assert len(page) <= 5
        found += [name.symbol for name, _ in page]
        after = page[-1][0]
    assert found == symbols
    assert [name.tenant_id for name, _ in await store.list("other", after=None, limit=5)] == ["other"]


async def test_racing_writers_lose_nothing(store: VolatilityStore) -> None:
    """Eight writers each apply 25 updates to one state: 200 versions, no update lost."""
    name = key("A")
    await store.compare_and_set([StateChange(name, None, replace(fed(30), version=1))])

    async def write() -> None:
        for _ in range(25):
            while True:
                (state,) = await store.load([name])
                assert state is not None
                await asyncio.sleep(0)
                if (await store.compare_and_set([StateChange(name, state.version, grown(state))]))[0]:
                    break

    await asyncio.gather(*(write() for _ in range(8)))
    (state,) = await store.load([name])
    assert state is not None
    assert state.version == 201
    assert state.observations == 29 + 200


async def test_memory_forgets_what_was_fed_least_recently() -> None:
    store = MemoryVolatilityStore(max_states=2)
    for symbol in ("A", "B"):
        await store.compare_and_set([StateChange(key(symbol), None, fed(30))])
    await store.compare_and_set([StateChange(key("A"), 1, grown(fed(30)))])
    await store.compare_and_set([StateChange(key("C"), None, fed(30))])
    assert [state is None for state in await store.load([key("A"), key("B"), key("C")])] == [False, True, False]


@pytest.fixture
async def remote(redis_url: str) -> AsyncIterator[RedisVolatilityStore]:
    async with open_redis_volatility(redis_url) as opened:
        yield opened


async def test_two_processes_see_each_other(remote: RedisVolatilityStore, redis_url: str) -> None:
    """A state that another process changed is read anew, also one that was reset and fed again."""
    async with open_redis_volatility(redis_url) as other:
        await remote.compare_and_set([StateChange(key("A"), None, fed(30, 1))])
        assert same((await other.load([key("A")]))[0], fed(30, 1))
        await other.delete(key("A"))
        await other.compare_and_set([StateChange(key("A"), None, fed(30, 2))])
        assert same((await remote.load([key("A")]))[0], fed(30, 2))
        await other.compare_and_set([StateChange(key("A"), 1, grown(fed(30, 2)))])
        assert same((await remote.load([key("A")]))[0], grown(fed(30, 2)))


async def test_an_unchanged_state_travels_as_its_head_only(remote: RedisVolatilityStore, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    await remote.compare_and_set([StateChange(key("A"), None, fed(600))])
    client.config_resetstat()
    first, second = [(await remote.load([key("A")]))[0] for _ in range(2)]
    assert first is second
    calls = cast("dict[str, dict[str, int]]", client.info("commandstats"))
    assert calls["cmdstat_mget"]["calls"] == 2
    client.close()


async def test_states_expire_and_leave_the_index(remote: RedisVolatilityStore, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    await remote.compare_and_set([StateChange(key(symbol), None, fed(30)) for symbol in ("A", "B", "C")])
    head = b"trimtab:{local}:vol::B:86400:ewma.1-20.0:head"
    assert cast(int, client.ttl(head)) == pytest.approx(life_seconds(DAY), abs=5)
    client.delete(head)
    assert [name.symbol for name, _ in await remote.list("local", after=None, limit=2)] == ["A", "C"]
    assert client.zcard("trimtab:{local}:vol:index") == 2
    client.close()


async def test_scripts_are_sent_again_after_the_server_forgot_them(
    remote: RedisVolatilityStore, redis_url: str
) -> None:
    client = redis.Redis.from_url(redis_url)
    client.script_flush()
    changes = [StateChange(key(symbol), None, fed(30)) for symbol in ("A", "B")]
    assert await remote.compare_and_set(changes) == [True, True]
    client.close()


async def test_damage_is_reported_and_mended_by_a_reset(remote: RedisVolatilityStore, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    await remote.compare_and_set([StateChange(key("A"), None, fed(30))])
    client.delete("trimtab:{local}:vol::A:86400:ewma.1-20.0:ring")
    async with open_redis_volatility(redis_url) as other:
        with pytest.raises(StateUnavailable, match="damaged"):
            await other.load([key("A")])
        assert await other.delete(key("A"))
        assert await other.load([key("A")]) == [None]
    client.close()


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded_servers.Server]:
    """Server of this test only, to be killed."""
    directory = Path(tmp_path_factory.mktemp("valkey"))
    with embedded_servers.valkey(directory) as server:
        yield server


async def test_a_killed_server_is_said_so_and_found_again(own_server: embedded_servers.Server) -> None:
    async with open_redis_volatility(own_server.url) as store:
        await store.compare_and_set([StateChange(key("A"), None, fed(30))])
        own_server.kill()
        for call in (store.load([key("A")]), store.ping(), store.compare_and_set([StateChange(key("A"), 1, fed(31))])):
            with pytest.raises(StateUnavailable) as caught:
                await call
            assert "127.0.0.1" not in caught.value.detail
        own_server.start()
        assert (await store.load([key("B")])) == [None]


async def test_a_hanging_server_is_not_waited_for(own_server: embedded_servers.Server) -> None:
    async with open_redis_volatility(own_server.url) as store:
        own_server.suspend()
        with pytest.raises(StateUnavailable, match="Timeout"):
            await store.load([key("A")])
        own_server.resume()
        assert (await store.load([key("A")])) == [None]


async def test_an_address_nobody_answers_is_refused_at_once() -> None:
    with pytest.raises(StateUnavailable):
        async with open_redis_volatility("redis://user:secret@127.0.0.1:1/0"):
            pass
