"""Average of Garman–Klass variances, plain or with the overnight move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.volatility.range_average import RangeAverage
from services.volatility.ranges import Number, garman_klass


@dataclass(frozen=True, slots=True, kw_only=True)
class GarmanKlass(RangeAverage):
    r"""Average of ``v = (u − d)²/2 − (2 ln 2 − 1) c²``, with the overnight move ``o²`` added.

    Parameters
    ----------
    window : int, optional
        Bars of equal weight; no forecast before as many were seen. Excludes `half_life`.
    half_life : float, optional
        Age at which a bar weighs half as much as the newest [bars]; 20 when neither is given. The plain mean at first.
    overnight : bool
        True: ``o² + v``, which TTR calls ``gk.yz``. False: ``v`` alone, TTR's ``garman.klass``.
    match_close_variance : bool
        Multiply by the ratio to the variance of closes of `services.volatility.close_match`.
    calibrate : bool
        Apply the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    A bar without a range counts with r². More efficient than Parkinson's where prices are watched often, and more
    biased where they are not: see `services.volatility.ranges`, which also holds the exact form of the paper.

    References
    ----------
    Garman & Klass (1980), J. Business 53; Yang & Zhang (2000), J. Business 73 (o² + v); TTR ``volatility``.
    """

    method: Literal["garman_klass"] = "garman_klass"

    def intraday(self, high: Number, low: Number, body: Number) -> Number:
        """Variance of the open hours of a bar from its range."""
        return garman_klass(high, low, body)
