"""Cost of the volatility path.

Hypothesis: a bar fed to a state costs tens of microseconds whatever its history; a panel of closes costs O(bars) numpy
calls, so that ten times the markets cost far less than ten times as much (goals: 20 × 1,000 closes in 45 ms,
200 × 1,000 in 110 ms); one bar of 1,000 markets is much cheaper as columns than market by market; an average of 10⁶
returns costs no more than that of pandas; reading 20 cached states costs one round trip. Printed, never asserted.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from app.adapters.redis_volatility import open_redis_volatility
from app.ports import StateChange, StateKey
from services.core.annualization import Calendar
from services.core.explain import Floats
from services.risk.methods.dynamic_conditional import dcc_correlation
from services.volatility.bars import Bar
from services.volatility.codec import head_bytes, ring_bytes, state_from_bytes
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.estimators.interface import Memory
from services.volatility.forecast import forecast_markets
from services.volatility.moves import Move
from services.volatility.path import forecast_path
from services.volatility.pool import IMPLIED, RANGED, REGRESSED, advance_pool
from services.volatility.pool_columns import PoolColumns, bar_columns
from services.volatility.registry import Estimator, model_version
from services.volatility.replay import replay_from
from services.volatility.state import VolatilityState, empty_state, readout, update
from tests.unit.volatility.markets import DAY, bars_of, candle_columns, series, walk
from tests.unit.volatility.ranged_moves import ranged_moves

pytestmark = pytest.mark.benchmark
MODELS: tuple[Estimator, ...] = (Ewma(), Adaptive())
ALL = RANGED | REGRESSED | IMPLIED


def report(name: str, work: Callable[[], object], rounds: int = 200, per: int = 1) -> float:
    """Print least and median time [µs]; the least, which a busy machine disturbs least."""
    work()
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    least, median = np.percentile(spent, [0, 50]) * 1e6 / per
    print(f"{name:<56} least {least:10.1f} µs   median {median:10.1f} µs")
    return float(least)


def fed(model: Estimator, bars: list[Bar]) -> VolatilityState:
    return update(empty_state(model, bar_seconds=DAY, calendar=Calendar()), bars, estimator=model)[0]


def ranged_bars(bars: int, **columns: Floats) -> list[Bar]:
    closes = walk(2, bars)
    return list(series(closes, **candle_columns(closes, 2), **columns).bars())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.method)
def test_a_bar_fed_to_a_state(model: Estimator) -> None:
    print()
    count = 5_000
    kinds = {
        "closes": bars_of(walk(2, count)),
        "ranges": ranged_bars(count),
        "ranges and implied": ranged_bars(count, implied_volatility=np.full(count, 0.5)),
    }
    for name, bars in kinds.items():
        fresh = empty_state(model, bar_seconds=DAY, calendar=Calendar())
        report(
            f"{model.method}: update, {count:,} bars at once ({name}): each",
            lambda fresh=fresh, bars=bars: update(fresh, bars, estimator=model), 5, count,
        )  # fmt: skip
        state = fed(model, bars[:600])
        report(
            f"{model.method}: update, one bar ({name})",
            lambda state=state, bars=bars: update(state, bars[600:601], estimator=model),
        )
        head, ring = head_bytes(state), ring_bytes(state)
        report(f"{model.method}: readout ({name})", lambda state=state: readout(state, estimator=model))
        report("state to bytes", lambda state=state: (head_bytes(state), ring_bytes(state)))
        report("state from bytes", lambda head=head, ring=ring: state_from_bytes(head, ring))
        print(f"{'bytes of a state':<56} head {len(head)}, ring {len(ring)}")


def test_the_pool_alone() -> None:
    """`advance` of the estimator, without what a state does beside it."""
    print()
    moves = list(ranged_moves(1, 3_000, markets=1, missing=0.0, steps=8).row(0))
    bare = [Move(*move[:3]) for move in moves]
    implied = [move._replace(implied_variance=4e-4) for move in moves]
    for name, model, row in (
        ("closes", Adaptive(), bare),
        ("ranges, 13 experts", Adaptive(log_har=False), moves),
        ("ranges and log-HAR", Adaptive(), moves),
        ("ranges, log-HAR, implied", Adaptive(), implied),
        ("ewma", Ewma(), bare),
    ):
        report(f"advance, {name}: each", lambda model=model, row=row: folded(model, row), 5, len(row))


def folded(model: Estimator, moves: list[Move]) -> Memory:
    memory = model.start()
    for move in moves:
        memory = model.advance(memory, move)
    return memory


@pytest.mark.parametrize("composition", [0, ALL], ids=["closes", "everything"])
def test_one_bar_of_a_thousand_markets(composition: int) -> None:
    """Columns against the loop over markets, from the same memories to the same forecasts."""
    print()
    panel = ranged_moves(3, 80, markets=1_000, missing=0.0, steps=8)
    if composition:
        panel = replace(panel, implied_variance=np.full(panel.shape, 4e-4))
    else:
        panel = replace(panel, overnight=None, high=None, low=None, body=None)
    model = Adaptive()
    memories = [folded(model, list(panel.row(row))[:60]) for row in range(1_000)]
    now = [list(panel.row(row))[60] for row in range(1_000)]
    *_, last = (bar for _, bar in zip(range(61), bar_columns(panel, composition), strict=False))
    columns = PoolColumns(np.array(memories))
    expected = [advance_pool(memory, move)[2] for memory, move in zip(memories, now, strict=True)]
    np.testing.assert_allclose(PoolColumns(np.array(memories)).advance(last), expected, rtol=1e-9)
    loop = report(
        "1,000 markets × 1 bar, one by one",
        lambda: [advance_pool(memory, move) for memory, move in zip(memories, now, strict=True)], 20,
    )  # fmt: skip
    fast = report("1,000 markets × 1 bar, columns", lambda: columns.advance(last), 100)
    print(f"{'columns are faster':<56} × {loop / fast:.0f}")


def test_posted_closes() -> None:
    print()
    for model in MODELS:
        for markets, bars, goal in ((1, 1_000, 0), (20, 250, 0), (20, 1_000, 45), (200, 1_000, 110)):
            items = [series(walk(seed, bars)) for seed in range(markets)]
            rounds = 7 if markets * bars > 1_000 else 30
            least = report(
                f"{model.method}: forecast, {markets} × {bars} closes",
                lambda items=items, model=model: forecast_markets(items, model), rounds,
            )  # fmt: skip
            if goal:
                print(f"{'':<56} {least / 1e3:.1f} ms, goal {goal} ms")
        item = series(walk(1, 1_000))
        report(f"{model.method}: path of 1,000 closes", lambda model=model, item=item: forecast_path(item, model), 20)


def test_posted_ranges() -> None:
    print()
    closes = [walk(seed, 1_000) for seed in range(20)]
    items = [series(row, **candle_columns(row, seed)) for seed, row in enumerate(closes)]
    for model in MODELS:
        name = f"{model.method}: forecast, 20 × 1,000 bars with ranges"
        report(name, lambda model=model: forecast_markets(items, model), 5)
        name = f"{model.method}: the same with tails, bands and labels"
        report(name, lambda model=model: forecast_markets(items, model, diagnose=True), 5)


def test_an_average_of_a_million_returns_beside_pandas() -> None:
    print()
    squares = np.random.default_rng(4).standard_normal(1_000_000) ** 2
    frame, model = pd.Series(squares), Ewma(half_life=20.0)
    np.testing.assert_allclose(
        model.average_path(squares[None, :])[0], frame.ewm(halflife=20.0).mean().to_numpy(), rtol=1e-9
    )
    ours = report("EWMA of 10⁶ returns", lambda: model.average_path(squares[None, :]), 10)
    theirs = report("pandas ewm(halflife=20).mean() of the same", lambda: frame.ewm(halflife=20.0).mean(), 10)
    print(f"{'ours over pandas':<56} {ours / theirs:.2f}")


def test_correlation() -> None:
    print()
    for markets in (5, 20, 50):
        values = np.random.default_rng(3).standard_normal((512, markets))
        report(f"dcc_correlation 512 x {markets}", lambda values=values: dcc_correlation(values))


async def test_redis(redis_url: str) -> None:
    print()
    model = Adaptive()
    keys = [StateKey("local", "", f"S{number}", DAY, model_version(model)) for number in range(20)]
    async with open_redis_volatility(redis_url) as store:
        state = fed(model, bars_of(walk(1, 600)))
        await store.compare_and_set([StateChange(name, None, state, replay_from(state)) for name in keys])
        await timed("load 20 states, known", lambda: store.load(keys))
        await timed("load 1 state, known", lambda: store.load(keys[:1]))
        changes = [StateChange(name, 10**9, state, replay_from(state)) for name in keys]
        await timed("compare_and_set 20 states, all lost", lambda: store.compare_and_set(changes))
        print(store.server_version())


async def timed(name: str, work: Callable[[], Awaitable[object]], rounds: int = 500) -> None:
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        await work()
        spent.append(time.perf_counter() - started)
    least, median = np.percentile(spent, [0, 50]) * 1e6
    print(f"{name:<56} least {least:10.1f} µs   median {median:10.1f} µs")
