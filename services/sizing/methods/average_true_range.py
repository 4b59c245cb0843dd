"""Units of the Turtles: a move of k average true ranges loses a fraction of the capital."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.explain import Bools
from services.sizing.columns import SizingColumns
from services.sizing.interface import Factor, RowByRow, evidence_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageTrueRangeUnit(RowByRow):
    r"""``n = E ρ / (k · ATR · M · fx)`` contracts a unit; a direction of ±1 is `max_units` of them.

    Parameters
    ----------
    risk_fraction : float
        ρ, what a move of k ATR takes of the capital for one unit [fraction].
    range_multiple : float
        k; the Turtles' unit has 1, and their stop, two ranges away, loses twice ρ.
    max_units : float
        Units at direction ±1: with 4, a direction of 0.25 is one unit and adding to a winner is 0.5.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    The ATR is that of the signal, else Wilder's of the posted series: 20 bars, the first value their plain mean, decay
    19/20. It is in prices: a series and a mark in different units make no sense of one another. An inverse contract
    loses ``M · k · ATR / S`` in the quote currency, which is the same fraction of its notional. Each row has a unit of
    its own; the block `scaling` bounds the book. No volatility forecast enters, and none is needed.

    References
    ----------
    Faith (2003), The Original Turtle Trading Rules: N and units. Wilder (1978), New Concepts in Technical Trading
    Systems.
    """

    method: Literal["average_true_range"] = "average_true_range"
    risk_fraction: Annotated[float, Gt(0), Le(0.5)] = 0.01
    range_multiple: Annotated[float, Ge(0.01), Le(20)] = 2.0
    max_units: Annotated[float, Gt(0), Le(20)] = 1.0
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"price", "average_true_range"})
    shares_capital: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Risk of a unit, over the relative range; units."""
        seen = evidence_of(columns)
        usable = np.where(seen.average_true_range > 0.0, seen.average_true_range, np.nan)
        return (
            Factor("risk_fraction", self.risk_fraction, "sizing.risk_fraction"),
            Factor("range", seen.price / (self.range_multiple * usable), "signals.average_true_range"),
            Factor("units", self.max_units, "sizing.max_units"),
        )

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Rows whose range is zero: prices that do not move are no reason for a boundless size."""
        ranges = evidence_of(columns).average_true_range
        return {
            index: f"the average true range is {ranges[index]:g}: it must be > 0"
            for index in np.flatnonzero(rows & ~(ranges > 0.0)).tolist()
        }
