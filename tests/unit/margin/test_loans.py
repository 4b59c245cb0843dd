"""Loans: health, the price of liquidation, interest; and that a loan is a position."""

from __future__ import annotations

import math

import pytest
from scipy.optimize import brentq

from services.core.errors import InvalidInput
from services.margin.loans import Loan, health_factor
from services.margin.underlying_book import LoanHolding, UnderlyingBook

YEAR = 31_536_000.0
LOAN = Loan(collateral=30_000.0, debt=18_000.0, liquidation_threshold=0.8, maximum_loan_to_value=0.75)


def test_figures_by_hand() -> None:
    assert (LOAN.loan_to_value, LOAN.equity, LOAN.borrowable) == (0.6, 12_000.0, 4_500.0)
    assert LOAN.maintenance == pytest.approx(6_000.0)
    assert health_factor([LOAN]) == pytest.approx(4 / 3)
    assert LOAN.collateral_price_ratio() == pytest.approx(0.75)
    assert LOAN.debt_price_ratio() == pytest.approx(4 / 3)


def test_equity_meets_maintenance_where_health_is_one() -> None:
    ratio = LOAN.collateral_price_ratio()
    assert ratio is not None
    due = Loan(collateral=LOAN.collateral * ratio, debt=LOAN.debt, liquidation_threshold=0.8)
    assert due.equity == pytest.approx(due.maintenance)
    assert health_factor([due]) == pytest.approx(1.0)


def test_in_a_book_it_is_liquidated_at_the_same_price() -> None:
    held = LoanHolding(collateral_base=10.0, debt_quote=18_000.0, liquidation_threshold=0.8)
    found = UnderlyingBook(mark=3_000.0, balance=0.0, loans=[held]).liquidation()
    assert found.down == pytest.approx(3_000.0 * 0.75, rel=1e-12)
    assert found.up is None
    short = LoanHolding(collateral_quote=30_000.0, debt_base=6.0, liquidation_threshold=0.8)
    found = UnderlyingBook(mark=3_000.0, balance=0.0, loans=[short]).liquidation()
    assert (found.down, found.up) == (None, pytest.approx(3_000.0 * 4 / 3, rel=1e-12))


def test_interest_liquidates_when_health_has_run_down() -> None:
    loan = Loan(collateral=30_000.0, debt=18_000.0, liquidation_threshold=0.8, borrow_rate=0.2, supply_rate=0.05)
    when = loan.seconds_to_liquidation()
    assert when is not None
    slow = brentq(lambda years: health_factor([loan.after(years * YEAR)]) - 1.0, 0.0, 20.0, xtol=1e-12)
    assert when == pytest.approx(slow * YEAR, rel=1e-9)


def test_limits() -> None:
    free = Loan(collateral=100.0, debt=0.0, liquidation_threshold=0.8, borrow_rate=0.1)
    assert (free.loan_to_value, free.collateral_price_ratio(), free.debt_price_ratio()) == (0.0, None, None)
    assert health_factor([free]) == health_factor([]) == math.inf
    assert free.seconds_to_liquidation() is None
    bare = Loan(collateral=0.0, debt=1.0, liquidation_threshold=0.8)
    assert (bare.loan_to_value, bare.collateral_price_ratio(), bare.seconds_to_liquidation()) == (math.inf, math.inf, 0)
    assert LOAN.seconds_to_liquidation() is None


@pytest.mark.parametrize(("name", "value"), [("collateral", -1.0), ("debt", math.nan), ("liquidation_threshold", 0.0),
                                             ("maximum_loan_to_value", 0.9), ("borrow_rate", math.inf)])  # fmt: skip
def test_impossible_terms_are_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=name):
        Loan(**{"collateral": 1.0, "debt": 1.0, "liquidation_threshold": 0.8, name: value})
