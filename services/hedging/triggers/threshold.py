"""Hedge when the net delta leaves a band of fixed width, or the other Greeks have drifted since the last hedge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le, Len

from services.core.errors import InvalidInput
from services.core.explain import Bools
from services.core.outcome import Reason
from services.hedging.bands import TwoBand, bounded_band, delta_left
from services.hedging.view import Figure, HedgeView, Judgement, fired_of, unable


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRule:
    r"""Trade once ``|net delta| > max_delta``: back to zero, or to the edge of the band.

    Parameters
    ----------
    max_delta : float, optional
        Half width of the band [base units]. Either this or the next.
    max_move : float, optional
        The same as the delta that a move of the price brings: ``max_move · 100 · |gamma_1pct|`` [fraction of price].
    max_gamma_drift : float, optional
        Largest change of the gamma since the last hedge [base units per 1 %]; beyond it the delta is traded to zero.
    max_vega_drift : float, optional
        Largest change of the vega since the last hedge [quote per volatility point].
    rebalance_to : {"zero", "edge"}
        Where to trade to. Under costs proportional to size, the edge is the better rule; see Notes.

    Notes
    -----
    A net delta on the edge itself is inside. With proportional costs only, trading to zero cost 34 % more certainty
    equivalent than trading to the edge (short at-the-money call, 3,000 to 4,000 simulated paths); with a fixed cost per
    order the optimum lies between the two. Without a memory of the last hedge nothing has drifted.

    References
    ----------
    Whalley & Wilmott (1997), An asymptotic analysis of an optimal hedging model, Mathematical Finance 7.

    Examples
    --------
    >>> book = HedgeView(net_delta=-0.75, spot=100.0)
    >>> [float(ThresholdRule(max_delta=0.5, rebalance_to=aim).judge(book).left) for aim in ("zero", "edge")]
    [0.0, 0.5]
    >>> bool(ThresholdRule(max_delta=0.75).judge(book).due)
    False
    """

    method: Literal["threshold"] = "threshold"
    max_delta: Annotated[float, Gt(0)] | None = None
    max_move: Annotated[float, Gt(0), Le(10)] | None = None
    max_gamma_drift: Annotated[float, Gt(0)] | None = None
    max_vega_drift: Annotated[float, Gt(0)] | None = None
    rebalance_to: Literal["zero", "edge"] = "zero"

    requires: ClassVar[frozenset[str]] = frozenset({"greeks", "price"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        """One width; drift limits only where a trade inside of the band has somewhere to go.

        Raises
        ------
        InvalidInput
            Naming the field.
        """
        if (self.max_delta is None) == (self.max_move is None):
            raise InvalidInput(
                "policy.hedging.max_delta", "or else max_move must be given, one of them", self.max_delta
            )
        if self.rebalance_to == "edge" and self.remembers:
            raise InvalidInput("policy.hedging.rebalance_to", "must be zero with a limit on drift", self.rebalance_to)

    @property
    def remembers(self) -> bool:
        """Whether the last hedge matters."""
        return self.max_gamma_drift is not None or self.max_vega_drift is not None

    def judge(self, view: HedgeView) -> Judgement:
        """Due beyond the band or beyond a drift."""
        width: Figure
        if self.max_delta is not None:
            width = self.max_delta
        elif view.gamma_1pct is not None and self.max_move is not None:
            with np.errstate(over="ignore"):
                width = np.maximum(100.0 * self.max_move * np.abs(view.gamma_1pct), view.least)
        else:
            return unable(view, Reason.GREEKS_UNAVAILABLE, "max_move needs the gamma of the book")
        half = np.asarray(width, dtype=float)
        aim = half if self.rebalance_to == "edge" else np.zeros(half.shape)
        band = bounded_band(TwoBand(half, aim), most=view.most)
        acts, left = delta_left(view.net_delta, band)
        drifted = self._drifted(view) & (view.size > 0.0)
        due = np.asarray(acts | drifted)
        return Judgement(
            due=due,
            left=np.where(drifted, 0.0, left),
            outer=band.outer,
            inner=band.inner,
            fired=fired_of(due, self.method),
        )

    def _drifted(self, view: HedgeView) -> Bools:
        last = view.last
        if last is None:
            return np.zeros(view.size.shape, dtype=bool)
        gamma = beyond(view.gamma_1pct, last.gamma_1pct, self.max_gamma_drift)
        return np.asarray(gamma | beyond(view.vega_per_point, last.vega_per_point, self.max_vega_drift))


def beyond(now: Figure | None, then: Figure | None, limit: float | None) -> Bools:
    """Whether a figure has moved by more than a limit; False where any of them is unknown.

    Examples
    --------
    >>> [bool(beyond(now, 1.0, 0.5)) for now in (1.4, -1.0, None)]
    [False, True, False]
    """
    if now is None or then is None or limit is None:
        return np.asarray(False)
    with np.errstate(over="ignore"):
        return np.asarray(np.abs(np.subtract(now, then)) > limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold(ThresholdRule):
    r"""Trade once ``|net delta| > max_delta``: back to zero, or to the edge of the band.

    Parameters
    ----------
    instrument : str
        Symbol of the spot, linear or inverse instrument that hedges.
    """

    instrument: Annotated[str, Len(1, 64)]
