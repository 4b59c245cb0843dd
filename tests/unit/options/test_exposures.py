"""Coin and money views of a book, its buckets, and totals under betas."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.options.exposures import (
    DELTA_BUCKETS,
    EXPIRY_BUCKETS,
    beta_weighted,
    by_bucket,
    delta_buckets,
    expiry_buckets,
    exposure_rows,
    leg_exposures,
    summed,
)
from services.options.portfolio_greeks import LegGreeks, OptionLeg, leg_greeks
from services.options.positions import Leg, LinearLeg, OwnLeg
from tests.support.option_books import linear_legs, random_legs

LEG = OptionLeg(
    quantity=-3.0,
    multiplier=1.0,
    right=1,
    strike=62_000.0,
    forward=60_000.0,
    time_to_expiry=20 / 365,
    volatility=0.55,
    coin_settled=True,
)


def book(seed: int = 1) -> list[Leg]:
    rng = np.random.default_rng(seed)
    return [
        *random_legs(rng, 80),
        *linear_legs(rng),
        OwnLeg(greeks=LegGreeks(delta=1.5, vega_per_point=3.0), price=6e4),
    ]


def test_one_leg_is_published_in_coin_and_in_money() -> None:
    greeks, found = leg_greeks(LEG), summed(leg_exposures([LEG]))
    assert found.delta_coin == greeks.delta == pytest.approx(greeks.delta_black - greeks.value / 60_000.0)
    assert found.delta_usd == pytest.approx(greeks.delta * 60_000.0)
    assert found.delta_black == greeks.delta_black
    assert (found.gamma_1pct_coin, found.gamma_1pct_usd) == (greeks.gamma_1pct, greeks.gamma_1pct * 60_000.0)
    assert found.vega_per_point_coin * 60_000.0 == pytest.approx(found.vega_per_point)
    assert found.theta_per_day_coin * 60_000.0 == pytest.approx(found.theta_per_day)
    assert found.value_coin * 60_000.0 == pytest.approx(greeks.value)


def test_charm_is_the_change_of_delta_in_a_day() -> None:
    later, earlier = (leg_greeks(replace(LEG, time_to_expiry=days / 365)).delta_black for days in (19.5, 20.5))
    assert leg_greeks(LEG).charm_per_day == pytest.approx(later - earlier, rel=1e-3)


def test_an_inverse_contract_has_its_notional_as_delta_in_money() -> None:
    leg = LinearLeg(kind="inverse", quantity=-120.0, multiplier=10.0, price=48_000.0)
    found = summed(leg_exposures([leg]))
    assert (found.delta_coin, found.delta_usd) == (pytest.approx(-1_200 / 48_000), pytest.approx(-1_200.0))
    assert (found.value, found.gamma_1pct_usd, found.vega_per_point) == (0.0, 0.0, 0.0)


def test_only_spot_has_a_value() -> None:
    legs = [LinearLeg(kind=kind, quantity=2.0, multiplier=1.0, price=100.0) for kind in ("spot", "linear")]
    assert [summed(leg_exposures([leg])).value for leg in legs] == [200.0, 0.0]


def test_buckets_add_up_to_the_book() -> None:
    legs = book()
    rows = leg_exposures(legs, stickiness=0.4)
    whole = asdict(summed(rows))
    for labels, names in ((expiry_buckets(legs), EXPIRY_BUCKETS), (delta_buckets(legs), DELTA_BUCKETS)):
        parts = by_bucket(rows, labels, names)
        assert len(parts) >= 5
        for name, total in whole.items():
            scale = np.abs([getattr(part, name) for part in parts.values()]).sum()
            assert sum(getattr(part, name) for part in parts.values()) == pytest.approx(total, abs=1e-12 * scale)


@pytest.mark.parametrize(
    ("days", "bucket"),
    [(0.3, "0-1d"), (1.0, "0-1d"), (1.01, "1-7d"), (7.0, "1-7d"), (30.0, "7-30d"), (90.0, "30-90d"), (91.0, "90d+")],
)
def test_expiry_buckets_include_their_upper_edge(days: float, bucket: str) -> None:
    future = LinearLeg(kind="linear", quantity=1.0, multiplier=1.0, price=1.0, time_to_expiry=days / 365)
    assert expiry_buckets([replace(LEG, time_to_expiry=days * 86_400 / 31_536_000), future]) == [bucket, bucket]


def test_what_has_no_expiry_or_no_strike_has_a_bucket_of_its_own() -> None:
    perpetual = LinearLeg(kind="linear", quantity=1.0, multiplier=1.0, price=1.0)
    assert (expiry_buckets([perpetual]), delta_buckets([perpetual])) == (["none"], ["none"])
    assert (expiry_buckets([]), delta_buckets([])) == ([], [])


@pytest.mark.parametrize(
    ("strike", "bucket"),
    [(100_000.0, "0-0.10"), (67_000.0, "0.10-0.25"), (64_000.0, "0.25-0.40"), (60_000.0, "0.40-0.60"), (4e4, "0.60-1")],
)
def test_delta_buckets_go_by_the_size_of_one_options_delta(strike: float, bucket: str) -> None:
    call = replace(LEG, strike=strike, quantity=-250.0, multiplier=0.1)
    assert delta_buckets([call]) == [bucket]
    mirror = {"0-0.10": "0.60-1", "0.60-1": "0-0.10", "0.40-0.60": "0.40-0.60"}
    if bucket in mirror:
        assert delta_buckets([replace(call, right=-1)]) == [mirror[bucket]]


def test_stickiness_is_a_column_of_its_own() -> None:
    leg = replace(LEG, skew=-0.25)
    plain, sticky = (summed(leg_exposures([leg], stickiness=c)) for c in (0.0, 1.0))
    assert plain.skew_delta == 0.0
    assert sticky.delta_coin == plain.delta_coin
    assert sticky.skew_delta == pytest.approx(0.25 * 100 * plain.vega_per_point / 60_000.0)


def test_betas_of_one_give_the_plain_sum() -> None:
    delta, gamma = {"BTC": 5_000.0, "ETH": -1_200.0}, {"BTC": -30.0, "ETH": 8.0}
    found = beta_weighted(delta, gamma, dict.fromkeys(delta, 1.0))
    assert (found.delta_usd, found.gamma_1pct_usd, found.missing) == (3_800.0, -22.0, ())
    found = beta_weighted(delta, gamma, {"ETH": -2.0})
    assert (found.delta_usd, found.gamma_1pct_usd, found.missing) == (2_400.0, 32.0, ("BTC",))
    with pytest.raises(InvalidInput, match=r"betas\.ETH must be finite"):
        beta_weighted(delta, gamma, {"ETH": float("inf")})


def test_an_empty_book_has_no_exposure() -> None:
    assert set(asdict(summed(exposure_rows([], []))).values()) == {0.0}
