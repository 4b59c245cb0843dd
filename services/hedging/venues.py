"""One order over several venues: whole lots, the least expected cost, and why a venue is left out."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le, Lt

from services.core.decimals import SNAP
from services.core.errors import InvalidInput
from services.hedging.supply import Curve, Supply, Terms, curve_of, optimal_shares
from services.liquidity.book import OrderBook
from services.liquidity.depth import DepthState, Side, fraction, positive


class Exclusion(StrEnum):
    """Why a venue gets nothing; `EXCLUSION_TEXT` says it in words."""

    NONE = "none"
    DEARER = "dearer"
    UNTRUSTED = "untrusted"
    STALE = "stale"
    CROSSED = "crossed"
    NO_DEPTH = "no_depth"
    NO_HEADROOM = "no_headroom"
    BEYOND_WORST_PRICE = "beyond_worst_price"
    BELOW_MINIMUM = "below_minimum"


EXCLUSION_TEXT: dict[Exclusion, str] = {
    Exclusion.NONE: "The venue gets a part.",
    Exclusion.DEARER: "Usable, but what it offers costs more than what the others give.",
    Exclusion.UNTRUSTED: "The venue is marked as not to be trusted.",
    Exclusion.STALE: "Its depth is older than max_age_seconds, or lies in the future.",
    Exclusion.CROSSED: "Its best bid lies above its best ask: the book is not of one moment.",
    Exclusion.NO_DEPTH: "It offers less than a lot on the side that is needed.",
    Exclusion.NO_HEADROOM: "Its largest quantity or the margin there is less than a lot.",
    Exclusion.BEYOND_WORST_PRICE: "All that it offers is beyond the worst acceptable price.",
    Exclusion.BELOW_MINIMUM: "Its part would be smaller than its smallest order.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRules:
    """What is counted on of what venues show.

    Parameters
    ----------
    depth_reserve : float
        Share of every visible size that is taken as gone by the time the order arrives [fraction].
    max_age_seconds : float
        Age of depth beyond which a venue is left out [s].
    """

    depth_reserve: Annotated[float, Ge(0), Lt(1)] = 0.0
    max_age_seconds: Annotated[float, Gt(0), Le(86_400)] = 30.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        fraction("depth_reserve", self.depth_reserve)
        positive("max_age_seconds", self.max_age_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """A place to trade.

    Parameters
    ----------
    name : str
        Unique in a split.
    supply : OrderBook, LinearDepth or SquareRootDepth
        What it offers [contracts].
    fee : float
        Of an order that takes [fraction of notional]; negative for a rebate.
    age_seconds : float
        Age of `supply` [s].
    trusted : bool
        False leaves it out.
    largest : float, optional
        Largest order there, and what its margin bears: the smaller [contracts].
    minimum : int
        Smallest order there [lots].
    """

    name: str
    supply: Supply
    fee: float = 0.0
    age_seconds: float = 0.0
    trusted: bool = True
    largest: float | None = None
    minimum: int = 1

    def __post_init__(self) -> None:
        if not -0.1 < self.fee < 0.1:
            raise InvalidInput("fee", "must lie within -0.1 and 0.1", self.fee, "fractions: 0.0005 is 5 basis points")
        if self.largest is not None and not self.largest >= 0.0:
            raise InvalidInput("largest", "must be >= 0", self.largest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Part of one venue.

    Parameters
    ----------
    name : str
    lots : int
    exclusion : Exclusion
        Why there are none; `NONE` where there are.
    average_price, worst_price : float, optional
        Expected, without the fee, and that of the last unit [quote].
    cost : float, optional
        Expected against the mark, fee included [fraction].
    """

    name: str
    lots: int = 0
    exclusion: Exclusion = Exclusion.NONE
    average_price: float | None = None
    worst_price: float | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """An order over venues.

    Parameters
    ----------
    allocations : tuple of Allocation
        In the order of the venues given.
    unfilled : int
        What no venue bears [lots]; ``Σ lots + unfilled`` is the order.
    cost : float, optional
        Expected against the mark, fees included [fraction]; None where nothing is placed.
    """

    allocations: tuple[Allocation, ...]
    unfilled: int
    cost: float | None

    @property
    def lots(self) -> int:
        """Placed."""
        return sum(item.lots for item in self.allocations)


@dataclass(frozen=True, slots=True)
class _Offer:
    """A venue that may be used: its curve, and the most lots it may get."""

    venue: Venue
    curve: Curve
    most: int

    def step(self, lots: int, lot: float) -> float:
        """Cost of the next lot."""
        return self.curve.spent((lots + 1) * lot) - self.curve.spent(lots * lot)


def split_order(
    lots: int,
    side: Side,
    venues: Sequence[Venue],
    *,
    mark: float,
    lot: float = 1.0,
    inverse: bool = False,
    rules: SplitRules = SplitRules(),
    worst_price: float | None = None,
) -> Split:
    r"""Whole lots for each venue at the least expected cost, fees included.

    Minimises ``Σ C_v(n_v)`` with ``Σ n_v = N``, ``0 ≤ n_v ≤ L_v``. Books are merged level by level in the order of
    their prices with the fee; forms of two parameters share the marginal cost μ (``q_v = D_v (μ − a_v)⁺`` and
    ``q_v = V_v ((μ − a_v) / (1.5 Y σ_v))²``); both may be mixed.

    Parameters
    ----------
    lots : int
        N > 0.
    side : Side
        Of the order.
    venues : sequence of Venue
        At least one, of different names.
    mark : float
        What costs are measured against [quote].
    lot : float
        Contracts of one lot, alike on all venues.
    inverse : bool
        Whether contracts are of a fixed quote value.
    rules : SplitRules
        What is counted on.
    worst_price : float, optional
        Nothing is placed at prices that are worse [quote].

    Returns
    -------
    Split
        What the venues do not bear is `unfilled`, never hidden.

    Raises
    ------
    InvalidInput
        For an order of no lots, or two venues of one name.

    Notes
    -----
    Exact in whole lots: costs of successive lots rise on each venue, so that the optimum takes the N cheapest of them.
    No venue of it holds fewer than its continuous share less the number n of venues: with fewer, another one
    would hold more than one lot above its own share, and moving that lot would not cost more. From there at most
    n² + n lots are dealt out one by one. Ties go to the earlier name, so that the order of `venues` does not matter.

    Minimum orders make the problem hard; the smallest part below its minimum is dropped and the rest split again,
    until there is none. That is a heuristic. Visible depth is taken as it is shown, less the reserve: hidden orders,
    and what leaves when it is hit on another venue, are not known. O(n² log(levels)) after O(levels) to read the books.

    References
    ----------
    Fox (1966), Discrete optimization via marginal analysis, Management Science 13; Hochbaum (1994), Lower and upper
    bounds for the allocation problem, Mathematics of Operations Research 19 (greedy from a lower bound).

    Examples
    --------
    >>> import numpy as np
    >>> def asks(*rows): return OrderBook(bids=np.array([[99.0, 50.0]]), asks=np.array(rows))
    >>> cheap_fee = Venue(name="a", supply=asks([100.1, 4.0], [100.3, 4.0]), fee=0.0001)
    >>> dear_fee = Venue(name="b", supply=asks([100.0, 4.0], [100.1, 4.0]), fee=0.0015)
    >>> found = split_order(6, Side.BUY, [cheap_fee, dear_fee], mark=100.0)
    >>> [item.lots for item in found.allocations], found.unfilled
    ([4, 2], 0)
    """
    _legal(lots, venues, positive("mark", mark), positive("lot", lot))
    terms = Terms(side, mark, inverse)
    ordered = sorted(venues, key=lambda venue: venue.name)
    excluded: dict[str, Exclusion] = {}
    offers = []
    for venue in ordered:
        found = _offer(venue, terms, lot, rules, worst_price)
        if isinstance(found, _Offer):
            offers.append(found)
        else:
            excluded[venue.name] = found
    placed = _placed(lots, offers, lot)
    while (small := _smallest_below(offers, placed)) is not None:
        excluded[offers.pop(small).venue.name] = Exclusion.BELOW_MINIMUM
        placed = _placed(lots, offers, lot)
    parts = {offer.venue.name: _allocation(offer, size, lot) for offer, size in zip(offers, placed, strict=True)}
    rows = tuple(parts.get(item.name) or Allocation(name=item.name, exclusion=excluded[item.name]) for item in venues)
    done = sum(placed)
    spent = math.fsum(offer.curve.spent(size * lot) for offer, size in zip(offers, placed, strict=True))
    return Split(allocations=rows, unfilled=lots - done, cost=spent / (done * lot) if done else None)


def _legal(lots: int, venues: Sequence[Venue], mark: float, lot: float) -> None:
    if lots <= 0:
        raise InvalidInput("quantity", "must be at least one lot", lots)
    names = [venue.name for venue in venues]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InvalidInput("venues", "must not hold a venue twice", twice)


def _offer(venue: Venue, terms: Terms, lot: float, rules: SplitRules, worst_price: float | None) -> _Offer | Exclusion:
    if not venue.trusted:
        return Exclusion.UNTRUSTED
    if not 0.0 <= venue.age_seconds <= rules.max_age_seconds:
        return Exclusion.STALE
    if isinstance(venue.supply, OrderBook) and venue.supply.state is DepthState.CROSSED:
        return Exclusion.CROSSED
    curve = curve_of(venue.supply, terms, venue.fee, rules.depth_reserve)
    if curve is None or _lots(curve.available, lot) < 1:
        return Exclusion.NO_DEPTH
    allowed = curve.available if venue.largest is None else min(curve.available, venue.largest)
    if _lots(allowed, lot) < 1:
        return Exclusion.NO_HEADROOM
    near = allowed if worst_price is None else curve.at_price(worst_price)
    most = _lots(min(allowed, near), lot)
    return _Offer(venue, curve, most) if most else Exclusion.BEYOND_WORST_PRICE


def _lots(contracts: float, lot: float) -> int:
    return math.floor(contracts / lot + SNAP)


def _placed(lots: int, offers: Sequence[_Offer], lot: float) -> list[int]:
    """Lots of each offer."""
    largest = [offer.most for offer in offers]
    if lots >= sum(largest):
        return largest
    curves = [offer.curve for offer in offers]
    ends = [min(most * lot, curve.available) for most, curve in zip(largest, curves, strict=True)]
    shares, _ = optimal_shares(curves, ends, lots * lot)
    sure = [
        min(max(math.floor(share / lot) - len(offers), 0), most) for share, most in zip(shares, largest, strict=True)
    ]
    return _dealt(lots, offers, sure, lot)


def _dealt(lots: int, offers: Sequence[_Offer], sure: Sequence[int], lot: float) -> list[int]:
    """The lots that are left, one by one to where the next is cheapest."""
    given = list(sure)
    queue = [(offer.step(given[place], lot), place) for place, offer in enumerate(offers) if given[place] < offer.most]
    heapq.heapify(queue)
    for _ in range(lots - sum(given)):
        _, place = heapq.heappop(queue)
        given[place] += 1
        if given[place] < offers[place].most:
            heapq.heappush(queue, (offers[place].step(given[place], lot), place))
    return given


def _smallest_below(offers: Sequence[_Offer], placed: Sequence[int]) -> int | None:
    """Place of the smallest part that is below its venue's minimum."""
    below = [
        (size, place)
        for place, (offer, size) in enumerate(zip(offers, placed, strict=True))
        if 0 < size < offer.venue.minimum
    ]
    return min(below)[1] if below else None


def _allocation(offer: _Offer, size: int, lot: float) -> Allocation:
    if not size:
        return Allocation(name=offer.venue.name, exclusion=Exclusion.DEARER)
    quantity = size * lot
    average, worst = offer.curve.prices(quantity)
    return Allocation(
        name=offer.venue.name,
        lots=size,
        average_price=average,
        worst_price=worst,
        cost=offer.curve.spent(quantity) / quantity,
    )
