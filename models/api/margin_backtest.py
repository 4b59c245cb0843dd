"""Wire models of `POST /v1/margin:backtest`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Number, Symbol, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.market import SeriesIn
from models.api.observation import DEFAULT_ESTIMATOR
from models.api.strict import StrictScalars
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.procyclicality import AntiProcyclicality
from services.margin.registry import MarginModel
from services.volatility.registry import Estimator

MAX_WORK = 20_000_000
"""Bars times window of one walk: about a second and a half, three walks an answer."""
MAX_PATH_POINTS, MAX_BREACHES = 2_000, 500


class MarginWalkIn(Model):
    """A margin model that is walked through the bars of one market."""

    series: SeriesIn
    model: Annotated[MarginModel, StrictScalars(), Field(discriminator="method")] = Field(
        default=FilteredHistorical(), description="As in a policy. Its `horizon_days` is set to `horizon_bars`."
    )
    horizon_bars: Annotated[int, Field(ge=1, le=20, strict=True)] = Field(
        default=1, description="Bars that a loss runs for; margins are judged that far apart."
    )
    procyclicality: Annotated[AntiProcyclicality, StrictScalars()] = Field(
        default=AntiProcyclicality(), description="Rules on top of the model; none by default."
    )
    estimator: Annotated[Estimator, StrictScalars(), Field(discriminator="method")] = Field(
        default=DEFAULT_ESTIMATOR, description="Of the volatility that `sigma_multiple` and the lognormal model read."
    )
    warm_up_bars: Annotated[int, Field(ge=60, le=10_000, strict=True)] = Field(
        default=250, description="Returns before the first margin that is judged."
    )
    as_of: Time | None = Field(None, description="Bars after it are not complete; default: the time of receipt.")

    @property
    def walks(self) -> int:
        """Walks that take as long as one of the model."""
        return 1

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        bars = len(self.series.close or self.series.ohlcv or ())
        window = self.model.lookback if isinstance(self.model, FilteredHistorical) else FilteredHistorical().lookback
        if bars * window * self.walks > MAX_WORK:
            text = "bars times window may be {limit} here, this one is {bars} times {window}: lower model.window"
            limit = MAX_WORK // self.walks
            raise PydanticCustomError("too_many_points", text, {"limit": limit, "bars": bars, "window": window})
        return self


class MarginBacktestRequest(MarginWalkIn):
    """A margin model on the bars of one market; nothing is stored."""

    expected_breach_rate: Annotated[Number, Field(gt=0, lt=0.5)] | None = Field(
        None,
        description="Breaches a margin as they should be. Default: 1 - alpha for a value at risk; 0.4 (1 - alpha) for "
        "an expected shortfall, as 97.5 % of that stands for a value at risk of 99 %.",
    )
    significance: Annotated[Number, Field(gt=0, lt=0.5)] = Field(default=0.05, description="Of the verdict, one-sided.")
    comparisons: Annotated[bool, Field(strict=True)] = Field(
        default=True, description="Also a normal law with EWMA volatility, and plain historical simulation."
    )
    points: Annotated[int, Field(ge=0, le=MAX_PATH_POINTS, strict=True)] = Field(
        default=200, description="At most this many points of each margin path, evenly spread."
    )


class LikelihoodRatioOut(Model):
    """Statistic of a likelihood-ratio test."""

    statistic: Number
    p_value: Number = Field(description="Probability of one at least as large if the margin is right.")


class CoverageOut(Model):
    """Breaches, judged."""

    observations: int
    breaches: int
    expected_rate: Number
    rate: Number = Field(description="breaches / observations")
    unconditional: LikelihoodRatioOut = Field(description="Kupiec: too many or too few.")
    independence: LikelihoodRatioOut = Field(description="Christoffersen: whether breaches follow breaches.")
    conditional: LikelihoodRatioOut = Field(description="Both together, two degrees of freedom.")
    traffic_light: Literal["green", "yellow", "red"] = Field(description="Basel's zone.")
    under_coverage_p: Number = Field(description="Probability of at least so many breaches if the rate is right.")
    verdict: Literal["covered", "under_coverage", "over_coverage"] = Field(
        description="under_coverage: too many breaches, the margin is too low. over_coverage: too few, which costs "
        "capital and not safety."
    )


class ProcyclicalityOut(Model):
    """How the margin moved from the first judged close on."""

    peak_to_trough: Number = Field(description="Largest over smallest.")
    max_rise_1: Number = Field(description="Largest rise within a bar [fraction of the margin].")
    max_rise_5: Number = Field(description="Largest rise within at most five bars [fraction of the margin].")
    mean: Number = Field(description="Mean margin [fraction of notional].")
    change_deviation: Number = Field(description="Standard deviation of the relative change a bar.")


class BreachOut(Model):
    """A loss beyond its margin."""

    close_time: Time = Field(description="Close at which the margin was asked.")
    margin: Number = Field(description="Fraction of notional.")
    loss: Number = Field(description="Over the horizon after it [fraction of notional].")


class MarginSideOut(Model):
    """One side of a walk."""

    coverage: CoverageOut
    procyclicality: ProcyclicalityOut | None = Field(description="null where the margin is not always above 0.")
    mean_excess: Number = Field(description="Mean loss beyond the margin of the breaches [fraction of notional].")
    breaches: list[BreachOut] = Field(description="The newest 500, oldest first.")


class MarginPointOut(Model):
    """Margin asked at one close [fraction of notional]; null where the model says nothing yet."""

    close_time: Time
    long: Number | None
    short: Number | None


class MarginStrategyOut(Model):
    """One way to ask for margin, on the bars."""

    strategy: Literal["model", "model_without_rules", "normal_ewma", "plain_historical"]
    long: MarginSideOut
    short: MarginSideOut
    path: list[MarginPointOut]


class MarginBacktestAnswer(Model):
    """The model, and what it stands beside."""

    symbol: Symbol
    as_of: Time
    bars: int = Field(description="Complete bars of the series.")
    first_margin: Time = Field(description="Close of the first margin that was judged.")
    horizon_bars: int
    horizon_days: Number = Field(description="Of a year of 365 days, as in the model.")
    expected_breach_rate: Number
    significance: Number
    units: dict[str, str] = Field(description="What margins, losses and rates are fractions of.")
    strategies: list[MarginStrategyOut] = Field(
        description="The model with its rules, without them where any is on, then what it is compared with."
    )
    model_resolved: dict[str, Any] = Field(description="Every parameter of the model as it was used.")
    procyclicality_resolved: dict[str, Any]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
