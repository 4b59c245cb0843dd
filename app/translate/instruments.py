"""Wire instruments to domain instruments, and the one assumed where nothing is described."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from models.api.market import InstrumentIn
from services.core.instrument import DEFAULT_LOT, Instrument, Kind, MarginTier, QuantityUnit, Right

_SLASH = re.compile(r"([A-Za-z0-9.]{1,16})/([A-Za-z0-9.]{1,16})(?::[A-Za-z0-9.]{1,16})?\Z", re.ASCII)
_DASH = re.compile(r"([A-Za-z0-9.]{1,16})-(USD|USDT|USDC|EUR|GBP|JPY|BTC|ETH)\Z", re.ASCII)

InstrumentKey = tuple[str | None, str]


@lru_cache(maxsize=8192)
def domain_instrument(wire: InstrumentIn) -> Instrument:
    """Instrument of the core; computed once per distinct description."""
    base, quote = currencies_in(wire.symbol)
    return Instrument(
        symbol=wire.symbol,
        kind=Kind(wire.kind),
        contract_multiplier=float(wire.contract_multiplier),
        underlying=wire.underlying,
        base_currency=wire.base_currency or base,
        quote_currency=wire.quote_currency or quote,
        settle_currency=wire.settle_currency,
        venue=wire.venue,
        quantity_unit=QuantityUnit(wire.quantity_unit or "contracts"),
        lot=wire.lot or DEFAULT_LOT,
        tick=wire.tick,
        min_quantity=wire.min_quantity or 0 * DEFAULT_LOT,
        max_quantity=wire.max_quantity,
        min_notional=float(wire.min_notional or 0),
        max_leverage=wire.max_leverage,
        margin_tiers=tuple(
            MarginTier(float(tier.floor), tier.maintenance_rate, float(tier.maintenance_amount), tier.initial_rate)
            for tier in wire.margin_tiers
        ),
        strike=float(wire.strike) if wire.strike is not None else None,
        expiry=wire.expiry,
        right=Right(wire.right) if wire.right else None,
        averaged_settlement=wire.averaged_settlement,
    )


def currencies_in(symbol: str) -> tuple[str | None, str | None]:
    """Base and quote that a symbol spells out, as in ``BTC/USDT:USDT`` or ``BTC-USD``.

    Examples
    --------
    >>> currencies_in("BTC/USDT:USDT"), currencies_in("ETH-USD"), currencies_in("BTCUSDT")
    (('BTC', 'USDT'), ('ETH', 'USD'), (None, None))
    """
    match = _SLASH.match(symbol) or _DASH.match(symbol)
    return (match[1], match[2]) if match else (None, None)


@lru_cache(maxsize=4096)
def assumed_instrument(symbol: str) -> Instrument:
    """Linear, multiplier 1, lot 1e-8: what a plain symbol is taken for."""
    base, quote = currencies_in(symbol)
    return Instrument(symbol=symbol, base_currency=base, quote_currency=quote, quantity_unit=QuantityUnit.BASE)


def by_key(instruments: Iterable[InstrumentIn]) -> dict[InstrumentKey, Instrument]:
    """Instruments of a request by (venue, symbol)."""
    return {(wire.venue, wire.symbol): domain_instrument(wire) for wire in instruments}


def find(described: Mapping[InstrumentKey, Instrument], venue: str | None, symbol: str) -> Instrument | None:
    """Instrument of a venue, else one described for every venue."""
    return described.get((venue, symbol)) or described.get((None, symbol))
