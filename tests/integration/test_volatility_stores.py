"""Both stores of volatility states keep the same promises; Redis also under faults."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import pytest
import redis

from app.adapters.memory_volatility import MemoryVolatilityStore
from app.adapters.redis_volatility import RedisVolatilityStore, open_redis_volatility
from app.adapters.volatility_keys import life_seconds
from app.ports import FedState, StateChange, StateDamaged, StateKey, StateUnavailable, VolatilityStore
from scripts import embedded_servers
from services.core.annualization import Calendar
from services.volatility.bars import Bar
from services.volatility.codec import head_bytes, ring_bytes
from services.volatility.estimators.ewma import Ewma
from services.volatility.registry import model_version
from services.volatility.replay import Observed, begin, observe
from services.volatility.replay_codec import replay_bytes
from services.volatility.state import VolatilityState
from tests.unit.volatility.markets import DAY, times, walk

MODEL = Ewma()


def key(symbol: str, *, tenant: str = "local", venue: str = "", bar_seconds: int = DAY) -> StateKey:
    return StateKey(tenant, venue, symbol, bar_seconds, model_version(MODEL))


def fed(bars: int, seed: int = 1) -> FedState:
    closes = zip(times(bars).tolist(), walk(seed, bars).tolist(), strict=True)
    points = [Observed(Bar(at, close), "test") for at, close in closes]
    state, replay, _ = observe(*begin(MODEL, bar_seconds=DAY, calendar=Calendar()), points, estimator=MODEL)
    return FedState(state, replay)


def grown(before: FedState) -> FedState:
    bar = Bar(before.state.last_close_at + DAY, before.state.last_close * 1.01)
    return FedState(*observe(*before, [Observed(bar)], estimator=MODEL)[:2])


def change(name: StateKey, expected: int | None, after: FedState) -> StateChange:
    return StateChange(name, expected, *after)


def same(left: VolatilityState | None, right: FedState | None) -> bool:
    if left is None or right is None:
        return left is None and right is None
    return (head_bytes(left), ring_bytes(left)) == (head_bytes(right.state), ring_bytes(right.state))


def same_fed(left: FedState | None, right: FedState | None) -> bool:
    if left is None or right is None:
        return left is right
    head = head_bytes(left.state)
    return same(left.state, right) and replay_bytes(left.replay, head) == replay_bytes(right.replay, head)


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
    stored = await store.compare_and_set([change(name, None, state) for name, state in states.items()])
    assert stored == [True] * 5
    loaded = await store.load([*names, names[0]])
    assert all(same(found, states.get(name)) for name, found in zip([*names, names[0]], loaded, strict=True))
    paired = await store.load_for_update([*names, names[0]])
    assert all(same_fed(found, states.get(name)) for name, found in zip([*names, names[0]], paired, strict=True))
    assert await store.load([]) == []
    assert await store.load_for_update([]) == []
    assert await store.compare_and_set([]) == []
    await store.ping()
    assert store.server_version()


async def test_only_a_state_made_from_the_stored_one_replaces_it(store: VolatilityStore) -> None:
    first, second = fed(30), grown(fed(30))
    name = key("A")
    assert await store.compare_and_set([change(name, 7, first)]) == [False]
    assert await store.compare_and_set([change(name, None, first)]) == [True]
    assert await store.compare_and_set([change(name, None, second)]) == [False]
    assert await store.compare_and_set([change(name, first.state.version, second)]) == [True]
    assert await store.compare_and_set([change(name, first.state.version, grown(second))]) == [False]
    assert same((await store.load([name]))[0], second)
    assert same_fed((await store.load_for_update([name]))[0], second)


async def test_changes_are_independent(store: VolatilityStore) -> None:
    await store.compare_and_set([change(key("B"), None, fed(30))])
    changes = [
        change(key("A"), None, fed(31)),
        change(key("B"), None, fed(32)),
        change(key("C"), None, fed(33)),
    ]
    assert await store.compare_and_set(changes) == [True, False, True]


async def test_deleting_forgets(store: VolatilityStore) -> None:
    await store.compare_and_set([change(key("A"), None, fed(30))])
    assert await store.delete(key("A"))
    assert not await store.delete(key("A"))
    assert await store.load([key("A")]) == [None]
    assert await store.load_for_update([key("A")]) == [None]
    assert await store.list("local", after=None, limit=10) == []
    assert await store.compare_and_set([change(key("A"), None, fed(31))]) == [True]


async def test_listing_pages_through_one_tenant(store: VolatilityStore) -> None:
    symbols = [f"S{number:02d}" for number in range(23)]
    await store.compare_and_set([change(key(symbol), None, fed(30)) for symbol in symbols])
    await store.compare_and_set([change(key("S05", tenant="other"), None, fed(30))])
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
    await store.compare_and_set([change(name, None, fed(30))])

    async def write() -> None:
        for _ in range(25):
            while True:
                (found,) = await store.load_for_update([name])
                assert found is not None
                await asyncio.sleep(0)
                if (await store.compare_and_set([change(name, found.state.version, grown(found))]))[0]:
                    break

    await asyncio.gather(*(write() for _ in range(8)))
    (state,) = await store.load([name])
    assert state is not None
    assert state.version == 201
    assert state.observations == 29 + 200


async def test_memory_forgets_what_was_fed_least_recently() -> None:
    store = MemoryVolatilityStore(max_states=2)
    for symbol in ("A", "B"):
        await store.compare_and_set([change(key(symbol), None, fed(30))])
    await store.compare_and_set([change(key("A"), 1, grown(fed(30)))])
    await store.compare_and_set([change(key("C"), None, fed(30))])
    assert [state is None for state in await store.load([key("A"), key("B"), key("C")])] == [False, True, False]


@pytest.fixture
async def remote(redis_url: str) -> AsyncIterator[RedisVolatilityStore]:
    async with open_redis_volatility(redis_url) as opened:
        yield opened


async def test_two_processes_see_each_other(remote: RedisVolatilityStore, redis_url: str) -> None:
    """A state that another process changed is read anew, also one that was reset and fed again."""
    async with open_redis_volatility(redis_url) as other:
        await remote.compare_and_set([change(key("A"), None, fed(30, 1))])
        assert same((await other.load([key("A")]))[0], fed(30, 1))
        await other.delete(key("A"))
        await other.compare_and_set([change(key("A"), None, fed(30, 2))])
        assert same((await remote.load([key("A")]))[0], fed(30, 2))
        await other.compare_and_set([change(key("A"), 1, grown(fed(30, 2)))])
        assert same((await remote.load([key("A")]))[0], grown(fed(30, 2)))


async def test_an_unchanged_state_travels_as_its_head_only(remote: RedisVolatilityStore, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    await remote.compare_and_set([change(key("A"), None, fed(600))])
    client.config_resetstat()
    first, second = [(await remote.load([key("A")]))[0] for _ in range(2)]
    assert first is second
    calls = cast("dict[str, dict[str, int]]", client.info("commandstats"))
    assert calls["cmdstat_mget"]["calls"] == 2
    client.close()


async def test_states_expire_and_leave_the_index(remote: RedisVolatilityStore, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    await remote.compare_and_set([change(key(symbol), None, fed(30)) for symbol in ("A", "B", "C")])
    head = b"trimtab:{local}:tvs2::B:86400:ewma.1-20.0:head"
    assert client.ttl(head) == pytest.approx(life_seconds(DAY), abs=5)
    client.delete(head)
    assert [name.symbol for name, _ in await remote.list("local", after=None, limit=2)] == ["A", "C"]
    assert client.zcard("trimtab:{local}:tvs2:index") == 2
    client.close()


async def test_scripts_are_sent_again_after_the_server_forgot_them(
    remote: RedisVolatilityStore, redis_url: str
) -> None:
    client = redis.Redis.from_url(redis_url)
    client.script_flush()
    changes = [change(key(symbol), None, fed(30)) for symbol in ("A", "B")]
    assert await remote.compare_and_set(changes) == [True, True]
    client.close()


async def test_damage_is_reported_and_mended_by_a_reset(remote: RedisVolatilityStore, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    await remote.compare_and_set([change(key("A"), None, fed(30))])
    client.delete("trimtab:{local}:tvs2::A:86400:ewma.1-20.0:ring")
    async with open_redis_volatility(redis_url) as other:
        damage = StateDamaged(key("A"), "the ring does not belong to this head")
        for read in (other.load, other.load_for_update):
            assert await read([key("B"), key("A")]) == [None, damage]
        assert await other.list("local", after=None, limit=9) == [(key("A"), damage)]
        assert await other.delete(key("A"))
        assert await other.load([key("A")]) == [None]
    client.close()


@pytest.mark.parametrize("damage", ["gone", "of another state", "nonsense"])
async def test_a_lost_replay_costs_merging_only(remote: RedisVolatilityStore, redis_url: str, damage: str) -> None:
    """The state goes on; what is older than its last bar is out of order until new bars have come."""
    client = redis.Redis.from_url(redis_url)
    await remote.compare_and_set([change(key("A"), None, fed(30))])
    name, other = "trimtab:{local}:tvs2::A:86400:ewma.1-20.0:replay", fed(31)
    if damage == "gone":
        client.delete(name)
    else:
        foreign = replay_bytes(other.replay, head_bytes(other.state))
        client.set(name, foreign if damage == "of another state" else b"TVR1 nonsense")
    (found,) = await remote.load_for_update([key("A")])
    assert found is not None
    assert same(found.state, fed(30))
    assert len(found.replay.bars) == 0
    assert await remote.compare_and_set([change(key("A"), 1, grown(found))]) == [True]
    assert same_fed((await remote.load_for_update([key("A")]))[0], grown(found))
    client.close()


async def test_the_three_parts_of_a_state_live_equally_long(remote: RedisVolatilityStore, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    await remote.compare_and_set([change(key("A"), None, fed(200))])
    names = sorted(cast("list[bytes]", client.keys("*:A:*")))
    assert [name.rpartition(b":")[2] for name in names] == [b"head", b"replay", b"ring"]
    assert len({client.pexpiretime(name) for name in names}) == 1
    await remote.delete(key("A"))
    assert client.keys("*:A:*") == []
    client.close()


async def test_a_replay_travels_only_to_be_fed(remote: RedisVolatilityStore, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    async with open_redis_volatility(redis_url) as other:
        await remote.compare_and_set([change(key("A"), None, fed(600))])
        await remote.load([key("A")])
        client.config_resetstat()
        await remote.load_for_update([key("A")])
        await other.load_for_update([key("A")])
        calls = cast("dict[str, dict[str, int]]", client.info("commandstats"))
        assert calls["cmdstat_mget"]["calls"] == 3
    client.close()


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded_servers.Server]:
    """Server of this test only, to be killed."""
    directory = Path(tmp_path_factory.mktemp("valkey"))
    with embedded_servers.valkey(directory) as server:
        yield server


@pytest.mark.own_limits
async def test_a_killed_server_is_said_so_and_found_again(own_server: embedded_servers.Server) -> None:
    async with open_redis_volatility(own_server.url) as store:
        await store.compare_and_set([change(key("A"), None, fed(30))])
        own_server.kill()
        for call in (store.load([key("A")]), store.ping(), store.compare_and_set([change(key("A"), 1, fed(31))])):
            with pytest.raises(StateUnavailable) as caught:
                await call
            assert "127.0.0.1" not in caught.value.detail
        own_server.start()
        assert (await store.load([key("B")])) == [None]


async def test_a_restart_refuses_no_call_that_comes_after_it(own_server: embedded_servers.Server) -> None:
    """Connections that died while they lay idle are found out before they are used."""
    async with open_redis_volatility(own_server.url) as store:
        names = [key(f"S{number}") for number in range(20)]
        await asyncio.gather(*(store.compare_and_set([change(name, None, fed(30))]) for name in names))
        own_server.kill()
        await asyncio.sleep(0.1)
        own_server.start()
        found = await asyncio.gather(*(store.load([name]) for name in names), return_exceptions=True)
        assert [item for item in found if isinstance(item, BaseException)] == []


async def test_a_cancelled_call_ends_although_the_driver_swallows_cancellations(remote: RedisVolatilityStore) -> None:
    """`asyncio.wait_for` of Python 3.11 loses a cancellation that meets its end: the store must not."""
    names = [key(f"S{number}") for number in range(20)]
    swallowed = 0
    for turn in range(1000):
        task = asyncio.create_task(remote.load(names))
        for _ in range(turn % 25):
            await asyncio.sleep(0)
        accepted = task.cancel()
        await asyncio.wait([task])
        swallowed += accepted and not task.cancelled()
    assert swallowed == 0


@pytest.mark.own_limits
async def test_a_hanging_server_is_not_waited_for(own_server: embedded_servers.Server) -> None:
    async with open_redis_volatility(own_server.url) as store:
        own_server.suspend()
        with pytest.raises(StateUnavailable, match="Timeout"):
            await store.load([key("A")])
        own_server.resume()
        async with asyncio.timeout(20.0):
            while True:
                with contextlib.suppress(StateUnavailable):  # it has to wake up first
                    assert (await store.load([key("A")])) == [None]
                    break


async def test_an_address_nobody_answers_is_refused_at_once() -> None:
    with pytest.raises(StateUnavailable):
        async with open_redis_volatility("redis://user:secret@127.0.0.1:1/0"):
            pass
