r"""Causal ratio that lifts a measure of variance to the variance of the returns of closes.

``c = E(r²) / E(v)``, both averages of half-life 250 (a plain mean at first), each term capped at 8 times the larger
average from the second bar on, c in [0.5, 2.5].

Ranges miss most of the variance of jumps: on the S&P 500 1999–2018 Garman–Klass with the overnight move sees 62 % of
the variance of closes. The cap keeps one broken bar from moving the ratio for a year.
"""

from __future__ import annotations

import numpy as np

from services.core.explain import Floats
from services.volatility.averages import gain_of

HALF_LIFE = 250.0
CAP = 8.0
SMALLEST, LARGEST = 0.5, 2.5
_GAIN = gain_of(HALF_LIFE)


def advance_match(returned: float, measured: float, square: float, value: float, seen: float) -> tuple[float, float]:
    """Both averages after one more bar.

    Parameters
    ----------
    returned, measured : float
        E(r²) and E(v) before the bar.
    square, value : float
        r² and v of the bar [variance per bar].
    seen : float
        Bars before it.
    """
    if not seen:
        return square, value
    gain = max(_GAIN, 1.0 / (seen + 1.0))
    cap = CAP * (returned if returned > measured else measured)
    square, value = min(square, cap), min(value, cap)
    return returned + gain * (square - returned), measured + gain * (value - measured)


def match_ratio(returned: float, measured: float) -> float:
    """c from both averages; 1 while both are zero, the largest while only v is.

    Examples
    --------
    >>> match_ratio(3.0, 2.0), match_ratio(9.0, 2.0), match_ratio(0.0, 0.0)
    (1.5, 2.5, 1.0)
    """
    if measured <= 0.0:
        return LARGEST if returned > 0.0 else 1.0
    return min(max(returned / measured, SMALLEST), LARGEST)


def match_averages(squares: Floats, values: Floats) -> tuple[Floats, Floats]:
    """E(r²) and E(v) after each bar.

    Parameters
    ----------
    squares, values : (m, n) arrays
        r² and v, oldest first [variance per bar].

    Notes
    -----
    The caps make the recursion nonlinear: one step a bar, about a microsecond each.
    """
    averages = np.empty((2, *squares.shape))
    for row, (row_squares, row_values) in enumerate(zip(squares.tolist(), values.tolist(), strict=True)):
        returned = measured = 0.0
        path = []
        for seen, (square, value) in enumerate(zip(row_squares, row_values, strict=True)):
            returned, measured = advance_match(returned, measured, square, value, seen)
            path.append((returned, measured))
        averages[:, row] = np.array(path).T
    return averages[0], averages[1]


def match_path(squares: Floats, values: Floats) -> Floats:
    """c after each bar; parameters as in `match_averages`."""
    return match_ratios(*match_averages(squares, values))


def match_ratios(returned: Floats, measured: Floats) -> Floats:
    """`match_ratio` of each element."""
    ratios: Floats = np.where(returned > 0.0, LARGEST, 1.0)
    known = measured > 0.0
    np.divide(returned, measured, out=ratios, where=known)
    return np.clip(ratios, SMALLEST, LARGEST, out=ratios)
