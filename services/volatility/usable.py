"""What the numbers of a bar besides its prices may be: others would rule a forecast for years, or end it."""

from __future__ import annotations

from services.volatility.bars import LARGEST_PRICE, SMALLEST_PRICE, Bar, usable_price

USABLE: dict[str, tuple[float, float]] = {
    "volume": (0.0, 1e30),
    "realized_variance": (0.0, 25.0),
    "implied_volatility": (1e-6, 10.0),
    "split": (1e-6, 1e6),
}
"""Least and largest value of each; fractions, not percent."""


def flaw_of(bar: Bar) -> str:
    """Why a bar cannot be used at all: the number, the rule and the value found; empty if it can.

    Open, high and low are not looked at: where they contradict the close, the close alone is used.

    Examples
    --------
    >>> flaw_of(Bar(0.0, 10.0, implied_volatility=65.0)), flaw_of(Bar(0.0, 10.0))
    ('implied_volatility must lie within 1e-06 and 10, found 65.0', '')
    """
    if not usable_price(bar.close):
        return f"close must lie within {SMALLEST_PRICE:g} and {LARGEST_PRICE:g}, found {bar.close!r}"
    return next((text for name in USABLE if (text := flaw_in(name, getattr(bar, name)))), "")


def flaw_in(name: str, value: float) -> str:
    """`flaw_of` of one of these numbers; NaN is a number that was not given."""
    low, high = USABLE[name]
    return (
        ""
        if value != value or low <= value <= high
        else f"{name} must lie within {low:g} and {high:g}, found {value!r}"
    )
