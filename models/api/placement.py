"""Wire models of how slices are placed: venues, worst prices, swaps in public, feedback of hedges, latency."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DecimalText, Model, Name, NonNegativeDecimal, Number, PositiveDecimal
from models.api.liquidity import LONGEST_STANDING, BookIn
from models.api.strict import StrictScalars
from services.hedging.price_collar import PriceCollar
from services.hedging.reflexivity import Reflexivity
from services.hedging.venues import SplitRules

MAX_VENUES = 20
SplitRulesIn = Annotated[SplitRules, StrictScalars()]
CollarIn = Annotated[PriceCollar, StrictScalars()]
ReflexivityIn = Annotated[Reflexivity, StrictScalars()]
HalfSpread = Annotated[Number, Field(ge=0, lt=0.5)]


class LinearDepthIn(Model):
    """Depth that is even in the price, where a book is not at hand."""

    kind: Literal["linear"]
    depth: PositiveDecimal = Field(description="Size within `distance` of the best price, in quantity_unit.")
    distance: Annotated[Number, Field(gt=0, lt=0.5)] = Field(description="Fraction of the mark: 0.005 is 0.5 %.")
    half_spread: HalfSpread = Field(description="Half the spread, as a fraction of the mark.")


class SquareRootDepthIn(Model):
    """Square-root impact, where a book is not at hand."""

    kind: Literal["square_root"]
    average_daily_volume: Annotated[Number, Field(gt=0, le=1e15)] = Field(description="Of the venue, in base units.")
    half_spread: HalfSpread = Field(description="Half the spread, as a fraction of the mark.")
    coefficient: Annotated[Number, Field(gt=0, le=10)] | None = Field(
        None, description="Y of Y σ √(Q / V); default 1, listed as an assumption: it is measured for no venue here."
    )


class VenueIn(Model):
    """A place to trade: what it offers, what it charges, and how far it is to be relied on."""

    venue: Name
    book: BookIn | None = Field(None, description="Its book; the symbol in it is the venue's own.")
    depth: Annotated[LinearDepthIn | SquareRootDepthIn, Field(discriminator="kind")] | None = Field(
        None, description="A form of its depth, instead of a book."
    )
    fee_rate: Annotated[Number, Field(gt=-0.1, lt=0.1)] = Field(
        description="Of an order that takes, over notional: 0.0005 is 5 basis points; negative is a rebate."
    )
    age_seconds: Annotated[Number, Field(ge=0, le=LONGEST_STANDING)] | None = Field(
        None, description="Age of `depth`; default 0, listed as an assumption. A book has its own as_of."
    )
    trusted: Annotated[bool, Strict()] = Field(default=True, description="false leaves the venue out.")
    max_quantity: PositiveDecimal | None = Field(
        None, description="Largest order, in quantity_unit; default: max_quantity of the instrument."
    )
    min_quantity: PositiveDecimal | None = Field(
        None, description="Smallest order, in quantity_unit; default: that of the instrument."
    )
    margin_headroom: NonNegativeDecimal | None = Field(
        None, description="Margin that is free there, in the quote currency; used up by one slice after the other."
    )
    initial_margin_rate: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        None, description="Margin over notional there; default 1, listed as an assumption."
    )

    @model_validator(mode="after")
    def _one_form(self) -> VenueIn:
        if (self.book is None) == (self.depth is None):
            raise PydanticCustomError("venue_form", "give either book or depth")
        if self.book is not None and self.book.venue not in (None, self.venue):
            raise PydanticCustomError("inconsistent", "book.venue must be the venue")
        if self.book is not None and self.age_seconds is not None:
            raise PydanticCustomError("inconsistent", "age_seconds goes with depth: a book has as_of")
        if self.initial_margin_rate is not None and self.margin_headroom is None:
            raise PydanticCustomError("inconsistent", "initial_margin_rate goes with margin_headroom")
        return self


class SandwichIn(Model):
    """What a swap on `pool` allows, and what attacking it costs."""

    slippage_limit: Annotated[Number, Field(ge=0, lt=1)] | None = Field(
        None,
        description="The swap fails if it gets less than 1 - limit of what the pool quotes for it before: 0.005 is "
        "0.5 %, the default, listed as an assumption.",
    )
    attacker_cost: NonNegativeDecimal | None = Field(
        None, description="Gas of the attacker's two swaps, in the quote currency; default 0, listed as an assumption."
    )
    attacker_capital: PositiveDecimal | None = Field(
        None, description="In the quote currency; default: without bound, since it can be lent within a block."
    )


class VenueSliceOut(Model):
    """Part of a slice on one venue."""

    venue: str
    quantity: DecimalText
    contracts: DecimalText
    expected_price: DecimalText = Field(description="Average, without the fee.")
    worst_price: DecimalText = Field(description="Of the last unit, to the tick: where to limit the order.")
    cost_bps: Number = Field(description="Expected against the mark, fee included, in basis points.")


class VenueOut(Model):
    """What a venue gets of all slices, or why it gets nothing."""

    venue: str
    reason: str = Field(description="none where it gets a part; else why not.")
    detail: str
    quantity: DecimalText
    contracts: DecimalText
    expected_price: DecimalText | None = Field(description="Average of its parts, without the fee.")
    worst_price: DecimalText | None
    cost_bps: Number | None


class SandwichOut(Model):
    """What an attacker can take from the largest slice as one swap on the pool, alone in its block."""

    status: Literal["ok", "unknown"]
    reason: str
    detail: str | None
    slippage_limit: Number
    contracts: DecimalText = Field(description="Of the largest slice, of which this speaks.")
    bound: DecimalText | None = Field(description="The most that a sandwich earns before its cost, quote currency.")
    bound_bps: Number | None = Field(description="Over the notional of the slice, in basis points.")
    front_run: DecimalText | None = Field(description="Swap of the attacker that earns it, quote currency.")
    worst_price: DecimalText | None = Field(description="Average price at which the swap still goes through.")
    safe: bool = Field(description="Whether no sandwich earns more than attacker_cost; false where that is unknown.")
    safe_slippage: Number | None = Field(
        description="Largest limit at which none does; 1: none does whatever the limit, 0: one does at any; null "
        "where a range ends before that is known."
    )
    largest_safe_slice: DecimalText | None = Field(
        description="Contracts, at slippage_limit; null where a range ends before."
    )


class ReflexivityOut(Model):
    """How the hedge feeds back on itself."""

    level: Literal["ok", "warn", "prefer_option", "refuse"]
    consequence: str
    gain: Number = Field(description="-impact_slope × net_gamma; negative where hedges dampen moves.")
    amplification: Number | None = Field(description="1 / (1 - gain); null where it has no end.")
    band_factor: Number | None = Field(description="What the no-trade band is to be widened by.")
    impact_slope: Number = Field(description="Quote currency per base unit.")
    thresholds: ReflexivityIn = Field(description="Judgement, not measured.")


class LatencyOut(Model):
    """What a late hedge may cost: a buffer of margin, not a reason to hedge sooner."""

    latency_seconds: Number
    confidence_factor: Number
    delta_drift: Number = Field(description="Standard deviation of the delta over the latency, base units.")
    buffer_delta: Number = Field(description="Base units.")
    buffer_quote: DecimalText = Field(description="To add to margin, quote currency.")
