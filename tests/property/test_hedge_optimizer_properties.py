"""What must hold for every hedge: less risk, exact lots, bounds kept or said, no order of instruments, no unit."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.hedging.exposures import GREEKS, Exposure, GreekBound
from services.hedging.gate import GateView, HedgeGate
from services.hedging.hedge_plan import HedgePlan, HedgeStatus
from services.hedging.hedge_problem import HedgeInstrument, HedgeProblem
from services.hedging.optimizer import optimize_hedge
from services.hedging.risk_model import RiskModel
from tests.support.hedges import plain_value, random_problem

SIZES = st.integers(1, 10)
SEEDS = st.integers(0, 10_000)


@st.composite
def problems(draw: st.DrawFn) -> HedgeProblem:
    problem = random_problem(
        draw(SIZES),
        draw(SEEDS),
        lot=draw(st.sampled_from(["0.01", "0.1", "1", "5"])),
        impact=draw(st.sampled_from([0.0, 1.0])),
        margin_budget=draw(st.sampled_from([None, 0.0, 20_000.0, 200_000.0])),
        cash_budget=draw(st.sampled_from([None, 0.0, 10_000.0])),
        risk_aversion=draw(st.sampled_from([0.0, 1e-7, 1e-5, 1e-3])),
    )
    rows = tuple(
        replace(
            row,
            minimum=draw(st.sampled_from([0, 3])) * row.lot,
            reduce_only=draw(st.sampled_from([False, False, True])),
        )
        for row in problem.instruments
    )
    hard = draw(st.sets(st.sampled_from(range(3)), max_size=2))
    bounds = tuple(replace(bound, breach_cost=None) if at in hard else bound for at, bound in enumerate(problem.bounds))
    return replace(problem, instruments=rows, bounds=bounds)


def contracts(plan: HedgePlan) -> dict[str, Decimal]:
    return {trade.symbol: trade.contracts for trade in plan.trades}


@settings(max_examples=60, deadline=None)
@given(problems())
def test_a_hedge_never_raises_risk_or_breaks_a_rule(problem: HedgeProblem) -> None:
    plan = optimize_hedge(problem)
    rows = {row.symbol: row for row in problem.instruments}
    assert plan.risk_after <= plan.risk_before * (1 + 1e-6)
    for trade in plan.trades:
        row = rows[trade.symbol]
        assert trade.contracts and trade.contracts % row.lot == 0
        assert abs(trade.contracts) >= row.minimum
        assert abs(float(trade.contracts)) <= (row.buy_depth if trade.contracts > 0 else row.sell_depth) + 1e-6
        if row.reduce_only:
            assert float(trade.contracts) * row.position < 0
            assert abs(float(trade.contracts)) <= abs(row.position) + 1e-6
    sizes = {symbol: float(size) for symbol, size in contracts(plan).items()}
    no_hard = replace(problem, bounds=tuple(bound for bound in problem.bounds if bound.breach_cost is not None))
    assert math.isfinite(plain_value(no_hard, sizes))
    if len(no_hard.bounds) == len(problem.bounds) and plan.status in (HedgeStatus.OPTIMAL, HedgeStatus.LIMITED):
        assert plan.objective_after <= plan.objective_before * (1 + 1e-9)
    if plan.status is HedgeStatus.REFUSED:
        assert not plan.trades


@settings(max_examples=60, deadline=None)
@given(problems())
def test_bounds_are_kept_or_the_breach_is_told(problem: HedgeProblem) -> None:
    plan = optimize_hedge(problem)
    told = dict(plan.breaches)
    for bound in problem.bounds:
        value = plan.after.values()[GREEKS.index(bound.greek)]
        excess, before = bound.excess(value), plan.before.values()[GREEKS.index(bound.greek)]
        most = max(abs(bound.lower), abs(bound.upper), abs(value), abs(before))
        assert excess <= told.get(bound.greek, 0.0) + 2e-6 * most
        if bound.breach_cost is None and plan.status in (HedgeStatus.OPTIMAL, HedgeStatus.LIMITED):
            assert bound.greek not in told
    assert not (plan.status is HedgeStatus.OPTIMAL and told)


@settings(max_examples=40, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_instruments_and_bounds_does_not_matter(problem: HedgeProblem, rng: Any) -> None:
    rows, bounds = list(problem.instruments), list(problem.bounds)
    rng.shuffle(rows)
    rng.shuffle(bounds)
    assert optimize_hedge(replace(problem, instruments=tuple(rows), bounds=tuple(bounds))) == optimize_hedge(problem)


def in_quote(problem: HedgeProblem, factor: float) -> HedgeProblem:
    """The same problem with quote in another unit: a price of 60,000 is one of 60,000 · factor."""
    quoted = ("vega_per_point", "volga_per_point", "skew_per_point")

    def greeks(exposure: Exposure) -> Exposure:
        return replace(exposure, **{name: getattr(exposure, name) * factor for name in quoted})

    def row(one: HedgeInstrument) -> HedgeInstrument:
        money = ("buy_cost", "sell_cost", "impact", "margin_long", "margin_short", "price")
        return replace(one, greeks=greeks(one.greeks), **{name: getattr(one, name) * factor for name in money})  # type: ignore[arg-type]

    def bound(one: GreekBound) -> GreekBound:
        by = factor if one.greek in quoted else 1.0
        cost = None if one.breach_cost is None else one.breach_cost * factor / by
        return replace(one, lower=one.lower * by, upper=one.upper * by, breach_cost=cost)

    unit = [factor if name not in quoted else 1.0 for name in GREEKS]
    covariance = problem.risk.covariance * [[a * b for b in unit] for a in unit]
    return replace(
        problem,
        exposure=greeks(problem.exposure),
        instruments=tuple(row(one) for one in problem.instruments),
        bounds=tuple(bound(one) for one in problem.bounds),
        risk=RiskModel(covariance=covariance),
        risk_aversion=problem.risk_aversion / factor,
        margin_budget=None if problem.margin_budget is None else problem.margin_budget * factor,
        cash_budget=None if problem.cash_budget is None else problem.cash_budget * factor,
    )


@settings(max_examples=40, deadline=None)
@given(problems(), st.sampled_from([2.0**-10, 2.0**20]))
def test_the_unit_of_money_does_not_matter(problem: HedgeProblem, factor: float) -> None:
    """Powers of two, so that the arithmetic is the same to the last digit."""
    there, here = optimize_hedge(in_quote(problem, factor)), optimize_hedge(problem)
    assert (there.status, there.reason) == (here.status, here.reason)
    assert abs(there.objective_after / factor - here.objective_after) <= 2e-3 * max(here.objective_after, 1.0)


def in_base(problem: HedgeProblem, factor: float) -> HedgeProblem:
    """The same problem with base in another unit: a bitcoin is `factor` units."""
    based = ("delta", "gamma_1pct", "vanna_per_point")

    def greeks(exposure: Exposure) -> Exposure:
        return replace(exposure, **{name: getattr(exposure, name) * factor for name in based})

    def bound(one: GreekBound) -> GreekBound:
        by = factor if one.greek in based else 1.0
        cost = None if one.breach_cost is None else one.breach_cost / by
        return replace(one, lower=one.lower * by, upper=one.upper * by, breach_cost=cost)

    unit = [1.0 / factor if name in based else 1.0 for name in GREEKS]
    return replace(
        problem,
        exposure=greeks(problem.exposure),
        instruments=tuple(replace(one, greeks=greeks(one.greeks)) for one in problem.instruments),
        bounds=tuple(bound(one) for one in problem.bounds),
        risk=RiskModel(covariance=problem.risk.covariance * [[a * b for b in unit] for a in unit]),
    )


@settings(max_examples=40, deadline=None)
@given(problems(), st.sampled_from([2.0**-20, 2.0**30]))
def test_the_unit_of_base_does_not_matter(problem: HedgeProblem, factor: float) -> None:
    there, here = optimize_hedge(in_base(problem, factor)), optimize_hedge(problem)
    assert (there.status, there.reason) == (here.status, here.reason)
    assert abs(there.objective_after - here.objective_after) <= 2e-3 * max(here.objective_after, 1.0)


@settings(max_examples=40, deadline=None)
@given(SIZES, SEEDS)
def test_more_depth_and_more_margin_never_cost_more(size: int, seed: int) -> None:
    """Up to the gap of the choice of lots."""
    tight = random_problem(size, seed, margin_budget=30_000.0)
    deeper = tuple(
        replace(row, buy_depth=2 * row.buy_depth, sell_depth=2 * row.sell_depth) for row in tight.instruments
    )
    loose = optimize_hedge(replace(tight, instruments=deeper, margin_budget=60_000.0))
    bound = optimize_hedge(tight)
    usual = (HedgeStatus.OPTIMAL, HedgeStatus.LIMITED)
    if loose.status in usual and bound.status in usual:
        gap = loose.gap or 0.0
        assert loose.objective_after <= bound.objective_after + (gap + 1e-6) * loose.objective_after


@given(
    wanted=st.floats(-50, 50),
    position=st.floats(-50, 50),
    pending=st.floats(-50, 50),
    depth=st.none() | st.floats(0, 100),
    age=st.none() | st.floats(0, 100),
    funding=st.none() | st.floats(-3, 3),
    mark=st.none() | st.floats(90, 110),
    gross=st.none() | st.floats(0, 60),
)
def test_the_gate_never_lets_through_more_than_is_wanted_or_less_than_shrinks(
    wanted: float,
    position: float,
    pending: float,
    depth: float | None,
    age: float | None,
    funding: float | None,
    mark: float | None,
    gross: float | None,
) -> None:
    decision = HedgeGate().allowed(
        GateView(
            contracts=wanted,
            position=position,
            pending=pending,
            lot=Decimal("0.1"),
            base_per_contract=1.0,
            depth=depth,
            funding_rate=funding,
            age_seconds=age,
            mark_price=mark,
            index_price=100.0,
            gross_option_delta=gross,
        )
    )
    free = 0.0
    if wanted * position < 0:
        undone = abs(pending) if pending * wanted > 0 else 0.0
        free = max(abs(position) - undone, 0.0)
    most = float(decision.max_contracts)
    assert min(free, abs(wanted)) - 0.1 - 1e-6 <= most <= abs(wanted) + 1e-6
    after = position + math.copysign(most, wanted)
    if most > free + 1e-6:
        assert gross is not None and abs(after) <= 1.1 * gross + 1e-6
        assert depth is not None and most <= depth + 1e-6 and pending == 0.0
