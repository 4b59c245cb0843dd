"""Bars sent 1 to 5 times, shuffled, by five senders at once, end in the state of the sorted run, bit for bit (R13)."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import orjson
import pytest

from app.adapters import redis_client
from app.adapters.memory_volatility import MemoryVolatilityStore
from app.adapters.redis_volatility import open_redis_volatility
from app.container import Container
from app.ports import FedState, StateChange, StateKey, VolatilityStore
from app.usecases.call import Call
from app.usecases.observe_prices import observe_prices
from models.api.observation import DEFAULT_ESTIMATOR
from services.core.annualization import Calendar
from services.volatility.bars import FIGURES, Bar
from services.volatility.codec import head_bytes, ring_bytes
from services.volatility.registry import model_version
from services.volatility.state import VolatilityState, empty_state, update
from tests.fault.harness import Row, sizes
from tests.support.bars import START, rough_bars
from tests.support.recorder import Recorder

HOUR = 3_600
BARS, SENDERS, MOST_COPIES = 150, 5, 5
LATENESS = 40
"""Bars by which a copy comes late, at most; with what the five senders have under way it stays below 64."""
NOW = datetime.fromtimestamp(START, UTC).replace(year=2040, month=11)
KEY = StateKey("local", "", "A", HOUR, model_version(DEFAULT_ESTIMATOR))


class Racing:
    """A store that lets the other senders run between reading and writing, and counts who lost."""

    def __init__(self, store: VolatilityStore) -> None:
        self.store, self.lost = store, 0

    async def load_for_update(self, keys: Sequence[StateKey]) -> list[FedState | None]:
        found = await self.store.load_for_update(keys)
        await asyncio.sleep(0)
        return found

    async def compare_and_set(self, changes: Sequence[StateChange]) -> list[bool]:
        stored = await self.store.compare_and_set(changes)
        self.lost += stored.count(False)
        return stored


@pytest.fixture(params=["memory", "redis"])
async def stores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Racing]]:
    """One store, as each sender sees it; in Redis each has connections of its own, like a process.

    How long Redis may take is no matter here: five senders fold bars on this one loop.
    """
    monkeypatch.setattr(redis_client, "TIMEOUT_SECONDS", 30.0)
    if request.param == "memory":
        shared = MemoryVolatilityStore()
        yield [Racing(shared) for _ in range(SENDERS)]
        return
    url = request.getfixturevalue("redis_url")
    async with AsyncExitStack() as stack:
        yield [Racing(await stack.enter_async_context(open_redis_volatility(url))) for _ in range(SENDERS)]


def point(bar: Bar, copy: int) -> dict[str, Any]:
    close_time = datetime.fromtimestamp(bar.close_at, UTC).isoformat()
    given = {name: getattr(bar, name) for name in FIGURES if name != "close_at"}
    numbers = {name: value for name, value in given.items() if not math.isnan(value)}
    return {"symbol": "A", "interval": "PT1H", "close_time": close_time, "source": f"feed-{copy}", **numbers}


async def send(store: Racing, points: list[dict[str, Any]]) -> list[str]:
    box = cast(Container, SimpleNamespace(tenant_id="local", audit=Recorder(), volatility=store))
    raw = orjson.dumps({"observations": points})
    answer = await observe_prices(box, Call(raw, orjson.loads(raw), None, NOW, 5.0))
    outcomes: list[str] = orjson.loads(answer.body)["outcomes"]
    return outcomes


async def send_all(stores: list[Racing], bars: Sequence[Bar], rng: np.random.Generator) -> Counter[str]:
    """Every bar in 1 to 5 copies, each late by up to `LATENESS` bars, dealt to senders that send at the same time."""
    copies = [(index, copy) for index in range(len(bars)) for copy in range(int(rng.integers(1, MOST_COPIES + 1)))]
    due = np.array([index for index, _ in copies]) + rng.uniform(0.0, LATENESS, len(copies))
    queue = [point(bars[copies[place][0]], copies[place][1]) for place in np.argsort(due).tolist()]
    outcomes: Counter[str] = Counter()
    while queue:
        sizes = rng.integers(1, 8, SENDERS).tolist()
        hands = []
        for size in sizes:
            hands.append(queue[:size])
            del queue[:size]
        sent = await asyncio.gather(*(send(store, hand) for store, hand in zip(stores, hands, strict=True) if hand))
        outcomes.update(outcome for found in sent for outcome in found)
    return outcomes


def sorted_run(bars: Sequence[Bar]) -> VolatilityState:
    fresh = empty_state(DEFAULT_ESTIMATOR, bar_seconds=HOUR, calendar=Calendar())
    state, outcomes = update(fresh, bars, estimator=DEFAULT_ESTIMATOR)
    rules = {"gap_filled", "gap_reset", "stale", "spike_reverted", "wick_capped", "ohlc_inconsistent"}
    assert rules <= {str(outcome) for outcome in outcomes}
    return state


def identity(state: VolatilityState) -> tuple[bytes, bytes]:
    """Every bit of a state but its version."""
    return head_bytes(replace(state, version=0)), ring_bytes(state)


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_and_any_number_of_senders_end_in_the_sorted_run(stores: list[Racing], seed: int) -> None:
    bars = rough_bars((141, 156)[seed % 2], BARS, bar_seconds=HOUR)
    assert bars == sorted(bars)
    outcomes = await send_all(stores, bars, np.random.default_rng(seed))
    for store in stores:
        (found,) = await store.store.load_for_update([KEY])
        assert found is not None
        assert identity(found.state) == identity(sorted_run(bars))
    assert outcomes["merged"] > BARS / 4
    assert outcomes["duplicate"] > BARS
    assert set(outcomes).isdisjoint({"conflict", "out_of_order", "off_clock"})
    assert sum(store.lost for store in stores) > 10


@sizes((100_000,), (600,))
async def test_points_in_any_order_and_number(size: tuple[int, ...], fault_table: Row) -> None:
    (points,) = size
    bars = rough_bars(156, points // 3, bar_seconds=HOUR)
    shared = MemoryVolatilityStore()
    stores = [Racing(shared) for _ in range(SENDERS)]
    outcomes = await send_all(stores, bars, np.random.default_rng(5))
    (found,) = await shared.load_for_update([KEY])
    assert found is not None
    assert identity(found.state) == identity(sorted_run(bars))
    assert set(outcomes).isdisjoint({"conflict", "out_of_order", "off_clock"})
    fault_table(
        "R13",
        f"{sum(outcomes.values())} points, each bar 1 to 5 times and up to {LATENESS} bars late",
        load=f"{SENDERS} senders at once",
        acked=sum(outcomes.values()),
        stored=len(bars),
        recovery="–",
        besides=f"the state is that of {len(bars)} bars in order, bit for bit; {outcomes['duplicate']} duplicates, "
        f"{outcomes['merged']} merged late, {sum(store.lost for store in stores)} lost races made again",
    )


async def test_senders_that_contradict_each_other_do_not_change_what_is_known(stores: list[Racing]) -> None:
    """The first to send a bar counts, whoever it is: the state is that of one of the two values, never of a mixture."""
    bars = rough_bars(141, BARS, bar_seconds=HOUR)[:60]
    wrong = [bar._replace(close=bar.close * 1.02) for bar in bars]
    await asyncio.gather(*(send(store, [point(bar, 0) for bar in bars[:-1]]) for store in stores))
    sent = await asyncio.gather(
        *(send(store, [point((bars, wrong)[place % 2][-1], place)]) for place, store in enumerate(stores))
    )
    assert Counter(outcome for (outcome,) in sent)["conflict"] in (2, 3)
    (found,) = await stores[0].store.load_for_update([KEY])
    assert found is not None
    fresh = empty_state(DEFAULT_ESTIMATOR, bar_seconds=HOUR, calendar=Calendar())
    either = [update(fresh, [*bars[:-1], last[-1]], estimator=DEFAULT_ESTIMATOR)[0] for last in (bars, wrong)]
    assert identity(found.state) in [identity(state) for state in either]
