"""From floats to exact decimals, once, at the end."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

SNAP = 1e-6
"""Fraction of a lot below which a float is taken to be the next lot (QuantConnect Lean, OrderSizing)."""


def lots_toward_zero(contracts: float, lot: Decimal) -> Decimal:
    """Largest multiple of `lot` not above |contracts|, with the sign of `contracts`.

    A float that misses the next lot by less than 1e-6 of a lot is that lot: 0.1 + 0.2 is three lots of 0.1.

    Examples
    --------
    >>> lots_toward_zero(-0.9999999, Decimal(1)), lots_toward_zero(0.1 + 0.2, Decimal("0.1"))
    (Decimal('-1'), Decimal('0.3'))
    """
    count = math.floor(abs(contracts) / float(lot) + SNAP)
    size = count * lot
    return -size if contracts < 0 and count else size


def plain(value: Decimal) -> str:
    """Decimal as plain digits: no exponent, no trailing zeros, no negative zero.

    Examples
    --------
    >>> plain(Decimal("1E+3")), plain(Decimal("-0.00")), plain(Decimal("0.850"))
    ('1000', '0', '0.85')
    """
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimal_text(value: float, digits: int = 12) -> str:
    """Float as a plain decimal string of at most `digits` significant digits, for figures that are not of record.

    Examples
    --------
    >>> decimal_text(0.1 + 0.2), decimal_text(1e-07), decimal_text(93120.5)
    ('0.3', '0.0000001', '93120.5')
    """
    text = f"{value:.{digits}g}"
    if "e" in text:
        return plain(Decimal(text))
    return "0" if text == "-0" else text


def to_tick(price: float, tick: Decimal | None, *, up: bool) -> Decimal:
    """Price on the tick grid, rounded up or down; without a tick, to 12 significant digits."""
    exact = Decimal(f"{price:.12g}")
    if tick is None:
        return exact
    return (exact / tick).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * tick
