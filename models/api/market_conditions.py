"""Wire models of what surrounds a book: venues, protocols, chains, views on volatility."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Name, Number, PlainDecimal, Symbol

MAX_PLACES = 100
YEAR_SECONDS = 31_536_000

Grade = Annotated[Literal["A", "B", "C", "D", "E"], Field(description="From A, safest, to E.")]
Share = Annotated[
    Number, Field(ge=0, le=100, description="Largest share of equity at risk there; wins over the grade.")
]
Seconds = Annotated[Number, Field(ge=0, le=YEAR_SECONDS)]


Percentile = Annotated[Number, Field(ge=0, le=1)]
Figure = Annotated[Number, Field(ge=-1e9, le=1e9)]


class VenueMetricsIn(Model):
    """What is seen of a venue; a part that is left out drops out of the mean, and is never taken for calm."""

    leverage_percentile: Percentile | None = Field(
        None, description="Of open interest over market capitalisation, in its own history."
    )
    funding_percentile: Percentile | None = Field(None, description="Of the absolute funding rate.")
    basis_bps: Figure | None = Field(None, description="From the median of other venues; its size counts.")
    depth_ratio: Annotated[Number, Field(ge=0, le=1e9)] | None = Field(
        None, description="Depth of the book over its 30-day median."
    )
    withdrawal_share: Figure | None = Field(None, description="Net withdrawals of a day over reserves.")
    peg_deviation: Figure | None = Field(None, description="Of its quote currency, as a fraction; its size counts.")
    error_rate: Percentile | None = Field(None, description="Share of calls to its API that fail.")


class VenueIn(Model):
    """State of a venue. Rows name it by their own `venue`, or by that of their instrument."""

    venue: Name
    protocol: Name | None = Field(None, description="Protocol that it runs on; see protocols[].")
    chain: Name | None = Field(None, description="Chain that it settles on; see chains[].")
    risk_grade: Grade | None = None
    max_share: Share | None = None
    distress: Annotated[Number, Field(ge=0, le=1)] | None = Field(None, description="0 is sound, 1 is default.")
    contagion_multiplier: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        None, description="Multiplier on positions there, from a contagion model of your own."
    )
    latency_seconds: Seconds | None = Field(None, description="From decision to acceptance of an order.")
    equity: PlainDecimal | None = Field(
        None,
        description="Part of the account's equity that is held there, in the account currency; policy.breakers then "
        "has a breaker of the venue.",
    )
    metrics: VenueMetricsIn | None = Field(
        None, description="What is seen of it; policy.contagion makes distress of them, and takes the larger of both."
    )


class ProtocolIn(Model):
    """A protocol that venues run on."""

    protocol: Name
    risk_grade: Grade | None = None
    max_share: Share | None = None


class ChainIn(Model):
    """State of a chain: send finality in blocks or in seconds."""

    chain: Name
    block_time_seconds: Annotated[Number, Field(gt=0, le=86_400)]
    finality_blocks: Annotated[int, Field(ge=0, le=100_000, strict=True)] | None = None
    finality_seconds: Seconds | None = Field(None, description="From inclusion to finality.")
    congestion: Annotated[Number, Field(ge=0, le=1)] = Field(
        default=0.0, description="Probability that a transaction misses a block; at 1 nothing gets in."
    )
    sequencer_up: Annotated[bool, Strict()] = True

    @model_validator(mode="after")
    def _one_finality(self) -> ChainIn:
        if (self.finality_blocks is None) == (self.finality_seconds is None):
            raise PydanticCustomError("chain_form", "send either finality_blocks or finality_seconds (0: at inclusion)")
        return self


class VolatilityViewIn(Model):
    """What you know of the volatility of one market and its series does not say."""

    symbol: Symbol = Field(description="Row, series or underlying.")
    shock_volatility: Annotated[Number, Field(gt=0, le=50)] | None = Field(
        None, description="Volatility of a rare bad time [annual]: read instead of the quantile of its own path."
    )
    implied_volatility_change: Annotated[Number, Field(ge=-10, le=10)] | None = Field(
        None, description="Change of ln(implied volatility) per day: 0.10 is from 50 % to 55 %."
    )

    @model_validator(mode="after")
    def _says_something(self) -> VolatilityViewIn:
        if self.shock_volatility is None and self.implied_volatility_change is None:
            raise PydanticCustomError("inconsistent", "must hold shock_volatility or implied_volatility_change")
        return self
