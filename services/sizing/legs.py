"""Rows that belong together: legs of one exposure, and one exposure over several venues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le, MaxLen, MinLen

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats, Trail
from services.sizing.columns import SizingColumns
from services.sizing.interface import evidence_of

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSplit:
    """Every row is an instrument of its own."""

    method: Literal["none"] = "none"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def shares(self, columns: SizingColumns, rows: Sequence[int]) -> Floats:
        """Not asked for."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualSplit:
    """Size each underlying once, then split its notional equally over its rows."""

    method: Literal["equal"] = "equal"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def shares(self, columns: SizingColumns, rows: Sequence[int]) -> Floats:
        """Part of each of the rows, Σ = 1."""
        return np.full(len(rows), 1.0 / len(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSplit:
    """Size each underlying once, then split it as it is held; equally where nothing is."""

    method: Literal["held"] = "held"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def shares(self, columns: SizingColumns, rows: Sequence[int]) -> Floats:
        """Part of each of the rows, Σ = 1."""
        held = np.abs(columns.current[list(rows)] * columns.unit_value[list(rows)])
        total = float(held.sum())
        return held / total if total > 0.0 else np.full(len(rows), 1.0 / len(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueShare:
    """Part of one venue, relative to the others.

    Parameters
    ----------
    venue : str
        As in positions[].venue.
    share : float
        Relative weight.
    """

    venue: str
    share: Annotated[float, Ge(0), Le(1e6)]

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueSplit:
    """Size each underlying once, then split it over venues by given shares.

    Parameters
    ----------
    shares_by_venue : tuple of VenueShare
        A venue that is not named gets nothing; where no venue of an underlying is named, it is split equally.
    """

    method: Literal["venues"] = "venues"
    shares_by_venue: Annotated[tuple[VenueShare, ...], MinLen(1), MaxLen(50)]

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def __post_init__(self) -> None:
        venues = [item.venue for item in self.shares_by_venue]
        if len(set(venues)) < len(venues):
            raise InvalidInput("shares_by_venue", "must name each venue once", venues)

    def shares(self, columns: SizingColumns, rows: Sequence[int]) -> Floats:
        """Part of each of the rows, Σ = 1."""
        venues, given = evidence_of(columns).venue, {item.venue: item.share for item in self.shares_by_venue}
        asked = np.array([given.get(venues[row] or "", 0.0) for row in rows])
        total = float(asked.sum())
        return asked / total if total > 0.0 else np.full(len(rows), 1.0 / len(rows))


Split = NoSplit | EqualSplit | HeldSplit | VenueSplit


def groups_of(columns: SizingColumns, rows: Bools) -> list[list[int]]:
    """Rows among `rows` by underlying, options left out."""
    evidence, found = evidence_of(columns), dict[str, list[int]]()
    for row in np.flatnonzero(rows & ~evidence.option).tolist():
        found.setdefault(evidence.underlying[row], []).append(row)
    return list(found.values())


def merged(columns: SizingColumns, resized: Bools) -> SizingColumns:
    """The book with one row for each underlying: the others have no direction and take no share of the risk."""
    first = np.ones(columns.current.shape, dtype=bool)
    for rows in groups_of(columns, resized):
        lead = max(rows, key=lambda row: abs(columns.direction[row]))
        first[[row for row in rows if row != lead]] = False
    direction = np.where(first, columns.direction, 0.0)
    return replace(columns, direction=direction, primary=columns.primary & first)


def split_rows(trail: Trail, columns: SizingColumns, resized: Bools, split: Split) -> None:
    """Split the notional of each underlying over its rows, as a stage of the explanation."""
    after = trail.value.copy()
    for rows in groups_of(columns, resized):
        total = float((trail.value[rows] * columns.unit_value[rows]).sum())
        after[rows] = total * split.shares(columns, rows) / columns.unit_value[rows]
    if not np.array_equal(after, trail.value):
        trail.apply("split", after, f"split.{split.method}")


def tie_legs(trail: Trail, columns: SizingColumns) -> None:
    """Bring the legs of each underlying to the base delta of the smallest: what one leg may not do, none does.

    Only ever reduces; a leg without a partner is flat.
    """
    evidence, after = evidence_of(columns), trail.value.copy()
    for rows in groups_of(columns, columns.sizable | (columns.current != 0.0)):
        base = trail.value[rows] * evidence.delta[rows]
        long, short = float(base[base > 0.0].sum()), float(-base[base < 0.0].sum())
        least = min(long, short)
        ratio = np.where(base > 0.0, least / long if long else 0.0, least / short if short else 0.0)
        after[rows] = np.where(columns.sizable[rows], trail.value[rows] * ratio, trail.value[rows])
    bound = after != trail.value
    if bound.any():
        trail.apply("tied_legs", after, "sizing.method", bound=bound)
