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
        return float(_price(*(Decimal(value) for value in (forward, strike, years, volatility)), Decimal(0), right))


def higher_greeks_reference(
    forward: float, strike: float, years: float, volatility: float, rate: float, right: int
) -> dict[str, float]:
    """Vanna, volga, charm and speed: differences of prices of eighty digits over steps of 1e-14."""
    with localcontext() as context:
        context.prec = _DIGITS
        f, k, t, sigma, r = (Decimal(value) for value in (forward, strike, years, volatility, rate))
        df, dt, dv = (value * Decimal("1e-14") for value in (f, t, sigma))

        def at(moved: int, older: int, wilder: int) -> Decimal:
            return _price(f + moved * df, k, t - older * dt, sigma + wilder * dv, r, right)

        def mixed(older: int, wilder: int) -> Decimal:
            """Difference over both of the central difference in F: four times the second derivative."""
            ahead, behind = (at(1, s * older, s * wilder) - at(-1, s * older, s * wilder) for s in (1, -1))
            return ahead - behind

        return {
            "vanna": float(mixed(0, 1) / (4 * df * dv)),
            "charm": float(mixed(1, 0) / (4 * df * dt)),
            "volga": float((at(0, 0, 1) - 2 * at(0, 0, 0) + at(0, 0, -1)) / dv**2),
            "speed": float((at(2, 0, 0) - 2 * at(1, 0, 0) + 2 * at(-1, 0, 0) - at(-2, 0, 0)) / (2 * df**3)),
        }


def _price(f: Decimal, k: Decimal, t: Decimal, sigma: Decimal, rate: Decimal, right: int) -> Decimal:
    total = sigma * t.sqrt()
    d1 = (f / k).ln() / total + total / 2
    return (-rate * t).exp() * right * (f * _normal(right * d1) - k * _normal(right * (d1 - total)))


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
