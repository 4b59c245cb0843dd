"""From shares to whole lots: sums are exact, and in doubt the side of less risk is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.core.decimals import SNAP


@dataclass(frozen=True, slots=True)
class LotSlice:
    """Whole lots to trade between `start` and `end` [s], or at a log distance `offset` from the mark.

    `volume` is what the market is expected to trade in that time [lots]; None where it is unknown or no time is. `at`
    is the moment at which one order for all of it is to be sent [s]; None where any in the time will do.
    """

    lots: int
    start: float | None = None
    end: float | None = None
    offset: float = 0.0
    volume: float | None = None
    at: float | None = None


def jittered(shares: Sequence[float], fraction: float, generator: np.random.Generator) -> list[float]:
    """Shares times ``1 + fraction × u``, u uniform in (−1, 1), with the same sum.

    Parameters
    ----------
    fraction : float
        Largest relative change before the sum is restored, 0 ≤ fraction < 1.
    generator : numpy.random.Generator
        Of the caller: the same state gives the same slices.
    """
    factors = 1.0 + fraction * generator.uniform(-1.0, 1.0, len(shares))
    moved = np.asarray(shares) * factors
    total = float(moved.sum())
    return [float(value) for value in moved * (math.fsum(shares) / total)] if total > 0.0 else list(shares)


def at_random_moments(slices: Sequence[LotSlice], fraction: float, generator: np.random.Generator) -> list[LotSlice]:
    """The same slices, each with a moment of its own: ``start + u × fraction × (end − start)``, u uniform in [0, 1).

    Every slice stays within its time, so that order, volumes and participation are what they were. What has no time
    gets no moment, but uses up a draw, so that moments depend on the place of a slice alone.

    Examples
    --------
    >>> found = at_random_moments([LotSlice(1, 0.0, 60.0), LotSlice(1, 60.0, 120.0)], 0.5, np.random.default_rng(7))
    >>> [round(item.at, 3) for item in found]
    [18.753, 86.916]
    """
    draws = generator.uniform(0.0, fraction, len(slices)).tolist()
    return [
        item
        if item.start is None or item.end is None
        else replace(item, at=item.start + draw * (item.end - item.start))
        for item, draw in zip(slices, draws, strict=True)
    ]


def whole_lots_of(shares: Sequence[float], lots: int, *, sooner: bool) -> list[int]:
    r"""Whole lots of each slice, by rounding what is done *up to* each: up if sooner, else down.

    ``n_k = ⌈N F_k⌉ − ⌈N F_{k−1}⌉`` with F the cumulative shares (⌊ ⌋ if later).

    Parameters
    ----------
    shares : sequence of float
        Of the order, ≥ 0; where their sum is 1, all lots are given out.
    lots : int
        N, the order.
    sooner : bool
        Whether the order reduces risk.

    Notes
    -----
    Each slice is within one lot of its share, and so is the sum of any first slices. With the method of the largest
    remainder only the former holds: an order of many small slices may run half of their number of lots ahead or behind.
    Rounded this way, what is left of a reduction is never more, and what is built of a position never more, than the
    exact trajectory says. Where shares do not rise, the first slice of a reduction is the largest.

    Examples
    --------
    >>> whole_lots_of([0.25] * 4, 10, sooner=True), whole_lots_of([0.25] * 4, 10, sooner=False)
    ([3, 2, 3, 2], [2, 3, 2, 3])
    """
    complete = abs(math.fsum(shares) - 1.0) < 1e-9
    done = np.minimum(np.cumsum(np.asarray(shares, dtype=np.float64)), 1.0) * lots
    rounded = np.ceil(done - SNAP) if sooner and complete else np.floor(done + SNAP)
    if complete:
        rounded[-1] = lots
    return [int(value) for value in np.diff(rounded, prepend=0.0)]


def within_volume(slices: Sequence[LotSlice], participation: float) -> tuple[list[LotSlice], int]:
    """Slices of at most `participation` of the expected volume each, what is over moved to the next; and what is left.

    Examples
    --------
    >>> found, left = within_volume([LotSlice(5, 0.0, 1.0, volume=30.0), LotSlice(1, 1.0, 2.0, volume=30.0)], 0.1)
    >>> [item.lots for item in found], left
    ([3, 3], 0)
    """
    carried, found = 0, []
    for item in slices:
        wanted = item.lots + carried
        most = wanted if item.volume is None else math.floor(participation * item.volume + SNAP)
        taken = min(wanted, most)
        carried = wanted - taken
        found.append(replace(item, lots=taken))
    return found, carried


def merged(slices: Sequence[LotSlice], minimum: int, *, sooner: bool, spread: bool = False) -> list[LotSlice]:
    """Slices of at least `minimum` lots, as far as the sum allows: small ones join a neighbour, and empty ones go.

    Where the order reduces risk, lots move to the earlier of two slices (of two prices, the nearer), else to the later.

    Parameters
    ----------
    spread : bool
        Whether the lots of both need the time of both, since the market's volume bounds them: the joint slice then
        lasts from the beginning of the one to the end of the other.

    Examples
    --------
    >>> slices = [LotSlice(2, 0.0, 1.0), LotSlice(1, 1.0, 2.0), LotSlice(3, 2.0, 3.0)]
    >>> [(item.lots, item.start) for item in merged(slices, 3, sooner=False)]
    [(3, 1.0), (3, 2.0)]
    """
    kept = [item for item in slices if item.lots]
    order = kept[::-1] if sooner else kept
    found: list[LotSlice] = []
    for item in order:
        if found and found[-1].lots < minimum:
            found[-1] = _joined(found[-1], item, sooner=sooner, spread=spread)
        else:
            found.append(item)
    if len(found) > 1 and found[-1].lots < minimum:
        last = found.pop()
        found[-1] = _joined(found[-1], last, sooner=sooner, spread=spread)
    return found[::-1] if sooner else found


def _joined(one: LotSlice, other: LotSlice, *, sooner: bool, spread: bool) -> LotSlice:
    """Lots of both at the place of `other`, which is the earlier of the two if sooner."""
    together = replace(other, lots=one.lots + other.lots)
    if not spread or one.volume is None or other.volume is None:
        return together
    first, second = (other, one) if sooner else (one, other)
    return replace(together, start=first.start, end=second.end, volume=one.volume + other.volume)


def largest_first(slices: Sequence[LotSlice]) -> list[LotSlice]:
    """The same slices with their lots in falling order: at no time is less done than before."""
    lots = sorted((item.lots for item in slices), reverse=True)
    return [replace(item, lots=size) for item, size in zip(slices, lots, strict=True)]
