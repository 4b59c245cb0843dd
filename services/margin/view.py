"""What a margin model may look at: volatility, and where a series is at hand its returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from services.core.explain import Floats

Sides = tuple[Floats, Floats]
"""Of a long and of a short, per row."""


class PastRates(NamedTuple):
    """What a policy read off returns, of a long and of a short [fraction of notional]; NaN where it read nothing."""

    model: Sides
    stressed: Sides
    long_run: Sides


@dataclass(frozen=True, slots=True)
class MarginView:
    """Market data per row, in row order; unknown is NaN, or None for a list.

    Parameters
    ----------
    volatility : (n,) array
        [annual fraction].
    returns : tuple of (k,) arrays or None
        Log returns a bar of each row's market, oldest first; empty: of none.
    periods_per_year : (n,) array, optional
        Bars a year of each row's market; needed where there are returns.
    past : PastRates, optional
        What the policy has read off these returns already; None: it has not looked yet.

    Examples
    --------
    >>> view = MarginView.of([0.8, np.nan])
    >>> view.volatility.tolist(), view.returns_of(1)
    ([0.8, nan], None)
    """

    volatility: Floats
    returns: tuple[Floats | None, ...] = ()
    periods_per_year: Floats | None = None
    past: PastRates | None = None

    @classmethod
    def of(cls, volatility: ArrayLike | MarginView) -> MarginView:
        """View of volatilities alone; a view is taken as it is."""
        if isinstance(volatility, MarginView):
            return volatility
        return cls(np.asarray(volatility, dtype=np.float64))

    def returns_of(self, row: int) -> Floats | None:
        """Log returns of a row's market; None where there are none, or their clock is unknown."""
        if not self.returns or self.periods_per_year is None or not np.isfinite(self.periods_per_year[row]):
            return None
        return self.returns[row]
