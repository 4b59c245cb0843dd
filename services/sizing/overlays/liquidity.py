"""Liquidity: no larger an increase than the market bears in one trade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.explain import Floats
from services.liquidity.depth import Side
from services.liquidity.markets import MarketKey
from services.liquidity.trade_cap import BLOCKED_TEXT, Blocked, TradeCap, TradeLimits
from services.sizing.overlay import Acts, Effect, View, per_row

Market = tuple[MarketKey | int, Side]


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidity:
    """``m = (largest trade − closing part) / increase``: book or pool, participation and square-root impact.

    The largest trade of a market is the least of the limits that are in force; None switches one off. It looks at the
    trade that is left after all caps. Rows of one market and side share its depth; what closes a position passes first
    and uses it up.

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
        Square-root impact ``Y σ sqrt(Q / V)`` of the trade [fraction of price].
    impact_coefficient : float
        Y of the square-root law.
    critical_depth : float
        Depth of the thinner side within `depth_distance` below which nothing is increased [account currency].
    minimum_age_seconds : float
        How long an order must have stood to count as depth [s]; 0 counts all of them.
    max_age_seconds : float
        Age of a book or pool beyond which nothing is increased [s].

    Raises
    ------
    InvalidInput
        With every limit switched off.

    Notes
    -----
    A limit whose data is missing is not left out: nothing is increased, and the detail names it. An empty, one-sided,
    crossed or old book allows no increase. Reductions are never paced. The defaults are policy, not measurements.

    References
    ----------
    Donier, Bonart (2015), A Million Metaorder Analysis of Market Impact on the Bitcoin, arXiv:1412.4503: the square
    root.
    """

    method: Literal["liquidity"] = "liquidity"
    max_slippage: Annotated[float, Gt(0), Lt(1)] | None = 0.002
    depth_share: Annotated[float, Gt(0), Le(1)] | None = 0.25
    depth_distance: Annotated[float, Gt(0), Lt(1)] = 0.005
    participation_rate: Annotated[float, Gt(0), Le(1)] | None = None
    max_impact: Annotated[float, Gt(0), Lt(1)] | None = None
    impact_coefficient: Annotated[float, Gt(0), Le(10)] = 1.0
    critical_depth: Annotated[float, Ge(0), Le(1e15)] = 0.0
    minimum_age_seconds: Annotated[float, Ge(0), Le(86_400)] = 0.0
    max_age_seconds: Annotated[float, Gt(0), Le(86_400)] = 60.0

    acts_on: ClassVar[Acts] = "increase"
    after_caps: ClassVar[bool] = True
    requires: ClassVar[frozenset[str]] = frozenset({"books", "flow"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        _ = self.limits

    @property
    def limits(self) -> TradeLimits:
        """The limits in force."""
        return TradeLimits(
            max_slippage=self.max_slippage,
            depth_share=self.depth_share,
            depth_distance=self.depth_distance,
            participation_rate=self.participation_rate,
            max_impact=self.max_impact,
            impact_coefficient=self.impact_coefficient,
            critical_depth=self.critical_depth,
            minimum_age_seconds=self.minimum_age_seconds,
            max_age_seconds=self.max_age_seconds,
        )

    def effect(self, view: View) -> Effect:
        """Multiplier of each row by the trade that its market bears."""
        limits, kept = self.limits, view.kept
        sides = [Side.of(trade) for trade in (view.wanted - view.columns.current).tolist()]
        caps = [limits.cap(side, row) for side, row in zip(sides, view.conditions.liquidity, strict=True)]
        growth, closing = np.abs(view.wanted - kept), np.abs(kept - view.columns.current)
        named = enumerate(zip(view.conditions.depth_market, sides, strict=True))
        markets = [(index if key is None else key, side) for index, (key, side) in named]
        largest = np.array([cap.largest for cap in caps])
        missing = np.array([cap.blocked in (Blocked.UNKNOWN, Blocked.STALE) for cap in caps], dtype=bool)
        said = [_text(cap) for cap in caps]
        return per_row(shared_growth(markets, largest, closing, growth), missing, said, said)


def shared_growth(markets: list[Market], largest: Floats, closing: Floats, growth: Floats) -> Floats:
    """Share of each row's increase that its market bears, rows of one market and side together.

    Parameters
    ----------
    markets : list
        Market and side of each row.
    largest : (n,) array
        Largest trade [contracts]; of rows of one market, the least counts.
    closing, growth : (n,) arrays
        Parts of each trade that close and that increase a position, >= 0 [contracts].

    Examples
    --------
    >>> markets = [(("BTC", None), Side.BUY)] * 2
    >>> shared_growth(markets, np.array([6.0, 6.0]), np.array([2.0, 0.0]), np.array([0.0, 8.0])).tolist()
    [1.0, 0.5]
    """
    share = np.ones(growth.shape)
    for market in dict.fromkeys(markets):
        here = np.array([other == market for other in markets], dtype=bool)
        wanted = float(growth[here].sum())
        if wanted > 0.0:
            left = max(float(largest[here].min()) - float(closing[here].sum()), 0.0)
            share[here & (growth > 0.0)] = min(left / wanted, 1.0)
    return share


def _text(cap: TradeCap) -> str:
    if cap.blocked is Blocked.NONE:
        return f"the market bears a trade of {cap.largest:.6g} contracts: {cap.binding}"
    named = f" ({', '.join(cap.unknown)})" if cap.unknown else ""
    return BLOCKED_TEXT[cap.blocked] + named
