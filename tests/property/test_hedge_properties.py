"""What must hold for every band and every trigger: widths in order, sizes that scale, and no trade toward more risk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.hedging.bands import TwoBand, bounded_band, risk_aversion_from_band, two_band
from services.hedging.registry import AnyOf, HedgeRule
from services.hedging.triggers.adaptive import AdaptiveRule
from services.hedging.triggers.interval import IntervalRule
from services.hedging.triggers.price_move import PriceMoveRule
from services.hedging.triggers.threshold import ThresholdRule
from services.hedging.view import HedgeView, LastHedge, decide

GAMMA, SPOT = st.floats(1e-9, 1e6), st.floats(1e-6, 1e6)
RATE, FIXED, AVERSION = st.floats(1e-6, 0.1), st.floats(0.0, 1e4), st.floats(1e-9, 1e3)
RULES = st.one_of(
    st.builds(ThresholdRule, max_delta=st.floats(0.01, 10.0), rebalance_to=st.sampled_from(["zero", "edge"])),
    st.builds(ThresholdRule, max_move=st.floats(0.001, 0.5), max_gamma_drift=st.floats(0.01, 1.0)),
    st.builds(PriceMoveRule, move=st.floats(0.001, 0.2)),
    st.builds(IntervalRule, interval_seconds=st.floats(1.0, 1e5), min_move_bps=st.floats(0.0, 100.0)),
    st.builds(AdaptiveRule, relative_risk_aversion=st.floats(0.1, 1e3)),
    st.builds(AdaptiveRule, atm_band=st.floats(0.01, 10.0), atm_gamma_1pct=st.floats(0.01, 10.0)),
)
LASTS = st.one_of(
    st.none(),
    st.builds(
        LastHedge,
        seconds_ago=st.floats(0.0, 1e6),
        price=st.floats(50.0, 200.0),
        gamma_1pct=st.one_of(st.none(), st.floats(-10.0, 10.0)),
    ),
)
VIEWS = st.builds(
    HedgeView,
    net_delta=st.floats(-1e3, 1e3),
    spot=st.floats(50.0, 200.0),
    conversion=st.sampled_from([None, 1.0, 150.0]),
    gamma_1pct=st.one_of(st.none(), st.floats(-100.0, 100.0)),
    volatility=st.one_of(st.none(), st.floats(0.01, 3.0)),
    cost_rate=st.floats(0.0, 0.05),
    fixed_cost=st.floats(0.0, 100.0),
    equity=st.floats(-1e3, 1e6),
    least=st.floats(0.0, 1.0),
    last=LASTS,
    has_options=st.booleans(),
)


def band(gamma: float, spot: float, rate: float, fixed: float, aversion: float) -> tuple[float, float]:
    outer, inner = two_band(gamma, spot, cost_rate=rate, fixed_cost=fixed, risk_aversion=aversion)
    return float(outer), float(inner)


@given(GAMMA, SPOT, RATE, FIXED, AVERSION)
def test_widths_are_in_order_and_solve_their_equations(
    gamma: float, spot: float, rate: float, fixed: float, aversion: float
) -> None:
    outer, inner = band(gamma, spot, rate, fixed, aversion)
    assert outer >= inner >= 0.0
    assert outer > 0.0
    total, gap = outer + inner, outer - inner
    unit = 12.0 * gamma**2 / aversion
    assert 4.0 * total * outer * inner == pytest.approx(unit * rate * spot, rel=1e-9)
    # A difference of nearly equal widths where there is next to no fixed cost.
    assert total * gap**3 == pytest.approx(unit * fixed, rel=1e-6, abs=1e-12 * total**4)


@given(GAMMA, SPOT, RATE, FIXED, AVERSION, st.floats(1.01, 10.0))
def test_dearer_orders_widen_and_more_aversion_narrows(
    gamma: float, spot: float, rate: float, fixed: float, aversion: float, times: float
) -> None:
    outer, inner = band(gamma, spot, rate, fixed, aversion)
    least = outer * (1.0 - 1e-12)
    assert band(gamma, spot, rate * times, fixed, aversion)[0] >= least
    assert band(gamma, spot, rate * times, 0.0, aversion)[0] > band(gamma, spot, rate, 0.0, aversion)[0]
    assert band(gamma, spot, rate, (fixed + 1e-6) * times, aversion)[0] >= least
    assert band(gamma, spot, rate, fixed, aversion * times)[0] < outer
    assert band(gamma * times, spot, rate, fixed, aversion)[0] > outer
    # A fixed cost makes orders larger: they end nearer to zero.
    assert band(gamma, spot, rate, (fixed + 1e-6) * times, aversion)[1] <= inner * (1.0 + 1e-9)


@given(GAMMA, SPOT, RATE, FIXED, AVERSION, st.floats(0.01, 100.0))
def test_widths_scale_with_the_size_of_the_book(
    gamma: float, spot: float, rate: float, fixed: float, aversion: float, size: float
) -> None:
    """q^{2/3} under proportional costs, q^{1/2} under fixed ones, between the two under both."""
    proportional = band(size * gamma, spot, rate, 0.0, aversion)[0] / band(gamma, spot, rate, 0.0, aversion)[0]
    assert proportional == pytest.approx(size ** (2.0 / 3.0), rel=1e-9)
    ordered = band(size * gamma, spot, 0.0, fixed + 1.0, aversion)[0] / band(gamma, spot, 0.0, fixed + 1.0, aversion)[0]
    assert ordered == pytest.approx(size**0.5, rel=1e-9)
    both = band(size * gamma, spot, rate, fixed, aversion)[0] / band(gamma, spot, rate, fixed, aversion)[0]
    low, high = sorted((proportional, ordered))
    assert low * (1.0 - 1e-9) <= both <= high * (1.0 + 1e-9)


@given(GAMMA, SPOT, RATE, FIXED, AVERSION)
def test_the_risk_aversion_of_a_band_gives_it_back(
    gamma: float, spot: float, rate: float, fixed: float, aversion: float
) -> None:
    outer, _ = band(gamma, spot, rate, fixed, aversion)
    found = risk_aversion_from_band(outer, gamma, spot, cost_rate=rate, fixed_cost=fixed)
    assert float(found) == pytest.approx(aversion, rel=1e-6)


@given(st.floats(0.0, 10.0), st.floats(0.0, 10.0), st.floats(0.0, 10.0), st.floats(0.001, 10.0))
def test_bounds_keep_the_order_of_the_widths(one: float, other: float, least: float, most: float) -> None:
    low, high = sorted((one, other))
    outer, inner = bounded_band(TwoBand(np.array(high), np.array(low)), least=least, most=most)
    assert 0.0 <= float(inner) <= float(outer) <= most
    assert float(outer) >= min(least, most)


@given(RULES, VIEWS)
def test_a_trigger_never_trades_toward_more_risk(rule: HedgeRule, view: HedgeView) -> None:
    decision = decide(rule, view)
    if decision.delta_to_trade is not None:
        after = float(view.net_delta) + decision.delta_to_trade
        assert abs(after) <= abs(float(view.net_delta)) * (1.0 + 1e-12)
        assert after * float(view.net_delta) >= 0.0
        assert decision.fired


@given(st.lists(RULES, min_size=1, max_size=4), VIEWS, st.floats(0.0, 1e5), st.floats(0.01, 100.0))
def test_beyond_the_hard_limit_something_is_always_done(
    rules: list[HedgeRule], view: HedgeView, cooldown: float, limit: float
) -> None:
    assume(abs(float(view.net_delta)) > limit)
    trigger = AnyOf(instrument="X", triggers=tuple(rules), cooldown_seconds=cooldown, hard_limit=limit)
    decision = decide(trigger, view)
    assert decision.delta_to_trade is not None
    assert "hard_limit" in decision.fired
    assert abs(float(view.net_delta) + decision.delta_to_trade) <= limit * (1.0 + 1e-12) + 1e-9


@given(st.lists(RULES, min_size=1, max_size=4), VIEWS)
def test_any_of_acts_where_one_of_them_does(rules: list[HedgeRule], view: HedgeView) -> None:
    assume(not view.options_gone)
    together = decide(AnyOf(instrument="X", triggers=tuple(rules)), view)
    alone = [decide(rule, view) for rule in rules]
    trades = [decision.delta_to_trade for decision in alone if decision.delta_to_trade is not None]
    assert (together.delta_to_trade is not None) == bool(trades)
    if together.delta_to_trade is not None:
        assert abs(together.delta_to_trade) == max(map(abs, trades))
