"""Rounding of the whole book at once: for accounts in which a lot is a large part of a position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le

from services.core.decimals import SNAP
from services.core.explain import Bools, Floats, Trail
from services.sizing.buffers import Standing
from services.sizing.columns import SizingColumns

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}
LOTS_BELOW = 2.0
"""Lots below its whole size at which a row starts: what is further down is hardly ever worth leaving out."""
MOST_STEPS = 5_000
"""Lots that are added one by one at most: with more of them a lot is small, and each row may round alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EachRounding:
    """Round every row toward zero, alone: no position is ever larger than its unrounded size."""

    method: Literal["each"] = "each"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG


@dataclass(frozen=True, slots=True, kw_only=True)
class JointRounding:
    r"""Whole lots whose book tracks the unrounded one best, never with more risk or exposure than it.

    Greedy: start below, add the lot that lowers ``sqrt(d'Σd) + s · Σ c_i |w_i − w_i⁰|`` most (d: gap to the unrounded
    weights, w⁰: weights held, c: cost over notional), until none does. A lot that would raise the volatility or the
    gross exposure of the book above that of the unrounded one, or a row above a limit, is not a candidate.

    Parameters
    ----------
    shadow_cost : float
        s: how many times a cost counts against a year of tracking error.

    Notes
    -----
    A single row may be rounded up by less than a lot: rounding each toward zero leaves small accounts with no position
    at all. Where the start has more risk than the unrounded book, because hedges shrink unevenly, it is zero; a book of
    more than 5,000 lots is then left to rounding each. Minimum orders come after it. Where a cost is unknown it counts
    nothing. O(lots · rows), three lots a row.

    References
    ----------
    Carver, pysystemtrade ``dynamic_small_system_optimise``: greedy from zero, shadow cost 10 to 50.
    """

    method: Literal["joint"] = "joint"
    shadow_cost: Annotated[float, Ge(0), Le(1000)] = 10.0

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG


Rounding = EachRounding | JointRounding


def round_jointly(trail: Trail, standing: Standing, lots: Floats, free: Bools, rule: JointRounding) -> None:
    """Replace the sizes of the `free` rows by whole lots, as a stage of the explanation.

    Parameters
    ----------
    lots : (n,) array
        Lot of each row [contracts].
    free : (n,) bool array
        Rows that may be rounded; the others stay as they are.
    """
    chosen = free & (trail.value != 0.0)
    if not chosen.any():
        return
    found = joint_lots(trail.value, standing, lots, chosen, _ceiling(trail), rule.shadow_cost)
    if not np.array_equal(found, trail.value):
        trail.apply("joint_rounding", found, "rounding.shadow_cost")


def _ceiling(trail: Trail) -> Floats:
    allowed = np.full(trail.value.shape, np.inf)
    for _, _, limit in trail.limits:
        allowed = np.minimum(allowed, limit)
    return allowed


def joint_lots(
    optimal: Floats, standing: Standing, lots: Floats, free: Bools, allowed: Floats, shadow_cost: float
) -> Floats:
    """Whole lots of the free rows by the greedy rule of `JointRounding` [signed contracts]."""
    columns = standing.columns
    side, size = np.sign(optimal), np.abs(optimal) / lots
    per_lot = np.where(free, lots * columns.unit_value / columns.equity, 0.0)
    most = np.minimum(np.ceil(size - SNAP), np.floor(allowed / lots + SNAP))
    count = np.where(free, np.maximum(np.minimum(np.floor(size + SNAP), most) - LOTS_BELOW, 0.0), 0.0)
    rest = columns.weights(np.where(free, 0.0, optimal) + columns.collateral) + columns.delta_weight
    most_risk = columns.portfolio_volatility(rest + side * size * per_lot) * (1.0 + SNAP)
    most_gross = float(size @ per_lot) * (1.0 + SNAP)
    if columns.portfolio_volatility(rest + side * count * per_lot) > most_risk:
        count = np.zeros(count.shape)
        if float(most[free].sum()) > MOST_STEPS:
            return optimal
    cost = np.nan_to_num(standing.cost, nan=0.0) * shadow_cost * per_lot
    held = np.where(np.sign(standing.expected) == side, np.abs(standing.expected) / lots, 0.0)
    while True:
        change = _error_change(columns, side * (count - size) * per_lot, side * per_lot)
        change += cost * (np.abs(count + 1.0 - held) - np.abs(count - held))
        best = int(np.argmin(np.where(free & (count < most), change, np.inf)))
        if not (free[best] and count[best] < most[best] and change[best] < 0.0):
            return np.where(free, side * count * lots, optimal)
        count[best] += 1.0
        risky = columns.portfolio_volatility(rest + side * count * per_lot) > most_risk
        if risky or float(count @ per_lot) > most_gross:
            count[best] -= 1.0
            most[best] = count[best]


def _error_change(columns: SizingColumns, gap: Floats, lot: Floats) -> Floats:
    """Change of the tracking error of `gap` when one lot is added to each row in turn [annual]."""
    risk, step = gap * columns.volatility, lot * columns.volatility
    if columns.correlation is None:
        undiversified: Floats = np.abs(risk + step) - np.abs(risk)
        return undiversified
    pull = columns.correlation @ risk
    square = max(float(risk @ pull), 0.0)
    after: Floats = np.sqrt(np.maximum(square + 2.0 * step * pull + step**2, 0.0)) - square**0.5
    return after
