"""From a model's rates to a requirement: floors, caps, size, open orders, funding, rounding; and a venue's tiers."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.core.instrument import MarginTier
from services.margin.size_addons import UNKNOWN_MARKET, MarketSize, NoAddon, SizeAddon, maintenance_rate
from services.margin.smoothing import SmoothedRates

CAP_LONG = 1.0
"""A long cannot lose more than its notional."""
CAP_SHORT = 3.0
STEPS_PER_UNIT = 1e8
"""Requirements are rounded up to 1e-8 of the account currency."""


@dataclass(frozen=True, slots=True)
class MarginRates:
    """Initial margin rates per row, before the size add-on [fraction of notional].

    `method_used` names what each row's rate came from: the model, or ``floor`` where the volatility is unknown.
    `clamped` marks rows whose σ√h was cut to 3. `smoothed` holds what rules against procyclicality made of the rates of
    the model; None without such rules.
    """

    long: Floats
    short: Floats
    method_used: tuple[str, ...]
    clamped: Bools
    smoothed: tuple[SmoothedRates, SmoothedRates] | None = None


@dataclass(frozen=True, slots=True)
class MarginRequirement:
    """Margin per row [account currency] and the rates behind it [fraction of notional].

    `rate_initial` is the rate of the side that sets the initial margin, `rate_maintenance` that of the open position.
    """

    initial: Floats
    maintenance: Floats
    rate_initial: Floats
    rate_maintenance: Floats
    method_used: tuple[str, ...]


def floored(
    model_rate: ArrayLike, *, floor: ArrayLike, venue_floor: ArrayLike = 0.0, multiplier: ArrayLike = 1.0
) -> Floats:
    """``max(floor, venue_floor, model_rate · multiplier)``; an unknown model rate (NaN) gives way to the floors.

    Parameters
    ----------
    model_rate : array
        [fraction of notional].
    floor, venue_floor : array
        The policy's least rate, and the venue's.
    multiplier : array
        Stress and contagion, 1 in calm.

    Examples
    --------
    >>> floored([0.02, 0.2, float("nan")], floor=0.05, multiplier=1.5).round(12).tolist()
    [0.05, 0.3, 0.05]
    """
    rate = np.asarray(model_rate, dtype=np.float64) * np.asarray(multiplier, dtype=np.float64)
    return np.fmax(np.maximum(floor, venue_floor), rate)


def requirement(
    contracts: ArrayLike,
    notional_per_contract: ArrayLike,
    rate_long: ArrayLike,
    rate_short: ArrayLike,
    *,
    maintenance_fraction: float = 0.6,
    size_addon: SizeAddon = NoAddon(),  # noqa: B008 - frozen, without state
    cap_short: float = CAP_SHORT,
    open_buys: ArrayLike = 0.0,
    open_sells: ArrayLike = 0.0,
    funding_per_contract: ArrayLike = 0.0,
    method_used: Sequence[str] = (),
    market: MarketSize = UNKNOWN_MARKET,
) -> MarginRequirement:
    r"""Initial and maintenance margin of each row.

    ``up = max(q + buys, 0)``, ``down = max(−(q − sells), 0)``;
    ``IM = max(up·V·f_long(up), down·V·f_short(down)) + max(0, q·funding)``; ``MM = fraction · |q|·V·f_side(|q|)``.

    Parameters
    ----------
    contracts : (n,) array
        q, signed.
    notional_per_contract : (n,) array
        V [account currency].
    rate_long, rate_short : (n,) arrays
        Initial margin rates by side, before the size add-on [fraction of notional].
    maintenance_fraction : float
        Maintenance over initial margin.
    size_addon : SizeAddon
        How the rate grows with the number of contracts.
    cap_short : float
        Largest rate of a short; a long's is 1.
    open_buys, open_sells : (n,) arrays
        Sizes of open orders [contracts], >= 0: the initial margin covers the worse side if they fill.
    funding_per_contract : (n,) array
        Next funding payment of one long contract [account currency]; negative when shorts pay.
    method_used : sequence of str
        Passed on.
    market : MarketSize
        Open interest and volume, for add-ons that read them.

    Returns
    -------
    MarginRequirement
        IM >= MM >= 0, rounded up to 1e-8.

    Raises
    ------
    InvalidInput
        If a size of open orders is negative or the maintenance fraction is outside (0, 1].

    Notes
    -----
    No position and no orders: 0, whatever the rates. NaN rates or values on a position stay NaN: unknown is not zero.
    Above about 9e7 the step of 1e-8 is finer than a double; there rounding is to the double.

    References
    ----------
    dYdX v4 and Vega: open orders at the worse side. Derive, Deribit, Hyperliquid: maintenance as a fraction (.5 to .8).

    Examples
    --------
    >>> answer = requirement(2.0, 100.0, 0.10, 0.11, open_buys=3.0, open_sells=9.0, funding_per_contract=0.5)
    >>> float(answer.initial), float(answer.maintenance)
    (78.0, 12.0)
    """
    if not 0.0 < maintenance_fraction <= 1.0:
        raise InvalidInput("maintenance_fraction", "must lie in (0, 1]", maintenance_fraction)
    held, value = np.asarray(contracts, dtype=np.float64), np.asarray(notional_per_contract, dtype=np.float64)
    up = np.maximum(held + _order_sizes("open_buys", open_buys), 0.0)
    down = np.maximum(_order_sizes("open_sells", open_sells) - held, 0.0)
    at_up = np.minimum(size_addon.rate(rate_long, up, market), CAP_LONG)
    at_down = np.minimum(size_addon.rate(rate_short, down, market), cap_short)
    buying, selling = _margin(up, value, at_up), _margin(down, value, at_down)
    base = np.where(held >= 0.0, rate_long, rate_short)
    own_cap = np.where(held >= 0.0, CAP_LONG, cap_short)
    at_held = np.minimum(maintenance_rate(size_addon, base, held, market), own_cap)
    funding = np.where(held == 0.0, 0.0, np.maximum(held * np.asarray(funding_per_contract, dtype=np.float64), 0.0))
    sell_side = (selling > buying) | ((held < 0.0) & ~(buying > selling))
    return MarginRequirement(
        initial=round_up(np.maximum(buying, selling) + funding),
        maintenance=round_up(maintenance_fraction * _margin(np.abs(held), value, at_held)),
        rate_initial=np.where(sell_side, at_down, at_up),
        rate_maintenance=maintenance_fraction * at_held,
        method_used=tuple(method_used),
    )


def round_up(amount: ArrayLike) -> Floats:
    """Up to the next 1e-8, against the user; a float that exceeds a step by its own rounding error is that step.

    Examples
    --------
    >>> round_up([100 * 0.06, 1.234567891]).tolist()
    [6.0, 1.2345679]
    """
    scaled = np.asarray(amount, dtype=np.float64) * STEPS_PER_UNIT
    # Adding 0 makes a negative zero plain.
    return (np.ceil(scaled - np.maximum(1e-6, 4.0 * np.finfo(float).eps * scaled)) + 0.0) / STEPS_PER_UNIT


def tier_of(notional_quote: float, tiers: Sequence[MarginTier]) -> MarginTier:
    """Tier that holds a notional; the first one also below its floor.

    Raises
    ------
    InvalidInput
        If there is no tier, floors do not rise, or a rate is negative.
    """
    check_tiers(tiers)
    return tiers[max(bisect_right([tier.floor for tier in tiers], notional_quote) - 1, 0)]


def tier_maintenance(notional_quote: float, tiers: Sequence[MarginTier]) -> float:
    """Venue's maintenance margin [quote]: ``max(0, rate · notional − amount)`` of the tier that holds the notional.

    Examples
    --------
    >>> table = [MarginTier(0.0, 0.004), MarginTier(50_000.0, 0.005, 50.0)]
    >>> tier_maintenance(50_000.0, table), tier_maintenance(100_000.0, table)
    (200.0, 450.0)
    """
    tier = tier_of(notional_quote, tiers)
    return max(0.0, tier.maintenance_rate * notional_quote - tier.maintenance_amount)


def tier_initial(notional_quote: float, tiers: Sequence[MarginTier]) -> float | None:
    """Venue's initial margin [quote]: the tier's rate on the whole notional; None where the table does not give it."""
    rate = tier_of(notional_quote, tiers).initial_rate
    return None if rate is None else rate * notional_quote


def check_tiers(tiers: Sequence[MarginTier]) -> None:
    """Refuse a table that cannot be read as tiers."""
    if not tiers:
        raise InvalidInput("margin_tiers", "must not be empty", list(tiers))
    if any(above.floor <= below.floor for below, above in itertools.pairwise(tiers)):
        raise InvalidInput("margin_tiers.floor", "must rise from tier to tier", [tier.floor for tier in tiers])
    wrong = [tier.maintenance_rate for tier in tiers if not tier.maintenance_rate >= 0.0]
    if wrong:
        raise InvalidInput("margin_tiers.maintenance_rate", "must be >= 0", wrong[0])


def _margin(size: Floats, value: Floats, rate: Floats) -> Floats:
    return np.where(size == 0.0, 0.0, size * value * rate)


def _order_sizes(name: str, sizes: ArrayLike) -> Floats:
    array = np.asarray(sizes, dtype=np.float64)
    if np.any(array < 0.0):
        raise InvalidInput(name, "must be >= 0", float(array.min()))
    return array
