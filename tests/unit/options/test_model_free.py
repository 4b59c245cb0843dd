"""Variance from strips of options: the white paper of the VIX, and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.black import black_price
from services.options.cosine import model_prices
from services.options.heston import Heston
from services.options.model_free import (
    VarianceStrip,
    constant_maturity_variance,
    quoted_variance,
    replicated_variance,
    strip_variance,
)
from tests.golden.volatility.implied import CBOE, cboe_index, cboe_strip

WIDE = np.arange(20.0, 400.0, 0.5)


def test_the_white_paper() -> None:
    """The paper prints 0.4727679, 0.3668180 and 61.22; its inputs give 61.217999."""
    near, following = (cboe_strip(term) for term in CBOE["terms"])
    assert (near.forward, following.forward) == pytest.approx((920.50005, 921.00039), abs=1e-5)
    assert (near.variance, following.variance) == pytest.approx((0.4727679, 0.3668180), rel=2e-6)
    assert (near.pivot, following.pivot) == (920.0, 920.0)
    assert cboe_index() == pytest.approx(61.217999, abs=1e-6)


def test_wings_end_before_two_zero_bids_in_a_row() -> None:
    near, following = (cboe_strip(term) for term in CBOE["terms"])
    assert near.strikes[[0, -1]].tolist() == [400.0, 1220.0]
    assert 425.0 not in following.strikes and 400.0 in following.strikes  # one zero is left out, two end the wing
    assert following.strikes[-1] == 1160.0


def out_of_the_money(forward: float, strikes: Floats, time: float, volatility: float, discount: float) -> Floats:
    right = np.where(strikes < forward, -1, 1)
    return black_price(forward, strikes, time, volatility, right, discount=discount)


@pytest.mark.parametrize("volatility", [0.15, 0.4, 0.8])
@pytest.mark.parametrize("discount", [1.0, 0.95])
def test_flat_volatility_gives_itself(volatility: float, discount: float) -> None:
    """A dense and wide strip of Black prices is worth σ²."""
    time, forward = 0.25, 100.0
    prices = out_of_the_money(forward, WIDE, time, volatility, discount)
    found = strip_variance(WIDE, prices, forward=forward, pivot=100.0, time_to_expiry=time, discount=discount)
    assert found == pytest.approx(volatility**2, rel=2e-3)
    puts, calls = WIDE <= 100.0, WIDE >= 100.0
    swap = replicated_variance(
        WIDE[puts], black_price(forward, WIDE[puts], time, volatility, -1, discount=discount),
        WIDE[calls], black_price(forward, WIDE[calls], time, volatility, 1, discount=discount),
        forward=forward, time_to_expiry=time, discount=discount, end_step=0.5,
    )  # fmt: skip
    assert swap == pytest.approx(volatility**2, rel=1e-3)
    assert swap >= volatility**2 * (1.0 - 1e-6)


def test_the_split_need_not_be_the_forward() -> None:
    time, volatility, forward = 0.5, 0.3, 103.7
    puts, calls = WIDE <= 100.0, WIDE >= 100.0
    swap = replicated_variance(
        WIDE[puts], black_price(forward, WIDE[puts], time, volatility, -1),
        WIDE[calls], black_price(forward, WIDE[calls], time, volatility, 1),
        forward=forward, time_to_expiry=time, discount=1.0, end_step=0.5,
    )  # fmt: skip
    assert swap == pytest.approx(0.09, rel=1e-3)


def test_heston_gives_its_expected_variance() -> None:
    """No jumps: the strip is worth the closed form, whatever skew the prices have."""
    model = Heston(
        initial_variance=0.09, mean_reversion=3.0, long_run_variance=0.04, volatility_of_variance=0.6, correlation=-0.7
    )
    strikes = np.arange(2.0, 600.0, 0.5)
    prices = model_prices(model, 100.0, strikes, 0.5, np.where(strikes < 100.0, -1, 1))
    found = strip_variance(strikes, prices, forward=100.0, pivot=100.0, time_to_expiry=0.5)
    assert found == pytest.approx(model.expected_variance(0.5), rel=1e-3)


def quotes(**changes: Any) -> VarianceStrip:
    strikes = np.arange(60.0, 150.0, 5.0)
    call, put = (black_price(101.0, strikes, 0.1, 0.4, right) for right in (1, -1))
    sides = {"call_bid": call * 0.98, "call_ask": call * 1.02, "put_bid": put * 0.98, "put_ask": put * 1.02}
    return quoted_variance(strikes, **{**sides, "time_to_expiry": 0.1, **changes})


def test_quotes_find_forward_and_pivot() -> None:
    strip = quotes()
    assert strip.forward == pytest.approx(101.0, rel=1e-9)
    assert strip.pivot == 100.0
    assert math.sqrt(strip.variance) == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"call_bid": np.full(18, np.nan), "call_ask": np.full(18, np.nan)}, "must have one with both"),
        ({"time_to_expiry": 0.0}, "time_to_expiry must be > 0"),
        ({"put_bid": np.zeros(18), "call_bid": np.zeros(18)}, "must be at least two"),
    ],
)
def test_quotes_that_say_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        quotes(**changes)


def test_strips_out_of_order_are_refused() -> None:
    def strip(strikes: list[float], prices: list[float]) -> float:
        return strip_variance(strikes, prices, forward=1.0, pivot=1.0, time_to_expiry=1.0)

    with pytest.raises(InvalidInput, match="strikes must be at least two, ascending"):
        strip([1.0, 1.0], [1.0, 1.0])
    with pytest.raises(InvalidInput, match="prices must be one for each strike, found 1"):
        strip([1.0, 2.0], [1.0])
    with pytest.raises(InvalidInput, match="put_strikes must end where calls begin, at 2"):
        replicated_variance([1.0], [1.0], [2.0], [1.0], forward=1.0, time_to_expiry=1.0, discount=1.0, end_step=0.5)
    with pytest.raises(InvalidInput, match="must reach down to the forward"):
        quoted_variance(
            [120.0, 130.0], call_bid=[1.0, 0.5], call_ask=[1.0, 0.5], put_bid=[21.0, 31.0], put_ask=[21.0, 31.0],
            time_to_expiry=0.1,
        )  # fmt: skip
    with pytest.raises(InvalidInput, match="times must be ascending"):
        constant_maturity_variance((0.1, 0.1), (0.2, 0.1), 0.15)


def test_constant_maturity_is_exact_at_both_expiries() -> None:
    for target, expected in ((0.05, 0.04), (0.10, 0.09)):
        assert constant_maturity_variance((0.04, 0.09), (0.05, 0.10), target) == pytest.approx(expected, rel=1e-12)
