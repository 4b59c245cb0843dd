"""Liquidation prices by a scan: against closed forms, dense scans, and QuantLib's price of an option."""

from __future__ import annotations

import math

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - as everybody writes it

from services.core.errors import InvalidInput
from services.core.instrument import MarginTier
from services.margin.liquidation import liquidation_price_inverse, liquidation_price_linear
from services.margin.root_scan import liquidation_prices
from services.margin.underlying_book import FutureHolding, LoanHolding, OptionHolding, UnderlyingBook

FLAT = (MarginTier(0.0, 0.005),)
TABLE = (MarginTier(0.0, 0.004), MarginTier(50_000.0, 0.005, 50.0), MarginTier(250_000.0, 0.01, 1_300.0))


def put_back(book: UnderlyingBook, price: float) -> float:
    """|equity − maintenance| at a price over the notional."""
    at = np.array([price])
    return float(abs(book.equity(at) - book.maintenance(at))[0]) / book.notional()


@pytest.mark.parametrize("quantity", [1.0, -1.0, 5.0, -5.0])
@pytest.mark.parametrize("equity", [4_000.0, 20_000.0, 60_000.0])
def test_a_linear_position_agrees_with_its_closed_form(quantity: float, equity: float) -> None:
    book = UnderlyingBook(
        mark=60_000.0,
        balance=equity,
        futures=[FutureHolding(quantity=quantity, price=60_000.0, tiers=TABLE)],
    )
    tiers = [(tier.floor, tier.maintenance_rate, tier.maintenance_amount) for tier in TABLE]
    closed = liquidation_price_linear(equity_quote=equity, base_quantity=quantity, mark=60_000.0, tiers=tiers)
    found = book.liquidation()
    assert (found.down if quantity > 0 else found.up) == (None if closed is None else pytest.approx(closed, rel=1e-12))
    for price in (found.down, found.up):
        assert price is None or put_back(book, price) <= 1e-9


def test_coin_collateral_moves_along() -> None:
    """P = A / (|q| m − q − c (1 − h)): a short with two thirds of its coin."""
    future = FutureHolding(quantity=-1.0, price=60_000.0, tiers=FLAT)
    book = UnderlyingBook(mark=60_000.0, balance=0.0, coin=0.5, coin_haircut=0.1, futures=[future])
    closed = 60_000.0 / (0.005 + 1.0 - 0.5 * 0.9)
    assert book.liquidation().up == pytest.approx(closed, rel=1e-12)


def test_an_inverse_position_on_its_coin() -> None:
    future = FutureHolding(quantity=60_000.0, price=50_000.0, tiers=FLAT, inverse=True)
    book = UnderlyingBook(mark=50_000.0, balance=0.0, coin=1.0, futures=[future])
    closed = liquidation_price_inverse(equity_coin=1.0, contracts_quote=60_000.0, mark=50_000.0, maintenance_rate=0.005)
    assert book.liquidation().down == pytest.approx(closed, rel=1e-12)
    synthetic_dollar = FutureHolding(quantity=-50_000.0, price=50_000.0, tiers=(MarginTier(0.0, 0.0),), inverse=True)
    found = UnderlyingBook(mark=50_000.0, balance=1.0, coin=1.0, futures=[synthetic_dollar]).liquidation()
    assert (found.down, found.up) == (None, None)


def quantlib_call(forward: float, strike: float, years: float, volatility: float) -> float:
    return float(ql.blackFormula(ql.Option.Call, strike, forward, volatility * math.sqrt(years)))


def test_a_short_call_is_liquidated_where_quantlib_says() -> None:
    option = OptionHolding(
        quantity=-2.0, strike=65_000.0, forward=61_000.0, time_to_expiry=60 / 365, volatility=0.55, right=1
    )
    book = UnderlyingBook(mark=60_000.0, balance=25_000.0, options=[option])
    up = book.liquidation().up
    assert up is not None
    value = quantlib_call(61_000.0 * up / 60_000.0, 65_000.0, 60 / 365, 0.55)
    assert 25_000.0 - 2.0 * value - 2.0 * 0.075 * up == pytest.approx(0.0, abs=1e-6)
    assert put_back(book, up) <= 1e-9


def test_everything_at_once_on_both_sides_and_not_before() -> None:
    """A dense scan between the two prices finds no place that is short."""
    book = UnderlyingBook(
        mark=60_000.0,
        balance=30_000.0,
        other_maintenance=1_500.0,
        coin=0.4,
        coin_haircut=0.08,
        futures=[
            FutureHolding(quantity=0.5, price=60_100.0, tiers=TABLE),
            FutureHolding(quantity=-20_000.0, price=60_200.0, tiers=FLAT, inverse=True),
        ],
        options=[
            OptionHolding(quantity=-2.0, strike=66_000.0, forward=60_500.0, time_to_expiry=0.1, volatility=0.6,
                          right=1, coin_settled=True),
            OptionHolding(quantity=-1.5, strike=52_000.0, forward=60_500.0, time_to_expiry=0.1, volatility=0.7,
                          right=-1),
            OptionHolding(quantity=1.0, strike=80_000.0, forward=60_500.0, time_to_expiry=0.1, volatility=0.8, right=1),
        ],
        loans=[LoanHolding(collateral_base=0.3, debt_quote=9_000.0)],
    )  # fmt: skip
    found = book.liquidation()
    assert found.down is not None
    assert found.up is not None
    assert max(put_back(book, price) for price in (found.down, found.up)) <= 1e-9
    inside = np.linspace(found.down, found.up, 20_001)[1:-1]
    assert np.all(book.equity(inside) > book.maintenance(inside))
    for price, step in ((found.down, -1e-6), (found.up, 1e-6)):
        beyond = np.array([price * (1.0 + step)])
        assert book.equity(beyond)[0] < book.maintenance(beyond)[0]


def test_the_nearest_of_several_roots_on_each_side() -> None:
    found = liquidation_prices(lambda p: (p - 50.0) * (p - 70.0) * (p - 80.0) * (200.0 - p) / 1e3, 100.0)
    assert (found.down, found.up) == (pytest.approx(80.0, rel=1e-12), pytest.approx(200.0, rel=1e-12))


def test_a_dip_between_two_points_of_the_scan_is_found() -> None:
    """0.2 % wide, twenty times narrower than a step; its shoulders bend toward it."""
    found = liquidation_prices(lambda p: np.abs(np.log(p / 71.3)) - 0.001, 100.0)
    assert found.down == pytest.approx(71.3 * math.exp(0.001), rel=1e-9)


def test_a_step_in_the_table_is_the_price() -> None:
    found = liquidation_prices(lambda p: np.where(p < 90.0, -5.0, 5.0), 100.0, kinks=[90.0])
    assert found.down == pytest.approx(90.0, rel=1e-12)
    assert found.residual == 5.0


def test_short_of_margin_already_both_are_the_mark() -> None:
    book = UnderlyingBook(mark=100.0, balance=0.1, futures=[FutureHolding(quantity=1.0, price=100.0, tiers=FLAT)])
    found = book.liquidation()
    assert (found.down, found.up) == (100.0, 100.0)
    assert found.residual == pytest.approx(0.4)


def test_long_options_may_carry_no_credit() -> None:
    option = OptionHolding(quantity=1.0, strike=100.0, forward=100.0, time_to_expiry=1.0, volatility=0.5, right=1)
    at = np.array([100.0])
    with_credit = UnderlyingBook(mark=100.0, balance=5.0, options=[option])
    without = UnderlyingBook(mark=100.0, balance=5.0, options=[option], long_option_credit=0.0)
    assert with_credit.equity(at)[0] - 5.0 == pytest.approx(quantlib_call(100.0, 100.0, 1.0, 0.5), rel=1e-9)
    assert without.equity(at)[0] == 5.0


@pytest.mark.parametrize("mark", [0.0, -1.0, math.inf, math.nan])
def test_a_mark_must_be_a_price(mark: float) -> None:
    with pytest.raises(InvalidInput, match="mark"):
        liquidation_prices(lambda p: p, mark)


def test_terms_are_checked() -> None:
    with pytest.raises(InvalidInput, match="excess"):
        liquidation_prices(lambda p: np.where(p > 1e3, np.nan, p), 100.0)
    with pytest.raises(InvalidInput, match="coin_haircut"):
        UnderlyingBook(mark=1.0, balance=0.0, coin_haircut=1.5)
    with pytest.raises(InvalidInput, match="balance"):
        UnderlyingBook(mark=1.0, balance=math.nan)
    with pytest.raises(InvalidInput, match="other_maintenance"):
        UnderlyingBook(mark=1.0, balance=0.0, other_maintenance=-1.0)
    with pytest.raises(InvalidInput, match="quantity"):
        FutureHolding(quantity=math.inf, price=1.0, tiers=FLAT)
    with pytest.raises(InvalidInput, match="price"):
        FutureHolding(quantity=1.0, price=0.0, tiers=FLAT)
    with pytest.raises(InvalidInput, match="maintenance_rate"):
        OptionHolding(quantity=1.0, strike=1.0, forward=1.0, time_to_expiry=1.0, volatility=1.0, right=1,
                      maintenance_rate=-0.1)  # fmt: skip
    with pytest.raises(InvalidInput, match="debt_base"):
        LoanHolding(debt_base=-1.0)
    with pytest.raises(InvalidInput, match="liquidation_threshold"):
        LoanHolding(liquidation_threshold=1.5)
