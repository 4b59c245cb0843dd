"""Distress, DebtRank against a slow reference and a linear solve, tail regression against statsmodels, tightening."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.regression.quantile_regression import QuantReg

from services.core.errors import InvalidInput
from services.core.market_conditions import VenueMetrics
from services.risk.contagion import (
    DistressPolicy,
    delta_covar,
    gaussian_delta_covar,
    propagate,
    quantile_regression,
)
from services.risk.tightening import TighteningPolicy

RING = np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 0.5], [0.5, 0.0, 0.0]])


def slow_debtrank(equity: list[float], claims: list[list[float]], shock: list[float], rounds: int) -> list[float]:
    """Equity left, by the definition, node by node."""
    start = [min(1.0, s / e) for s, e in zip(shock, equity, strict=True)]
    h = list(start)
    for _ in range(rounds):
        h = [min(1.0, start[i] + sum(claims[i][j] / equity[i] * h[j] for j in range(len(h)))) for i in range(len(h))]
    return [e * (1.0 - x) for e, x in zip(equity, h, strict=True)]


def test_heterogeneous_equity_is_not_the_library_that_binds_its_index_late() -> None:
    """marcobardoscia/neva answers [1.8, 1.0, 0.5] here: no contagion at all."""
    found = propagate(np.array([2.0, 1.0, 0.5]), RING, np.array([0.2, 0.0, 0.0]))
    np.testing.assert_allclose(found.equity, [62 / 35, 33 / 35, 15.5 / 35], rtol=1e-14)


def test_a_circle_is_followed_to_its_end() -> None:
    """The same library stops at 0.8859375; the limit is 31/35."""
    found = propagate(np.ones(3), RING, np.array([0.1, 0.0, 0.0]))
    np.testing.assert_allclose(found.equity, [31 / 35, 34 / 35, 33 / 35], rtol=1e-14)
    assert found.converged


def test_a_slow_circle_too() -> None:
    claims = 0.9995 * np.roll(np.eye(4), 1, axis=1)
    shock = np.array([1e-5, 0.0, 0.0, 0.0])
    found = propagate(np.ones(4), claims, shock)
    exact = np.linalg.solve(np.eye(4) - claims, shock)
    np.testing.assert_allclose(found.distress, exact, rtol=1e-9)


def test_random_networks_with_defaults_agree_with_the_slow_reference() -> None:
    rng = np.random.default_rng(5)
    defaults = 0
    for _ in range(40):
        n = int(rng.integers(2, 7))
        equity = rng.uniform(0.2, 2.0, n)
        claims = rng.uniform(0.0, 0.8, (n, n)) * (rng.random((n, n)) < 0.5)
        np.fill_diagonal(claims, 0.0)
        shock = rng.uniform(0.0, 0.6, n) * (rng.random(n) < 0.5)
        found = propagate(equity, claims, shock)
        slow = slow_debtrank(equity.tolist(), claims.tolist(), shock.tolist(), 3_000)
        np.testing.assert_allclose(found.equity, slow, atol=1e-9)
        defaults += int(found.defaulted.sum())
    assert defaults > 20


def test_what_does_not_settle_says_so_and_a_node_without_equity_is_in_default() -> None:
    endless = propagate(np.ones(2), np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1e-13, 0.0]))
    assert not endless.converged
    broke = propagate(np.array([0.0, 1.0]), np.array([[0.0, 0.0], [0.25, 0.0]]), np.zeros(2))
    assert broke.distress.tolist() == [1.0, 0.25]
    assert broke.equity.tolist() == [0.0, 0.75]
    owing = propagate(np.array([-2.0, 1.0]), np.zeros((2, 2)), np.zeros(2))
    assert owing.equity.tolist() == [-2.0, 1.0]


@pytest.mark.parametrize(
    ("equity", "claims", "shock"),
    [
        ([1.0], [[0.0, 1.0]], [0.0]),
        ([1.0, 1.0], [[0.5, 0.0], [0.0, 0.0]], [0.0, 0.0]),
        ([1.0, 1.0], [[0.0, -1.0], [0.0, 0.0]], [0.0, 0.0]),
        ([1.0, 1.0], [[0.0, 0.0], [0.0, 0.0]], [-1.0, 0.0]),
        ([math.nan, 1.0], [[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0]),
        ([], np.zeros((0, 0)), []),
    ],
)
def test_networks_that_are_none_are_refused(equity: object, claims: object, shock: object) -> None:
    with pytest.raises(InvalidInput):
        propagate(*(np.array(item, dtype=np.float64) for item in (equity, claims, shock)))


@pytest.mark.parametrize("tau", [0.05, 0.2, 0.5, 0.95])
def test_quantile_regression_agrees_with_statsmodels(tau: float) -> None:
    rng = np.random.default_rng(11)
    x = 0.03 * rng.standard_t(4, 400)
    y = 0.001 + (0.6 + 2.0 * np.abs(x)) * x + 0.01 * rng.standard_t(3, 400)
    found = quantile_regression(x, y, tau)
    fitted = QuantReg(y, np.column_stack([np.ones_like(x), x])).fit(q=tau, max_iter=20_000, p_tol=1e-12)
    residual = fitted.resid
    peer = float(np.sum(residual * (tau - (residual < 0.0))))
    assert found.objective <= peer * (1.0 + 1e-9)
    assert (found.intercept, found.slope) == pytest.approx(fitted.params, abs=1e-4)


def test_quantile_regression_is_the_best_line_through_two_points() -> None:
    """An optimum passes through two observations: all pairs are tried."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=25), 1e4 * rng.normal(size=25)
    for tau in (0.1, 0.5, 0.8):
        best = math.inf
        for i in range(25):
            for j in range(i):
                slope = (y[i] - y[j]) / (x[i] - x[j])
                residual = y - y[i] - slope * (x - x[i])
                best = min(best, float(np.sum(np.where(residual < 0.0, (tau - 1.0) * residual, tau * residual))))
        assert quantile_regression(x, y, tau).objective == pytest.approx(best, rel=1e-9)


def test_delta_covar_of_normal_returns_is_the_closed_form() -> None:
    rng = np.random.default_rng(21)
    x = rng.standard_normal(20_000)
    system = 0.05 * (0.6 * x + 0.8 * rng.standard_normal(20_000))
    found = delta_covar(x, system)
    # The slope's standard error is about .8 · .05 / √20000 · √(.05 · .95) / φ(z) = .0006, the tail quantile's .015.
    assert found.value == pytest.approx(gaussian_delta_covar(0.6, 0.05), abs=0.004)
    assert not found.thin


def test_holes_drop_out_in_pairs_and_few_observations_are_flagged() -> None:
    x = np.linspace(-1.0, 1.0, 60)
    system = 0.5 * x
    x[3], system[7] = math.nan, math.nan
    found = delta_covar(x, system)
    assert (found.observations, found.thin) == (58, True)
    assert found.slope == pytest.approx(0.5)


@pytest.mark.parametrize(("x", "y", "tau"), [([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], 0.5), ([1.0, 2.0], [1.0, 2.0], 0.5),
                                             ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 1.0),
                                             ([1.0, 2.0, math.inf], [1.0, 2.0, 3.0], 0.5)])  # fmt: skip
def test_regressions_without_an_answer_are_refused(x: list[float], y: list[float], tau: float) -> None:
    with pytest.raises(InvalidInput):
        quantile_regression(np.array(x), np.array(y), tau)


def test_distress_by_hand_and_missing_parts_drop_out() -> None:
    policy = DistressPolicy()
    whole = VenueMetrics(
        leverage_percentile=0.9, funding_percentile=0.5, basis_bps=-25.0, depth_ratio=0.4, withdrawal_share=0.2,
        peg_deviation=-0.005, error_rate=0.02,
    )  # fmt: skip
    found = policy.distress(whole)
    assert found.value == pytest.approx((0.9 + 0.5 + 0.5 + 0.6 + 1.0 + 0.25 + 0.1) / 7)
    assert found.coverage == 1.0
    part = policy.distress(VenueMetrics(leverage_percentile=0.9, error_rate=0.02))
    assert (part.value, part.coverage) == (pytest.approx(0.5), pytest.approx(2 / 7))
    assert set(part.scores) == {"leverage_percentile", "error_rate"}
    deep = policy.distress(VenueMetrics(depth_ratio=1.7))
    assert deep.value == 0.0


def test_nothing_known_is_not_calm() -> None:
    found = DistressPolicy().distress(VenueMetrics())
    assert (found.value, found.coverage, found.scores) == (None, 0.0, {})
    heavy = DistressPolicy(basis_weight=3.0, depth_weight=1.0)
    assert heavy.distress(VenueMetrics(basis_bps=50.0, depth_ratio=1.0)).value == pytest.approx(0.75)
    nothing = dict.fromkeys(
        [f"{name}_weight" for name in ("leverage", "funding", "basis", "depth", "withdrawal", "peg", "error")], 0.0
    )
    with pytest.raises(InvalidInput, match="weights"):
        DistressPolicy(**nothing)


def test_tightening_is_at_once_and_loosening_slow() -> None:
    policy, held, path = TighteningPolicy(), 1.0, []
    for distress in (0.0, 0.4, None, 0.1, 1.0, 1.0, 0.0):
        held = policy.multiplier(distress, held)
        path.append(held)
    assert path == pytest.approx([1.0, 1.6, 1.6, 1.54, 2.5, 2.5, 2.35])
    assert TighteningPolicy(sensitivity=10.0).multiplier(1.0) == 3.0
    with pytest.raises(InvalidInput, match="distress"):
        policy.multiplier(1.1)
    with pytest.raises(InvalidInput, match="previous"):
        policy.multiplier(0.1, 0.5)
