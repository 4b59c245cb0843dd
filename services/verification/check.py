"""Prove or refute a statement over ranges: split boxes until each is proved, or the engine breaks it at a point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from services.engine import Policy
from services.sizing.buffers import Buffer, NoBuffer, PositionBuffer
from services.verification.model import (
    Box,
    Branch,
    Unmodelled,
    ceiling_branches,
    increase_share,
    initial_rate,
    never_cheaper,
    rate_over,
    size_branches,
    size_over,
)
from services.verification.probe import Point, weight_at
from services.verification.properties import SLACK, Property, Violation
from services.verification.ranges import CONTINUOUS, Ranges, ranges_of, sample

MOST_INSIDE = 500
"""Points inside boxes that could not be proved which are tried on the engine."""
Verdict = Literal["proved", "refuted", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of a statement.

    Parameters
    ----------
    verdict : {"proved", "refuted", "unknown"}
        `unknown`: neither a proof nor a violation was found; `detail` says what is missing.
    boxes : int
        Boxes that were looked at.
    points : int
        Points that the engine decided.
    violation : Violation, optional
        Where `refuted`.
    """

    verdict: Verdict
    detail: str
    boxes: int
    points: int
    violation: Violation | None = None


def check(policy: Policy, statement: Property, ranges: Ranges, *, most_boxes: int = 4_000) -> Finding:
    """Verdict on one statement.

    Parameters
    ----------
    most_boxes : int
        Boxes after which it is given up as unknown.

    Notes
    -----
    Points are tried first: a counterexample is cheaper than a proof. Cost: O(boxes), some 0.1 ms each.
    """
    if missing_range := statement.says_nothing(ranges.boxes()):
        return Finding(verdict="unknown", detail=missing_range, boxes=0, points=0)
    points = sample(ranges)
    violation, tried = statement.refuted(policy, points), decided(points, policy)
    if violation is not None:
        return Finding(verdict="refuted", detail=violation.detail, boxes=0, points=tried, violation=violation)
    try:
        left, looked = split_until(lambda box: statement.proved(policy, box), ranges.boxes(), most_boxes)
    except Unmodelled as missing:
        return Finding(verdict="unknown", detail=f"not modelled: {missing}; {_nothing(tried)}", boxes=0, points=tried)
    if not left:
        return Finding(verdict="proved", detail="", boxes=looked, points=tried)
    inside = [point for box in left[:50] for point in sample(ranges_of(box), 3)][:MOST_INSIDE]
    violation = statement.refuted(policy, inside)
    tried += decided(inside, policy)
    if violation is not None:
        return Finding(verdict="refuted", detail=violation.detail, boxes=looked, points=tried, violation=violation)
    detail = f"{len(left)} boxes are not proved after {looked}; none of them holds a violation that was found"
    return Finding(verdict="unknown", detail=detail, boxes=looked, points=tried)


def refines(new: Policy, old: Policy, ranges: Ranges, *, most_boxes: int = 4_000) -> Finding:
    """Whether a new policy never sizes larger nor margins lower than an old one, at every point of the ranges.

    Notes
    -----
    A size is the smallest of some figures. The new one is never larger where each figure of the old policy has one of
    the new policy that is never above it: by its formula where both have the same, else by bounds. Damping and buffer,
    which come after, must be the same, or the buffer wider from flat; that they keep the order of sizes is a property
    of theirs (the edge of a band grows with the size).
    """
    points = sample(ranges)
    violation, tried = _larger_at(new, old, points), decided(points, new, old)
    if violation is not None:
        return Finding(verdict="refuted", detail=violation.detail, boxes=0, points=tried, violation=violation)
    nothing = _nothing(tried)
    try:
        check_order_kept(new, old, ranges)
        left, looked = split_until(lambda box: refined_in(new, old, box), ranges.boxes(), most_boxes)
    except Unmodelled as missing:
        return Finding(verdict="unknown", detail=f"not modelled: {missing}; {nothing}", boxes=0, points=tried)
    if left:
        detail = f"{len(left)} boxes are not proved after {looked}; {nothing}"
        return Finding(verdict="unknown", detail=detail, boxes=looked, points=tried)
    return Finding(verdict="proved", detail="", boxes=looked, points=tried)


def decided(points: Sequence[Point], *policies: Policy) -> int:
    """How many points the engine sizes under each of the policies; it refuses the others."""
    return sum(all(weight_at(policy, point) is not None for policy in policies) for point in points)


def _nothing(tried: int) -> str:
    return f"no violation at {tried} points" if tried else "the engine refuses every point that was tried"


def check_order_kept(new: Policy, old: Policy, ranges: Ranges) -> None:
    """Damping and buffers that keep the order of two sizes.

    Raises
    ------
    Unmodelled
        Where they differ in a way that may not.
    """
    if new.damping != old.damping:
        raise Unmodelled("different damping")
    size_over(new, ranges.boxes()[0])
    size_over(old, ranges.boxes()[0])
    if new.buffer != old.buffer:
        flat = ranges.current_weight[1] <= 0.0
        edges = isinstance(new.buffer, PositionBuffer) and new.buffer.to_edge
        if not (flat and edges and (isinstance(old.buffer, NoBuffer) or _narrower(old.buffer, new.buffer))):
            raise Unmodelled("different buffers")


def _narrower(one: Buffer, other: Buffer) -> bool:
    if not isinstance(one, PositionBuffer) or not isinstance(other, PositionBuffer):
        return False
    return one.to_edge and one.fraction <= other.fraction


def refined_in(new: Policy, old: Policy, box: Box) -> bool:
    """Whether no size before damping is larger in a box, no cap higher and no margin rate lower.

    Where the old breaker cuts increases, only its sizes before that stage are compared with sizes: a cap of the new
    policy, which comes after it, says nothing about them.
    """
    margins = never_cheaper(new.margin, old.margin) or rate_over(new, box).low >= rate_over(old, box).high
    share, former_share = increase_share(new, box.breaker_tier), increase_share(old, box.breaker_tier)
    caps, former_caps = ceiling_branches(new, box), ceiling_branches(old, box)
    ours = [*size_branches(new, box), *(caps if former_share == 1.0 else [])]
    sizes = _never_above(ours, size_branches(old, box))
    return margins and share <= former_share and sizes and _never_above(caps, former_caps)


def _never_above(ours: Sequence[Branch], theirs: Sequence[Branch]) -> bool:
    return all(any(branch.at_most(other) for branch in ours) for other in theirs)


def _larger_at(new: Policy, old: Policy, points: list[Point]) -> Violation | None:
    for point in points:
        ours, theirs = weight_at(new, point), weight_at(old, point)
        if ours is not None and theirs is not None and abs(ours) > abs(theirs) * (1.0 + SLACK) + SLACK:
            text = f"the new policy holds {abs(ours):.6g} of equity, the old one {abs(theirs):.6g}"
            return Violation((point,), (theirs, ours), text)
        margin, before = initial_rate(new, point.volatility), initial_rate(old, point.volatility)
        if margin * (1.0 + SLACK) < before:
            text = f"the new initial margin rate is {margin:.6g}, the old one {before:.6g}"
            return Violation((point,), (before, margin), text, "initial_margin_rate")
    return None


def split_until(proved: Callable[[Box], bool], boxes: list[Box], most_boxes: int) -> tuple[list[Box], int]:
    """Boxes that could not be proved, and how many were looked at: the widest side of each is halved."""
    waiting, looked, left = list(boxes), 0, list[Box]()
    scale = {name: _width(boxes, name) for name in CONTINUOUS}
    while waiting:
        box = waiting.pop()
        looked += 1
        if proved(box):
            continue
        halves = _halved(box, scale) if looked + len(waiting) < most_boxes else []
        waiting += halves
        left += [] if halves else [box]
    return left, looked


def _width(boxes: list[Box], name: str) -> float:
    return max(float(getattr(box, name)[1] - getattr(box, name)[0]) for box in boxes)


def _halved(box: Box, scale: dict[str, float]) -> list[Box]:
    shares = {name: (getattr(box, name)[1] - getattr(box, name)[0]) / scale[name] for name in CONTINUOUS if scale[name]}
    if not shares or max(shares.values()) < 1e-6:
        return []
    name = max(shares, key=lambda key: shares[key])
    low, high = getattr(box, name)
    # Volatilities span orders of magnitude: halve their logarithm.
    middle = (low * high) ** 0.5 if name == "volatility" else 0.5 * (low + high)
    return [_with(box, name, (low, middle)), _with(box, name, (middle, high))]


def _with(box: Box, name: str, side: tuple[float, float]) -> Box:
    changes: dict[str, Any] = {name: side}
    return replace(box, **changes)
