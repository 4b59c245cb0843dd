"""Are probabilities that were stated those of what happened?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.core.explain import Bools, Floats

BIN_EDGES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
"""Bins of the stated probability, finer where those of rare events lie; the last one holds 1."""


class ReliabilityBin(NamedTuple):
    """Statements of one bin: how many, the mean probability that was stated, how often it happened."""

    low: float
    high: float
    n: int
    stated: float
    happened: float


def brier(probabilities: Floats, happened: Bools) -> Floats:
    """``(p − o)²`` of each statement; its mean is the Brier score, lower is better.

    References
    ----------
    Brier (1950), Monthly Weather Review 78.

    Examples
    --------
    >>> brier(np.array([0.25, 1.0]), np.array([False, True])).tolist()
    [0.0625, 0.0]
    """
    found: Floats = (probabilities - happened) ** 2
    return found


def reliability(probabilities: Floats, happened: Bools) -> tuple[ReliabilityBin, ...]:
    """Bins that hold any statement, from low to high.

    Examples
    --------
    >>> [(found.n, found.stated, found.happened)
    ...  for found in reliability(np.array([0.02, 0.02, 0.6]), np.array([False, True, True]))]
    [(2, 0.02, 0.5), (1, 0.6, 1.0)]
    """
    edges = np.array(BIN_EDGES)
    place = np.clip(np.searchsorted(edges, probabilities, side="right") - 1, 0, edges.size - 2)
    found = []
    for number in np.unique(place).tolist():
        inside = place == number
        found.append(
            ReliabilityBin(
                low=BIN_EDGES[number],
                high=BIN_EDGES[number + 1],
                n=int(inside.sum()),
                stated=float(probabilities[inside].mean()),
                happened=float(happened[inside].mean()),
            )
        )
    return tuple(found)


def expected_calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """``Σ n_b / n · |stated_b − happened_b|``: how far statements are off, bin by bin.

    Notes
    -----
    Never below 0, so chance alone makes it positive; one figure of few statements says little.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), AAAI.
    """
    total = sum(item.n for item in bins)
    return sum(item.n * abs(item.stated - item.happened) for item in bins) / total
