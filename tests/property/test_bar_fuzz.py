"""A hundred thousand fuzzed bars: a finite positive readout or a typed refusal, and never a crash.

NaN, zeros, negative and infinite prices, spikes, gaps, bars out of order and twice, prices that contradict each other,
absurd volumes, realised and implied variances, splits. Whatever a state has taken in, the same bars as one series are
answered too.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.volatility.bars import Bar
from services.volatility.codec import head_bytes, ring_bytes, state_from_bytes
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.estimators.garman_klass import GarmanKlass
from services.volatility.forecast import SeriesForecast, forecast_markets
from services.volatility.outcome import PointOutcome
from services.volatility.path import forecast_path
from services.volatility.readout import VolatilityReadout
from services.volatility.registry import Estimator
from services.volatility.series import SeriesInput
from services.volatility.state import VolatilityState, empty_state, readout, update

MODELS: tuple[Estimator, ...] = (Adaptive(), Ewma(), GarmanKlass())
ABSURD = (math.nan, math.inf, -math.inf, 0.0, -0.0, -5.0, 5e-324, 1e-18, 1e-19, 1e20, 9e19, 1.8e308)
COLUMNS = ("open", "high", "low", "volume", "realized_variance", "implied_volatility")
MARKETS, BARS, CHUNK = 40, 850, 50
"""40 markets × 850 bars × 3 estimators = 102,000 bars."""
CLOCKS = ((86_400, Calendar()), (3_600, Calendar()), (300, Calendar("XNYS")), (86_400, Calendar("FX")))


def fuzzed(rng: np.random.Generator, bars: int, bar_seconds: int, harshness: float) -> list[Bar]:
    """Bars of a market that gets `harshness` of its values wrong."""
    made, at, price = [], 1.7e9 - 1.7e9 % 86_400, float(10.0 ** rng.uniform(-6, 6))
    scale = 10.0 ** rng.uniform(-7, -0.5)
    for _ in range(bars):
        at += bar_seconds * float(rng.choice([1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 9, 40, 0, -1, -3, 0.5, 1.05]))
        price = moved(rng, price, scale, harshness)
        made.append(bar_of(rng, at, price, scale, harshness))
        if rng.random() < 0.05:
            made.append(made[int(rng.integers(max(0, len(made) - 80), len(made)))])
    return made[:bars]


def moved(rng: np.random.Generator, price: float, scale: float, harshness: float) -> float:
    kind = rng.random()
    if kind < 0.1:
        return price
    step = scale * rng.standard_t(2.5) * (100.0 if kind > 1.0 - 0.2 * harshness else 1.0)
    factor = rng.choice([0.5, 2.0, 0.1, 10.0]) if rng.random() < 0.01 else 1.0
    return float(min(max(price * math.exp(min(max(step, -40.0), 40.0)) * factor, 1e-17), 1e19))


def bar_of(rng: np.random.Generator, at: float, price: float, scale: float, harshness: float) -> Bar:
    up, down = np.abs(scale * rng.standard_normal(2))
    opened = price * math.exp(0.2 * scale * rng.standard_normal())
    high, low = max(opened, price) * math.exp(min(up, 40.0)), min(opened, price) * math.exp(-min(down, 40.0))
    values = [price, opened, high, low, 100.0 * rng.random(), scale**2 * rng.random(), rng.uniform(0.05, 3.0)]
    for place in range(len(values)):
        if rng.random() < harshness * (0.3 if place == 0 else 1.0):
            values[place] = float(rng.choice(ABSURD))
    split = float(rng.choice([math.nan, 1.0, 2.0, 0.1, *ABSURD])) if rng.random() < 0.02 else math.nan
    return Bar(at, *map(float, values), split)


def honest(figure: float) -> bool:
    return math.isfinite(figure) and figure > 0.0


def judge(found: VolatilityReadout | Refusal) -> None:
    if isinstance(found, Refusal):
        assert found.reason is not None
        return
    for name in ("volatility", "forecast", "calibration", "long_run", "floor", "effective_half_life"):
        assert honest(getattr(found, name)), (name, found)
    assert 0.0 < found.confidence <= 1.0
    assert found.volatility >= found.floor
    context = found.context
    assert context is not None
    assert honest(context.confidence_factor) and honest(context.next_bar_factor)
    assert 2.5 <= context.tail.degrees_of_freedom <= 30.0
    assert honest(context.tail.quantile(0.01)) and honest(context.tail.expected_shortfall(0.025))


@pytest.mark.parametrize("market", range(MARKETS))
def test_fuzzed_bars_are_answered_or_refused(market: int) -> None:
    rng = np.random.default_rng([2026, market])
    bar_seconds, calendar = CLOCKS[market % len(CLOCKS)]
    bars = fuzzed(rng, BARS, bar_seconds, harshness=(0.002, 0.02, 0.1, 0.4)[market // 4 % 4])
    for model in MODELS:
        state = empty_state(model, bar_seconds=bar_seconds, calendar=calendar)
        outcomes: list[PointOutcome] = []
        for place in range(0, BARS, CHUNK):
            state, found = update(state, bars[place : place + CHUNK], estimator=model)
            outcomes += found
            judge(readout(state, estimator=model))
        assert len(outcomes) == BARS
        again = state_from_bytes(head_bytes(state), ring_bytes(state))
        assert head_bytes(again) == head_bytes(state)
        assert_sound(state)
        as_series(bars, outcomes, bar_seconds, calendar, model)


def assert_sound(state: VolatilityState) -> None:
    assert not np.isinf(state.ring).any()
    assert all(math.isfinite(value) for value in (*state.calibration, *state.wicks, state.long_run, state.spike))
    assert not any(math.isinf(value) for value in state.memory)


def as_series(
    bars: list[Bar], outcomes: list[PointOutcome], bar_seconds: int, calendar: Calendar, model: Estimator
) -> None:
    """The bars that were stored, posted as one series: a series has no `split`, so it may say something else."""
    stored = [bar for bar, outcome in zip(bars, outcomes, strict=True) if outcome.stored]
    if not stored:
        return
    columns = {name: np.array([getattr(bar, name) for bar in stored]) for name in COLUMNS}
    at, closes = (np.array([getattr(bar, name) for bar in stored]) for name in ("close_at", "close"))
    end = datetime.fromtimestamp(at[-1], UTC)
    item = SeriesInput(closes, end, bar_seconds, calendar, at, **columns)
    (found,) = forecast_markets([item], model, diagnose=True)
    judge(found.readout if isinstance(found, SeriesForecast) else found)
    path = forecast_path(item, model)
    finite: Floats = path.volatility[~np.isnan(path.volatility)]
    assert (finite > 0.0).all() and np.isfinite(finite).all()


def test_the_fuzz_reaches_every_outcome_of_a_bar() -> None:
    seen: Counter[PointOutcome] = Counter()
    for market in range(0, MARKETS, 4):
        rng = np.random.default_rng([2026, market])
        bars = fuzzed(rng, BARS, 86_400, harshness=(0.002, 0.02, 0.1, 0.4)[market // 4 % 4])
        fresh = empty_state(Ewma(), bar_seconds=86_400, calendar=Calendar())
        seen.update(update(fresh, bars, estimator=Ewma(), now=bars[-5].close_at)[1])
    others = {
        PointOutcome.MERGED, PointOutcome.REVISED, PointOutcome.CALENDAR_CONFLICT, PointOutcome.NEEDS_REPLAY,
        PointOutcome.STATE_DAMAGED,
    }  # fmt: skip
    assert set(seen) >= set(PointOutcome) - others
