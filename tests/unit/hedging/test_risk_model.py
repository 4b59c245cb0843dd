"""Covariance of second-order profit and loss: against simulation and one-factor closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.hedging.exposures import GREEKS
from services.hedging.risk_model import RiskModel

TERMS = {
    "price": 60_000.0,
    "volatility": 0.6,
    "horizon_seconds": 5.0 * 86_400.0,
    "volatility_of_volatility": 0.9,
    "correlation": -0.4,
    "skew_volatility_points": 5.0,
}


def simulated(paths: int) -> np.ndarray:
    """Profit and loss of one unit of each published Greek under joint normal moves, shape (paths, 6)."""
    rng, years = np.random.default_rng(3), 5.0 / 365.0
    first, second, third = rng.standard_normal((3, paths))
    r = 0.6 * np.sqrt(years) * first
    v = 0.9 * 0.6 * np.sqrt(years) * (-0.4 * first + np.sqrt(1 - 0.16) * second) * 100.0
    k = 5.0 * np.sqrt(years) * third
    spot = 60_000.0
    # gamma_1pct is Γ S / 100: a unit of it is Γ = 100 / S, and earns Γ (S r)² / 2.
    return np.column_stack([spot * r, 0.5 * (100.0 / spot) * (spot * r) ** 2, v, spot * r * v, 0.5 * v * v, k])


def test_the_covariance_is_that_of_simulated_moves() -> None:
    model = RiskModel.over_horizon(**TERMS).covariance
    scale = np.sqrt(np.diag(model))
    found = np.cov(simulated(2_000_000).T)
    assert found / np.outer(scale, scale) == pytest.approx(model / np.outer(scale, scale), abs=6e-3)


def test_the_root_gives_the_covariance_back() -> None:
    model = RiskModel.over_horizon(**TERMS)
    root, scale = model.root(), np.sqrt(np.diag(model.covariance))
    assert root.T @ root / np.outer(scale, scale) == pytest.approx(model.covariance / np.outer(scale, scale), abs=1e-9)


def test_factors_without_risk_are_left_out() -> None:
    model = RiskModel.over_horizon(price=100.0, volatility=0.5, horizon_seconds=86_400.0)
    assert model.root().shape == (2, len(GREEKS))
    assert RiskModel.diagonal({}).root().shape == (0, len(GREEKS))
    assert RiskModel.diagonal({"delta": 3.0}).deviation(np.array([2.0, 9, 9, 9, 9, 9])) == pytest.approx(6.0)


@pytest.mark.parametrize("correlation", [-1.0, 1.0])
def test_perfect_correlation_is_still_a_covariance(correlation: float) -> None:
    model = RiskModel.over_horizon(**(TERMS | {"correlation": correlation}))
    delta, vega = model.covariance[0, 0], model.covariance[2, 2]
    hedged = np.zeros(6)
    hedged[0], hedged[2] = np.sqrt(vega), -correlation * np.sqrt(delta)
    assert model.deviation(hedged) <= 1e-4 * np.sqrt(delta * vega)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"price": 0.0}, "price must be > 0"),
        ({"volatility": float("nan")}, "volatility must be > 0"),
        ({"horizon_seconds": -1.0}, "horizon_seconds must be > 0"),
        ({"volatility_of_volatility": -0.1}, "volatility_of_volatility must be >= 0"),
        ({"correlation": 1.1}, "correlation must be within"),
    ],
)
def test_inputs_are_checked(changes: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        RiskModel.over_horizon(**(TERMS | changes))


def test_matrices_are_checked() -> None:
    lopsided, indefinite = np.eye(6), np.eye(6)
    lopsided[0, 1] = 0.5
    indefinite[0, 1] = indefinite[1, 0] = 1.5
    for matrix, message in ((lopsided, "symmetric"), (indefinite, "positive semidefinite"), (np.eye(3), "6 x 6")):
        with pytest.raises(InvalidInput, match=message):
            RiskModel(covariance=matrix)
    with pytest.raises(InvalidInput, match="must name delta"):
        RiskModel.diagonal({"theta": 1.0})
