"""Exact decimals, as the service reads and writes them: plain digits, no exponent."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

MAX_SIGNIFICANT = 15
"""Digits that a float surely holds; more would be noise of the binary form."""
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z", re.ASCII)


def plain(value: Decimal) -> str:
    """Text of a decimal without an exponent.

    >>> plain(Decimal("1E-8"))
    '0.00000001'
    """
    return f"{value:f}"


def decimal_of(value: Any) -> Decimal:
    """Exact decimal of a decimal, a plain decimal string, or a number of at most 15 significant digits.

    Raises
    ------
    ValueError
        For anything else: a float such as 0.1 + 0.2 has digits that nobody meant.

    Examples
    --------
    >>> decimal_of("0.10"), decimal_of(93120.5), decimal_of(1e-8)
    (Decimal('0.10'), Decimal('93120.5'), Decimal('1E-8'))
    >>> decimal_of(0.1 + 0.2)
    Traceback (most recent call last):
    ValueError: has more than 15 significant digits: pass a Decimal or a string, found 0.30000000000000004
    """
    if isinstance(value, str) and _PLAIN.match(value):
        return Decimal(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = _of_number(value)
    if isinstance(value, Decimal) and value.is_finite():
        return value
    raise ValueError(f"must be a finite decimal such as Decimal('0.85') or '0.85', found {value!r:.60}")


def _of_number(value: float) -> Decimal:
    exact = Decimal(repr(value))
    if exact.is_finite() and len(exact.normalize().as_tuple().digits) > MAX_SIGNIFICANT:
        raise ValueError(f"has more than 15 significant digits: pass a Decimal or a string, found {value!r}")
    return exact


PlainDecimal = Annotated[
    Decimal,
    BeforeValidator(decimal_of),
    PlainSerializer(plain, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string"}),
]
"""Money, quantity or price: `Decimal` here, a decimal string on the wire."""
