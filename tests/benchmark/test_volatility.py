"""Cost of the volatility path.

Hypothesis: a panel costs O(markets × bars) in a handful of array passes, so that 20 × 1,000 closes stay near 1 ms; a
bar fed to a state costs microseconds whatever its history; reading 20 cached states costs one round trip. Printed,
never asserted.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from app.adapters.redis_volatility import open_redis_volatility
from app.ports import StateChange, StateKey
from services.core.annualization import Calendar
from services.risk.methods.dynamic_conditional import dcc_correlation
from services.volatility.codec import head_bytes, ring_bytes, state_from_bytes
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import forecast_panel
from services.volatility.state import VolatilityState, empty_state, readout, update
from tests.unit.volatility.markets import DAY, END, times, walk

pytestmark = pytest.mark.benchmark
MODEL = Ewma()


def report(name: str, work: Callable[[], object], rounds: int = 200, per: int = 1) -> None:
    work()
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    median, tail = np.percentile(spent, [50, 99]) * 1e6 / per
    print(f"{name:<44} p50 {median:9.1f} µs   p99 {tail:9.1f} µs")


def fed(bars: int) -> VolatilityState:
    fresh = empty_state(MODEL, bar_seconds=DAY, calendar=Calendar())
    return update(fresh, walk(1, bars).tolist(), times(bars).tolist(), estimator=MODEL)[0]


def test_kernels() -> None:
    print()
    for markets, bars in ((1, 1_000), (20, 250), (20, 1_000), (20, 4_000), (200, 1_000)):
        rows = np.stack([walk(seed, bars) for seed in range(markets)])
        clock = {"ends": [END] * markets, "bar_seconds": DAY, "calendar": Calendar(), "estimator": MODEL}
        report(f"forecast_panel {markets} x {bars}", lambda rows=rows, clock=clock: forecast_panel(rows, **clock))
    closes, stamps = walk(2, 10_000).tolist(), times(10_000).tolist()
    fresh, state = empty_state(MODEL, bar_seconds=DAY, calendar=Calendar()), fed(600)
    report("update, 10,000 bars: each", lambda: update(fresh, closes, stamps, estimator=MODEL), 10, 10_000)
    following = [state.last_close_at + DAY]
    report("update, one bar", lambda: update(state, [100.0], following, estimator=MODEL))
    report("readout of a state", lambda: readout(state, estimator=MODEL))
    head, ring = head_bytes(state), ring_bytes(state)
    report("state to bytes", lambda: (head_bytes(state), ring_bytes(state)))
    report("state from bytes", lambda: state_from_bytes(head, ring))
    print(f"{'bytes of a state':<44} head {len(head)}, ring {len(ring)}")
    for markets in (5, 20, 50):
        values = np.random.default_rng(3).standard_normal((512, markets))
        report(f"dcc_correlation 512 x {markets}", lambda values=values: dcc_correlation(values))


async def test_redis(redis_url: str) -> None:
    print()
    keys = [StateKey("local", "", f"S{number}", DAY, MODEL.model_version) for number in range(20)]
    async with open_redis_volatility(redis_url) as store:
        await store.compare_and_set([StateChange(name, None, fed(600)) for name in keys])
        await timed("load 20 states, known", lambda: store.load(keys))
        await timed("load 1 state, known", lambda: store.load(keys[:1]))
        states = await store.load(keys)
        changes = [StateChange(name, 10**9, state) for name, state in zip(keys, states, strict=True) if state]
        await timed("compare_and_set 20 states, all lost", lambda: store.compare_and_set(changes))
        print(store.server_version())


async def timed(name: str, work: Callable[[], Awaitable[object]], rounds: int = 500) -> None:
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        await work()
        spent.append(time.perf_counter() - started)
    median, tail = np.percentile(spent, [50, 99]) * 1e6
    print(f"{name:<44} p50 {median:9.1f} µs   p99 {tail:9.1f} µs")
