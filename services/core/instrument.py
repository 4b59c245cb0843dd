"""Instruments and the one unit system: contracts, notional, base delta."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from services.core.errors import InvalidInput


class Kind(StrEnum):
    """How profit and loss depends on the price."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"
    QUANTO = "quanto"
    OPTION = "option"


class QuantityUnit(StrEnum):
    """Unit of the quantities that a client sends and gets back for an instrument."""

    BASE = "base"
    CONTRACTS = "contracts"
    QUOTE = "quote"


class Right(StrEnum):
    """Right of an option."""

    CALL = "call"
    PUT = "put"


DEFAULT_LOT = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class MarginTier:
    """One row of a venue's maintenance table: from `floor` on, maintenance = rate × notional − amount [quote]."""

    floor: float
    maintenance_rate: float
    maintenance_amount: float = 0.0
    initial_rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A tradable contract.

    Parameters
    ----------
    contract_multiplier : float
        Base units per contract for spot, linear, quanto and option; **quote value** per contract for inverse.
    lot, min_quantity, max_quantity : Decimal
        In contracts (for spot and multiplier 1: base units).
    min_notional : float
        Smallest order [quote currency].
    max_leverage : float, optional
        The venue's limit on |notional| / equity.
    settle_currency : str, optional
        For an option: equal to `base_currency` means coin-settled (inverse).
    averaged_settlement : bool
        Of an option: the delivery price is averaged over the last 30 minutes, in which the position fades.
    """

    symbol: str
    kind: Kind = Kind.LINEAR
    contract_multiplier: float = 1.0
    underlying: str | None = None
    base_currency: str | None = None
    quote_currency: str | None = None
    settle_currency: str | None = None
    venue: str | None = None
    quantity_unit: QuantityUnit = QuantityUnit.CONTRACTS
    lot: Decimal = DEFAULT_LOT
    tick: Decimal | None = None
    min_quantity: Decimal = Decimal(0)
    max_quantity: Decimal | None = None
    min_notional: float = 0.0
    max_leverage: float | None = None
    margin_tiers: tuple[MarginTier, ...] = ()
    strike: float | None = None
    expiry: datetime | None = None
    right: Right | None = None
    averaged_settlement: bool = False

    def __post_init__(self) -> None:
        if not self.contract_multiplier > 0:
            raise InvalidInput("contract_multiplier", "must be > 0", self.contract_multiplier)
        if self.lot <= 0:
            raise InvalidInput("lot", "must be > 0", self.lot)
        if self.kind is Kind.OPTION and (self.strike is None or self.expiry is None or self.right is None):
            raise InvalidInput("instrument", "of kind option needs strike, expiry and right", self.symbol)

    @property
    def coin_settled(self) -> bool:
        """Whether profit and loss is paid in the base coin."""
        coin_option = self.kind is Kind.OPTION and self.settle_currency is not None
        return self.kind is Kind.INVERSE or (coin_option and self.settle_currency == self.base_currency)

    def notional_per_contract(self, price: float) -> float:
        """Notional of one contract [quote]: M·S, and M for inverse contracts, free of the price.

        Examples
        --------
        >>> Instrument(symbol="X", kind=Kind.INVERSE, contract_multiplier=100.0).notional_per_contract(50_000.0)
        100.0
        """
        return self.contract_multiplier if self.kind is Kind.INVERSE else self.contract_multiplier * price

    def base_per_contract(self, price: float) -> float:
        """Base units behind one contract: M, and M/S for inverse contracts."""
        return self.contract_multiplier / price if self.kind is Kind.INVERSE else self.contract_multiplier

    def contracts(self, quantity: float, unit: QuantityUnit, price: float) -> float:
        """Contracts of a quantity given in `unit`."""
        if unit is QuantityUnit.CONTRACTS:
            return quantity
        per_contract = self.base_per_contract(price) if unit is QuantityUnit.BASE else self.notional_per_contract(price)
        return quantity / per_contract


_READS_AS_CONTRACT = re.compile(
    r"-PERPETUAL\Z|\AXBT|USD_PERP\Z|USD_\d{6}\Z|-SWAP\Z|-\d{1,2}[A-Z]{3}\d{2}(?:-|\Z)|-[CP]\Z|\A([A-Z0-9]+)/[A-Z0-9]+:\1(?:-|\Z)",
    re.ASCII,
)


@lru_cache(maxsize=4096)
def must_be_described(symbol: str) -> bool:
    """Whether a symbol reads as inverse, contract-sized or an option, so that guessing its units would be unsafe.

    Notes
    -----
    Patterns: Deribit (``BTC-PERPETUAL``, ``BTC-27DEC26``, ``BTC-27DEC26-95000-P``), BitMEX (``XBTUSD``), Binance
    coin-margined
    (``BTCUSD_PERP``, ``BTCUSD_261225``), OKX (``BTC-USDT-SWAP``) and ccxt coin-settled (``BTC/USD:BTC``).

    Examples
    --------
    >>> must_be_described("BTC/USD:BTC"), must_be_described("BTC/USDT:USDT"), must_be_described("BTC-PERP")
    (True, False, False)
    """
    return _READS_AS_CONTRACT.search(symbol) is not None
