"""Cost and exactness of risk parity, beside skfolio's and Riskfolio-Lib's in the same process.

Hypothesis: Newton's method on the correlation matrix takes O(n³) in two to eleven steps, so that 500 markets take at
most some 25 ms on one core with every row's part exact to 1e-12; the peers hand the same convex problem to a conic
solver, which takes ten times as long or more and leaves 1e-9 to 1e-5. Hierarchical risk parity is the same procedure
everywhere and its shares agree to the last digits.

Input: markets with one common factor, and volatilities from 0.5 to 5 % a bar, as returns of 2n + 250 bars (the peers
take returns); for our own table also matrices that are hard, and sides. Times are medians; skfolio's include its sample
covariance (below a tenth), ours and Riskfolio-Lib's do not. Nothing is asserted about time.

The peers are heavy: `make bench-peers` runs this file in an environment that has them.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from services.core.explain import Floats
from services.risk.parity import TOLERANCE, risk_parity, risk_parity_weights
from services.sizing.methods.hierarchical_risk_parity import hierarchical_shares

pytestmark = pytest.mark.benchmark
SIZES = (5, 20, 100, 500)
PEER_TOLERANCE = 1e-4
"""Difference of weights that the solvers of the peers are allowed."""


class Case(NamedTuple):
    """Returns of n markets with their sample volatility and correlation."""

    returns: Floats
    volatility: Floats
    correlation: Floats


def case(size: int) -> Case:
    generator = np.random.default_rng(size)
    bars = 2 * size + 250
    common = generator.standard_normal((bars, 1))
    returns = (generator.standard_normal((bars, size)) + common) * generator.uniform(0.005, 0.05, size)
    covariance = np.cov(returns.T)
    volatility = np.sqrt(np.diag(covariance))
    return Case(returns, volatility, covariance / np.outer(volatility, volatility))


def residual(weights: Floats, market: Case) -> float:
    """Largest difference of a row's part of the risk from 1/n."""
    risk = weights * market.volatility
    parts = risk * (market.correlation @ risk)
    return float(np.abs(parts / parts.sum() - 1.0 / weights.size).max())


def timed(work: Callable[[], Any], rounds: int) -> tuple[Any, float]:
    """Result and median milliseconds, after one call to warm up."""
    result, spent = work(), []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        spent.append((time.perf_counter() - started) * 1e3)
    return result, statistics.median(spent)


def hard_matrices(size: int) -> dict[str, Floats]:
    generator = np.random.default_rng(1)
    loadings = generator.normal(size=(size, 5))
    covariance = loadings @ loadings.T + np.diag(generator.uniform(0.1, 2.0, size))
    deviation = np.sqrt(np.diag(covariance))
    equal = np.full((size, size), 0.99)
    np.fill_diagonal(equal, 1.0)
    return {"equal correlation .99": equal, "five factors": covariance / np.outer(deviation, deviation)}


@pytest.mark.parametrize("size", SIZES)
def test_hard_matrices_are_solved_to_the_tolerance(size: int) -> None:
    print(f"\n{'n':>4}  {'matrix':<24}{'budgets':<10}{'steps':>6}{'ms':>9}{'residual':>12}")
    sides = np.where(np.random.default_rng(2).random(size) < 0.5, -1.0, 1.0)
    budgets = np.random.default_rng(3).dirichlet(np.ones(size))
    for name, matrix in hard_matrices(size).items():
        asked: dict[str, tuple[Floats | None, Floats | None]] = {
            "equal": (None, None),
            "uneven": (budgets, None),
            "signed": (None, sides),
        }
        for kind, (parts, signs) in asked.items():
            found, took = timed(lambda matrix=matrix, parts=parts, signs=signs: risk_parity(matrix, parts, signs), 9)
            print(f"{size:>4}  {name:<24}{kind:<10}{found.iterations:>6}{took:>9.3f}{found.residual:>12.1e}")
            assert found.solved and found.residual <= TOLERANCE


@pytest.fixture
def peers() -> Any:
    """skfolio, Riskfolio-Lib and pandas, with their own warnings silenced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reason = "the peers are not in this environment: make bench-peers"
        skfolio = pytest.importorskip("skfolio", reason=reason)
        riskfolio = pytest.importorskip("riskfolio", reason=reason)
        import pandas  # a peer's own input

        yield skfolio, riskfolio, pandas


@pytest.mark.parametrize("size", SIZES)
def test_risk_parity_beside_the_peers(size: int, peers: Any) -> None:
    skfolio, riskfolio, pandas = peers
    from skfolio.optimization import RiskBudgeting

    market, rounds = case(size), 9 if size < 500 else 3
    frame = pandas.DataFrame(market.returns, columns=[f"market{index:03d}" for index in range(size)])
    portfolio = riskfolio.Portfolio(returns=frame)
    portfolio.assets_stats(method_mu="hist", method_cov="hist")
    ours, took = timed(lambda: risk_parity_weights(market.volatility, market.correlation), 9)
    rows: list[tuple[str, Floats, float]] = [("trimtab", ours, took)]
    fitted, took = timed(lambda: RiskBudgeting().fit(frame).weights_, rounds)
    rows.append((f"skfolio {skfolio.__version__}", fitted, took))
    solved, took = timed(lambda: portfolio.rp_optimization(model="Classic", rm="MV", rf=0, b=None, hist=True), rounds)
    rows.append((f"Riskfolio-Lib {riskfolio.__version__}", solved.to_numpy().ravel(), took))
    print(f"\n{'n':>4}  {'library':<24}{'ms':>10}{'residual':>12}{'largest difference':>20}")
    for name, weights, spent in rows:
        apart = float(np.abs(weights - ours).max())
        print(f"{size:>4}  {name:<24}{spent:>10.3f}{residual(weights, market):>12.1e}{apart:>20.1e}")
        assert apart <= PEER_TOLERANCE
    assert residual(ours, market) <= TOLERANCE
    assert residual(ours, market) <= min(residual(weights, market) for _, weights, _ in rows[1:])


@pytest.mark.parametrize("size", SIZES[:3])
def test_hierarchical_risk_parity_equals_the_peers(size: int, peers: Any) -> None:
    """skfolio orders leaves optimally; Riskfolio-Lib does either."""
    _, riskfolio, pandas = peers
    from skfolio.cluster import HierarchicalClustering, LinkageMethod
    from skfolio.optimization import HierarchicalRiskParity

    market = case(size)
    frame = pandas.DataFrame(market.returns, columns=[f"market{index:03d}" for index in range(size)])
    optimal, tree = (
        hierarchical_shares(market.volatility, market.correlation, "single", order)[0] for order in ("optimal", "tree")
    )
    for ordered, ours in ((True, optimal), (False, tree)):
        theirs = riskfolio.HCPortfolio(returns=frame).optimization(
            model="HRP", rm="MV", linkage="single", leaf_order=ordered
        )
        assert ours == pytest.approx(theirs.to_numpy().ravel(), abs=1e-12)
    clustering = HierarchicalClustering(linkage_method=LinkageMethod.SINGLE)
    fitted = HierarchicalRiskParity(hierarchical_clustering_estimator=clustering).fit(frame)
    assert optimal == pytest.approx(fitted.weights_, abs=1e-12)
