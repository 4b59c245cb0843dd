"""Worst prices: width from the parts, the tick toward the mark, and how often a price passes them."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.hedging.execution import Execution, LinearImpact, execution_cost
from services.hedging.price_collar import SECONDS_PER_YEAR, PriceCollar, slice_impact, worst_price
from services.liquidity.depth import Side


def test_two_standard_deviations_are_passed_as_often_as_is_said() -> None:
    seconds, volatility, steps = 3600.0, 0.6, 400
    rng = np.random.default_rng(11)
    scale = volatility * math.sqrt(seconds / SECONDS_PER_YEAR / steps)
    paths = np.cumsum(scale * rng.standard_normal((20_000, steps)), axis=1)
    width = PriceCollar(sigmas=2.0, tolerance=0.0).width(volatility=volatility, seconds=seconds, impact=0.0)
    assert float(np.mean(paths[:, -1] > width)) == pytest.approx(1 / 44, abs=0.004)
    assert float(np.mean(paths.max(axis=1) > width)) == pytest.approx(1 / 22, abs=0.006)


@pytest.mark.parametrize(
    ("mark", "side", "width", "tick", "wanted"),
    [
        ("100", Side.BUY, 0.0, "0.5", "100"),
        ("100", Side.BUY, math.log(1.0174), "0.5", "101.5"),
        ("100", Side.SELL, -math.log(0.9826), "0.5", "98.5"),
        ("100.2", Side.SELL, 0.0001, "0.5", "100"),
        ("100.2", Side.SELL, 0.0001, None, "100.189980501"),
        ("0.3", Side.SELL, 5.0, "0.5", "0.5"),
    ],
)
def test_the_tick_accepts_less_never_more(mark: str, side: Side, width: float, tick: str | None, wanted: str) -> None:
    step = None if tick is None else Decimal(tick)
    assert worst_price(Decimal(mark), side, width, step) == Decimal(wanted)


def test_impact_is_that_of_the_cost_model_or_of_the_square_root() -> None:
    impact = LinearImpact(temporary=0.05, permanent=0.2, fixed=3.45)
    order = Execution(quantity=12.5, price=8000.0, volatility=0.6, impact=impact, average_daily_volume=20_000.0)
    found = slice_impact(order, 5.0, 3600.0)
    # per unit: what the cost model charges one such slice, and what it leaves behind
    cost = execution_cost([5.0], [0.0], [1 / 24], impact=impact, price_volatility=1.0)
    assert found == pytest.approx((cost.expected / 5.0 + 0.2 * 5.0) / 8000.0)
    plain = Execution(quantity=12.5, price=8000.0, volatility=0.6, average_daily_volume=20_000.0)
    assert slice_impact(plain, 5.0, 60.0) == pytest.approx(0.6 / math.sqrt(365) * math.sqrt(5.0 / 20_000.0))
    assert slice_impact(Execution(quantity=1.0, price=1.0, volatility=0.6), 1.0, 60.0) is None
    assert slice_impact(Execution(quantity=1.0, price=1.0, average_daily_volume=9.0), 1.0, 60.0) is None


def test_mistakes_are_named() -> None:
    with pytest.raises(InvalidInput, match="sigmas"):
        PriceCollar(sigmas=-1.0)
    with pytest.raises(InvalidInput, match="tolerance"):
        PriceCollar(tolerance=math.nan)
    with pytest.raises(InvalidInput, match="impact"):
        PriceCollar().width(volatility=0.5, seconds=60.0, impact=1e9)
    with pytest.raises(InvalidInput, match="width"):
        worst_price(Decimal(100), Side.BUY, -0.1, None)
    with pytest.raises(InvalidInput, match="at most 100"):
        worst_price(Decimal(100), Side.BUY, 1e3, None)
