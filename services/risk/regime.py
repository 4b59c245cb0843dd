"""Whether correlations have just moved away from what they usually are."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter

from services.core.explain import Bools, Floats
from services.risk.matrices import within_one
from services.risk.methods.exponential import ewma_correlation

PATH_ELEMENTS = 65_536
"""Bars times pairs that are worked on at once: half a megabyte, which stays in the cache of a core."""
WARM_UP_BARS = 60
"""Bars before the statistic is looked at."""
HISTORY_BARS, MEMORY_BARS = 126, 452
"""Values of it that thresholds need, and that they are made of at most: with the warm-up, the 512 bars that a cached
state keeps, so that a long series and a state see the same past.
"""


class CorrelationRegime(StrEnum):
    """Label of the monitor."""

    UNKNOWN = "unknown"
    CALM = "calm"
    SHIFTED = "shifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeRules:
    """How the monitor watches; all thresholds come from the book's own past.

    Parameters
    ----------
    fast, slow : float
        Half-lives of the correlation now and of the usual one [bars].
    enter, leave : float
        Quantiles of the past rises above which the regime is shifted, and below which it is calm again.
    dwell : int
        Least stay in the shifted regime [bars].
    clip : float
        Bound of |z|.
    """

    fast: float = 10.0
    slow: float = 126.0
    enter: float = 0.95
    leave: float = 0.75
    dwell: int = 10
    clip: float = 4.2


class RegimePath(NamedTuple):
    """The monitor after each bar, (t,) arrays.

    Parameters
    ----------
    distance : array
        Root mean square over the pairs of fast less slow correlation, ``‖R_fast − R_slow‖ / sqrt(m (m − 1))``: 0 where
        they are the same, at most 2, whatever the number of markets.
    fast, slow : array
        Mean correlation of the pairs.
    enter, leave : array
        Thresholds of the rise ``fast − slow`` from the bars before; NaN while there are too few.
    shifted : array
        The label.
    """

    distance: Floats
    fast: Floats
    slow: Floats
    enter: Floats
    leave: Floats
    shifted: Bools


class RegimeReading(NamedTuple):
    """The monitor after the last bar; the absorption ratios are those of the fast and of the slow matrix."""

    label: CorrelationRegime
    bars_in_regime: int
    distance: float
    average_fast: float
    average_slow: float
    enter: float
    leave: float
    absorption_fast: float
    absorption_slow: float


def absorption_ratio(matrix: Floats) -> float:
    """Share of the variance that the first fifth of the eigenvectors (one at least) carries.

    Notes
    -----
    Of correlations, not of covariances as in the paper: a market does not absorb variance by being volatile. 1/m where
    nothing is correlated and m < 10, 1 where one factor drives all.

    References
    ----------
    Kritzman, Li, Page and Rigobon (2011), Principal Components as a Measure of Systemic Risk, J. of Portfolio
    Management 37(4).

    Examples
    --------
    >>> absorption_ratio(np.eye(5)), round(absorption_ratio(np.full((5, 5), 0.5) + 0.5 * np.eye(5)), 3)
    (0.2, 0.6)
    """
    size = len(matrix)
    eigenvalues = np.linalg.eigvalsh(matrix)
    return float(eigenvalues[-max(round(size / 5), 1) :].sum() / size)


def watch_correlation(standardized: Floats, rules: RegimeRules | None = None) -> RegimePath:
    r"""The monitor after each bar.

    Parameters
    ----------
    standardized : (t, m) array
        z, oldest first, two markets or more; NaN where a market has none.

    Notes
    -----
    The label follows the *rise* of the mean correlation, fast less slow, and not the distance, whose square is that
    of the rise plus the variance of the differences over the pairs: the second part is mostly noise and decoupling,
    and was hardly better than chance at telling crashes (README). Shifted as soon as the rise lies above the
    `enter` quantile of its own past; calm again when it lies below the `leave` quantile and `dwell` bars have
    passed. Thresholds at a bar come from the bars before it: what follows never changes a label. Weights fade with
    the bars of the common clock; a pair counts from its first common bar. Cost: O(t m²) and O(t log t).
    """
    rules = rules or RegimeRules()
    values = np.clip(standardized, -rules.clip, rules.clip)
    fast, slow, square, pairs = (np.zeros(len(values)) for _ in range(4))
    for now, usual, known in _pair_paths(values, rules):
        fast += now.sum(axis=0)
        slow += usual.sum(axis=0)
        now -= usual
        square += np.einsum("pt,pt->t", now, now)
        pairs += known
    pairs = np.maximum(pairs, 1.0)
    fast, slow = fast / pairs, slow / pairs
    enter, leave, shifted = follow(fast - slow, rules)
    return RegimePath(np.sqrt(square / pairs), fast, slow, enter, leave, shifted)


def read_regime(standardized: Floats, rules: RegimeRules | None = None) -> RegimeReading:
    """The monitor after the last bar of (t, m) standardised returns."""
    rules = rules or RegimeRules()
    path = watch_correlation(standardized, rules)
    matrices = [ewma_correlation(standardized, half_life=life, clip=rules.clip) for life in (rules.fast, rules.slow)]
    absorbed = [absorption_ratio(matrix) for matrix in matrices]
    changes = np.flatnonzero(np.diff(path.shifted))
    since = len(path.shifted) - (int(changes[-1]) + 1 if changes.size else 0)
    if math.isnan(path.enter[-1]):
        label = CorrelationRegime.UNKNOWN
    else:
        label = CorrelationRegime.SHIFTED if path.shifted[-1] else CorrelationRegime.CALM
    last = [float(column[-1]) for column in path[:5]]
    return RegimeReading(label, since, *last, *absorbed)


def _pair_paths(values: Floats, rules: RegimeRules) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Fast and slow correlation of some pairs after each bar, (p, t), and how many have one yet; all pairs, in turn."""
    rows = np.ascontiguousarray(values.T)
    left, right = np.triu_indices(len(rows), 1)
    step = max(PATH_ELEMENTS // rows.shape[1], 1)
    chunks = [(left[begin : begin + step], right[begin : begin + step]) for begin in range(0, left.size, step)]
    there = ~np.isnan(rows)
    if there.all():
        scales = [_inverse_root(_fade(rows * rows, life)) for life in (rules.fast, rules.slow)]
        for i, j in chunks:
            product = rows[i] * rows[j]
            now, usual = (
                np.clip(_fade(product, life) * scale[i] * scale[j], -1.0, 1.0)
                for life, scale in zip((rules.fast, rules.slow), scales, strict=True)
            )
            yield now, usual, np.full(rows.shape[1], float(i.size))
        return
    filled = np.where(there, rows, 0.0)
    for i, j in chunks:
        # A bar that one of the pair lacks adds nothing to any of its three sums: it is skipped, not filled.
        both = there[i] & there[j]
        first, second = np.where(both, filled[i], 0.0), np.where(both, filled[j], 0.0)
        sums = first * second, first * first, second * second
        now, usual = (_correlation(*(_fade(part, life) for part in sums)) for life in (rules.fast, rules.slow))
        yield now, usual, np.logical_or.accumulate(both, axis=1).sum(axis=0, dtype=float)


def _fade(values: Floats, half_life: float) -> Floats:
    faded: Floats = lfilter([1.0], [1.0, -(2.0 ** (-1.0 / half_life))], values, axis=-1)
    return faded


def _inverse_root(squares: Floats) -> Floats:
    root = np.sqrt(squares)
    return np.divide(1.0, root, out=np.zeros_like(root), where=root > 0.0)


def _correlation(product: Floats, left: Floats, right: Floats) -> Floats:
    return within_one(product, left * right)


def follow(statistic: Floats, rules: RegimeRules) -> tuple[Floats, Floats, Bools]:
    """Thresholds to enter and to leave from the statistic's own past, and whether the regime is shifted, bar by bar."""
    enter, leave = np.full(statistic.size, np.nan), np.full(statistic.size, np.nan)
    shifted = np.zeros(statistic.size, dtype=bool)
    past: list[float] = []
    inside, since = False, 0
    for bar, value in enumerate(statistic.tolist()):
        if len(past) >= HISTORY_BARS:
            enter[bar], leave[bar] = past[_rank(rules.enter, past)], past[_rank(rules.leave, past)]
            since += 1
            entering = not inside and value > enter[bar]
            leaving = inside and value < leave[bar] and since >= rules.dwell
            if entering or leaving:
                inside, since = entering, 0
        shifted[bar] = inside
        if bar >= WARM_UP_BARS:
            insort(past, value)
        if len(past) > MEMORY_BARS:
            del past[bisect_left(past, float(statistic[bar - MEMORY_BARS]))]
    return enter, leave, shifted


def _rank(quantile: float, past: list[float]) -> int:
    return math.ceil(quantile * (len(past) - 1))
