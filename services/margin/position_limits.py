"""The largest long and short of one instrument in whole lots, under every cap at once, and orders held against them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.core.instrument import MarginTier
from services.core.outcome import Reason
from services.margin.assembly import CAP_LONG, check_tiers, round_up
from services.margin.horizon import DAYS_PER_YEAR
from services.margin.max_position import margin_budget
from services.margin.registry import MarginPolicy
from services.margin.size_addons import UNKNOWN_MARKET, MarketSize, SizeAddon, maintenance_rate

DOUBLINGS = range(0, 201, 4)
"""Powers of two that are tried before a size counts as unbounded: 1, 16, 256 ... lots."""
PARTS = 64
"""Parts that a bracket is cut into at once: six halvings for one call of the margin."""
EXACT = 1 << 53
"""Integers below it are exact in floating point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionTerms:
    """Margin of one side of one instrument as a function of size: the model's or the venue's, whichever is more.

    Parameters
    ----------
    side : int
        +1 long, -1 short.
    notional_per_contract : float
        V at the mark [account currency], > 0.
    rate : float
        Initial margin rate of this side before the size add-on, floors included [fraction of notional], > 0.
    cap : float
        Largest rate: 1 for a long.
    maintenance_fraction : float
        Maintenance over initial margin of the model.
    size_addon : SizeAddon
        How the model's rate grows with size.
    tiers : tuple of MarginTier
        The venue's table [account currency]; none: the model alone.
    inverse : bool
        Contracts of constant quote value: their notional does not move with the price.
    market : MarketSize
        Open interest and volume, for add-ons that read them.

    Raises
    ------
    InvalidInput
        If a side is neither 1 nor -1, a value or rate is not positive, or the tiers cannot be read.
    """

    side: int
    notional_per_contract: float
    rate: float
    cap: float
    maintenance_fraction: float
    size_addon: SizeAddon
    tiers: tuple[MarginTier, ...] = ()
    inverse: bool = False
    market: MarketSize = UNKNOWN_MARKET

    def __post_init__(self) -> None:
        if self.side not in (1, -1):
            raise InvalidInput("side", "must be 1 or -1", self.side)
        for name in ("notional_per_contract", "rate"):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise InvalidInput(name, "must be finite and > 0", value)
        if self.tiers:
            check_tiers(self.tiers)

    @classmethod
    def under(
        cls,
        policy: MarginPolicy,
        side: int,
        rate: float,
        notional_per_contract: float,
        *,
        tiers: tuple[MarginTier, ...] = (),
        inverse: bool = False,
        market: MarketSize = UNKNOWN_MARKET,
    ) -> PositionTerms:
        """Terms under a policy; `rate` is that of `MarginPolicy.rates` for this side."""
        return cls(
            side=side,
            notional_per_contract=notional_per_contract,
            rate=rate,
            cap=CAP_LONG if side > 0 else policy.cap_short,
            maintenance_fraction=policy.maintenance_fraction,
            size_addon=policy.size_addon,
            tiers=tiers,
            inverse=inverse,
            market=market,
        )

    def initial(self, contracts: ArrayLike) -> Floats:
        """Initial margin of unsigned sizes [account currency], rounded up to 1e-8."""
        size = np.asarray(contracts, dtype=np.float64)
        notional = size * self.notional_per_contract
        return round_up(np.maximum(notional * self._rate(size), self._venue(notional)[0]))

    def maintenance(self, contracts: ArrayLike, price_ratio: float = 1.0) -> Floats:
        """Maintenance margin of unsigned sizes once the price is `price_ratio` times the mark [account currency]."""
        size = np.asarray(contracts, dtype=np.float64)
        notional = size * self.notional_per_contract * (1.0 if self.inverse else price_ratio)
        rate = np.minimum(maintenance_rate(self.size_addon, self.rate, size, self.market), self.cap)
        own = self.maintenance_fraction * notional * rate
        return round_up(np.maximum(own, self._venue(notional)[1]))

    def edges(self, price_ratio: float = 1.0) -> list[float]:
        """Sizes at which a tier begins [contracts]."""
        value = self.notional_per_contract * (1.0 if self.inverse else price_ratio)
        return [tier.floor / value for tier in self.tiers[1:]]

    def _rate(self, size: Floats) -> Floats:
        return np.minimum(self.size_addon.rate(self.rate, size, self.market), self.cap)

    def _venue(self, notional: Floats) -> tuple[Floats, Floats]:
        """Initial and maintenance margin of the venue's table; the initial is never below the maintenance."""
        if not self.tiers:
            return np.zeros_like(notional), np.zeros_like(notional)
        floors, rates, amounts, initials = _tier_columns(self.tiers)
        place = np.maximum(np.searchsorted(floors, notional, side="right") - 1, 0)
        maintenance = np.maximum(rates[place] * notional - amounts[place], 0.0)
        return np.maximum(initials[place] * notional, maintenance), maintenance


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRoom:
    """What an account has beside the position in question [account currency].

    `equity` is mark to market, the position's own profit and loss included; `other_initial` and `other_maintenance` are
    the margins of everything else. `in_coin`: the equity is held in the instrument's own coin and moves with its price.
    """

    equity: float
    other_initial: float = 0.0
    other_maintenance: float = 0.0
    in_coin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionCaps:
    """What bounds a position besides the margin that it needs; None: no such bound.

    Parameters
    ----------
    max_utilisation : float
        Initial margin of the account over its equity.
    min_distance_sigma : float, optional
        Least distance to liquidation [standard deviations over `horizon_days`].
    horizon_days : float
        [days].
    max_tier : int, optional
        Last row of the venue's table that may be used, from 1.
    liquidity_long, liquidity_short : float, optional
        What the market takes back of a long and of a short [contracts].
    venue : Decimal, optional
        Largest position of the instrument [contracts].
    user : Decimal, optional
        Largest position that the client allows [contracts].
    """

    max_utilisation: float = 0.8
    min_distance_sigma: float | None = None
    horizon_days: float = 1.0
    max_tier: int | None = None
    liquidity_long: float | None = None
    liquidity_short: float | None = None
    venue: Decimal | None = None
    user: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SideLimit:
    """Whole lots that each cap allows on one side; None where a cap allows any number."""

    side: int
    lots: dict[str, int | None]

    @property
    def largest(self) -> int | None:
        """Lots that all caps allow."""
        return min((count for count in self.lots.values() if count is not None), default=None)

    @property
    def binding(self) -> tuple[str, ...]:
        """Caps that set `largest`."""
        found = self.largest
        return tuple(name for name, count in self.lots.items() if count is not None and count == found)


def side_limit(
    terms: PositionTerms, account: AccountRoom, caps: PositionCaps, lot: Decimal, volatility: float | None = None
) -> SideLimit:
    r"""Largest position on one side, by cap.

    Margin: ``IM(q) <= max(0, u E − O)``. Distance: at the price d standard deviations against the position,
    ``S e^{∓ d σ √h}``, equity still covers the maintenance of everything.

    Parameters
    ----------
    terms : PositionTerms
    account : AccountRoom
    caps : PositionCaps
    lot : Decimal
        [contracts], > 0.
    volatility : float, optional
        σ [annual fraction]; the distance cap needs it.

    Returns
    -------
    SideLimit
        One more lot breaks each cap.

    Raises
    ------
    InvalidInput
        If the distance cap is asked for without a volatility, or `max_tier` without such a tier.

    Notes
    -----
    Sizes are searched in whole lots on the margin itself, not on a formula for it: size add-ons and tiers in any mix.
    Where a table makes the margin fall at an edge, the first size that breaks the cap counts, not a larger one that
    would do. Cost: about ten vectorised calls of the margin for each cap.

    Examples
    --------
    >>> terms = PositionTerms.under(MarginPolicy(), 1, 0.1, 100.0)
    >>> found = side_limit(terms, AccountRoom(equity=10_000.0, other_initial=2_000.0), PositionCaps(), Decimal("0.1"))
    >>> found.largest, found.binding
    (6000, ('margin',))
    """
    budget = margin_budget(account.equity, account.other_initial, caps.max_utilisation)
    lots = {"margin": largest_lots(lambda size: terms.initial(size) <= budget, lot, terms.edges())}
    if caps.min_distance_sigma is not None:
        lots["distance"] = _distance_lots(terms, account, caps, lot, volatility)
    if caps.max_tier is not None:
        lots["tier"] = _tier_lots(terms, caps.max_tier, lot)
    liquidity = caps.liquidity_long if terms.side > 0 else caps.liquidity_short
    for name, bound in (("liquidity", liquidity), ("venue", caps.venue), ("user", caps.user)):
        if bound is not None:
            lots[name] = _whole(bound, lot)
    return SideLimit(terms.side, lots)


def covered(terms: PositionTerms, account: AccountRoom, contracts: ArrayLike, move: float) -> Bools:
    """Whether equity still covers the maintenance of everything after a log return of `move` against the position."""
    size, ratio = np.asarray(contracts, dtype=np.float64), math.exp(-terms.side * move)
    equity = account.equity * (ratio if account.in_coin else 1.0)
    loss = size * terms.notional_per_contract * abs(math.expm1(-terms.side * move))
    return np.asarray(equity - account.other_maintenance - loss >= terms.maintenance(size, ratio))


def largest_lots(allowed: Callable[[Floats], Bools], lot: Decimal, edges: Iterable[float] = ()) -> int | None:
    """Most whole lots before the first size that is not allowed; 0 where none is, None where every size is.

    Parameters
    ----------
    allowed : callable
        From sizes [contracts] to whether each may be held.
    lot : Decimal
        [contracts].
    edges : iterable of float
        Sizes at which `allowed` may jump: both sides of each are tried [contracts].

    Examples
    --------
    >>> largest_lots(lambda size: size <= 0.7, Decimal("0.1"))
    7
    """
    top, bottom = lot.as_integer_ratio()
    most = 1 << DOUBLINGS[-1]
    near = {max(0, min(math.floor(edge * bottom / top) + step, most)) for edge in edges for step in (-1, 0, 1)}
    points = sorted({0, *(1 << power for power in DOUBLINGS), *near})
    while True:
        good = allowed(_sizes(points, top, bottom))
        if good.all():
            return None
        place = int(np.argmin(good))
        if place == 0:
            return 0
        low, high = points[place - 1], points[place]
        if high - low == 1:
            return low
        points = sorted({low + (high - low) * part // PARTS for part in range(PARTS + 1)})


def whole_lots(size: Decimal, lot: Decimal) -> int:
    """Whole lots of a size, exact whatever its number of digits.

    Examples
    --------
    >>> whole_lots(Decimal("0.3"), Decimal("0.1")), whole_lots(Decimal(10) ** 20, Decimal("1e-18")) == 10**38
    (3, True)
    """
    (top, bottom), (step, parts) = size.as_integer_ratio(), lot.as_integer_ratio()
    return top * parts // (bottom * step)


class Verdict(StrEnum):
    """What becomes of an order."""

    ACCEPT = "accept"
    RESIZE = "resize"
    REJECT = "reject"


class OrderCheck(NamedTuple):
    """Verdict on an order: signed contracts that may be traded, and the caps or the rule that cut it."""

    verdict: Verdict
    contracts: Decimal
    reason: Reason
    binding: tuple[str, ...]


def adds_risk(current: Decimal, order: Decimal) -> bool:
    """Whether an order does more than shrink a position.

    Examples
    --------
    >>> adds_risk(Decimal(5), Decimal(-5)), adds_risk(Decimal(5), Decimal(-6)), adds_risk(Decimal(0), Decimal(1))
    (False, True, True)
    """
    return order != 0 and not (current * order < 0 and abs(order) <= abs(current))


def check_order(current: Decimal, order: Decimal, limit: SideLimit, lot: Decimal, minimum: Decimal) -> OrderCheck:
    """Whether an order fits below the limit of the side that it leads to.

    Parameters
    ----------
    current, order : Decimal
        Signed [contracts].
    limit : SideLimit
        Of the side of the order.
    lot, minimum : Decimal
        [contracts]; an order that is cut below the minimum is none.

    Returns
    -------
    OrderCheck
        An order that only shrinks the position is accepted as it is, whatever the limits: odd lots too. What closes a
        position on the way to the other side may always be traded.

    Examples
    --------
    >>> limit = SideLimit(1, {"margin": 10})
    >>> check_order(Decimal(4), Decimal(9), limit, Decimal(1), Decimal(0))[:2]
    (<Verdict.RESIZE: 'resize'>, Decimal('6'))
    >>> check_order(Decimal(12), Decimal(-1), SideLimit(-1, {"margin": 0}), Decimal(1), Decimal(0)).verdict
    <Verdict.ACCEPT: 'accept'>
    """
    if not adds_risk(current, order):
        return OrderCheck(Verdict.ACCEPT, order, Reason.NONE, ())
    sign = 1 if order > 0 else -1
    held, wanted = sign * current, whole_lots(abs(order), lot) * lot
    closing, largest = max(-held, Decimal(0)), limit.largest
    room = wanted if largest is None else max(largest * lot - held, closing)
    room = min(wanted, room)
    # Toward zero, but never below what closes the position.
    size = max(whole_lots(room, lot) * lot, min(closing, room))
    cut = size < wanted
    why = Reason.LIMIT if cut else Reason.BELOW_LOT
    binding = limit.binding if cut else ()
    if size == abs(order):
        return OrderCheck(Verdict.ACCEPT, order, Reason.NONE, ())
    if size <= 0:
        return OrderCheck(Verdict.REJECT, Decimal(0), why, binding)
    if size > closing and size < minimum:
        return OrderCheck(Verdict.REJECT, Decimal(0), Reason.BELOW_MINIMUM, binding)
    return OrderCheck(Verdict.RESIZE, sign * size, why, binding)


def _distance_lots(
    terms: PositionTerms, account: AccountRoom, caps: PositionCaps, lot: Decimal, volatility: float | None
) -> int | None:
    if volatility is None or not volatility > 0.0:
        raise InvalidInput("volatility", "must be > 0 for a distance to liquidation", volatility)
    assert caps.min_distance_sigma is not None
    move = caps.min_distance_sigma * volatility * math.sqrt(caps.horizon_days / DAYS_PER_YEAR)
    edges = terms.edges(math.exp(-terms.side * move))
    return largest_lots(lambda size: covered(terms, account, size, move), lot, edges)


def _tier_lots(terms: PositionTerms, last: int, lot: Decimal) -> int | None:
    if not 1 <= last <= len(terms.tiers):
        raise InvalidInput("max_tier", f"must name one of {len(terms.tiers)} margin tiers, from 1", last)
    if last == len(terms.tiers):
        return None
    ceiling = terms.tiers[last].floor
    return largest_lots(lambda size: size * terms.notional_per_contract < ceiling, lot, terms.edges())


@lru_cache(maxsize=256)
def _tier_columns(tiers: tuple[MarginTier, ...]) -> Floats:
    """Floors, maintenance rates, amounts and initial rates (0 where not given) as rows; never written to."""
    rows = [(tier.floor, tier.maintenance_rate, tier.maintenance_amount, tier.initial_rate or 0.0) for tier in tiers]
    return np.array(rows).T


def _sizes(lots: list[int], top: int, bottom: int) -> Floats:
    """Contracts of whole lots of ``top / bottom``, each rounded once, as a float of the exact decimal is."""
    if lots[-1] * top < EXACT and bottom < EXACT:
        return np.array(lots, dtype=np.float64) * top / bottom
    return np.array([count * top / bottom for count in lots])


def _whole(size: float | Decimal, lot: Decimal) -> int | None:
    """Whole lots of a size, toward zero; None for an infinite one."""
    if size == math.inf:
        return None
    return max(0, whole_lots(size if isinstance(size, Decimal) else Decimal(size), lot))
