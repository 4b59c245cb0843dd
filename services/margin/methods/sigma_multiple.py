"""A multiple of volatility: the expected-shortfall multiple of a normal or Student-t law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.explain import Floats
from services.margin.horizon import horizon_volatility
from services.margin.view import MarginView
from services.risk.tails import Distribution, expected_shortfall_multiple


@dataclass(frozen=True, slots=True, kw_only=True)
class SigmaMultiple:
    r"""Margin for a log return of k standard deviations: ``f_long = 1 − e^{−kσ√h}``, ``f_short = e^{kσ√h} − 1``.

    k is the expected-shortfall multiple of the standardised law: 2.82 for Student t with ν = 4 at 97.5 %.

    Parameters
    ----------
    distribution : {"normal", "student_t"}
        Law of the standardised log return.
    degrees_of_freedom : float
        ν > 2 of the Student law; ignored for the normal one.
    alpha : float
        Confidence of the expected shortfall.
    horizon_days : float
        h, the time to close a position [days].

    Notes
    -----
    The Student law is scaled to unit variance. Toward ν = 2 that scaling wins: k has its largest value near ν = 3 at
    97.5 % and falls to 0 at ν = 2, so values below 3 are *less* careful, not more.

    References
    ----------
    McNeil, Frey & Embrechts (2015), Quantitative Risk Management, eqs. 2.25 and 2.26.

    Examples
    --------
    >>> long, short = SigmaMultiple(horizon_days=1.0).rates(MarginView.of(0.8))
    >>> round(float(long), 6), round(float(short), 6)
    (0.111523, 0.125522)
    """

    method: Literal["sigma_multiple"] = "sigma_multiple"
    distribution: Distribution = "student_t"
    degrees_of_freedom: Annotated[float, Gt(2), Le(1000)] = 4.0
    alpha: Annotated[float, Ge(0.5), Lt(1)] = 0.975
    horizon_days: Annotated[float, Gt(0), Le(365)] = 2.0

    requires: ClassVar[frozenset[str]] = frozenset({"volatility"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def rates(self, view: MarginView) -> tuple[Floats, Floats]:
        """Loss of a long and of a short [fraction of notional]; unknown volatility (NaN) stays unknown."""
        move = horizon_volatility(view.volatility, self.horizon_days)
        move = move * expected_shortfall_multiple(self.distribution, self.alpha, self.degrees_of_freedom)
        return -np.expm1(-move), np.expm1(move)
