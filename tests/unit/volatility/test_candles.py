"""Shape of a bar: what is believed, what is clamped, how long a wick may be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.volatility.candles import (
    GUARD_AFTER,
    SMALLEST_RANGE,
    UNGUARDED,
    Candle,
    candle_of,
    candles_of,
    guarded,
    guarded_candles,
)
from tests.unit.volatility.markets import candle_columns, walk


def test_a_candle_is_four_prices_over_a_close() -> None:
    candle = candle_of(102.0, 110.0, 99.0, 105.0, 100.0)
    assert candle == pytest.approx(
        (math.log(1.02), math.log(110 / 102), math.log(99 / 102), math.log(105 / 102)), rel=1e-15
    )


@pytest.mark.parametrize(
    "prices",
    [
        (102.0, 104.9, 99.0, 105.0),
        (102.0, 101.9, 99.0, 101.0),
        (102.0, 110.0, 102.1, 105.0),
        (102.0, 110.0, 101.5, 101.0),
        (math.nan, 110.0, 99.0, 105.0),
        (102.0, math.inf, 99.0, 105.0),
        (102.0, 110.0, 0.0, 105.0),
        (102.0, 110.0, -1.0, 105.0),
        (102.0, 99.0, 110.0, 105.0),
    ],
)
def test_prices_that_contradict_each_other_have_no_shape(prices: tuple[float, float, float, float]) -> None:
    assert candle_of(*prices, 100.0) is None
    columns = candles_of(*(np.array([price]) for price in prices), np.array([100.0]))
    assert all(np.isnan(column).all() for column in columns)


@pytest.mark.parametrize(("error", "believed"), [(0.99e-6, True), (1.01e-6, False)])
def test_rounding_is_clamped(error: float, believed: bool) -> None:
    for high, low in ((105.0 * (1.0 - error), 102.0), (105.0, 102.0 * (1.0 + error))):
        candle = candle_of(102.0, high, low, 105.0, 100.0)
        assert (candle is not None) is believed
        assert candle is None or (candle.high, candle.low) == (math.log(105 / 102), 0.0)


def test_a_bar_that_never_moved_has_a_shape_of_zeros() -> None:
    assert candle_of(100.0, 100.0, 100.0, 100.0, 100.0) == (0.0, 0.0, 0.0, 0.0)


def slow_guard(candles: list[Candle]) -> list[tuple[float, float]]:
    """High and low of each, with the usual range worked out from the whole history before it."""
    cut, logs = [], list[float]()
    for candle in candles:
        top, bottom = max(candle.body, 0.0), min(candle.body, 0.0)
        longest = math.inf
        if len(logs) >= GUARD_AFTER:
            weights = [1.0]
            for count in range(2, len(logs) + 1):
                gain = max(1.0 / 32.0, 1.0 / count)
                weights = [(1.0 - gain) * weight for weight in weights] + [gain]
            longest = 4.0 * math.exp(sum(weight * log for weight, log in zip(weights, logs, strict=True)))
        high, low = top + min(candle.high - top, longest), bottom - min(bottom - candle.low, longest)
        logs.append(math.log(max(high - low, SMALLEST_RANGE)))
        cut.append((high, low))
    return cut


def test_the_guard_equals_its_definition_bar_by_bar_and_in_columns() -> None:
    closes = walk(1, 200)
    columns = candle_columns(closes, 1)
    rng = np.random.default_rng(1)
    columns["high"][rng.random(200) < 0.05] *= 3.0
    columns["low"][rng.random(200) < 0.05] /= 7.0
    columns["high"][rng.random(200) < 0.05] = np.nan
    found = candles_of(columns["open"], columns["high"], columns["low"], closes, np.append(closes[0], closes[:-1]))
    known = ~np.isnan(found.high)
    assert 150 < known.sum() < 200
    expected = slow_guard([Candle(*row) for row in np.stack(found, axis=1)[known].tolist()])
    kept = guarded_candles(found)
    np.testing.assert_allclose(np.stack([kept.high, kept.low], axis=1)[known], expected, rtol=1e-12)
    assert np.isnan(kept.high[~known]).all()
    memory, cuts = UNGUARDED, 0
    for row, (high, low) in zip(np.stack(found, axis=1)[known].tolist(), expected, strict=True):
        memory, candle, cut = guarded(memory, Candle(*row))
        assert (candle.high, candle.low) == pytest.approx((high, low), rel=1e-12)
        assert cut is ((candle.high, candle.low) != (row[1], row[2]))
        cuts += cut
    assert cuts > 5


def test_body_and_overnight_move_are_never_touched() -> None:
    memory = UNGUARDED
    for _ in range(20):
        memory, _, _ = guarded(memory, Candle(0.0, 0.01, -0.01, 0.0))
    gap = Candle(0.9, 0.8, -2.0, 0.7)
    _, candle, cut = guarded(memory, gap)
    assert cut
    assert (candle.overnight, candle.body) == (0.9, 0.7)
    assert (candle.high, candle.low) == pytest.approx((0.7 + 0.08, -0.08), rel=1e-9)
