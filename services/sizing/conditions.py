"""Conditions of the markets around the rows of a book, as overlays see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.core.explain import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Conditions per row, in row order.

    Parameters
    ----------
    as_of : datetime
        Event time of the decision.
    bar_seconds : (n,) array
        Bar behind each row's volatility [s]; NaN without one.
    data_age_seconds : (n,) array
        Age of the price that a row is sized with [s]; 0 where it is unknown because the client sent it as current.
    """

    as_of: datetime
    bar_seconds: Floats
    data_age_seconds: Floats
