"""What each trigger is for: what has moved, how long ago it was hedged, what an order costs, what wins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.core.outcome import Reason
from services.hedging.bands import two_band
from services.hedging.registry import AnyOf, HedgeRule
from services.hedging.triggers.adaptive import AdaptiveRule
from services.hedging.triggers.interval import IntervalRule
from services.hedging.triggers.price_move import PriceMoveRule
from services.hedging.triggers.threshold import ThresholdRule
from services.hedging.view import HedgeView, LastHedge, decide

LAST = LastHedge(seconds_ago=3_600.0, price=100.0, gamma_1pct=-0.02, vega_per_point=-0.1)


def book(net_delta: float = 0.2, **changes: Any) -> HedgeView:
    known: dict[str, Any] = {
        "spot": 100.0,
        "gamma_1pct": -0.0231,
        "vega_per_point": -0.11,
        "volatility": 0.6,
        "cost_rate": 0.0005,
        "fixed_cost": 0.002,
        "equity": 10.0,
        "last": LAST,
    }
    return HedgeView(net_delta=net_delta, **{**known, **changes})


def trade(rule: HedgeRule | AnyOf, view: HedgeView) -> float | None:
    return decide(rule, view).delta_to_trade


def any_of(*rules: HedgeRule, **changes: Any) -> AnyOf:
    return AnyOf(instrument="X", triggers=rules, **changes)


def test_a_threshold_as_a_move_of_the_price() -> None:
    """A move of 2 % brings 2 · 0.0231 of delta."""
    rule = ThresholdRule(max_move=0.02, rebalance_to="edge")
    assert trade(rule, book(0.0462)) is None
    assert trade(rule, book(0.05)) == pytest.approx(0.0462 - 0.05)
    assert decide(rule, book(gamma_1pct=None)).reason is Reason.GREEKS_UNAVAILABLE
    # Without gamma the width is what can be traded.
    assert decide(rule, book(0.3, gamma_1pct=0.0, least=0.1)).outer == 0.1


def test_drift_of_the_other_greeks_since_the_last_hedge() -> None:
    rule = ThresholdRule(max_delta=1.0, max_gamma_drift=0.01, max_vega_drift=0.05)
    assert trade(rule, book()) is None
    assert trade(rule, book(gamma_1pct=-0.031)) == -0.2
    assert trade(rule, book(vega_per_point=0.0)) == -0.2
    assert trade(rule, book(gamma_1pct=-0.031, last=None)) is None
    assert trade(rule, book(gamma_1pct=None, vega_per_point=None)) is None


def test_a_move_of_the_price_since_the_last_hedge() -> None:
    rule = PriceMoveRule(move=0.02)
    assert [trade(rule, book(spot=spot)) for spot in (101.9, 98.1, 102.0, 97.9)] == [None, None, -0.2, -0.2]
    assert trade(rule, book(last=None)) == -0.2


def test_a_move_in_daily_sigmas() -> None:
    """60 % a year is 3.14 % a day."""
    rule = PriceMoveRule(move_daily_sigmas=1.0)
    assert [trade(rule, book(spot=spot)) for spot in (103.1, 103.2)] == [None, -0.2]
    lacking = decide(rule, book(spot=150.0, volatility=None))
    assert (lacking.delta_to_trade, lacking.reason) == (None, Reason.VOLATILITY_UNAVAILABLE)


def test_an_interval_waits_for_the_clock_and_for_a_move() -> None:
    rule = IntervalRule(interval_seconds=3_600.0, min_move_bps=20.0)
    assert trade(rule, book(spot=100.2)) == -0.2
    assert trade(rule, book(spot=100.19)) is None
    assert trade(rule, book(spot=110.0, last=LastHedge(seconds_ago=3_599.0, price=100.0))) is None
    assert trade(rule, book(last=None)) == -0.2


def test_the_adaptive_band_is_that_of_its_kernel() -> None:
    decision = decide(AdaptiveRule(risk_aversion=1.0), book(0.08))
    assert (decision.outer, decision.inner) == pytest.approx((0.0680601868, 0.0142822987))
    assert decision.delta_to_trade == pytest.approx(0.0142822987 - 0.08)
    figures = {"gamma": 0.0231, "cost_rate": 0.0005, "fixed_cost": 0.002, "risk_aversion": 1.0}
    assert decision.basis == pytest.approx(figures)


def test_the_risk_aversion_is_ten_over_the_equity_by_default() -> None:
    assert decide(AdaptiveRule(), book(equity=20.0)).basis["risk_aversion"] == 0.5
    ruined = decide(AdaptiveRule(), book(0.2, equity=-5.0, least=0.01))
    assert (ruined.outer, ruined.inner, ruined.delta_to_trade) == (0.01, 0.0, -0.2)


def test_a_band_at_the_money_sets_the_risk_aversion() -> None:
    rule = AdaptiveRule(atm_band=0.05, atm_gamma_1pct=0.0231)
    assert decide(rule, book()).outer == pytest.approx(0.05)
    assert decide(rule, book(gamma_1pct=0.0231 / 8.0, fixed_cost=0.0)).outer == pytest.approx(0.05 / 4.0)
    # Orders that cost nothing: the narrowest band that can be traded.
    assert decide(rule, book(cost_rate=0.0, fixed_cost=0.0, least=0.001)).outer == 0.001


@pytest.mark.parametrize("cost", [5e-324, 1e-310, 1e-30])
def test_orders_that_cost_next_to_nothing_leave_no_wide_band(cost: float) -> None:
    rule = AdaptiveRule(atm_band=0.05, atm_gamma_1pct=0.0231)
    found = decide(rule, book(cost_rate=cost, fixed_cost=0.0))
    assert found.outer is not None and found.outer <= 0.05
    assert decide(AdaptiveRule(relative_risk_aversion=1e-300), book(equity=1e20)).basis["risk_aversion"] == 1e-15


def test_the_account_currency_does_not_matter() -> None:
    """An account in a currency worth a 150th: costs, equity and prices are 150 times as many."""
    here = decide(AdaptiveRule(), book())
    there = decide(AdaptiveRule(), book(conversion=150.0, fixed_cost=0.3, equity=1_500.0))
    assert (there.outer, there.inner) == pytest.approx((here.outer, here.inner))
    assert decide(AdaptiveRule(), book(conversion=None)).reason is Reason.FX_REQUIRED


def test_a_floor_and_a_hard_limit_bound_the_adaptive_band() -> None:
    assert decide(AdaptiveRule(), book(gamma_1pct=0.0, least=0.25)).outer == 0.25
    wide = AdaptiveRule(risk_aversion=1e-9)
    assert decide(wide, book()).outer == pytest.approx(
        float(two_band(0.0231, 100.0, cost_rate=0.0005, fixed_cost=0.002, risk_aversion=1e-9).outer)
    )
    assert decide(any_of(wide, hard_limit=0.15), book(0.1)).outer == 0.15


def test_any_of_takes_the_rule_that_leaves_least() -> None:
    edge, zero = ThresholdRule(max_delta=0.1, rebalance_to="edge"), ThresholdRule(max_delta=0.3)
    both = any_of(edge, zero)
    assert trade(both, book(0.2)) == pytest.approx(-0.1)
    assert trade(both, book(0.4)) == -0.4
    decision = decide(any_of(edge, PriceMoveRule(move=0.01)), book(0.4, spot=102.0))
    assert (decision.delta_to_trade, decision.fired) == (-0.4, ("threshold", "price_move"))
    assert (decision.outer, decision.inner) == (0.1, 0.1)


def test_a_cooldown_holds_what_is_due_and_says_so() -> None:
    rule = any_of(ThresholdRule(max_delta=0.1), cooldown_seconds=7_200.0)
    held = decide(rule, book())
    assert (held.delta_to_trade, held.reason, held.wait_seconds, held.fired) == (
        None,
        Reason.COOLDOWN,
        3_600.0,
        ("threshold",),
    )
    assert decide(rule, book(0.05)).reason is Reason.WITHIN_BUFFER
    assert trade(rule, book(last=LastHedge(seconds_ago=7_200.0, price=100.0))) == -0.2
    assert trade(rule, book(last=None)) == -0.2


def test_beyond_the_hard_limit_nothing_waits() -> None:
    rule = any_of(IntervalRule(interval_seconds=1e6), cooldown_seconds=7_200.0, hard_limit=0.15)
    decision = decide(rule, book(-0.2))
    assert (decision.delta_to_trade, decision.fired) == (0.2, ("hard_limit",))
    assert trade(rule, book(0.15)) is None
    banded = any_of(ThresholdRule(max_delta=9.0, rebalance_to="edge"), cooldown_seconds=7_200.0, hard_limit=0.15)
    assert trade(banded, book(0.2)) == pytest.approx(-0.05)


def test_what_is_left_of_a_hedge_goes_flat_at_once() -> None:
    """No options are left, and the last hedge was of options: neither band nor cooldown counts."""
    rule = any_of(ThresholdRule(max_delta=1.0), cooldown_seconds=7_200.0)
    gone = {"gamma_1pct": 0.0, "vega_per_point": None, "has_options": False}
    decision = decide(rule, book(0.2, **gone))
    assert (decision.delta_to_trade, decision.fired) == (-0.2, ("no_options",))
    # A book that never had any is hedged by its rules.
    linear = LastHedge(seconds_ago=60.0, price=100.0)
    assert trade(rule, book(0.2, last=linear, **gone)) is None
    assert trade(rule, book(0.2, last=None, **gone)) is None
    assert decide(rule, book(0.0, **gone)).fired == ()


def test_a_rule_that_lacks_something_does_not_keep_the_others() -> None:
    lacking = PriceMoveRule(move_daily_sigmas=1.0)
    rule = any_of(lacking, ThresholdRule(max_delta=0.1))
    assert trade(rule, book(volatility=None)) == -0.2
    quiet = decide(rule, book(0.05, volatility=None))
    assert (quiet.delta_to_trade, quiet.reason) == (None, Reason.VOLATILITY_UNAVAILABLE)
    assert "volatility" in quiet.detail


def test_only_what_counts_from_the_last_hedge_needs_its_memory() -> None:
    remembering = (
        PriceMoveRule(move=0.1),
        IntervalRule(interval_seconds=1.0),
        ThresholdRule(max_delta=1.0, max_vega_drift=1.0),
    )
    assert all(rule.remembers for rule in remembering)
    assert not any(rule.remembers for rule in (AdaptiveRule(), ThresholdRule(max_delta=1.0), any_of(AdaptiveRule())))
    assert any_of(AdaptiveRule(), cooldown_seconds=1.0).remembers
    assert any_of(AdaptiveRule(), remembering[0]).remembers


def test_paths_that_were_never_hedged_are_due_among_those_that_were() -> None:
    last = LastHedge(seconds_ago=np.array([60.0, np.nan]), price=np.array([100.0, np.nan]))
    view = book(spot=np.full(2, 100.0), last=last)
    for rule in (PriceMoveRule(move=0.1), IntervalRule(interval_seconds=600.0)):
        assert rule.judge(view).due.tolist() == [False, True]
    cooling = any_of(ThresholdRule(max_delta=0.1), cooldown_seconds=600.0)
    assert cooling.judge(view).due.tolist() == [False, True]


def test_a_gamma_beyond_all_numbers_is_said_to_be_unknown_or_moves_nothing() -> None:
    huge = book(0.2, gamma_1pct=1e308, spot=1e-6, last=LastHedge(seconds_ago=1.0, price=1e-6, gamma_1pct=-1e308))
    assert decide(AdaptiveRule(), huge).reason is Reason.GREEKS_UNAVAILABLE
    assert trade(ThresholdRule(max_move=10.0), huge) is None
    assert trade(ThresholdRule(max_delta=1.0, max_gamma_drift=1.0), huge) == -0.2
