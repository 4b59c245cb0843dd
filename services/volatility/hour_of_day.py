r"""The daily rhythm of a market that never closes: one factor of the variance for each hour of the UTC day.

The factor of the hour in which a bar opens moves with it, ``f_s ← f_s + 0.005 (min(y/h, 8) − f_s)``, y/h being the
squared return over the forecast made without the factor; what is used is ``f_s / mean f``, which moves variance between
hours and leaves the day alone. Only for bars shorter than a day: others get the factor 1.

Notes
-----
The gain is per bar: an hour forgets with a half-life of 138 of its bars, 138 days of hourly bars or 12 days of
five-minute bars. The cap of 8 keeps one spike from marking an hour for months.

The ratio may rest on a forecast from plain returns or from returns divided by the root of the factor: measured, the two
differ by 0.002 in QLIKE. Gain on hourly Bitcoin (adaptive forecast of closes, QLIKE on r² after 1,000 bars): −0.049 on
the Binance perpetual 2020–23, where it grows from −0.014 in the first months to −0.12 in the last; +0.003 on Bitstamp
2018–22, all of it from the last hour of 12 March 2020 (−0.016 without the three worst bars of 33,000). On the
Parkinson variance it is 0.731 → 0.685 and 0.781 → 0.774.

Bars of several hours use only some of the hours; the mean is taken over those that they can use (hours equal to the
opening one modulo the length of a bar, when it divides the day).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from services.core.annualization import SECONDS_PER_DAY
from services.core.explain import Bools, Floats
from services.volatility.estimators.interface import Memory

HOURS = 24
GAIN = 0.005
RATIO_CAP = 8.0
START: Memory = (1.0,) * HOURS

_HOUR = 3_600


def hour_of_open(close_at: float, bar_seconds: int) -> int:
    """UTC hour in which a bar opens.

    Examples
    --------
    >>> hour_of_open(3_600.0, 3_600), hour_of_open(3_600.0, 300), hour_of_open(0.0, 300)
    (0, 0, 23)
    """
    return int((close_at - bar_seconds) // _HOUR) % HOURS


def advance(memory: Memory, close_at: float, bar_seconds: int, ratio: float) -> Memory:
    """Memory after one more bar.

    Parameters
    ----------
    memory : tuple of 24 floats
        Factor of each hour, before they are divided by their mean.
    close_at : float
        Close of the bar [s since 1970].
    bar_seconds : int
        Its length [s]; from a day on nothing changes.
    ratio : float
        y/h: squared log return over the forecast made before the bar, both without the factor. NaN tells nothing.
    """
    if ratio != ratio or bar_seconds >= SECONDS_PER_DAY:
        return memory
    hour = hour_of_open(close_at, bar_seconds)
    before = memory[hour]
    return (*memory[:hour], before + GAIN * (min(ratio, RATIO_CAP) - before), *memory[hour + 1 :])


def factor(memory: Memory, next_close_at: float, bar_seconds: int) -> float:
    """Factor of the variance of the bar that closes at `next_close_at`: multiply its forecast by it.

    Examples
    --------
    >>> factor((2.0,) + (1.0,) * 23, 3_600.0, 3_600)
    1.92
    >>> factor(START, 86_400.0, 86_400)
    1.0
    """
    if bar_seconds >= SECONDS_PER_DAY:
        return 1.0
    hour, step = hour_of_open(next_close_at, bar_seconds), _hours_apart(bar_seconds)
    used = memory[hour % step :: step]
    return memory[hour] * len(used) / sum(used)


def factor_path(close_at: Floats, bar_seconds: int, ratios: Floats) -> Floats:
    """`factor` of each bar of a panel, from the bars before it.

    Parameters
    ----------
    close_at, ratios : (m, n) array
        Close [s since 1970] and y/h of each bar, oldest first; NaN ratios tell nothing.
    bar_seconds : int
        Length of the bars [s].

    Returns
    -------
    (m, n) array
        Factor of bar t in column t: known at the close of bar t − 1.

    Notes
    -----
    The bars of one hour are gathered into one row, where the recursion is a plain filter: O(24 m n) additions.
    """
    if bar_seconds >= SECONDS_PER_DAY:
        return np.ones(ratios.shape)
    hours = _hours_of_open(close_at, bar_seconds)
    before, after, _ = _of_each_hour(hours, ratios)
    step = _hours_apart(bar_seconds)
    moved = np.where((hours % step)[..., None] == np.arange(step), (after - before)[..., None], 0.0)
    sums = np.full(moved.shape, float(HOURS // step))
    sums[:, 1:] += np.cumsum(moved[:, :-1], axis=-2)
    total = np.take_along_axis(sums, (hours % step)[..., None], axis=-1)[..., 0]
    return np.asarray(before * (HOURS // step) / total, dtype=float)


def last(close_at: Floats, bar_seconds: int, ratios: Floats) -> Floats:
    """Memories after the last bar, (m, 24): `advance` over whole panels."""
    if bar_seconds >= SECONDS_PER_DAY:
        return np.ones((ratios.shape[0], HOURS))
    return _of_each_hour(_hours_of_open(close_at, bar_seconds), ratios)[2]


def _hours_apart(bar_seconds: int) -> int:
    """Hours between the opening hours that bars of this length can have."""
    hours = bar_seconds // _HOUR
    return hours if hours and bar_seconds % _HOUR == 0 and HOURS % hours == 0 else 1


def _hours_of_open(close_at: Floats, bar_seconds: int) -> NDArray[np.intp]:
    return np.asarray((close_at - bar_seconds) // _HOUR, dtype=np.intp) % HOURS


def _of_each_hour(hours: NDArray[np.intp], ratios: Floats) -> tuple[Floats, Floats, Floats]:
    """Factor of the own hour before and after each bar, (m, n) both, and of every hour in the end, (m, 24)."""
    known = ~np.isnan(ratios)
    rank = _rank_within_hour(hours, known)
    row = HOURS * np.arange(len(ratios))[:, None] + hours
    width = int(rank.max(initial=0)) + 1
    inputs = np.zeros((HOURS * len(ratios), width))
    inputs.ravel()[(row * width + rank)[known]] = np.minimum(ratios[known], RATIO_CAP)
    start = np.ones((len(inputs), 1))
    moved, _ = lfilter([GAIN], [1.0, GAIN - 1.0], inputs, axis=-1, zi=(1.0 - GAIN) * start)
    factors = np.concatenate([start, moved], axis=-1)
    cell = row * (width + 1) + rank
    before, after = factors.ravel()[cell], factors.ravel()[cell + known]
    counts = np.bincount(row[known], minlength=len(inputs))
    return before, after, factors[np.arange(len(inputs)), counts].reshape(-1, HOURS)


def _rank_within_hour(hours: NDArray[np.intp], known: Bools) -> NDArray[np.intp]:
    """How many known bars of the same hour came before each bar."""
    order = np.argsort(hours.astype(np.int8), axis=-1, kind="stable")
    grouped, counted = np.take_along_axis(hours, order, axis=-1), np.take_along_axis(known, order, axis=-1)
    earlier: NDArray[np.intp] = np.cumsum(counted, axis=-1) - counted
    first = np.diff(grouped, axis=-1, prepend=-1) != 0
    rank = np.empty_like(hours)
    np.put_along_axis(rank, order, earlier - np.maximum.accumulate(np.where(first, earlier, 0), axis=-1), axis=-1)
    return rank
