"""Error band: a pinball quantile that ends where nine in ten are below, in the stream and in columns alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from services.volatility import error_band
from services.volatility.error_band import START, advance, read


def errors(seed: int, shape: tuple[int, int], deviation: float = 0.3) -> np.ndarray:
    """Ratios c v / h whose log errors are normal: their 90 % quantile is 1.2816 deviations."""
    return np.exp(2.0 * deviation * np.random.default_rng(seed).standard_normal(shape))


def test_the_quantile_is_found() -> None:
    """A mean over the last 15,000 of 20,000 bars: the quantile itself keeps moving by its gain."""
    quantiles = error_band.path(errors(1, (4, 20_000)))[:, 5_000:, 0]
    assert quantiles.mean(axis=1) == pytest.approx(0.3 * stats.norm.ppf(0.9), abs=0.02)


@pytest.mark.parametrize("deviation", [0.1, 0.3, 0.6])
def test_one_error_in_ten_is_above(deviation: float) -> None:
    """The mean step is zero but for the way from the start: true for any law of the errors."""
    ratios = errors(2, (1, 20_000), deviation)
    before = np.concatenate([[START[0]], error_band.path(ratios)[0, :-1, 0]])
    above = float(np.mean(0.5 * np.log(ratios[0]) > before))
    assert above == pytest.approx(0.1, abs=0.005)


def test_stream_and_panel_agree() -> None:
    rng = np.random.default_rng(3)
    ratios = errors(3, (3, 500))
    ratios[rng.random(ratios.shape) < 0.2] = np.nan
    ratios[0, :5], ratios[1, 7] = np.nan, 0.0
    memories = error_band.path(ratios)
    for row, path in zip(ratios, memories, strict=True):
        memory = START
        for ratio, expected in zip(row.tolist(), path.tolist(), strict=True):
            memory = advance(memory, ratio)
            assert memory == pytest.approx(expected, rel=1e-12)
    assert np.array_equal(error_band.last(ratios), memories[:, -1])
    assert error_band.confidence_factors(memories)[2, -1] == pytest.approx(read(tuple(memories[2, -1])), rel=1e-15)


def test_closes_alone_keep_the_start() -> None:
    nothing = np.full((2, 50), np.nan)
    assert error_band.confidence_factors(error_band.last(nothing)).tolist() == [math.exp(0.30)] * 2
    assert advance(START, math.nan) is START


def test_a_larger_error_never_narrows_the_band() -> None:
    assert advance(START, 10.0)[0] > START[0] > advance(START, 0.1)[0]
    assert advance(START, 0.0) == advance(START, 0.1)
