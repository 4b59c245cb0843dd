"""Requirements: sides, open orders, funding, size, rounding, and venues' tiers."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.instrument import MarginTier
from services.margin.assembly import requirement, round_up, tier_initial, tier_maintenance
from services.margin.size_addons import LinearAddon, NoAddon, SqrtAddon

TIERS = (
    MarginTier(0.0, 0.004, 0.0, 0.01),
    MarginTier(50_000.0, 0.005, 50.0, 0.02),
    MarginTier(250_000.0, 0.01, 1_300.0),
)


def test_a_long_and_a_short_pay_the_rate_of_their_side() -> None:
    answer = requirement([2.0, -2.0, 0.0], 100.0, 0.10, 0.12)
    assert answer.initial.tolist() == [20.0, 24.0, 0.0]
    assert answer.maintenance.tolist() == [12.0, 14.4, 0.0]
    assert answer.rate_initial.tolist() == [0.10, 0.12, 0.10]
    assert answer.rate_maintenance.tolist() == pytest.approx([0.06, 0.072, 0.06])


@pytest.mark.parametrize(
    ("held", "buys", "sells", "initial", "rate"),
    [
        (2.0, 3.0, 0.0, 50.0, 0.10),  # 5 long if the buys fill
        (2.0, 0.0, 1.0, 20.0, 0.10),  # sells that only reduce cost nothing
        (2.0, 0.0, 9.0, 84.0, 0.12),  # 7 short if they fill
        (0.0, 3.0, 3.0, 36.0, 0.12),
        (-2.0, 9.0, 0.0, 70.0, 0.10),
    ],
)
def test_open_orders_count_on_the_worse_side(
    held: float, buys: float, sells: float, initial: float, rate: float
) -> None:
    answer = requirement(held, 100.0, 0.10, 0.12, open_buys=buys, open_sells=sells)
    alone = requirement(held, 100.0, 0.10, 0.12)
    assert (float(answer.initial), float(answer.rate_initial)) == (initial, rate)
    assert float(answer.maintenance) == float(alone.maintenance)


@pytest.mark.parametrize(
    ("held", "funding", "charge"), [(2.0, 0.5, 1.0), (2.0, -0.5, 0.0), (-2.0, -0.5, 1.0), (-2.0, 0.5, 0.0)]
)
def test_funding_is_charged_to_the_side_that_pays(held: float, funding: float, charge: float) -> None:
    free = requirement(held, 100.0, 0.10, 0.10)
    assert float(requirement(held, 100.0, 0.10, 0.10, funding_per_contract=funding).initial - free.initial) == charge


def test_the_size_addon_sees_the_size_of_each_side_and_is_capped() -> None:
    addon = LinearAddon(per_contract=0.01)
    answer = requirement(
        [5.0, -5.0, 500.0, -500.0], 100.0, 0.10, 0.10, size_addon=addon, open_buys=[5.0, 0.0, 0.0, 0.0]
    )
    assert answer.initial.tolist() == [10 * 100 * 0.20, 5 * 100 * 0.15, 500 * 100 * 1.0, 500 * 100 * 3.0]
    assert answer.maintenance.tolist() == pytest.approx([45.0, 45.0, 0.6 * 50_000.0, 0.6 * 150_000.0])


def test_unknown_stays_unknown_but_nothing_held_is_nothing_asked() -> None:
    answer = requirement([1.0, 0.0, 1.0], [np.nan, np.nan, 100.0], [0.1, 0.1, np.nan], 0.1)
    assert np.isnan(answer.initial).tolist() == np.isnan(answer.maintenance).tolist() == [True, False, True]
    assert float(answer.initial[1]) == 0.0
    short = requirement(-1.0, np.nan, 0.1, 0.2)
    assert float(short.rate_initial) == 0.2


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"open_buys": -1.0}, "open_buys must be >= 0"),
        ({"open_sells": [-1.0]}, "open_sells must be >= 0"),
        ({"maintenance_fraction": 0.0}, "maintenance_fraction must lie in"),
        ({"maintenance_fraction": 1.1}, "maintenance_fraction must lie in"),
    ],
)
def test_bad_arguments_are_named(changes: dict[str, float], rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        requirement([1.0], 100.0, 0.1, 0.1, **changes)  # type: ignore[arg-type]


def test_rounding_is_up_but_not_for_the_float_that_means_a_step() -> None:
    assert round_up([1e-12, 1e-8, 0.1 + 0.2, 1.000000011]).tolist() == [1e-8, 1e-8, 0.3, 1.00000002]
    assert str(float(round_up(0.0))) == "0.0"
    amounts = np.random.default_rng(3).uniform(0.0, 1e7, 1_000)
    up = round_up(amounts)
    assert ((up >= amounts * (1 - 1e-15)) & (up <= amounts + 1.0000001e-8 + amounts * 1e-15)).all()
    assert np.isnan(round_up(np.nan))


def test_a_tier_begins_at_its_floor() -> None:
    assert tier_maintenance(100.0, [MarginTier(0.0, 0.01), MarginTier(100.0, 0.05)]) == 5.0


def test_the_venues_table_is_read_by_tier() -> None:
    assert [tier_maintenance(n, TIERS) for n in (0.0, 49_999.0, 50_000.0, 250_000.0, 1e6)] == pytest.approx(
        [0.0, 199.996, 200.0, 1_200.0, 8_700.0]
    )
    assert tier_initial(10_000.0, TIERS) == 100.0
    assert tier_initial(100_000.0, TIERS) == 2_000.0
    assert tier_initial(300_000.0, TIERS) is None


@pytest.mark.parametrize(
    ("tiers", "rule"),
    [
        ([], "must not be empty"),
        ([MarginTier(0.0, 0.01), MarginTier(0.0, 0.02)], "must rise"),
        ([MarginTier(0.0, -0.01)], "must be >= 0"),
        ([MarginTier(0.0, float("nan"))], "must be >= 0"),
    ],
)
def test_a_table_that_is_none_is_refused(tiers: list[MarginTier], rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        tier_maintenance(1.0, tiers)


@pytest.mark.parametrize(
    "addon", [NoAddon(), SqrtAddon(coefficient=0.002), SqrtAddon(coefficient=0.0), LinearAddon(per_contract=3e-5)]
)
@pytest.mark.parametrize("base", [0.0, 0.02, 0.3])
def test_largest_is_the_inverse_of_rate(addon: NoAddon | SqrtAddon | LinearAddon, base: float) -> None:
    units = np.array([1e-9, 1e-3, 1.0, 50.0, 1e4, 1e8])
    size = addon.largest(base, units)
    if base == 0.0 and not isinstance(addon, LinearAddon) and getattr(addon, "coefficient", 0.0) == 0.0:
        assert np.isinf(size).all()
    else:
        np.testing.assert_allclose(size * addon.rate(base, size), units, rtol=1e-12)
    assert float(addon.largest(0.05, 0.0)) == 0.0


@pytest.mark.parametrize("excess", [0.19, 0.2, 0.21, 0.25, 0.4])
def test_the_square_root_takes_over_where_it_exceeds_a_fifth_of_the_rate(excess: float) -> None:
    addon = SqrtAddon(coefficient=excess * 0.05 / 100.0)
    size = float(addon.largest(0.05, 500.0))
    assert size * float(addon.rate(0.05, size)) == pytest.approx(500.0, rel=1e-13)
    assert (size == 10_000.0) == (excess <= 0.2)


def test_a_vanishing_coefficient_is_no_addon() -> None:
    tiny = SqrtAddon(coefficient=5e-324)
    assert tiny.largest([0.05, 0.5], 1e6).tolist() == [1e6 / 0.05, 1e6 / 0.5]
