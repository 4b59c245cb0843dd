"""Statements about a policy: what they say, when a box proves them, and when points refute them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le

from services.engine import Policy
from services.margin.assembly import CAP_LONG
from services.verification.model import (
    Box,
    maintenance_over,
    maintenance_rate,
    never_grows,
    reads_tier,
    size_over,
)
from services.verification.probe import Point, weight_at
from services.verification.terms import constant

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}
SLACK = 1e-7
"""Relative room for the eight decimals of a lot in the engine's figures."""
RATE_STEPS = 16
"""Ranges of a margin rate that no volatility says, each a fifth wider than the last."""


class Violation(NamedTuple):
    """Points at which the engine itself breaks a statement, with their figures, and in words how.

    The figures are sizes over equity unless `figure` says otherwise.
    """

    points: tuple[Point, ...]
    weights: tuple[float, ...]
    detail: str
    figure: Literal["weight", "initial_margin_rate"] = "weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverageCap:
    """|size| over equity is never above a cap.

    Parameters
    ----------
    cap : float, optional
        Gross leverage; by default `limits.max_leverage` of the policy.
    """

    method: Literal["leverage_cap"] = "leverage_cap"
    cap: Annotated[float, Gt(0), Le(1000)] | None = None

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def _cap(self, policy: Policy) -> float:
        return self.cap if self.cap is not None else policy.limits.max_leverage

    def says_nothing(self, boxes: Sequence[Box]) -> str:
        """Why it holds over the boxes without saying anything; empty where it says something."""
        return ""

    def proved(self, policy: Policy, box: Box) -> bool:
        """Whether it holds everywhere in a box."""
        return size_over(policy, box).high <= self._cap(policy) * (1.0 + 1e-12)

    def refuted(self, policy: Policy, points: Sequence[Point]) -> Violation | None:
        """A violation among points, if any."""
        cap = self._cap(policy)
        for point, weight in _weights(policy, points):
            if abs(weight) > cap * (1.0 + SLACK):
                return Violation((point,), (weight,), f"leverage {abs(weight):.6g} is above {cap:.6g}")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class NonIncreasing:
    """|size| does not grow when one input grows and the others stand still.

    Parameters
    ----------
    variable : {"volatility", "drawdown"}
        The input.
    """

    method: Literal["non_increasing"] = "non_increasing"
    variable: Literal["volatility", "drawdown"] = "volatility"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def says_nothing(self, boxes: Sequence[Box]) -> str:
        """Why it holds over the boxes without saying anything; empty where it says something."""
        wide = any(low < high for low, high in (getattr(box, self.variable) for box in boxes))
        return "" if wide else f"ranges.{self.variable} holds one value: nothing can be compared"

    def proved(self, policy: Policy, box: Box) -> bool:
        """Whether it holds everywhere in a box."""
        return self.variable not in size_over(policy, box).rises

    def refuted(self, policy: Policy, points: Sequence[Point]) -> Violation | None:
        """A pair of points that differ in the one input alone and whose sizes grow with it."""
        return _growth_along(policy, points, self.variable, 1.0 if self.variable == "volatility" else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SolventAfterShock:
    r"""After an adverse move the equity still covers the maintenance margin: ``|w| (s + (1 − s) m(σ)) <= 1``.

    Parameters
    ----------
    shock : float
        s, fall of the price of a long [fraction]; m is the maintenance rate before it.
    """

    method: Literal["solvent_after_shock"] = "solvent_after_shock"
    shock: Annotated[float, Gt(0), Le(1)] = 0.2

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def _use(self, policy: Policy, volatility: float) -> float:
        return self.shock + (1.0 - self.shock) * maintenance_rate(policy, volatility)

    def says_nothing(self, boxes: Sequence[Box]) -> str:
        """Why it holds over the boxes without saying anything; empty where it says something."""
        return ""

    def proved(self, policy: Policy, box: Box) -> bool:
        """Whether it holds everywhere in a box."""
        if self._holds(policy, box):
            return True
        if policy.margin.follows_volatility:
            return False
        # A high rate means a small position: the one is bound with the other, in narrow ranges of the rate.
        edges = np.geomspace(policy.margin.floor, CAP_LONG, RATE_STEPS + 1).tolist()
        return all(self._holds(policy, replace(box, margin_rate=ends)) for ends in pairwise(edges))

    def _holds(self, policy: Policy, box: Box) -> bool:
        use = constant(self.shock) + constant(1.0 - self.shock) * maintenance_over(policy, box)
        return (size_over(policy, box) * use).high <= 1.0

    def refuted(self, policy: Policy, points: Sequence[Point]) -> Violation | None:
        """A violation among points, if any."""
        for point, weight in _weights(policy, points):
            use = abs(weight) * self._use(policy, point.volatility)
            if weight > 0.0 and use > 1.0 + SLACK:
                text = f"losses and maintenance margin at a fall of {self.shock:.4g} are {use:.6g} of the equity"
                return Violation((point,), (weight,), text)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverIncreases:
    """From a breaker tier on, no position is increased.

    Parameters
    ----------
    from_tier : int
        First tier for which it must hold.
    """

    method: Literal["never_increases"] = "never_increases"
    from_tier: Annotated[int, Ge(0), Le(4)] = 3

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def says_nothing(self, boxes: Sequence[Box]) -> str:
        """Why it holds over the boxes without saying anything; empty where it says something."""
        reached = any(box.breaker_tier >= self.from_tier for box in boxes)
        return "" if reached else f"ranges.breaker_tiers holds no tier from {self.from_tier} on"

    def proved(self, policy: Policy, box: Box) -> bool:
        """Whether it holds everywhere in a box."""
        if box.breaker_tier < self.from_tier or never_grows(policy, box.breaker_tier):
            return True
        return size_over(policy, box).high <= max(box.current_weight[0], 0.0)

    def refuted(self, policy: Policy, points: Sequence[Point]) -> Violation | None:
        """A violation among points, if any."""
        for point, weight in _weights(policy, [point for point in points if point.breaker_tier >= self.from_tier]):
            held = point.current_weight
            grows = weight * held < 0.0 or abs(weight) > abs(held) * (1.0 + SLACK) + SLACK
            if grows and weight != 0.0:
                text = f"from {held:.6g} to {weight:.6g} of equity in tier {point.breaker_tier}"
                return Violation((point,), (held, weight), text)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TiersShrink:
    """|size| does not grow from one breaker tier to a higher one, all else equal.

    Notes
    -----
    A policy without the overlay `breaker_tier` has the same size in every tier, so that this holds of it too:
    `never_increases` says what the tiers do.
    """

    method: Literal["tiers_shrink"] = "tiers_shrink"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def says_nothing(self, boxes: Sequence[Box]) -> str:
        """Why it holds over the boxes without saying anything; empty where it says something."""
        several = len({box.breaker_tier for box in boxes}) > 1
        return "" if several else "ranges.breaker_tiers holds one tier: nothing can be compared"

    def proved(self, policy: Policy, box: Box) -> bool:
        """Whether it holds everywhere in a box.

        The share of an increase falls from tier to tier, and every stage after it keeps the order of two sizes; a
        buffer around a position does so only where no overlay changes the limit beside it, which is not modelled.
        """
        if not reads_tier(policy):
            return True
        size_over(policy, box)
        return True

    def refuted(self, policy: Policy, points: Sequence[Point]) -> Violation | None:
        """A pair of points that differ in the tier alone and whose sizes grow with it."""
        return _growth_along(policy, points, "breaker_tier", 0)


Property = LeverageCap | NonIncreasing | SolventAfterShock | NeverIncreases | TiersShrink
DEFAULT_PROPERTIES: tuple[Property, ...] = (LeverageCap(), NonIncreasing(), SolventAfterShock(), NeverIncreases())
"""What is checked where nothing is named."""


def _growth_along(
    policy: Policy, points: Sequence[Point], name: Literal["volatility", "drawdown", "breaker_tier"], base: float
) -> Violation | None:
    """Two points that differ in one input alone and whose sizes grow with it."""
    groups: dict[Point, list[tuple[Point, float]]] = {}
    change: dict[str, Any] = {name: base}
    for point, weight in _weights(policy, points):
        groups.setdefault(replace(point, **change), []).append((point, weight))
    for found in groups.values():
        ordered = sorted(found, key=lambda item: float(getattr(item[0], name)))
        for (low, before), (high, after) in pairwise(ordered):
            if abs(after) > abs(before) * (1.0 + SLACK) + SLACK:
                text = f"size {abs(before):.6g} at {name} {getattr(low, name):.6g}, "
                text += f"{abs(after):.6g} at {getattr(high, name):.6g}"
                return Violation((low, high), (before, after), text)
    return None


def _weights(policy: Policy, points: Sequence[Point]) -> list[tuple[Point, float]]:
    found = ((point, weight_at(policy, point)) for point in points)
    return [(point, weight) for point, weight in found if weight is not None]
