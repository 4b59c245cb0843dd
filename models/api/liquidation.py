"""Wire models of `POST /v1/margin:liquidation-price`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import (
    DecimalText,
    Model,
    NonNegativeDecimal,
    Number,
    PlainDecimal,
    PositiveDecimal,
    Symbol,
    Time,
)
from models.api.evaluation import Assumption, WarningOut
from models.api.market import MarginTierIn
from models.api.option_terms import ImpliedVolatility, OptionTerms

MAX_POSITIONS = 500
Share = Annotated[Number, Field(ge=0, le=1)]


class FuturePositionIn(Model):
    """A perpetual, a future, or spot on margin."""

    kind: Literal["linear", "inverse"] = Field(description="inverse: margined and paid in the coin.")
    symbol: Symbol | None = Field(None, description="For your own reading.")
    quantity: PlainDecimal = Field(description="Signed contracts.")
    multiplier: PositiveDecimal = Field(
        default=Decimal(1), description="Base units of a contract; for inverse its quote value."
    )
    mark_price: PositiveDecimal | None = Field(
        None, description="Default: the mark of the underlying. It moves in proportion to it."
    )
    maintenance_rate: Annotated[Number, Field(ge=0, lt=1)] | None = Field(
        None, description="Of the notional, instead of margin_tiers."
    )
    margin_tiers: Annotated[tuple[MarginTierIn, ...], Field(max_length=50, fail_fast=True)] = ()

    @model_validator(mode="after")
    def _one_rule(self) -> FuturePositionIn:
        if (self.maintenance_rate is None) == (not self.margin_tiers):
            raise PydanticCustomError("inconsistent", "needs either maintenance_rate or margin_tiers")
        floors = [tier.floor for tier in self.margin_tiers]
        if floors and (floors[0] != 0 or floors != sorted(set(floors))):
            raise PydanticCustomError("margin_tiers", "margin_tiers must start at floor 0 and rise")
        return self


class OptionHeldIn(Model):
    """A position in one European option."""

    kind: Literal["option"]
    terms: OptionTerms
    quantity: PlainDecimal = Field(description="Signed contracts.")
    multiplier: PositiveDecimal = Field(default=Decimal(1), description="Base units of a contract.")
    implied_volatility: ImpliedVolatility
    maintenance_rate: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        None,
        description="Of a short option beyond its value, as a share of the price of the underlying; default 0.075. A "
        "long one needs none.",
    )


class LoanIn(Model):
    """A loan whose collateral or whose debt is the coin."""

    kind: Literal["loan"]
    symbol: Symbol | None = Field(None, description="For your own reading.")
    collateral_base: NonNegativeDecimal = Field(default=Decimal(0), description="Coin that is pledged.")
    collateral_quote: NonNegativeDecimal = Field(default=Decimal(0), description="Quote currency that is pledged.")
    debt_base: NonNegativeDecimal = Field(default=Decimal(0), description="Coin that is owed.")
    debt_quote: NonNegativeDecimal = Field(default=Decimal(0), description="Quote currency that is owed.")
    liquidation_threshold: Annotated[Number, Field(gt=0, le=1)] = Field(
        description="Share of the collateral at which the debt is called."
    )
    borrow_rate: Annotated[Number, Field(ge=-1, le=100)] = Field(
        default=0.0, description="On the debt, annual, continuously compounded."
    )
    supply_rate: Annotated[Number, Field(ge=-1, le=100)] = Field(
        default=0.0, description="On the collateral, annual, continuously compounded."
    )


BookPositionIn = Annotated[FuturePositionIn | OptionHeldIn | LoanIn, Field(discriminator="kind")]


class CoinIn(Model):
    """Balance in the coin."""

    quantity: PlainDecimal = Field(description="Signed; owed coin counts in full.")
    haircut: Share = Field(default=0.0, description="Of coin that is held.")


class LiquidationPriceRequest(Model):
    """Everything of one account that one price moves."""

    as_of: Time | None = Field(None, description="Times to expiry count from it; default: the time of receipt.")
    underlying: Symbol
    mark: PositiveDecimal = Field(description="Price now, in quote per base.")
    balance: PlainDecimal = Field(
        description="Quote balance with the unrealised profit so far, without options, coin and loans."
    )
    other_maintenance_margin: NonNegativeDecimal = Field(
        default=Decimal(0), description="Of positions in other underlyings, in quote."
    )
    collateral: CoinIn | None = None
    positions: Annotated[list[BookPositionIn], Field(min_length=1, max_length=MAX_POSITIONS, fail_fast=True)]
    long_option_credit: Share | None = Field(
        None, description="Share of the value of long options that counts as equity; default 1."
    )
    volatility: ImpliedVolatility | None = Field(
        None, description="Of the underlying, annual: adds distance in sigmas and probability of touch."
    )
    horizon_days: Annotated[Number, Field(gt=0, le=3650)] = 1.0


class LiquidationSideOut(Model):
    """The nearest liquidation price on one side of the mark."""

    price: DecimalText = Field(description="Unrounded, in quote per base; round it toward the mark.")
    move: Number = Field(description="From the mark, as a fraction of it.")
    distance_sigmas: Number | None = Field(description="null without volatility.")
    touch_probability: Number | None = Field(description="Within the horizon, without drift or jumps.")


class LoanHealthOut(Model):
    """One loan by itself."""

    symbol: str | None
    loan_to_value: Number | None = Field(description="null for a debt that nothing backs.")
    health_factor: Number | None = Field(description="Below 1 it may be liquidated; null without debt.")
    seconds_to_liquidation: Number | None = Field(description="By interest alone; null where that never happens.")


class LiquidationPriceAnswer(Model):
    """Liquidation prices of a book."""

    as_of: Time
    underlying: str
    mark: DecimalText
    status: Literal["ok", "safe", "liquidatable"] = Field(
        description="safe: no liquidation price within a factor of 10,000; liquidatable: equity is short at the mark."
    )
    down: LiquidationSideOut | None
    up: LiquidationSideOut | None
    equity: DecimalText = Field(description="At the mark, in quote.")
    maintenance_margin: DecimalText = Field(description="At the mark, in quote.")
    margin_ratio: Number | None = Field(description="Maintenance over equity; null where equity is not positive.")
    residual: Number = Field(description="Largest |equity − maintenance| at the prices, over the notional.")
    loans: list[LoanHealthOut]
    units: dict[str, str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
