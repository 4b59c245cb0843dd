"""Query parameters of the GET and DELETE resources. Their values arrive as text; unknown parameters are refused."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Interval, Model, Name, Symbol, Time

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?(e-?[0-9]{1,2})?\Z", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[0-9]{1,18}\Z", re.ASCII)


def _number(value: Any) -> Any:
    if isinstance(value, str) and not _NUMBER.match(value):
        raise PydanticCustomError("float_parsing", "must be a number such as 0.2")
    return value


def _whole(value: Any) -> Any:
    if isinstance(value, str) and not _WHOLE.match(value):
        raise PydanticCustomError("int_parsing", "must be a whole number")
    return value


QueryNumber = Annotated[float, BeforeValidator(_number, json_schema_input_type=float)]
QueryWhole = Annotated[int, BeforeValidator(_whole, json_schema_input_type=int)]
Limit = Annotated[QueryWhole, Field(ge=1, le=1000)]
Cursor = Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[A-Za-z0-9_=-]+$")]
HalfLife = Annotated[QueryNumber, Field(gt=0, le=2000)]
ModelVersion = Annotated[str, Field(min_length=3, max_length=200, pattern=r"^[a-z0-9_]+\.[0-9]+-[ -~]*$")]


class ScalarParameters(Model):
    """Parameters of `GET /v1/scalar`."""

    symbol: Symbol = Field(description="Market whose cached state is used.")
    target_volatility: Annotated[QueryNumber, Field(gt=0, le=3)] = Field(
        description="Annual, as a fraction: 0.20 is 20 %."
    )
    interval: Interval = Field("P1D", description="Bar of the cached state.")
    venue: Name | None = Field(None, description="The state of this venue, else the one kept without a venue.")
    max_leverage: Annotated[QueryNumber, Field(gt=0, le=100)] = Field(2.0, description="Largest scalar.")
    as_of: Time | None = Field(None, description="Event time; default: the time of receipt.")


_MODEL = "Estimator whose state it is, as `model_version` of an answer names it; default: that of the default policy."
_HALF_LIFE = "Short for the model ewma with this half-life [bars]."


class StateParameters(Model):
    """Parameters that name one cached state."""

    symbol: Symbol
    interval: Interval = Field("P1D", description="Bar of the state.")
    venue: Name | None = None
    model: ModelVersion | None = Field(None, description=_MODEL)
    half_life: HalfLife | None = Field(None, description=_HALF_LIFE)

    @model_validator(mode="after")
    def _one_model(self) -> StateParameters:
        _check_one_model(self.model, self.half_life)
        return self


def _check_one_model(model: str | None, half_life: float | None) -> None:
    if model is not None and half_life is not None:
        raise PydanticCustomError("state_form", "model and half_life name two estimators: send one")


class VolatilityParameters(Model):
    """Parameters of `GET /v1/volatility`: one state by `symbol`, or a page of all."""

    symbol: Symbol | None = Field(None, description="Show this market's state; without it, all states are listed.")
    interval: Interval | None = Field(None, description="Bar of the state; default P1D. Goes with symbol.")
    venue: Name | None = Field(None, description="Goes with symbol.")
    model: ModelVersion | None = Field(None, description=f"{_MODEL} Goes with symbol.")
    half_life: HalfLife | None = Field(None, description=f"{_HALF_LIFE} Goes with symbol.")
    horizon: Interval | None = Field(
        None, description="Also answer the volatility over this time, such as P7D. Goes with symbol."
    )
    after: Cursor | None = Field(None, description="Cursor of a page: `next` of the page before.")
    limit: Limit = Field(100, description="Rows of a page.")

    @model_validator(mode="after")
    def _one_or_all(self) -> VolatilityParameters:
        if self.symbol is None and (self.interval or self.venue or self.model or self.half_life or self.horizon):
            raise PydanticCustomError("state_form", "interval, venue, model, half_life and horizon go with symbol")
        _check_one_model(self.model, self.half_life)
        if self.symbol is not None and self.after is not None:
            raise PydanticCustomError("state_form", "symbol names one state; after belongs to the list of all")
        return self


class PageParameters(Model):
    """Parameters of a list."""

    after: Cursor | None = Field(None, description="Cursor of a page: `next` of the page before.")
    limit: Limit = Field(100, description="Rows of a page.")


class TargetsParameters(Model):
    """Parameters of `GET /v1/portfolios/{portfolio_id}/targets`."""

    wait_seconds: QueryWhole | None = Field(
        None,
        le=30,
        description="Longest wait for targets other than those that If-None-Match names, or for the first ones.",
    )


DecisionKind = Literal[
    "evaluation",
    "targets",
    "margin",
    "hedges",
    "scalar",
    "oracle",
    "grid",
    "schedule",
    "vault",
    "allocation",
    "waterfall",
    "order_check",
    "live",
    "governance",
]


FactKind = Literal[
    "observation",
    "instruments",
    "policy",
    "portfolio",
    "snapshot",
    "executions",
    "breaker",
    "parameters",
    "key",
    "retention",
    "log_key",
]


class EvaluationsParameters(Model):
    """Parameters of `GET /v1/evaluations`."""

    after: QueryWhole | None = Field(
        None, description="Audit index after which the page begins: `next` of the page before."
    )
    limit: Limit = Field(100, description="Rows of a page.")
    kind: DecisionKind = Field("evaluation", description="Door of the call.")
    portfolio_id: Name | None = None
    client_reference: Name | None = None


class DifferenceParameters(Model):
    """Parameters of `GET /v1/evaluations/{evaluation_id}:diff`."""

    against: Annotated[str, Field(pattern=r"^ev_[0-9a-f]{32}$")] | None = Field(
        None,
        description="Evaluation to compare with; default: the last one of the same `portfolio_id`, through the same "
        "door, before it.",
    )


class EntriesParameters(Model):
    """Parameters of `GET /v1/audit/entries`."""

    after: QueryWhole | None = Field(
        None, description="Audit index after which the page begins: `next` of the page before."
    )
    limit: Limit = Field(100, description="Rows of a page.")
    kind: DecisionKind | FactKind | None = Field(None, description="Only entries of this kind.")
    portfolio_id: Name | None = None
    client_reference: Name | None = None


class NoParameters(Model):
    """A resource without query parameters."""
