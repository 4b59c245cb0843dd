"""The optimum in fractions of lots: against a general solver, its own lower bound, and finite differences."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from services.hedging.exposures import GREEKS, Exposure, GreekBound
from services.hedging.hedge_arrays import hedge_arrays
from services.hedging.hedge_problem import HedgeProblem
from services.hedging.optimizer import exposure_prices, optimize_hedge
from services.hedging.relaxation import GOOD_ENOUGH, Relaxed, relax
from tests.support.hedges import continuous_optimum, perpetual, plain_value, random_problem

CASES = [(3, 1), (4, 2), (6, 3), (6, 4), (8, 5), (8, 6)]


def relaxed(problem: HedgeProblem) -> Relaxed:
    found = relax(hedge_arrays(problem), 10.0)
    assert isinstance(found, Relaxed)
    return found


@pytest.mark.parametrize(("count", "seed"), CASES)
@pytest.mark.parametrize("impact", [0.0, 2.0])
def test_it_is_the_optimum_that_a_general_solver_finds(count: int, seed: int, impact: float) -> None:
    problem = random_problem(count, seed, impact=impact)
    found, oracle = relaxed(problem), continuous_optimum(problem)
    assert found.value == pytest.approx(oracle, abs=1e-4 * found.spent)
    assert found.lower_bound <= oracle * (1.0 + 1e-9)


@pytest.mark.parametrize("count", [3, 10, 40, 150])
@pytest.mark.parametrize("changes", [{}, {"impact": 1.0}, {"margin_budget": 60_000.0}, {"cash_budget": 30_000.0}])
def test_value_and_proven_bound_meet(count: int, changes: dict[str, float]) -> None:
    for seed in range(4):
        found = relaxed(random_problem(count, seed, **changes))  # type: ignore[arg-type]
        assert 0.0 <= found.gap <= 2.0 * GOOD_ENOUGH, (seed, found.passes)


@pytest.mark.parametrize(("count", "seed"), CASES)
def test_the_value_is_the_plain_sum(count: int, seed: int) -> None:
    problem = random_problem(count, seed, impact=1.0)
    found = relaxed(problem)
    symbols = sorted(row.symbol for row in problem.instruments)
    trades = dict(zip(symbols, found.trades.tolist(), strict=True))
    assert found.value == pytest.approx(plain_value(problem, trades), rel=1e-6)


@pytest.mark.parametrize(("count", "seed"), [(5, 1), (12, 2), (30, 3)])
@pytest.mark.parametrize("greek", GREEKS[:5])
def test_the_price_of_a_greek_is_the_slope_of_the_optimal_value(count: int, seed: int, greek: str) -> None:
    """The optimal value is convex in the exposure: the price lies between the slopes on both sides."""
    problem = random_problem(count, seed)
    found, at = relaxed(problem), GREEKS.index(greek)
    price = float(exposure_prices(hedge_arrays(problem), found)[at])
    step = 0.02 * max(abs(problem.exposure.values()[at]), 0.1)

    def moved(by: float) -> float:
        exposure = replace(problem.exposure, **{greek: problem.exposure.values()[at] + by})
        return relaxed(replace(problem, exposure=exposure)).value

    noise = 3.0 * GOOD_ENOUGH * found.spent / step
    assert (found.value - moved(-step)) / step - noise <= price <= (moved(step) - found.value) / step + noise


@pytest.mark.parametrize(("count", "seed"), [(5, 1), (12, 2), (30, 3)])
def test_the_price_of_a_bound_is_what_a_wider_one_saves(count: int, seed: int) -> None:
    problem = random_problem(count, seed)
    found, binding = relaxed(problem), 0
    arrays = hedge_arrays(problem)
    for at, bound in enumerate(problem.bounds):
        price = max(float(found.prices.upper[at]), float(found.prices.lower[at]))
        assert bound.breach_cost is not None and price <= bound.breach_cost
        step = 0.02 * bound.upper
        saved = []
        for by in (-step, step):
            wider = replace(bound, lower=bound.lower - by, upper=bound.upper + by)
            bounds = tuple(wider if other is bound else other for other in problem.bounds)
            saved.append((found.value - relaxed(replace(problem, bounds=bounds)).value) / by)
        noise = 3.0 * GOOD_ENOUGH * found.spent / step
        assert saved[1] - noise <= price <= saved[0] + noise
        binding += price > 0.0
    assert binding or not arrays.excess(np.zeros(count)).any()


def test_the_price_of_margin_is_what_more_of_it_saves() -> None:
    problem = random_problem(12, 2, margin_budget=100_000.0)
    tight = relaxed(replace(problem, margin_budget=hedge_arrays(problem).margin_used + 500.0))
    assert tight.prices.margin > 0.0
    step = 50.0
    values = [
        relaxed(replace(problem, margin_budget=hedge_arrays(problem).margin_used + 500.0 + by)).value
        for by in (-step, step)
    ]
    noise = 3.0 * GOOD_ENOUGH * tight.spent / step
    assert (tight.value - values[1]) / step - noise <= tight.prices.margin <= (values[0] - tight.value) / step + noise


def test_one_linear_instrument_stops_where_its_cost_is_the_risk_it_saves() -> None:
    """Closed form: ``a σ² S² h (e − x) = cost``."""
    problem = random_problem(1, 0, exposure=Exposure(delta=10.0), bounds=())
    variance = float(problem.risk.covariance[0, 0])
    left = 18.0 / (problem.risk_aversion * variance)
    assert 0.0 < left < 10.0
    found = relaxed(problem)
    assert 10.0 + found.trades[0] == pytest.approx(left, rel=5e-2)  # flat there: 1e-4 of the value
    price = float(exposure_prices(hedge_arrays(problem), found)[0])
    assert price == pytest.approx(18.0, rel=1e-2)


def test_hard_bounds_that_cannot_be_kept_are_infeasible() -> None:
    bound = GreekBound(greek="vega_per_point", lower=-1.0, upper=1.0)
    problem = random_problem(1, 0, exposure=Exposure(vega_per_point=50.0), bounds=(bound,))
    assert relax(hedge_arrays(problem), 10.0) == "infeasible"


def test_a_time_limit_that_strikes_fails() -> None:
    assert relax(hedge_arrays(random_problem(300, 1)), 1e-9) == "failed"


def test_without_risk_aversion_only_the_bounds_are_bought() -> None:
    bound = GreekBound(greek="delta", lower=-1.0, upper=1.0, breach_cost=1e4)
    rows = (perpetual(), perpetual(symbol="FUTURE", buy_cost=10.0, sell_cost=10.0, sell_depth=3.0))
    problem = random_problem(1, 0, exposure=Exposure(delta=9.0), bounds=(bound,), risk_aversion=0.0, instruments=rows)
    plan = optimize_hedge(problem)
    assert {trade.symbol: trade.contracts for trade in plan.trades} == {"FUTURE": Decimal(-3), "PERP": Decimal(-5)}
    assert plan.prices[0].bound_price == pytest.approx(18.0)
