"""What balances and loans of an account count as margin: credit by asset, equity for either margin.

The equity of an account holds every balance at its market value. Margin counts less: ``equity − Σ (value − credit)``,
less what isolated loans are worth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from services.core.book import Account, AccountLoan, Collateral, LoanMargin
from services.core.explain import Floats
from services.margin.haircuts import Haircuts, VolatilityHaircut, cap_scaled_weight, collateral_credit
from services.margin.loans import Loan, health_factor


class CreditReason(StrEnum):
    """What set the haircut of a balance for maintenance margin."""

    OWED = "owed"
    VOLATILITY = "volatility"
    FLOOR = "floor"
    LOAN_TERMS = "loan_terms"
    WHOLE = "whole"
    STALE_PRICE = "stale_price"
    PRICE_REQUIRED = "price_required"
    VOLATILITY_UNAVAILABLE = "volatility_unavailable"


class Correlated(StrEnum):
    """Where a correlation of a balance with the positions came from; `worst` is 1, taken where it is not known."""

    GIVEN = "given"
    MEASURED = "measured"
    WORST = "worst"
    NO_POSITIONS = "no_positions"
    NOT_LOOKED_AT = "not_looked_at"


class Seen(NamedTuple):
    """What is known of a balance now: price and volatility (NaN: unknown), correlation, multiplier of its venue."""

    price: float
    volatility: float
    correlation: float = 0.0
    source: Correlated = Correlated.NOT_LOOKED_AT
    multiplier: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A balance of the account, or one side of a loan in cross margin, with what is known of it."""

    balance: Collateral
    seen: Seen
    loan: AccountLoan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """What one holding counts as margin.

    Parameters
    ----------
    value : float
        At the market, signed [account currency]; NaN without a price.
    initial, maintenance : float
        Credit for either margin [account currency]; NaN without a price.
    haircut_initial, haircut_maintenance : float
        ``1 − credit / value``, in [0, 1]; 0 of what is owed.
    floor : float
        Of the class.
    demanded_initial, demanded_maintenance : float
        What a reduction of positions may be demanded for [account currency]: like the credit taken off, but at most
        twice the haircut of a price that is stale, and the floor where a figure lacks.
    reason : CreditReason
    parts : Haircuts
        Of this holding alone: arrays of one.
    """

    holding: Holding
    value: float
    initial: float
    maintenance: float
    haircut_initial: float
    haircut_maintenance: float
    floor: float
    demanded_initial: float
    demanded_maintenance: float
    reason: CreditReason
    parts: Haircuts

    @property
    def known(self) -> bool:
        """Whether price and volatility are known and fresh."""
        return self.reason not in _BLIND


_BLIND = frozenset({CreditReason.STALE_PRICE, CreditReason.PRICE_REQUIRED, CreditReason.VOLATILITY_UNAVAILABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoanStanding:
    """A loan in the account currency; None where a price lacks."""

    loan: AccountLoan
    value: Loan | None
    liquidation_price: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """What stands behind the margin of an account [account currency].

    Parameters
    ----------
    equity : float
        Mark to market, all balances at their value.
    credits : tuple of Credit
    loans : tuple of LoanStanding
    locked : float
        What isolated loans are worth, >= 0: it backs nothing else. A loan that is worth less than nothing is owed.
    """

    equity: float
    credits: tuple[Credit, ...]
    loans: tuple[LoanStanding, ...]
    locked: float

    @property
    def equity_initial(self) -> float:
        """Equity that counts for initial margin."""
        return self.equity - self.locked - _total(item.value - item.initial for item in self.credits)

    @property
    def equity_maintenance(self) -> float:
        """Equity that counts for maintenance margin."""
        return self.equity - self.locked - _total(item.value - item.maintenance for item in self.credits)

    @property
    def demanded_initial(self) -> float:
        """Part of the equity that does not count for initial margin when positions must shrink."""
        return self.locked + math.fsum(item.demanded_initial for item in self.credits)

    @property
    def demanded_maintenance(self) -> float:
        """Part of the equity that does not count for maintenance margin when positions must shrink."""
        return self.locked + math.fsum(item.demanded_maintenance for item in self.credits)

    @property
    def complete(self) -> bool:
        """Whether the worth of all that does not count is known; otherwise no position is increased.

        What is owed counts in full, whatever it is worth; a balance without a volatility is known not to count.
        """
        lent = [item.value for item in self.loans if item.loan.margin is LoanMargin.ISOLATED]
        return None not in lent and all(item.reason is not CreditReason.PRICE_REQUIRED for item in self.credits)

    @property
    def trusted(self) -> bool:
        """Whether every figure is known and fresh."""
        return self.complete and all(item.known for item in self.credits)

    @property
    def health_factor(self) -> float | None:
        """``Σ collateral · threshold / Σ debt`` of all loans; None without debt, or where one is not known."""
        loans = [item.value for item in self.loans]
        known = [item for item in loans if item is not None]
        found = health_factor(known)
        return found if len(known) == len(loans) and math.isfinite(found) else None

    def coins(self, asset: str) -> float:
        """Units of an asset that count for maintenance margin, whose worth moves with its price; owed ones in full."""
        held = [item for item in self.credits if item.holding.balance.asset == asset]
        return math.fsum(item.holding.balance.amount * (1.0 - item.haircut_maintenance) for item in held)

    def coins_to_keep(self, asset: str) -> float:
        """The same where positions must shrink: of what lacks a figure, what is left after the least haircut."""
        held = [item for item in self.credits if item.holding.balance.asset == asset]
        shares = [item.demanded_maintenance / item.value if item.value > 0.0 else 0.0 for item in held]
        return math.fsum(item.holding.balance.amount * (1.0 - share) for item, share in zip(held, shares, strict=True))


def backing_of(account: Account, seen: Sequence[Seen], policy: VolatilityHaircut) -> Backing:
    r"""Credit of every balance and loan of an account, and the equity that counts.

    Of a positive balance ``value (1 − h)``; what is owed counts in full. For initial margin
    ``1 − h_im = (1 − h_im,model) · min(1, cap / deposits)``. A loan in cross margin is two balances: what it pledges
    counts at most ``threshold`` of its value for maintenance and ``maximum_loan_to_value`` for initial margin, so that
    equity and maintenance meet where its health factor is 1; its debt counts in full.

    Parameters
    ----------
    account : Account
    seen : sequence of Seen
        Of `account.balances`, in their order: collateral, then what loans pledge, then what they owe.
    policy : VolatilityHaircut

    Notes
    -----
    No figure that is not known gives credit: without a price the value itself is not known, without a volatility the
    haircut is 1. A price older than its heartbeat gives no credit for initial margin and twice the haircut for
    maintenance. Cost O(balances).

    References
    ----------
    Binance, portfolio margin (``min(equity, equity · rate)``); Drift v2 (weights scaled by deposits over their cap);
    Aave v3 (health factor).
    """
    holdings = _holdings(account, seen)
    return Backing(
        equity=account.equity,
        credits=credits_of(holdings, policy),
        loans=(standings := _standings(account, seen)),
        locked=math.fsum(
            max(item.value.equity, 0.0)
            for item in standings
            if item.value is not None and item.loan.margin is LoanMargin.ISOLATED
        ),
    )


def credits_of(holdings: Sequence[Holding], policy: VolatilityHaircut) -> tuple[Credit, ...]:
    """Credit of each holding; see `backing_of`."""
    if not holdings:
        return ()
    rows = [item.balance for item in holdings]
    value = np.array([_value(item.balance.amount, item.seen.price) for item in holdings])
    floor = np.array([policy.floor(item.asset_class) for item in rows])
    found = policy.haircuts(
        np.array([item.seen.volatility for item in holdings]),
        floor=floor,
        spread=np.array([item.spread for item in rows]),
        size_quote=np.abs(np.nan_to_num(value)),
        average_daily_volume=_column([item.average_daily_volume for item in rows], np.inf),
        peg_price=_column([item.peg_price for item in rows], np.inf),
        wrong_way_correlation=np.array([item.seen.correlation for item in holdings]),
        age_seconds=_column([item.age_seconds for item in rows], 0.0),
        heartbeat_seconds=_column([item.heartbeat_seconds for item in rows], np.inf),
        multiplier=np.array([item.seen.multiplier for item in holdings]),
    )
    least_initial, least_maintenance = _loan_haircuts(holdings)
    maintenance, initial = np.maximum(found.maintenance, least_maintenance), np.maximum(found.initial, least_initial)
    initial = 1.0 - _capped(rows, 1.0 - np.maximum(initial, maintenance))
    # Where it is not known, a price has no haircut that a reduction could be demanded for, beyond the floor.
    own = np.where(found.known, found.maintenance, floor)
    demanded = np.maximum(own, least_maintenance)
    demanded_initial = np.maximum(np.minimum(1.0, policy.initial_multiple * own), np.maximum(least_initial, demanded))
    demanded_initial = 1.0 - _capped(rows, 1.0 - demanded_initial)
    held = value > 0.0
    return tuple(
        Credit(
            holding=holdings[i],
            value=float(value[i]),
            initial=_credit(value[i], initial[i]),
            maintenance=_credit(value[i], maintenance[i]),
            haircut_initial=float(initial[i]) if rows[i].amount > 0.0 else 0.0,
            haircut_maintenance=float(maintenance[i]) if rows[i].amount > 0.0 else 0.0,
            floor=float(floor[i]),
            demanded_initial=float(value[i] * demanded_initial[i]) if held[i] else 0.0,
            demanded_maintenance=float(value[i] * demanded[i]) if held[i] else 0.0,
            reason=_reason(rows[i].amount, float(value[i]), found, i, float(least_maintenance[i]), float(floor[i])),
            parts=_parts(found, i),
        )
        for i in range(len(holdings))
    )


def _holdings(account: Account, seen: Sequence[Seen]) -> list[Holding]:
    """Balances in cross margin."""
    balances, loans = account.balances, account.loans
    of: list[AccountLoan | None] = [None] * len(account.collateral)
    return [
        Holding(balance=balance, seen=known, loan=loan)
        for balance, known, loan in zip(balances, seen, [*of, *loans, *loans], strict=True)
        if loan is None or loan.margin is LoanMargin.CROSS
    ]


def _standings(account: Account, seen: Sequence[Seen]) -> tuple[LoanStanding, ...]:
    first, count = len(account.collateral), len(account.loans)
    prices = [item.price for item in seen[first:]]
    return tuple(
        _standing(loan, pledged, owed)
        for loan, pledged, owed in zip(account.loans, prices[:count], prices[count:], strict=True)
    )


def _standing(loan: AccountLoan, pledged: float, owed: float) -> LoanStanding:
    collateral, debt = _value(loan.collateral.amount, pledged), _value(loan.debt.amount, owed)
    if math.isnan(collateral + debt):
        return LoanStanding(loan=loan, value=None, liquidation_price=None)
    found = Loan(
        collateral=collateral,
        debt=debt,
        liquidation_threshold=loan.liquidation_threshold,
        maximum_loan_to_value=loan.maximum_loan_to_value,
        borrow_rate=loan.borrow_rate,
        supply_rate=loan.supply_rate,
    )
    ratio = found.collateral_price_ratio()
    price = None if ratio is None or not math.isfinite(ratio) else ratio * pledged
    return LoanStanding(loan=loan, value=found, liquidation_price=price)


def _loan_haircuts(holdings: Sequence[Holding]) -> tuple[Floats, Floats]:
    """Least haircuts for initial and maintenance margin by the terms of loans."""
    terms = [
        (1.0 - item.loan.maximum_loan_to_value, 1.0 - item.loan.liquidation_threshold) if item.loan else (0.0, 0.0)
        for item in holdings
    ]
    return np.array([initial for initial, _ in terms]), np.array([maintenance for _, maintenance in terms])


def _capped(rows: Sequence[Collateral], weight: Floats) -> Floats:
    deposits = [item.deposits if item.deposits is not None else abs(item.amount) for item in rows]
    return cap_scaled_weight(weight, deposits, _column([item.deposit_cap for item in rows], np.inf))


def _reason(amount: float, value: float, found: Haircuts, place: int, least: float, floor: float) -> CreditReason:
    if amount < 0.0:
        return CreditReason.OWED
    if math.isnan(value):
        return CreditReason.PRICE_REQUIRED
    if not found.known[place]:
        return CreditReason.VOLATILITY_UNAVAILABLE
    if found.stale[place]:
        return CreditReason.STALE_PRICE
    cut = float(found.maintenance[place])
    if least > cut:
        return CreditReason.LOAN_TERMS
    if cut >= 1.0:
        return CreditReason.WHOLE
    parts = found.tail[place] + found.spread[place] + found.size[place] + found.peg[place]
    return CreditReason.FLOOR if parts <= floor else CreditReason.VOLATILITY


def _parts(found: Haircuts, place: int) -> Haircuts:
    names = ("maintenance", "initial", "stale", "known", "tail", "spread", "size", "peg", "wrong_way")
    return Haircuts(**{name: getattr(found, name)[place : place + 1] for name in names})


def _value(amount: float, price: float) -> float:
    return 0.0 if amount == 0.0 else amount * price


def _credit(value: float, haircut: float) -> float:
    return math.nan if math.isnan(value) else float(collateral_credit(value, haircut))


def _column(values: Sequence[float | None], unknown: float) -> Floats:
    return np.array([unknown if value is None else value for value in values], dtype=np.float64)


def _total(parts: Iterable[float]) -> float:
    """Sum of what is known."""
    return math.fsum(part for part in parts if not math.isnan(part))
