"""Hedge when the price has moved since the last hedge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le, Len

from services.core.errors import InvalidInput
from services.core.outcome import Reason
from services.hedging.view import Figure, HedgeView, Judgement, to_zero, unable

DAYS_PER_YEAR = 365.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMoveRule:
    r"""Trade the whole delta once ``|S / S_last − 1| >= move``.

    Parameters
    ----------
    move : float, optional
        Move of the price since the last hedge [fraction]. Either this or the next.
    move_daily_sigmas : float, optional
        The same in standard deviations of a day, ``σ / √365``.

    Notes
    -----
    A book that was never hedged is due. With a short gamma Γ the loss between two hedges is bounded by about
    ``Γ S² move² / 2``, which is what makes the rule popular; it says nothing of what the orders cost.

    References
    ----------
    Henrotte (1993), Transaction costs and duplication strategies; Toft (1996), On the mean-variance tradeoff in option
    replication with transactions costs, Journal of Financial and Quantitative Analysis 31.

    Examples
    --------
    >>> from services.hedging.view import LastHedge
    >>> book = HedgeView(net_delta=0.2, spot=103.0, last=LastHedge(seconds_ago=60.0, price=100.0))
    >>> [bool(PriceMoveRule(move=move).judge(book).due) for move in (0.02, 0.05)]
    [True, False]
    """

    method: Literal["price_move"] = "price_move"
    move: Annotated[float, Gt(0), Le(10)] | None = None
    move_daily_sigmas: Annotated[float, Gt(0), Le(100)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"greeks", "price", "previous"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        """One of the two.

        Raises
        ------
        InvalidInput
            Naming the field.
        """
        if (self.move is None) == (self.move_daily_sigmas is None):
            raise InvalidInput("policy.hedging.move", "or else move_daily_sigmas must be given, one of them", self.move)

    @property
    def remembers(self) -> bool:
        """The price of the last hedge."""
        return True

    def judge(self, view: HedgeView) -> Judgement:
        """Due once the price has moved far enough, and where it was never hedged."""
        if view.last is None:
            return to_zero(view, np.ones(view.size.shape, dtype=bool), self.method)
        limit: Figure
        if self.move is not None:
            limit = self.move
        elif view.volatility is not None and self.move_daily_sigmas is not None:
            limit = self.move_daily_sigmas * np.asarray(view.volatility) / np.sqrt(DAYS_PER_YEAR)
        else:
            return unable(view, Reason.VOLATILITY_UNAVAILABLE, "move_daily_sigmas needs the volatility of the hedge")
        moved = np.abs(view.spot / np.asarray(view.last.price) - 1.0)
        # NaN, never hedged, is not below any limit.
        return to_zero(view, np.asarray(~(moved < limit)), self.method)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMove(PriceMoveRule):
    r"""Trade the whole delta once ``|S / S_last − 1| >= move``.

    Parameters
    ----------
    instrument : str
        Symbol of the spot, linear or inverse instrument that hedges.
    """

    instrument: Annotated[str, Len(1, 64)]
