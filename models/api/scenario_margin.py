"""Wire models of `POST /v1/margin:scenario`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Currency, DecimalText, Model, Number, PlainDecimal, PositiveDecimal, Symbol, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.option_terms import ImpliedVolatility, OptionTerms
from models.api.scenario import WorstScenarioOut

MAX_POSITIONS = 2_000
MAX_UNDERLYINGS = 128
MAX_EXPIRIES = 200
MAX_COLLATERAL = 100
MAX_SCENARIOS = 40

PresetName = Literal["derive_pmrm2", "deribit_like", "paradex_24", "span16", "regime"]
Confidence = Annotated[Number, Field(ge=0, le=1)]
Share = Annotated[Number, Field(ge=0, le=1)]
Factor = Annotated[Number, Field(gt=0, le=10)]


class MarginHeldIn(Model):
    """What every position says of itself."""

    symbol: Symbol = Field(description="Unique.")
    underlying: Symbol = Field(description="One of `underlyings`.")
    quantity: PlainDecimal = Field(description="Signed contracts.")
    multiplier: PositiveDecimal = Field(
        default=Decimal(1), description="Base units of a contract; for inverse its quote value."
    )


class MarginOptionIn(MarginHeldIn):
    """A position in one European option. Coin-settled ones count in `currency`, at the shocked price."""

    kind: Literal["option"]
    terms: OptionTerms
    implied_volatility: ImpliedVolatility | None = Field(
        None, description="At its strike. Required until it expires: a margin without it would leave a risk out."
    )


class MarginLinearIn(MarginHeldIn):
    """A perpetual, a future or spot."""

    kind: Literal["spot", "linear", "inverse"]
    mark_price: PositiveDecimal
    expiry: Time | None = Field(None, description="Of a dated future.")
    unrealized_pnl: PlainDecimal = Field(
        default=Decimal(0), description="Not in `cash` yet, in `currency`; counts as equity."
    )
    unsettled_funding: PlainDecimal = Field(default=Decimal(0), description="To be received (> 0) or paid.")


MarginPositionIn = Annotated[MarginOptionIn | MarginLinearIn, Field(discriminator="kind")]


class MarginExpiryIn(Model):
    """Market of one expiry, where the options' own terms are not to be used."""

    expiry: Time
    forward: PositiveDecimal | None = Field(None, description="Default: that of its options, which must agree.")
    discount: Annotated[Number, Field(gt=0, le=2)] | None = Field(
        None, description="Default: that of its options, which must agree. Above 1 counts as 1."
    )
    confidence: Confidence = Field(default=1.0, description="Least of the feeds of forward, rate and volatility.")


class MarginCollateralIn(Model):
    """Coin that backs the account."""

    amount: PlainDecimal = Field(description="Base units; a debt is negative and gets no haircut.")
    price: PositiveDecimal | None = Field(None, description="Default: `spot` of its underlying.")
    maintenance_haircut: Share = 0.0
    initial_haircut: Share = Field(default=0.0, description="On top of the maintenance haircut.")
    risk_cancelling: Annotated[bool, Strict()] = Field(
        default=False, description="Its own change of value counts in the scenarios: the coin of a covered call."
    )
    confidence: Confidence = 1.0


class MarginUnderlyingIn(Model):
    """One underlying: its prices, its collateral, and how it nets with others."""

    underlying: Symbol
    spot: PositiveDecimal = Field(description="Index price.")
    volatility: ImpliedVolatility | None = Field(
        None, description="Current volatility, annual; required by a price range that follows it (preset `regime`)."
    )
    netting_offset: Share = Field(
        default=0.0, description="Share of its profit that may pay for losses of others in the same scenario."
    )
    spot_confidence: Confidence = 1.0
    perpetual_confidence: Confidence = 1.0
    expiries: Annotated[list[MarginExpiryIn], Field(max_length=MAX_EXPIRIES, fail_fast=True)] = Field(
        default_factory=list
    )
    collateral: Annotated[list[MarginCollateralIn], Field(max_length=MAX_COLLATERAL, fail_fast=True)] = Field(
        default_factory=list
    )


class MarginScenarioIn(Model):
    """One move of price and volatility."""

    range_multiple: Annotated[Number, Field(ge=-20, le=20)] = Field(
        default=0.0, description="Move of the price in multiples of the price range."
    )
    move: Annotated[Number, Field(gt=-1, le=20)] = Field(default=0.0, description="On top of it, as a fraction.")
    volatility: Literal["none", "up", "down"] = "none"
    damping: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        default=1.0, description="Factor of the profit and loss. Null: share of the tail · range / |move|, at most 1."
    )


class MarginRegimeIn(Model):
    """Price range that follows volatility: multiple · σ √(horizon / 365), within least and most."""

    multiple: Factor = 4.0
    horizon_days: Annotated[Number, Field(gt=0, le=365)] = 2.0
    least: Annotated[Number, Field(gt=0, lt=1)] = 0.08
    most: Annotated[Number, Field(gt=0, lt=1)] = 0.40


class MarginOverridesIn(Model):
    """What to change of a preset; what is left out stays."""

    price_range: Annotated[Number, Field(gt=0, lt=1)] | None = None
    regime: MarginRegimeIn | None = Field(None, description="Makes the range follow each underlying's volatility.")
    scenarios: (
        Annotated[list[MarginScenarioIn], Field(min_length=1, max_length=MAX_SCENARIOS, fail_fast=True)] | None
    ) = Field(None, description="Instead of the preset's; with those of the skew at most 40.")
    volatility_up: Annotated[Number, Field(ge=0, le=10)] | None = None
    volatility_down: Annotated[Number, Field(ge=0, le=10)] | None = None
    least_volatility_up: Annotated[Number, Field(ge=0, le=10)] | None = None
    initial_factor: Factor | None = None
    maintenance_factor: Factor | None = None
    maintenance_of_initial: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        None, description="Maintenance as a fraction of initial margin, instead of the factor."
    )
    perpetual_initial: Share | None = None
    perpetual_maintenance: Share | None = None
    option_initial: Share | None = None
    option_maintenance: Share | None = None
    confidence_threshold: Confidence | None = None
    confidence_rate: Share | None = None
    peg_threshold: Annotated[Number, Field(gt=0, le=10)] | None = None
    peg_factor: Annotated[Number, Field(ge=0, le=100)] | None = None


class ScenarioAccountIn(Model):
    """An account, and the preset that it is margined under."""

    as_of: Time | None = Field(None, description="Times to expiry are counted from it; default: the time of receipt.")
    currency: Currency = Field(default="USD", description="Quote currency of all prices and amounts; echoed.")
    preset: PresetName = Field(
        default="derive_pmrm2",
        description="derive_pmrm2: 33 scenarios with skew, basis and liquidation discount; deribit_like: risk matrix, "
        "extended table, roll shock; paradex_24: 24 scenarios and a least charge by delta; span16: 16 scenarios; "
        "regime: derive_pmrm2 on a grid that scales with current volatility.",
    )
    overrides: MarginOverridesIn | None = None
    cash: PlainDecimal = Field(default=Decimal(0), description="In `currency`; negative where it is owed.")
    stable_price: PositiveDecimal = Field(
        default=Decimal(1), description="Price of the stablecoin that the account is kept in."
    )
    positions: Annotated[list[MarginPositionIn], Field(max_length=MAX_POSITIONS, fail_fast=True)]
    underlyings: Annotated[list[MarginUnderlyingIn], Field(min_length=1, max_length=MAX_UNDERLYINGS, fail_fast=True)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        symbols, named = [item.symbol for item in self.positions], [item.underlying for item in self.underlyings]
        for names, where in ((symbols, "positions"), (named, "underlyings")):
            seen: set[str] = set()
            for name in names:
                if name in seen:
                    text = "{where} holds {key} more than once"
                    raise PydanticCustomError("duplicate_row", text, {"where": where, "key": name})
                seen.add(name)
        missing = {item.underlying for item in self.positions} - set(named)
        if missing:
            text = "underlyings must hold {key}, which a position names"
            raise PydanticCustomError("unknown_underlying", text, {"key": min(missing)})
        return self


class ScenarioMarginRequest(ScenarioAccountIn):
    """An account to margin by scenarios; nothing is stored."""

    worst_count: Annotated[int, Strict(), Field(ge=1, le=MAX_SCENARIOS)] = Field(
        default=5, description="How many of the worst scenarios to explain."
    )


class MarginChargeOut(Model):
    """A contingency; initial margin holds both."""

    underlying: str
    kind: Literal["perpetuals", "naked_shorts", "collateral", "low_confidence"]
    initial: DecimalText = Field(description="On top of maintenance.")
    maintenance: DecimalText


class MarginUnderlyingOut(Model):
    """Parts of one underlying."""

    underlying: str
    price_range: Number
    value: DecimalText = Field(description="Options, spot, collateral and unrealised profit.")
    basis: Number = Field(description="Basis contingency, a candidate for the worst loss, <= 0.")
    roll: Number = Field(description="Roll shock, >= 0.")
    least_delta: Number = Field(description="Least charge by delta, >= 0.")
    scenario_pnl: list[Number] = Field(description="Before netting.")


class ScenarioMarginAnswer(Model):
    """Requirement of an account, and what set it."""

    as_of: Time
    currency: str
    preset: str
    overridden: list[str] = Field(description="Names in `overrides` that changed the preset.")
    units: dict[str, str]
    initial_margin: DecimalText
    maintenance_margin: DecimalText
    equity: DecimalText = Field(description="Everything at model value, cash included.")
    net_initial: DecimalText = Field(description="Equity less initial margin: new risk may be taken while >= 0.")
    net_maintenance: DecimalText = Field(description="Equity less maintenance margin: compliant while >= 0.")
    initial_met: bool
    maintenance_met: bool
    bound: Literal["scenario", "skew", "basis", "minimum_delta", "none"] = Field(
        description="Which candidate set the loss; none: no candidate loses anything."
    )
    scenario: int | None = Field(description="Place of the worst scenario; null where another candidate bound.")
    worst: Number = Field(description="Loss of the candidate among scenarios, skew and basis that bound, <= 0.")
    initial_factor: Number = Field(description="Applied to it, a surcharge for the stablecoin included.")
    scenario_initial: DecimalText = Field(description="Part of initial margin without the contingencies in `charges`.")
    basis: Number
    roll: Number
    least_delta: Number
    charges: list[MarginChargeOut]
    scenario_pnl: list[Number] = Field(description="Of every scenario, netted, in the order of the preset.")
    worst_scenarios: list[WorstScenarioOut] = Field(description="The worst first.")
    underlyings: list[MarginUnderlyingOut]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
