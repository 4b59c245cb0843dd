"""Shrinkage against scikit-learn's figures and against the papers' sums written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.covariance

from services.core.explain import Floats
from services.risk.matrices import mean_correlation, unit_diagonal
from services.risk.methods.constant_correlation import ConstantCorrelation
from services.risk.methods.ledoit_wolf import LedoitWolf
from services.risk.methods.oracle_approximating import OracleApproximating
from services.risk.shrinkage import (
    constant_correlation_shrinkage,
    ledoit_wolf,
    oracle_approximating,
    second_moments,
)

KERNELS = {"ledoit_wolf": ledoit_wolf, "oracle_approximating": oracle_approximating}
PEERS = {"ledoit_wolf": sklearn.covariance.ledoit_wolf, "oracle_approximating": sklearn.covariance.oas}


def returns(seed: int, rows: int, markets: int, spread: float = 0.6) -> Floats:
    """Returns with unequal correlations, so that no target is the truth."""
    generator = np.random.default_rng(seed)
    loadings = generator.uniform(-spread, 1.0, markets)
    return generator.standard_t(5, (rows, markets)) + generator.standard_t(5, (rows, 1)) * loadings * 2.0


@pytest.mark.parametrize(("rows", "markets"), [(6, 3), (60, 2), (60, 10), (40, 60), (500, 20)])
@pytest.mark.parametrize("function", ["ledoit_wolf", "oracle_approximating"])
def test_equals_scikit_learn(function: str, rows: int, markets: int) -> None:
    values = returns(rows + markets, rows, markets)
    covariance, intensity = KERNELS[function](values)
    expected, shrinkage = PEERS[function](values, assume_centered=True)
    assert intensity == pytest.approx(shrinkage, rel=1e-12)
    np.testing.assert_allclose(covariance, expected, rtol=1e-11, atol=1e-14)


def slow_ledoit_wolf(values: Floats) -> float:
    """d² and b² of the paper from one outer product a bar, in the norm ‖A‖² = tr(AA')/m."""
    bars, size = values.shape
    products = [np.outer(row, row) for row in values]
    moments = sum(products) / bars
    level = np.trace(moments) / size
    distance = np.sum((moments - level * np.eye(size)) ** 2) / size
    noise = sum(np.sum((product - moments) ** 2) / size for product in products) / bars**2
    return float(min(noise, distance) / distance)


def slow_constant_correlation(values: Floats) -> float:
    """The appendix of Honey, I Shrunk the Sample Covariance Matrix, sum by sum."""
    bars, size = values.shape
    s = second_moments(values)
    correlation = [[s[i, j] / np.sqrt(s[i, i] * s[j, j]) for j in range(size)] for i in range(size)]
    mean = 2.0 / (size * (size - 1)) * sum(correlation[i][j] for i in range(size) for j in range(i + 1, size))
    f = np.array([[mean * np.sqrt(s[i, i] * s[j, j]) if i != j else s[i, i] for j in range(size)] for i in range(size)])

    def pi(i: int, j: int) -> float:
        return float(np.mean((values[:, i] * values[:, j] - s[i, j]) ** 2))

    def theta(k: int, i: int, j: int) -> float:
        return float(np.mean((values[:, k] ** 2 - s[k, k]) * (values[:, i] * values[:, j] - s[i, j])))

    pairs = [(i, j) for i in range(size) for j in range(size) if i != j]
    rho = sum(pi(i, i) for i in range(size)) + sum(
        mean / 2.0 * (np.sqrt(s[j, j] / s[i, i]) * theta(i, i, j) + np.sqrt(s[i, i] / s[j, j]) * theta(j, i, j))
        for i, j in pairs
    )
    kappa = (sum(pi(i, j) for i in range(size) for j in range(size)) - rho) / np.sum((f - s) ** 2)
    return float(max(0.0, min(kappa / bars, 1.0)))


@pytest.mark.parametrize("seed", range(5))
def test_intensities_equal_the_papers_sums(seed: int) -> None:
    values = returns(seed, 80, 7)
    slow, fast = slow_ledoit_wolf(values), ledoit_wolf(values)[1]
    assert 0.0 < slow < 1.0
    assert fast == pytest.approx(slow, rel=1e-11)
    slow, fast = slow_constant_correlation(values), constant_correlation_shrinkage(values)[1]
    assert 0.0 < slow < 1.0
    assert fast == pytest.approx(slow, rel=1e-11)


def test_constant_correlation_keeps_variances_and_the_mean_correlation() -> None:
    values = returns(3, 100, 6)
    covariance, intensity = constant_correlation_shrinkage(values)
    sample = second_moments(values)
    assert 0.0 < intensity < 1.0
    np.testing.assert_allclose(np.diag(covariance), np.diag(sample), rtol=1e-14)
    before, after = unit_diagonal(sample), unit_diagonal(covariance)
    assert mean_correlation(after) == pytest.approx(mean_correlation(before), abs=1e-14)
    upper = np.triu_indices(6, 1)
    assert np.std(after[upper]) == pytest.approx((1.0 - intensity) * np.std(before[upper]), rel=1e-12)


def test_more_history_is_shrunk_less_and_shrinkage_beats_the_sample() -> None:
    """True covariance known: the expected squared error falls, which is what the intensity is made for."""
    truth = 0.4 + 0.6 * np.eye(25)
    root = np.linalg.cholesky(truth)
    generator, gains = np.random.default_rng(8), []
    for _ in range(40):
        values = generator.standard_normal((50, 25)) @ root.T
        errors = [np.sum((matrix - truth) ** 2) for matrix in (second_moments(values), ledoit_wolf(values)[0])]
        equal = np.sum((constant_correlation_shrinkage(values)[0] - truth) ** 2)
        gains.append([errors[1] / errors[0], equal / errors[0]])
    assert np.mean(gains, axis=0)[0] < 0.97
    assert np.mean(gains, axis=0)[1] < 0.6
    long = generator.standard_normal((2_000, 25)) @ root.T
    for kernel in (ledoit_wolf, oracle_approximating):
        assert kernel(long)[1] < 0.1 * kernel(long[:50])[1]


@pytest.mark.parametrize("kernel", [*KERNELS.values(), constant_correlation_shrinkage])
def test_limits(kernel: Any) -> None:
    one, intensity = kernel(np.array([[2.0], [0.0]]))
    assert one.tolist() == [[2.0]]
    assert 0.0 <= intensity <= 1.0
    flat = np.zeros((60, 3))
    assert kernel(flat)[0].tolist() == np.zeros((3, 3)).tolist()
    still = returns(1, 60, 3)
    still[:, 1] = 0.0
    assert np.isfinite(kernel(still)[0]).all()


@pytest.mark.parametrize("method", [LedoitWolf(), OracleApproximating(), ConstantCorrelation()])
def test_methods_use_the_newest_complete_bars(method: LedoitWolf | OracleApproximating | ConstantCorrelation) -> None:
    values = returns(4, 400, 4)
    values[350:360, 2] = np.nan
    whole = np.clip(np.delete(values, np.s_[350:360], axis=0)[-252:], -4.2, 4.2)
    kernel = {
        "ledoit_wolf": ledoit_wolf,
        "oracle_approximating": oracle_approximating,
        "constant_correlation": constant_correlation_shrinkage,
    }[method.method]
    np.testing.assert_allclose(method.matrix(values), unit_diagonal(kernel(whole)[0]), atol=1e-15)
