"""Wire models of `POST /v1/margin:reverse-stress`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DecimalText, Model, Number, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.scenario_margin import MarginPositionIn, MarginUnderlyingIn, ScenarioAccountIn

MAX_STRESSED_UNDERLYINGS = 8
MAX_STRESSED_POSITIONS = 300
MAX_SHIFTS = 3

Correlations = Annotated[
    list[Annotated[Number, Field(ge=-1, le=1)]], Field(max_length=MAX_STRESSED_UNDERLYINGS, fail_fast=True)
]


class ReverseStressRequest(ScenarioAccountIn):
    """An account whose liquidating moves are looked for; nothing is stored."""

    positions: Annotated[list[MarginPositionIn], Field(max_length=MAX_STRESSED_POSITIONS, fail_fast=True)]
    underlyings: Annotated[
        list[MarginUnderlyingIn], Field(min_length=1, max_length=MAX_STRESSED_UNDERLYINGS, fail_fast=True)
    ] = Field(description="Each with its `volatility`: moves are counted in it.")
    correlation: Annotated[list[Correlations], Field(max_length=MAX_STRESSED_UNDERLYINGS, fail_fast=True)] | None = (
        Field(
            None,
            description="Of the underlyings' log returns, in their order. Without it several underlyings have no joint "
            "moves.",
        )
    )
    horizon_days: Annotated[Number, Field(ge=0.01, le=30)] = Field(
        default=1.0, description="Over which a standard deviation is counted, and touching is."
    )
    max_sigmas: Annotated[Number, Field(ge=1, le=20)] = Field(
        default=10.0, description="How far moves are followed [standard deviations]."
    )
    volatility_shifts: Annotated[
        list[Annotated[Number, Field(gt=-0.95, le=5)]], Field(min_length=1, max_length=MAX_SHIFTS, fail_fast=True)
    ] = Field(
        default_factory=lambda: [0.0, 0.5, -0.3],
        description="Moves of all implied volatilities, as fractions of them, each with moves of prices of its own. An "
        "account without options is looked at once, unless its price range follows volatility.",
    )

    @model_validator(mode="after")
    def _square(self) -> Self:
        size = len(self.underlyings)
        if self.correlation is not None and [len(row) for row in self.correlation] != [size] * size:
            text = "correlation must be {size} rows of {size}, one for each underlying"
            raise PydanticCustomError("matrix", text, {"size": size})
        if len(set(self.volatility_shifts)) != len(self.volatility_shifts):
            raise PydanticCustomError("duplicate", "volatility_shifts must be unique")
        return self


class UnderlyingMoveOut(Model):
    """Move of one underlying."""

    underlying: str
    move: Number = Field(description="Of its price, a fraction.")
    price: Number = Field(description="Spot price after it.")


class CrossingOut(Model):
    """A move after which equity does not exceed maintenance."""

    sigmas: Number = Field(description="Its distance; of a joint move the Mahalanobis distance.")
    moves: list[UnderlyingMoveOut] = Field(description="Of the underlyings that move.")
    equity: DecimalText
    maintenance_margin: DecimalText
    touch_probability: Number | None = Field(
        description="That it is reached within the horizon. One underlying alone: a driftless lognormal price; nearest "
        "joint move: its tangent half-space, 2 N(-sigmas). null where neither law applies."
    )


class SidesOut(Model):
    """Moves down and up; null: none within `max_sigmas`."""

    underlying: str
    down: CrossingOut | None
    up: CrossingOut | None


class NearestOut(Model):
    """Joint move of least distance that was found."""

    crossing: CrossingOut | None = Field(description="null: none within `max_sigmas`.")
    first_order_sigmas: Number | None = Field(
        description="Distance of the account's tangent at its prices; null: no move has a first-order effect."
    )
    rounds: int = Field(description="Improvements of the search.")
    settled: bool = Field(description="Whether it ended because no turn of the direction came nearer.")


class ShiftOut(Model):
    """Moves that liquidate the account together with one shift of volatility."""

    volatility_shift: Number
    status: Literal["ok", "liquidated"] = Field(
        description="liquidated: equity does not exceed maintenance before any move of prices."
    )
    equity: DecimalText = Field(description="With the shift, before any move of prices.")
    maintenance_margin: DecimalText
    alone: list[SidesOut] = Field(description="Each underlying by itself, the others standing still.")
    together: list[SidesOut] | None = Field(
        description="Each underlying, the others at their conditional means (betas). null without correlations."
    )
    nearest: NearestOut | None = Field(description="Over all joint moves. null without correlations.")


class ReverseStressAnswer(Model):
    """What liquidates the account."""

    as_of: Time
    currency: str
    preset: str
    overridden: list[str]
    units: dict[str, str]
    horizon_days: Number
    max_sigmas: Number
    least_sigmas: Number | None = Field(
        description="Least distance over everything below; null: nothing within `max_sigmas` liquidates the account."
    )
    shifts: list[ShiftOut] = Field(description="In the order of `volatility_shifts`.")
    assumptions: list[Assumption]
    warnings: list[WarningOut]
