"""A multiple of volatility: the expected-shortfall multiple of a normal or Student-t law."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import ArrayLike
from scipy.special import gammaln, ndtri, stdtrit

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.margin.horizon import horizon_volatility

Distribution = Literal["normal", "student_t"]


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
    >>> long, short = SigmaMultiple(horizon_days=1.0).rates(0.8)
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

    def rates(self, volatility: ArrayLike) -> tuple[Floats, Floats]:
        """Loss of a long and of a short [fraction of notional]; unknown volatility (NaN) stays unknown."""
        move = horizon_volatility(volatility, self.horizon_days)
        move = move * expected_shortfall_multiple(self.distribution, self.alpha, self.degrees_of_freedom)
        return -np.expm1(-move), np.expm1(move)


@lru_cache(maxsize=256)
def expected_shortfall_multiple(distribution: Distribution, alpha: float, degrees_of_freedom: float = 4.0) -> float:
    r"""Expected shortfall at `alpha` of a law with mean 0 and variance 1.

    Normal: ``φ(z)/(1−α)``. Student: ``(ν + t²)/(ν − 1) · g_ν(t)/(1−α) · sqrt((ν−2)/ν)``, t the quantile, g the density.

    Raises
    ------
    InvalidInput
        If alpha is outside (0, 1), ν <= 2 or the distribution is unknown.

    Examples
    --------
    >>> round(expected_shortfall_multiple("normal", 0.975), 5)
    2.3378
    >>> round(expected_shortfall_multiple("student_t", 0.975, 4.0), 5)
    2.82387
    """
    if not 0.0 < alpha < 1.0:
        raise InvalidInput("alpha", "must lie in (0, 1)", alpha)
    if distribution == "normal":
        return float(np.exp(-0.5 * ndtri(alpha) ** 2) / np.sqrt(2.0 * np.pi) / (1.0 - alpha))
    if distribution != "student_t":
        raise InvalidInput("distribution", "must be normal or student_t", distribution)
    nu = degrees_of_freedom
    if not nu > 2.0:
        raise InvalidInput("degrees_of_freedom", "must be > 2", nu, "below it the variance is infinite")
    t = stdtrit(nu, alpha)
    log_density = (
        gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi) - (nu + 1) / 2 * np.log1p(t * t / nu)
    )
    return float((nu + t * t) / (nu - 1) * np.exp(log_density) / (1.0 - alpha) * np.sqrt((nu - 2) / nu))
