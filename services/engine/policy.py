"""A resolved policy: one tagged parameter object per block, every default written out."""

from __future__ import annotations

from dataclasses import dataclass

from services.hedging.registry import HedgeTrigger
from services.margin.registry import MarginPolicy
from services.risk.methods.dynamic_conditional import DynamicConditional
from services.risk.registry import CorrelationMethod
from services.sizing.limits import Buffer, Limits, OrderRules, PositionBuffer
from services.sizing.registry import SizingMethod
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.registry import Estimator

DEFAULTS_VERSION = 2
"""Changes with every change of a default, so that a new default never moves sizes silently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Blocks of a policy; `sizing` and `hedging` have no default."""

    sizing: SizingMethod | None = None
    estimator: Estimator = Adaptive()
    correlation: CorrelationMethod = DynamicConditional()
    limits: Limits = Limits()
    buffer: Buffer = PositionBuffer()
    orders: OrderRules = OrderRules()
    margin: MarginPolicy = MarginPolicy()
    hedging: HedgeTrigger | None = None
