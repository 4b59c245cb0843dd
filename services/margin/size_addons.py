"""How the margin rate grows with the size of a position, and the largest size that a budget then pays for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import ArrayLike

from services.core.explain import Floats

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}
NEWTON_STEPS = 50
RELATIVE_STEP = 4.0 * float(np.finfo(float).eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAddon:
    """The rate does not depend on size."""

    method: Literal["none"] = "none"
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def rate(self, base: ArrayLike, contracts: ArrayLike) -> Floats:
        """`base`, whatever the size."""
        return np.asarray(base, dtype=np.float64) + 0.0 * np.asarray(contracts, dtype=np.float64)

    def largest(self, base: ArrayLike, units: ArrayLike) -> Floats:
        """Size with ``size · rate = units``."""
        return _ratio(units, base)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqrtAddon:
    """``max(f, 0.8 f + c sqrt(|q|))``: replaces the rate once a position is large.

    Parameters
    ----------
    coefficient : float
        c [per square root of a contract].

    References
    ----------
    Drift Protocol v2, size premium of the liability weight (`imf_factor`).

    Examples
    --------
    >>> SqrtAddon(coefficient=0.002).rate(0.05, [1.0, 100.0, 10_000.0]).round(12).tolist()
    [0.05, 0.06, 0.24]
    """

    method: Literal["sqrt"] = "sqrt"
    coefficient: Annotated[float, Ge(0)]
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def rate(self, base: ArrayLike, contracts: ArrayLike) -> Floats:
        """Rate of a position of this many contracts."""
        flat = np.asarray(base, dtype=np.float64)
        with np.errstate(over="ignore"):  # an infinite rate is cut to its cap
            steep: Floats = 0.8 * flat + self.coefficient * np.sqrt(np.abs(contracts))
        return np.maximum(flat, steep)

    def largest(self, base: ArrayLike, units: ArrayLike) -> Floats:
        """Size with ``size · rate(size) = units``: flat part, or root of ``c x³ + 0.8 f x² = units``, x = √size.

        Notes
        -----
        The cubic is convex and rising, and the start lies above its root, so Newton's method falls to it.
        """
        budget: Floats
        base, budget = np.broadcast_arrays(np.asarray(base, dtype=np.float64), np.asarray(units, dtype=np.float64))
        flat = _ratio(budget, base)
        if self.coefficient == 0.0:
            return flat
        c, a = self.coefficient, 0.8 * base
        x = np.minimum(np.sqrt(flat), np.cbrt(budget) / np.cbrt(c))
        for _ in range(NEWTON_STEPS):
            slope = np.where(x > 0.0, x * (3.0 * c * x + 2.0 * a), 1.0)
            step = (x * x * (c * x + a) - budget) / slope
            x = np.maximum(x - step, 0.0)
            if not np.any(np.abs(step) > RELATIVE_STEP * x):
                break
        return np.where(c * np.sqrt(flat) <= 0.2 * base, flat, x * x)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearAddon:
    """``f + c |q|``: added to the rate.

    Parameters
    ----------
    per_contract : float
        c [per contract].

    References
    ----------
    Synthetix v2 perpetuals: premium linear in size over the skew scale.
    """

    method: Literal["linear"] = "linear"
    per_contract: Annotated[float, Gt(0)]
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def rate(self, base: ArrayLike, contracts: ArrayLike) -> Floats:
        """Rate of a position of this many contracts."""
        with np.errstate(over="ignore"):  # an infinite rate is cut to its cap
            return np.asarray(base, dtype=np.float64) + self.per_contract * np.abs(contracts)

    def largest(self, base: ArrayLike, units: ArrayLike) -> Floats:
        """Size with ``size · rate(size) = units``: positive root of ``c q² + f q − units``, free of cancellation."""
        base, units = np.asarray(base, dtype=np.float64), np.asarray(units, dtype=np.float64)
        return _ratio(2.0 * units, base + np.sqrt(base * base + 4.0 * self.per_contract * units))


SizeAddon = NoAddon | SqrtAddon | LinearAddon
"""Every size add-on; adding one is one class and one name here."""


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Quotient; 0 over anything is 0, anything over 0 is infinite."""
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    unbounded = np.where(top == 0.0, 0.0, np.inf)
    return np.where(bottom == 0.0, unbounded, top / np.where(bottom == 0.0, 1.0, bottom))
