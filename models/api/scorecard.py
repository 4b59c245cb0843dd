"""Wire models of the scorecard: how good recorded answers were, by what the log holds later."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Name, Symbol, Time
from models.api.query import QueryWhole

Missing = Literal["no_pairs", "too_few_moments", "no_spread"]
Counts = dict[str, Annotated[int, Field(ge=0)]]


class ScorecardParameters(Model):
    """Parameters of `GET /v1/scorecard`."""

    first: QueryWhole | None = Field(
        None,
        alias="from",
        description="Index of the first entry that is read; default: the oldest of the newest 20,000.",
    )
    last: QueryWhole | None = Field(
        None, alias="to", description="Index of the last entry that is read; default: the newest."
    )
    portfolio_id: Name | None = Field(None, description="Only answers about this portfolio.")
    symbol: Symbol | None = Field(None, description="Only statements on this market; figures of books are left out.")

    @model_validator(mode="after")
    def _ordered(self) -> ScorecardParameters:
        if self.first is not None and self.last is not None and self.first > self.last:
            raise PydanticCustomError("inconsistent", "from must not lie above to")
        return self


class MetricOut(Model):
    """One figure, its standard error, or why there is none: never a zero in its place."""

    n: int = Field(description="Pairs of statement and outcome.")
    moments: int = Field(description="Different times among them; below 20 nothing is stated.")
    value: float | None
    standard_error: float | None = Field(description="Newey–West, over pairs whose horizons overlap.")
    lags: int = Field(description="Of the standard error [moments].")
    reason: Missing | None = Field(description="Why there is no value.")


class CalibrationOut(Model):
    """Mincer–Zarnowitz regression of realised variance on its forecast, weighted by 1/forecast."""

    n: int
    moments: int
    intercept: float | None = Field(description="0 where right [mean forecast of the market].")
    intercept_standard_error: float | None
    slope: float | None = Field(description="1 where right.")
    slope_standard_error: float | None
    p_value: float | None = Field(description="Of both at once, χ² with two degrees of freedom.")
    reason: Missing | None


class ForecastsOut(Model):
    """Variance forecasts of the next bar, calibration included, against its squared log return [squared per cent]."""

    repeated: int = Field(description="Answers that stated what an earlier one stated on the same bar.")
    qlike: MetricOut = Field(description="Mean of ln h + y/h; lower is better.")
    squared_error: MetricOut = Field(description="Mean of (y − h)².")
    bias: MetricOut = Field(description="Mean of y/h: 1 where the level is right, above where risk was underestimated.")
    qlike_gain: MetricOut = Field(description="Mean QLIKE of the benchmark less that of the forecasts.")
    squared_error_gain: MetricOut
    benchmark: Literal["ewma_0.94"]
    calibration: CalibrationOut
    excluded: Counts = Field(description="Forecasts that cannot be judged, by reason.")


class MarketForecastsOut(Model):
    """The same of one market, in short."""

    symbol: str
    venue: str | None
    qlike: MetricOut
    bias: MetricOut
    qlike_gain: MetricOut


class TestOut(Model):
    """A likelihood-ratio test."""

    statistic: float
    p_value: float


class CoverageOut(Model):
    """Breaches of the value at risk, tested."""

    observations: int
    breaches: int
    expected_rate: float
    kupiec: TestOut
    independence: TestOut = Field(description="Christoffersen: whether breaches follow breaches.")
    conditional: TestOut
    traffic_light: Literal["green", "yellow", "red"]
    verdict: Literal["covered", "under_coverage", "over_coverage"]


class TailsOut(Model):
    """One-day losses of target books, days that do not overlap, against the value at risk and shortfall stated."""

    breach_rate: MetricOut = Field(description="0.01 where right.")
    coverage: CoverageOut | None
    shortfall_excess: MetricOut = Field(description="0 where the expected shortfall is right, above where too small.")
    excluded: Counts


class TrackingOut(Model):
    """Books against their target, orders against executions."""

    realized_to_target: MetricOut = Field(description="Realised volatility of target books over target_volatility.")
    realized_to_forecast: MetricOut = Field(description="The same over the forecast volatility of the book.")
    executed_share: MetricOut = Field(
        description="Mean share of live orders that was executed, of portfolios that report executions."
    )
    excluded: Counts


class ReliabilityBinOut(Model):
    """Statements of one bin."""

    low: float
    high: float
    n: int
    stated: float = Field(description="Mean probability.")
    happened: float = Field(description="Share that did.")


class TouchesOut(Model):
    """Probabilities that the liquidation price is touched within a day."""

    brier: MetricOut = Field(description="Lower is better.")
    bias: MetricOut = Field(description="Mean of happened − stated; above 0 where danger was underestimated.")
    calibration_error: float | None
    bins: list[ReliabilityBinOut]
    excluded: Counts


class HedgesOut(Model):
    """Delta after hedges against delta before, to the next price on record."""

    residual_variance: MetricOut = Field(description="Of profit and loss of the delta: 0 hedged, 1 as without.")
    residual_delta: MetricOut
    excluded: Counts


class ScorecardRange(Model):
    """What was read: asked for again with these bounds, the answer is the same to the byte."""

    from_: int = Field(alias="from")
    to: int | None = Field(description="null: the log is empty.")
    entries: int = Field(description="Your entries among them.")
    answers: int = Field(description="Decisions that were looked at.")
    historical: int = Field(description="Of these, decisions on a past `as_of`.")
    first_recorded_at: Time | None
    last_recorded_at: Time | None
    unread: Counts = Field(description="Entries that could not be read, by kind.")


class ScorecardAnswer(Model):
    """How good recorded answers were, from the log alone."""

    portfolio_id: str | None
    symbol: str | None
    range: ScorecardRange
    forecasts: ForecastsOut
    markets: list[MarketForecastsOut]
    tails: TailsOut
    tracking: TrackingOut
    touches: TouchesOut
    hedges: HedgesOut
