"""What the orders of a decision are expected to cost, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.engine import Policy, evaluate
from services.liquidity.costs import Costs
from services.sizing.buffers import CostOptimalBuffer, NoBuffer
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import OPEN, inputs, row

TARGET = VolatilityTarget(target_volatility=0.2)
COSTS = Costs(fee=0.001, half_spread=0.0005, impact_coefficient=1.0, gas=3.0)
POLICY = Policy(sizing=TARGET, limits=OPEN, buffer=NoBuffer(), costs=COSTS)


def test_fee_spread_and_gas_of_what_is_traded() -> None:
    """Half the risk each, volatilities adding up: from 10 to 25 of 100 each; the other row trades nothing."""
    found = evaluate(inputs(row("A", "10", direction=1.0), row("B", direction=0.0), policy=POLICY))
    costs = found.costs
    assert costs is not None and found.targets[0].order == 15
    traded = 1_500.0
    assert costs.fee[0] == pytest.approx(0.001 * traded)
    assert costs.spread[0] == pytest.approx(0.0005 * traded)
    assert costs.gas.tolist() == [3.0, 0.0] and costs.total[1] == 0.0
    assert not costs.impact_known[0] and costs.impact_known[1]


def test_a_reversal_pays_for_both_legs() -> None:
    found = evaluate(inputs(row("A", "-10", direction=1.0), policy=POLICY))
    assert found.costs is not None
    assert found.costs.fee[0] == pytest.approx(0.001 * 60.0 * 100.0)


def test_the_cost_optimal_band_reads_the_costs_of_the_policy() -> None:
    """h = (3 c ν²/2γσ²)^(1/3) with c = fee + half spread: free trading has no band, dear trading a wide one."""
    band = CostOptimalBuffer(risk_aversion=2.0, weight_volatility=0.5)
    sizes = []
    for fee in (0.0, 0.001, 0.01):
        costs = Costs(fee=fee, half_spread=0.0, impact_coefficient=0.0)
        policy = replace(POLICY, buffer=band, costs=costs)
        sizes.append(float(evaluate(inputs(row("A", direction=1.0), policy=policy)).targets[0].target or 0))
    assert sizes[0] == 50.0
    half = [(1.5 * fee * (0.5 * 0.5) ** 2 / (2.0 * 0.4**2)) ** (1 / 3) * 100.0 for fee in (0.001, 0.01)]
    assert sizes[1:] == pytest.approx([50.0 - half[0], 50.0 - half[1]], abs=0.01)
