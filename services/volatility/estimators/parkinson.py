"""Average of Parkinson's squared ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.volatility.range_average import RangeAverage
from services.volatility.ranges import Number, parkinson


@dataclass(frozen=True, slots=True, kw_only=True)
class Parkinson(RangeAverage):
    r"""Average of ``v = (ln H/L)² / (4 ln 2)``, with the overnight move ``o²`` added.

    ``σ² = c · A(v)``: A the plain mean of the last `window` bars, or the exponential one of `half_life`; c the ratio to
    the variance of closes of `services.volatility.close_match`.

    Parameters
    ----------
    window : int, optional
        Bars of equal weight; no forecast before as many were seen. Excludes `half_life`.
    half_life : float, optional
        Age at which a bar weighs half as much as the newest [bars]; 20 when neither is given. The plain mean at first.
    overnight : bool
        Add ``(ln O/C_prev)²``. Must stay on where the market closes; where it never does, o² is next to nothing.
    match_close_variance : bool
        Multiply by c. Off, the forecast is the textbook estimator, too low by what ranges miss.
    calibrate : bool
        Apply the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    A bar without a range counts with r². Cost: O(1) a bar with `half_life`, O(window) with `window`.

    References
    ----------
    Parkinson (1980), The extreme value method for estimating the variance of the rate of return, J. Business 53.
    """

    method: Literal["parkinson"] = "parkinson"

    def intraday(self, high: Number, low: Number, body: Number) -> Number:
        """Variance of the open hours of a bar from its range."""
        del body
        return parkinson(high, low)
