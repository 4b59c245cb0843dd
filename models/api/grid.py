"""Wire models of `POST /v1/grids`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from models.api.base import DecimalText, Model, Number, PlainDecimal, PositiveDecimal
from models.api.execution import MarketAnswer, MarketRequest
from models.api.strict import StrictScalars
from services.core.tagged import Tagged
from services.sizing.grid_spacing import GeometricSpacing, GridSpacing

MAX_LEVELS = 100
SpacingIn = Annotated[GridSpacing, Tagged(), StrictScalars()]


class GridRequest(MarketRequest):
    """Terms of a grid; amounts are in the quote currency of the instrument."""

    side: Literal["two_sided", "long_only", "short_only"] = Field(
        description="long_only sells what is held and nothing else, short_only buys back what is short; "
        "spot is long_only."
    )
    low: PositiveDecimal = Field(description="Lower end of the range.")
    high: PositiveDecimal = Field(description="Upper end of the range.")
    stop_low: PositiveDecimal | None = Field(
        None, description="Below low: where what was bought is closed. Required where buys open a position."
    )
    stop_high: PositiveDecimal | None = Field(
        None, description="Above high: where what was sold short is closed. Required where sells open a position."
    )
    budget: PositiveDecimal = Field(description="Of all orders that open a position together, fees included.")
    spacing: SpacingIn = Field(default=GeometricSpacing(), description="Where the levels lie.")
    max_levels: Annotated[int, Field(ge=1, le=MAX_LEVELS, strict=True)] = 20
    inventory: PlainDecimal = Field(
        default=Decimal(0), description="What is held and the grid may close, signed; it counts in the worst case."
    )
    fee_rate: Annotated[Number, Field(ge=0, le=0.05)] | None = Field(
        None, description="Of every fill, as a fraction of its notional; default 0, listed as an assumption."
    )
    risk_budget: PositiveDecimal | None = Field(
        None, description="Largest loss at the stop, and what confidence_factor standard deviations may cost."
    )
    confidence_factor: Annotated[Number, Field(gt=0, le=20)] = Field(2.326, description="Standard deviations.")
    horizon_days: Annotated[Number, Field(gt=0, le=365)] = Field(1.0, description="Of these standard deviations.")
    equity: PositiveDecimal | None = Field(None, description="Goes with max_leverage.")
    max_leverage: Annotated[Number, Field(gt=0, le=1000)] | None = Field(
        None, description="Largest notional of the inventory over equity."
    )


class GridLevelOut(Model):
    """One resting order."""

    side: Literal["buy", "sell"]
    price: DecimalText
    quantity: DecimalText = Field(description="In quantity_unit, as a size.")
    contracts: DecimalText = Field(description="Whole lots.")
    notional: DecimalText
    reduce_only: bool = Field(description="Closes inventory; not part of the budget.")


class WorstCaseOut(Model):
    """Every order of one side filled, none of the other, and the price at the stop."""

    stop: DecimalText
    quantity: DecimalText = Field(description="Inventory then, signed, in quantity_unit at the mark.")
    contracts: DecimalText
    average_price: DecimalText | None = Field(description="Of the orders; null where the side has none.")
    notional: DecimalText = Field(description="At entry prices, what was held before at the mark.")
    loss: DecimalText = Field(description="At the stop, with fees, against today's equity; 0 for a gain.")
    loss_in_coin: DecimalText | None = Field(description="Inverse contracts: the loss in their coin, at the stop.")
    margin: DecimalText | None = Field(description="At max_leverage, else the instrument's; null where there is none.")


class WorstCasesOut(Model):
    """Both ends; null for a side that cannot open a position."""

    low: WorstCaseOut | None
    high: WorstCaseOut | None


class GridBoundOut(Model):
    """What bound the grid."""

    size: Literal["budget", "risk_budget", "volatility", "max_leverage", "max_quantity", "minimum"] = Field(
        description="volatility: risk_budget over the standard deviations; minimum: every order is the smallest "
        "legal one."
    )
    count: Literal["max_levels", "step", "budget", "risk_budget", "volatility", "max_leverage"]


class GridAnswer(MarketAnswer):
    """Resting orders that never cost more than the budget, and what they may come to."""

    least: dict[str, DecimalText] = Field(description="Refused: what would do, by the name of the field.")
    levels: list[GridLevelOut] = Field(description="By price, ascending; empty where refused.")
    least_step: Number | None = Field(description="Smallest step asked for, as a fraction: at least twice the fee.")
    committed: DecimalText = Field(description="Notional of the orders that open a position, with fees.")
    bound: GridBoundOut | None
    worst_case: WorstCasesOut | None
