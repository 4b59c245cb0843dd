"""Hedge by the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Len

from services.hedging.view import HedgeView, Judgement, to_zero

BASIS_POINT = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRule:
    r"""Trade the whole delta once the last hedge is `interval_seconds` old, if the price has moved since.

    Parameters
    ----------
    interval_seconds : float
        [s]
    min_move_bps : float
        Move of the price since the last hedge below which it waits on [1/10,000 of price].

    Notes
    -----
    A book that was never hedged is due. Simple and dear: at a cost of 5 basis points the best of the tested intervals
    (four hours) cost half as much again as the adaptive band (short at-the-money call of 30 days, 60 % volatility).

    References
    ----------
    Leland (1985), Option pricing and replication with transactions costs, Journal of Finance 40.

    Examples
    --------
    >>> from services.hedging.view import LastHedge
    >>> book = HedgeView(net_delta=0.2, spot=100.05, last=LastHedge(seconds_ago=3600.0, price=100.0))
    >>> [bool(IntervalRule(interval_seconds=3600.0, min_move_bps=bps).judge(book).due) for bps in (0.0, 4.0, 6.0)]
    [True, True, False]
    """

    method: Literal["interval"] = "interval"
    interval_seconds: Annotated[float, Gt(0), Le(31_536_000)]
    min_move_bps: Annotated[float, Ge(0), Le(100_000)] = 0.0

    requires: ClassVar[frozenset[str]] = frozenset({"greeks", "price", "previous"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @property
    def remembers(self) -> bool:
        """Time and price of the last hedge."""
        return True

    def judge(self, view: HedgeView) -> Judgement:
        """Due once the time has come, and where it was never hedged."""
        if view.last is None:
            return to_zero(view, np.ones(view.size.shape, dtype=bool), self.method)
        # NaN, never hedged, is below nothing.
        early = np.asarray(view.last.seconds_ago) < self.interval_seconds
        still = np.abs(view.spot / np.asarray(view.last.price) - 1.0) < self.min_move_bps * BASIS_POINT
        return to_zero(view, np.asarray(~early & ~still), self.method)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval(IntervalRule):
    r"""Trade the whole delta once the last hedge is `interval_seconds` old, if the price has moved since.

    Parameters
    ----------
    instrument : str
        Symbol of the spot, linear or inverse instrument that hedges.
    """

    instrument: Annotated[str, Len(1, 64)]
