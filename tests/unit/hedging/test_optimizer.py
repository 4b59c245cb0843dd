"""What the hedge optimiser answers: statuses, fallbacks, refusals, explanations."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.outcome import Reason
from services.hedging.exposures import Exposure, GreekBound
from services.hedging.hedge_plan import ConstraintKind, HedgeStatus
from services.hedging.hedge_problem import HedgeProblem
from services.hedging.optimizer import optimize_hedge
from services.hedging.risk_model import RiskModel
from tests.support.hedges import SPOT, option, perpetual, plain_value, random_problem

HARD_VEGA = GreekBound(greek="vega_per_point", lower=-100.0, upper=100.0)
DELTA = GreekBound(greek="delta", lower=-0.5, upper=0.5, breach_cost=20_000.0)


def problem(**changes: object) -> HedgeProblem:
    return random_problem(1, 0, **({"exposure": Exposure(delta=4.0), "bounds": (DELTA,)} | changes))


def test_a_delta_is_hedged_and_every_figure_adds_up() -> None:
    asked = problem()
    plan = optimize_hedge(asked)
    assert (plan.status, plan.reason) == (HedgeStatus.OPTIMAL, Reason.NONE)
    (trade,) = plan.trades
    assert trade.symbol == "PERP" and trade.contracts < 0
    assert plan.after.delta == pytest.approx(plan.before.delta + trade.change.delta)
    assert trade.change.delta == pytest.approx(float(trade.contracts))
    assert plan.expected_cost == pytest.approx(trade.cost) == pytest.approx(18.0 * abs(float(trade.contracts)))
    assert plan.margin_after == pytest.approx(1200.0 * abs(float(trade.contracts)))
    assert plan.cash == pytest.approx(plan.expected_cost)
    assert plan.objective_after == pytest.approx(plain_value(asked, {"PERP": float(trade.contracts)}))
    assert plan.objective_before == pytest.approx(plain_value(asked, {}))
    deviation = math.sqrt(asked.risk.covariance[0, 0]) * abs(plan.after.delta)
    assert plan.risk_after == pytest.approx(deviation) and plan.risk_after < plan.risk_before
    assert plan.gap is not None and plan.gap <= 1e-3


def test_within_bounds_nothing_is_traded_that_is_not_worth_its_cost() -> None:
    plan = optimize_hedge(problem(exposure=Exposure(delta=0.3), risk_aversion=1e-9))
    assert (plan.status, plan.reason, plan.trades) == (HedgeStatus.OPTIMAL, Reason.WITHIN_BUFFER, ())
    assert plan.expected_cost == 0.0 and plan.after == plan.before


def test_too_little_depth_is_limited_and_says_by_what() -> None:
    plan = optimize_hedge(problem(instruments=(perpetual(sell_depth=2.0),)))
    assert (plan.status, plan.reason) == (HedgeStatus.LIMITED, Reason.LIMIT)
    assert plan.breaches == (("delta", pytest.approx(1.5)),)
    kinds = {item.kind: item for item in plan.binding}
    assert kinds[ConstraintKind.SELL_DEPTH].name == "PERP"
    assert kinds[ConstraintKind.SELL_DEPTH].price == pytest.approx(20_000.0, rel=0.01)
    assert kinds[ConstraintKind.UPPER_BOUND].price == pytest.approx(20_000.0)


def test_too_little_margin_is_limited_and_margin_has_a_price() -> None:
    plan = optimize_hedge(problem(margin_budget=1200.0))
    assert plan.status is HedgeStatus.LIMITED
    assert plan.margin_after <= 1200.0 * (1 + 1e-6)
    assert [trade.contracts for trade in plan.trades] == [Decimal(-1)]
    assert plan.margin_price == pytest.approx(20_000.0 / 1200.0, rel=0.01)
    assert ConstraintKind.MARGIN in {item.kind for item in plan.binding}


def test_too_little_cash_is_limited_and_cash_has_a_price() -> None:
    rows = (perpetual(symbol="SPOT", price=SPOT, margin_long=0.0, margin_short=0.0),)
    plan = optimize_hedge(problem(exposure=Exposure(delta=-4.0), instruments=rows, cash_budget=2.0 * SPOT))
    assert plan.status is HedgeStatus.LIMITED
    assert plan.cash <= 2.0 * SPOT * (1 + 1e-6) and plan.trades[0].contracts == Decimal("1.999")
    assert plan.cash_price > 0.0


def test_a_margin_that_is_over_its_budget_may_shrink_and_not_grow() -> None:
    rows = (perpetual(position=5.0),)
    shrinks = optimize_hedge(problem(instruments=rows, margin_budget=1000.0))
    assert shrinks.trades and shrinks.margin_after < shrinks.margin_before == 6000.0
    grows = optimize_hedge(problem(instruments=rows, margin_budget=1000.0, exposure=Exposure(delta=-4.0)))
    assert grows.trades == () and grows.status is HedgeStatus.LIMITED


def test_a_position_beyond_its_turn_takes_margin_again() -> None:
    rows = (perpetual(position=3.0),)
    plan = optimize_hedge(problem(instruments=rows, margin_budget=0.0, exposure=Exposure(delta=9.0)))
    (trade,) = plan.trades
    assert trade.contracts == -6  # three to flat, three short: the margin that it used before
    assert plan.margin_after == plan.margin_before == 3600.0


def test_reduce_only_stops_at_flat() -> None:
    rows = (perpetual(position=1.5, reduce_only=True),)
    plan = optimize_hedge(problem(instruments=rows))
    assert [trade.contracts for trade in plan.trades] == [Decimal("-1.5")]
    shut = optimize_hedge(problem(instruments=(perpetual(position=-1.5, reduce_only=True),)))
    assert shut.trades == () and shut.status is HedgeStatus.LIMITED


def test_hard_bounds_that_cannot_be_kept_leave_a_delta_hedge() -> None:
    plan = optimize_hedge(problem(exposure=Exposure(delta=4.0004, vega_per_point=-5000.0), bounds=(DELTA, HARD_VEGA)))
    assert (plan.status, plan.reason) == (HedgeStatus.FALLBACK_DELTA_ONLY, Reason.BOUNDS_INFEASIBLE)
    assert [trade.contracts for trade in plan.trades] == [Decimal("-4.000")]
    assert plan.risk_after < plan.risk_before
    assert ("vega_per_point", pytest.approx(4900.0)) in plan.breaches


def test_and_without_a_linear_instrument_a_refusal() -> None:
    rows = (option("CALL", SPOT, 30.0, 1, buy_depth=1.0, sell_depth=1.0),)
    plan = optimize_hedge(
        problem(exposure=Exposure(delta=4.0, vega_per_point=-5000.0), bounds=(DELTA, HARD_VEGA), instruments=rows)
    )
    assert (plan.status, plan.reason, plan.trades) == (HedgeStatus.REFUSED, Reason.BOUNDS_INFEASIBLE, ())
    assert plan.after == plan.before


def test_a_solver_without_time_leaves_a_delta_hedge() -> None:
    asked = replace(random_problem(200, 1), time_limit_seconds=1e-9)
    plan = optimize_hedge(asked)
    assert (plan.status, plan.reason) == (HedgeStatus.FALLBACK_DELTA_ONLY, Reason.SOLVER_FAILED)
    assert {trade.symbol for trade in plan.trades} == {"PERP"}
    assert abs(plan.after.delta) < abs(plan.before.delta)


def test_an_optimum_that_raises_the_risk_is_not_traded() -> None:
    """A volga bound on a book without other risk, to be kept with an option that brings vega."""
    volga = GreekBound(greek="volga_per_point", lower=-1.0, upper=1.0, breach_cost=1e7)
    rows = (option("WING", 1.4 * SPOT, 60.0, 1),)
    plan = optimize_hedge(problem(exposure=Exposure(volga_per_point=-3.0), bounds=(volga,), instruments=rows))
    assert (plan.status, plan.reason, plan.trades) == (HedgeStatus.REFUSED, Reason.RISK_NOT_REDUCED, ())


def test_no_instruments_is_a_refusal_only_where_there_is_something_to_do() -> None:
    refused = optimize_hedge(problem(instruments=()))
    assert (refused.status, refused.reason) == (HedgeStatus.REFUSED, Reason.NO_DEPTH)
    idle = optimize_hedge(problem(instruments=(perpetual(buy_depth=0.0, sell_depth=0.0005),), exposure=Exposure()))
    assert (idle.status, idle.reason) == (HedgeStatus.OPTIMAL, Reason.WITHIN_BUFFER)


def test_the_fallback_keeps_a_delta_that_hedges_vega() -> None:
    """With correlated volatility the variance would rise if the delta went to zero."""
    risk = RiskModel.over_horizon(
        price=SPOT, volatility=0.6, horizon_seconds=86_400.0, volatility_of_volatility=1.0, correlation=-0.9
    )
    variance, covariance = risk.covariance[0, 0], risk.covariance[0, 2]
    vega = -3000.0
    best = -covariance * vega / variance
    assert best < -0.5
    asked = problem(exposure=Exposure(delta=float(best), vega_per_point=vega), bounds=(DELTA, HARD_VEGA), risk=risk)
    plan = optimize_hedge(asked)
    assert plan.status is HedgeStatus.REFUSED and plan.trades == ()


def test_the_fallback_uses_the_cheapest_first_and_keeps_margin() -> None:
    rows = (
        perpetual(),
        perpetual(symbol="CHEAP", buy_cost=5.0, sell_cost=5.0, sell_depth=1.5, minimum=Decimal(1)),
    )
    asked = problem(exposure=Exposure(delta=4.0, vega_per_point=-5000.0), bounds=(DELTA, HARD_VEGA), instruments=rows)
    plan = optimize_hedge(asked)
    assert {trade.symbol: trade.contracts for trade in plan.trades} == {
        "CHEAP": Decimal("-1.5"),
        "PERP": Decimal("-2.5"),
    }
    tight = optimize_hedge(replace(asked, margin_budget=2400.0))
    assert sum(abs(trade.contracts) for trade in tight.trades) == 2
    assert tight.margin_after <= 2400.0 * (1 + 1e-6)


def test_worth_explains_each_trade() -> None:
    plan = optimize_hedge(random_problem(20, 3))
    symbols = {row.symbol: row for row in random_problem(20, 3).instruments}
    assert len(plan.trades) >= 2
    for trade in plan.trades:
        row = symbols[trade.symbol]
        assert trade.worth_per_contract is not None
        assert trade.worth_per_contract >= 0.95 * (row.buy_cost if trade.contracts > 0 else row.sell_cost)


def test_a_book_of_nothing_is_left_alone() -> None:
    plan = optimize_hedge(random_problem(6, 1, exposure=Exposure()))
    assert plan.trades == () and plan.status is HedgeStatus.OPTIMAL and plan.risk_after == 0.0


def test_a_risk_model_without_risk_still_keeps_bounds() -> None:
    plan = optimize_hedge(problem(risk=RiskModel.diagonal({})))
    assert plan.trades[0].contracts == Decimal("-3.5") and plan.breaches == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instruments": (perpetual(), perpetual())}, "instruments.symbol must not repeat"),
        ({"bounds": (DELTA, DELTA)}, "bounds.greek must not repeat"),
        ({"risk_aversion": -1.0}, "risk_aversion must be >= 0"),
        ({"margin_budget": float("nan")}, "margin_budget must be >= 0"),
        ({"time_limit_seconds": 0.0}, "time_limit_seconds must be > 0"),
    ],
)
def test_problems_are_checked(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        problem(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"buy_cost": -1.0}, r"instruments\[PERP\].buy_cost must be >= 0"),
        ({"sell_depth": float("inf")}, "sell_depth must be >= 0 and finite"),
        ({"lot": Decimal(0)}, "lot must be > 0"),
        ({"position": float("nan")}, "position must be finite"),
    ],
)
def test_instruments_are_checked(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        perpetual(**changes)


def test_bounds_and_exposures_are_checked() -> None:
    with pytest.raises(InvalidInput, match="delta must be finite"):
        Exposure(delta=float("nan"))
    with pytest.raises(InvalidInput, match="lower <= upper"):
        GreekBound(greek="delta", lower=1.0, upper=-1.0)
    with pytest.raises(InvalidInput, match="must be one of delta, gamma_1pct"):
        GreekBound(greek="theta", lower=-1.0, upper=1.0)
    assert np.isinf(GreekBound(greek="delta", lower=-np.inf, upper=1.0).lower)
