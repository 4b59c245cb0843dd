"""Credit of balances and loans: against values worked out by hand, and against the kernel of a loan."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from services.core.book import Account, AccountLoan, AssetClass, Collateral, LoanMargin
from services.margin.collateral import Backing, CreditReason, Seen, backing_of
from services.margin.haircuts import VolatilityHaircut
from services.margin.loans import Loan, health_factor

POLICY = VolatilityHaircut()
HOURS_4 = math.sqrt(4.0 / 8_760.0)


def coin(amount: float = 2.0, **changes: Any) -> Collateral:
    return replace(Collateral("BTC", amount, None, asset_class=AssetClass.MAJOR), **changes)


def loan(**changes: Any) -> AccountLoan:
    fields: dict[str, Any] = {
        "name": "cdp",
        "collateral": coin(1.0),
        "debt": Collateral("USD", 20_000.0, None),
        "liquidation_threshold": 0.8,
        "maximum_loan_to_value": 0.7,
        "margin": LoanMargin.CROSS,
    }
    return AccountLoan(**{**fields, **changes})


def backed(*balances: Collateral, loans: tuple[AccountLoan, ...] = (), seen: list[Seen] | None = None) -> Backing:
    account = Account(100_000.0, "USD", balances, loans=loans)
    known = [Seen(1.0 if item.asset == "USD" else 40_000.0, 0.0) for item in account.balances]
    return backing_of(account, seen or known, POLICY)


def test_equity_counts_a_coin_after_its_haircut() -> None:
    """80,000 at a floor of 5 %: 4,000 off for maintenance, 1.25 times as much for initial margin."""
    found = backed(coin())
    assert (found.equity_maintenance, found.equity_initial) == (96_000.0, 95_000.0)
    assert (found.credits[0].reason, found.coins("BTC")) == (CreditReason.FLOOR, pytest.approx(1.9))
    assert (found.demanded_maintenance, found.demanded_initial) == (4_000.0, 5_000.0)
    assert found.complete
    assert found.trusted


def test_volatility_beyond_the_floor_sets_it() -> None:
    found = backed(coin(), seen=[Seen(40_000.0, 1.5)]).credits[0]
    assert found.haircut_maintenance == pytest.approx(2.3378 * 1.5 * HOURS_4)
    assert found.haircut_initial == pytest.approx(1.25 * 2.3378 * 1.5 * HOURS_4)
    assert found.reason is CreditReason.VOLATILITY


def test_what_is_owed_counts_in_full_with_or_without_its_price() -> None:
    found = backed(coin(-1.0), seen=[Seen(40_000.0, 0.9, multiplier=3.0)])
    assert (found.equity_initial, found.equity_maintenance, found.coins("BTC")) == (100_000.0, 100_000.0, -1.0)
    assert found.credits[0].reason is CreditReason.OWED
    blind = backed(coin(-1.0), seen=[Seen(math.nan, math.nan)])
    assert (blind.equity_maintenance, blind.complete) == (100_000.0, True)


def test_a_stale_price_gives_nothing_to_open_on_and_half_as_much_to_stand_on() -> None:
    found = backed(coin(age_seconds=61.0, heartbeat_seconds=60.0))
    assert found.equity_initial == 20_000.0
    assert found.equity_maintenance == 100_000.0 - 2.0 * 4_000.0
    assert found.demanded_initial == pytest.approx(1.25 * 2.0 * 4_000.0)
    assert found.credits[0].reason is CreditReason.STALE_PRICE
    assert (found.complete, found.trusted) == (True, False)


def test_an_unknown_volatility_gives_no_credit_and_demands_the_floor() -> None:
    found = backed(coin(), seen=[Seen(40_000.0, math.nan)])
    assert (found.equity_initial, found.equity_maintenance, found.coins("BTC")) == (20_000.0, 20_000.0, 0.0)
    assert (found.demanded_maintenance, found.demanded_initial) == (4_000.0, 5_000.0)
    assert found.credits[0].reason is CreditReason.VOLATILITY_UNAVAILABLE
    assert (found.complete, found.trusted) == (True, False)


def test_coins_to_keep_are_those_after_what_a_reduction_may_be_demanded_for() -> None:
    blind = backed(coin(), seen=[Seen(40_000.0, math.nan)])
    assert (blind.coins("BTC"), blind.coins_to_keep("BTC")) == (0.0, pytest.approx(1.9))
    owed = backed(coin(-1.0), seen=[Seen(math.nan, math.nan)])
    assert (owed.coins("BTC"), owed.coins_to_keep("BTC")) == (-1.0, -1.0)


def test_without_a_price_it_is_not_known_what_counts() -> None:
    found = backed(coin(), seen=[Seen(math.nan, 0.5)])
    assert found.credits[0].reason is CreditReason.PRICE_REQUIRED
    assert math.isnan(found.credits[0].initial)
    assert not found.complete


def test_deposits_beyond_the_cap_scale_the_weight_for_initial_margin_alone() -> None:
    """Drift: weight .9375 · 500 / 1500."""
    found = backed(coin(deposits=1_500.0, deposit_cap=500.0)).credits[0]
    assert 1.0 - found.haircut_initial == pytest.approx(0.9375 / 3.0)
    assert found.haircut_maintenance == 0.05
    own = backed(coin(4.0, deposit_cap=2.0), seen=[Seen(40_000.0, 0.0)]).credits[0]
    assert 1.0 - own.haircut_initial == pytest.approx(0.9375 / 2.0)


def test_a_cross_loan_counts_by_its_own_terms_where_they_are_the_stricter() -> None:
    found = backed(loans=(loan(),))
    assert found.equity_maintenance == pytest.approx(100_000.0 - 40_000.0 * 0.2)
    assert found.equity_initial == pytest.approx(100_000.0 - 40_000.0 * 0.3)
    assert [item.reason for item in found.credits] == [CreditReason.LOAN_TERMS, CreditReason.OWED]
    assert found.demanded_initial == pytest.approx(40_000.0 * 0.3), "no multiple of the terms of the loan"
    close = backed(loans=(loan(maximum_loan_to_value=0.78),))
    assert close.demanded_initial == pytest.approx(40_000.0 * 0.22)
    wild = backed(loans=(loan(),), seen=[Seen(40_000.0, 5.0), Seen(1.0, 0.0)])
    assert wild.credits[0].haircut_maintenance == pytest.approx(2.3378 * 5.0 * HOURS_4)


@pytest.mark.parametrize("debt", [20_000.0, 32_000.0, 39_000.0])
def test_equity_meets_maintenance_where_the_health_factor_is_1(debt: float) -> None:
    """Equity of the account is that of the loan alone: nothing is left for maintenance exactly at health 1."""
    item = loan(debt=Collateral("USD", debt, None))
    account = Account(40_000.0 - debt, "USD", loans=(item,))
    found = backing_of(account, [Seen(40_000.0, 0.0), Seen(1.0, 0.0)], VolatilityHaircut(major_floor=0.0))
    kernel = Loan(collateral=40_000.0, debt=debt, liquidation_threshold=0.8)
    assert found.equity_maintenance == pytest.approx(kernel.equity - kernel.maintenance, abs=1e-6)
    assert found.health_factor == pytest.approx(health_factor([kernel]))
    assert (found.equity_maintenance >= 0.0) == (found.health_factor >= 1.0)


def test_an_isolated_loan_backs_nothing_else_and_a_lost_one_is_owed() -> None:
    found = backed(loans=(loan(margin=LoanMargin.ISOLATED),))
    assert (found.locked, found.equity_initial, found.credits) == (20_000.0, 80_000.0, ())
    lost = backed(loans=(loan(margin=LoanMargin.ISOLATED, debt=Collateral("USD", 45_000.0, None)),))
    assert (lost.locked, lost.equity_initial) == (0.0, 100_000.0), "its -5,000 are in the equity already"
    blind = backed(loans=(loan(margin=LoanMargin.ISOLATED),), seen=[Seen(math.nan, 0.0), Seen(1.0, 0.0)])
    assert not blind.complete
    assert blind.health_factor is None


def test_a_loan_says_at_which_price_it_is_called() -> None:
    found = backed(loans=(loan(borrow_rate=0.1),)).loans[0]
    assert found.liquidation_price == pytest.approx(20_000.0 / 0.8)
    assert found.value is not None
    assert found.value.seconds_to_liquidation() == pytest.approx(math.log(1.6) / 0.1 * 31_536_000.0)


def test_balances_count_what_is_pledged_and_owed_once() -> None:
    account = Account(1.0, "USD", (coin(2.0),), loans=(loan(debt=Collateral("ETH", 3.0, None)),))
    assert [(item.asset, item.amount) for item in account.balances] == [("BTC", 2.0), ("BTC", 1.0), ("ETH", -3.0)]
