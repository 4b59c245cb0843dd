"""Overlays on flow and on the liquidity of a row's market."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.liquidity.book import OrderBook
from services.liquidity.depth import Side
from services.liquidity.flow import FlowRule
from services.liquidity.trade_cap import RowLiquidity, TradeLimits
from services.sizing.overlay import grown
from services.sizing.overlays.flow import OrderFlow
from services.sizing.overlays.liquidity import Liquidity, shared_growth
from tests.support.overlays import effect, view

NAN = float("nan")
LEVELS = np.array([[0.0001, 4.0], [0.003, 4.0], [0.02, 100.0]])


def book(**changes: Any) -> RowLiquidity:
    """Half a per mille wide; 8 contracts within 0.5 % on each side."""
    bids = np.column_stack([100.0 * (1.0 - LEVELS[:, 0]), LEVELS[:, 1]])
    asks = np.column_stack([100.0 * (1.0 + LEVELS[:, 0]), LEVELS[:, 1]])
    fields = {"depth": OrderBook(bids=bids, asks=asks), "age_seconds": 1.0, "unit_value": 100.0}
    return RowLiquidity(**{**fields, **changes})


def test_flow_is_judged_against_the_side_that_is_wanted() -> None:
    """Imbalance −0.6 is half the way from 0.2 to 1 against a long: 1 − 0.5 · 0.5."""
    known = {"order_flow_imbalance": [-0.6] * 3, "flow_age_seconds": [1.0] * 3}
    assert effect(OrderFlow(), view([1.0, -1.0, 0.0], **known)) == [0.75, 1.0, 1.0]


def test_dear_funding_weighs_on_who_pays_it() -> None:
    carry = {"funding_carry": [0.655, 0.655, 5.0]}
    assert effect(OrderFlow(), view([1.0, -1.0, 1.0], **carry)) == pytest.approx([0.75, 1.0, 0.5])


def test_old_imbalance_counts_no_more_and_nothing_known_blocks() -> None:
    seen = view(
        [1.0, 1.0],
        order_flow_imbalance=[-1.0, -1.0],
        flow_age_seconds=[301.0, 301.0],
        funding_carry=[0.05, NAN],
    )
    found = OrderFlow().effect(seen)
    assert found.missing.tolist() == [False, True]
    assert found.multiplier[0] == 1.0
    stopped = OrderFlow().effect(view([1.0], order_flow_imbalance=[-0.6], flow_age_seconds=[1.0]))
    assert stopped.detail == ("order-flow imbalance -0.6",)


def test_the_rule_is_that_of_the_kernel() -> None:
    rng = np.random.default_rng(6)
    size, flow, carry = rng.normal(size=50), rng.uniform(-1, 1, 50), rng.uniform(-2, 2, 50)
    seen = view(size.tolist(), order_flow_imbalance=flow, flow_age_seconds=np.zeros(50), funding_carry=carry)
    expected = FlowRule(floor=0.6).multipliers(size, flow, carry).value
    assert OrderFlow(floor=0.6).effect(seen).multiplier.tolist() == expected.tolist()
    with pytest.raises(InvalidInput, match="dear_carry"):
        OrderFlow(dear_carry=0.1)


@pytest.mark.parametrize(
    ("current", "wanted"), [(0.0, 9.0), (1.0, 9.0), (4.0, 1.0), (3.0, -3.0), (1.0, -9.0), (2.0, 2.0)]
)
def test_the_increase_is_what_the_trade_cap_leaves(current: float, wanted: float) -> None:
    held, want = np.array([current]), np.array([wanted])
    capped = TradeLimits().cap_trades(want - held, held, [book()])
    seen = view([wanted], current=[current], liquidity=(book(),))
    found = grown(held, want, np.array(effect(Liquidity(), seen)))
    assert found.tolist() == pytest.approx((held + capped.trades).tolist())


def test_rows_of_one_market_share_its_depth() -> None:
    """2 contracts of a quarter of 8; the closing 1.5 passes first, and 0.5 is left for an increase of 1."""
    market = ("A", None)
    seen = view([-1.0, 1.5], current=[0.0, 3.0], liquidity=(book(), book()), depth_market=(market, market))
    assert effect(Liquidity(), seen) == pytest.approx([0.5, 1.0])
    apart = view([-1.0, 1.5], current=[0.0, 3.0], liquidity=(book(), book()), depth_market=(market, ("A", "b")))
    assert effect(Liquidity(), apart) == [1.0, 1.0]


def test_opposite_trades_use_different_sides() -> None:
    market = ("A", None)
    seen = view([2.0, -2.0], liquidity=(book(), book()), depth_market=(market, market))
    assert effect(Liquidity(), seen) == [1.0, 1.0]


@pytest.mark.parametrize(
    ("overlay", "row", "missing", "text"),
    [
        (Liquidity(), RowLiquidity(), True, "slippage, depth_share"),
        (Liquidity(), book(age_seconds=61.0), True, "older than"),
        (Liquidity(participation_rate=0.1), book(), True, "participation"),
        (Liquidity(critical_depth=900.0), book(), False, "critical depth"),
        (Liquidity(minimum_age_seconds=1.0), book(), False, "stood long enough"),
    ],
)
def test_what_allows_no_increase(overlay: Liquidity, row: RowLiquidity, missing: bool, text: str) -> None:
    found = overlay.effect(view([3.0, 1.0], current=[1.0, 2.0], liquidity=(row, row)))
    assert found.missing.tolist() == [missing] * 2
    assert text in found.detail[0]
    left = np.where(found.blocked, 0.0, found.multiplier)
    assert grown(np.array([1.0, 2.0]), np.array([3.0, 1.0]), left).tolist() == [1.0, 1.0]


def test_participation_and_square_root_impact() -> None:
    """1 % of 400 is 4; a budget of 0.002 at σ = 0.02 and Y = 1 bears 400 · 0.01 = 4 as well, half the budget 1."""
    row = RowLiquidity(average_daily_volume=400.0, daily_volatility=0.02)
    only = {"max_slippage": None, "depth_share": None}
    seen = view([8.0], liquidity=(row,))
    assert effect(Liquidity(**only, participation_rate=0.01), seen) == pytest.approx([0.5])
    assert effect(Liquidity(**only, max_impact=0.002), seen) == pytest.approx([0.5])
    assert effect(Liquidity(**only, max_impact=0.001, participation_rate=0.01), seen) == pytest.approx([0.125])


def test_no_limit_at_all_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        Liquidity(max_slippage=None, depth_share=None)


def test_shares_by_hand() -> None:
    markets = [(("A", None), Side.BUY), (("A", None), Side.BUY), (("A", None), Side.SELL)]
    largest, closing = np.array([5.0, 4.0, 0.0]), np.array([1.0, 0.0, 2.0])
    assert shared_growth(markets, largest, closing, np.array([2.0, 4.0, 0.0])).tolist() == [0.5, 0.5, 1.0]
