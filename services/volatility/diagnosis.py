"""What is learnt beside the variance, one bar at a time: tails and the error of the forecast."""

from __future__ import annotations

import math
from typing import NamedTuple

from services.volatility import error_band, tails
from services.volatility.close_match import advance_match, match_ratio
from services.volatility.estimators.interface import Memory


class Diagnosis(NamedTuple):
    """Memories of everything that watches the forecast and never changes it.

    Parameters
    ----------
    tail : tuple of 10 floats
        `services.volatility.tails`.
    band : tuple of 1 float
        `services.volatility.error_band`.
    match : tuple of 3 floats
        Bars with a range, average r² and average range variance of them (`services.volatility.close_match`).
    """

    tail: Memory
    band: Memory
    match: Memory

    def advance(self, z: float, square: float, ranges: float, variance: float) -> Diagnosis:
        """After one more bar.

        Parameters
        ----------
        z : float
            Return over the calibrated forecast.
        square, ranges : float
            r² and range variance of the bar [variance per bar]; NaN for a bar without a range.
        variance : float
            Calibrated forecast before it [variance per bar].
        """
        tail = tails.advance(self.tail, z)
        if ranges != ranges:
            return Diagnosis(tail, self.band, self.match)
        seen, returned, measured = self.match
        band = self.band
        if variance > 0.0 and seen:
            band = error_band.advance(band, match_ratio(returned, measured) * ranges / variance)
        return Diagnosis(tail, band, (seen + 1.0, *advance_match(returned, measured, square, ranges, seen)))


HEALTHY = Diagnosis(tails.START, error_band.START, (0.0, math.nan, math.nan))
"""Before any bar."""
