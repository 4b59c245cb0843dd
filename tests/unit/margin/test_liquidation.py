"""Liquidation prices against a root search on equity less maintenance; distances and probabilities by integration."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate
from scipy.optimize import brentq

from services.core.errors import InvalidInput
from services.core.instrument import MarginTier
from services.margin.assembly import tier_maintenance
from services.margin.liquidation import (
    distance_in_sigmas,
    liquidation_price_inverse,
    liquidation_price_linear,
    liquidation_prices_inverse,
    liquidation_prices_linear,
    touch_probability,
)

Table = list[tuple[float, float, float]]
MARK = 60_000.0


def continuous(steps: list[tuple[float, float]]) -> Table:
    """Tiers (floor, rate) with the amounts that make maintenance continuous."""
    table = [(steps[0][0], steps[0][1], 0.0)]
    for floor, rate in steps[1:]:
        _, below, amount = table[-1]
        table.append((floor, rate, amount + floor * (rate - below)))
    return table


SMOOTH = continuous([(0.0, 0.004), (50_000.0, 0.005), (250_000.0, 0.01), (1_000_000.0, 0.025), (5_000_000.0, 0.05)])
JUMPY: Table = [(0.0, 0.004, 0.0), (50_000.0, 0.02, 0.0), (250_000.0, 0.05, 0.0)]


def excess(table: Table, equity: float, quantity: float, collateral: float = 0.0) -> Callable[[float], float]:
    tiers = [MarginTier(*tier) for tier in table]

    def at(price: float) -> float:
        value = equity + (quantity + collateral) * (price - MARK)
        return value - tier_maintenance(abs(quantity) * price, tiers)

    return at


def searched(function: Callable[[float], float]) -> float | None:
    """Nearest sign change on a fine grid of log prices on either side of the mark: slow and plain."""
    found = []
    for far in (MARK / 1e3, MARK * 1e3):
        grid = np.geomspace(MARK, far, 6_001)
        signs = np.sign([function(price) for price in grid.tolist()])
        change = np.flatnonzero(signs[1:] != signs[:-1])
        if change.size:
            a, b = sorted((grid[change[0]], grid[change[0] + 1]))
            found.append(brentq(function, a, b, xtol=1e-9, rtol=1e-14))
    return min(found, key=lambda price: abs(np.log(price / MARK)), default=None)


CASES = [
    (equity, quantity, collateral)
    for equity, (quantity, collateral) in itertools.product(
        [500.0, 9_000.0, 80_000.0, 400_000.0],
        [
            (0.5, 0.0),
            (4.0, 0.0),
            (17.0, 0.0),
            (-0.5, 0.0),
            (-4.0, 0.0),
            (-17.0, 0.0),
            (2.0, 1.5),
            (-1.0, 2.0),
            (-3.0, 1.0),
        ],
    )
]


@pytest.mark.parametrize("table", [SMOOTH, JUMPY], ids=["smooth", "jumpy"])
@pytest.mark.parametrize(("equity", "quantity", "collateral"), CASES)
def test_the_price_is_the_first_at_which_equity_is_short(
    table: Table, equity: float, quantity: float, collateral: float
) -> None:
    function = excess(table, equity, quantity, collateral)
    price = liquidation_price_linear(
        equity_quote=equity, base_quantity=quantity, mark=MARK, tiers=table, collateral_base=collateral
    )
    if function(MARK) <= 0.0:
        assert price == MARK
        return
    expected = searched(function)
    if expected is None or price is None:
        assert price is expected
        return
    assert price == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("equity", "quantity", "collateral"), CASES)
def test_plugging_the_price_back_balances_the_account(equity: float, quantity: float, collateral: float) -> None:
    price = liquidation_price_linear(
        equity_quote=equity, base_quantity=quantity, mark=MARK, tiers=SMOOTH, collateral_base=collateral
    )
    if price not in (None, MARK):
        assert abs(excess(SMOOTH, equity, quantity, collateral)(price)) <= 1e-9 * abs(quantity) * MARK


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [(5.0, (300_000.0 - 20_000.0 - 1_300.0) / 4.95), (-4.0, (240_000.0 + 20_000.0 + 1_300.0) / 4.04)],
)
def test_prices_by_hand_where_the_tier_changes_on_the_way(quantity: float, expected: float) -> None:
    """20,000 behind five long (in the third tier) and four short (crosses into it): 56,303.03 and 64,678.22."""
    table: Table = [(0.0, 0.004, 0.0), (50_000.0, 0.005, 50.0), (250_000.0, 0.01, 1_300.0)]
    price = liquidation_price_linear(equity_quote=20_000.0, base_quantity=quantity, mark=MARK, tiers=table)
    assert price == pytest.approx(expected, rel=1e-14)


def test_a_jump_of_the_table_can_be_the_liquidation_price() -> None:
    """Just below 250,000 of notional the short is safe, just above it is not, and no tier holds a root."""
    price = liquidation_price_linear(equity_quote=19_000.0, base_quantity=-4.0, mark=MARK, tiers=JUMPY)
    assert price == 62_500.0


@pytest.mark.parametrize(
    ("equity", "quantity", "collateral"),
    [(70_000.0, 1.0, 0.0), (1_000.0, 0.0, 0.0), (90_000.0, -1.0, 1.004)],
    ids=["fully paid long", "nothing held", "short covered by coin"],
)
def test_some_positions_cannot_be_liquidated(equity: float, quantity: float, collateral: float) -> None:
    tiers = [(0.0, 0.004, 0.0)]
    assert (
        liquidation_price_linear(
            equity_quote=equity, base_quantity=quantity, mark=MARK, tiers=tiers, collateral_base=collateral
        )
        is None
    )


def test_a_short_that_is_more_than_covered_by_coin_is_liquidated_by_a_fall() -> None:
    price = liquidation_price_linear(
        equity_quote=20_000.0, base_quantity=-1.0, mark=MARK, tiers=[(0.0, 0.01, 0.0)], collateral_base=3.0
    )
    assert price is not None
    assert price < MARK


@pytest.mark.parametrize("quantity", [1.0, -1.0])
@pytest.mark.parametrize("equity", [100.0, 0.0, -1e6])
def test_an_account_that_is_short_already_is_liquidated_at_the_mark(quantity: float, equity: float) -> None:
    tiers = [(0.0, 0.01, 0.0)]
    assert liquidation_price_linear(equity_quote=equity, base_quantity=quantity, mark=MARK, tiers=tiers) == MARK
    inverse = liquidation_price_inverse(
        equity_coin=equity / 1e6, contracts_quote=quantity * MARK, mark=MARK, maintenance_rate=0.01
    )
    assert inverse == MARK
    assert float(liquidation_prices_linear(equity, quantity, MARK, 0.01)) == MARK


def test_entry_basis_fixes_maintenance_at_the_entry() -> None:
    """jesse: entry 80, leverage 2, rate .004, now at 90; the balance is 40 and 10 of profit."""
    keywords = {"base_quantity": 1.0, "mark": 90.0, "tiers": [(0.0, 0.004, 0.0)]}
    price = liquidation_price_linear(equity_quote=50.0, maintenance_basis="entry", entry_price=80.0, **keywords)
    assert price == pytest.approx(40.32)
    with pytest.raises(InvalidInput, match="entry_price must be > 0"):
        liquidation_price_linear(equity_quote=50.0, maintenance_basis="entry", **keywords)
    nearly_broke = liquidation_price_linear(equity_quote=0.3, maintenance_basis="entry", entry_price=80.0, **keywords)
    assert nearly_broke == 90.0
    paid = liquidation_price_linear(equity_quote=95.0, maintenance_basis="entry", entry_price=80.0, **keywords)
    assert paid is None


@pytest.mark.parametrize("quantity", [90_000.0, 20_000.0, -70_000.0, -90_000.0, -500_000.0])
@pytest.mark.parametrize("rate", [0.0, 0.005, 0.05])
def test_inverse_price_balances_the_coin_account(quantity: float, rate: float) -> None:
    price = liquidation_price_inverse(equity_coin=1.1, contracts_quote=quantity, mark=MARK, maintenance_rate=rate)
    assert price is not None
    assert (price < MARK) == (quantity > 0)
    equity = 1.1 + quantity * (1 / MARK - 1 / price)
    assert equity == pytest.approx(rate * abs(quantity) / price, abs=1e-12)


@pytest.mark.parametrize("equity", [1.0, 1.2])
def test_a_short_backed_by_its_coin_is_a_synthetic_dollar(equity: float) -> None:
    keywords = {"contracts_quote": -60_000.0, "mark": MARK, "maintenance_rate": 0.005}
    assert liquidation_price_inverse(equity_coin=equity, **keywords) is None
    assert liquidation_price_inverse(equity_coin=0.98, **keywords) is not None


def test_arrays_are_the_scalars_one_by_one() -> None:
    rng = np.random.default_rng(11)
    equity, quantity = rng.uniform(-5_000.0, 90_000.0, 200), rng.uniform(-3.0, 3.0, 200)
    rate = rng.uniform(0.0, 0.3, 200)
    quantity[::20] = 0.0
    linear = liquidation_prices_linear(equity, quantity, MARK, rate)
    inverse = liquidation_prices_inverse(equity / MARK, quantity * MARK, MARK, rate)
    for row in range(200):
        one = liquidation_price_linear(
            equity_quote=equity[row], base_quantity=quantity[row], mark=MARK, tiers=[(0.0, rate[row], 0.0)]
        )
        coin = liquidation_price_inverse(
            equity_coin=equity[row] / MARK, contracts_quote=quantity[row] * MARK, mark=MARK, maintenance_rate=rate[row]
        )
        assert linear[row] == pytest.approx(np.nan if one is None else one, rel=1e-12, nan_ok=True)
        assert inverse[row] == pytest.approx(np.nan if coin is None else coin, rel=1e-12, nan_ok=True)


def test_unknown_in_unknown_out() -> None:
    assert np.isnan(liquidation_prices_linear([np.nan, 1.0, 1.0], [1.0, 1.0, np.nan], MARK, [0.1, np.nan, 0.1])).all()
    assert np.isnan(distance_in_sigmas(100.0, float("nan"), 0.5))
    assert np.isnan(touch_probability([100.0, 100.0, 100.0], [np.nan, 90.0, np.nan], [0.5, np.nan, 0.0])).all()


def test_a_long_whose_margin_rate_is_one_is_never_brought_closer_by_a_fall() -> None:
    assert np.isnan(liquidation_prices_linear(70_000.0, 1.0, MARK, 1.0))
    assert (
        liquidation_price_linear(equity_quote=70_000.0, base_quantity=1.0, mark=MARK, tiers=[(0.0, 1.0, 0.0)]) is None
    )


def test_beyond_a_margin_rate_of_one_a_rise_is_what_liquidates_a_long() -> None:
    """100,000 + (P − 60,000) = 1.5 P at 80,000."""
    tiers = [(0.0, 1.5, 0.0)]
    one = liquidation_price_linear(equity_quote=100_000.0, base_quantity=1.0, mark=MARK, tiers=tiers)
    assert one == float(liquidation_prices_linear(100_000.0, 1.0, MARK, 1.5)) == 80_000.0


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"mark": 0.0}, "mark must be > 0"),
        ({"mark": float("nan")}, "mark must be > 0"),
        ({"equity_quote": float("inf")}, "must be finite"),
        ({"base_quantity": float("nan")}, "must be finite"),
        ({"tiers": []}, "must not be empty"),
    ],
)
def test_bad_positions_are_named(changes: dict[str, object], rule: str) -> None:
    good = {"equity_quote": 1e4, "base_quantity": 1.0, "mark": MARK, "tiers": [(0.0, 0.01, 0.0)]}
    with pytest.raises(InvalidInput, match=rule):
        liquidation_price_linear(**{**good, **changes})  # type: ignore[arg-type]


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(InvalidInput, match="maintenance_rate must be >= 0"):
        liquidation_price_inverse(equity_coin=1.0, contracts_quote=1.0, mark=MARK, maintenance_rate=-0.1)


@pytest.mark.parametrize("barrier", [30.0, 80.0, 97.0, 103.0, 130.0, 400.0])
@pytest.mark.parametrize(("volatility", "days"), [(0.3, 1.0), (0.9, 30.0), (2.5, 365.0)])
def test_touch_probability_is_the_integral_of_first_passage(barrier: float, volatility: float, days: float) -> None:
    b, drift = np.log(barrier / 100.0), -(volatility**2) / 2

    def density(log_time: float) -> float:
        t = np.exp(log_time)
        scale = abs(b) / (volatility * np.sqrt(2 * np.pi * t**3))
        return float(t * scale * np.exp(-((b - drift * t) ** 2) / (2 * volatility**2 * t)))

    horizon = np.log(days / 365)
    expected, _ = integrate.quad(density, horizon - 40.0, horizon, limit=800, epsabs=1e-14)
    assert touch_probability(100.0, barrier, volatility, days) == pytest.approx(expected, rel=1e-7, abs=1e-13)


def test_edges_of_distance_and_probability() -> None:
    assert (distance_in_sigmas(100.0, 100.0, 0.5), touch_probability(100.0, 100.0, 0.5)) == (0.0, 1.0)
    assert (distance_in_sigmas(100.0, 90.0, 0.0), touch_probability(100.0, 90.0, 0.0)) == (np.inf, 0.0)
    assert (distance_in_sigmas(100.0, 100.0, 0.0), touch_probability(100.0, 100.0, 0.0)) == (0.0, 1.0)
    assert touch_probability(100.0, 1e-6, 0.2) == 0.0
    assert touch_probability(100.0, 99.999999, 5.0, 3650) <= 1.0
    assert distance_in_sigmas([100.0, 100.0], [90.0, 110.0], 0.5).shape == (2,)
