"""Greeks in published units: against a revaluation in those very units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.options.black import ONE_DAY, black_greeks, black_price
from services.options.published_greeks import FIGURES, published_greeks

TERMS: dict[str, Any] = {"forward": 50_000.0, "strike": 52_000.0, "time_to_expiry": 30 / 365, "volatility": 0.6}


def bumped(**changes: float) -> float:
    terms = {**TERMS, "right": 1, **changes}
    return float(black_price(**terms))


def test_each_figure_is_the_change_that_its_unit_names() -> None:
    found = published_greeks(**TERMS, right=1)
    up, down = bumped(volatility=0.61), bumped(volatility=0.59)
    assert float(found.vega_per_point) == pytest.approx((up - down) / 2.0, rel=1e-4)
    assert float(found.volga_per_point) == pytest.approx(up - 2.0 * bumped() + down, rel=1e-2)
    assert float(found.theta_1d) == pytest.approx(bumped(time_to_expiry=29 / 365) - bumped(), rel=1e-12)
    half = ONE_DAY / 2.0
    slope = bumped(time_to_expiry=30 / 365 - half) - bumped(time_to_expiry=30 / 365 + half)
    assert float(found.theta_per_day) == pytest.approx(slope, rel=1e-3)
    cheaper = bumped(discount=np.exp(-0.01 * 30 / 365)) - bumped(discount=np.exp(0.01 * 30 / 365))
    assert float(found.rho_per_percent) == pytest.approx(cheaper / 2.0, rel=1e-6)

    def delta(**changes: float) -> float:
        return float(black_greeks(**{**TERMS, "right": 1, **changes}).delta)

    assert float(found.gamma_1pct) == pytest.approx((delta(forward=50_500.0) - delta(forward=49_500.0)) / 2.0, rel=1e-2)
    assert float(found.vanna_per_point) == pytest.approx(
        (delta(volatility=0.61) - delta(volatility=0.59)) / 2.0, rel=1e-3
    )
    later = delta(time_to_expiry=30 / 365 - half) - delta(time_to_expiry=30 / 365 + half)
    assert float(found.charm_per_day) == pytest.approx(later, rel=1e-3)


def test_the_hedge_of_a_coin_settled_option_is_less_its_premium() -> None:
    found = published_greeks(**TERMS, right=[1, 1], coin_settled=[True, False], discount=0.99)
    coin, linear = found.delta_hedge
    assert coin == pytest.approx(linear - bumped(discount=0.99) / 50_000.0, rel=1e-12)
    assert linear == pytest.approx(0.99 * float(found.delta[0]), rel=1e-12)


@pytest.mark.parametrize(("minutes", "alive"), [(60.0, 1.0), (30.0, 1.0), (15.0, 0.5), (0.0, 0.0), (-5.0, 0.0)])
def test_figures_fade_with_the_averaging_window(minutes: float, alive: float) -> None:
    terms = {**TERMS, "strike": 45_000.0, "time_to_expiry": minutes / 525_600.0}
    plain = published_greeks(**terms, right=1)
    faded = published_greeks(**terms, right=1, averaged_settlement=True)
    assert float(faded.settlement_factor) == pytest.approx(alive)
    for name in FIGURES:
        assert float(getattr(faded, name)) == pytest.approx(alive * float(getattr(plain, name))), name
    assert float(plain.price) > 0.0


def test_a_position_is_its_size_times_one_option() -> None:
    found = published_greeks(**TERMS, right=[1, -1])
    held = found.times(np.array([-3.0, 0.5]))
    for name in FIGURES:
        np.testing.assert_array_equal(getattr(held, name), getattr(found, name) * np.array([-3.0, 0.5]))
    np.testing.assert_array_equal(held.settlement_factor, found.settlement_factor)
