"""The explanation of a size: ordered stages, held as columns over all instruments.

A `Trail` carries one array through the stages of the pipeline and remembers each change. Columns keep the hot path
vectorised; a row is turned into `Step` records only when somebody wants to read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Step(NamedTuple):
    """One stage of one instrument: the value before and after, and what it was multiplied by or bound by."""

    stage: str
    before: float
    after: float
    parameter: str
    factor: float | None
    bound: bool


class Limit(NamedTuple):
    """A limit that was looked at: the largest |contracts| it allows and the slack that the target leaves."""

    stage: str
    parameter: str
    allowed: float


@dataclass(frozen=True, slots=True)
class StageColumn:
    """One stage over all rows; `bound` marks the rows that a rule (not a factor of the method) changed."""

    stage: str
    parameter: str
    before: Floats
    after: Floats
    bound: Bools | None = None


@dataclass(slots=True)
class Trail:
    """A value per instrument [signed contracts] and the stages that made it.

    The `before` of each stage is the `after` of the one before it, exactly: both are the same array.
    """

    value: Floats
    stages: list[StageColumn] = field(default_factory=list)
    limits: list[tuple[str, str, Floats]] = field(default_factory=list)

    def apply(self, stage: str, after: Floats, parameter: str, *, bound: Bools | None = None) -> None:
        """Replace the value by `after`."""
        self.stages.append(StageColumn(stage, parameter, self.value, after, bound))
        self.value = after

    def multiply(self, stage: str, factor: Floats | float, parameter: str) -> None:
        """Multiply by a factor that belongs to the method."""
        self.apply(stage, self.value * factor, parameter)

    def cap(self, stage: str, allowed: Floats, parameter: str) -> None:
        """Bound |value| by `allowed` and keep the limit for `binding`."""
        size = np.abs(self.value)
        bound = size > allowed
        self.limits.append((stage, parameter, allowed))
        if bound.any():
            self.apply(stage, np.where(bound, np.copysign(allowed, self.value), self.value), parameter, bound=bound)

    def bind(self, stage: str, after: Floats, parameter: str) -> None:
        """Replace the value by what a rule allows of it, and keep that for `binding` of the rows that it changes."""
        bound = after != self.value
        if bound.any():
            self.limits.append((stage, parameter, np.where(bound, np.abs(after), np.inf)))
            self.apply(stage, after, parameter, bound=bound)

    def bound_mask(self) -> Bools:
        """Rows that any rule has cut so far."""
        mask = np.zeros(self.value.shape, dtype=bool)
        for column in self.stages:
            if column.bound is not None:
                mask |= column.bound
        return mask

    def steps(self, row: int) -> list[Step]:
        """Stages that changed this row, in order."""
        steps = []
        for column in self.stages:
            before, after = float(column.before[row]), float(column.after[row])
            bound = column.bound is not None and bool(column.bound[row])
            if before != after or bound:
                steps.append(
                    Step(column.stage, before, after, column.parameter, after / before if before else None, bound)
                )
        return steps

    def row_limits(self, row: int) -> list[Limit]:
        """Limits of this row, tightest first."""
        limits = [Limit(stage, parameter, float(allowed[row])) for stage, parameter, allowed in self.limits]
        return sorted((limit for limit in limits if limit.allowed < np.inf), key=lambda limit: limit.allowed)
