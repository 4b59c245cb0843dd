"""Protection within a budget, against brute force over every combination and every number of lots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.outcome import Reason
from services.hedging.hedge_combinations import budget_of
from services.hedging.option_quotes import OptionFees, OptionMarket, OptionQuote
from services.hedging.tail_hedges import Collar, ProtectivePut, PutSpread, TailHedge
from services.hedging.vault_plan import HedgeFigures, VaultPlan, Verdict
from services.options.black import black_price
from tests.support.option_quotes import AS_OF, chain, market, quote

METHODS: list[TailHedge] = [
    ProtectivePut(horizon_days=5.0),
    ProtectivePut(horizon_days=5.0, objective="floor", max_cost=0.05),
    ProtectivePut(horizon_days=5.0, max_cost=0.003, shocks=(-0.1, -0.2, -0.4)),
    PutSpread(horizon_days=10.0, max_cost=0.01, shocks=(-0.2,)),
    PutSpread(horizon_days=5.0, max_cost=0.02, objective="floor"),
    Collar(horizon_days=5.0),
    Collar(horizon_days=5.0, max_cost=0.01, coverage=0.5),
    Collar(horizon_days=5.0, objective="floor", least_upside=0.15),
]
FEES = OptionFees(rate=0.0003, cap=0.125)


def figures_of(plan: VaultPlan) -> HedgeFigures:
    assert isinstance(plan.figures, HedgeFigures), plan.detail
    return plan.figures


def account(place: OptionMarket, legs: list[tuple[int, OptionQuote]], size: float, price: float) -> float:
    """Coins and cash, trade by trade, then settled: the value in quote at a price."""
    coins, cash, coin = float(place.holding), 0.0, place.contract.coin_settled
    for side, option in legs:
        premium = float((option.ask if side > 0 else option.bid) or 0)
        unit = 1.0 if coin else float(option.forward)
        fee = min(place.fees.rate * unit, place.fees.cap * premium) + place.fees.share * premium
        paid = size * (side * premium + fee)
        inside = size * side * max(option.right * (price - float(option.strike)), 0.0)
        if coin:
            coins += -paid + (inside / price if price else 0.0)
            cash += 0.0 if price else inside
        else:
            cash += -paid + inside
    return coins * price + cash


def combinations(method: TailHedge, place: OptionMarket) -> Iterator[list[tuple[int, OptionQuote]]]:
    """All that the method may trade, told anew."""
    late = [item for item in place.quotes if (item.expiry - AS_OF).days >= method.horizon_days]
    puts = [item for item in late if item.right < 0 and item.strike <= place.mark]
    for put in (item for item in puts if item.ask):
        if isinstance(method, ProtectivePut):
            yield [(1, put)]
        elif isinstance(method, PutSpread):
            lower = [item for item in puts if item.bid and item.strike < put.strike and item.expiry == put.expiry]
            yield from ([(1, put), (-1, item)] for item in lower)
        elif isinstance(method, Collar):
            least = float(place.mark) * (1.0 + method.least_upside)
            calls = [item for item in late if item.right > 0 and item.bid and float(item.strike) >= least]
            yield from ([(1, put), (-1, item)] for item in calls if item.expiry == put.expiry)


def score(method: TailHedge, place: OptionMarket, legs: list[tuple[int, OptionQuote]], size: float) -> float:
    held, mark = float(place.holding), float(place.mark)
    if method.objective == "shocks":
        prices = [mark * (1.0 + shock) for shock in method.shocks]
        gains = [account(place, legs, size, price) - held * price for price in prices]
        return float(np.mean(gains)) / (held * mark)
    prices = [0.0, *np.linspace(1.0, 120_000.0, 241), *(float(item.strike) for _, item in legs)]
    return min(account(place, legs, size, price) for price in prices) / (held * mark)


def brute_force(method: TailHedge, place: OptionMarket) -> float:
    """Best score over every combination and every number of lots that the budget and the coins allow."""
    best = 0.0
    budget, mark = float(budget_of(method, place)), float(place.mark)
    for legs in combinations(method, place):
        depth = min(float(item.depth) if item.depth is not None else np.inf for _, item in legs)
        for lots in range(1, int(float(place.holding) / 0.1) + 1):
            size = lots * 0.1
            unit = 1.0 if place.contract.coin_settled else mark
            cost = (float(place.holding) * mark - account(place, legs, size, mark)) / mark * unit
            covered = size <= float(place.holding) * method.coverage + 1e-12
            naked = any(item.right > 0 for _, item in legs) and place.contract.coin_settled
            if naked and size > float(place.holding) - max(cost, 0.0) + 1e-12:
                continue
            if covered and size <= depth and cost <= budget * (1.0 + 1e-12) + 1e-12:
                best = max(best, score(method, place, legs, size))
    return best


@pytest.mark.parametrize("coin", [True, False], ids=["coin", "quote"])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.method}-{method.objective}")
def test_nothing_that_can_be_traded_protects_more(method: TailHedge, coin: bool) -> None:
    quotes = [replace(item, depth=Decimal(8)) for item in chain((7.0, 14.0), coin=coin)]
    place = market(quotes, "3", coin=coin, fees=FEES)
    plan = method.plan(place)
    figures = figures_of(plan)
    assert figures.protection == pytest.approx(brute_force(method, place), rel=1e-9)
    legs = [(leg.side, place.quotes[leg.place]) for leg in plan.legs]
    size = float(plan.legs[0].contracts)
    assert figures.protection == pytest.approx(score(method, place, legs, size), rel=1e-9)
    assert -float(figures.premium - figures.fees) <= float(budget_of(method, place))
    for row in figures.payoffs:
        assert row.with_options == pytest.approx(account(place, legs, size, row.price), rel=1e-9)
    floor = min(account(place, legs, size, price) for price in [0.0, *np.linspace(1.0, 200_000.0, 400)])
    assert figures.floor <= floor * (1.0 + 1e-12)
    assert account(place, legs, size, figures.floor_price) == pytest.approx(figures.floor)
    assert figures.maximum_loss == pytest.approx(180_000.0 - figures.floor)


@pytest.mark.parametrize("coin", [True, False])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.method}-{method.objective}")
def test_the_breakeven_is_where_the_hedge_is_worth_nothing(method: TailHedge, coin: bool) -> None:
    place = market(chain((7.0, 14.0), coin=coin), "3", coin=coin)
    plan = method.plan(place)
    figures, size = figures_of(plan), float(plan.legs[0].contracts)
    legs = [(leg.side, place.quotes[leg.place]) for leg in plan.legs]
    assert figures.breakeven is not None
    gains = [
        account(place, legs, size, figures.breakeven + move) - 3.0 * (figures.breakeven + move) for move in (-5, 0)
    ]
    assert gains[0] > 0.0 and gains[1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("coin", [True, False])
def test_net_delta_is_the_slope_of_everything_together(coin: bool) -> None:
    place = market(chain(coin=coin), "3", coin=coin)
    plan = Collar(horizon_days=5.0).plan(place)
    figures, size = figures_of(plan), float(plan.legs[0].contracts)
    net = float(figures.premium - figures.fees)

    def value(price: float) -> float:
        options = sum(
            leg.side * float(black_price(price, float(item.strike), 7 / 365, leg.volatility or 0.0, item.right))
            for leg in plan.legs
            for item in [place.quotes[leg.place]]
        )
        return 3.0 * price + (net * price if coin else net) + size * options

    assert figures.net_delta == pytest.approx((value(60_001.0) - value(59_999.0)) / 2.0, rel=1e-6)
    assert figures.greeks is not None and figures.greeks.delta < 0.0


def test_a_collar_that_costs_nothing() -> None:
    plan = Collar(horizon_days=5.0).plan(market(chain(), fees=FEES))
    figures = figures_of(plan)
    assert figures.cost_bps <= 0.0 and figures.premium >= figures.fees
    assert figures.cap_price is not None and figures.cap_price >= 66_000.0
    assert [leg.side for leg in plan.legs] == [1, -1]
    assert plan.legs[0].contracts == plan.legs[1].contracts == 10


def test_coin_that_pays_a_premium_covers_no_call() -> None:
    """A collar for 5 %: ten coins less the premium cover less than ten calls."""
    plan = Collar(horizon_days=5.0, max_cost=0.05, least_upside=0.2).plan(market(chain()))
    figures = figures_of(plan)
    assert figures.premium < 0
    assert plan.legs[1].contracts <= 10 + figures.premium
    assert figures.floor > 0.0 and figures.coverage < 1.0
    assert "premium_in_coin" in [step.parameter for step in plan.steps]


def test_the_lower_strike_ends_the_help_of_a_spread() -> None:
    figures = figures_of(PutSpread(horizon_days=5.0, shocks=(-0.15,)).plan(market(chain())))
    falls = {row.shock: row.with_options - row.without for row in figures.payoffs}
    assert falls[-0.5] == pytest.approx(falls[-0.4], rel=0.02)
    assert figures.floor_price == 0.0 and figures.cap_price is None


@pytest.mark.parametrize("budget", [0.001, 0.003, 0.01, 0.03])
def test_the_budget_is_a_step(budget: float) -> None:
    plan = ProtectivePut(horizon_days=5.0, max_cost=budget).plan(market(chain()))
    figures = figures_of(plan)
    assert figures.cost_bps <= budget * 1e4
    assert plan.steps[0].before == 10.0 and plan.steps[-1].after == float(plan.legs[0].contracts)
    assert (plan.reason is Reason.LIMIT) == ("max_cost" in [step.parameter for step in plan.steps])


def test_quotes_that_cannot_be_used_say_why() -> None:
    base = quote(54_000, -1)
    bad = [
        (replace(base, right=1), Verdict.OTHER_RIGHT),
        (quote(54_000, -1, 3.0), Verdict.EXPIRY_OUT_OF_RANGE),
        (replace(base, bid=Decimal(1)), Verdict.CROSSED),
        (quote(63_000, -1), Verdict.STRIKE_OUT_OF_RANGE),
        (replace(base, ask=None), Verdict.NO_ASK),
    ]
    plan = ProtectivePut(horizon_days=5.0).plan(market([item for item, _ in bad]))
    assert [row.verdict for row in plan.candidates] == [verdict for _, verdict in bad]
    assert (plan.reason, plan.refused) == (Reason.NO_CANDIDATE, True)
    calls = [replace(quote(69_000, 1), bid=None), quote(63_000, 1)]
    found = Collar(horizon_days=5.0).plan(market(calls)).candidates
    assert [row.verdict for row in found] == [Verdict.NO_BID, Verdict.STRIKE_OUT_OF_RANGE]


def test_too_little_money_is_no_hedge() -> None:
    plan = ProtectivePut(horizon_days=5.0, max_cost=1e-7).plan(market(chain(rights=(-1,))))
    assert (plan.reason, plan.refused) == (Reason.BELOW_LOT, True)
    assert {row.verdict for row in plan.candidates} <= {Verdict.BELOW_LOT, Verdict.STRIKE_OUT_OF_RANGE}


def test_what_costs_more_than_it_gains_is_no_hedge() -> None:
    dear = replace(quote(45_000, -1), ask=Decimal("0.2"))
    plan = ProtectivePut(horizon_days=5.0, max_cost=1.0).plan(market([dear]))
    assert (plan.reason, plan.candidates[0].verdict) == (Reason.NO_CANDIDATE, Verdict.NO_PROTECTION)


def test_greeks_are_missing_where_no_price_implies_a_volatility() -> None:
    odd = replace(quote(54_000, -1), implied_volatility=None, ask=Decimal("0.95"), bid=None)
    figures = figures_of(ProtectivePut(horizon_days=5.0, max_cost=1.0, objective="floor").plan(market([odd])))
    assert (figures.greeks, figures.net_delta) == (None, None)


@pytest.mark.parametrize("shocks", [(), (0.1,), (-1.0,), (-0.2, 0.0)])
def test_shocks_are_falls(shocks: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="shocks"):
        PutSpread(horizon_days=5.0, shocks=shocks)


def test_only_the_best_pairs_are_listed() -> None:
    plan = PutSpread(horizon_days=5.0, max_cost=0.05).plan(market(chain((7.0, 14.0, 21.0), rights=(-1,))))
    pairs: list[Any] = [row for row in plan.candidates if len(row.places) == 2]
    scores = [row.score or 0.0 for row in pairs]
    assert len(pairs) == 40 and scores == sorted(scores, reverse=True)
    assert pairs[0].verdict is Verdict.CHOSEN
