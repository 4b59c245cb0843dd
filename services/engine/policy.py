"""A resolved policy: one tagged parameter object per block, every default written out."""

from __future__ import annotations

from dataclasses import dataclass, fields

from services.core.errors import InvalidInput
from services.guards.breakers import Breakers
from services.guards.policy import OraclePolicy
from services.hedging.gate import HedgeGate
from services.hedging.hedge_execution import HedgeExecution
from services.hedging.optimizers.greek_bounds import GreekBounds
from services.hedging.registry import HedgeTrigger
from services.liquidity.costs import Costs
from services.margin.haircuts import VolatilityHaircut
from services.margin.registry import STUDENT, MarginPolicy
from services.risk.methods.dynamic_conditional import DynamicConditional
from services.risk.registry import CorrelationMethod
from services.risk.tightening import ContagionPolicy
from services.sizing.abilities import raised_by
from services.sizing.buffers import Buffer, PositionBuffer
from services.sizing.capital import Capital, FullCompounding
from services.sizing.damping import Damping, NoDamping
from services.sizing.joint import EachRounding, Rounding
from services.sizing.legs import NoSplit, Split
from services.sizing.limits import Limits, OrderRules
from services.sizing.pipeline import SizingRules, target_volatility_of
from services.sizing.registry import Overlay, SizingMethod
from services.sizing.scaling import NoScaling, Scaling
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.registry import Estimator

DEFAULTS_VERSION = 3
"""Changes with every change of a default, so that a new default never moves sizes silently: 2 brought the adaptive
forecaster, 3 margin by filtered historical simulation.
"""


HEDGE_BLOCKS = ("hedge_optimizer", "hedge_gate", "hedge_execution")
"""Blocks of a hedge that a policy may be without; they go with `hedging`."""
OPTIONAL_BLOCKS = (*HEDGE_BLOCKS, "breakers", "collateral", "contagion")
"""Blocks that are no part of a policy's fingerprint where it is without them."""
OPTIONAL_FIELDS: dict[str, tuple[str, ...]] = {"margin": ("procyclicality", "portfolio")}
"""The same of fields, by block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Blocks of a policy; `sizing` and `hedging` have no default. Without `breakers` none acts, without `collateral`
    balances count in full, without `contagion` distress tightens nothing.
    """

    sizing: SizingMethod | None = None
    capital: Capital = FullCompounding()
    scaling: Scaling = NoScaling()
    split: Split = NoSplit()
    overlays: tuple[Overlay, ...] = ()
    damping: Damping = NoDamping()
    estimator: Estimator = Adaptive()
    correlation: CorrelationMethod = DynamicConditional()
    limits: Limits = Limits()
    costs: Costs = Costs()
    buffer: Buffer = PositionBuffer()
    rounding: Rounding = EachRounding()
    orders: OrderRules = OrderRules()
    margin: MarginPolicy = MarginPolicy()
    guards: OraclePolicy = OraclePolicy()
    breakers: Breakers | None = None
    collateral: VolatilityHaircut | None = None
    contagion: ContagionPolicy | None = None
    hedging: HedgeTrigger | None = None
    hedge_optimizer: GreekBounds | None = None
    hedge_gate: HedgeGate | None = None
    hedge_execution: HedgeExecution | None = None

    def __post_init__(self) -> None:
        methods = [overlay.method for overlay in self.overlays]
        if twice := [method for method in methods if methods.count(method) > 1]:
            raise InvalidInput("policy.overlays", "must hold each overlay once", twice[0])
        if self.breakers is not None and "breaker_tier" in methods:
            rule = "must not hold breaker_tier beside policy.breakers, which multiplies increases itself"
            raise InvalidInput("policy.overlays", rule, "breaker_tier", "leave one of them out")
        if block := raised_by(self.sizing, self.capital, self.scaling):
            rule = "must not raise the sizes of a method that bounds the fall of the wealth"
            raise InvalidInput(f"policy.{block}", rule, getattr(self, block).method)

        if self.hedging is None and (block := next((name for name in HEDGE_BLOCKS if getattr(self, name)), None)):
            raise InvalidInput(f"policy.{block}", "goes with policy.hedging, which says when to hedge", "no hedging")

    @property
    def hedge_symbols(self) -> tuple[str, ...]:
        """Symbols that hedges may trade: the trigger's instrument, then those of the optimiser."""
        first = (self.hedging.instrument,) if self.hedging is not None else ()
        others = self.hedge_optimizer.instruments if self.hedge_optimizer is not None else ()
        return tuple(dict.fromkeys(first + others))

    @property
    def target_volatility(self) -> float | None:
        """Volatility that the sizes aim at, where they aim at one [annual]."""
        return target_volatility_of(self.sizing, self.scaling) if self.sizing is not None else None

    @property
    def rules(self) -> SizingRules:
        """Blocks around the sizing method."""
        return SizingRules(**{field.name: getattr(self, field.name) for field in fields(SizingRules)})


_DEFAULTS: dict[int, Policy] = {
    1: Policy(estimator=Ewma(), margin=STUDENT),
    2: Policy(margin=STUDENT),
    DEFAULTS_VERSION: Policy(),
}
"""Policy of no fields at all by version of the defaults: records of older programs are read as they were meant."""


def default_policy(defaults_version: int = DEFAULTS_VERSION) -> Policy:
    """What blocks that are not sent mean under a version of the defaults.

    Raises
    ------
    InvalidInput
        If this program does not know the version.

    Examples
    --------
    >>> [default_policy(version).estimator.method for version in (1, 2, 3)]
    ['ewma', 'adaptive', 'adaptive']
    >>> [default_policy(version).margin.model.method for version in (1, 2, 3)]
    ['sigma_multiple', 'sigma_multiple', 'filtered_historical']
    """
    if defaults_version not in _DEFAULTS:
        raise InvalidInput("defaults_version", f"must be one of {', '.join(map(str, _DEFAULTS))}", defaults_version)
    return _DEFAULTS[defaults_version]
