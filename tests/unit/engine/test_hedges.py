"""Hedges of the engine: the trigger sees the whole book, its costs and its last hedge; nothing is hedged twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.core.book import Account, Collateral, OwnGreeks, Row
from services.core.control import Control, HedgeMemory
from services.core.instrument import Instrument, Kind, QuantityUnit, Right
from services.core.outcome import Reason, Status
from services.engine import Policy, evaluate
from services.engine.outputs import Evaluation, Hedge
from services.hedging.bands import two_band
from services.hedging.registry import Adaptive, AnyOf, HedgeTrigger, Interval, PriceMove, Threshold
from services.hedging.triggers.adaptive import AdaptiveRule
from services.hedging.triggers.threshold import ThresholdRule
from services.liquidity.costs import Costs
from services.liquidity.flow import Flow
from services.sizing.limits import Limits
from tests.support.books import AS_OF, inputs, inverse, row

D = Decimal
EVERY = pytest.mark.parametrize(
    "trigger",
    [
        Threshold(instrument="A", max_delta=0.5),
        PriceMove(instrument="A", move=0.01),
        Interval(instrument="A", interval_seconds=60.0),
        Adaptive(instrument="A"),
        AnyOf(instrument="A", triggers=(AdaptiveRule(),), hard_limit=5.0),
    ],
    ids=lambda item: item.method,
)
ADAPTIVE = Adaptive(instrument="A")


def calls(quantity: str = "-10", **changes: Any) -> Row:
    """Calls struck at 100, one year, 40 %: Δ = .57926, Γ = .0098 (per unit of price)."""
    expiry = changes.pop("expiry", AS_OF + timedelta(days=365))
    option = Instrument(
        symbol="OPT",
        kind=Kind.OPTION,
        underlying="A",
        strike=100.0,
        expiry=expiry,
        right=Right.CALL,
        lot=D("0.1"),
    )
    known = {"implied_volatility": 0.4, "forward": 100.0, "initial_margin": 0.0, "maintenance_margin": 0.0}
    return row("OPT", quantity=quantity, price=None, instrument=option, market_key="A", **{**known, **changes})


def hedged(trigger: HedgeTrigger, *rows: Row, costs: Costs | None = None, **changes: Any) -> Evaluation:
    limits = Limits(max_leverage=100.0, max_margin_use=1.0)
    return evaluate(inputs(*rows, policy=Policy(hedging=trigger, costs=costs or Costs(), limits=limits), **changes))


def hedge_of(trigger: HedgeTrigger, *rows: Row, **changes: Any) -> Hedge:
    (hedge,) = hedged(trigger, *rows, **changes).hedges
    return hedge


def memory(seconds: float = 3_600.0, price: float = 100.0, **greeks: float) -> Control:
    return Control(hedges={"A": HedgeMemory(AS_OF - timedelta(seconds=seconds), price, **greeks)})


@EVERY
def test_a_pending_hedge_is_not_sent_twice(trigger: HedgeTrigger) -> None:
    """What the first decision ordered stands in the market: the second orders nothing."""
    first = hedge_of(trigger, row("A"), calls())
    assert first.status is Status.OK and first.contracts is not None and first.contracts > D(4)
    pending = row("A", open_buys=first.contracts)
    second = hedge_of(trigger, pending, calls())
    assert (second.status, second.contracts, second.legs) == (Status.HELD, D(0), ())
    assert second.delta_before == pytest.approx(first.delta_after)


def test_coin_collateral_counts_once_whichever_row_names_the_coin() -> None:
    """The perpetual names its underlying only; the options name their base. Two balances of the coin, and one of no
    member.
    """
    coins = (Collateral("COIN", 4.0, None), Collateral("COIN", 0.5, None), Collateral("OTHER", 9.0, 1.0))
    perpetual = Instrument(symbol="A", lot=D("0.01"), underlying="COIN")
    options = [
        replace(item, symbol=symbol, instrument=replace(item.instrument, underlying="A", base_currency="COIN"))
        for symbol, item in (("O1", calls("-10")), ("O2", calls("-5")))
    ]
    book = (row("A", instrument=perpetual), *options)
    trigger = Threshold(instrument="A", max_delta=0.5)
    backed = hedged(trigger, *book, account=Account(10_000.0, "USD", coins))
    bare = hedge_of(trigger, *book)
    (hedge,) = backed.hedges
    assert hedge.delta_before is not None and bare.delta_before is not None
    assert hedge.delta_before == pytest.approx(bare.delta_before + 4.5)
    (greeks,) = backed.portfolio.greeks
    assert greeks.collateral == 4.5
    assert greeks.net_delta_usd_view == pytest.approx(hedge.delta_before, rel=1e-12)
    in_coin = hedge_of(trigger, *book, account=Account(10_000.0, "COIN", coins))
    assert in_coin.delta_before == pytest.approx(bare.delta_before)


@EVERY
def test_a_filled_hedge_is_not_sent_again(trigger: HedgeTrigger) -> None:
    first = hedge_of(trigger, row("A"), calls())
    assert first.contracts is not None
    after = hedge_of(trigger, row("A", quantity=str(first.contracts)), calls())
    assert (after.status, after.contracts) == (Status.HELD, D(0))


@EVERY
def test_an_unknown_greek_refuses_the_hedge(trigger: HedgeTrigger) -> None:
    blind = hedge_of(trigger, row("A"), calls(implied_volatility=None))
    assert (blind.status, blind.reason, blind.contracts, blind.decision) == (
        Status.REFUSED,
        Reason.GREEKS_UNAVAILABLE,
        None,
        None,
    )


def test_the_band_is_that_of_the_book_and_of_the_costs_of_the_policy() -> None:
    costs = Costs(fee=0.0004, half_spread=0.0001, gas=1.0)
    hedge = hedge_of(ADAPTIVE, row("A"), calls(), costs=costs)
    assert hedge.decision is not None and hedge.gamma_1pct is not None and hedge.delta_after is not None
    figures = {"cost_rate": 0.0005, "fixed_cost": 1.0, "risk_aversion": 10.0 / 10_000.0}
    assert hedge.decision.basis == pytest.approx({"gamma": abs(hedge.gamma_1pct), **figures})
    outer, inner = two_band(hedge.gamma_1pct, 100.0, **figures)
    assert (hedge.decision.outer, hedge.decision.inner) == pytest.approx((float(outer), float(inner)))
    assert abs(hedge.delta_after) == pytest.approx(float(inner), abs=0.01)
    assert not hedge.impact_known


def test_impact_of_the_whole_delta_widens_the_band() -> None:
    """Y = 1, 40 % / √365 a day, 5.79 of 1,000 a day: 2.1 % · √0.00579 = 0.16 %."""
    flow = Flow(as_of=AS_OF, unit=QuantityUnit.CONTRACTS, average_daily_volume=1_000.0)
    thin = hedge_of(ADAPTIVE, row("A"), calls(), flows={("A", None): flow})
    deep = hedge_of(ADAPTIVE, row("A"), calls())
    assert thin.decision is not None and deep.decision is not None
    assert thin.impact_known
    impact = 0.4 / 365.0**0.5 * (abs(thin.delta_before or 0.0) / 1_000.0) ** 0.5
    assert thin.decision.basis["cost_rate"] == pytest.approx(0.0007 + impact)
    assert thin.decision.outer is not None and deep.decision.outer is not None
    assert thin.decision.outer > deep.decision.outer


def test_the_band_is_not_narrower_than_half_a_lot_or_the_smallest_order() -> None:
    coarse = Instrument(symbol="A", lot=D(4))
    free = Costs(fee=0.0, half_spread=0.0)
    found = hedge_of(ADAPTIVE, row("A", instrument=coarse), calls(), costs=free)
    assert found.decision is not None and (found.decision.outer, found.contracts) == (2.0, D(4))
    least = Instrument(symbol="A", lot=D("0.01"), min_notional=1_000.0)
    small = hedge_of(ADAPTIVE, row("A", instrument=least), calls("-15"), costs=free)
    assert small.decision is not None and (small.decision.outer, small.status) == (10.0, Status.HELD)


def test_an_inverse_hedge_has_the_same_band() -> None:
    """Ten dollars a contract at 100: a tenth of a coin."""
    inverse_hedge = hedge_of(ADAPTIVE, row("A", instrument=inverse("A", 10.0)), calls(), costs=Costs(gas=1.0))
    linear = hedge_of(ADAPTIVE, row("A"), calls(), costs=Costs(gas=1.0))
    assert inverse_hedge.decision is not None and linear.decision is not None
    assert inverse_hedge.decision.outer == pytest.approx(linear.decision.outer)
    assert inverse_hedge.contracts is not None and linear.contracts is not None
    assert float(inverse_hedge.contracts) == pytest.approx(10.0 * float(linear.contracts), abs=1.0)


def test_an_order_is_remembered_and_the_rest_is_kept() -> None:
    before = Control(hedges={"ELSE": HedgeMemory(AS_OF, 5.0)})
    result = hedged(Interval(instrument="A", interval_seconds=60.0), row("A"), calls(), control=before)
    assert result.control is not None
    found = result.control.hedges["A"]
    assert (found.hedged_at, found.price) == (AS_OF, 100.0)
    assert (found.gamma_1pct, found.vega_per_point) == (result.hedges[0].gamma_1pct, result.hedges[0].vega_per_point)
    assert result.control.hedges["ELSE"] == HedgeMemory(AS_OF, 5.0)


def test_without_an_order_the_old_memory_stays() -> None:
    known = memory(seconds=10.0)
    waiting = hedged(Interval(instrument="A", interval_seconds=60.0), row("A"), calls(), control=known)
    assert waiting.hedges[0].reason is Reason.WITHIN_BUFFER
    assert waiting.control is not None and waiting.control.hedges == known.hedges
    past = hedged(Interval(instrument="A", interval_seconds=5.0), row("A"), calls(), control=known, historical=True)
    assert past.hedges[0].contracts and past.control is not None and past.control.hedges == known.hedges


def test_time_and_price_of_the_last_hedge_count() -> None:
    hourly = Interval(instrument="A", interval_seconds=3_600.0)
    assert hedge_of(hourly, row("A"), calls(), control=memory(3_599.0)).reason is Reason.WITHIN_BUFFER
    assert hedge_of(hourly, row("A"), calls(), control=memory(3_600.0)).status is Status.OK
    move = PriceMove(instrument="A", move=0.02)
    assert hedge_of(move, row("A"), calls(), control=memory(price=99.0)).reason is Reason.WITHIN_BUFFER
    assert hedge_of(move, row("A"), calls(), control=memory(price=98.0)).status is Status.OK
    # A memory of the future is none; clocks that differ by seconds make none of it.
    assert hedge_of(hourly, row("A"), calls(), control=memory(-60.0)).status is Status.OK
    assert hedge_of(hourly, row("A"), calls(), control=memory(-1.0)).reason is Reason.WITHIN_BUFFER


def test_a_cooldown_is_told_and_the_hard_limit_does_not_wait() -> None:
    rules = {"instrument": "A", "triggers": (ThresholdRule(max_delta=0.5),), "cooldown_seconds": 7_200.0}
    held = hedge_of(AnyOf(**rules), row("A"), calls(), control=memory())
    assert (held.status, held.reason, held.contracts) == (Status.HELD, Reason.COOLDOWN, D(0))
    assert held.cooldown_until == AS_OF + timedelta(seconds=3_600.0)
    acting = hedge_of(AnyOf(**rules, hard_limit=5.0), row("A"), calls(), control=memory())
    assert acting.status is Status.OK and acting.decision is not None
    assert acting.decision.fired == ("threshold", "hard_limit")
    assert acting.cooldown_until == AS_OF + timedelta(seconds=7_200.0)
    assert hedge_of(AnyOf(**rules), row("A"), calls()).status is Status.OK
    # Another clock, a second ahead: the whole cooldown is still to come, and no more than that.
    ahead = hedge_of(AnyOf(**rules), row("A"), calls(), control=memory(-1.0))
    assert (ahead.reason, ahead.cooldown_until) == (Reason.COOLDOWN, AS_OF + timedelta(seconds=7_200.0))


def test_a_hedge_without_its_options_goes_flat_until_it_is() -> None:
    """Each of two orders is made at once: the cooldown of the first does not hold the second."""
    trigger = AnyOf(instrument="A", triggers=(ThresholdRule(max_delta=9.0),), cooldown_seconds=7_200.0)
    gone = replace(calls(), problem=Reason.EXPIRED)
    first = hedged(trigger, row("A", quantity="5.79"), gone, control=memory(60.0, gamma_1pct=-0.1))
    assert (first.hedges[0].contracts, first.orders[0].reduce_only) == (D("-5.79"), True)
    assert first.hedges[0].decision is not None and first.hedges[0].decision.fired == ("no_options",)
    half = hedged(trigger, row("A", quantity="2.5"), gone, control=first.control)
    assert half.hedges[0].contracts == D("-2.5")
    never = hedged(trigger, row("A", quantity="2.5"), gone, control=memory(60.0))
    assert never.hedges[0].reason is Reason.WITHIN_BUFFER


def test_what_a_trigger_lacks_refuses_the_hedge() -> None:
    lacking = hedge_of(ADAPTIVE, row("A", fx=None), calls())
    assert (lacking.status, lacking.reason, lacking.contracts) == (Status.REFUSED, Reason.FX_REQUIRED, None)
    assert "account currency" in lacking.detail
    limited = AnyOf(instrument="A", triggers=(AdaptiveRule(),), hard_limit=1.0)
    assert hedge_of(limited, row("A", fx=None), calls()).decision is not None


def test_a_gamma_that_is_beyond_all_numbers_is_not_known() -> None:
    vault = Instrument(symbol="VAULT", underlying="A")
    foreign = row("VAULT", quantity="1", instrument=vault, own_greeks=OwnGreeks(delta=2.0, gamma=1e308))
    hedge = hedge_of(ADAPTIVE, row("A", price=1e5), replace(foreign, forward=1e5), volatility=0.4)
    assert (hedge.status, hedge.reason) == (Status.REFUSED, Reason.GREEKS_UNAVAILABLE)


def test_without_equity_the_band_is_the_narrowest_and_only_reductions_are_made() -> None:
    reducing = hedge_of(ADAPTIVE, row("A", quantity="20"), calls(), equity=-1.0)
    assert reducing.decision is not None and reducing.decision.outer == 0.005
    assert reducing.legs and all(leg.reduce_only for leg in reducing.legs)


def test_a_hedge_that_turns_round_opens_no_more_than_the_limits_allow() -> None:
    """Long 100 and 90 more by own Greeks: the 100 may be closed, and of the short only ten contracts are allowed."""
    own = row("OPT", quantity="1", own_greeks=OwnGreeks(delta=90.0), instrument=calls().instrument, market_key="A")
    limits = Limits(max_leverage=0.1, max_margin_use=1.0)
    policy = Policy(hedging=Threshold(instrument="A", max_delta=0.5), limits=limits)
    book = inputs(row("A", quantity="100"), own, policy=policy)
    (hedge,) = evaluate(book).hedges
    assert (hedge.status, hedge.reason) == (Status.LIMITED, Reason.LIMIT)
    assert hedge.contracts == -100 - D(int(0.1 * book.account.equity / 100.0))
