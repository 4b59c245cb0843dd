"""What a book is exposed to, Greek by Greek, in the units that are published, and the bounds set on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Greeks of a book, or of one contract, in the delta convention that its hedge needs.

    Parameters
    ----------
    delta : float
        [base units].
    gamma_1pct : float
        Change of delta when the price moves 1 % [base units].
    vega_per_point : float
        Change of value per volatility point (0.01) [quote].
    vanna_per_point : float
        Change of delta per volatility point [base units].
    volga_per_point : float
        Change of `vega_per_point` per volatility point [quote].
    skew_per_point : float
        Change of value when the skew steepens by one volatility point, in the caller's measure of skew [quote].

    Raises
    ------
    InvalidInput
        If a number is not finite: an unknown exposure is not hedged.

    Notes
    -----
    The names and units of `LegGreeks` of the options package.
    """

    delta: float = 0.0
    gamma_1pct: float = 0.0
    vega_per_point: float = 0.0
    vanna_per_point: float = 0.0
    volga_per_point: float = 0.0
    skew_per_point: float = 0.0

    def __post_init__(self) -> None:
        for name, value in zip(GREEKS, self.values(), strict=True):
            if not math.isfinite(value):
                raise InvalidInput(name, "must be finite", value)

    def values(self) -> tuple[float, ...]:
        """The Greeks in the order of `GREEKS`."""
        return (
            self.delta,
            self.gamma_1pct,
            self.vega_per_point,
            self.vanna_per_point,
            self.volga_per_point,
            self.skew_per_point,
        )

    @classmethod
    def of(cls, values: Floats) -> Exposure:
        """From an array in the order of `GREEKS`."""
        return cls(**dict(zip(GREEKS, values.tolist(), strict=True)))


GREEKS = tuple(field.name for field in fields(Exposure))
"""Names of the Greeks, in the order of every array of this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GreekBound:
    """Interval that one Greek of the hedged book is to lie in.

    Parameters
    ----------
    greek : str
        One of `GREEKS`.
    lower, upper : float
        [unit of the Greek]; infinite for none.
    breach_cost : float, optional
        What one unit outside costs [quote per unit]; None makes the bound hard: kept, or there is no answer.
    """

    greek: str
    lower: float
    upper: float
    breach_cost: float | None = None

    def __post_init__(self) -> None:
        if self.greek not in GREEKS:
            raise InvalidInput("bounds.greek", f"must be one of {', '.join(GREEKS)}", self.greek)
        if not self.lower <= self.upper:
            raise InvalidInput(f"bounds.{self.greek}", "must have lower <= upper", (self.lower, self.upper))
        if self.breach_cost is not None and not (self.breach_cost >= 0.0 and math.isfinite(self.breach_cost)):
            raise InvalidInput(f"bounds.{self.greek}.breach_cost", "must be >= 0 and finite", self.breach_cost)

    def excess(self, value: float) -> float:
        """How far a value lies outside [unit of the Greek], 0 inside.

        Examples
        --------
        >>> GreekBound(greek="delta", lower=-1.0, upper=1.0).excess(-1.5)
        0.5
        """
        return max(value - self.upper, self.lower - value, 0.0)


def greek_matrix(exposures: Sequence[Exposure]) -> Floats:
    """Rows of exposures, columns in the order of `GREEKS`; shape (rows, 6)."""
    return np.array([exposure.values() for exposure in exposures], dtype=np.float64).reshape(-1, len(GREEKS))
