"""Feedback of hedges: the amplification is that of a market in which a hedger moves the price, trade by trade."""

from __future__ import annotations

import math

import pytest

from services.core.errors import InvalidInput
from services.hedging.reflexivity import CONSEQUENCE, Reflexivity, ReflexivityLevel, impact_slope


def hedged_move(shock: float, gamma: float, slope: float, steps: int) -> float:
    """Where the price ends when a hedger answers every move, and every answer moves the price."""
    price, hedged_at = shock, 0.0
    for _ in range(steps):
        trade = -gamma * (price - hedged_at)
        hedged_at = price
        price += slope * trade
    return price


@pytest.mark.parametrize("gain", [-0.9, -0.3, 0.0, 0.05, 0.2, 0.5, 0.9])
def test_amplification_is_that_of_the_loop(gain: float) -> None:
    slope = 0.25
    decision = Reflexivity().decide(-gain / slope, slope)
    assert decision.gain == pytest.approx(gain, abs=1e-15)
    assert decision.amplification == pytest.approx(hedged_move(3.0, -gain / slope, slope, 400) / 3.0, rel=1e-9)


def test_from_a_gain_of_one_the_loop_has_no_end() -> None:
    decision = Reflexivity().decide(-4.0, 0.25)
    assert (decision.amplification, decision.band_factor, decision.level) == (None, None, ReflexivityLevel.REFUSE)
    assert hedged_move(1.0, -4.0, 0.25, 1000) == pytest.approx(1001.0)
    assert abs(hedged_move(1.0, -4.4, 0.25, 1000)) > 1e12


def test_the_secant_is_what_a_square_root_market_amplifies_by() -> None:
    terms = {"price": 100.0, "average_daily_volume": 50_000.0, "daily_volatility": 0.03}
    gamma, shock = -400.0, 1.0
    move = shock
    for _ in range(2000):  # the price at which hedging its own move holds it: x = e + S Y σ √(|Γ| x / V)
        move = shock + 100.0 * 0.03 * math.sqrt(-gamma * move / 50_000.0)
    secant = impact_slope(-gamma * move, **terms)
    found = Reflexivity().decide(gamma, secant)
    assert found.amplification == pytest.approx(move / shock, rel=1e-9)
    # the tangent, half of it, is what one more unit of shock adds
    step = 1e-6
    more = move
    for _ in range(2000):
        more = shock + step + 100.0 * 0.03 * math.sqrt(-gamma * more / 50_000.0)
    tangent = Reflexivity().decide(gamma, secant / 2.0)
    assert tangent.amplification == pytest.approx((more - move) / step, rel=1e-4)
    assert tangent.amplification < found.amplification


@pytest.mark.parametrize(
    ("gain", "level"),
    [
        (-3.0, "ok"), (0.0, "ok"), (0.0999, "ok"), (0.1, "warn"), (0.25, "warn"), (0.2501, "prefer_option"),
        (0.9999, "prefer_option"), (1.0, "refuse"), (7.0, "refuse"),
    ],
)  # fmt: skip
def test_levels_and_what_follows(gain: float, level: str) -> None:
    found = Reflexivity().decide(-gain, 1.0)
    assert found.level == level and found.consequence == CONSEQUENCE[found.level]
    if level == "ok":
        assert found.band_factor == 1.0
    elif level != "refuse":
        assert found.band_factor == pytest.approx(1.0 / (1.0 - gain))


def test_mistakes_are_named() -> None:
    with pytest.raises(InvalidInput, match="warn <= prefer_option"):
        Reflexivity(warn=0.5, prefer_option=0.2)
    with pytest.raises(InvalidInput, match="net_gamma"):
        Reflexivity().decide(math.nan, 1.0)
    with pytest.raises(InvalidInput, match="impact_slope"):
        Reflexivity().decide(1.0, -1.0)
    with pytest.raises(InvalidInput, match="clip"):
        impact_slope(0.0, price=1.0, average_daily_volume=1.0, daily_volatility=0.1)
