"""Hour of day: the rhythm is found, moves variance between hours only, and is the same in the stream and in columns."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.explain import Floats
from services.volatility import hour_of_day
from services.volatility.hour_of_day import HOURS, START, advance, factor, hour_of_open

HOUR, DAY = 3_600, 86_400
LENGTHS = [60, 300, HOUR, 5_400, 2 * HOUR, 4 * HOUR, 5 * HOUR, 12 * HOUR]


def panel(seed: int, bar_seconds: int, markets: int = 3, bars: int = 400) -> tuple[Floats, Floats]:
    """Close times that begin apart and skip now and then; ratios with NaN and with spikes above the cap."""
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random((markets, bars)) < 0.05, 3, 1)
    closes = bar_seconds * (rng.integers(400_000, 400_100, (markets, 1)) + np.cumsum(steps, axis=1))
    ratios = rng.chisquare(1.0, closes.shape) * 3.0
    ratios[rng.random(ratios.shape) < 0.1] = np.nan
    return closes.astype(float), ratios


@pytest.mark.parametrize("bar_seconds", LENGTHS)
def test_stream_and_panel_agree(bar_seconds: int) -> None:
    closes, ratios = panel(1, bar_seconds)
    paths, ends = hour_of_day.factor_path(closes, bar_seconds, ratios), hour_of_day.last(closes, bar_seconds, ratios)
    for row_closes, row_ratios, path, end in zip(closes, ratios, paths, ends, strict=True):
        memory, factors = START, []
        for close_at, ratio in zip(row_closes.tolist(), row_ratios.tolist(), strict=True):
            factors.append(factor(memory, close_at, bar_seconds))
            memory = advance(memory, close_at, bar_seconds, ratio)
        assert path == pytest.approx(factors, rel=1e-12)
        assert end == pytest.approx(memory, rel=1e-12)


def test_a_rhythm_is_found() -> None:
    """y/h with a mean of 0.25 to 1.75 by the hour; 1,000 days of hourly bars, the second half averaged."""
    rhythm = 1.0 + 0.75 * np.sin(2.0 * np.pi * np.arange(HOURS) / HOURS)
    closes = HOUR * np.arange(1, 1_000 * HOURS + 1, dtype=float)[None]
    ratios = np.random.default_rng(2).chisquare(4.0, closes.shape) / 4.0 * np.tile(rhythm, 1_000)
    found = hour_of_day.factor_path(closes, HOUR, ratios)[0].reshape(1_000, HOURS)[500:].mean(axis=0)
    assert found == pytest.approx(rhythm, rel=0.15)


@given(st.lists(st.floats(0.0, 100.0), min_size=50, max_size=50), st.sampled_from([300, HOUR, 4 * HOUR]))
def test_a_day_of_factors_has_mean_one(ratios: list[float], bar_seconds: int) -> None:
    memory = START
    for index, ratio in enumerate(ratios):
        memory = advance(memory, (index + 1.0) * bar_seconds, bar_seconds, ratio)
    day = [factor(memory, (index + 1.0) * bar_seconds, bar_seconds) for index in range(DAY // bar_seconds)]
    assert math.fsum(day) / len(day) == pytest.approx(1.0, rel=1e-12)


def test_a_level_that_is_wrong_everywhere_is_no_rhythm() -> None:
    closes = HOUR * np.arange(1, 5_001, dtype=float)[None]
    factors = hour_of_day.factor_path(closes, HOUR, np.full(closes.shape, 3.0))
    assert factors[0, 24::24] == pytest.approx(np.ones(208), rel=1e-12)


def test_the_hour_is_the_one_in_which_the_bar_opens() -> None:
    assert [hour_of_open(HOUR * 1.0, HOUR), hour_of_open(HOUR * 1.0, 60), hour_of_open(HOUR + 60.0, 60)] == [0, 0, 1]
    moved = advance(START, HOUR * 5.0, 4 * HOUR, 3.0)
    assert moved[1] == pytest.approx(1.01, rel=1e-12)
    assert moved[:1] + moved[2:] == START[1:]


def test_a_spike_moves_its_hour_by_seven_gains_at_most() -> None:
    assert advance(START, HOUR * 1.0, HOUR, 1e6)[0] == pytest.approx(1.0 + 7.0 * 0.005, rel=1e-12)


@pytest.mark.parametrize("bar_seconds", [DAY, 7 * DAY])
def test_bars_of_a_day_and_more_have_no_hour(bar_seconds: int) -> None:
    closes, ratios = bar_seconds * np.arange(1.0, 6.0)[None], np.full((1, 5), 9.0)
    assert advance(START, float(bar_seconds), bar_seconds, 9.0) == START
    assert factor((2.0,) * 12 + (1.0,) * 12, float(bar_seconds), bar_seconds) == 1.0
    assert hour_of_day.factor_path(closes, bar_seconds, ratios).tolist() == [[1.0] * 5]
    assert hour_of_day.last(closes, bar_seconds, ratios).tolist() == [[1.0] * HOURS]


def test_nothing_known_changes_nothing() -> None:
    closes, nothing = HOUR * np.arange(1.0, 31.0)[None], np.full((1, 30), np.nan)
    assert advance(START, HOUR * 1.0, HOUR, math.nan) is START
    assert hour_of_day.factor_path(closes, HOUR, nothing).tolist() == [[1.0] * 30]
    assert hour_of_day.last(closes, HOUR, nothing).tolist() == [[1.0] * HOURS]


def test_no_bar_knows_its_own_ratio() -> None:
    closes, ratios = panel(3, HOUR)
    scrambled = ratios.copy()
    scrambled[:, 250:] = 8.0
    before = hour_of_day.factor_path(closes, HOUR, ratios)[:, :251]
    assert np.array_equal(before, hour_of_day.factor_path(closes, HOUR, scrambled)[:, :251])
