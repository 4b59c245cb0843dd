"""Damping: how much of an increase is made in one decision. Reductions are always made at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Floats, Trail
from services.sizing.columns import SizingColumns
from services.sizing.overlay import grown

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoDamping:
    """Increase at once."""

    method: Literal["none"] = "none"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def share(self, columns: SizingColumns, wanted: Floats) -> Floats | float:
        """Part of each increase that is made now, in [0, 1]."""
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFraction:
    """Make a fraction of the increase in each decision.

    Parameters
    ----------
    fraction : float
        Part of the gap between position and larger target.
    """

    method: Literal["gap_fraction"] = "gap_fraction"
    fraction: Annotated[float, Gt(0), Le(1)] = 0.5

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def share(self, columns: SizingColumns, wanted: Floats) -> Floats | float:
        """Part of each increase that is made now, in [0, 1]."""
        return self.fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightStep:
    """Grow each row by at most a weight in each decision.

    Parameters
    ----------
    step : float
        Largest increase of |notional| over equity.

    References
    ----------
    bt ``algos.LimitDeltas``, which slows reductions down too.
    """

    method: Literal["weight_step"] = "weight_step"
    step: Annotated[float, Gt(0), Le(100)]

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def share(self, columns: SizingColumns, wanted: Floats) -> Floats | float:
        """Part of each increase that is made now, in [0, 1]."""
        same = np.sign(wanted) * np.sign(columns.current) >= 0.0
        added = np.abs(wanted) - np.where(same, np.abs(columns.current), 0.0)
        most = self.step * columns.equity / columns.unit_value
        part: Floats = most / np.maximum(added, most)
        return part


Damping = NoDamping | GapFraction | WeightStep


def damp(trail: Trail, columns: SizingColumns, damping: Damping) -> None:
    """Limit increases, as a stage of the explanation."""
    if isinstance(damping, NoDamping):
        return
    after = grown(columns.current, trail.value, damping.share(columns, trail.value))
    changed = columns.sizable & (after != trail.value)
    if changed.any():
        after = trail.value + changed * (after - trail.value)
        trail.apply("damping", after, "damping", bound=changed)
