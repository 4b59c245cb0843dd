"""Rules against procyclicality on the rates of a model, row by row: what was asked last, and what is asked now."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.core.explain import Floats
from services.margin.procyclicality import AntiProcyclicality
from services.margin.view import Sides


class AskedBefore(NamedTuple):
    """Rates that were asked last, per row [fraction of notional], before floors and caps; NaN where none was.

    Parameters
    ----------
    long, short : (n,) arrays
    days : (n,) array
        How long ago [days]; negative where the clock has gone back.
    """

    long: Floats
    short: Floats
    days: Floats

    @classmethod
    def never(cls, rows: int) -> AskedBefore:
        """Nothing was asked yet."""
        nothing = np.full(rows, np.nan)
        return cls(nothing, nothing, np.zeros(rows))


class SmoothedRates(NamedTuple):
    """One side of a book [fraction of notional]: NaN where unknown.

    Parameters
    ----------
    model : (n,) array
        Rate of the model.
    stressed, long_run : (n,) arrays
        Of the stressed period, and at long-run volatility; NaN where a rule does not ask, or there are no returns.
    before : (n,) array
        What was asked last.
    asked : (n,) array
        What is asked now, before floors and caps; where the model says nothing what was asked last.
    """

    model: Floats
    stressed: Floats
    long_run: Floats
    before: Floats
    asked: Floats


def smoothed(
    rules: AntiProcyclicality, model: Sides, stressed: Sides, long_run: Sides, before: AskedBefore
) -> tuple[SmoothedRates, SmoothedRates]:
    """Both sides under the rules.

    Notes
    -----
    Where the model says nothing (no volatility, no returns) the last rate stands: missing data do not lower a margin.

    Examples
    --------
    >>> nothing = (np.array([np.nan]), np.array([np.nan]))
    >>> last = AskedBefore(np.array([0.125]), np.array([0.125]), np.array([1.0]))
    >>> long, _ = smoothed(AntiProcyclicality(buffer=0.25), (np.array([0.12]),) * 2, nothing, nothing, last)
    >>> float(long.asked[0])
    0.12625
    """
    long, short = (
        _side(rules, *side, before.days)
        for side in zip(model, stressed, long_run, (before.long, before.short), strict=True)
    )
    return long, short


def _side(
    rules: AntiProcyclicality, model: Floats, stressed: Floats, long_run: Floats, before: Floats, days: Floats
) -> SmoothedRates:
    asked = rules.following(before, model, stressed=stressed, floor=long_run, days=days)
    return SmoothedRates(model, stressed, long_run, before, np.where(np.isnan(asked), before, asked))
