"""A book of one underlying as a function of its price: equity, maintenance, and where the two meet.

Coin, loans, spot, perpetuals, futures and options move together; everything else of the account stands still in
`balance` and `other_maintenance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.core.instrument import MarginTier
from services.margin.assembly import check_tiers
from services.margin.root_scan import LiquidationPrices, liquidation_prices
from services.options.black import black_price


@dataclass(frozen=True, slots=True, kw_only=True)
class FutureHolding:
    """A perpetual or future, or spot on margin.

    Parameters
    ----------
    quantity : float
        Signed: base units, or quote value for an inverse contract.
    price : float
        Its mark now [quote per base]; it moves in proportion to the underlying.
    tiers : sequence of MarginTier
        Maintenance by notional in quote; one tier for a flat rate. The notional of an inverse contract is the same at
        every price.
    inverse : bool
        Profit is paid in coin: ``N (1/F₀ − 1/F)``.
    """

    quantity: float
    price: float
    tiers: Sequence[MarginTier]
    inverse: bool = False

    def __post_init__(self) -> None:
        check_tiers(self.tiers)
        _finite_position(self.quantity, self.price)

    def profit(self, ratio: Floats, spot: Floats) -> Floats:
        """Since now [quote], at prices ``ratio`` times those of now; coin is valued at the spot price."""
        if self.inverse:
            return np.asarray(self.quantity * (1.0 - 1.0 / ratio) / self.price * spot, dtype=np.float64)
        return np.asarray(self.quantity * self.price * (ratio - 1.0), dtype=np.float64)

    def maintenance(self, ratio: Floats, spot: Floats) -> Floats:
        """[quote], by the tier that holds the notional."""
        size = abs(self.quantity)
        notional = size / (self.price * ratio) * spot if self.inverse else size * self.price * ratio
        floors, rates, amounts = (np.array(column) for column in zip(*map(_columns, self.tiers), strict=True))
        tier = np.maximum(np.searchsorted(floors, notional, side="right") - 1, 0)
        due: Floats = np.maximum(rates[tier] * notional - amounts[tier], 0.0)
        return due

    def kinks(self, spot: float) -> list[float]:
        """Prices of the underlying at the edges of tiers."""
        size = 0.0 if self.inverse else abs(self.quantity) * self.price / spot
        return [tier.floor / size for tier in self.tiers if tier.floor > 0.0 and size > 0.0]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionHolding:
    """A position in one European option; its forward moves in proportion, its volatility stays (sticky strike).

    Parameters
    ----------
    quantity : float
        Signed base units: contracts times multiplier.
    strike, forward : float
        [quote per base].
    time_to_expiry : float
        [years]; expired, it is worth its pay-off.
    volatility : float
        Implied, at its strike [annual].
    right : int
        +1 call, -1 put.
    discount : float
        Discount factor to expiry.
    coin_settled : bool
        Premium and pay-off are paid in coin: the value is that in coin, at the spot price.
    maintenance_rate : float
        Of a short option, on top of its value [fraction of the spot price per base unit].
    """

    quantity: float
    strike: float
    forward: float
    time_to_expiry: float
    volatility: float
    right: int
    discount: float = 1.0
    coin_settled: bool = False
    maintenance_rate: float = 0.075

    def __post_init__(self) -> None:
        _finite_position(self.quantity, self.forward)
        if not self.maintenance_rate >= 0.0:
            raise InvalidInput("maintenance_rate", "must be >= 0", self.maintenance_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoanHolding:
    """A loan whose collateral, or whose debt, is the coin.

    Parameters
    ----------
    collateral_base, debt_base : float
        [base], >= 0.
    collateral_quote, debt_quote : float
        [quote], >= 0.
    liquidation_threshold : float
        Share of the collateral at which the debt is called.
    """

    collateral_base: float = 0.0
    debt_base: float = 0.0
    collateral_quote: float = 0.0
    debt_quote: float = 0.0
    liquidation_threshold: float = 0.8

    def __post_init__(self) -> None:
        for name in ("collateral_base", "debt_base", "collateral_quote", "debt_quote"):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise InvalidInput(name, "must be finite and >= 0", getattr(self, name))
        if not 0.0 < self.liquidation_threshold <= 1.0:
            raise InvalidInput("liquidation_threshold", "must lie in (0, 1]", self.liquidation_threshold)

    def equity(self, spot: Floats) -> Floats:
        """Collateral less debt [quote]."""
        return (self.collateral_base - self.debt_base) * spot + self.collateral_quote - self.debt_quote

    def maintenance(self, spot: Floats) -> Floats:
        """``collateral · (1 − threshold)`` [quote]."""
        return (self.collateral_base * spot + self.collateral_quote) * (1.0 - self.liquidation_threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingBook:
    r"""All of an account that one price moves.

    ``equity(P) = balance + credit(coin · P) + Σ profit + Σ option values + Σ loans``.

    Parameters
    ----------
    mark : float
        Spot price now [quote per base].
    balance : float
        Quote balance with the unrealised profit of all positions so far, without options and coin [quote].
    other_maintenance : float
        Maintenance margin of positions in other underlyings [quote].
    coin : float
        Balance in the coin, signed [base]; owed coin counts in full.
    coin_haircut : float
        Of the coin that is held, in [0, 1].
    futures, options, loans : sequences
        The positions.
    long_option_credit : float
        Share of the value of long options that counts as equity: 1 for portfolio accounts, 0 where a venue gives none.
    """

    mark: float
    balance: float
    other_maintenance: float = 0.0
    coin: float = 0.0
    coin_haircut: float = 0.0
    futures: Sequence[FutureHolding] = ()
    options: Sequence[OptionHolding] = ()
    loans: Sequence[LoanHolding] = ()
    long_option_credit: float = 1.0
    _options: _OptionColumns = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.mark < np.inf:
            raise InvalidInput("mark", "must be finite and > 0", self.mark)
        for name in ("balance", "coin"):
            if not np.isfinite(getattr(self, name)):
                raise InvalidInput(name, "must be finite", getattr(self, name))
        if not 0.0 <= self.other_maintenance < np.inf:
            raise InvalidInput("other_maintenance", "must be finite and >= 0", self.other_maintenance)
        for name in ("coin_haircut", "long_option_credit"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InvalidInput(name, "must lie in [0, 1]", getattr(self, name))
        object.__setattr__(self, "_options", _OptionColumns.of(self.options))

    def equity(self, prices: Floats) -> Floats:
        """At prices of the underlying [quote]."""
        ratio = prices / self.mark
        total = self.balance + (self.coin * (1.0 - self.coin_haircut) if self.coin > 0.0 else self.coin) * prices
        for future in self.futures:
            total = total + future.profit(ratio, prices)
        if self.options:
            value = self._options.values(ratio, prices)
            total = total + np.where(value > 0.0, self.long_option_credit * value, value).sum(axis=0)
        for loan in self.loans:
            total = total + loan.equity(prices)
        return np.asarray(total, dtype=np.float64)

    def maintenance(self, prices: Floats) -> Floats:
        """At prices of the underlying [quote]."""
        ratio, total = prices / self.mark, np.full(prices.shape, self.other_maintenance)
        for future in self.futures:
            total = total + future.maintenance(ratio, prices)
        for loan in self.loans:
            total = total + loan.maintenance(prices)
        # A long option can lose no more than its value; what a short is worth is in equity already.
        short = sum(max(-option.quantity, 0.0) * option.maintenance_rate for option in self.options)
        return np.asarray(total + short * prices, dtype=np.float64)

    def notional(self) -> float:
        """Sum of the sizes of all positions at the mark [quote]."""
        held = [abs(item.quantity) * (1.0 if item.inverse else item.price) for item in self.futures]
        held += [abs(item.quantity) * self.mark for item in self.options]
        lent = [(item.collateral_base + item.debt_base) * self.mark for item in self.loans]
        return sum(held) + sum(lent) + abs(self.coin) * self.mark

    def liquidation(self) -> LiquidationPrices:
        """First price below and above the mark at which equity no longer exceeds maintenance.

        Notes
        -----
        All else stands still: time, volatilities (each option keeps its own), the basis of futures, other underlyings.

        Examples
        --------
        A short straddle on a balance of 20,000 is liquidated on either side.

        >>> legs = [OptionHolding(quantity=-1.0, strike=60_000.0, forward=60_000.0, time_to_expiry=30 / 365,
        ...                       volatility=0.6, right=right) for right in (1, -1)]
        >>> found = UnderlyingBook(mark=60_000.0, balance=20_000.0, options=legs).liquidation()
        >>> found.down < 60_000.0 < found.up
        True
        """
        kinks = [option.strike * self.mark / option.forward for option in self.options]
        kinks += [edge for future in self.futures for edge in future.kinks(self.mark)]
        return liquidation_prices(lambda prices: self.equity(prices) - self.maintenance(prices), self.mark, kinks=kinks)


@dataclass(frozen=True, slots=True)
class _OptionColumns:
    """Options as columns of shape (n, 1): every price of a scan revalues all of them at once."""

    quantity: Floats
    strike: Floats
    forward: Floats
    time_to_expiry: Floats
    volatility: Floats
    right: Floats
    discount: Floats
    coin_settled: Bools

    @classmethod
    def of(cls, options: Sequence[OptionHolding]) -> _OptionColumns:
        columns = {item.name: np.array([[getattr(row, item.name)] for row in options]) for item in fields(cls)}
        return cls(**columns)

    def values(self, ratio: Floats, spot: Floats) -> Floats:
        forward = self.forward * ratio
        price = black_price(
            forward, self.strike, self.time_to_expiry, self.volatility, self.right, discount=self.discount
        )
        return self.quantity * np.where(self.coin_settled, price * spot / forward, price)


def _columns(tier: MarginTier) -> tuple[float, float, float]:
    return tier.floor, tier.maintenance_rate, tier.maintenance_amount


def _finite_position(quantity: float, price: float) -> None:
    if not np.isfinite(quantity):
        raise InvalidInput("quantity", "must be finite", quantity)
    if not 0.0 < price < np.inf:
        raise InvalidInput("price", "must be finite and > 0", price)
