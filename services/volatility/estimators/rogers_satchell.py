"""Average of Rogers–Satchell variances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.volatility.range_average import RangeAverage
from services.volatility.ranges import Number, rogers_satchell


@dataclass(frozen=True, slots=True, kw_only=True)
class RogersSatchell(RangeAverage):
    r"""Average of ``v = u (u − c) + d (d − c)``, with the overnight move ``o²`` added.

    Parameters
    ----------
    window : int, optional
        Bars of equal weight; no forecast before as many were seen. Excludes `half_life`.
    half_life : float, optional
        Age at which a bar weighs half as much as the newest [bars]; 20 when neither is given. The plain mean at first.
    overnight : bool
        Add ``(ln O/C_prev)²``; off, the estimator of the paper, which knows of open hours only.
    match_close_variance : bool
        Multiply by the ratio to the variance of closes of `services.volatility.close_match`.
    calibrate : bool
        Apply the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    Free of drift, and therefore the blindest to jumps: a bar that gaps and then runs one way measures nothing. Prefer
    Parkinson or Garman–Klass for forecasts. A bar without a range counts with r².

    References
    ----------
    Rogers & Satchell (1991), Ann. Appl. Prob. 1; TTR ``volatility``.
    """

    method: Literal["rogers_satchell"] = "rogers_satchell"

    def intraday(self, high: Number, low: Number, body: Number) -> Number:
        """Variance of the open hours of a bar from its range."""
        return rogers_satchell(high, low, body)
