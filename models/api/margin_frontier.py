"""Wire models of `POST /v1/margin:frontier`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Number, Symbol, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.margin_backtest import MarginWalkIn

MAX_CONFIDENCES, MAX_MULTIPLIERS = 10, 20


class FrontierRequest(MarginWalkIn):
    """A margin model at many confidences and sizes on the bars of one market; nothing is stored."""

    confidences: Annotated[
        list[Annotated[Number, Field(ge=0.5, lt=1)]], Field(max_length=MAX_CONFIDENCES, fail_fast=True)
    ] = Field(
        default_factory=lambda: [0.9, 0.95, 0.975, 0.99, 0.995], description="In the place of the model's `alpha`."
    )
    multipliers: Annotated[
        list[Annotated[Number, Field(gt=0, le=10)]], Field(max_length=MAX_MULTIPLIERS, fail_fast=True)
    ] = Field(
        default_factory=lambda: [0.6, 0.8, 1.25, 1.5, 2.0],
        description="Of the model's margin as it is; a long's stays at most 1.",
    )
    maintenance_fraction: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.6, description="Maintenance over initial margin: an account is liquidated where equity falls to it."
    )

    @property
    def walks(self) -> int:
        """One for each confidence, and the model's own."""
        return len({*self.confidences, self.model.alpha})

    @model_validator(mode="after")
    def _varied(self) -> FrontierRequest:
        if not self.confidences and not self.multipliers:
            raise PydanticCustomError("empty", "confidences or multipliers must name something to compare with")
        return self


class RateOut(Model):
    """How often something happened."""

    count: int
    rate: Number
    low: Number = Field(description="Of the exact interval of 95 % (Clopper-Pearson).")
    high: Number


class FrontierSideOut(Model):
    """One margin on one side."""

    mean_margin: Number = Field(description="Fraction of notional.")
    mean_leverage: Number | None = Field(description="Mean of 1 / margin; null where a margin is 0.")
    breaches: RateOut = Field(description="Losses beyond the margin: the account is worth less than nothing.")
    liquidations: RateOut = Field(description="Losses that leave an account that held the margin without maintenance.")
    mean_excess: Number = Field(description="Mean loss beyond the margin of the breaches, a fraction of notional.")
    peak_to_trough: Number | None = Field(description="Largest over smallest margin; null where a margin is 0.")


class FrontierPointOut(Model):
    """One margin."""

    varied: Literal["own", "confidence", "multiplier"] = Field(description="own: the model as it was sent.")
    alpha: Number
    multiplier: Number
    observations: int = Field(description="Judged margins of both sides.")
    mean_margin: Number = Field(description="Of both sides, a fraction of notional.")
    breaches: RateOut = Field(description="Of both sides.")
    liquidations: RateOut = Field(description="Of both sides.")
    efficient: bool = Field(
        description="No other point is both cheaper on average and breached less often, sides together. Intervals "
        "overlap: that may be chance."
    )
    long: FrontierSideOut
    short: FrontierSideOut


class FrontierAnswer(Model):
    """What margin costs against how often it fails."""

    symbol: Symbol
    as_of: Time
    bars: int = Field(description="Complete bars of the series.")
    first_margin: Time = Field(description="Close of the first margin that was judged.")
    horizon_bars: int
    horizon_days: Number
    maintenance_fraction: Number
    units: dict[str, str]
    points: list[FrontierPointOut] = Field(description="The model's own first, then confidences, then multipliers.")
    model_resolved: dict[str, Any]
    procyclicality_resolved: dict[str, Any]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
