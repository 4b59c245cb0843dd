"""Ranges of the inputs over which a statement is to hold, and points of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le, MaxLen

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.verification.model import Box
from services.verification.probe import Point

CONTINUOUS = ("volatility", "direction", "current_weight", "drawdown")
GRID, MOST_POINTS = 9, 2_000
"""Points of each range that are tried on the engine, and of all together."""
Volatility = Annotated[float, Gt(0), Le(100)]
Direction = Annotated[float, Ge(0), Le(2)]
Weight = Annotated[float, Ge(-100), Le(100)]
Drawdown = Annotated[float, Ge(0), Le(0.99)]
Tier = Annotated[int, Ge(0), Le(4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Inputs over which a statement is to hold: lowest and highest of each, twice the same for a single value.

    Parameters
    ----------
    volatility : (float, float)
        Of the market [annual].
    direction : (float, float)
        Of the signal; longs stand for both sides.
    current_weight : (float, float)
        Position over equity before the decision; negative: on the other side than the signal.
    drawdown : (float, float)
        Fall of the equity from its high-water mark [fraction].
    breaker_tiers : tuple of int
        Tiers of the circuit breaker, each alone.

    Raises
    ------
    InvalidInput
        If the lowest is above the highest, a tier is named twice, or none is.
    """

    volatility: tuple[Volatility, Volatility] = (0.05, 3.0)
    direction: tuple[Direction, Direction] = (0.0, 1.0)
    current_weight: tuple[Weight, Weight] = (0.0, 0.0)
    drawdown: tuple[Drawdown, Drawdown] = (0.0, 0.0)
    breaker_tiers: Annotated[tuple[Tier, ...], MaxLen(5)] = (0, 1, 2, 3, 4)

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        for name in CONTINUOUS:
            low, high = getattr(self, name)
            if not low <= high:
                raise InvalidInput(f"ranges.{name}", "must be [lowest, highest]", (low, high))
        if not self.breaker_tiers or len(set(self.breaker_tiers)) < len(self.breaker_tiers):
            raise InvalidInput("ranges.breaker_tiers", "must hold at least one tier, each once", self.breaker_tiers)

    def boxes(self) -> list[Box]:
        """One box for each tier."""
        fields = {name: getattr(self, name) for name in CONTINUOUS}
        return [Box(**fields, breaker_tier=tier) for tier in self.breaker_tiers]


def ranges_of(box: Box) -> Ranges:
    """Inverse of `Ranges.boxes`, for one box."""
    return Ranges(**{name: getattr(box, name) for name in CONTINUOUS}, breaker_tiers=(box.breaker_tier,))


def sample(ranges: Ranges, count: int = GRID) -> list[Point]:
    """Grid over the ranges, at most 2,000 points."""
    axes = [_axis(getattr(ranges, name), count, log=name == "volatility") for name in CONTINUOUS]
    while np.prod([len(axis) for axis in axes]) * len(ranges.breaker_tiers) > MOST_POINTS:
        widest = max(axes, key=len)
        axes = [axis[::2] if axis is widest else axis for axis in axes]
    corners = itertools.product(*axes)
    named = [dict(zip(CONTINUOUS, values, strict=True)) for values in corners]
    return [Point(**values, breaker_tier=tier) for values in named for tier in ranges.breaker_tiers]


def _axis(side: tuple[float, float], count: int, *, log: bool) -> list[float]:
    low, high = side
    if low == high:
        return [low]
    spaced: Floats = np.geomspace(low, high, count) if log else np.linspace(low, high, count)
    return [low, *spaced[1:-1].tolist(), high]
