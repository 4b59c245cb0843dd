"""A book of several underlyings: reference prices, collateral, what is missing, liquidity as a leg."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.outcome import Reason
from services.engine.option_book import (
    BookPosition,
    PooledLeg,
    Underlying,
    book_risk,
    explain_book,
    reference_price,
)
from services.liquidity.positions import LiquidityPosition, RangeState
from services.options.black import black_price
from services.options.ladder import LadderGrid
from services.options.portfolio_greeks import LegGreeks, OptionLeg
from services.options.positions import Leg, LinearLeg, OwnLeg

DAY = 1 / 365
OPTION = OptionLeg(
    quantity=-2.0, multiplier=1.0, right=1, strike=105.0, forward=101.0, time_to_expiry=30 * DAY, volatility=0.6
)
PERPETUAL = LinearLeg(kind="linear", quantity=1.0, multiplier=1.0, price=100.0)
FUTURE = replace(PERPETUAL, price=102.0, time_to_expiry=0.25)
POOL = PooledLeg(position=LiquidityPosition(liquidity=50.0, lower=80.0, upper=120.0), price=100.0, quantity=3.0)
GRID = LadderGrid()


def position(symbol: str, leg: Leg | PooledLeg, underlying: str = "A", **more: object) -> BookPosition:
    return BookPosition(symbol=symbol, underlying=underlying, leg=leg, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("legs", "price", "source"),
    [
        ([OPTION, FUTURE, PERPETUAL], 100.0, "spot or perpetual"),
        ([OPTION, FUTURE], 101.0, "forward"),
        ([OwnLeg(greeks=LegGreeks(delta=1.0), price=99.0), FUTURE], 102.0, "forward"),
        ([OwnLeg(greeks=LegGreeks(delta=1.0), price=99.0)], 99.0, "mark of a position"),
        ([], None, "unknown"),
    ],
)
def test_the_reference_price_is_the_nearest_to_spot(legs: list[Leg], price: float | None, source: str) -> None:
    assert reference_price(Underlying(), legs) == (price, source)
    assert reference_price(Underlying(price=7.0), legs) == (7.0, "given")


def test_the_reference_price_does_not_depend_on_the_order_of_the_book() -> None:
    spot = replace(PERPETUAL, kind="spot", price=101.0)
    other = replace(PERPETUAL, price=99.0)
    near = [replace(OPTION, forward=price) for price in (103.0, 98.0)]
    for legs in ([spot, PERPETUAL, other], [PERPETUAL, other], near):
        found = {reference_price(Underlying(), order) for order in permutations(legs)}
        assert len(found) == 1, found
    assert reference_price(Underlying(), [other, spot, PERPETUAL])[0] == 101.0


def test_the_money_view_is_that_of_an_account_kept_in_coin_whose_collateral_is_its_equity() -> None:
    """Options sold for coin, a perpetual beside them: every balance of the account, before and after."""
    forward, deposit, contracts = 8_030.0, 2.5, -1_200.0
    sold = [(-10.0, 8_000.0, 1), (-10.0, 8_000.0, -1), (5.0, 9_000.0, 1)]
    terms = {"time_to_expiry": 14 * DAY, "volatility": 0.55}

    def marks(price: float) -> float:
        return sum(q * float(black_price(price, k, right=w, **terms)) / price for q, k, w in sold)

    balance = deposit - marks(forward)

    def equity(price: float) -> float:
        return balance + marks(price) + contracts * (1.0 / forward - 1.0 / price)

    legs: list[Leg] = [
        OptionLeg(quantity=q, multiplier=1.0, right=w, strike=k, forward=forward, coin_settled=True, **terms)
        for q, k, w in sold
    ]
    legs.append(LinearLeg(kind="inverse", quantity=contracts / 10.0, multiplier=10.0, price=forward))
    book = [position(f"P{place}", leg) for place, leg in enumerate(legs)]
    grid = LadderGrid(volatility_shocks=np.zeros(1))
    known = {"A": Underlying(price=forward, collateral=equity(forward))}
    (found,) = book_risk(book, known, grid).underlyings
    moved = forward * (1.0 + grid.spot_shocks)
    coin = [equity(price) - equity(forward) for price in moved]
    money = [equity(price) * price - equity(forward) * forward for price in moved]
    np.testing.assert_allclose(found.ladder.pnl_coin[:, 0], coin, atol=1e-12)  # type: ignore[index]
    np.testing.assert_allclose(found.ladder.pnl[:, 0], money, atol=1e-8)
    up, down = (equity(forward + step) * (forward + step) for step in (0.1, -0.1))
    assert found.net_delta_usd_view == pytest.approx((up - down) / 0.2, rel=1e-6)
    assert found.exposure.delta_coin == pytest.approx(forward * (equity(forward + 0.1) - equity(forward - 0.1)) / 0.2)


def test_a_pool_is_revalued_on_the_grid_and_delta_hedged_by_its_base() -> None:
    short = replace(PERPETUAL, quantity=-3.0 * float(POOL.position.base(100.0)))
    risk = book_risk([position("LP", POOL), position("PERP", short)], {}, GRID)
    (found,) = risk.underlyings
    assert found.exposure.delta_coin == pytest.approx(0.0, abs=1e-12)
    assert found.exposure.gamma_1pct_coin < 0.0
    moved = 100.0 * (1 + GRID.spot_shocks)
    expected = 3.0 * POOL.position.impermanent_loss(moved, entry_price=100.0)
    np.testing.assert_allclose(found.ladder.pnl, np.repeat(expected[:, None], 3, axis=1), atol=1e-9)
    assert risk.expanded == ()
    assert not risk.refused


def test_a_time_shift_leaves_a_pool_where_it_is() -> None:
    still, later = (book_risk([position("LP", POOL)], {}, LadderGrid(days_forward=days)) for days in (0.0, 5.0))
    np.testing.assert_array_equal(still.total_ladder.pnl, later.total_ladder.pnl)


def test_figures_of_a_pool_need_what_they_are_measured_by() -> None:
    figures = POOL.figures()
    assert (figures.state, figures.impermanent_loss, figures.loss_versus_rebalancing) == (RangeState.WITHIN, None, None)
    known = replace(POOL, entry_price=90.0, volatility=0.5).figures()
    assert known.impermanent_loss == pytest.approx(3 * float(POOL.position.impermanent_loss(100.0, entry_price=90.0)))
    assert known.loss_versus_rebalancing == pytest.approx(0.5 * 0.25 * 1e4 * 3 * 0.5 * 50.0 * 1e-3)


def test_underlyings_without_a_position_still_have_their_coin() -> None:
    risk = book_risk([position("O", OPTION)], {"B": Underlying(price=10.0, collateral=4.0)}, GRID)
    coin = risk.underlyings[1]
    assert (coin.underlying, coin.net_delta_usd_view, coin.exposure.delta_coin) == ("B", 4.0, 0.0)
    np.testing.assert_allclose(coin.ladder.pnl[:, 0], 40.0 * GRID.spot_shocks)
    with pytest.raises(InvalidInput, match=r"underlyings\.B\.price must be given"):
        book_risk([position("O", OPTION)], {"B": Underlying(collateral=4.0)}, GRID)


def test_what_is_blind_or_refused_makes_its_ladder_incomplete_and_no_other() -> None:
    stubborn = OwnLeg(greeks=LegGreeks(delta=1.0, vega_per_point=1.0), price=10.0)
    book = [position("O", OPTION), position("X", stubborn, "B"), position("P", PERPETUAL, "C")]
    risk = book_risk(book, {}, GRID, {"BLIND": "A"})
    assert [item.ladder.complete for item in risk.underlyings] == [False, False, True]
    assert risk.refused["X"].reason is Reason.SCENARIO_MISSING
    assert risk.total_ladder.complete is False
    assert book_risk(book[2:], {}, GRID).total_ladder.complete is True


def test_an_empty_book_is_flat() -> None:
    risk = book_risk([], {}, GRID)
    assert (risk.underlyings, risk.total["delta_usd"], risk.total_ladder.worst.pnl) == ((), 0.0, 0.0)


def test_a_pool_is_explained_by_delta_and_gamma() -> None:
    before, after = (position("LP", replace(POOL, price=price)) for price in (100.0, 101.0))
    found = explain_book([before], [after], years=DAY)
    lines = found.total
    change = 3.0 * float(POOL.position.value(101.0) - POOL.position.value(100.0))
    assert lines.total == pytest.approx(change)
    assert lines.delta == pytest.approx(3.0 * float(POOL.position.base(100.0)))
    assert abs(lines.residual) < 0.02 * abs(lines.gamma)
    bigger = position("LP", replace(POOL, quantity=4.0))
    refused = explain_book([before], [bigger], years=DAY).refused["LP"]
    assert refused.reason is Reason.TRADES_UNMATCHED


def test_new_closed_and_foreign_positions() -> None:
    aged = replace(OPTION, time_to_expiry=29 * DAY)
    start = [position("O", OPTION), position("GONE", PERPETUAL), position("MOVED", PERPETUAL)]
    end = [position("O", aged), position("NEW", PERPETUAL), position("MOVED", PERPETUAL, "B"), position("LP", POOL)]
    found = explain_book(start, end, years=DAY)
    assert set(found.refused) == {"GONE", "MOVED", "LP"}
    assert found.assumed_trades == ("NEW",)
    assert found.underlyings["A"].total == pytest.approx(found.total.total)
    with pytest.raises(InvalidInput, match=r"previous\.as_of must lie before as_of"):
        explain_book(start, end, years=0.0)
