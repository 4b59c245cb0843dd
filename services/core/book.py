"""What an evaluation is about: the account, its rows, the signals on them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, NamedTuple

from services.core.instrument import Instrument, Kind, QuantityUnit
from services.core.outcome import Reason

MarginMode = Literal["cross", "isolated", "portfolio"]


class AssetClass(StrEnum):
    """How liquid an asset is: what its haircut is at least."""

    CASH = "cash"
    STABLE = "stable"
    MAJOR = "major"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Collateral:
    """Balance of one asset, and what its haircut is made of; None where unknown.

    Parameters
    ----------
    amount : float
        Units, signed: negative is owed.
    price : float, optional
        In the account currency.
    asset_class : AssetClass
    volatility : float, optional
        [annual fraction]; else that of the market.
    market_key : str, optional
        Series or cached state that carries the volatility; else that of a row of the coin.
    venue : str, optional
        Where it lies.
    age_seconds, heartbeat_seconds : float, optional
        Age of the price, and how often its source speaks [s].
    peg_price : float, optional
        Price in units of the peg; None: it has none.
    spread : float
        Bid-ask spread [fraction of the price].
    average_daily_volume : float, optional
        [account currency].
    deposits, deposit_cap : float, optional
        Of the asset, in one unit; beyond the cap the weight for initial margin shrinks.
    wrong_way_correlation : float, optional
        With the profit of the positions, in [-1, 1]; else that of the market.
    """

    asset: str
    amount: float
    price: float | None
    _: KW_ONLY
    asset_class: AssetClass = AssetClass.OTHER
    volatility: float | None = None
    market_key: str | None = None
    venue: str | None = None
    age_seconds: float | None = None
    heartbeat_seconds: float | None = None
    peg_price: float | None = None
    spread: float = 0.0
    average_daily_volume: float | None = None
    deposits: float | None = None
    deposit_cap: float | None = None
    wrong_way_correlation: float | None = None


class LoanMargin(StrEnum):
    """Whether a loan shares the margin of the account, or stands alone."""

    CROSS = "cross"
    ISOLATED = "isolated"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLoan:
    """A loan of the account, whose value ``collateral − debt`` is part of its equity.

    Parameters
    ----------
    name : str
        For the answer.
    collateral, debt : Collateral
        What is pledged and what is owed; both amounts >= 0.
    liquidation_threshold, maximum_loan_to_value : float
        Shares of the collateral at which the debt is called, and up to which may be borrowed.
    borrow_rate, supply_rate : float
        [annual, continuously compounded].
    margin : LoanMargin
        Isolated: what it is worth backs nothing else.
    """

    name: str
    collateral: Collateral
    debt: Collateral
    liquidation_threshold: float
    maximum_loan_to_value: float = 0.0
    borrow_rate: float = 0.0
    supply_rate: float = 0.0
    margin: LoanMargin = LoanMargin.ISOLATED


@dataclass(frozen=True, slots=True)
class Account:
    """Equity [account currency], the collateral that backs it, cumulative deposits less withdrawals, and loans.

    `margin_mode` cross: one equity backs the sum of the positions' margins; isolated: each position its own wallet;
    portfolio: one equity backs the scenario margin of the whole account.
    """

    equity: float
    currency: str
    collateral: tuple[Collateral, ...] = ()
    net_deposits: float | None = None
    loans: tuple[AccountLoan, ...] = ()
    margin_mode: MarginMode = "cross"

    @property
    def balances(self) -> tuple[Collateral, ...]:
        """Everything whose value moves with its own price: collateral, what loans pledge, and what they owe."""
        pledged = tuple(loan.collateral for loan in self.loans)
        owed = tuple(replace(loan.debt, amount=-loan.debt.amount) for loan in self.loans)
        return self.collateral + pledged + owed


class PriceUsed(NamedTuple):
    """Mark price of a row [quote currency], where it came from and how old it is."""

    value: float
    source: str
    age_seconds: float | None


class Signal(NamedTuple):
    """View on a row: `direction` in [-1, 1], or up to ±2 from a forecast.

    The effective direction is ``direction × confidence × 2^(−age / half_life)``. The rest is what some sizing methods
    need to know besides: prices in the quote currency, `expected_return` annual and in excess of financing after costs,
    `win_loss_ratio` the mean win over the mean loss of `trades` closed trades.
    """

    direction: float
    confidence: float = 1.0
    as_of: datetime | None = None
    half_life_seconds: float | None = None
    entry_price: float | None = None
    stop_price: float | None = None
    average_true_range: float | None = None
    expected_return: float | None = None
    win_probability: float | None = None
    win_loss_ratio: float | None = None
    trades: int | None = None


@dataclass(frozen=True, slots=True)
class OwnGreeks:
    """Greeks that a client brings for a position we do not model, for the whole position.

    Delta [base units of the underlying], gamma [base units per unit of price], vega [account currency per volatility
    point], theta [account currency per day].
    """

    delta: float
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One (symbol, venue, account, position side): an instrument, what is held of it and what is known about it.

    Parameters
    ----------
    quantity, open_buys, open_sells : Decimal
        In `unit`; `quantity` is signed, open orders are sizes.
    fx : float, optional
        Account currency per unit of quote currency.
    implied_volatility, forward : float, optional
        Of an option [annual fraction], [quote].
    forward_given : bool
        Whether the client named the forward; else it stands in for one.
    skew_slope : float
        ``dσ/d ln F`` that the delta of the option is to count [annual fraction]: 0 where the smile sticks to strikes.
    market_key : str
        Name of the series or state that carries the volatility of this row.
    problem : Reason, optional
        Why this row cannot be described at all; `detail` says it in words.
    """

    symbol: str
    market_key: str
    instrument: Instrument
    unit: QuantityUnit
    quantity: Decimal = Decimal(0)
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    open_buys: Decimal = Decimal(0)
    open_sells: Decimal = Decimal(0)
    price: PriceUsed | None = None
    fx: float | None = None
    signal: Signal | None = None
    own_greeks: OwnGreeks | None = None
    implied_volatility: float | None = None
    forward: float | None = None
    forward_given: bool = False
    skew_slope: float = 0.0
    isolated_margin: float | None = None
    initial_margin: float | None = None
    maintenance_margin: float | None = None
    problem: Reason | None = None
    detail: str = ""

    @property
    def only_side(self) -> int:
        """+1 or -1 where the row can be on one side only: hedge mode, or a spot asset without leverage; else 0."""
        if self.position_side in ("long", "short"):
            return 1 if self.position_side == "long" else -1
        return 1 if self.instrument.kind is Kind.SPOT and self.instrument.max_leverage is None else 0

    def carries(self, coin: str) -> bool:
        """Whether this row is a linear exposure to a coin."""
        return self.instrument.base_currency == coin and self.instrument.kind not in (Kind.OPTION, Kind.QUANTO)

    @property
    def counts_contracts(self) -> bool:
        """Whether the client's quantities are contracts as they stand."""
        whole = self.unit is QuantityUnit.BASE and self.instrument.contract_multiplier == 1.0
        return self.unit is QuantityUnit.CONTRACTS or (whole and self.instrument.kind is not Kind.INVERSE)
