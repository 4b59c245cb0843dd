"""Slow, clear accounts of what a grid may come to: fills and closing trades, one after the other, in fractions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from services.core.instrument import Instrument, Kind
from services.sizing.grid import GridLevel, GridMarket


def profit(instrument: Instrument, contracts: Fraction, entry: Fraction, out: Fraction) -> Fraction:
    """Profit of a position in quote currency; that of an inverse contract in coin, valued where it is closed."""
    multiplier = Fraction(Decimal(repr(instrument.contract_multiplier)))
    if instrument.kind is Kind.INVERSE:
        return contracts * multiplier * (1 / entry - 1 / out) * out
    return contracts * multiplier * (out - entry)


def value(instrument: Instrument, contracts: Fraction, price: Fraction) -> Fraction:
    """|notional| in quote currency."""
    multiplier = Fraction(Decimal(repr(instrument.contract_multiplier)))
    return abs(contracts) * multiplier * (1 if instrument.kind is Kind.INVERSE else price)


def loss_at_stop(
    market: GridMarket, levels: Sequence[GridLevel], side: int, stop: Decimal, fee_rate: float
) -> Fraction:
    """Every opening order of a side filled, with its fee, then all closed at the stop, with a fee on each part."""
    fee, out = Fraction(Decimal(repr(fee_rate))), Fraction(stop)
    parts = [(Fraction(level.contracts) * side, Fraction(level.price)) for level in levels if level.side == side]
    paid = sum((fee * value(market.instrument, size, price) for size, price in parts), Fraction(0))
    parts.append((Fraction(market.inventory), Fraction(market.mark)))
    for size, price in parts:
        paid += fee * value(market.instrument, size, out) - profit(market.instrument, size, price, out)
    return paid
