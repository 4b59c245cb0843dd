"""What a sizing method is, and the two shapes that most of them have.

A method sizes the rows that it is given and nothing else: it never rounds, never looks at limits, and leaves every
other row as it is. `RowByRow` methods size each row alone; `Composition` methods share one unit of gross exposure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple, Protocol

import numpy as np

from services.core.explain import Bools, Floats, Trail
from services.sizing.columns import SizingColumns
from services.sizing.evidence import Evidence
from services.sizing.shares import limit_shares


class SizingRule(Protocol):
    """Interface of the members of `services.sizing.registry.SizingMethod`."""

    requires: ClassVar[frozenset[str]]
    """Figures that each row must have before the method runs (`services.sizing.evidence.REQUIREMENTS`)."""
    uses_evidence: ClassVar[bool]
    """Whether `SizingColumns.evidence` must be there."""
    tied: ClassVar[bool]
    """Whether the rows of one underlying are legs that must not be left without one another."""

    def size_instruments(self, columns: SizingColumns, resized: Bools) -> Trail:
        """Trail of rows sized by their directions; rows outside `resized` keep their position."""
        ...

    def size_book(self, columns: SizingColumns, resized: Bools) -> Trail:
        """Trail of a book without signals: sign and composition come from what is held."""
        ...

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight over equity of each row at direction 1, alone in the book or as one of `count`."""
        ...

    def max_gross(self) -> float | None:
        """Gross leverage that the method itself allows; None: no limit of its own."""
        ...

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Rows among `rows` whose figures the method must refuse, and why."""
        ...


class Factor(NamedTuple):
    """One factor of a size: its stage in the explanation, values per row, the parameter that it comes from."""

    stage: str
    values: Floats | float
    parameter: str


def evidence_of(columns: SizingColumns) -> Evidence:
    """Evidence of a book whose method says that it uses some."""
    assert columns.evidence is not None, "methods with uses_evidence are given evidence"
    return columns.evidence


def sized_alone(columns: SizingColumns, resized: Bools, factors: Sequence[Factor]) -> Trail:
    """Rows one by one: equity in contracts, times |direction|, times the factors of the method.

    A direction of 0 is flat whatever the factors are, also where they are unknown.
    """
    trail = Trail(np.where(resized, 0.0, columns.current))
    moving = resized & (columns.direction != 0.0)
    whole = np.sign(columns.direction) * columns.equity / columns.unit_value
    trail.apply("equity", np.where(resized, whole, trail.value), columns.equity_parameter)
    trail.multiply("direction", np.where(resized, np.abs(columns.direction), 1.0), "signals.direction")
    for factor in factors:
        trail.multiply(factor.stage, np.where(moving, factor.values, 1.0), factor.parameter)
    return trail


def as_held(columns: SizingColumns, resized: Bools) -> SizingColumns:
    """The same book with a direction of ±1 on the side that is held, coin collateral included."""
    held = np.sign(np.where(resized, columns.current + columns.collateral, 0.0))
    return replace(columns, direction=held, live=resized & (held != 0.0))


class RowByRow:
    """A method that sizes each row alone: its weight at direction 1 is the product of `factors`."""

    __slots__ = ()
    uses_evidence: ClassVar[bool] = True
    tied: ClassVar[bool] = False

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Factors of the weight, over all rows; NaN where a row lacks what they are made of."""
        raise NotImplementedError

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Product of the factors, over `count`."""
        weight = np.ones(columns.current.shape)
        for factor in self.factors(columns):
            weight = weight * factor.values
        return np.nan_to_num(weight / count, nan=0.0, posinf=0.0, neginf=0.0)

    def size_instruments(self, columns: SizingColumns, resized: Bools) -> Trail:
        """Each row alone, by its direction."""
        return sized_alone(columns, resized, self.factors(columns))

    def size_book(self, columns: SizingColumns, resized: Bools) -> Trail:
        """Each held row alone, on the side that it is on."""
        held = as_held(columns, resized)
        return sized_alone(held, resized, self.factors(held))

    def max_gross(self) -> float | None:
        """No limit of its own."""
        return None

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """No row is refused."""
        return {}


class Composition:
    """A method that shares one unit of gross exposure among its members; scaling makes a size of it.

    The part of a row that cannot be sized for a fault of its data stays unused: no other row is given it.
    """

    __slots__ = ()
    uses_evidence: ClassVar[bool] = False
    tied: ClassVar[bool] = False
    stage: ClassVar[str]
    scope: Literal["book", "instrument"] | None
    max_share: float | None

    def composition(self, columns: SizingColumns, members: Bools) -> Floats:
        """Shares >= 0 of all rows, Σ = 1 over `members` and 0 elsewhere; sides are those of the directions."""
        raise NotImplementedError

    def claims(self, columns: SizingColumns) -> Floats:
        """What each row would have of the whole, up to a factor: it says how much a row that is missing leaves over."""
        return np.ones(columns.current.shape)

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Alone, a row is the whole composition, or as much of it as one row may be."""
        return np.full(columns.current.shape, min(1.0 / count, self.max_share or 1.0))

    def size_instruments(self, columns: SizingColumns, resized: Bools) -> Trail:
        """The composition of full directions, each part times its own |direction|."""
        return self._composed(columns, resized, columns.live & (columns.direction != 0.0))

    def size_book(self, columns: SizingColumns, resized: Bools) -> Trail:
        """The composition of what is held, on the sides that are held."""
        return self._composed(as_held(columns, resized), resized, columns.current != 0.0)

    def _composed(self, columns: SizingColumns, resized: Bools, asked: Bools) -> Trail:
        members = sided_members(columns, resized)
        shares = self.composition(columns.with_events(), members) if members.any() else np.zeros(members.shape)
        trail = Trail(np.where(resized, 0.0, columns.current))
        whole = np.sign(columns.direction) * columns.equity / columns.unit_value
        trail.apply("equity", np.where(resized, whole, trail.value), columns.equity_parameter)
        trail.multiply("direction", np.where(resized, np.abs(columns.direction), 1.0), "signals.direction")
        trail.multiply(self.stage, np.where(resized, shares, 1.0), "sizing")
        if self.max_share is not None:
            limited = limit_shares(shares, self.max_share)
            factor = np.divide(limited, shares, out=np.ones(shares.shape), where=shares > 0.0)
            trail.multiply("max_share", np.where(resized, factor, 1.0), "sizing.max_share")
        missing = asked & columns.primary & (~columns.sizable if columns.faulty is None else columns.faulty)
        claims = np.nan_to_num(self.claims(columns), nan=0.0)
        kept, lost = float(claims[members].sum()), float(claims[missing].sum())
        if kept > 0.0 and lost > 0.0:
            trail.multiply("unsized_rows", np.where(resized, kept / (kept + lost), 1.0), "sizing")
        return trail

    def max_gross(self) -> float | None:
        """No limit of its own."""
        return None

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """No row is refused."""
        return {}


def sided_members(columns: SizingColumns, rows: Bools) -> Bools:
    """Rows among `rows` that have a side, one of each instrument."""
    members: Bools = rows & columns.primary & (columns.direction != 0.0)
    return members


def on_their_sides(columns: SizingColumns, rows: Bools, scope: str | None) -> SizingColumns:
    """The same book with the sides that a method sizes by: those of the signals, or without signals those held."""
    return as_held(columns, rows) if scope == "book" or not columns.live.any() else columns
