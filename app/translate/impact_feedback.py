"""The impact coefficient that executions show, in the policy of an evaluation."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from app.translate.notes import Notes
from models.api.execution_report import FittedImpactIn
from services.engine.policy import Policy
from services.liquidity.costs import Costs
from services.sizing.overlays.liquidity import Liquidity

Block = TypeVar("Block", Costs, Liquidity)


def with_fitted_impact(policy: Policy, fitted: FittedImpactIn | None) -> Policy:
    """Policy whose costs and liquidity caps know the fitted coefficient: the larger of both, unless it may loosen."""
    if fitted is None:
        return policy
    overlays = tuple(_fitted(item, fitted) if isinstance(item, Liquidity) else item for item in policy.overlays)
    return replace(policy, overlays=overlays, costs=_fitted(policy.costs, fitted))


def _fitted(block: Block, fitted: FittedImpactIn) -> Block:
    own = block.impact_coefficient
    return replace(block, impact_coefficient=fitted.coefficient if fitted.may_loosen else max(own, fitted.coefficient))


def tell_fitted_impact(fitted: FittedImpactIn | None, policy: Policy, notes: Notes) -> None:
    """Say which coefficient is used."""
    if fitted is not None:
        effect = f"of costs and liquidity caps: {fitted.orders} executed orders show {fitted.coefficient:g}"
        notes.assume("/policy/costs/impact_coefficient", f"{policy.costs.impact_coefficient:g}", effect)
