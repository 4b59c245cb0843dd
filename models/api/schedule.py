"""Wire models of `POST /v1/schedules`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DecimalText, Model, Number, PlainDecimal, PositiveDecimal, Time
from models.api.execution import MarketAnswer, MarketRequest
from models.api.liquidity import PoolIn
from models.api.placement import (
    MAX_VENUES,
    CollarIn,
    LatencyOut,
    ReflexivityIn,
    ReflexivityOut,
    SandwichIn,
    SandwichOut,
    SplitRulesIn,
    VenueIn,
    VenueOut,
    VenueSliceOut,
)
from models.api.strict import StrictScalars
from services.core.tagged import Tagged
from services.hedging.execution import LinearImpact
from services.hedging.schedule_registry import ScheduleMethod

MAX_SLICES = 500
Volume = Annotated[Number, Field(ge=0, le=1e15)]
ScheduleMethodIn = Annotated[ScheduleMethod, Tagged(), StrictScalars()]
LinearImpactIn = Annotated[LinearImpact, StrictScalars()]


class JitterIn(Model):
    """Random sizes and moments of slices, so that they are harder to recognise."""

    fraction: Annotated[Number, Field(ge=0, le=0.9)] = Field(
        0.0, description="Largest relative change of a slice; 0, the default, leaves sizes alone."
    )
    times: Annotated[Number, Field(ge=0, le=1)] = Field(
        0.0, description="Part of its time within which a slice gets a random moment `at`; 0, the default: none."
    )
    seed: Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)] = Field(
        description="The same request with the same seed is the same schedule."
    )


class ScheduleRequest(MarketRequest):
    """An order to spread over time or prices."""

    quantity: PlainDecimal = Field(description="Signed: negative sells.")
    reduce_only: bool | None = Field(
        None,
        strict=True,
        description="Whether the order reduces a position: in doubt it is then traded sooner, else later. Default "
        "false, listed as an assumption.",
    )
    schedule: ScheduleMethodIn = Field(description="How it is spread.")
    start: Time | None = Field(None, description="Of the first slice; default: as_of.")
    impact: LinearImpactIn | None = Field(
        None, description="Default: made of spread and average_daily_volume, listed as an assumption."
    )
    spread: PositiveDecimal | None = Field(None, description="Between best bid and ask.")
    average_daily_volume: Annotated[Number, Field(gt=0, le=1e15)] | None = Field(
        None, description="Of the market, in base units."
    )
    volumes: Annotated[list[Volume], Field(min_length=1, max_length=MAX_SLICES, fail_fast=True)] | None = Field(
        None, description="Expected in each slice, in base units; default: average_daily_volume, evenly."
    )
    max_participation: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        None, description="Largest slice over the volume in its time."
    )
    jitter: JitterIn | None = None
    venues: Annotated[list[VenueIn], Field(min_length=1, max_length=MAX_VENUES, fail_fast=True)] | None = Field(
        None, description="Places to split each slice over, on the depth that they show now."
    )
    split_rules: SplitRulesIn | None = Field(None, description="Goes with venues.")
    collar: CollarIn | None = Field(None, description="Asks for the worst price of each slice.")
    pool: PoolIn | None = Field(None, description="Where slices are swapped in public: asks for the sandwich bound.")
    sandwich: SandwichIn | None = Field(None, description="Goes with pool.")
    net_gamma: Annotated[Number, Field(ge=-1e15, le=1e15)] | None = Field(
        None,
        description="Of the book that is hedged, in base units per unit of price, negative is short: asks for the "
        "feedback of the hedge.",
    )
    impact_slope: Annotated[Number, Field(ge=0, le=1e15)] | None = Field(
        None,
        description="What a base unit moves the price; default: of the largest slice by the square-root law, or "
        "impact.permanent, listed as an assumption.",
    )
    reflexivity: ReflexivityIn | None = Field(None, description="Levels of the feedback; goes with net_gamma.")
    latency_seconds: Annotated[Number, Field(gt=0, le=86_400)] | None = Field(
        None, description="From the price that a hedge is computed of to its fill: asks for the margin buffer."
    )
    confidence_factor: Annotated[Number, Field(gt=0, le=10)] | None = Field(
        None,
        description="Standard deviations that the buffer provides for; default 2.33, listed as an assumption.",
    )

    @model_validator(mode="after")
    def _belonging(self) -> ScheduleRequest:
        pairs = (
            ("split_rules", "venues"),
            ("sandwich", "pool"),
            ("impact_slope", "net_gamma"),
            ("reflexivity", "net_gamma"),
            ("latency_seconds", "net_gamma"),
            ("confidence_factor", "latency_seconds"),
        )
        for name, needed in pairs:
            if getattr(self, name) is not None and getattr(self, needed) is None:
                text = "{name} goes with {needed}: send that too, or leave it out"
                raise PydanticCustomError("inconsistent", text, {"name": name, "needed": needed})
        return self


class SliceOut(Model):
    """Part of the order."""

    sequence: int
    quantity: DecimalText = Field(description="In quantity_unit, as a size.")
    contracts: DecimalText = Field(description="Whole lots.")
    notional: DecimalText = Field(description="At the price of the slice, or the mark.")
    start: Time | None = Field(description="From when it may be traded; null where a price decides.")
    end: Time | None
    price: DecimalText | None = Field(description="Where it waits, to the tick; null where a time decides.")
    condition: str = Field(description="When it is due, in words.")
    participation: Number | None = Field(description="Of the expected volume in its time; null where that is unknown.")
    at: Time | None = Field(description="When to send it as one order; null without jitter.times.")
    worst_price: DecimalText | None = Field(
        description="To the tick, at the present mark: at the start of the slice take its mark times the same ratio. "
        "null without collar, or without a volatility."
    )
    venues: list[VenueSliceOut] | None = Field(description="Where to trade it; null without venues[].")
    unplaced: DecimalText | None = Field(description="Contracts that no venue bears; null without venues[].")


class UnfilledOut(Model):
    """What the volume does not bear."""

    quantity: DecimalText
    contracts: DecimalText
    required_seconds: Number | None = Field(description="Time in which the whole order would be borne, at this pace.")


class ExecutionCostOut(Model):
    """Of the slices as they are, against the mark, in linear impact."""

    expected: DecimalText
    expected_fraction: Number = Field(description="Over the notional at the mark.")
    standard_deviation: DecimalText
    variance: Number = Field(description="Quote currency squared.")


class ScheduleAnswer(MarketAnswer):
    """Slices of whole lots that sum to the order, less what the volume does not bear."""

    side: Literal["buy", "sell"]
    quantity: DecimalText = Field(description="Of all slices together, in quantity_unit, as a size.")
    contracts: DecimalText
    remainder: DecimalText = Field(description="Part of a lot that cannot be traded [contracts].")
    slices: list[SliceOut] = Field(description="In the order of time, or of distance from the mark.")
    unfilled: UnfilledOut | None
    joined: int = Field(description="Slices that were too small, and joined another or went.")
    cost: ExecutionCostOut | None = Field(description="null where impact or volatility is unknown, or prices decide.")
    venues: list[VenueOut] | None = Field(description="As venues[] of the request; null without.")
    sandwich: SandwichOut | None
    reflexivity: ReflexivityOut | None
    latency: LatencyOut | None
    characteristic_seconds: Number | None = Field(
        description="almgren_chriss: 1/κ, the time in which what is left falls to 1/e, were there no deadline."
    )
