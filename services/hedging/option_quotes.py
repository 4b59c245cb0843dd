"""Quotes of one underlying's options, what a contract is, what its fee is, and the volatility that a price implies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Le

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.options.implied_volatility import implied_volatility
from services.options.portfolio_greeks import OptionLeg


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionQuote:
    """Best prices of one option.

    Parameters
    ----------
    strike, forward : Decimal
        [quote per base]; the forward of the option's own expiry.
    expiry : datetime
    right : {1, -1}
        Call or put.
    bid, ask : Decimal, optional
        Per base unit, in the settlement currency: quote, or coin where coin-settled; None where nobody bids or offers.
    implied_volatility : float, optional
        Of the mark [annual fraction]; else what the price implies is used.
    depth : Decimal, optional
        What the quote is good for [contracts]; None: any size.
    """

    strike: Decimal
    expiry: datetime
    right: int
    forward: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None
    implied_volatility: float | None = None
    depth: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionContract:
    """What all options of the underlying have in common.

    Parameters
    ----------
    multiplier : Decimal
        Base units per contract.
    lot, min_quantity : Decimal
        [contracts].
    tick : Decimal, optional
        Of premiums [settlement currency per base unit].
    strike_step : Decimal, optional
        Of strikes that are not taken from a list [quote per base].
    coin_settled : bool
        Premium and pay-off are paid in base.
    """

    multiplier: Decimal = Decimal(1)
    lot: Decimal = Decimal("0.1")
    min_quantity: Decimal = Decimal(0)
    tick: Decimal | None = None
    strike_step: Decimal | None = None
    coin_settled: bool = False

    @property
    def smallest(self) -> int:
        """Lots of the smallest order."""
        return max(1, int(-((-self.min_quantity / self.lot).to_integral_value(ROUND_FLOOR))))


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionFees:
    """Fee of a trade in options: ``min(rate × underlying, cap × premium) + share × premium``.

    Parameters
    ----------
    rate : float
        Fraction of the underlying.
    cap : float
        Largest part of the premium that `rate` may take [fraction].
    share : float
        Fraction of the premium, uncapped, as vaults charge it.

    References
    ----------
    Deribit: 0.0003 of the underlying, at most 12.5 % of the option's price.

    Examples
    --------
    >>> OptionFees(rate=0.0003, cap=0.125).per_unit(Decimal("0.001"), Decimal(60_000), coin_settled=True)
    Decimal('0.000125')
    """

    rate: Annotated[float, Ge(0), Le(0.05)] = 0.0
    cap: Annotated[float, Ge(0), Le(1)] = 1.0
    share: Annotated[float, Ge(0), Le(1)] = 0.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        for name, most in (("rate", 0.05), ("cap", 1.0), ("share", 1.0)):
            if not 0.0 <= getattr(self, name) <= most:
                raise InvalidInput(f"fees.{name}", f"must lie within 0 and {most:g}", getattr(self, name))

    def per_unit(self, premium: Decimal, forward: Decimal, *, coin_settled: bool) -> Decimal:
        """Fee per base unit [settlement currency], exact."""
        rate, cap, share = (Decimal(repr(value)) for value in (self.rate, self.cap, self.share))
        return min(rate * (Decimal(1) if coin_settled else forward), cap * premium) + share * premium


@dataclass(frozen=True, kw_only=True)
class OptionMarket:
    """What a plan in options is made on.

    Parameters
    ----------
    mark : Decimal
        Price of the underlying now [quote per base].
    as_of : datetime
    holding : Decimal
        Collateral of a sale, or what is to be protected: base units, or quote for a put that is secured by cash.
    quotes : tuple of OptionQuote
    contract : OptionContract
    fees : OptionFees
    volatility : float, optional
        Forecast of realised volatility until expiry [annual fraction].
    """

    mark: Decimal
    as_of: datetime
    holding: Decimal
    quotes: tuple[OptionQuote, ...]
    contract: OptionContract
    fees: OptionFees = OptionFees()
    volatility: float | None = None

    def __post_init__(self) -> None:
        for name in ("mark", "holding"):
            if not getattr(self, name) > 0:
                raise InvalidInput(name, "must be > 0", getattr(self, name))

    @cached_property
    def years(self) -> Floats:
        """Time to expiry of each quote [years of 365 days]."""
        return np.array([(quote.expiry - self.as_of).total_seconds() / SECONDS_PER_YEAR for quote in self.quotes])

    @property
    def days(self) -> Floats:
        """Time to expiry of each quote [days]."""
        return self.years * (SECONDS_PER_YEAR / SECONDS_PER_DAY)

    @cached_property
    def strikes(self) -> Floats:
        """Strike of each quote."""
        return np.array([float(quote.strike) for quote in self.quotes])

    @cached_property
    def forwards(self) -> Floats:
        """Forward of each quote."""
        return np.array([float(quote.forward) for quote in self.quotes])

    @cached_property
    def rights(self) -> Floats:
        """+1 call, -1 put."""
        return np.array([float(quote.right) for quote in self.quotes])

    @cached_property
    def own_volatilities(self) -> Floats:
        """Volatility that came with each quote; 0: none."""
        return np.array([quote.implied_volatility or 0.0 for quote in self.quotes])

    def implied_volatilities(self, side: int) -> tuple[Floats, Bools]:
        """Volatility that each bid (side -1) or ask (+1) implies, and whether there is one."""
        values = self.in_quote(self.premiums(side))
        found = implied_volatility(values, self.forwards, self.strikes, self.years, self.rights)
        return found.volatility, found.ok

    def premiums(self, side: int) -> Floats:
        """Bid (side -1: what a sale gets) or ask (+1) of each quote [settlement currency per base unit]; 0: none."""
        return np.array([float((quote.ask if side > 0 else quote.bid) or 0) for quote in self.quotes])

    def in_quote(self, premiums: Floats) -> Floats:
        """Premiums in quote currency: coin at the option's own forward, as its value is quoted."""
        return premiums * self.forwards if self.contract.coin_settled else premiums

    def fee(self, place: int, side: int) -> Decimal:
        """Fee of a trade in the quote at `place` [settlement currency per base unit]."""
        quote = self.quotes[place]
        premium = (quote.ask if side > 0 else quote.bid) or Decimal(0)
        return self.fees.per_unit(premium, quote.forward, coin_settled=self.contract.coin_settled)

    def leg(self, place: int, contracts: Decimal, volatility: float) -> OptionLeg:
        """Position of signed contracts in the quote at `place`."""
        return OptionLeg(
            quantity=float(contracts),
            multiplier=float(self.contract.multiplier),
            right=self.quotes[place].right,
            strike=float(self.strikes[place]),
            forward=float(self.forwards[place]),
            time_to_expiry=float(self.years[place]),
            volatility=volatility,
            coin_settled=self.contract.coin_settled,
        )


def whole_lots(size: Decimal, lot: Decimal) -> int:
    """Whole lots not above a size, exactly.

    Examples
    --------
    >>> whole_lots(Decimal("0.3"), Decimal("0.1")), whole_lots(Decimal("0.2999"), Decimal("0.1"))
    (3, 2)
    """
    return int((size / lot).to_integral_value(ROUND_FLOOR)) if size > 0 else 0
