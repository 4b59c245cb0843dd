"""Contagion: how distressed a venue is, and what its distress does to those with claims on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.special import ndtri

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.core.market_conditions import VenueMetrics

LEAST_OBSERVATIONS = 100
"""Returns below which a tail regression is flagged as thin."""
_FIRST_POLISH = 8
_MAX_ROUNDS = 20_000


METRICS = tuple(item.name for item in fields(VenueMetrics))


@dataclass(frozen=True, slots=True, kw_only=True)
class DistressPolicy:
    """Weights of the metrics, and the level at which each of them is at its worst.

    Parameters
    ----------
    leverage_weight, funding_weight, basis_weight, depth_weight, withdrawal_weight, peg_weight, error_weight : float
        Weights of the metrics; those that are missing drop out and the rest is scaled up.
    basis_scale_bps : float
        Distance of the price that scores 1 [bp].
    withdrawal_scale : float
        Share of reserves withdrawn in a day that scores 1.
    peg_scale : float
        Deviation from the peg that scores 1 [fraction].
    error_scale : float
        Share of failed calls that scores 1.

    Notes
    -----
    Weights and scales are choices without an empirical optimum behind them.
    """

    leverage_weight: Annotated[float, Ge(0), Le(1000)] = 1.0
    funding_weight: Annotated[float, Ge(0), Le(1000)] = 1.0
    basis_weight: Annotated[float, Ge(0), Le(1000)] = 1.0
    depth_weight: Annotated[float, Ge(0), Le(1000)] = 1.0
    withdrawal_weight: Annotated[float, Ge(0), Le(1000)] = 1.0
    peg_weight: Annotated[float, Ge(0), Le(1000)] = 1.0
    error_weight: Annotated[float, Ge(0), Le(1000)] = 1.0
    basis_scale_bps: Annotated[float, Gt(0), Le(10_000)] = 50.0
    withdrawal_scale: Annotated[float, Gt(0), Le(1)] = 0.1
    peg_scale: Annotated[float, Gt(0), Le(1)] = 0.02
    error_scale: Annotated[float, Gt(0), Le(1)] = 0.2

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if not self.weights.any():
            raise InvalidInput("weights", "must not all be 0", self.weights.tolist())

    @property
    def weights(self) -> Floats:
        """In the order of `METRICS`."""
        names = ("leverage", "funding", "basis", "depth", "withdrawal", "peg", "error")
        return np.array([getattr(self, f"{name}_weight") for name in names])

    def distress(self, metrics: VenueMetrics) -> Distress:
        """Weighted mean of the scores that are known.

        ``d = Σ w_k s_k / Σ w_k`` over the metrics with a value, each score clipped to [0, 1]: percentiles as they are,
        ``|basis|/50 bp``, ``1 − depth ratio``, ``withdrawals/10 %``, ``|peg deviation|/2 %``, ``errors/20 %``.

        Examples
        --------
        >>> found = DistressPolicy().distress(VenueMetrics(basis_bps=-30.0, depth_ratio=0.8, error_rate=None))
        >>> round(found.value, 12), round(found.coverage, 6), found.scores["depth_ratio"]
        (0.4, 0.285714, 0.19999999999999996)
        """
        scores = self._scores(metrics)
        known, weights = ~np.isnan(scores), self.weights
        heavy = float(weights[known].sum())
        value = float(weights[known] @ scores[known]) / heavy if heavy else None
        said = {name: float(score) for name, score in zip(METRICS, scores, strict=True) if not math.isnan(score)}
        return Distress(value, heavy / float(weights.sum()), said)

    def _scores(self, metrics: VenueMetrics) -> Floats:
        found = [getattr(metrics, name) for name in METRICS]
        raw = np.array([math.nan if value is None else value for value in found], dtype=np.float64)
        if np.isinf(raw).any():
            raise InvalidInput("metrics", "must be finite", found)
        raw[[2, 5]] = np.abs(raw[[2, 5]])
        raw[3] = 1.0 - raw[3]
        scales = [1.0, 1.0, self.basis_scale_bps, 1.0, self.withdrawal_scale, self.peg_scale, self.error_scale]
        return np.clip(raw / scales, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Distress:
    """Distress of a venue in [0, 1], None where nothing of it is known; share of the weights behind it; scores."""

    value: float | None
    coverage: float
    scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class Propagation:
    """Distress of each node after contagion, and what is left of its equity.

    Parameters
    ----------
    direct, distress : (n,) arrays
        Share of equity lost to the shock alone, and in all; in [0, 1].
    equity : (n,) array
        Left [unit of the input].
    defaulted : (n,) array of bool
        All equity is lost.
    rounds : int
        Rounds of propagation.
    converged : bool
        Whether they reached the fixed point; otherwise the distress is a lower bound.
    """

    direct: Floats
    distress: Floats
    equity: Floats
    defaulted: NDArray[np.bool_]
    rounds: int
    converged: bool


def propagate(equity: Floats, exposures: Floats, shock: Floats) -> Propagation:
    r"""Linear DebtRank to its fixed point: lenders lose as their borrowers lose.

    ``Λ_ij = A_ij / E_i``, ``h(0) = min(1, shock / E)``, ``h(n+1) = min(1, h(0) + Λ h(n))``; ``E (1 − h)`` is left.

    Parameters
    ----------
    equity : (n,) array
        E; a node with none is in default from the start.
    exposures : (n, n) array
        A_ij >= 0: the claim that i holds **on** j, in the unit of equity; 0 on the diagonal.
    shock : (n,) array
        Loss that strikes each node from outside, >= 0.

    Returns
    -------
    Propagation

    Raises
    ------
    InvalidInput
        If shapes do not fit, or a number is negative or not finite.

    Notes
    -----
    The least fixed point. After 8, 16, 32, ... rounds the system of those that are not in default is solved, and taken
    where it is the fixed point: with claims in a circle the rounds alone converge slowly, and stopping them early
    understates the loss. Distress counts losses, not defaults: a claim on a half-distressed node loses half. No
    recovery, no fire sales, no netting. O(n²) a round, O(n³) a solve.

    References
    ----------
    Bardoscia, Battiston, Caccioli & Caldarelli (2015), DebtRank: a microscopic foundation for shock propagation, PLoS
    ONE 10(6). Battiston et al. (2012), Scientific Reports 2:541.

    Examples
    --------
    >>> claims = np.array([[0, 0.5, 0], [0, 0, 0.5], [0.5, 0, 0]])
    >>> found = propagate(np.array([2.0, 1.0, 0.5]), claims, np.array([0.2, 0.0, 0.0]))
    >>> (found.equity * 35).round(9).tolist()
    [62.0, 33.0, 15.5]
    """
    _check_network(equity, exposures, shock)
    solvent = equity > 0.0
    safe = np.where(solvent, equity, 1.0)
    leverage = np.where(solvent[:, None], exposures / safe[:, None], 0.0)
    direct = np.where(solvent, np.minimum(1.0, shock / safe), 1.0)
    distress, rounds, converged = _fixed_point(direct, leverage)
    left = np.where(solvent, equity * (1.0 - distress), np.minimum(equity, 0.0))
    return Propagation(direct, distress, left, distress >= 1.0, rounds, converged)


def _fixed_point(direct: Floats, leverage: Floats) -> tuple[Floats, int, bool]:
    distress, polish = direct, _FIRST_POLISH
    for count in range(1, _MAX_ROUNDS + 1):
        following = np.minimum(1.0, direct + leverage @ distress)
        change, distress = float(np.max(following - distress, initial=0.0)), following
        if change == 0.0:
            return distress, count, True
        if count == polish:
            polish *= 2
            if (solved := _solved(distress, direct, leverage)) is not None:
                return solved, count, True
    return distress, _MAX_ROUNDS, False


def _solved(distress: Floats, direct: Floats, leverage: Floats) -> Floats | None:
    """Fixed point with the present defaults, where that is the fixed point of all; None where more may default."""
    free = distress < 1.0
    if not free.any():
        return distress
    inner = leverage[np.ix_(free, free)]
    # Below 1 the series of rounds converges, and the solution is its limit; above it, a solution means nothing.
    if float(np.max(np.abs(np.linalg.eigvals(inner)))) >= 1.0 - 1e-12:
        return None
    found = np.linalg.solve(np.eye(inner.shape[0]) - inner, direct[free] + leverage[np.ix_(free, ~free)].sum(axis=1))
    if np.any(found > 1.0):
        return None
    whole = np.ones_like(distress)
    # Rounding must not take a node below what the rounds have shown already.
    whole[free] = np.maximum(found, distress[free])
    return whole


class TailRegression(NamedTuple):
    """Quantile regression ``y = intercept + slope · x`` at τ, and its mean check loss times n."""

    intercept: float
    slope: float
    objective: float


def quantile_regression(x: Floats, y: Floats, tau: float) -> TailRegression:
    r"""Line that τ of the observations lie below: minimum of ``Σ ρ_τ(y − a − b x)``, ``ρ_τ(e) = e (τ − 1[e < 0])``.

    Parameters
    ----------
    x, y : (n,) arrays
        n >= 3, x not constant.
    tau : float
        In (0, 1).

    Raises
    ------
    InvalidInput
        If the arrays do not fit, hold no numbers, or x never moves.

    Notes
    -----
    The dual linear program, ``max y'd`` with ``X'd = (1 − τ) X'1`` and d in [0, 1]: two rows instead of n, and the
    coefficients are its multipliers. HiGHS. Where several lines are best, one of them.

    References
    ----------
    Koenker & Bassett (1978), Regression quantiles, Econometrica 46. Koenker (2005), Quantile Regression, ch. 6.

    Examples
    --------
    >>> quantile_regression(np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 3.0, 5.0, 7.0]), 0.5)
    TailRegression(intercept=1.0, slope=2.0, objective=0.0)
    """
    if x.ndim != 1 or x.shape != y.shape or x.size < 3:
        raise InvalidInput("x", "and y must be of one length, at least 3", (x.shape, y.shape))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InvalidInput("x", "and y must be finite", "another number")
    if not 0.0 < tau < 1.0:
        raise InvalidInput("tau", "must lie in (0, 1)", tau)
    spread, scale = float(np.ptp(x)), float(np.ptp(y)) or 1.0
    if not spread > 0.0:
        raise InvalidInput("x", "must not be constant", float(x[0]))
    # Centred and scaled: the solver's tolerances are absolute.
    u, v = (x - x.mean()) / spread, (y - y.mean()) / scale
    design = np.column_stack([np.ones_like(u), u])
    solved = linprog(-v, A_eq=design.T, b_eq=(1.0 - tau) * design.sum(axis=0), bounds=(0.0, 1.0), method="highs")
    level, tilt = (-float(multiplier) for multiplier in solved.eqlin.marginals)
    slope = tilt * scale / spread
    intercept = level * scale + float(y.mean()) - slope * float(x.mean())
    residual = y - intercept - slope * x
    return TailRegression(intercept, slope, float(np.sum(residual * (tau - (residual < 0.0)))))


@dataclass(frozen=True, slots=True)
class DeltaCoVaR:
    """ΔCoVaR of a system on one venue or asset: returns are negative in a loss.

    `value` is the change of the system's τ quantile when x falls from its median to its own τ quantile (`tail`);
    `thin`: fewer than 100 observations.
    """

    value: float
    slope: float
    intercept: float
    tail: float
    median: float
    observations: int
    thin: bool


def delta_covar(x: Floats, system: Floats, tau: float = 0.05) -> DeltaCoVaR:
    r"""``ΔCoVaR = β_τ · (q_τ(x) − median(x))`` with β_τ from the quantile regression of the system on x.

    Parameters
    ----------
    x, system : (n,) arrays
        Returns of a venue or asset, and of the system, over the same periods; pairs with NaN drop out.
    tau : float
        Level of the tail: 0.05 is the worst twentieth.

    References
    ----------
    Adrian & Brunnermeier (2016), CoVaR, American Economic Review 106(7), eqs. 7 to 9.

    Examples
    --------
    >>> x = np.linspace(-1.0, 1.0, 201)
    >>> found = delta_covar(x, 0.5 * x)
    >>> round(found.value, 9), found.thin
    (-0.45, False)
    """
    if x.shape != system.shape:
        raise InvalidInput("x", "and system must be of one length", (x.shape, system.shape))
    both = ~(np.isnan(x) | np.isnan(system))
    line = quantile_regression(x[both], system[both], tau)
    tail, median = (float(np.quantile(x[both], level, method="inverted_cdf")) for level in (tau, 0.5))
    count = int(both.sum())
    value = line.slope * (tail - median)
    return DeltaCoVaR(value, line.slope, line.intercept, tail, median, count, count < LEAST_OBSERVATIONS)


def gaussian_delta_covar(correlation: float, system_volatility: float, tau: float = 0.05) -> float:
    """ΔCoVaR of jointly normal returns, ``ρ σ_system N⁻¹(τ)``: what the regression should find for them.

    References
    ----------
    Adrian & Brunnermeier (2016), section I.D.

    Examples
    --------
    >>> round(gaussian_delta_covar(0.6, 0.05), 7)
    -0.0493456
    """
    return correlation * system_volatility * float(ndtri(tau))


def _check_network(equity: Floats, exposures: Floats, shock: Floats) -> None:
    size = equity.size
    if equity.ndim != 1 or not size or exposures.shape != (size, size) or shock.shape != (size,):
        raise InvalidInput("exposures", "must be n × n for n equities and shocks", exposures.shape)
    for name, values in (("equity", equity), ("exposures", exposures), ("shock", shock)):
        if not np.isfinite(values).all():
            raise InvalidInput(name, "must be finite", "another number")
    for name, values in (("exposures", exposures), ("shock", shock)):
        if np.any(values < 0.0):
            raise InvalidInput(name, "must be >= 0", float(values.min()))
    if np.any(np.diagonal(exposures) != 0.0):
        raise InvalidInput("exposures", "must be 0 on the diagonal", np.diagonal(exposures).tolist())
