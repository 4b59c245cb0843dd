"""Wire models of fits: what to fit, and what became of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.api.base import Model, Number, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.market import SeriesIn
from models.api.strict import StrictScalars
from services.core.tagged import Tagged
from services.volatility.estimators.egarch import Egarch
from services.volatility.estimators.garch import Garch
from services.volatility.estimators.gjr_garch import GjrGarch

FittedEstimatorIn = Annotated[Garch | GjrGarch | Egarch, Tagged(), StrictScalars()]
ModelChoice = Literal["garch", "gjr_garch", "egarch"]
Distribution = Literal["student_t", "normal"]
Mean = Literal["zero", "constant"]
Procedure = Literal["full", "variance_targeted"]


class FittedModelIO(Model):
    """Estimates: an estimator, and the rest of what its likelihood depends on."""

    estimator: FittedEstimatorIn = Field(description="Goes into a policy or another request as it is.")
    mean: Number = Field(0.0, description="Mean log return of a bar; estimators take it as zero.")
    degrees_of_freedom: Annotated[Number, Field(gt=2, le=1000)] | None = Field(
        None, description="Of the Student-t density; null where it is normal."
    )


class FitRequest(Model):
    """A series to fit a volatility model to, outside the request path."""

    series: SeriesIn = Field(description="250 returns at least; 1,000 and more make good estimates.")
    model: ModelChoice = Field(description="Estimator whose parameters are wanted.")
    distribution: Distribution = Field("student_t", description="Density of the standardised returns.")
    mean: Mean = Field("zero", description="zero is what estimators assume; constant is the default of arch.")
    procedure: Procedure = Field(
        "full", description="variance_targeted takes the long-run variance from the sample: faster, steadier."
    )
    previous: FittedModelIO | None = Field(
        None,
        description="`fitted` of an earlier answer: the search starts there, and a result that explains this series "
        "less well is rejected.",
    )
    as_of: Time | None = Field(None, description="Bars after it are not complete; default: the time of receipt.")


class FitResult(Model):
    """Estimates and how good they are."""

    fitted: FittedModelIO
    log_likelihood: Number = Field(description="Of log returns; for returns in percent it is smaller by n × ln 100.")
    akaike: Number
    bayes: Number
    returns: int = Field(description="One-bar returns that were used.")
    free_parameters: int
    iterations: int
    persistence: Number = Field(description="Share of a deviation of the variance that is left a bar later.")
    long_run_volatility: Number = Field(description="Annual, as a fraction.")
    last_volatility: Number = Field(description="Of the last bar of the series: annual, as a fraction.")
    residual_rms: Number = Field(description="Of the standardised returns: 1 where the variances have the right size.")


class FitAnswer(Model):
    """Where a fit stands; `result` is there once it is done."""

    fit_id: str = Field(description="Read it at GET /v1/volatility/fits/{fit_id}.")
    status: Literal["queued", "running", "done", "rejected", "failed"]
    reason: str = Field(description="none, or why there is no result.")
    detail: str | None = None
    symbol: str
    interval: str
    periods_per_year: Number
    model: ModelChoice
    distribution: Distribution
    mean: Mean
    procedure: Procedure
    submitted_at: Time
    started_at: Time | None = None
    finished_at: Time | None = None
    kept_until: Time | None = Field(None, description="When a finished fit is forgotten at the latest.")
    result: FitResult | None = None


class FitAccepted(FitAnswer):
    """A fit that was queued."""

    assumptions: list[Assumption]
    warnings: list[WarningOut]
