"""Open, high and low of a bar: whether they can be believed, and how long a wick may be."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from services.core.explain import Floats
from services.volatility.bars import usable_price, usable_prices
from services.volatility.estimators.interface import Memory

CLAMPED = 1e-6
"""Relative error up to which a high below, or a low above, the other prices is taken as rounding."""
WICK_RANGES = 4.0
"""Longest believable wick, in usual ranges of a bar."""
GUARD_GAIN = 1.0 / 32.0
GUARD_AFTER = 10
SMALLEST_RANGE = 1e-5
UNGUARDED: Memory = (0.0, 0.0)
"""Memory of the wick guard before any bar: bars seen, mean log range."""


class Candle(NamedTuple):
    """Shape of a bar in logs: ``ln(O/C_prev)``, ``ln(H/O)``, ``ln(L/O)``, ``ln(C/O)``."""

    overnight: float
    high: float
    low: float
    body: float


def candle_of(open_: float, high: float, low: float, close: float, before: float) -> Candle | None:
    """Candle of four prices after a close; None where they contradict each other.

    A high below open or close, or a low above one, by a relative error of at most 1e-6 is rounding and is clamped.
    """
    if not (usable_price(open_) and usable_price(high) and usable_price(low)):
        return None
    top, bottom = max(open_, close), min(open_, close)
    if high < top * (1.0 - CLAMPED) or low > bottom * (1.0 + CLAMPED):
        return None
    high, low = max(high, top), min(low, bottom)
    return Candle(math.log(open_ / before), math.log(high / open_), math.log(low / open_), math.log(close / open_))


def contradictory(open_: float, high: float, low: float, close: float) -> bool:
    """Whether prices were given that contradict the close or each other; some of the three alone do.

    Examples
    --------
    >>> contradictory(10.0, 11.0, 9.0, 10.5), contradictory(10.0, 9.0, 11.0, 10.5)
    (False, True)
    >>> contradictory(math.nan, math.nan, math.nan, 10.5), contradictory(math.nan, 11.0, 9.0, 10.5)
    (False, True)
    """
    given = not (math.isnan(open_) and math.isnan(high) and math.isnan(low))
    return given and candle_of(open_, high, low, close, close) is None


def guarded(memory: Memory, candle: Candle) -> tuple[Memory, Candle, bool]:
    """Cap the wicks of a candle at four usual ranges; the guard's memory, the candle, and whether a wick was cut.

    The usual range is the geometric mean of the capped ranges, of gain ``max(1/32, 1/(n + 1))``. One bad print (Bitcoin
    on 2017-04-15: low 0.06 against 1,173) would otherwise rule every estimator on ranges for weeks.
    """
    seen, mean_log = memory
    top, bottom = max(candle.body, 0.0), min(candle.body, 0.0)
    above, below, cut = candle.high - top, bottom - candle.low, False
    if seen >= GUARD_AFTER:
        longest = WICK_RANGES * math.exp(mean_log)
        cut = above > longest or below > longest
        above, below = min(above, longest), min(below, longest)
    width = above + below + top - bottom
    mean_log += max(GUARD_GAIN, 1.0 / (seen + 1.0)) * (math.log(max(width, SMALLEST_RANGE)) - mean_log)
    if cut:
        candle = Candle(candle.overnight, top + above, bottom - below, candle.body)
    return (seen + 1.0, mean_log), candle, cut


class Candles(NamedTuple):
    """`Candle` in columns, (n,) each; NaN where there is none."""

    overnight: Floats
    high: Floats
    low: Floats
    body: Floats


def candles_of(open_: Floats, high: Floats, low: Floats, close: Floats, before: Floats) -> Candles:
    """`candle_of` of many bars."""
    usable = usable_prices(open_) & usable_prices(high) & usable_prices(low)
    top, bottom = np.fmax(open_, close), np.fmin(open_, close)
    usable &= (high >= top * (1.0 - CLAMPED)) & (low <= bottom * (1.0 + CLAMPED))
    base = np.where(usable, open_, np.nan)
    high, low = np.maximum(high, top), np.minimum(low, bottom)
    return Candles(np.log(base / before), np.log(high / base), np.log(low / base), np.log(close / base))


def guarded_candles(candles: Candles) -> Candles:
    """`guarded` along a row: the same numbers as bar by bar."""
    memory, high, low = UNGUARDED, candles.high.copy(), candles.low.copy()
    rows = zip(*(column.tolist() for column in candles), strict=True)
    for place, row in enumerate(rows):
        if row[1] == row[1]:
            memory, candle, cut = guarded(memory, Candle(*row))
            if cut:
                high[place], low[place] = candle.high, candle.low
    return candles._replace(high=high, low=low)
