"""Liquidation prices of everything that one underlying moves: coin, loans, perpetuals and options, by a scan for roots.

With options equity less maintenance can cross zero more than once on either side of the price, and no formula says
where. So it is looked at over the whole range of prices, and solved for in the first gap that it crosses on each side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from services.core.errors import InvalidInput
from services.core.explain import Floats

POINTS = 400
REACH = 1e4
"""Factor up and down from the mark over which roots are looked for."""

Excess = Callable[[Floats], Floats]
"""Equity less maintenance [quote] at prices [quote per base], of their shape."""


@dataclass(frozen=True, slots=True)
class LiquidationPrices:
    """First price on either side of the mark at which equity no longer exceeds maintenance.

    `down` and `up` are None where there is none within a factor of 10,000; both are the mark where it is so already.
    `residual` is the larger |equity − maintenance| at them [quote]: 0 to rounding, or the height of a step in a
    venue's table that the price lies on.
    """

    down: float | None
    up: float | None
    residual: float


def liquidation_prices(excess: Excess, mark: float, *, kinks: Sequence[float] = ()) -> LiquidationPrices:
    r"""Nearest roots of equity less maintenance, below and above the mark.

    Parameters
    ----------
    excess : callable
        Equity less maintenance over an array of prices [quote].
    mark : float
        Price now [quote per base], > 0.
    kinks : sequence of float
        Prices at which the function bends or steps (strikes, edges of tiers): they become points of the scan.

    Returns
    -------
    LiquidationPrices

    Raises
    ------
    InvalidInput
        If the mark is not positive, or the function is not a number somewhere.

    Notes
    -----
    400 points, even in the logarithm, from mark/10,000 to 10,000 · mark: 4.7 % apart. Between two points that both
    exceed zero it may dip below: where the middle of three is the least, the dip is searched for its bottom. Two dips
    within one step are not told apart. The root is found by Brent's method to the last digit, then the better of it and
    its two neighbouring floats; at a step in a venue's table that is the edge. About 400 evaluations at once and fifty
    single ones.

    References
    ----------
    Brent (1973), Algorithms for Minimization without Derivatives, ch. 4 and 5.

    Examples
    --------
    A long of one unit with 20 of equity, a maintenance rate of 5 %: (100 − 20) / (1 − 0.05).

    >>> found = liquidation_prices(lambda price: 20.0 + (price - 100.0) - 0.05 * price, 100.0)
    >>> round(found.down, 9), found.up
    (84.210526316, None)
    """
    if not 0.0 < mark < np.inf:
        raise InvalidInput("mark", "must be finite and > 0", mark)
    bends = np.asarray([kink for kink in kinks if mark / REACH < kink < mark * REACH], dtype=np.float64)
    grid = np.unique(np.concatenate([mark * np.geomspace(1.0 / REACH, REACH, POINTS), bends, [mark]]))
    values = np.asarray(excess(grid), dtype=np.float64)
    if not np.isfinite(values).all():
        raise InvalidInput("excess", "must be finite over the whole scan", "another number")
    centre = int(np.searchsorted(grid, mark))
    if values[centre] <= 0.0:
        return LiquidationPrices(mark, mark, abs(float(values[centre])))
    down = first_crossing(excess, grid[centre::-1], values[centre::-1])
    up = first_crossing(excess, grid[centre:], values[centre:])
    gaps = [abs(_at(excess, price)) for price in (down, up) if price is not None]
    return LiquidationPrices(down, up, max(gaps, default=0.0))


def first_crossing(excess: Excess, grid: Floats, values: Floats) -> float | None:
    """First root along a path of points > 0 that begins above zero; `values` are those of `excess` on the path.

    Between two points that both exceed zero it may dip below: where the middle of three is the least, the dip is
    searched for its bottom.
    """
    inner = values[1:-1]
    dips: NDArray[np.int64] = np.flatnonzero((inner <= values[:-2]) & (inner <= values[2:]) & (inner > 0.0)) + 1
    below = np.flatnonzero(values <= 0.0)
    end = int(below[0]) if below.size else grid.size
    for place in dips[dips < end].tolist():
        bottom = _bottom(excess, grid[place - 1], grid[place + 1])
        if _at(excess, bottom) <= 0.0:
            return _root(excess, grid[place - 1], bottom)
    return _root(excess, grid[end - 1], grid[end]) if end < grid.size else None


def _bottom(excess: Excess, one: float, other: float) -> float:
    low, high = sorted((np.log(one), np.log(other)))
    found = minimize_scalar(
        lambda point: _at(excess, np.exp(point)), bounds=(low, high), method="bounded", options={"xatol": 1e-10}
    )
    return float(np.exp(found.x))


def _root(excess: Excess, inside: float, outside: float) -> float:
    """Price between one that is safe and one that is not; of neighbouring floats the one with the smaller gap."""
    if _at(excess, outside) == 0.0:
        return float(outside)
    point = brentq(lambda price: _at(excess, price), inside, outside, xtol=1e-300, rtol=4.0 * np.finfo(float).eps)
    near = (np.nextafter(point, inside), point, np.nextafter(point, outside))
    return float(min(near, key=lambda price: abs(_at(excess, price))))


def _at(excess: Excess, price: float) -> float:
    return float(excess(np.array([price]))[0])
