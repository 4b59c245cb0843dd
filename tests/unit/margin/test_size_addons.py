"""Add-ons that read how large a market is: the venues' own formulas, what is unknown, what maintenance sees."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.margin.assembly import requirement
from services.margin.size_addons import (
    ImpactAddon,
    MarketSize,
    NoAddon,
    OpenInterestLinear,
    OpenInterestRamp,
    SizeAddon,
)

RAMP = OpenInterestRamp(lower=20e6, upper=50e6)


def effective_fraction(base: Fraction, notional: Fraction, lower: Fraction, upper: Fraction) -> Fraction:
    """dYdX: ``min(base + max(scaling · (1 − base), 0), 1)``, in fractions."""
    scaling = (notional - lower) / (upper - lower)
    return min(base + max(scaling * (1 - base), Fraction(0)), Fraction(1))


@pytest.mark.parametrize("millions", [0, 10, 20, 21, 28, 35, 49, 50, 80])
@pytest.mark.parametrize("base", [Fraction(1, 20), Fraction(1, 10), Fraction(1, 5)])
def test_the_ramp_is_that_of_the_venue(millions: int, base: Fraction) -> None:
    expected = effective_fraction(base, Fraction(millions * 10**6), Fraction(20 * 10**6), Fraction(50 * 10**6))
    market = MarketSize(open_interest=millions * 1e6 / 250.0, value=250.0)
    assert float(RAMP.rate(float(base), 1.0, market)) == pytest.approx(float(expected), rel=1e-12)


def test_a_rate_above_one_is_not_lowered() -> None:
    assert float(RAMP.rate(1.8, 1.0, MarketSize(open_interest=60e6, value=1.0))) == 1.8


def test_open_interest_is_never_less_than_the_position_itself() -> None:
    market = MarketSize(open_interest=0.0, value=1.0)
    assert RAMP.rate(0.1, [20e6, 35e6, 50e6], market).tolist() == pytest.approx([0.1, 0.55, 1.0])
    assert OpenInterestLinear(per_notional=1e-8).rate(0.1, 30e6, market) == pytest.approx(0.3)


@pytest.mark.parametrize("addon", [RAMP, OpenInterestLinear(per_notional=1e-9), ImpactAddon()])
def test_what_is_unknown_asks_the_most_at_first_and_nothing_of_maintenance(addon: SizeAddon) -> None:
    found = requirement([10.0, -10.0], 100.0, 0.1, 0.1, size_addon=addon, cap_short=3.0)
    plain = requirement([10.0, -10.0], 100.0, 0.1, 0.1, size_addon=NoAddon(), cap_short=3.0)
    assert found.initial[0] == 1_000.0
    assert found.initial[1] == (1_000.0 if addon is RAMP else 3_000.0)
    assert found.maintenance.tolist() == plain.maintenance.tolist() == [60.0, 60.0]


def test_impact_is_the_square_root_of_the_share_of_a_day() -> None:
    """A quarter of a day's volume at I = 0.1 moves the price by 5 %."""
    market = MarketSize(daily_volume=[400.0, 0.0], value=100.0)
    assert ImpactAddon(coefficient=0.1).rate(0.08, 100.0, market).tolist() == pytest.approx([0.13, np.inf])
    asked = requirement([100.0], 100.0, 0.08, 0.08, size_addon=ImpactAddon(), market=MarketSize(daily_volume=[400.0]))
    assert float(asked.initial[0]) == pytest.approx(1_300.0)
    assert float(asked.maintenance[0]) == pytest.approx(0.6 * 1_300.0)


def test_without_a_position_nothing_is_asked_of_an_unknown_market() -> None:
    for addon in (RAMP, OpenInterestLinear(per_notional=1.0), ImpactAddon()):
        assert requirement([0.0], 100.0, 0.1, 0.1, size_addon=addon).initial.tolist() == [0.0]


def test_a_ramp_must_rise() -> None:
    with pytest.raises(InvalidInput, match=r"size_addon\.upper must be > lower"):
        OpenInterestRamp(lower=5.0, upper=5.0)


def test_the_largest_size_of_a_wide_ramp_loses_no_digits() -> None:
    """A ramp that hardly rises: the root is near budget / base, a difference of near equals in the textbook's form."""
    addon, market = OpenInterestRamp(lower=0.0, upper=1e7), MarketSize(0.0, 1.0, 0.01)
    size = addon.largest(0.5, 1e-3, market)
    assert size == pytest.approx(2e-3, rel=1e-9)
    assert size * addon.rate(0.5, size, market) == pytest.approx(1e-3, rel=1e-12)
