"""Whole lots: against every combination, and near the optimum in fractions where lots are small."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from services.hedging.exposures import Exposure, GreekBound
from services.hedging.hedge_arrays import HedgeArrays, hedge_arrays
from services.hedging.hedge_plan import HedgePlan, HedgeStatus
from services.hedging.hedge_problem import HedgeInstrument, HedgeProblem
from services.hedging.optimizer import optimize_hedge
from services.hedging.relaxation import Relaxed, relax
from tests.support.hedges import SPOT, brute_force, option, perpetual, plain_value, random_problem


def coarse(seed: int, count: int, **changes: object) -> HedgeProblem:
    """A perpetual and one or two options in lots so large that few fit."""
    rng = np.random.default_rng(seed)
    rows: list[HedgeInstrument] = [perpetual(lot=Decimal("1.5"), buy_depth=15.0, sell_depth=15.0)]
    for index in range(count - 1):
        strike, days = SPOT * float(np.exp(rng.uniform(-0.15, 0.15))), float(rng.choice([14, 30, 60]))
        rows.append(
            option(
                f"OPTION-{index}",
                strike,
                days,
                int(rng.choice([-1, 1])),
                lot=Decimal(4),
                minimum=Decimal(int(rng.choice([0, 4, 8]))),
                buy_depth=24.0,
                sell_depth=24.0,
                impact=float(rng.choice([0.0, 3.0])),
            )
        )
    exposure = Exposure(
        delta=float(rng.normal(0.0, 6.0)),
        gamma_1pct=float(rng.normal(0.0, 2.0)),
        vega_per_point=float(rng.normal(0, 900)),
    )
    return replace(random_problem(1, 0), exposure=exposure, instruments=tuple(rows), gap=0.0, **changes)  # type: ignore[arg-type]


def made(plan: HedgePlan) -> dict[str, float]:
    return {trade.symbol: float(trade.contracts) for trade in plan.trades}


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_no_combination_of_lots_is_better(count: int, seed: int) -> None:
    problem = coarse(seed, count)
    plan, (best, trades) = optimize_hedge(problem), brute_force(problem)
    if plan.status is HedgeStatus.OPTIMAL or plan.status is HedgeStatus.LIMITED:
        assert plain_value(problem, made(plan)) == pytest.approx(best, rel=1e-3), trades
        assert plan.objective_after == pytest.approx(plain_value(problem, made(plan)), rel=1e-9)
    else:
        after = [
            problem.exposure.values()[at]
            + sum(trades[row.symbol] * row.greeks.values()[at] for row in problem.instruments)
            for at in range(6)
        ]
        before, sigma = np.array(problem.exposure.values()), problem.risk.covariance
        assert np.array(after) @ sigma @ np.array(after) > before @ sigma @ before


@pytest.mark.parametrize("seed", range(8))
def test_nor_within_margin_and_cash(seed: int) -> None:
    problem = coarse(seed, 3, margin_budget=30_000.0, cash_budget=20_000.0)
    plan, (best, trades) = optimize_hedge(problem), brute_force(problem)
    if plan.status is HedgeStatus.OPTIMAL or plan.status is HedgeStatus.LIMITED:
        assert plain_value(problem, made(plan)) == pytest.approx(best, rel=1e-3), trades


@pytest.mark.parametrize("count", [5, 20, 60])
@pytest.mark.parametrize("seed", range(4))
def test_small_lots_cost_almost_nothing(count: int, seed: int) -> None:
    """Within 0.2 % of the continuous optimum, in cost and risk."""
    problem = random_problem(count, seed, lot="0.001", impact=0.5 * (seed % 2))
    found = relax(hedge_arrays(problem), 10.0)
    plan = optimize_hedge(problem)
    assert isinstance(found, Relaxed)
    assert plan.objective_after - found.value <= 2e-3 * found.spent


@pytest.mark.parametrize("seed", range(6))
def test_lots_are_exact_and_least_orders_kept(seed: int) -> None:
    problem = random_problem(15, seed, lot="0.3")
    rows = tuple(replace(row, minimum=Decimal("1.2")) for row in problem.instruments)
    plan = optimize_hedge(replace(problem, instruments=rows))
    by_symbol = {row.symbol: row for row in rows}
    assert plan.trades
    for trade in plan.trades:
        assert trade.contracts % by_symbol[trade.symbol].lot == 0
        assert abs(trade.contracts) >= Decimal("1.2")


def test_a_delta_bounded_to_zero_is_closed_to_the_lot() -> None:
    bound = GreekBound(greek="delta", lower=0.0, upper=0.0, breach_cost=20_000.0)
    problem = random_problem(12, 4, bounds=(bound,))
    plan = optimize_hedge(problem)
    assert abs(plan.after.delta) <= 0.001


def test_the_cheapest_linear_instrument_closes_the_delta() -> None:
    bound = GreekBound(greek="delta", lower=-0.01, upper=0.01, breach_cost=20_000.0)
    rows = (perpetual(), perpetual(symbol="SPOT", buy_cost=50.0, sell_cost=50.0, price=SPOT, margin_long=0.0))
    problem = random_problem(1, 0, exposure=Exposure(delta=-3.4567), bounds=(bound,), instruments=rows)
    plan = optimize_hedge(problem)
    assert [trade.symbol for trade in plan.trades] == ["PERP"]
    assert abs(plan.after.delta) <= 0.011


def test_hundreds_of_instruments_are_not_searched_in_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pairs of 150 instruments are 90,000 rows a step, which took minutes; with impact each of them is traded."""
    rows = tuple(
        perpetual(symbol=f"PERP-{index:03d}", lot=Decimal(1), impact=10.0, buy_cost=1.0 + index / 150, sell_cost=1.0)
        for index in range(150)
    )
    tried: list[int] = []

    def counted(arrays: HedgeArrays, trades: np.ndarray) -> np.ndarray:
        tried.append(int(np.prod(np.shape(trades)[:-1])))
        return exact(arrays, trades)

    exact = HedgeArrays.value
    monkeypatch.setattr(HedgeArrays, "value", counted)
    plan = optimize_hedge(replace(random_problem(1, 0), exposure=Exposure(delta=-110.4), instruments=rows, bounds=()))
    assert max(tried) <= 5_000
    assert plan.risk_after < 0.2 * plan.risk_before and len(plan.trades) > 50
