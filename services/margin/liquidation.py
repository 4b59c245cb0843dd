"""Liquidation price, how far away it is, and how likely it is to be touched.

The liquidation price is the first price, moving away from the mark, at which equity no longer exceeds the maintenance
margin. It is the mark itself when that is so already, and None (NaN in arrays) when no move of this price leads there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr, ndtr

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.core.instrument import MarginTier
from services.margin.assembly import tier_maintenance
from services.margin.horizon import DAYS_PER_YEAR

Tier = tuple[float, float, float]
"""Floor [quote], maintenance rate and maintenance amount [quote], as in `MarginTier`."""

_EDGE = 1e-12
"""Relative slack by which a root may lie outside its tier, so that one on the edge belongs to either."""


def liquidation_price_linear(
    *,
    equity_quote: float,
    base_quantity: float,
    mark: float,
    tiers: Sequence[Tier],
    collateral_base: float = 0.0,
    maintenance_basis: Literal["price", "entry"] = "price",
    entry_price: float | None = None,
) -> float | None:
    r"""Liquidation price of a linear position under a venue's tiers.

    In a tier of maintenance rate m and amount c: ``P = (E + c − x·mark) / (|q|·m − x)``, where ``x = q + collateral``;
    a root counts where ``|q|·P`` lies in its tier. Where a table jumps, the edge of the tier is a candidate too.

    Parameters
    ----------
    equity_quote : float
        E: mark-to-market equity that backs the position, less the maintenance margin of the others [quote].
        Isolated margin: the isolated balance plus its unrealised profit.
    base_quantity : float
        q, signed [base]: contracts × multiplier.
    mark : float
        [quote per base], > 0.
    tiers : sequence of (floor, maintenance rate, maintenance amount)
        Rising floors; one tier for a flat rate: ``[(0.0, rate, 0.0)]``.
    collateral_base : float
        Collateral in the base coin after its haircut, whose value moves along [base]. Its value now is part of E.
    maintenance_basis : {"price", "entry"}
        Whether the venue takes the maintenance margin at the current or at the entry notional.
    entry_price : float, optional
        Needed for ``maintenance_basis="entry"``.

    Returns
    -------
    float or None
        Nearest such price on either side of the mark [quote per base].

    Raises
    ------
    InvalidInput
        If the mark is not positive, a number is not finite, the tiers cannot be read, or the entry price is missing.

    Notes
    -----
    All other prices stand still. With collateral a position may be liquidated on the far side: a short that is more
    than covered by its coin is a long. The answer is unrounded: round toward the mark, `to_tick(price, tick, up=long)`.

    References
    ----------
    Binance and Bybit: tiers with a maintenance amount. freqtrade and TorchTrade #344, #354 show what goes wrong when
    other positions are left out of E.

    Examples
    --------
    >>> tiers = [(0.0, 0.004, 0.0), (50_000.0, 0.005, 50.0), (250_000.0, 0.01, 1_300.0)]
    >>> round(liquidation_price_linear(equity_quote=4_000.0, base_quantity=1.0, mark=60_000.0, tiers=tiers), 2)
    56231.16
    """
    _check_position(mark, equity_quote, base_quantity, collateral_base)
    size, exposure = abs(base_quantity), base_quantity + collateral_base
    if size == 0.0:
        return None
    table = [MarginTier(*tier) for tier in tiers]
    if maintenance_basis == "entry":
        return _fixed_maintenance(equity_quote, size, exposure, mark, table, entry_price)
    if equity_quote <= tier_maintenance(size * mark, table):
        return mark
    candidates = list(_tier_roots(equity_quote, size, exposure, mark, table))
    return min(candidates, key=lambda price: abs(math.log(price / mark)), default=None)


def liquidation_price_inverse(
    *, equity_coin: float, contracts_quote: float, mark: float, maintenance_rate: float
) -> float | None:
    r"""Liquidation price of an inverse position that is margined in its own coin.

    Long: ``P = Q (1 + m) / (E + Q/mark)``; short: ``P = Q (1 − m) / (Q/mark − E)``, and None when ``E >= Q/mark``: a
    short that is fully backed by coin is a synthetic dollar and cannot be liquidated.

    Parameters
    ----------
    equity_coin : float
        E: mark-to-market equity less the maintenance margin of other positions [coin].
    contracts_quote : float
        Q, signed: contracts × quote value of a contract [quote].
    mark : float
        [quote per coin], > 0.
    maintenance_rate : float
        m [fraction of notional], >= 0.

    Returns
    -------
    float or None
        [quote per coin].

    Raises
    ------
    InvalidInput
        If the mark is not positive, the rate negative, or a number is not finite.

    Notes
    -----
    All collateral is the coin itself: a balance in quote currency is not part of this formula. Taker fees at
    bankruptcy are not included.

    References
    ----------
    BitMEX and Deribit, inverse perpetuals: profit in coin is ``Q (1/entry − 1/exit)``.

    Examples
    --------
    >>> backed = {"equity_coin": 1.0, "mark": 50_000.0, "maintenance_rate": 0.005}
    >>> round(liquidation_price_inverse(contracts_quote=60_000.0, **backed), 4)
    27409.0909
    >>> liquidation_price_inverse(contracts_quote=-50_000.0, **backed) is None
    True
    """
    _check_position(mark, equity_coin, contracts_quote, maintenance_rate)
    if maintenance_rate < 0.0:
        raise InvalidInput("maintenance_rate", "must be >= 0", maintenance_rate)
    prices = liquidation_prices_inverse(equity_coin, contracts_quote, mark, maintenance_rate)
    return None if math.isnan(prices) else float(prices)


def liquidation_prices_linear(
    equity_quote: ArrayLike, base_quantity: ArrayLike, mark: ArrayLike, maintenance_rate: ArrayLike
) -> Floats:
    """`liquidation_price_linear` over arrays, each position with one flat rate and no coin collateral; NaN for None.

    Parameters
    ----------
    equity_quote, base_quantity, mark, maintenance_rate : (n,) arrays
        As there; NaN in any of them gives NaN.

    Examples
    --------
    >>> liquidation_prices_linear(8_000.0, [1.0, -1.0, 0.0], 60_000.0, 0.01).round(2).tolist()
    [52525.25, 67326.73, nan]
    """
    equity, q, price, rate = _columns(equity_quote, base_quantity, mark, maintenance_rate)
    root = _quotient(equity - q * price, np.abs(q) * rate - q)
    return _first_reached(root, equity - np.abs(q) * rate * price, q, price)


def liquidation_prices_inverse(
    equity_coin: ArrayLike, contracts_quote: ArrayLike, mark: ArrayLike, maintenance_rate: ArrayLike
) -> Floats:
    """`liquidation_price_inverse` over arrays; NaN for None.

    Examples
    --------
    >>> liquidation_prices_inverse(1.3, [60_000.0, -60_000.0], 50_000.0, 0.005).round(2).tolist()
    [24120.0, nan]
    """
    equity, q, price, rate = _columns(equity_coin, contracts_quote, mark, maintenance_rate)
    root = _quotient(q + np.abs(q) * rate, equity + q / price)
    return _first_reached(root, equity - np.abs(q) * rate / price, q, price)


@overload
def distance_in_sigmas(mark: float, liquidation: float, volatility: float, horizon_days: float = 1.0) -> float: ...
@overload
def distance_in_sigmas(
    mark: ArrayLike, liquidation: ArrayLike, volatility: ArrayLike, horizon_days: float = 1.0
) -> Floats: ...
def distance_in_sigmas(
    mark: ArrayLike, liquidation: ArrayLike, volatility: ArrayLike, horizon_days: float = 1.0
) -> Floats | float:
    r"""Distance to liquidation in standard deviations, ``|ln(mark / liquidation)| / (σ √h)``.

    Parameters
    ----------
    mark, liquidation : float or array
        [quote per base]; NaN where there is no liquidation price, which gives NaN.
    volatility : float or array
        [annual fraction]; 0 gives an infinite distance, or 0 at the mark.
    horizon_days : float
        h [days].

    Examples
    --------
    >>> round(distance_in_sigmas(100.0, 90.0, 0.8), 5)
    2.51614
    """
    away = np.abs(np.log(np.asarray(mark, dtype=np.float64) / np.asarray(liquidation, dtype=np.float64)))
    spread = _spread(volatility, horizon_days)
    still = np.where(away > 0.0, np.inf, away)
    return _plain(np.where(spread == 0.0, still, away / np.where(spread == 0.0, 1.0, spread)))


@overload
def touch_probability(mark: float, liquidation: float, volatility: float, horizon_days: float = 1.0) -> float: ...
@overload
def touch_probability(
    mark: ArrayLike, liquidation: ArrayLike, volatility: ArrayLike, horizon_days: float = 1.0
) -> Floats: ...
def touch_probability(
    mark: ArrayLike, liquidation: ArrayLike, volatility: ArrayLike, horizon_days: float = 1.0
) -> Floats | float:
    r"""Probability that a driftless lognormal price touches the liquidation price within the horizon.

    With ``b = ln(L/S)``, ``v = σ√T`` and log drift ``μT = −v²/2``: below the mark
    ``N((b − μT)/v) + e^{−b} N((b + μT)/v)``, above it ``N((−b + μT)/v) + e^{−b} N((−b − μT)/v)``.

    Parameters
    ----------
    mark, liquidation, volatility, horizon_days
        As in `distance_in_sigmas`; NaN gives NaN.

    Returns
    -------
    float or array
        In [0, 1]; 1 at the mark, 0 without volatility.

    Notes
    -----
    Continuous monitoring, constant volatility, no jumps: a lower bound in markets with gaps.

    References
    ----------
    Borodin & Salminen (2002), Handbook of Brownian Motion, 2.1.2.4: first passage of Brownian motion with drift.

    Examples
    --------
    >>> round(touch_probability(100.0, 90.0, 0.8), 6), round(touch_probability(100.0, 125.0, 0.6, 7), 7)
    (0.012504, 0.0064723)
    """
    gap = np.log(np.asarray(liquidation, dtype=np.float64) / np.asarray(mark, dtype=np.float64))
    spread = _spread(volatility, horizon_days)
    live = spread > 0.0
    v = np.where(live, spread, 1.0)
    toward = np.where(gap > 0.0, -0.5, 0.5) * v
    direct = ndtr(-np.abs(gap) / v + toward)
    reflected = np.exp(np.minimum(log_ndtr(-np.abs(gap) / v - toward) - gap, 0.0))
    touched = np.minimum(direct + reflected, 1.0)
    still = np.where(gap == 0.0, 1.0, np.where(np.isnan(gap + spread), np.nan, 0.0))
    return _plain(np.where(live & (gap != 0.0), touched, still))


def _tier_roots(
    equity: float, size: float, exposure: float, mark: float, tiers: Sequence[MarginTier]
) -> Iterator[float]:
    ceilings = [tier.floor for tier in tiers[1:]] + [math.inf]
    for number, (tier, ceiling) in enumerate(zip(tiers, ceilings, strict=True)):
        slope = size * tier.maintenance_rate - exposure
        price = (equity + tier.maintenance_amount - exposure * mark) / slope if slope else math.nan
        lowest = tier.floor if number else 0.0
        if price > 0.0 and lowest * (1.0 - _EDGE) <= size * price <= ceiling * (1.0 + _EDGE):
            yield price
    for below, above in itertools.pairwise(tiers):
        price = above.floor / size
        value = equity + exposure * (price - mark)
        if price > 0.0 and _excess(value, above.floor, below) * _excess(value, above.floor, above) < 0.0:
            yield price


def _excess(equity: float, notional: float, tier: MarginTier) -> float:
    return equity - (tier.maintenance_rate * notional - tier.maintenance_amount)


def _fixed_maintenance(
    equity: float, size: float, exposure: float, mark: float, tiers: Sequence[MarginTier], entry_price: float | None
) -> float | None:
    if entry_price is None or not entry_price > 0.0:
        raise InvalidInput("entry_price", "must be > 0 with maintenance_basis entry", entry_price)
    maintenance = tier_maintenance(size * entry_price, tiers)
    if equity <= maintenance:
        return mark
    price = mark + (maintenance - equity) / exposure if exposure else 0.0
    return price if price > 0.0 else None


def _first_reached(root: Floats, excess: Floats, quantity: Floats, mark: Floats) -> Floats:
    """Root where it is a price, the mark where equity is short already, NaN where nothing is held."""
    price = np.where(excess <= 0.0, mark, np.where(root > 0.0, root, np.nan))
    return np.where((quantity == 0.0) | np.isnan(excess), np.nan, price)


def _quotient(top: Floats, bottom: Floats) -> Floats:
    return np.where(bottom == 0.0, np.nan, top / np.where(bottom == 0.0, 1.0, bottom))


def _plain(values: Floats) -> Floats | float:
    return float(values) if values.ndim == 0 else values


def _columns(*values: ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.asarray(value, dtype=np.float64) for value in values)


def _spread(volatility: ArrayLike, horizon_days: float) -> Floats:
    spread: Floats = np.asarray(volatility, dtype=np.float64) * math.sqrt(horizon_days / DAYS_PER_YEAR)
    return spread


def _check_position(mark: float, *numbers: float) -> None:
    if not mark > 0.0:
        raise InvalidInput("mark", "must be > 0", mark)
    for number in (mark, *numbers):
        if not math.isfinite(number):
            raise InvalidInput("position", "must be finite", number)
