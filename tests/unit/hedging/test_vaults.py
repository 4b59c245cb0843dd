"""Sales of options: figures against Monte Carlo, QuantLib and hand reckoning; choices and refusals."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
import QuantLib

from services.core.errors import InvalidInput
from services.core.outcome import REASON_TEXT, Reason
from services.hedging.option_quotes import OptionContract, OptionFees, OptionMarket
from services.hedging.vault_plan import VERDICT_TEXT, Candidate, SaleFigures, VaultPlan, Verdict
from services.hedging.vaults import CashSecuredPut, CoveredCall, OptionSale
from services.options.black import black_price
from tests.support.option_quotes import AS_OF, FORWARD, chain, market, quote

CALL = quote(69_000, 1)
WEEK = 7.0 / 365.0


def figures_of(plan: VaultPlan) -> SaleFigures:
    assert isinstance(plan.figures, SaleFigures), plan.detail
    return plan.figures


def verdicts(plan: VaultPlan) -> list[Verdict]:
    return [row.verdict for row in plan.candidates]


def only(plan: VaultPlan) -> Candidate:
    assert len(plan.candidates) == 1
    return plan.candidates[0]


def in_quantlib(strike: float, volatility: float, right: int) -> float:
    side = QuantLib.Option.Call if right > 0 else QuantLib.Option.Put
    return float(QuantLib.blackFormula(side, strike, FORWARD, volatility * WEEK**0.5))


def test_ten_deltas_a_week_on_ten_coins() -> None:
    """Every figure by hand: 10 coins, one lot of a tenth, premium in coin, fees of Deribit."""
    fees = OptionFees(rate=0.0003, cap=0.125)
    plan = CoveredCall().plan(market(chain(rights=(1,)), fees=fees, volatility=0.35))
    leg, figures = plan.legs[0], figures_of(plan)
    chosen = next(item for item in chain(rights=(1,)) if item.strike == 69_000)
    assert chosen.bid is not None and leg.premium == chosen.bid
    assert (plan.reason, leg.side, leg.contracts) == (Reason.NONE, -1, Decimal(10))
    assert figures.premium == 10 * chosen.bid
    assert figures.fees == 10 * min(Decimal("0.0003"), Decimal("0.125") * chosen.bid)
    net = float(figures.premium - figures.fees)
    assert figures.net_premium_quote == pytest.approx(net * 60_000.0)
    assert figures.yield_per_period == pytest.approx(net / 10.0)
    assert figures.yield_annual == pytest.approx(net / 10.0 * 365.0 / 7.0)
    assert figures.breakeven == pytest.approx(60_000.0 * 10.0 / (10.0 + net))
    assert figures.indifference == pytest.approx(69_000.0 / (1.0 - net / 10.0))
    assert (figures.maximum_loss, figures.floor, figures.collateral_used) == (600_000.0, 0.0, Decimal(10))
    assert figures.maximum_loss_in_coin == pytest.approx(10.0 - net)


def test_the_edge_is_that_of_quantlib() -> None:
    fees = OptionFees(share=0.1)
    plan = CoveredCall().plan(market([CALL], fees=fees, volatility=0.4))
    figures, size = figures_of(plan), float(plan.legs[0].contracts)
    assert CALL.bid is not None
    bid = float(CALL.bid) * FORWARD
    implied = QuantLib.blackFormulaImpliedStdDev(QuantLib.Option.Call, 69_000.0, FORWARD, bid) / WEEK**0.5
    exact = bid - in_quantlib(69_000.0, 0.4, 1) - 0.1 * bid
    payoff = QuantLib.PlainVanillaPayoff(QuantLib.Option.Call, 69_000.0)
    vega = QuantLib.BlackCalculator(payoff, FORWARD, implied * WEEK**0.5).vega(WEEK)
    assert figures.edge == pytest.approx(size * exact, rel=1e-6)
    assert figures.edge_first_order == pytest.approx(size * (vega * (implied - 0.4) - 0.1 * bid), rel=1e-4)
    assert figures.edge < 0.8 * figures.edge_first_order
    assert figures.size_multiplier == pytest.approx((implied - 0.4) / 0.2, rel=1e-4)


@pytest.mark.parametrize(("method", "right"), [(CoveredCall, 1), (CashSecuredPut, -1)])
def test_probabilities_are_those_of_simulated_prices(method: type[OptionSale], right: int) -> None:
    strike = 69_000 if right > 0 else 51_000
    sold = quote(strike, right)
    plan = method(delta=0.3, drift=1.5).plan(market([sold], "10" if right > 0 else "600000"))
    figures, normal = figures_of(plan), np.random.default_rng(7).standard_normal(400_000)
    for volatility, drift, found in (
        (sold.implied_volatility, 0.0, figures.assignment_probability),
        (0.45, 1.5, figures.assignment_probability_at_drift),
    ):
        assert volatility is not None and found is not None
        ends = FORWARD * np.exp((drift - 0.5 * volatility**2) * WEEK + volatility * WEEK**0.5 * normal)
        share = float((right * (ends - strike) > 0.0).mean())
        assert found == pytest.approx(share, abs=4.0 * (share / 400_000) ** 0.5)
    assert figures_of(method(delta=0.3).plan(market([sold], "600000"))).assignment_probability_at_drift is None


@pytest.mark.parametrize("coin", [True, False])
@pytest.mark.parametrize(("method", "right"), [(CoveredCall, 1), (CashSecuredPut, -1)])
def test_net_delta_is_the_slope_of_everything_together(coin: bool, method: type[OptionSale], right: int) -> None:
    sold = quote(69_000 if right > 0 else 51_000, right, coin=coin)
    plan = method(delta=0.3).plan(market([sold], "10" if right > 0 else "600000", coin=coin))
    figures, size = figures_of(plan), float(plan.legs[0].contracts)
    net, volatility = float(figures.premium - figures.fees), sold.implied_volatility
    assert volatility is not None

    def value(price: float) -> float:
        option = float(black_price(price, float(sold.strike), WEEK, volatility, right))
        held = 10.0 * price if right > 0 else 600_000.0
        return held + (net * price if coin else net) - size * option

    slope = (value(60_001.0) - value(59_999.0)) / 2.0
    assert figures.net_delta == pytest.approx(slope, rel=1e-6)
    assert figures.greeks is not None
    held = value(60_000.0) - figures.greeks.value
    assert held == pytest.approx((10.0 * 60_000 if right > 0 else 600_000.0) + net * (60_000.0 if coin else 1.0))
    assert figures.greeks.vega_per_point < 0.0 < figures.greeks.theta_per_day


@pytest.mark.parametrize("coin", [True, False])
def test_breakevens_and_losses_are_those_of_the_account(coin: bool) -> None:
    """A cash-secured put, kept as an account: cash, and premium in cash or in coin."""
    sold = quote(51_000, -1, coin=coin)
    plan = CashSecuredPut().plan(market([sold], "600000", coin=coin, volatility=0.3))
    figures, size = figures_of(plan), float(plan.legs[0].contracts)
    net = float(figures.premium - figures.fees)

    def account(price: float) -> float:
        coins, cash = (net, 600_000.0) if coin else (0.0, 600_000.0 + net)
        owed = max(51_000.0 / price - 1.0, 0.0)
        return cash + (coins - size * owed) * price

    assert figures.breakeven is not None
    assert account(figures.breakeven) == pytest.approx(600_000.0)
    assert account(figures.breakeven - 10.0) < 600_000.0 < account(figures.breakeven + 10.0)
    assert figures.indifference == pytest.approx(figures.breakeven)
    assert figures.maximum_loss == pytest.approx(600_000.0 - account(1e-9))
    assert figures.collateral_used == plan.legs[0].contracts * 51_000 <= 600_000
    assert (plan.legs[0].contracts, figures.maximum_loss_in_coin) == (Decimal("11.7"), None)
    for row in figures.payoffs:
        assert row.with_options == pytest.approx(account(row.price))


def test_the_strike_is_the_listed_one_next_to_the_delta() -> None:
    plan = CoveredCall(delta=0.25).plan(market(chain(rights=(1,)), volatility=0.3))
    found = {float(row.delta or 0): row.verdict for row in plan.candidates}
    nearest = max(delta for delta in found if delta <= 0.25)
    assert found[nearest] is Verdict.CHOSEN
    assert {verdict for delta, verdict in found.items() if delta > 0.25} == {
        Verdict.DELTA_OUT_OF_RANGE,
        Verdict.UNUSABLE_PRICE,  # far in the money, the bid is below the intrinsic value
    }
    assert {verdict for delta, verdict in found.items() if delta < nearest} <= {
        Verdict.FARTHER_THAN_NEEDED,
        Verdict.NO_BID,
    }


def test_a_range_of_deltas_lets_all_of_it_compete() -> None:
    plan = CoveredCall(delta=0.4, least_delta=0.05).plan(market(chain((7.0, 14.0), rights=(1,)), volatility=0.4))
    rivals = [row for row in plan.candidates if row.verdict in (Verdict.CHOSEN, Verdict.OUTSCORED)]
    assert len(rivals) > 4 and all(0.05 <= (row.delta or 0.0) <= 0.4 for row in rivals)
    best = max(rivals, key=lambda row: row.score or 0.0)
    assert best.verdict is Verdict.CHOSEN
    assert all(row.edge is not None and row.score is not None for row in rivals)


def test_the_score_is_the_edge_a_year_on_the_collateral() -> None:
    plan = CoveredCall(delta=0.4).plan(market(chain((7.0, 14.0, 28.0), rights=(1,)), volatility=0.4))
    rivals = [row for row in plan.candidates if row.score is not None]
    assert len(rivals) == 3
    for row, days in zip(rivals, (7.0, 14.0, 28.0), strict=True):
        assert row.edge is not None
        assert row.score == pytest.approx(row.edge * float(row.contracts) / 600_000.0 * 365.0 / days)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"right": -1}, Verdict.OTHER_RIGHT),
        ({"bid": None}, Verdict.NO_BID),
        ({"ask": Decimal("0.0001")}, Verdict.CROSSED),
        ({"bid": Decimal("1.5"), "ask": None}, Verdict.UNUSABLE_PRICE),
        ({"strike": Decimal(63_000)}, Verdict.DELTA_OUT_OF_RANGE),
        ({"expiry": AS_OF}, Verdict.EXPIRY_OUT_OF_RANGE),
        ({"expiry": AS_OF.replace(year=2027)}, Verdict.EXPIRY_OUT_OF_RANGE),
        ({"depth": Decimal("0.09")}, Verdict.BELOW_LOT),
    ],
)
def test_what_cannot_be_sold_says_why(changed: dict[str, object], verdict: Verdict) -> None:
    plan = CoveredCall().plan(market([replace(CALL, **changed)]))  # type: ignore[arg-type]
    assert only(plan).verdict is verdict
    assert plan.refused and plan.figures is None and plan.legs == ()
    assert plan.reason is (Reason.BELOW_LOT if verdict is Verdict.BELOW_LOT else Reason.NO_CANDIDATE)
    assert verdict.value in (plan.detail or "") or verdict is Verdict.BELOW_LOT


@pytest.mark.parametrize("volatility", [0.61, 0.7, 2.0])
def test_nothing_is_sold_below_what_is_forecast(volatility: float) -> None:
    plan = CoveredCall().plan(market([CALL], volatility=volatility))
    assert (plan.reason, plan.refused, only(plan).verdict) == (Reason.NO_EDGE, True, Verdict.NO_EDGE)
    assert f"{volatility:.4g}" in (plan.detail or "")


def test_fees_can_eat_the_edge() -> None:
    assert not CoveredCall().plan(market([CALL], volatility=0.55)).refused
    plan = CoveredCall().plan(market([CALL], volatility=0.55, fees=OptionFees(share=0.5)))
    assert plan.reason is Reason.NO_EDGE


@pytest.mark.parametrize(
    ("changes", "bound", "contracts"),
    [
        ({"max_contracts": 3.0}, "max_contracts", "3"),
        ({"max_vega": 50.0}, "max_vega", None),
        ({"utilisation": 0.55}, None, "5.5"),
    ],
)
def test_limits_of_the_method(changes: dict[str, float], bound: str | None, contracts: str | None) -> None:
    plan = CoveredCall(**changes).plan(market([CALL], volatility=0.3))  # type: ignore[arg-type]
    assert [step.parameter for step in plan.steps if step.bound] == ([bound] if bound else [])
    assert plan.reason is (Reason.LIMIT if bound else Reason.NONE)
    if contracts is not None:
        assert plan.legs[0].contracts == Decimal(contracts)
    else:
        figures = figures_of(plan)
        assert figures.greeks is not None
        assert 49.0 < -figures.greeks.vega_per_point <= 50.0


def test_depth_and_multiplier_and_lots_are_steps() -> None:
    plan = CoveredCall().plan(market([replace(CALL, depth=Decimal("4.25"))]))
    assert [step.stage for step in plan.steps] == ["edge", "depth", "rounding"]
    assert [step.after for step in plan.steps][1:] == [4.25, 4.2]
    assert plan.steps[0].before == 10.0
    assert all(one.after == two.before for one, two in zip(plan.steps, plan.steps[1:], strict=False))


def test_a_multiplier_of_contracts_and_a_minimum() -> None:
    contract = OptionContract(multiplier=Decimal("0.01"), lot=Decimal(1), min_quantity=Decimal(5), coin_settled=True)
    plan = CoveredCall().plan(market([CALL], "0.1", contract=contract, volatility=0.3))
    assert plan.legs[0].contracts == 10
    assert figures_of(plan).collateral_used == Decimal("0.1")
    small = CoveredCall().plan(market([CALL], "0.045", contract=contract, volatility=0.3))
    assert (small.reason, only(small).verdict) == (Reason.BELOW_LOT, Verdict.BELOW_LOT)
    assert "smallest order of 5" in (small.detail or "")


def test_without_a_volatility_of_its_own_a_quote_has_that_of_its_bid() -> None:
    bare = replace(CALL, implied_volatility=None)
    plan = CoveredCall().plan(market([bare]))
    assert plan.legs[0].volatility == pytest.approx(only(plan).implied_volatility)


def test_the_limit_price_is_never_worse_than_the_bid() -> None:
    off_tick = replace(CALL, bid=Decimal("0.00201"), ask=None)
    leg = CoveredCall().plan(market([off_tick], volatility=0.3)).legs[0]
    assert (leg.premium, leg.limit_price) == (Decimal("0.00201"), Decimal("0.0021"))


def test_contradictions_are_refused() -> None:
    with pytest.raises(InvalidInput, match="least_delta"):
        CoveredCall(delta=0.1, least_delta=0.2)
    with pytest.raises(InvalidInput, match="least_days"):
        CashSecuredPut(least_days=10.0, most_days=5.0)
    with pytest.raises(InvalidInput, match="volatility"):
        CoveredCall().plan(market([CALL], volatility=None))
    with pytest.raises(InvalidInput, match="holding"):
        OptionMarket(mark=Decimal(1), as_of=AS_OF, holding=Decimal(0), quotes=(), contract=OptionContract())


def test_every_reason_is_explained() -> None:
    assert VERDICT_TEXT.keys() == set(Verdict) and REASON_TEXT.keys() == set(Reason)


@pytest.mark.parametrize("own", [0.001, 0.01, 0.3])
def test_a_volatility_that_contradicts_the_bid_does_not_make_a_sale_look_far_away(own: float) -> None:
    """Nearly at the money and bid at 60 %: at 1 % its delta would be nothing, and its vega no limit."""
    sold = replace(quote(60_500, 1), implied_volatility=own)
    near = CoveredCall(delta=0.1).plan(market([sold], volatility=0.45))
    assert verdicts(near) == [Verdict.DELTA_OUT_OF_RANGE] and near.refused
    assert only(near).delta == pytest.approx(0.46, abs=0.03)
    limited = CoveredCall(delta=0.6, max_vega=10.0).plan(market([sold], volatility=0.45))
    sane = CoveredCall(delta=0.6, max_vega=10.0).plan(market([replace(sold, implied_volatility=None)], volatility=0.45))
    assert limited.legs[0].contracts == sane.legs[0].contracts == Decimal("0.3")
