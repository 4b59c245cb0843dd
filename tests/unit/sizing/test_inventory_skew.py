"""Inventory skew by hand; hummingbot's ten own cases are golden vectors."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.outcome import Action, Reason, Status
from services.engine import Policy, evaluate
from services.sizing.buffers import NoBuffer
from services.sizing.methods.inventory_skew import InventorySkew, quote_multipliers
from tests.support.books import OPEN, inputs, row

D = Decimal
POLICY = Policy(sizing=InventorySkew(), limits=OPEN, buffer=NoBuffer())


@pytest.mark.parametrize(
    ("held", "target", "skew"),
    [("50", "50", (1.0, 1.0)), ("60", "60", (0.6, 1.4)), ("40", "40", (1.4, 0.6)), ("90", "75", (0.0, 2.0))],
)
def test_quotes_work_inside_the_range_and_trades_outside(held: str, target: str, skew: tuple[float, float]) -> None:
    """Target 50 ± 25 contracts: inside, nothing is traded; beyond, the nearer end."""
    result = evaluate(inputs(row(quantity=held, direction=1.0), policy=POLICY))
    assert result.targets[0].target == D(target)
    assert result.quote_skew is not None
    assert (result.quote_skew.bid[0], result.quote_skew.ask[0]) == pytest.approx(skew)


def test_an_empty_inventory_is_bought_up_to_the_range_and_quoted_on_the_bid() -> None:
    result = evaluate(inputs(row(direction=1.0), policy=POLICY))
    assert result.targets[0].target == D(25)
    assert result.quote_skew is not None and result.quote_skew.bid[0] == 2.0


def test_a_short_inventory_is_the_mirror() -> None:
    result = evaluate(inputs(row(quantity="-60", direction=-1.0), policy=POLICY))
    assert result.targets[0].target == D(-60)
    assert result.quote_skew is not None
    assert (result.quote_skew.bid[0], result.quote_skew.ask[0]) == pytest.approx((1.4, 0.6))


def test_pairs_share_the_equity() -> None:
    """Two rows: each 5,000 of equity, 25 ± 12.5 contracts."""
    result = evaluate(inputs(row("A", "30", direction=1.0), row("B", "60", direction=1.0), policy=POLICY))
    assert [target.target for target in result.targets] == [D(30), D("37.5")]
    assert result.quote_skew is not None
    assert result.quote_skew.bid.tolist() == pytest.approx([0.6, 0.0])


def test_a_held_book_without_signals_is_skewed_too_and_a_flat_row_is_not() -> None:
    result = evaluate(inputs(row("A", "60"), row("B"), policy=POLICY))
    assert result.targets[1].reason is Reason.NO_DIRECTION
    assert result.quote_skew is not None
    assert result.quote_skew.bid[0] == pytest.approx(0.6)
    assert np.isnan(result.quote_skew.bid[1])


def test_a_direction_of_zero_leaves_the_market() -> None:
    result = evaluate(inputs(row(quantity="60", direction=0.0), policy=POLICY))
    assert (result.targets[0].status, result.targets[0].action) == (Status.OK, Action.CLOSE)
    assert result.quote_skew is not None and np.isnan(result.quote_skew.bid[0])


@given(st.floats(0.0, 1e6), st.floats(1.0, 1e6), st.floats(0.01, 1.0), st.floats(0.001, 2.0), st.floats(0.5, 100.0))
def test_multipliers_are_bounded_scale_free_and_fall_with_the_inventory(
    inventory: float, total: float, target: float, half: float, scale: float
) -> None:
    bid, ask = quote_multipliers(inventory, total, total * target, total * half)
    assert 0.0 <= bid <= 2.0
    assert bid + ask == pytest.approx(2.0)
    assert quote_multipliers(inventory + total * 0.01, total, total * target, total * half)[0] <= bid + 1e-12
    scaled = quote_multipliers(scale * inventory, scale * total, scale * total * target, scale * total * half)
    assert scaled[0] == pytest.approx(bid, abs=1e-6)
