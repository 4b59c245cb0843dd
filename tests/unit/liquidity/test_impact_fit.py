"""The fitted impact coefficient against simulated orders of a known one, and against a slow minimiser."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, stdev

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from services.liquidity.impact_fit import HUBER, LEAST_ORDERS, PRIOR_DEVIATION, fit_impact
from services.liquidity.shortfall import Execution

NOISE = 0.15
"""Deviation of the price around the law, in volatilities of a day: an hour is 0.2."""


def orders(
    coefficient: float, count: int, seed: int, *, outliers: float = 0.0, arrival: bool = False
) -> list[Execution]:
    """Orders whose prices follow the law with noise; a share of them is hit by moves of ten times the noise."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        volatility, share, price = rng.uniform(0.01, 0.06), 10.0 ** rng.uniform(-4.0, -1.0), rng.uniform(10.0, 1000.0)
        noise = NOISE * volatility * rng.standard_normal() * (10.0 if rng.random() < outliers else 1.0)
        side, half_spread = int(rng.choice([-1, 1])), 0.0002
        delay = volatility * rng.standard_normal() if arrival else 0.0
        move = coefficient * volatility * math.sqrt(share) + half_spread + noise + delay
        made.append(
            Execution(
                side=side,
                ordered=1.0,
                filled=1.0,
                decision_price=price,
                average_price=price * (1.0 + side * move),
                arrival_price=price * (1.0 + side * delay) if arrival else None,
                half_spread=half_spread,
                daily_volatility=volatility,
                impact_scale=volatility * math.sqrt(share),
            )
        )
    return made


@pytest.mark.parametrize(("coefficient", "outliers"), [(0.5, 0.0), (1.0, 0.05), (2.0, 0.0)])
def test_the_regression_is_unbiased_and_its_error_is_the_one_that_it_tells(coefficient: float, outliers: float) -> None:
    fits = [fit_impact(orders(coefficient, 60, seed, outliers=outliers), prior=1.0) for seed in range(300)]
    estimates = [fit.estimate for fit in fits if fit is not None]
    errors = [fit.standard_error for fit in fits if fit is not None]
    assert len(estimates) == 300
    assert abs(fmean(estimates) - coefficient) < 3.0 * stdev(estimates) / math.sqrt(300)
    assert fmean(errors) == pytest.approx(stdev(estimates), rel=0.15)


def test_the_interval_holds_the_coefficient_as_often_as_it_says_where_the_prior_is_right() -> None:
    """Coefficients drawn from the prior: the posterior interval covers 95 % of them."""
    rng = np.random.default_rng(5)
    inside = 0
    for seed in range(400):
        coefficient = max(float(rng.normal(1.0, PRIOR_DEVIATION)), 0.02)
        fit = fit_impact(orders(coefficient, 60, 1000 + seed), prior=1.0)
        assert fit is not None
        inside += fit.interval[0] <= coefficient <= fit.interval[1]
    assert abs(inside / 400 - 0.95) < 3.0 * math.sqrt(0.95 * 0.05 / 400)


def test_arrival_prices_take_the_delay_out() -> None:
    made = orders(1.0, 200, 3, arrival=True)
    with_arrival = fit_impact(made, prior=1.0)
    without = fit_impact([replace(item, arrival_price=None) for item in made], prior=1.0)
    assert with_arrival is not None and without is not None
    assert with_arrival.standard_error < 0.5 * without.standard_error
    assert abs(with_arrival.estimate - 1.0) < 4.0 * with_arrival.standard_error


def test_it_is_the_minimum_of_hubers_loss() -> None:
    made = orders(1.3, 80, 9, outliers=0.1)
    fit = fit_impact(made, prior=1.0)
    assert fit is not None
    z = np.array([(item.own_move or 0.0) / (item.daily_volatility or 1.0) for item in made])
    u = np.array([(item.impact_scale or 0.0) / (item.daily_volatility or 1.0) for item in made])
    scale = 1.4826 * float(np.median(np.abs(z - fit.estimate * u)))

    def loss(slope: float) -> float:
        size = np.abs(z - slope * u) / scale
        return float(np.where(size <= HUBER, 0.5 * size**2, HUBER * (size - 0.5 * HUBER)).sum())

    slow = minimize_scalar(loss, bounds=(-5.0, 5.0), method="bounded", options={"xatol": 1e-10})
    assert fit.estimate == pytest.approx(slow.x, abs=1e-6)


def test_shrinkage_is_between_estimate_and_prior_and_fades_with_data() -> None:
    few, many = fit_impact(orders(2.0, LEAST_ORDERS, 4), prior=0.5), fit_impact(orders(2.0, 2000, 4), prior=0.5)
    assert few is not None and many is not None
    for fit in (few, many):
        assert min(0.5, fit.estimate) <= fit.coefficient <= max(0.5, fit.estimate)
    assert abs(many.coefficient - many.estimate) < abs(few.coefficient - few.estimate)


def test_too_few_or_unusable_orders_give_none_and_no_noise_gives_the_law() -> None:
    made = orders(1.0, LEAST_ORDERS, 1)
    assert fit_impact(made[:-1], prior=1.0) is None
    for change in ({"impact_scale": None}, {"daily_volatility": None}, {"filled": 0.0}, {"impact_scale": 0.0}):
        assert fit_impact([*made[:-1], replace(made[-1], **change)], prior=1.0) is None
    moves = [item.side * (1.5 * (item.impact_scale or 0.0) + 0.0002) for item in made]
    exact = [
        replace(item, decision_price=100.0, average_price=100.0 * (1.0 + move))
        for item, move in zip(made, moves, strict=True)
    ]
    fit = fit_impact(exact, prior=1.0)
    assert fit is not None
    assert fit.coefficient == pytest.approx(1.5, abs=1e-9)


def test_it_stays_within_the_bounds_of_a_policy() -> None:
    cheap = fit_impact(orders(-5.0, 200, 2), prior=1.0)
    dear = fit_impact(orders(40.0, 200, 2), prior=1.0)
    assert cheap is not None and dear is not None
    assert (cheap.coefficient, dear.coefficient) == (0.01, 10.0)
