r"""How fat the tails are: degrees of freedom of a Student-t, learnt one standardised return at a time.

A grid of ten ν carries the discounted log-likelihoods ``S_ν ← 0.999 S_ν + ln t_ν(z)`` of the unit-variance t; the
weights of the grid are ``softmax(S)``, and what is read (ν, quantile, expected shortfall) is the weighted mean over it.
Nothing is optimised and no window is kept: the memory is ten floats, forgetting with a half-life of 693 bars.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal import lfilter
from scipy.special import gammaln, stdtrit

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility.estimators.interface import Memory
from services.volatility.gaps import hold

GRID = (2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 30.0)
DECAY = 0.999
START: Memory = (0.0,) * len(GRID)
"""All ν equally likely."""

_NU = np.array(GRID)
_LEVEL = gammaln((_NU + 1.0) / 2.0) - gammaln(_NU / 2.0) - 0.5 * np.log(math.pi * (_NU - 2.0))
_TERMS = tuple(((nu + 1.0) / 2.0, 1.0 / (nu - 2.0), float(level)) for nu, level in zip(GRID, _LEVEL, strict=True))


@dataclass(frozen=True, slots=True)
class Tail:
    """What a memory says about tails: the weights of the grid, and their means.

    Parameters
    ----------
    weights : tuple of 10 floats
        Of each ν of `GRID`; their sum is 1.

    Examples
    --------
    >>> tail = read(START)
    >>> round(tail.degrees_of_freedom, 2), round(tail.quantile(0.01), 3), round(tail.expected_shortfall(0.025), 3)
    (8.7, 2.527, 2.672)
    """

    weights: tuple[float, ...]

    @property
    def degrees_of_freedom(self) -> float:
        """Mean ν, between 2.5 and 30."""
        return self._mean(GRID)

    def quantile(self, probability: float) -> float:
        """Loss that is exceeded with this probability [σ]: value at risk over volatility. See `unit_quantiles`."""
        return self._mean(unit_quantiles(probability))

    def expected_shortfall(self, probability: float) -> float:
        """Mean of the losses beyond that quantile [σ]. See `unit_shortfalls`."""
        return self._mean(unit_shortfalls(probability))

    def _mean(self, values: tuple[float, ...]) -> float:
        return sum(weight * value for weight, value in zip(self.weights, values, strict=True))


def advance(memory: Memory, z: float) -> Memory:
    """Memory after one more standardised return ``z = r / σ``; NaN tells nothing and changes nothing."""
    if z != z:
        return memory
    square, log = z * z, math.log
    return tuple(
        [
            DECAY * score + (level - half * log(1.0 + square * inverse))
            for score, (half, inverse, level) in zip(memory, _TERMS, strict=True)
        ]
    )


def read(memory: Memory) -> Tail:
    """Weights of the grid, ``softmax(S)``."""
    best = max(memory)
    likelihoods = [math.exp(score - best) for score in memory]
    total = sum(likelihoods)
    return Tail(tuple([likelihood / total for likelihood in likelihoods]))


def path(standardized: Floats) -> Floats:
    """Memories after each bar: `advance` over whole panels.

    Parameters
    ----------
    standardized : (m, n) array
        z of each return, oldest first; NaN where it tells nothing.

    Returns
    -------
    (m, n, 10) array
        Memory of market i after bar t in ``[i, t]``.
    """
    return hold(standardized, _run, START)


def last(standardized: Floats) -> Floats:
    """Memories after the last bar, (m, 10): the discounted sum in one product, without the path.

    Notes
    -----
    Equal to ``path(...)[:, -1]`` but for rounding, at a fraction of its cost. An unknown bar does not discount.
    """
    known = ~np.isnan(standardized)
    age = np.cumsum(known[:, ::-1], axis=-1)[:, ::-1] - known
    discount = np.where(known, (DECAY ** np.arange(known.shape[-1] + 1))[age], 0.0)
    level = discount.sum(axis=-1, keepdims=True) * _LEVEL
    kernels = _log_kernels(np.where(known, standardized, 0.0))
    sums = [np.einsum("mn,mn->m", discount, kernel) for kernel in kernels]
    return np.asarray(level - np.stack(sums, axis=-1), dtype=float)


def weights(memories: Floats) -> Floats:
    """Weights of the grid for memories (..., 10)."""
    likelihoods = np.exp(memories - memories.max(axis=-1, keepdims=True))
    return np.asarray(likelihoods / likelihoods.sum(axis=-1, keepdims=True), dtype=float)


def degrees_of_freedom(memories: Floats) -> Floats:
    """`Tail.degrees_of_freedom` of memories (..., 10)."""
    return _means(memories, GRID)


def quantiles(memories: Floats, probability: float) -> Floats:
    """`Tail.quantile` of memories (..., 10)."""
    return _means(memories, unit_quantiles(probability))


def shortfalls(memories: Floats, probability: float) -> Floats:
    """`Tail.expected_shortfall` of memories (..., 10)."""
    return _means(memories, unit_shortfalls(probability))


@lru_cache(maxsize=256)
def unit_quantiles(probability: float) -> tuple[float, ...]:
    """`student_quantile` for each ν of the grid."""
    return tuple(student_quantile(probability, _NU).tolist())


@lru_cache(maxsize=256)
def unit_shortfalls(probability: float) -> tuple[float, ...]:
    """`student_shortfall` for each ν of the grid."""
    return tuple(student_shortfall(probability, _NU).tolist())


def student_quantile(probability: float, degrees_of_freedom: Floats | float) -> Floats:
    r"""Loss quantile of a Student-t law of unit variance, ``−√((ν−2)/ν) F_ν⁻¹(p)``.

    Parameters
    ----------
    probability : float
        Of a larger loss, 0 < p ≤ 0.5.
    degrees_of_freedom : float or array
        ν > 2.

    Raises
    ------
    InvalidInput
        If the probability is outside.
    """
    _check(probability)
    nu = np.asarray(degrees_of_freedom, dtype=float)
    return np.asarray(-np.sqrt((nu - 2.0) / nu) * stdtrit(nu, probability), dtype=float)


def student_shortfall(probability: float, degrees_of_freedom: Floats | float) -> Floats:
    r"""Expected shortfall of a Student-t law of unit variance.

    ``√((ν−2)/ν) · f_ν(q)/p · (ν + q²)/(ν − 1)`` with q the p-quantile and f the density of the plain t.

    Raises
    ------
    InvalidInput
        If the probability is outside 0 < p ≤ 0.5.

    References
    ----------
    McNeil, Frey, Embrechts (2015), Quantitative Risk Management, chapter 2 (expected shortfall of the t).
    """
    _check(probability)
    nu = np.asarray(degrees_of_freedom, dtype=float)
    q = stdtrit(nu, probability)
    log_density = gammaln((nu + 1.0) / 2.0) - gammaln(nu / 2.0) - 0.5 * np.log(math.pi * nu)
    log_density = log_density - 0.5 * (nu + 1.0) * np.log1p(q * q / nu)
    mean = np.exp(log_density) / probability * (nu + q * q) / (nu - 1.0)
    return np.asarray(np.sqrt((nu - 2.0) / nu) * mean, dtype=float)


def _check(probability: float) -> None:
    if not 0.0 < probability <= 0.5:
        raise InvalidInput("probability", "must be > 0 and <= 0.5", probability)


def _means(memories: Floats, values: tuple[float, ...]) -> Floats:
    return np.asarray(weights(memories) @ np.array(values), dtype=float)


def _log_kernels(standardized: Floats) -> Iterator[Floats]:
    """``(ν+1)/2 · ln(1 + z²/(ν−2))`` for each ν, in one buffer: use each before the next."""
    squares = standardized * standardized
    buffer = np.empty_like(squares)
    for half, inverse, _ in _TERMS:
        np.multiply(squares, inverse, out=buffer)
        np.log(np.add(buffer, 1.0, out=buffer), out=buffer)
        yield np.multiply(buffer, half, out=buffer)


def _run(standardized: Floats) -> Floats:
    scores = np.empty((len(GRID), *standardized.shape))
    for score, level, kernel in zip(scores, _LEVEL, _log_kernels(standardized), strict=True):
        score[:] = lfilter([1.0], [1.0, -DECAY], np.subtract(level, kernel, out=kernel), axis=-1)
    return scores
