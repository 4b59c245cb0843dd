"""Hedge at the edge of a band that widens with the gamma and with what an order costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Len

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.core.outcome import Reason
from services.hedging.bands import bounded_band, delta_left, risk_aversion_from_band, two_band
from services.hedging.view import HedgeView, Judgement, fired_of, unable

LEAST_AVERSION = 1e-15


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveRule:
    r"""Trade once ``|net delta| > w``, to u on the same side; both from gamma, costs and risk aversion (recommended).

    With ``c = λ S``, ``s = w + u``, ``d = w − u``: ``s (s² − d²) = 12 Γ² c / g``, ``s d³ = 12 Γ² k / g``. Without a
    fixed cost of an order k, w = u (Whalley & Wilmott); without the proportional cost λ, u = 0.

    Parameters
    ----------
    relative_risk_aversion : float
        ``g = relative_risk_aversion / equity``, unless g is given by one of the next.
    risk_aversion : float, optional
        g, absolute [1 / account currency].
    atm_band : float, optional
        Half width that is wanted at the money [base units]; g is what gives it. Goes with `atm_gamma_1pct`.
    atm_gamma_1pct : float, optional
        |Gamma| of the book at the money [base units per 1 %].

    Notes
    -----
    Costs are those of `costs` of the policy: fee, half spread (of the book that was sent), the impact of trading the
    whole delta where the volume is known, and gas as the fixed cost of an order. A book with no gamma, or orders that
    cost nothing, leave half a lot or the smallest order as the width. Gamma that a client's own Greeks leave out
    counts as none, so that the band is too narrow rather than too wide. Widths go with the size of the book to the
    power 2/3 (proportional costs) to 1/2 (fixed).

    References
    ----------
    Whalley & Wilmott (1997), Mathematical Finance 7; (1999), European Journal of Applied Mathematics 10. Both costs
    together: derived here; see `services.hedging.bands.two_band`.

    Examples
    --------
    >>> short_call = {"spot": 100.0, "gamma_1pct": -0.0231, "cost_rate": 0.0005, "fixed_cost": 0.002}
    >>> verdict = AdaptiveRule(risk_aversion=1.0).judge(HedgeView(net_delta=-0.08, **short_call))
    >>> bool(verdict.due), round(float(verdict.outer), 4), round(float(verdict.left), 4)
    (True, 0.0681, 0.0143)
    """

    method: Literal["adaptive"] = "adaptive"
    relative_risk_aversion: Annotated[float, Gt(0), Le(1e6)] = 10.0
    risk_aversion: Annotated[float, Ge(LEAST_AVERSION), Le(1e15)] | None = None
    atm_band: Annotated[float, Ge(1e-12), Le(1e12)] | None = None
    atm_gamma_1pct: Annotated[float, Ge(1e-12), Le(1e12)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"greeks", "price"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        """One source of the risk aversion.

        Raises
        ------
        InvalidInput
            Naming the field.
        """
        if (self.atm_band is None) != (self.atm_gamma_1pct is None):
            raise InvalidInput("policy.hedging.atm_gamma_1pct", "goes with atm_band", self.atm_gamma_1pct)
        if self.atm_band is not None and self.risk_aversion is not None:
            raise InvalidInput("policy.hedging.risk_aversion", "goes without atm_band", self.risk_aversion)

    @property
    def remembers(self) -> bool:
        """The band is of the book as it is."""
        return False

    def judge(self, view: HedgeView) -> Judgement:
        """Due beyond the outer width."""
        if view.gamma_1pct is None:
            return unable(view, Reason.GREEKS_UNAVAILABLE, "the band needs the gamma of the book")
        if view.conversion is None:
            return unable(view, Reason.FX_REQUIRED, "the band weighs costs in the account currency")
        unit = np.asarray(view.spot * view.conversion, dtype=float)
        with np.errstate(over="ignore"):
            gamma = 100.0 * np.abs(view.gamma_1pct) / unit
        if not np.isfinite(gamma).all():
            return unable(view, Reason.GREEKS_UNAVAILABLE, "the gamma of the book is beyond what can be computed")
        aversion = self._aversion(view, unit)
        costs = {"cost_rate": view.cost_rate, "fixed_cost": view.fixed_cost}
        natural = two_band(gamma, unit, **costs, risk_aversion=aversion)
        band = bounded_band(natural, least=view.least, most=view.most)
        due, left = delta_left(view.net_delta, band)
        figures = {"gamma": gamma, **costs, "risk_aversion": aversion} if due.ndim == 0 else {}
        return Judgement(
            due=due,
            left=left,
            outer=band.outer,
            inner=band.inner,
            fired=fired_of(due, self.method),
            basis={name: float(value) for name, value in figures.items()},
        )

    def _aversion(self, view: HedgeView, unit: Floats) -> Floats:
        """Never below the least: more aversion is a narrower band, which is the safe side."""
        if self.risk_aversion is not None:
            return np.asarray(self.risk_aversion)
        costly = np.any(np.greater(view.cost_rate, 0.0) | np.greater(view.fixed_cost, 0.0))
        if self.atm_band is not None and self.atm_gamma_1pct is not None and costly:
            gamma = 100.0 * self.atm_gamma_1pct / unit
            costs = {"cost_rate": view.cost_rate, "fixed_cost": view.fixed_cost}
            return np.maximum(risk_aversion_from_band(self.atm_band, gamma, unit, **costs), LEAST_AVERSION)
        # Who has nothing to lose bears no risk: the band is the narrowest that can be traded.
        return np.asarray(
            max(self.relative_risk_aversion / view.equity, LEAST_AVERSION) if view.equity > 0.0 else np.inf
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive(AdaptiveRule):
    r"""Trade once ``|net delta| > w``, to u on the same side; both from gamma, costs and risk aversion (recommended).

    Parameters
    ----------
    instrument : str
        Symbol of the spot, linear or inverse instrument that hedges.
    """

    instrument: Annotated[str, Len(1, 64)]
