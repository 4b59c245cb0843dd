r"""Second-moment calibration: correct a forecast until returns over it have variance one.

``k = 1 + c`` multiplies the volatility. Each new z moves the correction by its error, as it was held:
``c ← clip(c + g (min(z²/k², 200) − 1), −0.3, 1)`` with ``g = (1 − 2^(−1/80))/2``. Whatever the distribution of z, the
sum of (z²/k² − 1) is the way that c went over g: over n bars the realised variance is within 300/n of the target,
except for what a bar had above the cap of 14 σ or c above its bounds. A ratio of averages (k² = mean of z²) has no such
property: the average of z²/k² exceeds one by the variance of its own noise.

k is clipped to [0.7, 1.6], and never below 1 before 126 z's. What a crash demanded above 1.6 is remembered up to c = 1
and paid back at k = 1.6; credit below 0.7 is not. A z enters once its forecast rests on 20 bars; NaN says nothing.

z is the **simple** return over the volatility forecast before it: profit and loss is made of simple returns, long or
short, and a fall of 55 % in logs is one of 42 % (README of `tests.evaluation`: what each choice costs).

The portfolio that is really held has a second factor of the same kind, `portfolio_factor`, for what buffers, lags,
lots and correlations do to it.

References
----------
Robbins and Monro (1951), A Stochastic Approximation Method; Creal, Koopman and Lucas (2013), Generalized Autoregressive
Score Models (1 − z²/k² is the gradient of the Gaussian likelihood in ln k²); Gibbs and Candès (2021), Adaptive
Conformal Inference Under Distribution Shift, Proposition 4.1 (the same bound, for coverage).
"""

from __future__ import annotations

import numpy as np

from services.core.explain import Bools, Floats
from services.volatility.estimators.interface import Memory

HALF_LIFE = 80.0
"""Bars after which half of a lasting error of the forecast is corrected."""
GAIN = float(1.0 - 2.0 ** (-1.0 / HALF_LIFE)) / 2.0
SQUARE_CAP = 200.0
SMALLEST, LARGEST = 0.7, 1.6
LEAST_CORRECTION, MOST_CORRECTION = SMALLEST - 1.0, 1.0
TRUSTED_AFTER = 126
"""z's from which on k may fall below one."""
WARM_UP_RETURNS = 19
"""Returns behind the first forecast whose error is counted: 20 bars."""
PORTFOLIO_HALF_LIFE = 126.0
PORTFOLIO_GAIN = float(1.0 - 2.0 ** (-1.0 / PORTFOLIO_HALF_LIFE)) / 2.0
PORTFOLIO_SMALLEST, PORTFOLIO_LARGEST = 0.97, 1.03
PORTFOLIO_BARS = 126

_LARGEST_MOVE = GAIN * SQUARE_CAP
_Z_CAP = 1e3
"""Beyond any z that is not cut by `SQUARE_CAP`; keeps squares finite."""
_COLUMNS_FROM = 6
"""Rows from which numpy columns are faster than one row after another; both give the same bits."""


def start() -> Memory:
    """Memory before the first bar: (bars up to 19 and z's after them, correction)."""
    return (0.0, 0.0)


def advance(memory: Memory, z: float) -> Memory:
    """Memory after one more z.

    Parameters
    ----------
    z : float
        Simple return of the bar over the forecast before it (not calibrated); NaN when there was none.

    Examples
    --------
    A lasting error of 10 % is found:

    >>> memory = start()
    >>> for _ in range(1000):
    ...     memory = advance(memory, 1.1)
    >>> round(factor(memory), 4)
    1.1
    """
    seen, correction = memory
    if seen < WARM_UP_RETURNS:
        return (seen + 1.0, correction)
    if z != z:
        return memory
    k, size = factor(memory), min(abs(z), _Z_CAP)
    correction += min(GAIN * (size * size) / (k * k), _LARGEST_MOVE) - GAIN
    return (seen + 1.0, min(max(correction, LEAST_CORRECTION), MOST_CORRECTION))


def factor(memory: Memory) -> float:
    """Calibration factor k in [0.7, 1.6], to multiply the volatility with."""
    seen, correction = memory
    least = SMALLEST if seen >= WARM_UP_RETURNS + TRUSTED_AFTER else 1.0
    return min(max(1.0 + correction, least), LARGEST)


def path(standardized: Floats) -> Floats:
    """`factor` after each z.

    Parameters
    ----------
    standardized : (m, n) array
        One market a row, oldest first; NaN where there was no forecast.

    Returns
    -------
    (m, n) array
        Bit for bit what `advance` gives row by row.
    """
    factors = np.ones(standardized.shape)
    if standardized.shape[0] < _COLUMNS_FROM:
        for row, values in enumerate(standardized.tolist()):
            factors[row] = _row_path(values)
    else:
        _column_path(standardized, factors)
    return factors


def start_portfolio() -> Memory:
    """Memory of a book before its first recorded bar: (bars recorded, correction)."""
    return (0.0, 0.0)


def advance_portfolio(memory: Memory, realized: float) -> Memory:
    r"""Memory of a book after one more recorded bar.

    The recursion of `advance` with a half-life of 126 bars, on the realised returns themselves: they already carry the
    factor of their time, so ``c ← clip(c + g (min(y², 200) − 1), −1, 1)``.

    Parameters
    ----------
    realized : float
        y: simple return of the book over its target volatility of a bar, both of equity; NaN says nothing.
    """
    recorded, correction = memory
    if realized != realized:
        return memory
    size = min(abs(realized), _Z_CAP)
    correction += PORTFOLIO_GAIN * (min(size * size, SQUARE_CAP) - 1.0)
    return (recorded + 1.0, min(max(correction, -MOST_CORRECTION), MOST_CORRECTION))


def portfolio_factor(memory: Memory) -> float:
    """Factor of the volatility of a book, in [0.97, 1.03]: divide every position by it. 1 below 126 recorded bars.

    Examples
    --------
    >>> memory = start_portfolio()
    >>> for _ in range(125):
    ...     memory = advance_portfolio(memory, 0.9)
    >>> portfolio_factor(memory), portfolio_factor(advance_portfolio(memory, 0.9))
    (1.0, 0.97)
    """
    recorded, correction = memory
    if recorded < PORTFOLIO_BARS:
        return 1.0
    return min(max(1.0 + correction, PORTFOLIO_SMALLEST), PORTFOLIO_LARGEST)


def _row_path(values: list[float]) -> list[float]:
    """`advance` and `factor` over one row, written out: a third of the time."""
    known, correction, k, factors = 0, 0.0, 1.0, [1.0] * len(values)
    for place in range(WARM_UP_RETURNS, len(values)):
        z = values[place]
        if z == z:
            known += 1
            size = min(abs(z), _Z_CAP)
            correction += min(GAIN * (size * size) / (k * k), _LARGEST_MOVE) - GAIN
            correction = min(max(correction, LEAST_CORRECTION), MOST_CORRECTION)
        least = SMALLEST if known >= TRUSTED_AFTER else 1.0
        factors[place] = k = min(max(1.0 + correction, least), LARGEST)
    return factors


def _column_path(standardized: Floats, factors: Floats) -> None:
    """`_row_path` of many rows at once, into `factors`."""
    moves = np.minimum(np.abs(standardized.T[WARM_UP_RETURNS:]), _Z_CAP)
    moves *= moves
    moves *= GAIN
    known: Bools = ~np.isnan(moves)
    complete = np.all(known, axis=-1).tolist()
    capped = np.any(moves > _LARGEST_MOVE * SMALLEST**2, axis=-1).tolist()
    untrusted: Bools = np.cumsum(known, axis=0) < TRUSTED_AFTER
    some_untrusted = np.any(untrusted, axis=-1).tolist()
    correction, square, k = np.zeros(len(standardized)), np.ones(len(standardized)), np.empty(moves.shape)
    for place, (move, factor) in enumerate(zip(moves, k, strict=True)):
        move /= square
        if capped[place]:
            np.minimum(move, _LARGEST_MOVE, out=move)
        move -= GAIN
        np.add(correction, move, out=correction, where=True if complete[place] else known[place])
        np.maximum(correction, LEAST_CORRECTION, out=correction)
        np.minimum(correction, MOST_CORRECTION, out=correction)
        np.add(correction, 1.0, out=factor)
        if some_untrusted[place]:
            np.maximum(factor, 1.0, out=factor, where=untrusted[place])
        np.minimum(factor, LARGEST, out=factor)
        np.multiply(factor, factor, out=square)
    factors[:, WARM_UP_RETURNS:] = k.T
