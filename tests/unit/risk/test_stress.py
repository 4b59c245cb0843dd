"""Stress of correlations: the worst case of a book, never a better one."""

from __future__ import annotations

import numpy as np
import pytest

from services.risk.covariance import portfolio_volatility
from services.risk.methods.dynamic_conditional import dcc_correlation
from services.risk.stress import stress_correlation

GENERATOR = np.random.default_rng(21)
CORRELATION = dcc_correlation(GENERATOR.standard_normal((300, 5)) + GENERATOR.standard_normal((300, 1)))
VOLATILITY = GENERATOR.uniform(0.2, 1.0, 5)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_against_the_book_it_mixes_in_the_largest_variance_there_is(seed: int, weight: float) -> None:
    weights = np.random.default_rng(seed).standard_normal(5)
    stressed = stress_correlation(CORRELATION, weight, np.sign(weights))
    plain = portfolio_volatility(weights, VOLATILITY, CORRELATION)
    worst = portfolio_volatility(weights, VOLATILITY, None)
    expected = ((1.0 - weight) * plain**2 + weight * worst**2) ** 0.5
    assert portfolio_volatility(weights, VOLATILITY, stressed) == pytest.approx(expected, rel=1e-12)


def test_the_unsigned_view_makes_a_hedged_book_look_safer() -> None:
    """Which is why a policy never uses it."""
    weights = np.array([1.0, -1.0, 1.0, -1.0, 0.0])
    plain, unsigned, signed = (
        portfolio_volatility(weights, VOLATILITY, matrix)
        for matrix in (
            CORRELATION,
            stress_correlation(CORRELATION, 0.3),
            stress_correlation(CORRELATION, 0.3, np.sign(weights)),
        )
    )
    assert unsigned < plain < signed


def test_is_a_correlation_matrix_and_keeps_the_original() -> None:
    before = CORRELATION.copy()
    stressed = stress_correlation(CORRELATION, 0.3, np.array([1.0, -1.0, 0.0, 1.0, -1.0]))
    assert np.array_equal(CORRELATION, before)
    assert np.array_equal(np.diag(stressed), np.ones(5))
    assert np.array_equal(stressed, stressed.T)
    assert np.linalg.eigvalsh(stressed)[0] >= 0.7 * np.linalg.eigvalsh(before)[0] - 1e-12
    assert stressed[0, 2] == pytest.approx(0.7 * before[0, 2] + 0.3)
    assert stressed[0, 1] == pytest.approx(0.7 * before[0, 1] - 0.3)
