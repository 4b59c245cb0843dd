"""What must hold for every plan in options: covered, whole lots, within budget; nothing sold without an edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.core.outcome import Reason
from services.hedging.hedge_combinations import budget_of
from services.hedging.option_quotes import OptionContract, OptionFees, OptionMarket, OptionQuote
from services.hedging.option_strikes import away_from_spot, strike_at_delta
from services.hedging.tail_hedges import Collar, ProtectivePut, PutSpread, TailHedge
from services.hedging.vault_plan import HedgeFigures, SaleFigures, VaultPlan, Verdict
from services.hedging.vaults import CashSecuredPut, CoveredCall, OptionSale
from tests.support.option_quotes import AS_OF


def decimals(low: str, high: str, places: int = 4) -> st.SearchStrategy[Decimal]:
    """Plain decimals of a range."""
    return st.decimals(low, high, places=places, allow_nan=False, allow_infinity=False)


@st.composite
def quotes(draw: st.DrawFn, *, coin: bool) -> OptionQuote:
    """Any two prices; most of them make no sense."""
    bid = draw(st.none() | decimals("0.0001", "0.05"))
    scale = Decimal(1) if coin else Decimal(100)
    spread = draw(decimals("0", "0.02"))
    return OptionQuote(
        strike=draw(decimals("50", "160", 0)),
        expiry=AS_OF + timedelta(days=draw(st.sampled_from([0, 1, 7, 30, 400]))),
        right=draw(st.sampled_from([1, -1])),
        forward=draw(decimals("95", "105", 1)),
        bid=None if bid is None else bid * scale,
        ask=draw(st.sampled_from([None, ((bid or Decimal("0.001")) + spread) * scale])),
        implied_volatility=draw(st.none() | st.floats(0.05, 2.0)),
        depth=draw(st.none() | decimals("0", "20", 2)),
    )


@st.composite
def markets(draw: st.DrawFn, *, cash: bool = False) -> OptionMarket:
    """A market of up to eight quotes."""
    coin = draw(st.booleans())
    return OptionMarket(
        mark=Decimal(100),
        as_of=AS_OF,
        holding=draw(decimals("10", "9000", 2)) if cash else draw(decimals("0.01", "90", 2)),
        quotes=tuple(draw(st.lists(quotes(coin=coin), min_size=1, max_size=8))),
        contract=OptionContract(
            multiplier=draw(st.sampled_from([Decimal(1), Decimal("0.1"), Decimal("0.03")])),
            lot=draw(st.sampled_from([Decimal("0.1"), Decimal(1), Decimal("0.07")])),
            min_quantity=draw(st.sampled_from([Decimal(0), Decimal(2)])),
            coin_settled=coin,
        ),
        fees=draw(st.sampled_from([OptionFees(), OptionFees(rate=0.0003, cap=0.125), OptionFees(share=0.1)])),
        volatility=draw(st.floats(0.01, 1.5)),
    )


SALES = st.builds(
    CoveredCall,
    delta=st.floats(0.05, 0.99),
    utilisation=st.sampled_from([1.0, 0.9, 0.5, 0.333]),
    max_contracts=st.none() | st.floats(0.1, 50.0),
    max_vega=st.none() | st.floats(0.01, 10.0),
    forecast_error=st.sampled_from([0.05, 0.2]),
)
HEDGES: st.SearchStrategy[TailHedge] = st.sampled_from([ProtectivePut, PutSpread, Collar]).flatmap(
    lambda kind: st.builds(
        kind,
        horizon_days=st.sampled_from([1.0, 5.0]),
        max_cost=st.sampled_from([0.0, 0.001, 0.01, 0.2]),
        objective=st.sampled_from(["shocks", "floor"]),
        coverage=st.sampled_from([1.0, 0.4]),
    )
)


def as_put(method: CoveredCall) -> CashSecuredPut:
    names = ("delta", "utilisation", "max_contracts", "max_vega", "forecast_error")
    terms: dict[str, Any] = {name: getattr(method, name) for name in names}
    return CashSecuredPut(**terms)


def check_sale(method: OptionSale, market: OptionMarket, plan: VaultPlan) -> None:
    assert plan.refused == (plan.reason not in (Reason.NONE, Reason.LIMIT))
    assert len(plan.candidates) == len(market.quotes)
    if plan.refused:
        assert plan.detail and plan.figures is None
        return
    (leg,) = plan.legs
    sold, figures = market.quotes[leg.place], plan.figures
    assert isinstance(figures, SaleFigures)
    assert leg.contracts > 0 and leg.contracts % market.contract.lot == 0
    assert leg.contracts >= market.contract.min_quantity
    assert sold.depth is None or leg.contracts <= sold.depth
    each = Fraction(market.contract.multiplier) * (1 if method.right > 0 else Fraction(sold.strike))
    used = Fraction(leg.contracts) * each
    assert used <= Fraction(market.holding) * Fraction(Decimal(repr(method.utilisation)))
    assert Fraction(figures.collateral_used) == used
    assert figures.edge > 0.0 and figures.edge_first_order > 0.0
    assert 0.0 < figures.size_multiplier <= 1.0
    assert figures.maximum_loss <= float(market.holding) * (100.0 if method.right > 0 else 1.0) * (1.0 + 1e-12)
    assert np.isfinite(figures.floor)
    assert [row.verdict for row in plan.candidates].count(Verdict.CHOSEN) == 1


@given(SALES, markets())
def test_calls_are_covered_by_whole_lots(method: CoveredCall, market: OptionMarket) -> None:
    check_sale(method, market, method.plan(market))


@given(SALES, markets(cash=True))
def test_puts_are_secured_by_whole_lots(method: CoveredCall, market: OptionMarket) -> None:
    put = as_put(method)
    check_sale(put, market, put.plan(market))


@given(SALES, markets(), st.floats(1.0, 3.0))
def test_more_volatility_to_come_never_sells_more(method: CoveredCall, market: OptionMarket, factor: float) -> None:
    """Of one option: with several, another one may be the best."""
    single = replace(market, quotes=market.quotes[:1])
    calm, wild = (method.plan(replace(single, volatility=(market.volatility or 0.0) * many)) for many in (1.0, factor))
    assert sum(leg.contracts for leg in wild.legs) <= sum(leg.contracts for leg in calm.legs)


@given(HEDGES, markets())
def test_hedges_keep_to_the_budget_and_the_holding(method: TailHedge, market: OptionMarket) -> None:
    plan = method.plan(market)
    if plan.refused:
        assert plan.reason in (Reason.BELOW_LOT, Reason.NO_CANDIDATE) and plan.detail
        return
    figures, contracts = plan.figures, plan.legs[0].contracts
    assert isinstance(figures, HedgeFigures)
    assert contracts > 0 and contracts % market.contract.lot == 0
    assert {leg.contracts for leg in plan.legs} == {contracts}
    paid = Fraction(figures.fees) - Fraction(figures.premium)
    assert paid <= Fraction(budget_of(method, market)) * (1 + Fraction(1, 10**25))
    covered = Fraction(market.holding) * Fraction(Decimal(repr(method.coverage)))
    assert Fraction(contracts) * Fraction(market.contract.multiplier) <= covered * (1 + Fraction(1, 10**25))
    assert figures.protection > 0.0 and np.isfinite(figures.floor)
    assert all(row.with_options >= figures.floor - 1e-9 * abs(figures.floor) for row in figures.payoffs)


@given(HEDGES, markets(), st.sampled_from([1.0, 1.5, 10.0]))
def test_more_budget_never_protects_less(method: TailHedge, market: OptionMarket, factor: float) -> None:
    poor = method.plan(market).figures
    rich = replace(method, max_cost=min(1.0, method.max_cost * factor + 1e-4 * (factor - 1.0))).plan(market).figures
    if isinstance(poor, HedgeFigures):
        assert isinstance(rich, HedgeFigures)
        assert rich.protection >= poor.protection - 1e-12


@given(st.floats(0.01, 0.98), st.floats(0.001, 0.01), st.floats(0.05, 2.0), st.floats(0.003, 1.0))
def test_a_smaller_delta_is_a_strike_farther_away(delta: float, less: float, volatility: float, time: float) -> None:
    for right in (1, -1):
        near, far = (
            away_from_spot(float(strike_at_delta(100.0, time, volatility, right, size)), Decimal("0.5"), right)
            for size in (delta, delta - 0.9 * less)
        )
        assert right * far >= right * near
