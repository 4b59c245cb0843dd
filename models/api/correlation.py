"""Wire models of `POST /v1/correlation:estimate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Number, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.market import MAX_SYMBOLS, SeriesIn
from models.api.policy import PolicyIn
from models.api.strict import StrictScalars
from services.risk.registry import CorrelationEstimator
from services.volatility.registry import Estimator

DEFAULT_ESTIMATOR: Estimator = PolicyIn.model_fields["estimator"].default
DEFAULT_CORRELATION: CorrelationEstimator = PolicyIn.model_fields["correlation"].default
MAX_CORRELATION_POINTS = 400_000


class CorrelationRequest(Model):
    """Series to correlate; nothing is stored."""

    series: Annotated[list[SeriesIn], Field(min_length=2, max_length=MAX_SYMBOLS, fail_fast=True)]
    estimator: Annotated[Estimator, StrictScalars(), Field(discriminator="method")] = Field(
        default=DEFAULT_ESTIMATOR, description="Of the volatilities, which also standardise the returns."
    )
    correlation: Annotated[CorrelationEstimator, StrictScalars(), Field(discriminator="method")] = Field(
        default=DEFAULT_CORRELATION, description="As in a policy, without `none`."
    )
    as_of: Time | None = Field(None, description="Bars after it are not complete; default: the time of receipt.")

    @model_validator(mode="after")
    def _bounded(self) -> CorrelationRequest:
        points = sum(len(item.close or item.ohlcv or ()) for item in self.series)
        if points > MAX_CORRELATION_POINTS:
            text = "a request may hold {limit} points, this one holds {points}"
            raise PydanticCustomError("too_many_points", text, {"limit": MAX_CORRELATION_POINTS, "points": points})
        symbols = [item.symbol for item in self.series]
        if len(symbols) != len(set(symbols)):
            twice = next(symbol for index, symbol in enumerate(symbols) if symbol in symbols[:index])
            raise PydanticCustomError("duplicate_row", "series holds {key} more than once", {"key": twice})
        return self


class EigenvaluesOut(Model):
    """Spectrum of the correlation matrix."""

    smallest: Number
    largest: Number
    condition: Number | None = Field(description="largest / smallest; null where the matrix is singular.")


class StressOut(Model):
    """Whether the matrix is stressed: `(1 - weight) R + weight 11'`."""

    applied: bool
    weight: Number = Field(description="Weight in the matrix that is shown; 0 where none is applied.")


class MonitorOut(Model):
    """Regime of correlations after the last common bar."""

    label: Literal["unknown", "calm", "shifted"] = Field(
        description="shifted: the mean correlation has just risen beyond the usual; unknown below 187 common bars."
    )
    bars_in_regime: int = Field(description="Since the label last changed.")
    distance: Number = Field(
        description="Root mean square over the pairs of fast less slow correlation: 0 the same, 2 at most."
    )
    average_fast: Number = Field(description="Mean correlation of the pairs, half-life 10 bars.")
    average_slow: Number = Field(description="Half-life 126 bars.")
    enter: Number | None = Field(description="Rise, fast less slow, beyond which the label becomes shifted.")
    leave: Number | None = Field(description="Rise below which it becomes calm again.")
    absorption_fast: Number = Field(
        description="Share of variance in the first fifth of the eigenvectors, half-life 10 bars."
    )
    absorption_slow: Number = Field(description="Half-life 126 bars.")


class LeftOutOut(Model):
    """A series that is in no matrix."""

    symbol: str
    reason: str
    detail: str


class CorrelationAnswer(Model):
    """Correlation of the posted series for the next bar; rows and columns of all matrices as in `symbols`."""

    as_of: Time
    status: Literal["ok", "refused"]
    detail: str | None = Field(description="Why there is no matrix.")
    method: str
    symbols: list[str]
    volatilities: list[Number] = Field(description="Used for sizing [annual, fraction].")
    matrix: list[list[Number]] | None = Field(description="Correlation.")
    covariance: list[list[Number]] | None = Field(description="volatility × volatility × correlation [annual].")
    observations: list[list[int]] | None = Field(description="Bars that each pair shares.")
    eigenvalues: EigenvaluesOut | None
    repaired: bool = Field(description="Whether holes or leads and lags made it necessary to lift eigenvalues to 1e-8.")
    stress: StressOut
    monitor: MonitorOut | None
    left_out: list[LeftOutOut]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
