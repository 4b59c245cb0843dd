"""Wire models of a policy: tagged objects with safe defaults, or a preset overridden field by field."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Name
from models.api.strict import StrictScalars
from services.engine.policy import DEFAULTS_VERSION, Policy, default_policy
from services.guards.breakers import Breakers
from services.guards.policy import OraclePolicy
from services.hedging.gate import HedgeGate
from services.hedging.hedge_execution import HedgeExecution
from services.hedging.optimizers.greek_bounds import GreekBounds
from services.hedging.registry import HedgeTrigger
from services.liquidity.costs import Costs
from services.margin.haircuts import VolatilityHaircut
from services.margin.registry import MarginPolicy
from services.risk.methods.dynamic_conditional import DynamicConditional
from services.risk.registry import CorrelationMethod
from services.risk.tightening import ContagionPolicy
from services.sizing.buffers import Buffer, PositionBuffer
from services.sizing.capital import Capital, FullCompounding
from services.sizing.damping import Damping, NoDamping
from services.sizing.joint import EachRounding, Rounding
from services.sizing.legs import NoSplit, Split
from services.sizing.limits import Limits, OrderRules
from services.sizing.registry import Overlay, SizingMethod
from services.sizing.scaling import NoScaling, Scaling
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.registry import Estimator

MAX_OVERLAYS = 32
RECORDED_DEFAULTS = "defaults_version"
"""Key of the validation context that holds the version of the defaults under which a request was recorded."""
OverlayIn = Annotated[Overlay, StrictScalars(), Field(discriminator="method")]


def _threshold_by_default(value: Any) -> Any:
    """The trigger was a threshold before there were others, and policies without a `method` still mean one."""
    return {"method": "threshold", **value} if isinstance(value, dict) else value


HedgingIn = Annotated[
    HedgeTrigger, StrictScalars(), Field(discriminator="method"), BeforeValidator(_threshold_by_default)
]


def _student_by_default(value: Any) -> Any:
    """A door that is told a volatility and no returns has no use for a model that reads those."""
    return {"model": {"method": "sigma_multiple"}, **value} if isinstance(value, dict) else value


VolatilityMarginIn = Annotated[MarginPolicy, StrictScalars(), BeforeValidator(_student_by_default)]
HedgeOptimizerIn = Annotated[GreekBounds, StrictScalars()]
HedgeGateIn = Annotated[HedgeGate, StrictScalars()]
HedgeExecutionIn = Annotated[HedgeExecution, StrictScalars()]

CollateralPolicyIn = Annotated[VolatilityHaircut, StrictScalars()]
ContagionPolicyIn = Annotated[ContagionPolicy, StrictScalars()]
_CONSERVATIVE: dict[str, Any] = {
    "sizing": {"method": "volatility_target", "target_volatility": 0.15},
    "limits": {"max_leverage": 1.5, "max_weight": 0.75, "max_margin_use": 0.5, "min_liquidation_distance": 8.0},
    "margin": {"floor": 0.05},
}


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, block by block; a block that names another method replaces the whole block."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        same = (
            isinstance(below, dict)
            and isinstance(value, dict)
            and value.get("method", below.get("method")) == below.get("method")
        )
        merged[key] = {**below, **value} if same and isinstance(below, dict) else value
    return merged


_EWMA: dict[str, Any] = {"estimator": {"method": "ewma"}}
_STUDENT: dict[str, Any] = {"margin": {"model": {"method": "sigma_multiple"}}}
PRESETS: dict[tuple[str, int], dict[str, Any]] = {
    ("default", 1): {**_EWMA, **_STUDENT},
    ("default", 2): _STUDENT,
    ("default", 3): {},
    ("crypto_perp_conservative", 1): {**_EWMA, **merge(_CONSERVATIVE, _STUDENT)},
    ("crypto_perp_conservative", 2): merge(_CONSERVATIVE, _STUDENT),
    ("crypto_perp_conservative", 3): _CONSERVATIVE,
}
"""Named starting points; a field that is sent wins over the preset's. The versions of `default` are those of the
defaults: 1 forecasts with EWMA, and 1 and 2 take margin from Student-t expected shortfall.
"""


def newest(preset: str, defaults_version: int = DEFAULTS_VERSION) -> int:
    """Highest version of a preset under a version of the defaults; 1 where there is none of that name."""
    versions = [version for name, version in PRESETS if name == preset and version <= defaults_version]
    return max(versions, default=1)


def _defaults_of(info: ValidationInfo) -> int:
    """Version of the defaults of what is validated: a recorded request has that of its time."""
    found: int = (info.context or {}).get(RECORDED_DEFAULTS, DEFAULTS_VERSION)
    return found


def _supplied_by_presets(schema: dict[str, Any]) -> None:
    """What a preset brings need not be sent: a client made from the schema must be able to name one alone."""
    required = [name for name in schema.pop("required", []) if not any(name in blocks for blocks in PRESETS.values())]
    if required:
        schema["required"] = required


class _Preset(Model):
    model_config = ConfigDict(json_schema_extra=_supplied_by_presets)

    preset: Name | None = Field(None, description="`default` or `crypto_perp_conservative`; fields that are sent win.")
    version: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        None, description="Version of the preset; the newest by default."
    )

    _defaults_version: int = PrivateAttr(default=DEFAULTS_VERSION)

    def resolved(self) -> Policy:
        """Policy of the core: the blocks that this model has, defaults for the others."""
        blocks = {field.name for field in dataclasses.fields(Policy)} & set(type(self).model_fields)
        others = default_policy(self._defaults_version)
        return dataclasses.replace(others, **{name: getattr(self, name) for name in blocks})

    @model_validator(mode="after")
    def _remember_defaults(self, info: ValidationInfo) -> Self:
        self._defaults_version = _defaults_of(info)
        return self

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, value: Any, info: ValidationInfo) -> Any:
        """Fields of the preset below those that are sent; of a recorded request those that its time had."""
        if isinstance(value, dict) and value.get("version") is not None and value.get("preset") is None:
            raise PydanticCustomError(
                "inconsistent", "version goes with a preset or a stored policy: name the preset, or send id"
            )
        if not isinstance(value, dict):
            return value
        version, preset = value.get("version"), value.get("preset")
        preset = "default" if preset is None else preset
        if not isinstance(preset, str):
            return value
        name = (preset, version if isinstance(version, int) else newest(preset, _defaults_of(info)))
        if name not in PRESETS:
            known = ", ".join(f"{preset}@{number}" for preset, number in PRESETS)
            raise PydanticCustomError(
                "unknown_preset",
                "there is no preset {name}; known: {known}",
                {"name": f"{name[0]}@{name[1]}", "known": known},
            )
        known_blocks = {key: block for key, block in PRESETS[name].items() if key in cls.model_fields}
        return merge(known_blocks, value)


class PolicyIn(_Preset):
    """How to size, within which limits. Without a preset `sizing` is required: no default method, no default target."""

    sizing: Annotated[SizingMethod, StrictScalars(), Field(discriminator="method")]
    capital: Annotated[Capital, StrictScalars(), Field(discriminator="method")] = FullCompounding()
    scaling: Annotated[Scaling, StrictScalars(), Field(discriminator="method")] = NoScaling()
    split: Annotated[Split, StrictScalars(), Field(discriminator="method")] = NoSplit()
    overlays: Annotated[tuple[OverlayIn, ...], Field(max_length=MAX_OVERLAYS)] = ()
    damping: Annotated[Damping, StrictScalars(), Field(discriminator="method")] = NoDamping()
    estimator: Annotated[Estimator, StrictScalars(), Field(discriminator="method")] = Adaptive()
    correlation: Annotated[CorrelationMethod, StrictScalars(), Field(discriminator="method")] = DynamicConditional()
    limits: Annotated[Limits, StrictScalars()] = Limits()
    costs: Annotated[Costs, StrictScalars()] = Costs()
    buffer: Annotated[Buffer, StrictScalars(), Field(discriminator="method")] = PositionBuffer()
    rounding: Annotated[Rounding, StrictScalars(), Field(discriminator="method")] = EachRounding()
    orders: Annotated[OrderRules, StrictScalars()] = OrderRules()
    margin: Annotated[MarginPolicy, StrictScalars()] = MarginPolicy()
    guards: Annotated[OraclePolicy, StrictScalars()] = OraclePolicy()
    breakers: Annotated[Breakers, StrictScalars()] | None = None
    collateral: CollateralPolicyIn | None = None
    contagion: ContagionPolicyIn | None = None
    hedging: HedgingIn | None = None
    hedge_optimizer: HedgeOptimizerIn | None = None
    hedge_gate: HedgeGateIn | None = None
    hedge_execution: HedgeExecutionIn | None = None


class MarginPolicyIn(_Preset):
    """Policy of `POST /v1/margin`: no sizing."""

    estimator: Annotated[Estimator, StrictScalars(), Field(discriminator="method")] = Adaptive()
    limits: Annotated[Limits, StrictScalars()] = Limits()
    margin: Annotated[MarginPolicy, StrictScalars()] = MarginPolicy()
    collateral: CollateralPolicyIn | None = None
    contagion: ContagionPolicyIn | None = None


class HedgesPolicyIn(_Preset):
    """Policy of `POST /v1/hedges`: the trigger and its instrument."""

    hedging: HedgingIn
    estimator: Annotated[Estimator, StrictScalars(), Field(discriminator="method")] = Adaptive()
    limits: Annotated[Limits, StrictScalars()] = Limits()
    orders: Annotated[OrderRules, StrictScalars()] = OrderRules()
    costs: Annotated[Costs, StrictScalars()] = Costs()
    collateral: CollateralPolicyIn | None = None
    hedge_optimizer: HedgeOptimizerIn | None = None
    hedge_gate: HedgeGateIn | None = None
    hedge_execution: HedgeExecutionIn | None = None


__all__ = ["DEFAULTS_VERSION", "PRESETS", "HedgesPolicyIn", "MarginPolicyIn", "PolicyIn", "merge"]
