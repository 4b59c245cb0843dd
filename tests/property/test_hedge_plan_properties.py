"""What must hold of hedges of every book, with and without optimiser, gate and schedule."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.core.instrument import Instrument, QuantityUnit, Right
from services.core.outcome import Reason, Status
from services.engine.outputs import Evaluation
from services.hedging.gate import HedgeGate
from services.hedging.hedge_execution import HedgeExecution
from services.hedging.price_collar import PriceCollar
from services.hedging.reflexivity import Reflexivity
from services.hedging.registry import AnyOf, Interval, Threshold
from services.hedging.schedules.participation import Participation
from services.hedging.schedules.twap import Twap
from services.hedging.triggers.threshold import ThresholdRule
from services.liquidity.flow import Flow
from tests.support.books import AS_OF, row
from tests.support.option_hedges import depth, hedged, option

D = Decimal
SIZES = st.integers(-200, 200).map(lambda tenths: str(D(tenths) / 10))
ACCOUNTS = st.sampled_from([None, "x", "y"])
BOUND = st.one_of(st.none(), st.floats(0.0, 5.0))
TRIGGERS = st.sampled_from(
    [
        Threshold(instrument="A", max_delta=0.5),
        Interval(instrument="A", interval_seconds=60.0),
        AnyOf(instrument="A", triggers=(ThresholdRule(max_delta=0.3),), hard_limit=2.0),
    ]
)
OPTIMIZERS = st.fixed_dictionaries(
    {
        "instruments": st.sampled_from([("A",), ("A", "C1"), ("C1", "P1"), ("A", "C1", "P1")]),
        "max_delta": BOUND,
        "max_gamma_1pct": st.one_of(st.none(), st.floats(0.0, 0.1)),
        "max_vega_per_point": st.one_of(st.none(), st.floats(0.0, 3.0)),
        "hard": st.booleans(),
        "sell_options": st.booleans(),
        "assumed_depth": st.one_of(st.none(), st.floats(0.1, 100.0)),
        "spot_volatility_correlation": st.sampled_from([0.0, -0.5]),
    }
)
EXECUTIONS = st.builds(
    HedgeExecution,
    schedule=st.sampled_from(
        [None, Twap(duration_seconds=600.0, slices=7), Participation(duration_seconds=600.0, slices=3)]
    ),
    collar=st.sampled_from([None, PriceCollar()]),
    reflexivity=st.sampled_from([None, Reflexivity()]),
    latency_seconds=st.sampled_from([None, 60.0]),
)


@st.composite
def books(draw: st.DrawFn) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Rows of one underlying, and what surrounds them."""
    margin = {"initial_margin": 100.0, "maintenance_margin": 80.0}
    perpetual = Instrument(
        symbol="A", lot=D("0.01"), base_currency="COIN", min_notional=draw(st.sampled_from([0.0, 150.0]))
    )
    orders = draw(st.sampled_from([D(0), D(0), D(1)]))
    rows = (
        row("A", quantity=draw(SIZES), instrument=perpetual, open_buys=orders),
        replace(option("C1", 110.0, 90.0, quantity=draw(SIZES), **margin), account_id=draw(ACCOUNTS)),
        option("P1", 95.0, 360.0, Right.PUT, quantity=draw(st.sampled_from(["0", "7"])), **margin),
        replace(
            option("OPT", 100.0, 365.0, quantity=draw(SIZES), **margin), account_id=draw(st.sampled_from([None, "x"]))
        ),
    )
    sent = [name for name in ("A", "C1", "P1") if draw(st.booleans())]
    size = draw(st.floats(0.5, 2_000.0))
    depths: dict[Any, Any] = {}
    for name, mid in (("A", 100.0), ("C1", 7.0), ("P1", 5.0)):
        depths |= depth(name, mid, 0.05, size=size) if name in sent else {}
    flow = Flow(
        as_of=AS_OF,
        unit=QuantityUnit.CONTRACTS,
        average_daily_volume=draw(st.floats(0.01, 1e6)),
        funding_rate=draw(st.sampled_from([0.0001, 0.01])),
        funding_interval_seconds=28_800.0,
    )
    surroundings = {
        "depths": depths,
        "flows": {("A", None): flow} if draw(st.booleans()) else {},
        "marks": draw(st.sampled_from([{}, {"COIN": 100.2}, {"COIN": 110.0}])),
        "equity": draw(st.sampled_from([-10.0, 500.0, 10_000.0])),
        "hedging": draw(TRIGGERS),
        "optimizer": draw(st.one_of(st.none(), OPTIMIZERS)),
        "hedge_gate": draw(st.sampled_from([None, HedgeGate()])),
        "hedge_execution": draw(st.one_of(st.none(), EXECUTIONS)),
    }
    return rows, surroundings


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(books())
def test_hedges_keep_their_promises(book: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    rows, surroundings = book
    result = hedged(*rows, **surroundings)
    assert result.hedges
    orders_are_those_of_hedges(result)
    no_delta_is_raised(result, surroundings)
    no_risk_is_raised(result)
    slices_are_the_order(result)
    if surroundings["hedge_gate"] is not None:
        growth_was_let_through(result, rows)
    shares_sum_to_one(result)


def orders_are_those_of_hedges(result: Evaluation) -> None:
    sums: dict[int, Decimal] = {}
    for order in result.orders:
        sums[order.row] = sums.get(order.row, D(0)) + order.contracts
    assert sums == {hedge.row: hedge.contracts for hedge in result.hedges if hedge.legs}
    for hedge in result.hedges:
        if hedge.status in (Status.REFUSED, Status.HELD):
            assert not hedge.legs and hedge.reason is not Reason.NONE
        if hedge.legs:
            assert hedge.contracts == sum(leg.quantity for leg in hedge.legs)
    reducing = [order.reduce_only for order in result.orders]
    assert reducing == sorted(reducing, reverse=True)


def no_delta_is_raised(result: Evaluation, surroundings: dict[str, Any]) -> None:
    first, last = result.hedges[0].delta_before, result.hedges[-1].delta_after
    if first is None or last is None:
        return
    bound = 0.0
    planned = result.hedges[0].plan
    if planned is not None and planned.used:
        decision, trigger = result.hedges[0].decision, surroundings["hedging"]
        chosen = surroundings["optimizer"]["max_delta"]
        hard = trigger.hard_limit if isinstance(trigger, AnyOf) else None
        given_bounds = [item for item in (chosen, hard) if item is not None]
        outer = decision.outer if decision is not None else None
        bound = min(given_bounds) if given_bounds else outer if outer is not None else float("inf")
    assert abs(last) <= max(abs(first), bound) * (1.0 + 1e-6) + 1e-9


def no_risk_is_raised(result: Evaluation) -> None:
    planned = result.hedges[0].plan
    if planned is not None and planned.plan is not None:
        assert planned.plan.risk_after <= planned.plan.risk_before * (1.0 + 1e-6)
        if planned.used and planned.margin_budget is not None:
            most = max(planned.margin_budget, planned.plan.margin_before)
            assert planned.plan.margin_after <= most * (1.0 + 1e-5) + 1e-9


def slices_are_the_order(result: Evaluation) -> None:
    for hedge in result.hedges:
        if hedge.slicing is not None and hedge.contracts is not None:
            done = sum((item.contracts for item in hedge.slicing.slices), D(0))
            assert abs(done) + hedge.slicing.unfilled == abs(hedge.contracts)
            assert all(item.contracts * hedge.contracts > 0 for item in hedge.slicing.slices)


def growth_was_let_through(result: Evaluation, rows: tuple[Any, ...]) -> None:
    for hedge in result.hedges:
        growing = [leg for leg in hedge.legs if not leg.reduce_only]
        if growing:
            assert hedge.gate is not None
            assert abs(hedge.contracts or D(0)) <= hedge.gate.max_contracts
            assert not rows[hedge.row].open_buys


def shares_sum_to_one(result: Evaluation) -> None:
    netting = result.hedges[0].netting
    if netting is not None:
        total = sum(item.share for item in netting.by_account)
        assert total == pytest.approx(1.0) or total == 0.0
        assert netting.saved_delta >= -1e-12
