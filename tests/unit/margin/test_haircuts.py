"""Haircuts: floors, unknown and stale inputs, wrong-way risk, what is owed, caps on deposits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.margin.haircuts import (
    VolatilityHaircut,
    cap_scaled_weight,
    collateral_credit,
    credited_profit,
    size_discounted_weight,
)

POLICY = VolatilityHaircut()


def haircut(volatility: float, **known: Any) -> float:
    return float(POLICY.haircuts(volatility, **{"floor": 0.0, **known}).maintenance)


def test_each_part_is_the_formula_by_hand() -> None:
    fall = 2.3378 * 0.7 * math.sqrt(4.0 / 8_760.0)
    assert haircut(0.7) == pytest.approx(fall, rel=1e-12)
    assert haircut(0.0, spread=0.004) == pytest.approx(0.002, rel=1e-12)
    assert haircut(0.0, size_quote=1e6, average_daily_volume=1e8) == pytest.approx(0.01, rel=1e-12)
    assert haircut(0.0, peg_price=0.95) == pytest.approx(0.08, rel=1e-9)
    assert haircut(0.0, peg_price=0.995) == 0.0


def test_an_old_price_has_had_longer_to_move_and_a_stale_one_gives_no_initial_credit() -> None:
    ages = np.array([0.0, 14_400.0, 57_600.0])
    found = POLICY.haircuts(0.7, floor=0.0, age_seconds=ages, heartbeat_seconds=20_000.0)
    fall = 2.3378 * 0.7 * np.sqrt(np.array([4.0, 8.0, 20.0]) / 8_760.0)
    np.testing.assert_allclose(found.maintenance, fall * [1.0, 1.0, 2.0], rtol=1e-12)
    assert found.stale.tolist() == [False, False, True]
    assert found.initial[2] == 1.0
    np.testing.assert_allclose(found.initial[:2], 1.25 * found.maintenance[:2], rtol=1e-12)


def test_wrong_way_collateral_and_contagion_multiply_the_haircut() -> None:
    plain = haircut(0.7)
    assert haircut(0.7, wrong_way_correlation=0.5) == plain
    assert haircut(0.7, wrong_way_correlation=-1.0) == plain
    assert haircut(0.7, wrong_way_correlation=0.9) == pytest.approx(1.2 * plain, rel=1e-12)
    assert haircut(0.7, multiplier=1.6) == pytest.approx(1.6 * plain, rel=1e-12)


@pytest.mark.parametrize(
    "name",
    ["floor", "spread", "size_quote", "average_daily_volume", "peg_price", "wrong_way_correlation", "age_seconds",
     "heartbeat_seconds", "multiplier"],
)  # fmt: skip
def test_what_is_not_known_carries_no_credit(name: str) -> None:
    found = POLICY.haircuts([0.5, 0.5], **{name: np.array([math.nan, 1.0])})
    assert (found.maintenance[0], found.initial[0], bool(found.known[0])) == (1.0, 1.0, False)
    assert bool(found.known[1])


def test_unknown_volatility_and_a_market_without_volume_give_none_either() -> None:
    found = POLICY.haircuts([math.nan, 0.5, 0.5], size_quote=[1.0, 1.0, 0.0], average_daily_volume=[1.0, 0.0, 0.0])
    assert found.maintenance.tolist()[:2] == [1.0, 1.0]
    assert found.maintenance[2] < 1.0
    assert found.known.tolist() == [False, True, True]


@pytest.mark.parametrize(("name", "value"), [("spread", -0.1), ("size_quote", -1.0), ("age_seconds", -1.0),
                                             ("multiplier", 0.9), ("peg_price", -0.1)])  # fmt: skip
def test_impossible_inputs_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=name):
        POLICY.haircuts(0.5, **{name: value})


def test_debts_count_in_full_and_haircuts_lie_in_the_unit_interval() -> None:
    assert collateral_credit([100.0, -100.0, 0.0], [0.25, 0.25, 1.0]).tolist() == [75.0, -100.0, 0.0]
    with pytest.raises(InvalidInput, match="haircut"):
        collateral_credit([1.0], [1.1])


def test_weights_shrink_with_deposits_and_size_and_losses_do_not() -> None:
    assert cap_scaled_weight(0.8, [0.0, 10.0, 20.0], 10.0).tolist() == [0.8, 0.8, 0.4]
    assert size_discounted_weight(0.9, [1.0, 1e12], 0.0).tolist() == [0.9, 0.9]
    assert credited_profit([-1e9, 50.0, 1e9], coefficient=1e-3, cap=1_000.0).tolist() == [-1e9, 50.0, 1_000.0]
    with pytest.raises(InvalidInput, match="coefficient"):
        size_discounted_weight(0.9, 1.0, -1.0)
