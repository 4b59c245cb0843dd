"""Growth-optimal exposures, and what they are to be cut to so that a drawdown stays improbable."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize, nnls

from services.core.explain import Floats

RIDGE = 1e-10
"""Least eigenvalue of a correlation matrix that an optimum is taken from."""
LEAST_WEALTH = 0.01
"""Wealth after one bar below which log wealth is continued by its parabola: an optimiser may step there."""
MOST_LEVERAGE = 100.0
TOLERANCE = 1e-12


def growth_risks(sharpe: Floats, correlation: Floats) -> Floats:
    r"""Risks u >= 0 that maximise the growth ``s'u − ½ u'R u`` of a continuously rebalanced book.

    Weights are ``u_i / σ_i``. With a free sign this is Kelly's ``Σ⁻¹ μ``; here each row stays on its side.

    Parameters
    ----------
    sharpe : (n,) array
        s, excess drift over volatility of each row on its own side [annual].
    correlation : (n, n) array
        R between the rows on their sides.

    Returns
    -------
    (n,) array
        u, exposure times volatility [annual].

    Notes
    -----
    Non-negative least squares, ``min ‖A u − A⁻ᵀ s‖`` with ``A'A = R``. Eigenvalues below 1e-10 are raised to it. O(n³).

    References
    ----------
    Merton (1969); Thorp (2006), The Kelly criterion, eq. 8.2. Lawson & Hanson (1974), Solving least squares problems.

    Examples
    --------
    >>> growth_risks(np.array([0.5, 0.4]), np.eye(2)).round(6).tolist()
    [0.5, 0.4]
    """
    values, vectors = np.linalg.eigh((correlation + correlation.T) / 2.0)
    root = np.sqrt(np.maximum(values, RIDGE))
    found: Floats = nnls(root[:, None] * vectors.T, (vectors.T @ sharpe) / root, maxiter=100 * sharpe.size)[0]
    return found


def drawdown_exponent(level: float, probability: float) -> float:
    r"""``λ = ln β / ln α``: a book with ``E[(1 + r'b)^{−λ}] <= 1`` ever falls below α with probability at most β.

    References
    ----------
    Busseti, Ryu & Boyd (2016), Risk-constrained Kelly gambling, J. Investing 25(3): the bound on drawdown risk.

    Examples
    --------
    >>> round(drawdown_exponent(0.7, 0.1), 4)
    6.4557
    """
    return math.log(probability) / math.log(level)


def quadratic_share(exponent: float) -> float:
    r"""Share of Kelly that the quadratic constraint leaves: ``c = min(1, 2/(1 + λ))``.

    ``½ λ(λ+1) b'Σb <= λ b'μ`` on the ray ``b = c Σ⁻¹μ``, on which the optimum lies: its gradient condition is
    ``(1 + κλ) μ = (1 + κλ(λ+1)) Σ b``. The same c follows from the ruin of fractional Kelly, ``P = α^{2/c − 1}``.

    References
    ----------
    Busseti, Ryu & Boyd (2016), problem QRCK. Thorp (2006), §3.2 and §7.3, for ``α^{2/c − 1}``.

    Examples
    --------
    >>> quadratic_share(3.0), quadratic_share(0.5)
    (0.5, 1.0)
    """
    return min(1.0, 2.0 / (1.0 + exponent))


def probability_ever_below(level: float, drift: float, variance: float) -> float:
    r"""Probability that wealth of a constant-weight book ever falls below `level` times what it is.

    Log wealth is a Brownian motion with drift ``g = μ − v/2`` and variance v: ``α^{2g/v}``, 1 where ``g <= 0``.

    Parameters
    ----------
    level : float
        α in (0, 1).
    drift : float
        μ, arithmetic excess return of the book [annual].
    variance : float
        v [annual].

    References
    ----------
    Karatzas & Shreve (1991), Brownian Motion and Stochastic Calculus, §3.5.C.

    Examples
    --------
    >>> probability_ever_below(0.5, 0.08, 0.04)
    0.125
    """
    growth = drift - variance / 2.0
    if variance <= 0.0:
        return 0.0 if growth >= 0.0 else 1.0
    return min(1.0, level ** (2.0 * growth / variance)) if growth > 0.0 else 1.0


def growth_share(fraction: float) -> float:
    r"""Growth rate at a fraction c of Kelly over the largest: ``2c − c²``; negative beyond twice Kelly.

    References
    ----------
    Thorp (2006), The Kelly criterion in blackjack, sports betting and the stock market, §7.3.

    Examples
    --------
    >>> growth_share(0.25), growth_share(2.0)
    (0.4375, 0.0)
    """
    return fraction * (2.0 - fraction)


def ever_below_probability(level: float, fraction: float) -> float:
    r"""Probability that the wealth of a fraction c of Kelly ever falls below a level x of what it is: ``x^{2/c − 1}``.

    `probability_ever_below` at a drift of c and a variance of c², in units of the drift and variance of Kelly.

    References
    ----------
    Thorp (2006), §7.3.

    Examples
    --------
    >>> [ever_below_probability(0.5, c) for c in (0.25, 0.5, 1.0)]
    [0.0078125, 0.125, 0.5]
    """
    return probability_ever_below(level, fraction, fraction**2)


def estimation_shrink(squared_sharpe: Floats | float, periods: Floats | float, assets: int = 1) -> Floats:
    r"""Fraction k of an estimated Kelly bet that grows fastest on average: ``k = θ² / (θ² + n/T)``.

    Maximises ``E[k μ̂'Σ⁻¹μ − ½ k² μ̂'Σ⁻¹μ̂]`` for μ̂ ~ N(μ, Σ/T).

    Parameters
    ----------
    squared_sharpe : float or array
        θ² = μ'Σ⁻¹μ, the true one [per period].
    periods : float or array
        T behind the estimate, > 0, in periods of the same length.
    assets : int
        n.

    References
    ----------
    Kan & Zhou (2007), Optimal portfolio choice with parameter uncertainty, JFQA 42(3), eq. 17 (Σ known, γ = 1).

    Examples
    --------
    >>> round(float(estimation_shrink(0.05**2, 1000)), 6)
    0.714286
    """
    return np.asarray(squared_sharpe / (squared_sharpe + assets / periods), dtype=float)


def certainty(estimated_squared_sharpe: Floats, periods: Floats, assets: int = 1) -> Floats:
    r"""`estimation_shrink` with θ² estimated as well, ``max(θ̂² − n/T, 0)``: ``k = max(1 − n / (T θ̂²), 0)``.

    θ̂² is too large by n/T on average. 0 where an edge lies within its own error; NaN where it is unknown.

    Notes
    -----
    The mean is taken for all that is estimated: volatilities and win ratios have errors too, of less effect.

    A guard against edges that are none, not a gain: mean growth over the largest of bets on positive estimates, by the
    true θ√T (at 0, over that of θ√T = 1; Monte Carlo, one asset):

    | θ√T                 | 0     | 0.5   | 1    | 1.5  | 2    | 3    |
    |---------------------|-------|-------|------|------|------|------|
    | full Kelly          | −0.50 | −1.37 | 0.24 | 0.61 | 0.76 | 0.89 |
    | full, shrunk        | −0.17 | −0.56 | 0.18 | 0.46 | 0.64 | 0.84 |
    | a quarter           | −0.03 | 0.44  | 0.42 | 0.42 | 0.42 | 0.43 |
    | a quarter, shrunk   | −0.01 | 0.19  | 0.23 | 0.28 | 0.32 | 0.38 |

    Examples
    --------
    >>> certainty(np.array([0.05**2, 0.03**2, 0.0]), np.array([1000.0, 1000.0, 1000.0])).round(6).tolist()
    [0.6, 0.0, 0.0]
    """
    left = np.maximum(estimated_squared_sharpe - assets / periods, 0.0)
    return np.where(left == 0.0, 0.0, estimation_shrink(np.where(left == 0.0, 1.0, left), periods, assets))


def log_wealth(bets: Floats, outcomes: Floats) -> tuple[Floats, Floats]:
    """Log of the wealth after each outcome and its derivative by that wealth, continued below `LEAST_WEALTH`."""
    wealth = 1.0 + outcomes @ bets
    safe = np.maximum(wealth, LEAST_WEALTH)
    short = (wealth - safe) / LEAST_WEALTH
    return np.log(safe) + short - short**2 / 2.0, (1.0 - short) / safe


def excess_risk(bets: Floats, outcomes: Floats, exponent: float) -> float:
    r"""``ln E[(1 + r'b)^{−λ}]``, convex in b; the drawdown constraint is that it is at most 0."""
    loss = -exponent * log_wealth(bets, outcomes)[0]
    top = float(loss.max())
    return top + math.log(float(np.exp(loss - top).mean()))


def _risk_gradient(bets: Floats, outcomes: Floats, exponent: float) -> Floats:
    logs, slope = log_wealth(bets, outcomes)
    loss = -exponent * logs
    share = np.exp(loss - loss.max())
    found: Floats = -exponent * ((share / share.sum() * slope) @ outcomes)
    return found


def solvent(bets: Floats, outcomes: Floats) -> float:
    """Largest factor of at most 1 on `bets` with which every outcome leaves `LEAST_WEALTH`."""
    worst = -float((outcomes @ bets).min())
    return min(1.0, (1.0 - LEAST_WEALTH) / worst) if worst > 0.0 else 1.0


def within_risk(bets: Floats, outcomes: Floats, exponent: float) -> float:
    """Largest factor of at most 1 on `bets` with which the drawdown constraint holds and no outcome takes everything.

    0 without an edge.

    The constraint is convex and 0 at no bet: it holds from there to its one other root.
    """

    def risk(factor: float) -> float:
        return excess_risk(factor * bets, outcomes, exponent)

    most = solvent(bets, outcomes)
    if not bets.any() or risk(most) <= 0.0:
        return most
    if float((outcomes @ bets).mean()) <= 0.0:
        return 0.0
    low = most / 2.0
    while risk(low) > 0.0 and low > TOLERANCE:
        low /= 2.0
    return float(brentq(risk, low, most, xtol=TOLERANCE)) * (1.0 - 1e-9) if low > TOLERANCE else 0.0


def risk_constrained_bets(outcomes: Floats, exponent: float | None) -> Floats:
    r"""Bets that maximise ``E[ln(1 + r'b)]`` subject to ``E[(1 + r'b)^{−λ}] <= 1`` and ``b >= 0``.

    Parameters
    ----------
    outcomes : (k, n) array
        r, equally likely excess returns a bar, each row on its own side.
    exponent : float, optional
        λ > 0, see `drawdown_exponent`; None: Kelly, unconstrained.

    Returns
    -------
    (n,) array
        Fractions of the equity, at most 100; 0 where no row has an edge.

    Notes
    -----
    Convex: sequential quadratic programming from the quadratic solution; what it returns is scaled down along its ray
    until the constraint holds: an optimiser that stops early costs growth and never safety. O(n³ + k n) a step.

    References
    ----------
    Busseti, Ryu & Boyd (2016), Risk-constrained Kelly gambling, J. Investing 25(3), problem RCK.

    Examples
    --------
    >>> even = np.array([[1.0]] * 6 + [[-1.0]] * 4)
    >>> risk_constrained_bets(even, None).round(6).tolist()
    [0.2]
    """
    start = _quadratic_start(outcomes, exponent)
    # Growth and risk are of the order of squared returns: an optimiser wants them near 1.
    scale = float(np.abs(outcomes).mean()) ** 2 or 1.0
    constraints: list[dict[str, Any]] = []
    if exponent is not None:
        constraints = [
            {
                "type": "ineq",
                "fun": lambda bets: -excess_risk(bets, outcomes, exponent) / (exponent * scale),
                "jac": lambda bets: -_risk_gradient(bets, outcomes, exponent) / (exponent * scale),
            }
        ]

    def loss(bets: Floats) -> tuple[float, Floats]:
        logs, slope = log_wealth(bets, outcomes)
        return -float(logs.mean()) / scale, -(slope @ outcomes) / (outcomes.shape[0] * scale)

    found = minimize(
        loss,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, MOST_LEVERAGE)] * start.size,
        constraints=constraints,
        options={"maxiter": 200, "ftol": 1e-12},
    )
    bets: Floats = np.clip(found.x, 0.0, MOST_LEVERAGE) if np.isfinite(found.x).all() else start
    bets, start = (
        one * (solvent(one, outcomes) if exponent is None else within_risk(one, outcomes, exponent))
        for one in (bets, start)
    )
    return bets if loss(bets)[0] <= loss(start)[0] else start


def _quadratic_start(outcomes: Floats, exponent: float | None) -> Floats:
    mean, deviation = outcomes.mean(axis=0), outcomes.std(axis=0)
    moves = np.where(deviation > 0.0, deviation, 1.0)
    normed = (outcomes - mean) / moves
    correlation = normed.T @ normed / outcomes.shape[0]
    share = 1.0 if exponent is None else quadratic_share(exponent)
    return np.clip(share * growth_risks(mean / moves, correlation) / moves, 0.0, MOST_LEVERAGE)


def growth_rate(bets: Floats, outcomes: Floats) -> float:
    """``E[ln(1 + r'b)]`` a bar; -inf where an outcome takes everything."""
    wealth = 1.0 + outcomes @ bets
    return float(np.log(wealth).mean()) if float(wealth.min()) > 0.0 else -math.inf


def probability_bound(level: float, bets: Floats, outcomes: Floats) -> float:
    r"""Bound ``α^λ`` on ever falling below α, λ the root of ``E[(1 + r'b)^{−λ}] = 1``.

    1 without growth; 0 where no outcome loses.

    References
    ----------
    Busseti, Ryu & Boyd (2016); Lundberg's inequality for the random walk of log wealth.

    Examples
    --------
    >>> round(probability_bound(0.5, np.array([0.1]), np.array([[1.0]] * 6 + [[-1.0]] * 4)), 4)
    0.1221
    """
    if growth_rate(bets, outcomes) <= 0.0:
        return 1.0
    if float((outcomes @ bets).min()) >= 0.0:
        return 0.0
    high = 1.0
    while excess_risk(bets, outcomes, high) < 0.0:
        high *= 2.0
    low = high / 2.0
    while excess_risk(bets, outcomes, low) >= 0.0:
        low /= 2.0
    root = float(brentq(lambda exponent: excess_risk(bets, outcomes, exponent), low, high))
    return float(level**root)
