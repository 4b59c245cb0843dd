"""The largest position that a margin budget pays for, or that stays far enough from liquidation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.margin.assembly import CAP_LONG
from services.margin.horizon import DAYS_PER_YEAR
from services.margin.size_addons import UNKNOWN_MARKET, MarketSize, NoAddon, SizeAddon


def margin_budget(equity: float, other_initial: float = 0.0, max_utilisation: float = 0.8) -> float:
    """Initial margin left to spend, ``max(0, u·E − other)`` [currency of `equity`].

    Examples
    --------
    >>> margin_budget(10_000.0, 2_000.0), margin_budget(2_000.0, 2_000.0)
    (6000.0, 0.0)
    """
    return max(0.0, max_utilisation * equity - other_initial)


def max_contracts_for_margin_budget(
    budget: ArrayLike,
    notional_per_contract: ArrayLike,
    rate: ArrayLike,
    *,
    size_addon: SizeAddon = NoAddon(),  # noqa: B008 - frozen, without state
    cap: ArrayLike = CAP_LONG,
    market: MarketSize = UNKNOWN_MARKET,
) -> Floats:
    r"""Largest size with ``q · V · min(cap, f(q)) <= budget``.

    Constant rate: ``q = B/(V f)``. Linear add-on and ramp: the root of a quadratic; square root and impact: of a cubic.

    Parameters
    ----------
    budget : array
        B [account currency]; see `margin_budget`.
    notional_per_contract : array
        V [account currency], > 0.
    rate : array
        f before the size add-on, of the side in question [fraction of notional], >= 0.
    size_addon : SizeAddon
        How the rate grows with size.
    cap : array
        Largest rate: 1 for a long, the policy's `cap_short` for a short.
    market : MarketSize
        Open interest and volume, for add-ons that read them.

    Returns
    -------
    array
        [contracts], unsigned and unrounded: round down to the lot. Infinite where margin costs nothing.

    Raises
    ------
    InvalidInput
        If a budget or rate is negative or a notional is not positive.

    Examples
    --------
    >>> from services.margin.size_addons import LinearAddon
    >>> addon = LinearAddon(per_contract=0.0002)
    >>> round(float(max_contracts_for_margin_budget(6_000.0, 100.0, 0.05, size_addon=addon)), 6)
    436.805126
    """
    money, value, base = (np.asarray(x, dtype=np.float64) for x in (budget, notional_per_contract, rate))
    _at_least_zero("budget", money)
    _at_least_zero("rate", base)
    if np.any(value <= 0.0):
        raise InvalidInput("notional_per_contract", "must be > 0", float(value.min()))
    units = money / value
    return np.maximum(size_addon.largest(base, units, market), units / np.asarray(cap, dtype=np.float64))


def notional_at_distance(
    move: ArrayLike, maintenance_rate: ArrayLike, side: ArrayLike, inverse: ArrayLike = False
) -> Floats:
    r"""Leverage at which the liquidation price lies a log return of `move` away.

    Long: ``1 / (1 − e^{−x} + m e^{−x})``; short: ``1 / (e^x − 1 + m e^x)``. For an inverse contract margined in its
    coin the two sides change places: a fall takes the coin that backs its long.

    Parameters
    ----------
    move : array
        x = d · σ · √h: required distance in standard deviations times their size, >= 0; NaN (unknown) gives NaN.
    maintenance_rate : array
        m [fraction of notional], >= 0; NaN gives NaN.
    side : array
        +1 long, -1 short.
    inverse : bool array
        Contracts of constant quote value, margined in coin.

    Returns
    -------
    array
        |notional| / equity free of other maintenance, at the mark; infinite where x and m are both 0.

    Raises
    ------
    InvalidInput
        If a move or a rate is negative.

    Examples
    --------
    >>> notional_at_distance(0.12, 0.03, [1.0, -1.0]).round(6).tolist()
    [7.158853, 6.198792]
    """
    x, rate = np.asarray(move, dtype=np.float64), np.asarray(maintenance_rate, dtype=np.float64)
    _at_least_zero("move", x)
    _at_least_zero("maintenance_rate", rate)
    falls = (np.asarray(side, dtype=np.float64) > 0.0) ^ np.asarray(inverse, dtype=bool)
    left, lost = np.exp(-x), -np.expm1(-x)
    top, bottom = np.broadcast_arrays(np.where(falls, 1.0, left), lost + rate * np.where(falls, left, 1.0))
    free = bottom == 0.0
    return np.where(free, np.inf, top / np.where(free, 1.0, bottom))


def max_contracts_for_distance(
    free_equity: ArrayLike,
    notional_per_contract: ArrayLike,
    volatility: ArrayLike,
    maintenance_rate: ArrayLike,
    min_distance_sigma: float,
    *,
    side: ArrayLike,
    inverse: ArrayLike = False,
    horizon_days: float = 1.0,
) -> Floats:
    """Largest size whose liquidation price stays at the required distance: leverage × free equity / V.

    Parameters
    ----------
    free_equity : array
        Equity less the maintenance margin of the other positions [account currency]; not positive gives 0.
    notional_per_contract : array
        V [account currency], > 0.
    volatility : array
        σ [annual fraction].
    maintenance_rate, side, inverse : array
        As in `notional_at_distance`.
    min_distance_sigma : float
        d [standard deviations over the horizon].
    horizon_days : float
        h [days].

    Returns
    -------
    array
        [contracts], unsigned and unrounded.

    Examples
    --------
    >>> round(float(max_contracts_for_distance(8_000.0, 100.0, 0.04 * 365**0.5, 0.03, 3.0, side=1)), 6)
    572.708262
    """
    move = min_distance_sigma * np.asarray(volatility, dtype=np.float64) * np.sqrt(horizon_days / DAYS_PER_YEAR)
    leverage = notional_at_distance(move, maintenance_rate, side, inverse)
    equity = np.maximum(np.asarray(free_equity, dtype=np.float64), 0.0)
    # 0 · inf: no equity carries nothing, whatever the leverage.
    size: Floats = np.where(equity == 0.0, 0.0, np.where(equity == 0.0, 0.0, leverage) * equity)
    return size / np.asarray(notional_per_contract, dtype=np.float64)


def _at_least_zero(name: str, values: Floats) -> None:
    if np.any(values < 0.0):
        raise InvalidInput(name, "must be >= 0", float(values.min()))
