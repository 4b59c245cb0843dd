"""Statements about a policy: what they say, when a box proves them, and when points refute them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from annotated_types import Ge, Gt, Le

from services.engine import Policy
from services.verification.model import Box, maintenance_rate, size_over
from services.verification.probe import Point, weight_at
from services.verification.terms import variable

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}
SLACK = 1e-7
"""Relative room for the eight decimals of a lot in the engine's figures."""


class Violation(NamedTuple):
    """Points at which the engine itself breaks a statement, with their sizes over equity, and in words how."""

    points: tuple[Point, ...]
    weights: tuple[float, ...]
    detail: str


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

    def proved(self, policy: Policy, box: Box) -> bool:
        """Whether it holds everywhere in a box."""
        return self.variable not in size_over(policy, box).rises

    def refuted(self, policy: Policy, points: Sequence[Point]) -> Violation | None:
        """A pair of points that differ in the one input alone and whose sizes grow with it."""
        groups: dict[Point, list[tuple[Point, float]]] = {}
        for point, weight in _weights(policy, points):
            key = replace(point, volatility=1.0) if self.variable == "volatility" else replace(point, drawdown=0.0)
            groups.setdefault(key, []).append((point, weight))
        for found in groups.values():
            ordered = sorted(found, key=lambda item: getattr(item[0], self.variable))
            for (low, before), (high, after) in pairwise(ordered):
                if abs(after) > abs(before) * (1.0 + SLACK) + SLACK:
                    text = f"size {abs(before):.6g} at {self.variable} {getattr(low, self.variable):.6g}, "
                    text += f"{abs(after):.6g} at {getattr(high, self.variable):.6g}"
                    return Violation((low, high), (before, after), text)
        return None


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

    def proved(self, policy: Policy, box: Box) -> bool:
        """Whether it holds everywhere in a box."""
        use = variable("volatility", *box.volatility).increasing(lambda value: self._use(policy, value))
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

    def proved(self, policy: Policy, box: Box) -> bool:
        """Whether it holds everywhere in a box."""
        if box.breaker_tier < self.from_tier:
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


Property = LeverageCap | NonIncreasing | SolventAfterShock | NeverIncreases


def _weights(policy: Policy, points: Sequence[Point]) -> list[tuple[Point, float]]:
    found = ((point, weight_at(policy, point)) for point in points)
    return [(point, weight) for point, weight in found if weight is not None]
