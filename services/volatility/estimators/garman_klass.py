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
    window, half_life, match_close_variance, calibrate, prior_volatility
        As in `services.volatility.estimators.parkinson.Parkinson`.
    overnight : bool
        True: ``o² + v``, which TTR calls ``gk.yz``. False: ``v`` alone, TTR's ``garman.klass``.

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
