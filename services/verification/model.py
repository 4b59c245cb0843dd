"""The pipeline over a box of inputs: bounds of the size, stage by stage, as `services.sizing.pipeline` has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce

import numpy as np

from services.engine import Policy
from services.engine.margins import DAY
from services.margin.assembly import CAP_LONG
from services.margin.max_position import notional_at_distance
from services.margin.registry import MarginPolicy
from services.sizing.buffers import NoBuffer, PositionBuffer
from services.sizing.capital import FixedCapital
from services.sizing.damping import GapFraction, NoDamping, WeightStep
from services.sizing.joint import EachRounding
from services.sizing.legs import NoSplit
from services.sizing.methods.portfolio_insurance import PortfolioInsurance
from services.sizing.methods.risk_budget import RiskBudget
from services.sizing.overlays.breaker_tier import BreakerTier
from services.sizing.overlays.correlation_shock import CorrelationShock
from services.sizing.overlays.gross_leverage import GrossLeverage
from services.sizing.overlays.portfolio_risk import PortfolioRisk
from services.sizing.scaling import NoScaling, ToLeverage, ToVolatility
from services.verification.probe import full_weight_at, limits_at
from services.verification.terms import NOTHING, Term, constant, variable

SHAPES = {
    "constant_leverage": "direction",
    "risk_budget": "direction_over_volatility",
    "signal_scaled": "direction_over_volatility",
    "volatility_target": "direction_over_volatility",
}
"""Methods whose size, alone in a book, is ``c · direction`` or ``c · direction / σ``, c the same for any equity.

A risk budget in money is none of them: see `full_size`.
"""


class Unmodelled(Exception):
    """The model does not know a part of the policy; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Ranges of the inputs; `breaker_tier` is one tier.

    Parameters
    ----------
    volatility, direction, current_weight, drawdown : (float, float)
        As in `services.verification.probe.Point`.
    margin_rate : (float, float)
        Initial margin rate of a long, where it is no function of the volatility.
    """

    volatility: tuple[float, float]
    direction: tuple[float, float] = (1.0, 1.0)
    current_weight: tuple[float, float] = (0.0, 0.0)
    drawdown: tuple[float, float] = (0.0, 0.0)
    breaker_tier: int = 0
    margin_rate: tuple[float, float] = (0.0, CAP_LONG)


def size_over(policy: Policy, box: Box) -> Term:
    """|Size| over equity in a box, before rounding.

    Raises
    ------
    Unmodelled
        If a part of the policy is not modelled.
    """
    current = variable("current_weight", *box.current_weight)
    ceiling, wanted = smallest(ceiling_branches(policy, box)), smallest(size_branches(policy, box))
    share = increase_share(policy, box.breaker_tier)
    if share < 1.0:
        wanted = increased(wanted, current.most(constant(0.0)), share)
    wanted = wanted.least(ceiling)
    return buffered(policy, damped(policy, wanted, current), current, ceiling)


@dataclass(frozen=True, slots=True)
class Branch:
    """One of the figures whose smallest is the size: ``parameter`` times a shape that policies may share.

    Parameters
    ----------
    shape : str
        `direction_over_volatility`, `direction`, `over_volatility`, `constant`, `margin` (parameter over the margin
        rate) or `distance` (weight whose liquidation lies `parameter` sigmas away).
    margin : MarginPolicy, optional
        Whose rates the shapes `margin` and `distance` are made of.
    per_direction : Term, optional
        The figure at direction 1, where it is proportional to the direction.
    """

    shape: str
    parameter: float
    term: Term
    margin: MarginPolicy | None = None
    per_direction: Term | None = None

    def at_most(self, other: Branch) -> bool:
        """Whether it is never above another one in their box: by shape and parameter, or by bounds."""
        if self.term.high <= other.term.low:
            return True
        if self.per_direction is not None and other.per_direction is not None:
            return (self.shape == other.shape and self.parameter <= other.parameter) or (
                self.per_direction.high <= other.per_direction.low
            )
        if self.shape != other.shape:
            return False
        if self.margin is not None and other.margin is not None and not never_cheaper(self.margin, other.margin):
            return False
        return self.parameter >= other.parameter if self.shape == "distance" else self.parameter <= other.parameter


def never_cheaper(margin: MarginPolicy, other: MarginPolicy) -> bool:
    """Whether no rate of `margin` is below that of `other`: it differs in a higher floor or maintenance alone."""
    same = replace(margin, floor=other.floor, maintenance_fraction=other.maintenance_fraction) == other
    return same and margin.floor >= other.floor and margin.maintenance_fraction >= other.maintenance_fraction


def smallest(branches: Sequence[Branch]) -> Term:
    """Smallest of some figures."""
    return reduce(Term.least, (branch.term for branch in branches))


def size_branches(policy: Policy, box: Box) -> list[Branch]:
    """What the method asks for, scaled, and what overlays on the exposure leave of it."""
    if policy.breakers is not None:
        raise Unmodelled("breakers")
    if policy.collateral is not None:
        raise Unmodelled("collateral")
    if policy.contagion is not None:
        raise Unmodelled("contagion")
    volatility = variable("volatility", *box.volatility)
    found = [scaled(policy, full_size(policy, box), volatility)]
    if isinstance(policy.scaling, ToVolatility) and policy.scaling.mode == "cap":
        found.append(over_volatility(policy.scaling.target_volatility, volatility))
    found = [on_capital(policy, box, branch) for branch in found]
    for overlay in policy.overlays:
        if isinstance(overlay, GrossLeverage):
            found.append(Branch("constant", overlay.limit, constant(overlay.limit)))
        elif isinstance(overlay, BreakerTier):
            continue  # acts on increases: `increase_share`
        elif isinstance(overlay, PortfolioRisk | CorrelationShock):
            target = overlay.volatility or policy.target_volatility
            if target is None:
                raise Unmodelled(f"overlay {overlay.method} without a target volatility")
            found.append(over_volatility(overlay.limit * target, volatility))
        else:
            raise Unmodelled(f"overlay {overlay.method}")
    return found


def over_volatility(parameter: float, volatility: Term) -> Branch:
    """``parameter / σ``."""
    return Branch("over_volatility", parameter, constant(parameter) / volatility)


def full_size(policy: Policy, box: Box) -> Branch:
    """Size at the direction of the signal: ``c d / σ``, ``c d``, or what a cushion over a floor allows."""
    method = policy.sizing
    if not isinstance(policy.rounding, EachRounding):
        raise Unmodelled(f"rounding {policy.rounding.method}")
    if not isinstance(policy.split, NoSplit):
        raise Unmodelled(f"split {policy.split.method}")
    if isinstance(method, PortfolioInsurance):
        return insured(method, box)
    if method is None or method.method not in SHAPES:
        raise Unmodelled(f"sizing method {method.method if method else 'none'}")
    if isinstance(method, RiskBudget) and method.budget is not None:
        # The model knows no equity: what holds for one account would be proved for smaller ones, which it levers more.
        raise Unmodelled("sizing.budget, an amount of money: its weight depends on the equity")
    volatility, direction = variable("volatility", *box.volatility), variable("direction", *box.direction)
    shape, coefficient = SHAPES[method.method], full_weight(policy)
    whole = constant(coefficient) if shape == "direction" else constant(coefficient) / volatility
    return Branch(shape, coefficient, whole * direction, per_direction=whole)


def insured(method: PortfolioInsurance, box: Box) -> Branch:
    """``min(d, 1) · min(m(σ) · max(1 − p / (1 − drawdown), 0), L)``: the floor is p of the high-water mark.

    A direction above 1 does not raise the exposure of the book above that of its cushion.
    """
    volatility, direction = variable("volatility", *box.volatility), variable("direction", *box.direction)
    cushion = (constant(1.0) - constant(method.protection) * mark_over_equity(box)).most(constant(0.0))
    multiplier = volatility.decreasing(lambda value: float(method.multiplier_at(np.array(value))))
    exposure = (cushion * multiplier).least(constant(method.max_exposure))
    return Branch(repr(method), 0.0, exposure * direction.least(constant(1.0)))


def mark_over_equity(box: Box) -> Term:
    """``1 / (1 − drawdown)``: high-water mark over equity."""
    return constant(1.0) / (constant(1.0) - variable("drawdown", *box.drawdown))


def on_capital(policy: Policy, box: Box, branch: Branch) -> Branch:
    """A size on the capital of the policy, over equity.

    Initial capital is the high-water mark: half compounding is full compounding there, and a fixed capital, which is
    the mark too, is ``1 / (1 − drawdown)`` of the equity.
    """
    if not isinstance(policy.capital, FixedCapital):
        return branch
    ratio = mark_over_equity(box)
    whole = None if branch.per_direction is None else branch.per_direction * ratio
    return replace(branch, shape=f"{branch.shape}_on_fixed", term=branch.term * ratio, per_direction=whole)


@lru_cache(maxsize=4096)
def full_weight(policy: Policy) -> float:
    """Weight of the method at direction 1 and volatility 1."""
    found = full_weight_at(policy, 1.0)
    if found is None:
        raise Unmodelled("a figure that the sizing method needs: it differs from row to row")
    return found


def scaled(policy: Policy, wanted: Branch, volatility: Term) -> Branch:
    """Portfolio scaling of a book of one row; a cap is a branch of its own."""
    rule = policy.scaling
    if isinstance(rule, NoScaling) or (isinstance(rule, ToVolatility) and rule.mode == "cap"):
        return wanted
    if wanted.term.low <= 0.0:
        raise Unmodelled("scaling with a direction of 0: the scale of an empty book is not continuous")
    if isinstance(rule, ToLeverage):
        return Branch("constant", rule.leverage, constant(rule.leverage))
    return over_volatility(rule.target_volatility, volatility)


def ceiling_branches(policy: Policy, box: Box) -> list[Branch]:
    """What margin use, distance to liquidation and exposure caps allow a long."""
    method, limits, margin = policy.sizing, policy.limits, policy.margin
    volatility = variable("volatility", *box.volatility)
    own = method.max_gross() if method is not None else None
    caps = [limits.max_leverage, *(cap for cap in (limits.max_weight, own) if cap is not None)]
    found = [Branch("constant", cap, constant(cap)) for cap in caps]
    use = constant(limits.max_margin_use) / rate_over(policy, box)
    found.append(Branch("margin", limits.max_margin_use, use, margin))
    if limits.min_liquidation_distance > 0.0:
        weight = (
            volatility.decreasing(lambda value: distance_weight(policy, value))
            if margin.follows_volatility
            else _distance_over(policy, box)
        )
        found.append(Branch("distance", limits.min_liquidation_distance, weight, margin))
    return found


def rate_over(policy: Policy, box: Box) -> Term:
    """Initial margin rate of a long in a box.

    One that reads returns, or what was asked before, is any number from the floor of the policy to 1, whatever the
    volatility; only that it does not fall as that rises is assumed.
    """
    if policy.margin.follows_volatility:
        volatility = variable("volatility", *box.volatility)
        return volatility.increasing(lambda value: initial_rate(policy, value))
    low = max(policy.margin.floor, box.margin_rate[0])
    return Term(low, max(low, box.margin_rate[1]), frozenset({"volatility"}), NOTHING)


def maintenance_over(policy: Policy, box: Box) -> Term:
    """Maintenance margin rate of a long in a box."""
    if policy.margin.follows_volatility:
        volatility = variable("volatility", *box.volatility)
        return volatility.increasing(lambda value: maintenance_rate(policy, value))
    return rate_over(policy, box) * constant(policy.margin.maintenance_fraction)


def _distance_over(policy: Policy, box: Box) -> Term:
    """Weight at the required distance where the margin rate is any of a range: the less, the smaller the rate."""
    rate, least = maintenance_over(policy, box), policy.limits.min_liquidation_distance
    high, low = (
        float(notional_at_distance(least * volatility * DAY**0.5, margin, 1))
        for volatility, margin in zip(box.volatility, (rate.low, rate.high), strict=True)
    )
    return Term(low - 1e-12 * low, high + 1e-12 * high, NOTHING, frozenset({"volatility"}))


@lru_cache(maxsize=65_536)
def initial_rate(policy: Policy, volatility: float) -> float:
    """Initial margin rate of a long."""
    return float(limits_at(policy, volatility).initial_long[0])


@lru_cache(maxsize=65_536)
def maintenance_rate(policy: Policy, volatility: float) -> float:
    """Maintenance margin rate of a long."""
    return float(limits_at(policy, volatility).maintenance_long[0])


@lru_cache(maxsize=65_536)
def distance_weight(policy: Policy, volatility: float) -> float:
    """Weight of a long whose liquidation price lies at the required distance."""
    return float(limits_at(policy, volatility).distance_long[0])


def damped(policy: Policy, wanted: Term, current: Term) -> Term:
    """Increases slowed down; reductions whole, and of a reversal the closing part."""
    rule, held = policy.damping, current.most(constant(0.0))
    if isinstance(rule, NoDamping):
        return wanted
    if isinstance(rule, WeightStep):
        return wanted.least(held + constant(rule.step))
    assert isinstance(rule, GapFraction)
    return increased(wanted, held, rule.fraction)


def increased(wanted: Term, held: Term, share: float) -> Term:
    """A share of the increase from what is held: ``s w + (1 − s) min(w, held)``, which rises in both."""
    return constant(share) * wanted + constant(1.0 - share) * wanted.least(held)


def increase_share(policy: Policy, tier: int) -> float:
    """Part of an increase that the breaker lets through in a tier; 1 where the policy does not read it."""
    shares = [overlay.shares[tier] for overlay in policy.overlays if isinstance(overlay, BreakerTier)]
    return min(shares, default=1.0)


def reads_tier(policy: Policy) -> bool:
    """Whether any part of a policy depends on the breaker tier."""
    return policy.breakers is not None or any(isinstance(overlay, BreakerTier) for overlay in policy.overlays)


def never_grows(policy: Policy, tier: int) -> bool:
    """Whether the breaker alone keeps every position from growing, whatever the method and the other overlays.

    With a share of 0 the size is at most what is held, or 0 on the other side; caps, damping and further overlays only
    lower it, and a band around a size that is not above the position never moves the position away from zero.
    """
    plain = isinstance(policy.rounding, EachRounding) and isinstance(policy.buffer, NoBuffer | PositionBuffer)
    tied = policy.sizing is None or policy.sizing.tied
    return plain and not tied and increase_share(policy, tier) == 0.0


def buffered(policy: Policy, wanted: Term, current: Term, ceiling: Term) -> Term:
    """No-trade band around the size.

    From flat or the other side a trade ends at the lower edge. On the same side the position is moved into the band and
    below the ceiling; one above the ceiling is traded to the size itself.
    """
    rule = policy.buffer
    if isinstance(rule, NoBuffer):
        return wanted
    if not isinstance(rule, PositionBuffer) or rule.fraction >= 1.0:
        raise Unmodelled(f"buffer {rule.method}")
    bottom = wanted * constant(1.0 - rule.fraction)
    if current.high <= 0.0:
        return bottom if rule.to_edge else wanted
    # An overlay on increases leaves at least what is held: it never makes the band let go, as one on the exposure does.
    if any(not isinstance(overlay, BreakerTier) for overlay in policy.overlays):
        raise Unmodelled("a buffer beside overlays on the exposure, for positions on the same side")
    inside = current.most(bottom).least(wanted * constant(1.0 + rule.fraction)).least(ceiling)
    if not rule.to_edge:
        return inside.hull(wanted)
    if current.low > ceiling.high:
        return wanted
    if current.high <= ceiling.low:
        return inside
    # The ceiling does not rise with volatility: as it falls below the position, the size drops to `wanted`.
    low, high = min(inside.low, wanted.low), max(inside.high, wanted.high)
    return Term(low, high, inside.rises | wanted.rises, inside.falls | wanted.falls | current.rises)
