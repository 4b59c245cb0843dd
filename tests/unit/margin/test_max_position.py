"""Largest positions, checked by putting them back into the requirement and the liquidation price."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from services.core.errors import InvalidInput
from services.margin.assembly import requirement
from services.margin.liquidation import liquidation_price_inverse, liquidation_price_linear
from services.margin.max_position import (
    margin_budget,
    max_contracts_for_distance,
    max_contracts_for_margin_budget,
    notional_at_distance,
)
from services.margin.size_addons import LinearAddon, NoAddon, SizeAddon, SqrtAddon


def test_the_budget_is_what_utilisation_leaves() -> None:
    assert margin_budget(10_000.0, 2_000.0) == 6_000.0
    assert margin_budget(10_000.0, 9_000.0) == 0.0
    assert margin_budget(-5.0) == 0.0


@pytest.mark.parametrize(
    "addon", [NoAddon(), LinearAddon(per_contract=0.0002), SqrtAddon(coefficient=0.004), SqrtAddon(coefficient=1e-6)]
)
@pytest.mark.parametrize("budget", [1e-3, 6_000.0, 5e6])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_largest_position_spends_the_budget(addon: SizeAddon, budget: float, side: float) -> None:
    cap = 1.0 if side > 0 else 3.0
    size = float(max_contracts_for_margin_budget(budget, 100.0, 0.05, size_addon=addon, cap=cap))
    asked = requirement(side * size, 100.0, 0.05, 0.05, size_addon=addon)
    assert float(asked.initial) == pytest.approx(budget, rel=1e-9, abs=2e-8)


def test_the_square_root_addon_agrees_with_a_root_search() -> None:
    """margin.md §2.7 gives 472.599 for its cubic."""
    size = float(max_contracts_for_margin_budget(6_000.0, 100.0, 0.05, size_addon=SqrtAddon(coefficient=0.004)))
    expected = brentq(lambda q: 100.0 * q * max(0.05, 0.04 + 0.004 * np.sqrt(q)) - 6_000.0, 1.0, 1e4, xtol=1e-12)
    assert size == pytest.approx(expected, rel=1e-12)
    assert size == pytest.approx(472.599, abs=5e-4)


def test_edges_of_the_budget() -> None:
    assert max_contracts_for_margin_budget([0.0, 100.0], 100.0, 0.0).tolist() == [1.0 * 0.0, np.inf]
    assert max_contracts_for_margin_budget([0.0, 60.0], 100.0, [0.05, 0.05]).tolist() == pytest.approx([0.0, 12.0])
    for arguments, rule in (
        ((-1.0, 100.0, 0.05), "budget must be >= 0"),
        ((1.0, 0.0, 0.05), "notional_per_contract must be > 0"),
        ((1.0, 100.0, -0.05), "rate must be >= 0"),
    ):
        with pytest.raises(InvalidInput, match=rule):
            max_contracts_for_margin_budget(*arguments)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("rate", [0.0, 0.03, 0.4])
@pytest.mark.parametrize("sigmas", [0.5, 3.0, 8.0])
def test_a_linear_position_at_the_limit_is_liquidated_at_the_distance(side: float, rate: float, sigmas: float) -> None:
    volatility, mark, equity = 0.9, 250.0, 8_000.0
    size = float(max_contracts_for_distance(equity, mark, volatility, rate, sigmas, side=side))
    price = liquidation_price_linear(
        equity_quote=equity, base_quantity=side * size, mark=mark, tiers=[(0.0, rate, 0.0)]
    )
    assert price == pytest.approx(mark * np.exp(-side * sigmas * volatility / np.sqrt(365)), rel=1e-12)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("rate", [0.0, 0.03, 0.4])
@pytest.mark.parametrize("sigmas", [0.5, 3.0, 8.0])
def test_an_inverse_position_at_the_limit_is_liquidated_at_the_distance(
    side: float, rate: float, sigmas: float
) -> None:
    volatility, mark, equity = 0.9, 250.0, 8_000.0
    size = float(max_contracts_for_distance(equity, 10.0, volatility, rate, sigmas, side=side, inverse=True))
    price = liquidation_price_inverse(
        equity_coin=equity / mark, contracts_quote=side * size * 10.0, mark=mark, maintenance_rate=rate
    )
    assert price == pytest.approx(mark * np.exp(-side * sigmas * volatility / np.sqrt(365)), rel=1e-12)


def test_edges_of_the_distance() -> None:
    assert max_contracts_for_distance([0.0, -5.0], 100.0, 0.5, 0.03, 3.0, side=1).tolist() == [0.0, 0.0]
    assert float(notional_at_distance(0.0, 0.0, 1)) == np.inf
    assert float(notional_at_distance(0.0, 0.05, 1)) == pytest.approx(20.0)
    assert np.isnan(notional_at_distance([np.nan, 0.1], [0.05, np.nan], 1)).all()
    assert float(notional_at_distance(900.0, 0.05, -1)) == 0.0
    with pytest.raises(InvalidInput, match="maintenance_rate must be >= 0"):
        notional_at_distance(0.1, -0.05, 1)
    with pytest.raises(InvalidInput, match="move must be >= 0"):
        notional_at_distance(-0.1, 0.05, 1)
