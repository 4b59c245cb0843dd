"""When there is no optimum: the delta alone, in linear instruments, without a solver."""

from __future__ import annotations

import numpy as np

from services.core.decimals import SNAP
from services.core.explain import Floats
from services.hedging.hedge_arrays import BUY, SELL, HedgeArrays
from services.hedging.whole_lots import linear_by_cost


def delta_only(arrays: HedgeArrays) -> Floats:
    """Whole lots of linear instruments, the cheapest first, that take the delta toward zero; shape (n,) [contracts].

    Nothing if the delta lies within its bounds. Else as many lots as the delta holds, rounded toward zero, within
    depth, margin and cash, and no more than keeps the variance from rising: with correlated volatility a delta may be
    a hedge of vega, and is not traded away then.
    """
    trades = np.zeros(arrays.lot.size)
    for row in linear_by_cost(arrays).tolist():
        delta = float(arrays.exposure_after(trades)[0])
        if _delta_within(arrays, delta):
            break
        trades = _toward_zero(arrays, trades, row, delta)
    return trades


def _delta_within(arrays: HedgeArrays, delta: float) -> bool:
    at = np.flatnonzero(arrays.bounded == 0)
    return bool(delta == 0.0 or (at.size and arrays.lower[at[0]] <= delta <= arrays.upper[at[0]]))


def _toward_zero(arrays: HedgeArrays, trades: Floats, row: int, delta: float) -> Floats:
    """Most lots of one instrument, found by halving: what is allowed is an interval that begins at none."""
    sign = -np.sign(delta * arrays.greeks[row, 0])
    side, lot = BUY if sign > 0.0 else SELL, arrays.lot[row]
    wanted = abs(delta / arrays.greeks[row, 0])
    most = int(np.floor(min(wanted, float(arrays.depth[side, row])) / lot + SNAP))
    lots = np.arange(most + 1) if most < 64 else np.unique(np.rint(np.linspace(0, most, 65)).astype(np.int64))
    low, high = 0, most
    while True:
        tried = np.repeat(trades[None, :], lots.size, axis=0)
        tried[:, row] += sign * lots * lot
        allowed = (arrays.variance(tried) <= float(arrays.variance(trades)) * (1.0 + 1e-12)) & arrays.affordable(tried)
        allowed[0] = True
        low = int(lots[np.flatnonzero(allowed)[-1]])
        above = lots[lots > low]
        high = int(above[0]) if above.size else low
        if high - low <= 1:
            break
        lots = np.unique(np.rint(np.linspace(low, high, 65)).astype(np.int64))
    size = low * lot
    if size < arrays.minimum[row] - SNAP * lot:
        return trades
    moved = trades.copy()
    moved[row] += sign * size
    return moved
