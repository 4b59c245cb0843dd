"""Invariants of the forecast: batch equals stream, scale and order do not matter, repetition changes nothing."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.volatility.bars import Bar
from services.volatility.codec import head_bytes, ring_bytes, state_from_bytes
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import SeriesForecast, forecast_markets, forecast_series
from services.volatility.outcome import PointOutcome
from services.volatility.path import VolatilityPath, forecast_path
from services.volatility.readout import VolatilityReadout
from services.volatility.registry import Estimator
from services.volatility.series import SeriesInput
from services.volatility.state import Feed, VolatilityState, empty_state, readout, update
from tests.support.estimators import examples
from tests.unit.volatility.markets import DAY, END

ROUNDING = 1e-10
HELD = (PointOutcome.CORPORATE_ACTION, PointOutcome.SPIKE_REVERTED)
MODELS = st.one_of(
    st.builds(
        Ewma,
        half_life=st.sampled_from([0.5, 4.0, 20.0, 333.3]),
        calibrate=st.booleans(),
        prior_volatility=st.none() | st.floats(0.05, 3.0),
    ),
    st.builds(
        Adaptive,
        use_range=st.sampled_from([True, True, False]),
        log_har=st.sampled_from([True, True, False]),
        drivers=st.sampled_from([(), ("funding", "log_volume")]),
        calibrate=st.booleans(),
        prior_volatility=st.none() | st.floats(0.05, 3.0),
    ),
    st.sampled_from(examples()),
)
CALENDARS = st.sampled_from([Calendar(), Calendar("XNYS"), Calendar("FX"), Calendar("custom", 365.0)])
BARS = st.sampled_from([86_400, 3_600, 300])


@st.composite
def rough_series(draw: st.DrawFn, longest: int = 700) -> SeriesInput:
    """Fat tails, spells of standing still, gaps, jumps that are taken back, and columns with every defect there is."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bars, bar_seconds = draw(st.integers(1, longest)), draw(BARS)
    closes = 50.0 * np.exp(np.cumsum(rng.standard_t(2.5, bars) * 0.01))
    for start in rng.integers(0, bars, draw(st.integers(0, 4))):
        closes[start : start + int(rng.integers(1, 40))] = closes[start]
    for place in rng.integers(0, bars, draw(st.sampled_from([0, 0, 3]))):
        closes[place] *= rng.choice([0.3, 3.0])
    gaps = np.where(rng.random(bars) < draw(st.sampled_from([0.0, 0.03])), rng.integers(1, 12, bars), 1)
    stamps = 1.7e9 - 1.7e9 % 86_400 + bar_seconds * np.cumsum(gaps)
    columns = rough_columns(rng, closes) if draw(st.booleans()) else {}
    if draw(st.booleans()):
        columns["volume"] = np.where(rng.random(bars) < 0.05, 0.0, 100.0 * rng.random(bars))
        if draw(st.booleans()):
            split_at(int(rng.integers(0, bars)), closes, columns)
    if draw(st.booleans()):
        columns["implied_volatility"] = np.where(rng.random(bars) < 0.1, np.nan, rng.uniform(0.1, 2.0, bars))
    if draw(st.sampled_from([False, False, True])):
        columns["realized_variance"] = np.where(rng.random(bars) < 0.1, np.nan, 1e-4 * rng.chisquare(5, bars))
    if draw(st.booleans()):
        columns["drivers"] = np.where(rng.random((bars, 2)) < 0.1, np.nan, rng.standard_t(3, (bars, 2)))
    end = datetime.fromtimestamp(stamps[-1], UTC)
    return SeriesInput(closes, end, bar_seconds, draw(CALENDARS), stamps, **columns)


def rough_columns(rng: np.random.Generator, closes: Floats) -> dict[str, Floats]:
    """Open, high and low: some with bad wicks, some that contradict each other, some missing."""
    bars = closes.size
    opened = np.concatenate([closes[:1], closes[:-1]]) * np.exp(0.002 * rng.standard_normal(bars))
    up, down = np.exp(0.005 * np.abs(rng.standard_normal((2, bars))))
    high, low = np.maximum(opened, closes) * up, np.minimum(opened, closes) / down
    high[rng.random(bars) < 0.02] *= 3.0
    low[rng.random(bars) < 0.02] /= 5.0
    high[rng.random(bars) < 0.02] *= 0.9
    for column in (opened, high, low):
        column[rng.random(bars) < 0.02] = np.nan
    return {"open": opened, "high": high, "low": low}


def split_at(place: int, closes: Floats, columns: dict[str, Floats]) -> None:
    """An unannounced split in two, on a day without news."""
    before = max(place - 1, 0)
    factor = closes[before] / closes[place] / 2.0
    for name in {"open", "high", "low"} & set(columns):
        columns[name][place:] *= factor
    closes[place:] *= factor
    columns["volume"][[before, place]] = 100.0, 200.0


def stream(item: SeriesInput, model: Estimator) -> tuple[VolatilityState, list[PointOutcome]]:
    fresh = empty_state(model, bar_seconds=item.bar_seconds, calendar=item.calendar)
    return update(fresh, list(item.bars()), estimator=model)


def agree(one: Any, other: Any, where: str = "") -> None:
    """Equal, floats to rounding."""
    if is_dataclass(one):
        assert type(one) is type(other), where
        for field in fields(one):
            agree(getattr(one, field.name), getattr(other, field.name), f"{where}.{field.name}")
    elif isinstance(one, tuple):
        for left, right in zip(one, other, strict=True):
            agree(left, right, where)
    elif isinstance(one, float):
        assert other == pytest.approx(one, rel=ROUNDING, abs=1e-9 if "context" in where else 0.0, nan_ok=True), where
    else:
        assert one == other, where


@given(rough_series(), MODELS)
@settings(max_examples=150, deadline=None)
def test_batch_equals_stream(item: SeriesInput, model: Estimator) -> None:
    """Every field of the readout, the context, the ring of z's, and what was held back or undone."""
    (batch,) = forecast_markets([item], model, diagnose=True)
    state, outcomes = stream(item, model)
    online = readout(state, estimator=model)
    if isinstance(batch, Refusal) or isinstance(online, Refusal):
        assert str(batch) == str(online)
        return
    agree(batch.readout, replace(online, source="series"))
    ring = state.ring[-batch.standardized.size :]
    np.testing.assert_allclose(batch.standardized, ring, rtol=1e-8, atol=1e-12)
    assert np.isnan(state.ring[: -batch.standardized.size]).all()
    assert batch.unusual == Counter(found for found in outcomes if found in HELD)


@given(rough_series(longest=300), MODELS)
@settings(max_examples=60, deadline=None)
def test_the_path_is_the_readout_after_every_bar(item: SeriesInput, model: Estimator) -> None:
    path = forecast_path(item, model)
    feed = Feed(empty_state(model, bar_seconds=item.bar_seconds, calendar=item.calendar), model)
    for place, bar in enumerate(item.bars()):
        feed.take(bar)
        found = readout(feed.state(), estimator=model)
        for field in fields(VolatilityPath):
            expected = math.nan if isinstance(found, Refusal) else getattr(found, field.name)
            value = getattr(path, field.name)[place]
            assert value == pytest.approx(expected, rel=ROUNDING, nan_ok=True), (field.name, place)


@given(rough_series(), MODELS, st.lists(st.integers(1, 60), max_size=12))
@settings(max_examples=60, deadline=None)
def test_all_at_once_equals_one_by_one(item: SeriesInput, model: Estimator, sizes: list[int]) -> None:
    """Bit for bit, with a trip through bytes between the pieces."""
    bars, fresh = list(item.bars()), empty_state(model, bar_seconds=item.bar_seconds, calendar=item.calendar)
    state, place = fresh, 0
    for size in [*sizes, len(bars)]:
        state, _ = update(state, bars[place : place + size], estimator=model, roll_back=False)
        state, place = state_from_bytes(head_bytes(state), ring_bytes(state)), place + size
    whole, _ = update(fresh, bars, estimator=model, roll_back=False)
    assert head_bytes(replace(state, version=0)) == head_bytes(replace(whole, version=0))


@given(rough_series(longest=300), MODELS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_repeated_and_late_bars_change_nothing(item: SeriesInput, model: Estimator, random: Random) -> None:
    """Each bar sent up to three times and old ones again: the state is that of the sorted, unique bars."""
    bars, fresh = list(item.bars()), empty_state(model, bar_seconds=item.bar_seconds, calendar=item.calendar)
    sent: list[Bar] = []
    for place, bar in enumerate(bars):
        sent += [bar, bar, *[bars[random.randint(0, place)] for _ in range(random.randint(0, 2))]]
    state, _ = update(fresh, sent, estimator=model, roll_back=False)
    whole, _ = update(fresh, bars, estimator=model, roll_back=False)
    assert head_bytes(replace(state, version=0)) == head_bytes(replace(whole, version=0))


@given(st.lists(rough_series(longest=200), min_size=2, max_size=6), MODELS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_neighbours_do_not_matter(items: list[SeriesInput], model: Estimator, random: Random) -> None:
    """Many markets in any order: to each what it gets alone."""
    order = list(range(len(items)))
    random.shuffle(order)
    together = forecast_markets([items[place] for place in order], model, diagnose=True)
    for place, found in zip(order, together, strict=True):
        (alone,) = forecast_markets([items[place]], model, diagnose=True)
        if isinstance(alone, Refusal) or isinstance(found, Refusal):
            assert str(alone) == str(found)
            continue
        agree(alone.readout, found.readout)
        np.testing.assert_allclose(found.standardized, alone.standardized, rtol=1e-8, atol=1e-12)
        assert alone.unusual == found.unusual


@given(st.integers(0, 10**6), st.floats(0.05, 20.0), st.integers(20, 400), st.sampled_from([Ewma(), Adaptive()]))
@settings(max_examples=60, deadline=None)
def test_scale_equivariance(seed: int, factor: float, bars: int, model: Estimator) -> None:
    """Returns times c: forecast times c, z unchanged."""
    moves = np.random.default_rng(seed).standard_normal(bars) * 0.01
    one, many = (daily(scale * moves, model) for scale in (1.0, factor))
    assert math.isclose(many.readout.forecast, factor * one.readout.forecast, rel_tol=1e-9)
    np.testing.assert_allclose(many.standardized, one.standardized, rtol=1e-8, atol=1e-10)


@given(rough_series(), st.integers(25, 300), MODELS)
@settings(max_examples=40, deadline=None)
def test_no_look_ahead(item: SeriesInput, bars: int, model: Estimator) -> None:
    """What comes later does not change what was said before."""
    if not 0 < bars < item.closes.size:
        return
    long, short = forecast_path(item, model), forecast_path(first(item, bars), model)
    for field in fields(VolatilityPath):
        whole, part = getattr(long, field.name), getattr(short, field.name)
        np.testing.assert_allclose(whole[:bars], part, rtol=ROUNDING, err_msg=field.name)


@given(st.integers(0, 10**6), st.integers(30, 300), st.floats(1.5, 30.0))
@settings(max_examples=60, deadline=None)
def test_a_larger_last_move_never_means_less_volatility(seed: int, bars: int, factor: float) -> None:
    moves = np.random.default_rng(seed).standard_normal(bars) * 0.01
    larger = moves.copy()
    larger[-1] *= factor
    calm, wild = (daily(row, Ewma()).readout.volatility for row in (moves, larger))
    assert wild >= calm * (1 - 1e-12)


def first(item: SeriesInput, bars: int) -> SeriesInput:
    """Its first bars."""
    arrays = {
        field.name: getattr(item, field.name)[:bars]
        for field in fields(SeriesInput)
        if isinstance(getattr(item, field.name), np.ndarray)
    }
    return replace(item, end=datetime.fromtimestamp(item.times[bars - 1], UTC), **arrays)


def daily(moves: Floats, model: Estimator) -> SeriesForecast:
    closes = np.exp(np.cumsum(moves))
    return forecast_series(closes, end=END, bar_seconds=DAY, calendar=Calendar(), estimator=model)


def test_series_of_the_strategy_reach_every_rule() -> None:
    """The properties above would be empty if these bars did not occur in them."""
    seen: Counter[PointOutcome] = Counter()

    @given(rough_series(), st.just(Ewma()))
    @settings(max_examples=100, deadline=None, database=None, derandomize=True)
    def collect(item: SeriesInput, model: Estimator) -> None:
        state, outcomes = stream(item, model)
        assert isinstance(readout(state, estimator=model), VolatilityReadout | Refusal)
        seen.update(outcomes)

    collect()
    expected = {"accepted", "gap_filled", "gap_reset", "stale", "ohlc_inconsistent", "wick_capped", *HELD}
    assert expected <= set(seen)
