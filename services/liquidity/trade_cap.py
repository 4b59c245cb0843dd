"""The largest trade that a market bears: the least of what depth, volume and impact allow, each by its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.liquidity.depth import Depth, DepthState, Side
from services.liquidity.impact import largest_within_impact, largest_within_participation


class Blocked(StrEnum):
    """Why nothing may be increased in a market; `BLOCKED_TEXT` says it in words."""

    NONE = "none"
    NO_BIDS = "no_bids"
    NO_ASKS = "no_asks"
    EMPTY = "empty"
    CROSSED = "crossed"
    STALE = "stale"
    BELOW_CRITICAL = "below_critical"
    UNKNOWN = "unknown"


BLOCKED_TEXT: dict[Blocked, str] = {
    Blocked.NONE: "Nothing stands against an increase.",
    Blocked.NO_BIDS: "There is no bid that has stood long enough: what is bought could not be sold.",
    Blocked.NO_ASKS: "There is no ask that has stood long enough: what is sold could not be bought back.",
    Blocked.EMPTY: "Neither side has an order that has stood long enough.",
    Blocked.CROSSED: "The best bid lies above the best ask: the book is not of one moment.",
    Blocked.STALE: "The book or pool is older than the policy allows, or lies in the future.",
    Blocked.BELOW_CRITICAL: "The depth of the thinner side is below the critical depth of the policy.",
    Blocked.UNKNOWN: "Data that a limit of the policy needs is missing: send it, or switch that limit off with null.",
}


class Candidate(NamedTuple):
    """One limit on a trade by its name: the largest size it allows [contracts]."""

    name: str
    allowed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLiquidity:
    """What is known of the market of one row.

    Parameters
    ----------
    depth : Depth, optional
        Book, summary or pool, in contracts of the row.
    age_seconds : float, optional
        Age of `depth`; required with it.
    average_daily_volume : float, optional
        [contracts a day]
    daily_volatility : float, optional
        [fraction]
    unit_value : float
        Notional of one contract [account currency].
    """

    depth: Depth | None = None
    age_seconds: float | None = None
    average_daily_volume: float | None = None
    daily_volatility: float | None = None
    unit_value: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeCap:
    """The largest trade that increases a position on one side.

    Parameters
    ----------
    largest : float
        [contracts], >= 0; 0 where `blocked`.
    candidates : tuple of Candidate
        Every limit that was looked at, tightest first.
    unknown : tuple of str
        Limits of the policy that could not be computed, because their data is missing: then nothing is increased.
    blocked : Blocked
        Why nothing may be increased.
    """

    largest: float
    candidates: tuple[Candidate, ...]
    unknown: tuple[str, ...]
    blocked: Blocked = Blocked.NONE

    @property
    def binding(self) -> str:
        """Name of the tightest limit, or of what blocks."""
        if self.blocked is not Blocked.NONE:
            return self.blocked.value
        return self.candidates[0].name


@dataclass(frozen=True, slots=True, kw_only=True)
class CappedTrades:
    """Trades after their caps, in row order.

    Parameters
    ----------
    trades : (n,) array
        Signed contracts; the sign of what was asked for, and never more.
    caps : tuple of TradeCap
        The cap of each row on the side of its trade.
    """

    trades: Floats
    caps: tuple[TradeCap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeLimits:
    """Limits on a single trade by the liquidity of its market: the tightest holds, and None switches one off.

    Parameters
    ----------
    max_slippage : float, optional
        Average price of the trade against the mid [fraction]; fees of a pool count.
    depth_share : float, optional
        φ, share of the depth within `depth_distance` [fraction].
    depth_distance : float
        δ, distance from the mid within which depth counts [fraction].
    participation_rate : float, optional
        p, share of an average day's volume [fraction].
    max_impact : float, optional
        Square-root impact of the trade [fraction of price].
    impact_coefficient : float
        Y of the square-root law.
    critical_depth : float
        Depth of the thinner side within `depth_distance` below which nothing is increased [account currency].
    minimum_age_seconds : float
        How long an order must have stood to count as depth [s]; 0 counts all of them.
    max_age_seconds : float
        Age of a book or pool beyond which nothing is increased [s].
    pace_reductions : bool
        Whether reductions keep to the cap as well. They are never cut to nothing: where nothing may be increased they
        pass whole.

    Notes
    -----
    A limit whose data is missing is not left out: nothing is increased, and `unknown` names it. The defaults are
    policy, not measurements.

    Depth that has stood gives a second mid, of the standing orders. Each side is measured from the one that is worse
    for it, so that an order set for a moment cannot move the price that slippage is measured from.
    """

    max_slippage: Annotated[float, Gt(0), Lt(1)] | None = 0.002
    depth_share: Annotated[float, Gt(0), Le(1)] | None = 0.25
    depth_distance: Annotated[float, Gt(0), Lt(1)] = 0.005
    participation_rate: Annotated[float, Gt(0), Le(1)] | None = None
    max_impact: Annotated[float, Gt(0), Lt(1)] | None = None
    impact_coefficient: Annotated[float, Gt(0), Le(10)] = 1.0
    critical_depth: Annotated[float, Ge(0), Le(1e15)] = 0.0
    minimum_age_seconds: Annotated[float, Ge(0), Le(86_400)] = 0.0
    max_age_seconds: Annotated[float, Gt(0), Le(86_400)] = 60.0
    pace_reductions: bool = False

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if not any((self.max_slippage, self.depth_share, self.participation_rate, self.max_impact)):
            raise InvalidInput("limits", "must name at least one of slippage, depth, participation, impact", None)

    @property
    def requires(self) -> frozenset[str]:
        """Market data that the limits in force need."""
        of_depth = self.max_slippage is not None or self.depth_share is not None or self.critical_depth > 0.0
        of_volume = self.participation_rate is not None or self.max_impact is not None
        named = {"depth": of_depth, "average_daily_volume": of_volume, "volatility": self.max_impact is not None}
        return frozenset(name for name, needed in named.items() if needed)

    def cap(self, side: Side, row: RowLiquidity) -> TradeCap:
        """Largest trade of that side that increases a position.

        Examples
        --------
        >>> from services.liquidity.book import OrderBook
        >>> book = OrderBook(bids=np.array([[99.9, 8.0]]), asks=np.array([[100.0, 6.0], [100.4, 6.0]]))
        >>> cap = TradeLimits().cap(Side.BUY, RowLiquidity(depth=book, age_seconds=1.0))
        >>> cap.binding, cap.largest
        ('depth_share', 3.0)
        """
        found = [*self._of_depth(side, row), *self._of_volume(row)]
        known = sorted((Candidate(name, value) for name, value in found if value is not None), key=_allowed)
        unknown = tuple(name for name, value in found if value is None)
        blocked = self._blocked(row) or (Blocked.UNKNOWN if unknown else Blocked.NONE)
        largest = known[0].allowed if blocked is Blocked.NONE else 0.0
        return TradeCap(largest=largest, candidates=tuple(known), unknown=unknown, blocked=blocked)

    def cap_trades(self, trades: Floats, current: Floats, rows: Sequence[RowLiquidity]) -> CappedTrades:
        """Cap a trade of every row; what only reduces a position always may be traded.

        Of a trade through zero the part that closes is never cut, and uses up the liquidity first: what opens on the
        other side gets what the cap leaves.

        Parameters
        ----------
        trades, current : (n,) arrays
            Wanted trade and held position [signed contracts].
        rows : sequence of RowLiquidity
            In row order.
        """
        caps = tuple(self.cap(Side.of(trade), row) for trade, row in zip(trades.tolist(), rows, strict=True))
        wanted = np.abs(trades)
        closing = np.where(np.sign(trades) == -np.sign(current), np.minimum(wanted, np.abs(current)), 0.0)
        allowed = np.array([cap.largest for cap in caps])
        if self.pace_reductions:
            paced = np.where(allowed > 0.0, np.minimum(wanted, allowed), closing)
        else:
            paced = np.minimum(wanted, np.maximum(closing, allowed))
        return CappedTrades(trades=np.copysign(paced, trades), caps=caps)

    def _blocked(self, row: RowLiquidity) -> Blocked | None:
        """What forbids increases whatever their size."""
        if row.depth is None:
            return Blocked.UNKNOWN if self.critical_depth > 0.0 else None
        if row.age_seconds is None or not -_CLOCK_SKEW <= row.age_seconds <= self.max_age_seconds:
            return Blocked.STALE
        standing = row.depth.standing(self.minimum_age_seconds)
        for state in (row.depth.state, standing.state):
            if state is not DepthState.TWO_SIDED:
                return Blocked(state.value)
        thinner = min(self._depth(side, row.depth) for side in Side)
        return Blocked.BELOW_CRITICAL if thinner * row.unit_value < self.critical_depth else None

    def _of_depth(self, side: Side, row: RowLiquidity) -> Iterator[tuple[str, float | None]]:
        depth = row.depth
        if self.max_slippage is not None:
            yield "slippage", self._within_slippage(side, depth, self.max_slippage) if depth is not None else None
        if self.depth_share is not None:
            yield "depth_share", self.depth_share * self._depth(side, depth) if depth is not None else None

    def _of_volume(self, row: RowLiquidity) -> Iterator[tuple[str, float | None]]:
        volume, volatility = row.average_daily_volume, row.daily_volatility
        if self.participation_rate is not None:
            yield (
                "participation",
                float(largest_within_participation(volume, self.participation_rate)) if volume is not None else None,
            )
        if self.max_impact is not None:
            yield "impact", self._within_impact(volume, volatility, self.max_impact)

    def _within_slippage(self, side: Side, depth: Depth, limit: float) -> float:
        standing = depth.standing(self.minimum_age_seconds)
        reference = _worse_mid(side, depth, standing)
        return 0.0 if reference is None else standing.largest_within_slippage(side, limit, reference=reference)

    def _depth(self, side: Side, depth: Depth) -> float:
        standing = depth.standing(self.minimum_age_seconds)
        reference = _worse_mid(side, depth, standing)
        return 0.0 if reference is None else standing.depth_within(side, self.depth_distance, reference=reference)

    def _within_impact(self, volume: float | None, volatility: float | None, budget: float) -> float | None:
        if volume is None or volatility is None or volatility <= 0.0:
            return None
        if volume == 0.0:
            return 0.0
        return float(
            largest_within_impact(
                budget,
                average_daily_volume=volume,
                daily_volatility=volatility,
                coefficient=self.impact_coefficient,
            )
        )


_CLOCK_SKEW = 5.0


def _allowed(candidate: Candidate) -> float:
    return candidate.allowed


def _worse_mid(side: Side, depth: Depth, standing: Depth) -> float | None:
    """The lower mid for a buy, the higher for a sale; None where one of the books has none."""
    mids = (depth.mid, standing.mid)
    if mids[0] is None or mids[1] is None:
        return None
    return min(mids[0], mids[1]) if side is Side.BUY else max(mids[0], mids[1])
