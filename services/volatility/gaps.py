"""Bars that tell nothing leave a memory as it is: the NaN policy of the memories beside the forecast, in one place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from services.core.explain import Bools, Floats

Run = Callable[[Floats], Floats]


def hold(values: Floats, run: Run, start: tuple[float, ...]) -> Floats:
    """Memories after each bar, when a recursion sees only the bars that are known.

    Parameters
    ----------
    values : (m, n) array
        What the recursion eats, oldest first; NaN where nothing is known.
    run : (m, n) array -> (k, m, n) array
        The recursion over bars that are all known.
    start : tuple of k floats
        Memory before the first bar.

    Returns
    -------
    (m, n, k) array
        A bar with NaN repeats the memory before it.

    Notes
    -----
    The known values of each row are moved to its front, so that `run` needs no masks; the zeros behind them are eaten
    too, but nobody reads the result. Cost: O(m n), and nothing when every value is known.

    Examples
    --------
    >>> sums = lambda x: np.cumsum(x, axis=-1)[None]
    >>> hold(np.array([[np.nan, 1.0, np.nan, 2.0]]), sums, (0.0,))[0, :, 0].tolist()
    [0.0, 1.0, 1.0, 3.0]
    """
    known = ~np.isnan(values)
    if known.all():
        return np.moveaxis(run(values), 0, -1)
    order = np.argsort(~known, axis=-1, kind="stable")
    packed = run(np.take_along_axis(np.where(known, values, 0.0), order, axis=-1))
    newest = np.cumsum(known, axis=-1) - 1
    spread = np.take_along_axis(packed, np.maximum(newest, 0)[None], axis=-1)
    return np.moveaxis(np.where(newest < 0, np.reshape(start, (-1, 1, 1)), spread), 0, -1)


def newest(events: Bools) -> tuple[NDArray[np.intp], Floats]:
    """Position of the newest event of each bar (0 where there was none) and its age in bars (inf where none).

    Examples
    --------
    >>> position, age = newest(np.array([[False, True, False, True]]))
    >>> position.tolist(), age.tolist()
    ([[0, 1, 1, 3]], [[inf, 0.0, 1.0, 0.0]])
    """
    bars = np.arange(events.shape[-1])
    position = np.maximum.accumulate(np.where(events, bars, -1), axis=-1)
    return np.maximum(position, 0), np.where(position < 0, np.inf, bars - position)
