"""Bands: the closed form against a minimiser and against paths, its two limits, and the references beside it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from services.core.errors import InvalidInput
from services.hedging.bands import (
    TwoBand,
    band_objective,
    bounded_band,
    delta_left,
    leland_volatility,
    risk_aversion_from_band,
    two_band,
    whalley_wilmott_target,
    zakamouline_band,
)

SHORT_CALL = {"gamma": 0.0231, "spot": 100.0, "risk_aversion": 1.0}
COSTS = [(0.0005, 0.002), (0.0005, 0.05), (0.002, 1e-6), (1e-6, 0.01), (0.05, 20.0)]


@pytest.mark.parametrize(("rate", "fixed"), COSTS)
def test_the_closed_form_is_where_a_minimiser_ends(rate: float, fixed: float) -> None:
    costs = {"cost_rate": rate, "fixed_cost": fixed}
    band = two_band(**SHORT_CALL, **costs)

    def objective(logs: np.ndarray) -> float:
        gap, inner = np.exp(logs)
        return float(band_objective(inner + gap, inner, **SHORT_CALL, **costs))

    start = np.log([0.5 * float(band.outer), 0.3 * float(band.outer)])
    options = {"xatol": 1e-10, "fatol": 1e-18, "maxiter": 5000, "maxfev": 5000}
    found = minimize(objective, start, method="Nelder-Mead", options=options)
    gap, inner = np.exp(found.x)
    assert float(band_objective(*band, **SHORT_CALL, **costs)) <= found.fun * (1.0 + 1e-12)
    assert float(band.outer) == pytest.approx(inner + gap, rel=1e-5)
    assert float(band.inner) == pytest.approx(inner, rel=1e-4, abs=1e-6 * float(band.outer))


def test_without_a_fixed_cost_it_is_whalley_and_wilmott() -> None:
    """``w = u = (3/2 λ S Γ² / g)^{1/3}``, and the least of the objective as the order shrinks to nothing."""
    outer, inner = two_band(**SHORT_CALL, cost_rate=0.0005, fixed_cost=0.0)
    assert float(outer) == float(inner) == pytest.approx((1.5 * 0.0005 * 100.0 * 0.0231**2) ** (1 / 3), rel=1e-14)

    def edge(width: float) -> float:
        return width**2 / 6.0 + 0.0231**2 * 0.05 / (2.0 * width)

    best = minimize_scalar(edge, bounds=(1e-3, 1.0), method="bounded", options={"xatol": 1e-12})
    assert float(outer) == pytest.approx(best.x, rel=1e-6)
    nearly = two_band(**SHORT_CALL, cost_rate=0.0005, fixed_cost=1e-18)
    assert float(nearly.inner) == pytest.approx(float(inner), rel=1e-3)


def test_without_a_proportional_cost_every_trade_ends_at_zero() -> None:
    outer, inner = two_band(**SHORT_CALL, cost_rate=0.0, fixed_cost=0.01)
    assert (float(outer), float(inner)) == (pytest.approx((12.0 * 0.01 * 0.0231**2) ** 0.25, rel=1e-14), 0.0)


def test_nothing_to_hedge_or_nothing_to_pay_is_a_band_of_no_width() -> None:
    costs = {"cost_rate": 0.001, "fixed_cost": 1.0}
    assert two_band(0.0, 100.0, risk_aversion=1.0, **costs) == TwoBand(np.array(0.0), np.array(0.0))
    assert two_band(0.02, 100.0, risk_aversion=np.inf, **costs) == TwoBand(np.array(0.0), np.array(0.0))
    free = two_band(0.02, 100.0, risk_aversion=1.0, cost_rate=0.0, fixed_cost=0.0)
    assert free == TwoBand(np.array(0.0), np.array(0.0))


def test_extremes_neither_overflow_nor_vanish() -> None:
    gamma = np.array([1e-12, 1.0, 1e12])
    outer, inner = two_band(gamma, [[1e-8], [1e9]], cost_rate=0.001, fixed_cost=1.0, risk_aversion=[[1e-12], [1e9]])
    assert outer.shape == (2, 3)
    assert (np.isfinite(outer) & (outer > 0.0) & (inner >= 0.0) & (inner <= outer)).all()


def test_variance_and_orders_of_the_objective_are_those_of_paths() -> None:
    """A delta that diffuses at ν = 1, put back to u from w: variance (w² + u²)/6, one order in w² − u² years."""
    outer, inner, step = 1.0, 0.4, 1e-3
    rng = np.random.default_rng(7)
    delta, squares, orders = rng.uniform(-0.7, 0.7, 4_000), [], []
    for _ in range(6_000):
        delta = delta + np.sqrt(step) * rng.standard_normal(delta.size)
        acts, left = delta_left(delta, TwoBand(np.array(outer), np.array(inner)))
        delta = np.copysign(left, delta)
        orders.append(acts.mean())
        squares.append((delta**2).mean())
    # A grid sees the band 0.5826 standard deviations of a step late (Broadie, Glasserman & Kou 1997).
    late = outer + 0.5826 * np.sqrt(step)
    settled = slice(1_500, None)
    assert np.mean(squares[settled]) == pytest.approx((late**2 + inner**2) / 6.0, rel=0.02)
    assert np.mean(orders[settled]) / step == pytest.approx(1.0 / (late**2 - inner**2), rel=0.02)


@pytest.mark.parametrize(("rate", "fixed"), [*COSTS, (0.001, 0.0), (0.0, 3.0)])
def test_a_risk_aversion_gives_back_its_band(rate: float, fixed: float) -> None:
    costs = {"cost_rate": rate, "fixed_cost": fixed}
    found = risk_aversion_from_band([0.001, 0.03, 7.0], 0.0231, 100.0, **costs)
    again = two_band(0.0231, 100.0, risk_aversion=found, **costs)
    assert again.outer == pytest.approx(np.array([0.001, 0.03, 7.0]), rel=1e-10)


def test_floors_widen_and_a_hard_limit_wins() -> None:
    band = TwoBand(np.array([0.01, 0.2, 3.0]), np.array([0.01, 0.1, 2.0]))
    outer, inner = bounded_band(band, least=0.05, most=1.0)
    assert (outer.tolist(), inner.tolist()) == ([0.05, 0.2, 1.0], [0.01, 0.1, 1.0])
    assert bounded_band(band, least=2.0, most=1.0).outer.tolist() == [1.0, 1.0, 1.0]


def test_a_delta_on_the_edge_is_inside() -> None:
    acts, left = delta_left([0.3, -0.3, -0.300001, 0.0], TwoBand(np.array(0.3), np.array(0.1)))
    assert (acts.tolist(), left.tolist()) == ([False, False, True, False], [0.3, 0.3, 0.1, 0.0])


def test_the_whalley_wilmott_target_moves_as_little_as_it_must() -> None:
    held = np.array([0.0, 0.49, 0.5, 0.9])
    target = whalley_wilmott_target(0.5, 0.0231, 100.0, held, cost_rate=0.0005, risk_aversion=1.0)
    width = float(two_band(**SHORT_CALL, cost_rate=0.0005, fixed_cost=0.0).outer)
    assert target == pytest.approx([0.5 - width, 0.49, 0.5, 0.5 + width])


def test_lelands_volatility_pays_the_expected_cost_of_its_hedges() -> None:
    """The option's premium over Black's is what its hedges are expected to cost: ``κ/2 · S Γ σ S √(2/(π dt))`` a year.

    To first order in κ, from ``∂V/∂t = −½ σ² S² Γ``: the additional variance times ½ S² Γ.
    """
    sigma, cost, step, unit = 0.6, 1e-4, 1 / 365, 0.5 * 100.0**2 * 0.0231
    extra = float(leland_volatility(sigma, round_trip_cost=cost, interval_years=step)) ** 2 - sigma**2
    rng = np.random.default_rng(3)
    moves = np.abs(0.0231 * sigma * 100.0 * np.sqrt(step) * rng.standard_normal(400_000))
    assert extra * unit == pytest.approx(0.5 * cost * 100.0 * float(moves.mean()) / step, rel=0.01)
    assert float(leland_volatility(sigma, round_trip_cost=cost, interval_years=step, short=False)) < sigma
    assert float(leland_volatility(0.1, round_trip_cost=0.1, interval_years=1e-4, short=False)) == 0.0


def test_zakamoulines_terms_grow_with_the_cost() -> None:
    terms = {"volatility": 0.6, "time_to_expiry": 30 / 365, "risk_aversion": 1.0}
    dear, cheap = (zakamouline_band(0.0231, 100.0, cost_rate=rate, **terms) for rate in (0.01, 0.001))
    assert dear.h0 == pytest.approx(10.0 * float(cheap.h0))
    assert dear.h1 == pytest.approx(10.0**0.31 * float(cheap.h1))
    assert dear.k == pytest.approx(10.0**0.78 * float(cheap.k))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"gamma": float("nan")}, "gamma must be finite"),
        ({"spot": 0.0}, "spot must be > 0"),
        ({"cost_rate": -0.1}, "cost_rate must be >= 0"),
        ({"fixed_cost": float("inf")}, "fixed_cost must be finite"),
        ({"risk_aversion": 0.0}, "risk_aversion must be > 0"),
        ({"risk_aversion": float("nan")}, "risk_aversion must be > 0"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, float], rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        two_band(**{**SHORT_CALL, "cost_rate": 0.001, "fixed_cost": 0.1, **changes})


def test_a_band_says_nothing_of_risk_aversion_without_a_cost() -> None:
    with pytest.raises(InvalidInput, match="cost_rate must be > 0"):
        risk_aversion_from_band(0.1, 0.02, 100.0, cost_rate=0.0)
    with pytest.raises(InvalidInput, match="gamma must be > 0"):
        risk_aversion_from_band(0.1, 0.0, 100.0, cost_rate=0.01)
    with pytest.raises(InvalidInput, match="outer - inner must be > 0"):
        band_objective(0.1, 0.1, **SHORT_CALL, cost_rate=0.001, fixed_cost=0.0)
