"""Invariants of the forecast: batch equals stream, scale and order do not matter, repetition changes nothing."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.volatility.codec import head_bytes, ring_bytes, state_from_bytes
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import SeriesForecast, forecast_bars, forecast_panel, forecast_series
from services.volatility.path import forecast_path
from services.volatility.readout import VolatilityReadout
from services.volatility.state import VolatilityState, empty_state, readout, update
from tests.unit.volatility.markets import END

FIGURES = ("volatility", "forecast", "calibration", "long_run", "floor", "confidence")
MODELS = st.builds(
    Ewma,
    half_life=st.sampled_from([0.5, 4.0, 20.0, 333.3]),
    calibrate=st.booleans(),
    prior_volatility=st.none() | st.floats(0.05, 3.0),
)
CALENDARS = st.sampled_from([Calendar(), Calendar("XNYS"), Calendar("FX"), Calendar("custom", 365.0)])
BARS = st.sampled_from([86_400, 3_600, 300])


@st.composite
def markets(draw: st.DrawFn) -> tuple[Floats, Floats, int, Calendar]:
    """Closes with spells of standing still, and times with gaps."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bars, bar_seconds = draw(st.integers(1, 700)), draw(BARS)
    moves = generator.standard_t(3, bars) * 0.01
    closes = 50.0 * np.exp(np.cumsum(moves))
    for start in generator.integers(0, bars, draw(st.integers(0, 4))):
        closes[start : start + int(generator.integers(1, 40))] = closes[start]
    gaps = np.where(generator.random(bars) < draw(st.sampled_from([0.0, 0.03])), generator.integers(1, 12, bars), 1)
    return closes, END.timestamp() + bar_seconds * np.cumsum(gaps), bar_seconds, draw(CALENDARS)


def stream(closes: Floats, times: Floats, bar_seconds: int, calendar: Calendar, model: Ewma) -> VolatilityState:
    state = empty_state(model, bar_seconds=bar_seconds, calendar=calendar)
    return update(state, closes.tolist(), times.tolist(), estimator=model)[0]


def agree(batch: SeriesForecast | Refusal, online: VolatilityReadout | Refusal) -> None:
    if isinstance(batch, Refusal) or isinstance(online, Refusal):
        assert str(batch) == str(online)
        return
    for name in FIGURES:
        assert math.isclose(getattr(batch.readout, name), getattr(online, name), rel_tol=1e-10)
    assert replace(batch.readout, **dict.fromkeys(FIGURES, 0.0)) == replace(
        online, source="series", **dict.fromkeys(FIGURES, 0.0)
    )


@given(markets(), MODELS)
@settings(max_examples=150, deadline=None)
def test_batch_equals_stream(market: tuple[Floats, Floats, int, Calendar], model: Ewma) -> None:
    closes, times, bar_seconds, calendar = market
    batch = forecast_bars(closes, times, bar_seconds=bar_seconds, calendar=calendar, estimator=model)
    state = stream(*market, model)
    agree(batch, readout(state, estimator=model))
    if isinstance(batch, SeriesForecast):
        ring = state.ring[-batch.standardized.size :]
        np.testing.assert_allclose(batch.standardized, ring, rtol=1e-9)
        assert np.isnan(state.ring[: -batch.standardized.size]).all()


@given(markets(), MODELS, st.lists(st.integers(1, 60), max_size=12))
@settings(max_examples=60, deadline=None)
def test_all_at_once_equals_one_by_one(
    market: tuple[Floats, Floats, int, Calendar], model: Ewma, sizes: list[int]
) -> None:
    """Bit for bit, with a trip through bytes between the pieces."""
    closes, times, bar_seconds, calendar = market
    state, place = empty_state(model, bar_seconds=bar_seconds, calendar=calendar), 0
    for size in [*sizes, closes.size]:
        chunk = slice(place, place + size)
        state, _ = update(state, closes[chunk].tolist(), times[chunk].tolist(), estimator=model)
        state, place = state_from_bytes(head_bytes(state), ring_bytes(state)), place + size
    whole = stream(*market, model)
    assert head_bytes(replace(state, version=0)) == head_bytes(replace(whole, version=0))


@given(markets(), MODELS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_repeated_and_late_points_change_nothing(
    market: tuple[Floats, Floats, int, Calendar], model: Ewma, random: Random
) -> None:
    """Each close sent up to three times and old ones again: the state is that of the sorted, unique closes."""
    closes, times, bar_seconds, calendar = market
    state = empty_state(model, bar_seconds=bar_seconds, calendar=calendar)
    for place in range(closes.size):
        again = [random.randint(0, place) for _ in range(random.randint(0, 2))]
        for index in (place, place, *again):
            state, _ = update(state, [closes[index]], [times[index]], estimator=model)
    whole = stream(*market, model)
    assert head_bytes(replace(state, version=0)) == head_bytes(replace(whole, version=0))


@given(markets(), MODELS)
@settings(max_examples=60, deadline=None)
def test_panel_equals_series_bit_for_bit(market: tuple[Floats, Floats, int, Calendar], model: Ewma) -> None:
    closes, _, bar_seconds, calendar = market
    rows = np.stack([closes, closes[::-1] * 3.0, np.exp(np.cumsum(np.cos(np.arange(closes.size))))])
    panel = forecast_panel(rows, ends=[END] * 3, bar_seconds=bar_seconds, calendar=calendar, estimator=model)
    for row, found in zip(rows, panel, strict=True):
        if isinstance(found, Refusal):
            with pytest.raises(Refusal, match=re.escape(str(found))):
                forecast_series(row, end=END, bar_seconds=bar_seconds, calendar=calendar, estimator=model)
            continue
        alone = forecast_series(row, end=END, bar_seconds=bar_seconds, calendar=calendar, estimator=model)
        assert alone.readout == found.readout
        assert np.array_equal(alone.standardized, found.standardized, equal_nan=True)


@given(st.integers(0, 10**6), st.floats(0.05, 20.0), st.integers(20, 400))
@settings(max_examples=60, deadline=None)
def test_scale_equivariance(seed: int, factor: float, bars: int) -> None:
    """Returns times c: volatility times c, calibration and z unchanged."""
    moves = np.random.default_rng(seed).standard_normal(bars) * 0.01
    clock = {"end": END, "bar_seconds": 86_400, "calendar": Calendar(), "estimator": Ewma()}
    one, many = (forecast_series(np.exp(np.cumsum(scale * moves)), **clock) for scale in (1.0, factor))
    assert math.isclose(many.readout.forecast, factor * one.readout.forecast, rel_tol=1e-9)
    assert math.isclose(many.readout.calibration, one.readout.calibration, rel_tol=1e-9)
    np.testing.assert_allclose(many.standardized, one.standardized, rtol=1e-8, atol=1e-10)


@given(st.integers(0, 10**6), st.integers(25, 300), st.integers(0, 200))
@settings(max_examples=40, deadline=None)
def test_no_look_ahead(seed: int, bars: int, later: int) -> None:
    """What comes later does not change what was said before."""
    generator = np.random.default_rng(seed)
    closes = np.exp(np.cumsum(generator.standard_normal(bars + later) * 0.02))
    clock = {"bar_seconds": 86_400, "calendar": Calendar(), "estimator": Ewma()}
    long, short = forecast_path(closes, **clock), forecast_path(closes[:bars], **clock)
    np.testing.assert_array_equal(long.volatility[:bars], short.volatility)


@given(st.integers(0, 10**6), st.integers(30, 300), st.floats(1.5, 30.0))
@settings(max_examples=60, deadline=None)
def test_a_larger_last_move_never_means_less_volatility(seed: int, bars: int, factor: float) -> None:
    moves = np.random.default_rng(seed).standard_normal(bars) * 0.01
    larger = moves.copy()
    larger[-1] *= factor
    clock = {"end": END, "bar_seconds": 86_400, "calendar": Calendar(), "estimator": Ewma()}
    calm, wild = (forecast_series(np.exp(np.cumsum(row)), **clock).readout.volatility for row in (moves, larger))
    assert wild >= calm * (1 - 1e-12)
