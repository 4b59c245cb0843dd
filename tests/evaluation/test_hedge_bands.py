"""What the measurement of hedge triggers computes, on samples and paths that are known."""

from __future__ import annotations

import numpy as np
import pytest

from services.hedging.view import HedgeView
from services.simulation.hedging import OrderCosts, certainty_equivalent_loss
from tests.evaluation import hedge_bands

SMOOTH = hedge_bands.SETTINGS[3]
"""Five basis points and 0.01 an order."""


def row(rule: str, difference: float, high: float) -> hedge_bands.Row:
    return hedge_bands.Row(SMOOTH, rule, 0.3 + difference, 100.0, difference, difference - 0.01, high)


def test_the_share_is_what_is_left_of_the_width() -> None:
    view = HedgeView(net_delta=-0.2, spot=100.0, gamma_1pct=-0.0231, cost_rate=0.0005, fixed_cost=9.0)
    for share in (0.0, 0.5, 1.0):
        verdict = hedge_bands.WhalleyWilmott(share, 1.0).judge(view)
        assert (bool(verdict.due), float(verdict.left)) == (True, pytest.approx(share * 0.0342054316))


def test_rules_are_told_what_their_names_say() -> None:
    costs = OrderCosts(0.001, 0.5)
    assert hedge_bands.told(hedge_bands.FIXED, costs) == OrderCosts(0.0, 0.5)
    assert hedge_bands.told(hedge_bands.EDGE, costs) == OrderCosts(0.001, 0.0)
    assert hedge_bands.told(hedge_bands.BEST, costs) == costs
    missing = set(hedge_bands.rules_of(SMOOTH)) - set(hedge_bands.rules_of(hedge_bands.SETTINGS[0]))
    assert missing == {hedge_bands.EDGE, hedge_bands.FIXED}


def test_the_rough_model_has_the_variance_of_the_smooth_one() -> None:
    rough, variance = hedge_bands.ROUGH, 2.0**2 / (2.0 * 8.0)
    diffused = rough.volatility**2 * np.exp(variance)
    jumps = rough.jumps_per_year * (rough.jump_mean**2 + rough.jump_volatility**2)
    assert (diffused, jumps) == pytest.approx((0.288, 0.072), rel=2e-3)


def test_the_interval_holds_the_difference_of_two_normal_samples() -> None:
    """``Δ = g (σ₁² − σ₂²) / 2 − (μ₁ − μ₂)``, of pairs: what they share drops out."""
    rng = np.random.default_rng(4)
    shared, own = rng.normal(0.0, 0.5, 4_000), rng.normal(0.0, 0.1, 4_000)
    low, high = hedge_bands.interval(shared + own - 0.2, shared, 1.0)
    # Two deviations of a mean of 4,000 to either side.
    assert high - low == pytest.approx(4.0 * 0.1 / np.sqrt(4_000), rel=0.2)
    assert 0.5 * (low + high) == pytest.approx(0.2 + 0.005, abs=0.005)
    found = certainty_equivalent_loss(shared + own - 0.2, 1.0) - certainty_equivalent_loss(shared, 1.0)
    assert low < found < high


def test_a_gate_holds_where_no_peer_is_better_beyond_chance() -> None:
    rows = [row(hedge_bands.BEST, 0.0, 0.0), row(hedge_bands.FIXED, -0.2, -0.1), row("half", 0.02, 0.03)]
    assert [gate.held for gate in hedge_bands.gates_of(rows)] == [True]
    assert [gate.held for gate in hedge_bands.gates_of([*rows, row("to zero", -0.05, -0.01)])] == [False]


def test_a_few_paths_show_the_order_of_the_rules() -> None:
    """Fixed costs: two bands lose least, with far fewer orders than the edge; and the page has every rule."""
    rows = hedge_bands.rows_of(SMOOTH, hedge_bands.simulated(SMOOTH, 40, days=4))
    by_name = {item.rule: item for item in rows}
    edge, best = by_name[hedge_bands.EDGE], by_name[hedge_bands.BEST]
    assert best.orders < 0.1 * edge.orders
    assert best.loss < by_name["to zero"].loss < edge.loss
    text = hedge_bands.document(rows, hedge_bands.gates_of(rows), 40)
    assert all(f"| {name} |" in text for name in hedge_bands.rules_of(SMOOTH))
