"""A trigger with a wider band: later, to wider widths, and never later than its hard limit."""

from __future__ import annotations

import pytest

from services.core.errors import InvalidInput
from services.hedging.registry import AnyOf
from services.hedging.triggers.adaptive import AdaptiveRule
from services.hedging.triggers.interval import IntervalRule
from services.hedging.triggers.price_move import PriceMoveRule
from services.hedging.triggers.threshold import ThresholdRule
from services.hedging.view import HedgeView, LastHedge, decide
from services.hedging.widened import Widened
from tests.support.hedging import TRIGGERS, paths

LAST = LastHedge(seconds_ago=120.0, price=99.0)


def test_a_factor_of_one_changes_nothing() -> None:
    for trigger in TRIGGERS:
        for view in paths(20):
            assert decide(Widened(trigger, 1.0), view) == decide(trigger, view)


def test_the_widths_are_times_the_factor() -> None:
    view = HedgeView(
        net_delta=60.0, spot=100.0, gamma_1pct=-1.0, volatility=0.5, cost_rate=0.001, equity=1e5, fixed_cost=1.0
    )
    rule = AdaptiveRule()
    plain, wide = decide(rule, view), decide(Widened(rule, 1.25), view)
    assert plain.outer is not None and wide.outer is not None and plain.inner is not None
    assert wide.outer == pytest.approx(1.25 * plain.outer)
    assert wide.delta_to_trade == pytest.approx(1.25 * plain.inner - 60.0)


@pytest.mark.parametrize(("delta", "due"), [(0.59, False), (0.61, True), (-0.59, False), (-0.61, True)])
def test_it_waits_until_the_wider_band_is_left(delta: float, due: bool) -> None:
    verdict = decide(Widened(ThresholdRule(max_delta=0.5), 1.2), HedgeView(net_delta=delta, spot=100.0))
    assert (verdict.delta_to_trade is not None) is due
    assert verdict.delta_to_trade in (None, pytest.approx(-delta))


def test_a_hard_limit_stays_where_it_is() -> None:
    trigger = AnyOf(instrument="A", triggers=(ThresholdRule(max_delta=0.9),), hard_limit=1.0)
    wide = Widened(trigger, 3.0)
    assert wide.remembers is trigger.remembers
    assert decide(wide, HedgeView(net_delta=0.95, spot=100.0)).delta_to_trade is None
    beyond = decide(wide, HedgeView(net_delta=1.05, spot=100.0))
    assert (beyond.delta_to_trade, beyond.fired) == (pytest.approx(-1.05), ("threshold", "hard_limit"))
    assert beyond.outer == pytest.approx(1.0)


@pytest.mark.parametrize("rule", [PriceMoveRule(move=0.005), IntervalRule(interval_seconds=60.0)])
def test_rules_that_look_at_price_or_time_act_as_they_did(rule: PriceMoveRule | IntervalRule) -> None:
    view = HedgeView(net_delta=0.2, spot=100.0, last=LAST)
    assert decide(Widened(rule, 5.0), view).delta_to_trade == pytest.approx(decide(rule, view).delta_to_trade)


def test_a_band_is_not_narrowed() -> None:
    with pytest.raises(InvalidInput, match="factor"):
        Widened(ThresholdRule(max_delta=0.5), 0.9)
