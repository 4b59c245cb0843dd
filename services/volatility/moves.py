"""What an estimator sees of a bar: its move in logs, one bar at a time or as columns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import repeat
from typing import NamedTuple

from services.core.explain import Floats


class Move(NamedTuple):
    """One complete bar against the close before it; NaN for what is not known of it.

    Parameters
    ----------
    log_return : float
        ``ln(C / C_prev)``.
    close, close_at : float
        Close [quote currency] and its time [s since 1970].
    overnight, high, low, body : float
        ``ln(O / C_prev)``, ``ln(H / O)``, ``ln(L / O)``, ``ln(C / O)``. All known or all NaN.
    realized_variance : float
        Of the bar, from shorter ones [variance per bar].
    implied_variance : float
        Implied volatility squared, over the periods of a year [variance per bar].
    drivers : tuple of float
        What is known at the close of the drivers that the estimator names, in its order; empty: nothing is known.

    Notes
    -----
    A move always stands for one bar of time: the feed turns a return over k + 1 bars into k + 1 moves of
    ``r / sqrt(k + 1)`` without a range, so that r² is spread evenly and the sign kept; the last one has the drivers.
    """

    log_return: float
    close: float
    close_at: float
    overnight: float = math.nan
    high: float = math.nan
    low: float = math.nan
    body: float = math.nan
    realized_variance: float = math.nan
    implied_variance: float = math.nan
    drivers: tuple[float, ...] = ()

    @property
    def ranged(self) -> bool:
        """Whether open, high and low are known."""
        return self.high == self.high


@dataclass(frozen=True, slots=True)
class Moves:
    """Moves of m markets over the same n bars, oldest first: (m, n) arrays named as in `Move`; drivers (m, n, K).

    An optional column is None when no bar of any market has it; single gaps in it are NaN.
    """

    log_return: Floats
    close: Floats
    close_at: Floats
    overnight: Floats | None = None
    high: Floats | None = None
    low: Floats | None = None
    body: Floats | None = None
    realized_variance: Floats | None = None
    implied_variance: Floats | None = None
    drivers: Floats | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(markets, bars)."""
        return self.log_return.shape[0], self.log_return.shape[1]

    def row(self, index: int) -> Iterator[Move]:
        """Moves of one market, one by one."""
        columns = [getattr(self, field.name) for field in fields(self) if field.name != "drivers"]
        figures = [repeat(math.nan) if column is None else iter(column[index].tolist()) for column in columns]
        said = repeat(()) if self.drivers is None else map(tuple, self.drivers[index].tolist())
        return map(Move, *figures, said)
