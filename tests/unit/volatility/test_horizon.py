"""Horizon: the closed form against the sum of the bars it stands for, and its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import InvalidInput
from services.volatility.horizon import (
    DAILY_PERSISTENCE,
    forecast_weight,
    horizon_variance,
    persistence,
)

RATES = st.floats(0.5, 1.0) | st.sampled_from([1.0, 1.0 - 1e-15, 1.0 - 1e-9, 0.985])
VARIANCES = st.floats(1e-12, 1.0)


def summed(variance: float, long_run: float, bars: int, rate: float) -> float:
    """Bar by bar, as the model is told: each bar's distance from the long run is ρ times the one before."""
    total, current = 0.0, variance
    for _ in range(bars):
        total += current
        current = long_run + rate * (current - long_run)
    return total


@given(variance=VARIANCES, long_run=VARIANCES, bars=st.integers(1, 400), rate=RATES)
def test_the_closed_form_is_the_sum_of_the_bars(variance: float, long_run: float, bars: int, rate: float) -> None:
    closed = float(horizon_variance(variance, long_run, bars, rate))
    # Where ρ is close to 1 and one variance far above the other, both lose digits of the larger one, bar by bar.
    lost = 1e-15 * bars**2 * max(variance, long_run)
    assert closed == pytest.approx(summed(variance, long_run, bars, rate), rel=1e-10, abs=lost)


def test_it_is_the_formula_of_the_specification() -> None:
    h, anchor, bars, rate = 4e-4, 1e-4, 21.0, 0.985
    written = bars * (anchor + (h - anchor) * (1 - rate**bars) / (bars * (1 - rate)))
    assert float(horizon_variance(h, anchor, bars, rate)) == pytest.approx(written, rel=1e-13)


@given(variance=VARIANCES, long_run=VARIANCES, bars=st.floats(1e-3, 1e5), rate=RATES)
def test_it_lies_between_the_two_and_grows_with_the_horizon(
    variance: float, long_run: float, bars: float, rate: float
) -> None:
    value, longer = horizon_variance(variance, long_run, np.array([bars, 1.01 * bars]), rate)
    low, high = sorted((variance, long_run))
    assert bars * low * (1 - 1e-9) <= value <= bars * high * (1 + 1e-9)
    assert longer > value


def test_above_the_long_run_it_is_below_the_square_root_of_time_and_the_reverse() -> None:
    falling = horizon_variance(4.0, 1.0, np.array([2.0, 21.0]), 0.985)
    rising = horizon_variance(1.0, 4.0, np.array([2.0, 21.0]), 0.985)
    assert (falling < [8.0, 84.0]).all()
    assert (rising > [2.0, 21.0]).all()


@pytest.mark.parametrize("rate", [0.5, 0.985, 1.0])
def test_up_to_one_bar_it_is_the_forecast(rate: float) -> None:
    assert horizon_variance(0.3, 7.0, np.array([0.25, 0.5, 1.0]), rate).tolist() == [0.075, 0.15, 0.3]


def test_without_mean_reversion_it_is_the_square_root_of_time() -> None:
    assert horizon_variance(0.3, 7.0, np.array([2.5, 40.0]), 1.0) == pytest.approx([0.75, 12.0], rel=1e-15)
    nearly = horizon_variance(0.3, 7.0, 40.0, math.nextafter(1.0, 0.0))
    assert float(nearly) == pytest.approx(12.0, rel=1e-12)


def test_far_away_every_bar_is_long_run() -> None:
    one, more = horizon_variance(0.3, 7.0, np.array([10_000.0, 10_001.0]), 0.985)
    assert more - one == pytest.approx(7.0, rel=1e-9)
    assert float(forecast_weight(1e6, 0.985)) == pytest.approx(1.0 / 0.015, rel=1e-12)


def test_part_of_a_bar_belongs_to_that_bar() -> None:
    two, part, three = horizon_variance(0.3, 7.0, np.array([2.0, 2.25, 3.0]), 0.9)
    assert part - two == pytest.approx(0.25 * (three - two), rel=1e-12)


def test_persistence_of_bars_makes_up_the_day() -> None:
    assert persistence(300) ** 288 == pytest.approx(DAILY_PERSISTENCE, rel=1e-12)
    assert persistence(604_800) == pytest.approx(DAILY_PERSISTENCE**7, rel=1e-12)
    assert persistence(23_400, 23_400) == DAILY_PERSISTENCE
    assert persistence(43_200, daily=0.81) == pytest.approx(0.9, rel=1e-12)


@pytest.mark.parametrize("bars", [0.0, -1.0, math.nan, math.inf])
def test_a_horizon_that_is_none_is_refused(bars: float) -> None:
    with pytest.raises(InvalidInput, match="bars must be finite and > 0"):
        horizon_variance(1.0, 1.0, np.array([1.0, bars]), 0.985)


@pytest.mark.parametrize("rate", [0.0, 1.0001, math.nan])
def test_a_persistence_outside_is_refused(rate: float) -> None:
    with pytest.raises(InvalidInput, match="persistence must be > 0 and <= 1"):
        horizon_variance(1.0, 1.0, 2.0, rate)
