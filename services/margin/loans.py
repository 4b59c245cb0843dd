"""Loans against collateral, as positions: loan to value, health, the price at which they are liquidated, interest.

A loan of threshold L is a position worth ``collateral − debt`` with a maintenance margin of ``collateral · (1 − L)``:
equity equals maintenance exactly where its health factor is 1. So a loan, a perpetual and an option of one underlying
stand in one book: see `services.margin.root_scan`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """One collateralised debt position.

    Parameters
    ----------
    collateral, debt : float
        Value of what is pledged, and of what is owed [account currency], >= 0.
    liquidation_threshold : float
        L: share of the collateral at which the debt is called, in (0, 1].
    maximum_loan_to_value : float
        Share up to which more can be borrowed, in [0, L].
    borrow_rate, supply_rate : float
        Paid on the debt, earned on the collateral [annual, continuously compounded].
    liquidation_penalty : float
        Share of the debt that a liquidator takes on top.
    """

    collateral: float
    debt: float
    liquidation_threshold: float
    maximum_loan_to_value: float = 0.0
    borrow_rate: float = 0.0
    supply_rate: float = 0.0
    liquidation_penalty: float = 0.0

    def __post_init__(self) -> None:
        for name in ("collateral", "debt", "liquidation_penalty"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise InvalidInput(name, "must be finite and >= 0", getattr(self, name))
        if not 0.0 < self.liquidation_threshold <= 1.0:
            raise InvalidInput("liquidation_threshold", "must lie in (0, 1]", self.liquidation_threshold)
        if not 0.0 <= self.maximum_loan_to_value <= self.liquidation_threshold:
            rule = "must lie in [0, liquidation_threshold]"
            raise InvalidInput("maximum_loan_to_value", rule, self.maximum_loan_to_value)
        if not math.isfinite(self.borrow_rate + self.supply_rate):
            raise InvalidInput("borrow_rate", "and supply_rate must be finite", self.borrow_rate)

    @property
    def loan_to_value(self) -> float:
        """Debt over collateral; infinite for a debt that nothing backs, 0 without debt."""
        if self.debt == 0.0:
            return 0.0
        return self.debt / self.collateral if self.collateral else math.inf

    @property
    def equity(self) -> float:
        """``collateral − debt``."""
        return self.collateral - self.debt

    @property
    def maintenance(self) -> float:
        """``collateral · (1 − L)``: what equity must exceed."""
        return self.collateral * (1.0 - self.liquidation_threshold)

    @property
    def borrowable(self) -> float:
        """What more can be borrowed [account currency], >= 0."""
        return max(0.0, self.collateral * self.maximum_loan_to_value - self.debt)

    def collateral_price_ratio(self) -> float | None:
        """Price of the collateral at liquidation over its price now, the debt unchanged; None without debt.

        Examples
        --------
        >>> Loan(collateral=20_000.0, debt=12_000.0, liquidation_threshold=0.8).collateral_price_ratio()
        0.75
        """
        if self.debt == 0.0:
            return None
        return self.debt / (self.collateral * self.liquidation_threshold) if self.collateral else math.inf

    def debt_price_ratio(self) -> float | None:
        """Price of what is owed at liquidation over its price now, the collateral unchanged; None without debt."""
        return self.collateral * self.liquidation_threshold / self.debt if self.debt else None

    def after(self, seconds: float) -> Loan:
        """The loan once interest has accrued for a while, prices unchanged: ``debt · e^{rt}``.

        Examples
        --------
        >>> loan = Loan(collateral=20_000.0, debt=12_000.0, liquidation_threshold=0.8, borrow_rate=0.1)
        >>> round(loan.after(31_536_000.0).debt, 2)
        13262.05
        """
        years = seconds / SECONDS_PER_YEAR
        return Loan(
            collateral=self.collateral * math.exp(self.supply_rate * years),
            debt=self.debt * math.exp(self.borrow_rate * years),
            liquidation_threshold=self.liquidation_threshold,
            maximum_loan_to_value=self.maximum_loan_to_value,
            borrow_rate=self.borrow_rate,
            supply_rate=self.supply_rate,
            liquidation_penalty=self.liquidation_penalty,
        )

    def seconds_to_liquidation(self) -> float | None:
        """Time in which interest alone liquidates the loan [s]; 0 where it is due, None where it never does.

        ``t = ln(HF) / (r_borrow − r_supply)``.
        """
        health = health_factor([self])
        if health <= 1.0:
            return 0.0
        drag = self.borrow_rate - self.supply_rate
        if not math.isfinite(health) or drag <= 0.0:
            return None
        return math.log(health) / drag * SECONDS_PER_YEAR


def health_factor(loans: Sequence[Loan]) -> float:
    """``Σ collateral · L / Σ debt`` of one account; infinite without debt. Below 1 it may be liquidated.

    Examples
    --------
    >>> health_factor([Loan(collateral=20_000.0, debt=12_000.0, liquidation_threshold=0.75)])
    1.25
    """
    backed = math.fsum(loan.collateral * loan.liquidation_threshold for loan in loans)
    owed = math.fsum(loan.debt for loan in loans)
    return backed / owed if owed else math.inf
