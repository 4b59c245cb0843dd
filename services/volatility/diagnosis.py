"""What is learnt beside the variance, one bar at a time: tails, error, daily rhythm, and labels for policies.

Only the daily rhythm takes part in the forecast (of intraday bars where a market never closes); nothing else does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from services.volatility import change, error_band, hour_of_day, jumps, regime, tails
from services.volatility.change import Change
from services.volatility.close_match import advance_match, match_ratio
from services.volatility.estimators.interface import Memory
from services.volatility.jumps import Jump
from services.volatility.regime import Regime


class Watched(NamedTuple):
    """One used bar as the watchers see it.

    Parameters
    ----------
    calibrated : float
        Return over the calibrated forecast before it, with the rhythm.
    scaled : float
        Return over the long-run volatility.
    steady_return : float
        Log return without the rhythm.
    ratio : float
        r² over the forecast without the rhythm; NaN for a bridged gap.
    square, ranges : float
        r² and range variance [variance per bar]; NaN for a bar without a range.
    variance : float
        Calibrated forecast before the bar, with the rhythm [variance per bar].
    """

    calibrated: float
    scaled: float
    steady_return: float
    ratio: float
    square: float
    ranges: float
    variance: float


@dataclass(frozen=True, slots=True)
class Labels:
    """What policies may act on, and forecasts never do."""

    regime: Regime
    jump: Jump
    change: Change


class Diagnosis(NamedTuple):
    """Memories of everything that watches the forecast.

    Parameters
    ----------
    tail, band, hours, regime, jump, change : tuples of float
        Of the modules of these names.
    match : tuple of 3 floats
        Bars with a range, average r² and average range variance of them (`services.volatility.close_match`).
    """

    tail: Memory
    band: Memory
    match: Memory
    hours: Memory
    regime: Memory
    jump: Memory
    change: Memory

    def advance(self, bar: Watched, close_at: float, bar_seconds: int, *, rhythmic: bool) -> Diagnosis:
        """After one more bar."""
        band, match = self.band, self.match
        if bar.ranges == bar.ranges:
            seen, returned, measured = match
            if bar.variance > 0.0 and seen:
                band = error_band.advance(band, match_ratio(returned, measured) * bar.ranges / bar.variance)
            match = (seen + 1.0, *advance_match(returned, measured, bar.square, bar.ranges, seen))
        return Diagnosis(
            tails.advance(self.tail, bar.calibrated),
            band,
            match,
            hour_of_day.advance(self.hours, close_at, bar_seconds, bar.ratio) if rhythmic else self.hours,
            regime.advance(self.regime, bar.scaled),
            jumps.advance(self.jump, bar.steady_return, jumps.jump_test(bar_seconds)),
            change.advance(self.change, bar.calibrated),
        )

    def labels(self) -> Labels:
        """What the memories say."""
        return Labels(regime.read(self.regime), jumps.read(self.jump), change.read(self.change))


HEALTHY = Diagnosis(
    tails.START,
    error_band.START,
    (0.0, math.nan, math.nan),
    hour_of_day.START,
    regime.start(),
    jumps.START,
    change.START,
)
"""Before any bar."""
