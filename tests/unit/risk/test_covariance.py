"""Volatility of a book and its parts."""

from __future__ import annotations

import numpy as np
import pytest

from services.risk.covariance import portfolio_volatility, risk_contributions
from services.risk.methods.dynamic_conditional import dcc_correlation

GENERATOR = np.random.default_rng(5)
CORRELATION = dcc_correlation(GENERATOR.standard_normal((300, 6)))
WEIGHTS, VOLATILITY = GENERATOR.standard_normal(6), GENERATOR.uniform(0.1, 1.0, 6)


def test_equals_the_quadratic_form() -> None:
    covariance = np.outer(VOLATILITY, VOLATILITY) * CORRELATION
    expected = float(np.sqrt(WEIGHTS @ covariance @ WEIGHTS))
    assert portfolio_volatility(WEIGHTS, VOLATILITY, CORRELATION) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("correlation", [CORRELATION, None], ids=["dcc", "none"])
def test_contributions_add_up_and_are_marginal(correlation: np.ndarray | None) -> None:
    parts = risk_contributions(WEIGHTS, VOLATILITY, correlation)
    assert parts.sum() == pytest.approx(portfolio_volatility(WEIGHTS, VOLATILITY, correlation), rel=1e-12)
    for place in range(6):
        step = np.zeros(6)
        step[place] = 1e-6
        ends = [portfolio_volatility(WEIGHTS + sign * step, VOLATILITY, correlation) for sign in (1.0, -1.0)]
        assert parts[place] == pytest.approx(WEIGHTS[place] * (ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8)


def test_without_correlation_nothing_diversifies() -> None:
    assert portfolio_volatility(WEIGHTS, VOLATILITY, None) >= portfolio_volatility(WEIGHTS, VOLATILITY, CORRELATION)
    assert portfolio_volatility(np.array([1.0, -1.0]), np.array([0.5, 0.5]), None) == 1.0


def test_a_book_without_risk() -> None:
    zero = np.zeros(6)
    assert portfolio_volatility(zero, VOLATILITY, CORRELATION) == 0.0
    assert risk_contributions(zero, VOLATILITY, CORRELATION).tolist() == [0.0] * 6
