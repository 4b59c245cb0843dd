"""What requests and answers of the execution-aware tools have in common: one market, its mark and its volatility."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DecimalText, Interval, Model, Name, Number, PositiveDecimal, Symbol, Time
from models.api.breaker import ActiveSwitchOut
from models.api.evaluation import Assumption, AuditOut, WarningOut
from models.api.market import InstrumentIn


class StrictnessIn(Model):
    """How silence is read."""

    strict: Annotated[bool, Strict()] = Field(
        default=False, description="Refuse the request where an assumption would be needed."
    )


class MarketRequest(Model):
    """One market at one time."""

    client_reference: Name | None = Field(None, description="Echoed, and searchable in the audit history.")
    as_of: Time | None = Field(None, description="Event time; default: the time of receipt, listed as an assumption.")
    options: StrictnessIn = StrictnessIn()
    symbol: Symbol
    venue: Name | None = None
    instrument: InstrumentIn | None = Field(
        None, description="Of this symbol; default: the one that is registered, else linear with lot 1e-8, as assumed."
    )
    mark_price: PositiveDecimal
    quantity_unit: Literal["base", "contracts", "quote"] | None = Field(
        None, description="Of quantities, here and in the answer; default: what the instrument says."
    )
    volatility: Annotated[Number, Field(gt=0, le=10)] | None = Field(
        None, description="Annual, as a fraction; default: that of the cached state."
    )
    interval: Interval | None = Field(
        None, description="Bar of the cached state, where no volatility is sent; default P1D."
    )

    @model_validator(mode="after")
    def _one_market(self) -> MarketRequest:
        if self.instrument is not None and self.instrument.symbol != self.symbol:
            raise PydanticCustomError("inconsistent", "instrument.symbol must be the symbol of the request")
        if self.instrument is not None and self.instrument.venue not in (None, self.venue):
            raise PydanticCustomError("inconsistent", "instrument.venue must be the venue of the request")
        return self


class MarketVolatilityOut(Model):
    """Volatility that was used."""

    annual: Number
    source: Literal["request", "state"]
    last_close_at: Time | None = Field(description="Of the cached state.")


class MarketAnswer(Model):
    """Head and tail of an answer about one market."""

    evaluation_id: str
    client_reference: str | None = None
    mode: Literal["live", "historical"]
    symbol: str
    venue: str | None = None
    as_of: Time
    received_at: Time
    status: Literal["ok", "limited", "refused"]
    reason: str
    detail: str | None = Field(description="Why it is limited or refused.")
    mark_price: DecimalText
    quantity_unit: Literal["base", "contracts", "quote"]
    currency: str | None = Field(description="Of all amounts: the quote currency; null where nothing says it.")
    volatility: MarketVolatilityOut | None = Field(description="null where none was needed or there is none.")
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    switches: list[ActiveSwitchOut] | None = Field(
        None, description="Operator's switches that hold: present where one stops this market."
    )
    audit: AuditOut
