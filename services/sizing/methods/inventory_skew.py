"""Inventory skew: how much of its quotes a market maker shows on each side, and how much inventory it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Bools, Floats, Trail
from services.sizing.abilities import Skew
from services.sizing.columns import SizingColumns
from services.sizing.interface import as_held


@dataclass(frozen=True, slots=True, kw_only=True)
class InventorySkew:
    r"""Multipliers of quoted sizes that bring the inventory back to its target; inventory beyond a range is cut.

    With inventory value B, target T and half range R: the bid falls from 2 at ``max(T − R, 0)`` over 1 at T to 0 at
    ``T + R``, the ask is 2 less the bid. A short inventory is its mirror. Every one of n rows has 1/n of the equity.
    The target position is what is held while it lies within ``T ± R``, where quotes do the work; beyond, the nearer
    end of the range.

    Parameters
    ----------
    target_weight : float
        T over the row's equity at direction 1: of a spot pair, the share of the base asset [fraction].
    half_range : float
        R over the row's equity [fraction]; hummingbot's `base_range` × price over the value of the pair.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    `targets[].quote_skew` holds the multipliers for the position as it is, open orders left out. It says nothing about
    spread or price. The formula has no target of 0: for an inventory around nothing, a direction of 0 is flat.

    References
    ----------
    hummingbot ``strategy/pure_market_making/inventory_skew_calculator`` (2018–2025).
    """

    method: Literal["inventory_skew"] = "inventory_skew"
    target_weight: Annotated[float, Gt(0), Le(1)] = 0.5
    half_range: Annotated[float, Gt(0), Le(0.5)] = 0.25
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"price"})
    uses_evidence: ClassVar[bool] = False
    tied: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Target weight at direction 1."""
        return np.full(columns.current.shape, self.target_weight / count)

    def size_instruments(self, columns: SizingColumns, resized: Bools) -> Trail:
        """What is held, brought into the range around the target."""
        trail = Trail(np.where(resized, 0.0, columns.current))
        side, share = np.sign(columns.direction), 1.0 / columns.live_count
        whole = side * columns.equity / columns.unit_value
        trail.apply("equity", np.where(resized, whole, trail.value), columns.equity_parameter)
        trail.multiply("direction", np.where(resized, np.abs(columns.direction), 1.0), "signals.direction")
        trail.multiply("share", np.where(resized, share, 1.0), "signals")
        trail.multiply("target_weight", np.where(resized, self.target_weight, 1.0), "sizing.target_weight")
        half = self.half_range * share * columns.equity / columns.unit_value
        target, held = np.abs(trail.value), side * (columns.current + columns.collateral)
        kept = side * np.clip(held, np.maximum(target - half, 0.0), target + half)
        trail.apply("inventory_range", np.where(resized & (side != 0.0), kept, trail.value), "sizing.half_range")
        return trail

    def size_book(self, columns: SizingColumns, resized: Bools) -> Trail:
        """The same, on the sides that are held."""
        return self.size_instruments(as_held(columns, resized), resized)

    def quote_skew(self, columns: SizingColumns, contracts: Floats) -> Skew:
        """Multipliers for an inventory of `contracts`; NaN where no target is known."""
        rows = columns.sizable & (columns.live if columns.live.any() else contracts + columns.collateral != 0.0)
        seen = columns if columns.live.any() else as_held(columns, rows)
        asked = np.flatnonzero(rows & seen.primary & (seen.direction != 0.0))
        bid, ask = np.full(contracts.shape, np.nan), np.full(contracts.shape, np.nan)
        total = columns.equity / seen.live_count
        value = (contracts + columns.collateral) * columns.unit_value
        for row in asked.tolist():
            direction, long = abs(float(seen.direction[row])), float(seen.direction[row]) > 0.0
            target = total * self.target_weight * direction
            pair = quote_multipliers(float(value[row]) * (1 if long else -1), total, target, total * self.half_range)
            bid[row], ask[row] = pair if long else pair[::-1]
        return Skew(bid, ask)

    def max_gross(self) -> float | None:
        """No limit of its own."""
        return None

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """No row is refused."""
        return {}


def quote_multipliers(inventory: float, total: float, target: float, half_range: float) -> tuple[float, float]:
    """Multipliers of bid and ask size, in [0, 2], together 2.

    Parameters
    ----------
    inventory : float
        B, value of the base asset held [account currency].
    total : float
        Value of base and quote asset together [account currency]; at most half of it is the half range.
    target : float
        T [account currency].
    half_range : float
        R [account currency].

    Returns
    -------
    tuple of float
        Bid and ask; (0, 0) where there is nothing to quote with.

    Examples
    --------
    >>> quote_multipliers(50.0, 100.0, 50.0, 20.0), quote_multipliers(60.0, 100.0, 50.0, 20.0)
    ((1.0, 1.0), (0.5, 1.5))
    """
    half = min(half_range, total / 2.0)
    if total <= 0.0 or half <= 0.0:
        return 0.0, 0.0
    least = max(target - half, 0.0)
    if inventory < target:
        bid = float(np.interp(inventory, [least, target], [2.0, 1.0]))
    else:
        bid = float(np.interp(inventory, [target, target + half], [1.0, 0.0]))
    return bid, 2.0 - bid
