"""Wire model of the control state: what a decision must remember from the ones before it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import (
    DecimalText,
    Model,
    Name,
    NonNegativeDecimal,
    Number,
    PlainDecimal,
    PositiveDecimal,
    Symbol,
    Time,
)
from models.api.breaker import BreakerStateIn, BreakerStateOut

MAX_REMEMBERED = 1000
MAX_BREAKERS = 102
MAX_CONTAGION = 1000
MAX_RATE = 1e6
"""A short of a price that may rise ten log units, with a buffer: beyond it no rate was ever asked."""


class RowMemoryIn(Model):
    """What is remembered of one row."""

    symbol: Symbol
    venue: Name | None = None
    account_id: Name | None = None
    position_side: str | None = Field(None, pattern="^(net|long|short)$")
    traded_at: Time | None = Field(None, description="When its last order was made.")


class HedgeMemoryIn(Model):
    """What is remembered of the last hedge of an underlying."""

    underlying: Symbol
    last_hedge_at: Time
    last_hedge_price: PositiveDecimal = Field(description="Mark of the hedge instrument, in its quote currency.")
    gamma_1pct: Number | None = Field(None, description="Of the book then: base units for a move of 1 %.")
    vega_per_point: Number | None = Field(None, description="Of the book then: quote currency per volatility point.")


class ContagionStateIn(Model):
    """How far margin at a venue is tightened, as the last answer gave it."""

    venue: Name
    multiplier: Annotated[Number, Field(ge=1, le=101)] = Field(description="On margin rates and haircuts.")
    as_of: Time


class MarginMemoryIn(Model):
    """Margin rates that were asked last of one market, before floors and caps: fractions of notional."""

    market: Symbol = Field(description="As the last answer named it: symbol of the series, or of the cached state.")
    long: Annotated[Number, Field(ge=0, le=MAX_RATE)]
    short: Annotated[Number, Field(ge=0, le=MAX_RATE)]
    as_of: Time


class PreviousIn(Model):
    """`state` of the last answer, sent back as it was; without it the account starts now."""

    initial_capital: NonNegativeDecimal | None = Field(None, description="Equity at which the account started.")
    high_water_mark: NonNegativeDecimal | None = Field(None, description="Highest equity so far.")
    net_deposits: PlainDecimal | None = Field(None, description="account.net_deposits at that time.")
    floor: NonNegativeDecimal | None = Field(None, description="Floor of a portfolio insurance.")
    as_of: Time | None = None
    breaker_tier: Annotated[int, Field(ge=0, le=4, strict=True)] = Field(
        default=0, description="0 normal, 1 caution, 2 reduce, 3 close only, 4 flatten."
    )
    rows: Annotated[list[RowMemoryIn], Field(max_length=MAX_REMEMBERED, fail_fast=True)] = Field(default_factory=list)
    hedges: Annotated[list[HedgeMemoryIn], Field(max_length=MAX_REMEMBERED, fail_fast=True)] = Field(
        default_factory=list, description="Last hedge of each underlying; one that is missing was never hedged."
    )
    breakers: Annotated[list[BreakerStateIn], Field(max_length=MAX_BREAKERS, fail_fast=True)] = Field(
        default_factory=list,
        description="Circuit breakers by scope. Without them a breaker_tier starts the account's breaker.",
    )

    contagion: Annotated[list[ContagionStateIn], Field(max_length=MAX_CONTAGION, fail_fast=True)] = Field(
        default_factory=list, description="Multiplier of each venue; one that is missing starts now."
    )
    margins: Annotated[list[MarginMemoryIn], Field(max_length=MAX_REMEMBERED, fail_fast=True)] = Field(
        default_factory=list,
        description="Margin rates that were asked last, for policy.margin.procyclicality; a market that is missing "
        "starts with its buffer full.",
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> PreviousIn:
        lists = {
            "breakers": [item.scope for item in self.breakers],
            "contagion": [item.venue for item in self.contagion],
            "margins": [item.market for item in self.margins],
        }
        for field, names in lists.items():
            if twice := [name for index, name in enumerate(names) if name in names[:index]]:
                text = "{field} holds {key} more than once: send one row for each"
                raise PydanticCustomError("duplicate_row", text, {"field": field, "key": twice[0]})
        return self

    @model_validator(mode="after")
    def _one_memory_each(self) -> PreviousIn:
        # Of two, one would be forgotten, and with it a cooldown.
        if len({item.underlying for item in self.hedges}) < len(self.hedges):
            raise PydanticCustomError("inconsistent", "hedges must name every underlying once")
        return self


class RowMemoryOut(Model):
    """What is remembered of one row."""

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    traded_at: Time | None = None


class HedgeMemoryOut(Model):
    """What is remembered of the last hedge of an underlying."""

    underlying: str
    last_hedge_at: Time
    last_hedge_price: DecimalText
    gamma_1pct: float | None = None
    vega_per_point: float | None = None


class ContagionStateOut(Model):
    """How far margin at a venue is tightened."""

    venue: str
    multiplier: float
    as_of: Time


class MarginMemoryOut(Model):
    """Margin rates that are asked of one market now, before floors and caps: fractions of notional."""

    market: str
    long: float
    short: float
    as_of: Time


class StateOut(Model):
    """Control state after this decision: send it as `previous` of the next request."""

    initial_capital: DecimalText | None = None
    high_water_mark: DecimalText | None = None
    net_deposits: DecimalText
    floor: DecimalText | None = None
    as_of: Time
    breaker_tier: int
    rows: list[RowMemoryOut]
    hedges: list[HedgeMemoryOut] | None = Field(None, description="Present under a policy with hedging.")
    breakers: list[BreakerStateOut] | None = Field(None, description="Present under a policy with breakers.")
    contagion: list[ContagionStateOut] | None = Field(None, description="Present under a policy with contagion.")
    margins: list[MarginMemoryOut] | None = Field(
        None, description="Present under policy.margin.procyclicality, and where previous held some."
    )
