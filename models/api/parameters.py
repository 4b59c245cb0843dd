"""Wire models of the parameters that a venue publishes for its markets."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import (
    SYMBOL_PATTERN,
    DecimalText,
    Interval,
    Model,
    Name,
    Number,
    PositiveDecimal,
    Symbol,
    Time,
)
from models.api.breaker import Text
from models.api.evaluation import AuditOut
from models.api.policy_choice import PolicyReference
from models.api.query import Limit, QueryWhole
from services.margin.published import MarketRates, PublicationRules

_SYMBOL, VERSIONS = re.compile(SYMBOL_PATTERN[:-1] + r"\Z", re.ASCII), "/versions"


def _market(value: str) -> str:
    if not _SYMBOL.match(value) or value.endswith(VERSIONS):
        raise PydanticCustomError(
            "market_name",
            "must be 1 to 64 printable ASCII characters without spaces, and not end in /versions; percent-encode what "
            "is no letter or digit",
        )
    return value


class MarketPath(Model):
    """Parameters in the paths of markets."""

    market: Annotated[str, AfterValidator(_market)]


class ParametersQuery(Model):
    """Parameters of `GET /v1/parameters/{market}`."""

    as_of: Time | None = Field(None, description="Moment for which the version in force is asked; default: now.")


class VersionsQuery(Model):
    """Parameters of `GET /v1/parameters/{market}/versions`."""

    after: QueryWhole | None = Field(None, description="Version before the page: `next` of the page before.")
    limit: Limit = Field(100, description="Rows of a page.")


class FromModelIn(Model):
    """Rates by the margin model at the cached volatility."""

    policy: PolicyReference | None = Field(
        None, description="Stored policy whose `margin` is the model; default: the default model."
    )
    symbol: Symbol | None = Field(None, description="Of the cached state; default: the market.")
    venue: Name | None = Field(None, description="The state of this venue, else the one kept without a venue.")
    interval: Interval = Field("P1D", description="Bar of the cached state.")
    haircut_floor: Annotated[Number, Field(ge=0, le=1)] = Field(
        default=0.15, description="Least maintenance haircut: 0 for cash, .01 for stablecoins, .05 for BTC and ETH."
    )


class PublishRequest(Model):
    """Parameters of a market from a moment on: `rates`, or those of the margin model."""

    rates: MarketRates | None = Field(None, description="Goes without `from_model`.")
    from_model: FromModelIn | None = Field(None, description="Goes without `rates`; `{}` is all defaults.")
    max_leverage: Annotated[Number, Field(ge=1, le=1000)] | None = Field(
        None, description="Notional over margin. Also a floor of rates that the model gives: 1 / max_leverage."
    )
    max_position: PositiveDecimal | None = Field(None, description="Of one account [contracts].")
    max_notional: PositiveDecimal | None = Field(None, description="Of one account [quote currency].")
    effective_at: Time | None = Field(
        None, description="Default: when the notice has run; of a first publication or an emergency, at once."
    )
    rules: PublicationRules | None = Field(
        None, description="For publications made while this version holds; default: those of the version before."
    )
    emergency: Annotated[bool, Strict()] = Field(
        default=False, description="Without notice and as far as need be, but upwards only: it loosens nothing."
    )
    actor: Text = Field(description="Who publishes; kept with the version.")
    reason: Text = Field(description="Why; kept with the version.")

    @model_validator(mode="after")
    def _one_source(self) -> PublishRequest:
        if (self.rates is None) == (self.from_model is None):
            raise PydanticCustomError("inconsistent", "takes either rates or from_model")
        return self


class ParametersOut(Model):
    """One version of a market's parameters."""

    market: str
    version: int = Field(description="From 1, without gaps.")
    effective_at: Time
    published_at: Time
    rates: MarketRates
    max_leverage: float | None
    max_position: DecimalText | None
    max_notional: DecimalText | None
    rules: PublicationRules
    emergency: bool
    actor: str
    reason: str
    inputs: dict[str, Any] | None = Field(
        description="What the model was given and which of its rungs answered; null where the rates were sent."
    )


class ParametersAnswer(Model):
    """What holds for a market, and what is to come."""

    market: str
    in_force: ParametersOut | None = Field(description="null: the first version is not effective yet.")
    scheduled: ParametersOut | None = Field(description="Version that holds next, as things stand.")


class ParametersPage(Model):
    """Every version of a market, oldest first."""

    items: list[ParametersOut]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class ParametersPublished(ParametersOut):
    """The version that was published."""

    event_id: str
    audit: AuditOut
