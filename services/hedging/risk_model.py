"""Covariance of what moves an option book over a horizon: price, its square, volatility, their product, skew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.hedging.exposures import GREEKS

_NEGATIVE_SHARE = 1e-9
"""Negative eigenvalue, as a share of the largest, that rounding may leave in a covariance that is one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RiskModel:
    r"""Variance of a book's profit and loss over the horizon, ``e'Σe``, of its Greeks e.

    Parameters
    ----------
    covariance : array, shape (6, 6)
        Σ in the order of `GREEKS`: entry (g, h) times a unit of g and one of h is in [quote²].

    Raises
    ------
    InvalidInput
        If it is not finite, not symmetric or not positive semidefinite.

    Notes
    -----
    Made by `over_horizon`, from volatilities and a correlation, or by `diagonal`. Means are not part of it: theta pays
    for the mean of gamma.
    """

    covariance: Floats

    def __post_init__(self) -> None:
        matrix = np.array(self.covariance, dtype=np.float64)
        if matrix.shape != (len(GREEKS), len(GREEKS)) or not np.isfinite(matrix).all():
            raise InvalidInput("covariance", f"must be a finite {len(GREEKS)} x {len(GREEKS)} matrix", matrix.shape)
        scale = np.sqrt(np.maximum(np.diag(matrix), 0.0))
        if (np.abs(matrix - matrix.T) > 1e-9 * np.outer(scale, scale)).any():
            raise InvalidInput("covariance", "must be symmetric", "a pair of entries that differ")
        _root(matrix)
        object.__setattr__(self, "covariance", matrix)

    @classmethod
    def over_horizon(
        cls,
        *,
        price: float,
        volatility: float,
        horizon_seconds: float,
        volatility_of_volatility: float = 0.0,
        correlation: float = 0.0,
        skew_volatility_points: float = 0.0,
    ) -> RiskModel:
        r"""Second-order profit and loss of a book when return r and volatility change v are jointly normal.

        ``dV = Δ S r + ½ Γ S² r² + vega v + vanna S r v + ½ volga v² + skew k`` with ``sd(r) = σ√h``,
        ``sd(v) = ξσ√h``, ``corr(r, v) = ρ`` and an independent k. By Isserlis' theorem
        ``var(½r²) = ½s⁴``, ``cov(½r², rv) = ρs³t``, ``var(rv) = s²t²(1 + ρ²)``, ``cov(½r², ½v²) = ½ρ²s²t²``, with
        s and t the two deviations; odd moments vanish.

        Parameters
        ----------
        price : float
            S [quote per base], > 0.
        volatility : float
            σ [annual fraction], > 0.
        horizon_seconds : float
            h: how long the hedge is meant to last [s], > 0.
        volatility_of_volatility : float
            ξ, volatility of the logarithm of volatility [annual fraction], >= 0.
        correlation : float
            ρ of return and volatility change, within [-1, 1].
        skew_volatility_points : float
            Deviation of the skew over a year [volatility points], >= 0.

        Raises
        ------
        InvalidInput
            Naming the parameter.

        Notes
        -----
        With ρ not 0 the least variance is not at delta 0: a hedge of vega by delta counts. No jumps, no mean reversion
        of volatility: over weeks ξ overstates.

        References
        ----------
        Isserlis (1918), Biometrika 12. Hull & White (2017), Optimal delta hedging for options, JBF 82: the
        minimum-variance delta.

        Examples
        --------
        >>> model = RiskModel.over_horizon(price=100.0, volatility=0.365 ** 0.5, horizon_seconds=86_400.0)
        >>> round(float(model.covariance[0, 0]), 9)
        10.0
        """
        _at_least(0.0, True, price=price, volatility=volatility, horizon_seconds=horizon_seconds)
        _at_least(0.0, volatility_of_volatility=volatility_of_volatility, skew_volatility_points=skew_volatility_points)
        if not -1.0 <= correlation <= 1.0:
            raise InvalidInput("correlation", "must be within [-1, 1]", correlation)
        root = math.sqrt(horizon_seconds / SECONDS_PER_YEAR)
        s, t, rho = volatility * root, 100.0 * volatility_of_volatility * volatility * root, correlation
        unit = np.zeros((len(GREEKS), len(GREEKS)))
        # Factors: r, r²/2, v, r v, v²/2, k, with v and k in volatility points.
        unit[0, 0], unit[2, 2], unit[0, 2] = s * s, t * t, rho * s * t
        unit[1, 1], unit[3, 3], unit[4, 4] = 0.5 * s**4, (s * t) ** 2 * (1.0 + rho**2), 0.5 * t**4
        unit[1, 3], unit[1, 4], unit[3, 4] = rho * s**3 * t, 0.5 * (rho * s * t) ** 2, rho * s * t**3
        unit[5, 5] = (skew_volatility_points * root) ** 2
        # Quote per unit of factor and of Greek: gamma_1pct = ΓS/100, so that ΓS² r²/2 = 100 S gamma_1pct r²/2.
        to_quote = np.array([price, 100.0 * price, 1.0, price, 1.0, 1.0])
        full = unit + np.triu(unit, 1).T
        return cls(covariance=full * np.outer(to_quote, to_quote))

    @classmethod
    def diagonal(cls, deviations: Mapping[str, float]) -> RiskModel:
        """Uncorrelated: each Greek with the deviation of what moves it.

        Parameters
        ----------
        deviations : mapping of str to float
            Standard deviation that one unit of a Greek adds [quote per unit]; Greeks that are not named carry no risk.

        Raises
        ------
        InvalidInput
            For an unknown name or a deviation that is negative or not finite.
        """
        if unknown := sorted(set(deviations) - set(GREEKS)):
            raise InvalidInput("deviations", f"must name {', '.join(GREEKS)}", unknown[0])
        _at_least(0.0, False, **deviations)
        return cls(covariance=np.diag([deviations.get(greek, 0.0) ** 2 for greek in GREEKS]))

    def root(self) -> Floats:
        """R of ``Σ = R'R``, shape (factors, 6), without the factors that carry no risk: risk is ``|R e|²``."""
        return _root(self.covariance)

    def deviation(self, exposure: Floats) -> float:
        """Standard deviation of profit and loss over the horizon [quote]."""
        return float(np.linalg.norm(self.root() @ exposure))


def _root(covariance: Floats) -> Floats:
    """Symmetric factor of the correlations, so that units of Greeks as far apart as 1e9 lose no digits."""
    scale = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    safe = np.where(scale > 0.0, scale, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(safe, safe))
    if values.min() < -_NEGATIVE_SHARE * max(values.max(), 1.0):
        raise InvalidInput("covariance", "must be positive semidefinite", float(values.min()))
    kept = values > _NEGATIVE_SHARE * max(values.max(), 0.0)
    return np.asarray(np.sqrt(values[kept])[:, None] * vectors[:, kept].T * scale)


def _at_least(least: float, strict: bool = False, /, **named: float) -> None:
    for name, value in named.items():
        if not (math.isfinite(value) and (value > least if strict else value >= least)):
            raise InvalidInput(name, f"must be {'>' if strict else '>='} {least:g} and finite", value)
