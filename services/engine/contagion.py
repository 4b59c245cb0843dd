"""Distress of the venues of one decision: how far it tightens margin, haircuts and increases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.core.control import ContagionState, Control
from services.core.explain import Bools, Floats, Trail
from services.core.market_conditions import VenueCondition
from services.engine.inputs import EvaluationInputs
from services.risk.contagion import Distress
from services.risk.tightening import ContagionPolicy
from services.sizing.columns import SizingColumns
from services.sizing.overlay import grown


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTightening:
    """Tightening of one venue.

    Parameters
    ----------
    multiplier, previous : float
        On margin rates and haircuts, now and before, >= 1.
    distress : float, optional
        The larger of what was given and what is seen; None where neither is known: nothing is loosened.
    given : float, optional
    seen : Distress, optional
        Of its metrics, with the share of their weights that is known.
    remembered : bool
        Whether `previous` comes from the control state.
    """

    multiplier: float
    previous: float
    distress: float | None
    given: float | None
    seen: Distress | None
    remembered: bool

    @property
    def known(self) -> bool:
        """Whether anything has ever been known of it."""
        return self.distress is not None or self.remembered


@dataclass(frozen=True, slots=True)
class Tightening:
    """Tightening by venue, and of each row: multiplier on margin, and on increases (0: nothing is known)."""

    venues: dict[str, VenueTightening]
    rows: Floats
    growth: Floats

    def at(self, venue: str | None) -> float:
        """Multiplier of a venue; the largest of all for one that is not named, or of which nothing is known."""
        found = self.venues.get(venue or "")
        if found is not None and found.known:
            return found.multiplier
        return max((item.multiplier for item in self.venues.values()), default=1.0)

    def states(self, as_of: datetime, before: dict[str, ContagionState]) -> dict[str, ContagionState]:
        """What the next decision should remember; time never runs backwards, and a silence after calm is forgotten."""
        kept = {name: item for name, item in self.venues.items() if item.distress is not None or item.multiplier > 1.0}
        moments = {name: max(as_of, before[name].as_of) if name in before else as_of for name in kept}
        return {name: ContagionState(item.multiplier, moments[name]) for name, item in kept.items()}


def tightening_of(inputs: EvaluationInputs) -> Tightening | None:
    """Tightening of this decision; None under a policy without contagion.

    Notes
    -----
    Venues are those of the request and those remembered. One of which nothing is known now keeps its multiplier, and
    its time starts again; one of which nothing was ever known allows no increase, and takes the largest multiplier.
    """
    rules = inputs.policy.contagion
    if rules is None:
        return None
    before = (inputs.control or Control()).contagion
    names = dict.fromkeys((*inputs.conditions.venues, *before))
    venues = {
        name: _venue(inputs.conditions.venues.get(name, VenueCondition()), before.get(name), inputs.as_of, rules)
        for name in names
    }
    found = Tightening(venues, np.ones(len(inputs.rows)), np.ones(len(inputs.rows)))
    places = [row.venue or row.instrument.venue for row in inputs.rows]
    rows = np.array([found.at(place) for place in places], dtype=float)
    known = np.array([place in venues and venues[place or ""].known for place in places], dtype=bool)
    return Tightening(venues, rows, np.where(known, 1.0 / rows, 0.0))


def _venue(
    now: VenueCondition, before: ContagionState | None, as_of: datetime, rules: ContagionPolicy
) -> VenueTightening:
    seen = rules.distress.distress(now.metrics) if now.metrics is not None else None
    parts = [part for part in (now.distress, seen.value if seen is not None else None) if part is not None]
    distress = max(parts, default=None)
    previous = before.multiplier if before is not None else 1.0
    steps = rules.steps((as_of - before.as_of).total_seconds()) if before is not None else 1.0
    return VenueTightening(
        multiplier=rules.tightening.multiplier(distress, previous, steps=steps),
        previous=previous,
        distress=distress,
        given=now.distress,
        seen=seen,
        remembered=before is not None,
    )


def apply_contagion(trail: Trail, columns: SizingColumns, tightening: Tightening) -> Bools:
    """Increases at venues in distress, multiplied by 1 over the multiplier of margin: one stage `contagion`.

    Returns
    -------
    Rows that no increase is allowed of, because nothing is known of their venue.

    Notes
    -----
    Reductions pass whole, so that a position is never closed for distress alone: the margin does that. A position that
    is decided on again and again approaches its target by the same share of what is left each time.
    """
    value = np.where(columns.sizable, grown(columns.current, trail.value, tightening.growth), trail.value)
    trail.bind("contagion", value, "policy.contagion")
    barred: Bools = tightening.growth == 0.0
    return barred
