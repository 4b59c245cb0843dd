"""Black-76 in eighty decimal digits: slow, and exact to the last bit of a double."""

from __future__ import annotations

from decimal import Decimal, localcontext

_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")
_DIGITS = 80
_TERMS = 700


def black_price_reference(forward: float, strike: float, years: float, volatility: float, right: int) -> float:
    """``w (F N(w d1) − K N(w d2))`` for the doubles given."""
    with localcontext() as context:
        context.prec = _DIGITS
        f, k, t, sigma = (Decimal(value) for value in (forward, strike, years, volatility))
        total = sigma * t.sqrt()
        d1 = (f / k).ln() / total + total / 2
        return float(right * (f * _normal(right * d1) - k * _normal(right * (d1 - total))))


def _normal(y: Decimal) -> Decimal:
    """Distribution of the standard normal law."""
    tail = _half_erfc(abs(y) / Decimal(2).sqrt())
    return tail if y < 0 else 1 - tail


def _half_erfc(z: Decimal) -> Decimal:
    scale = (-z * z).exp() / _PI.sqrt()
    if z > 3:  # continued fraction, from its end
        rest = Decimal(0)
        for n in range(_TERMS, 0, -1):
            rest = Decimal(n) / 2 / (z + rest)
        return scale / (z + rest) / 2
    term, series, n = z, z, 0
    while term > Decimal(10) ** -_DIGITS:  # erf(z) = 2 scale Σ 2ⁿ z^(2n+1) / (2n+1)!!
        n += 1
        term *= 2 * z * z / (2 * n + 1)
        series += term
    return Decimal("0.5") - scale * series
