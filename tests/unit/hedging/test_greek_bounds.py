"""Greek bounds as a method of a policy: the problem that it poses, and how it reads from JSON."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from services.core.errors import InvalidInput
from services.hedging.exposures import Exposure
from services.hedging.hedge_plan import HedgeStatus
from services.hedging.optimizers.greek_bounds import GreekBounds, HedgeMarket
from tests.support.hedges import SPOT, option, perpetual

ROWS = (perpetual(), option("CALL", SPOT, 30.0, 1), option("PUT", 0.9 * SPOT, 30.0, -1))
MARKET = HedgeMarket(
    exposure=Exposure(delta=4.0, gamma_1pct=-3.0, vega_per_point=-2000.0),
    instruments=ROWS,
    price=SPOT,
    volatility=0.6,
    equity=1e6,
)
NAMES = ("PERP", "CALL", "PUT")


def test_bounds_are_kept_at_the_cost_of_options() -> None:
    plan = GreekBounds(instruments=NAMES, max_delta=0.5, max_vega_per_point=500.0).plan(MARKET)
    assert plan.status is HedgeStatus.OPTIMAL
    assert abs(plan.after.delta) <= 0.5 * (1 + 1e-6) and abs(plan.after.vega_per_point) <= 500.0 * (1 + 1e-6)
    assert {trade.symbol for trade in plan.trades} & {"CALL", "PUT"}
    assert plan.risk_after < plan.risk_before


def test_instruments_that_are_not_named_are_not_traded() -> None:
    plan = GreekBounds(instruments=("PERP",), max_delta=0.5, max_vega_per_point=500.0).plan(MARKET)
    assert {trade.symbol for trade in plan.trades} == {"PERP"}
    assert plan.status is HedgeStatus.LIMITED and dict(plan.breaches)["vega_per_point"] == pytest.approx(1500.0)


def test_the_problem_carries_the_policy() -> None:
    policy = GreekBounds(instruments=NAMES, max_delta=0.5, max_gamma_1pct=2.0, breach_factor=100.0)
    problem = policy.problem(MARKET)
    assert problem.risk_aversion == pytest.approx(1e-5)
    assert [(bound.greek, bound.lower, bound.upper) for bound in problem.bounds] == [
        ("delta", -0.5, 0.5),
        ("gamma_1pct", -2.0, 2.0),
    ]
    assert all(bound.breach_cost is not None for bound in problem.bounds)
    hard = replace(policy, hard=True).problem(MARKET)
    assert all(bound.breach_cost is None for bound in hard.bounds)


def test_a_breach_costs_a_multiple_of_the_cheapest_way_out() -> None:
    policy = GreekBounds(instruments=NAMES, max_delta=0.5, breach_factor=100.0, risk_aversion=0.0)
    (bound,) = policy.problem(MARKET).bounds
    assert bound.breach_cost == pytest.approx(100.0 * 18.0)


def test_hard_bounds_that_one_instrument_cannot_keep_leave_the_delta_hedged() -> None:
    plan = GreekBounds(instruments=("PERP",), max_delta=0.5, max_vega_per_point=500.0, hard=True).plan(MARKET)
    assert plan.status is HedgeStatus.FALLBACK_DELTA_ONLY
    assert [trade.contracts for trade in plan.trades] == [Decimal("-4.000")]


def test_a_larger_account_leaves_more_risk() -> None:
    policy = GreekBounds(instruments=("PERP",))
    small, large = (abs(policy.plan(replace(MARKET, equity=equity)).after.delta) for equity in (1e5, 1e7))
    assert small < large


def test_without_equity_the_risk_aversion_must_be_named() -> None:
    with pytest.raises(InvalidInput, match="equity must be > 0"):
        GreekBounds(instruments=NAMES).plan(replace(MARKET, equity=0.0))
    assert GreekBounds(instruments=NAMES, risk_aversion=1e-5).plan(replace(MARKET, equity=0.0)).trades


def test_it_reads_from_json_and_back() -> None:
    adapter = TypeAdapter(GreekBounds)
    policy = adapter.validate_json('{"method": "greek_bounds", "instruments": ["PERP", "CALL"], "max_delta": 0.5}')
    assert policy == GreekBounds(instruments=("PERP", "CALL"), max_delta=0.5)
    assert adapter.validate_json(adapter.dump_json(policy)) == policy
    for bad in ({"instruments": []}, {"instruments": ["A"], "max_delta": -1}, {"instruments": ["A"], "unknown": 1}):
        with pytest.raises(ValidationError):
            adapter.validate_python(bad)
    with pytest.raises(InvalidInput, match="must not repeat"):
        GreekBounds(instruments=("A", "A"))
