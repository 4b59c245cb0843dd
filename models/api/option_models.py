"""Wire models of `POST /v1/options:mispricing` and `POST /v1/options:variance-premium`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Number, PositiveDecimal, Symbol, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.option_terms import ImpliedVolatility, OptionTerms, few_expiries
from models.api.strict import StrictScalars
from services.options.model_fits import HestonFit, ModelFit

MAX_QUOTES, MAX_EXPIRIES, MAX_MOMENTS = 2_000, 40, 20_000


class QuoteIn(OptionTerms):
    """One option and its volatilities."""

    implied_volatility: ImpliedVolatility = Field(description="Of the mark, or of the mean of bid and ask.")
    bid_volatility: ImpliedVolatility | None = Field(None, description="Null: no bid, so nothing can be sold.")
    ask_volatility: ImpliedVolatility | None = Field(None, description="Null: no ask, so nothing can be bought.")


class MispricingRequest(Model):
    """A chain of one underlying, and the model to fit to it."""

    as_of: Time | None = Field(None, description="Time of the quotes; default: the time of receipt.")
    quotes: Annotated[list[QuoteIn], Field(min_length=1, max_length=MAX_QUOTES, fail_fast=True)] = Field(
        description=f"Of at most {MAX_EXPIRIES} expiries; out-of-the-money options carry the information."
    )
    model: Annotated[ModelFit, StrictScalars(), Field(discriminator="method")] = Field(
        default=HestonFit(),
        description="Model, bounds of its parameters, and a penalty on breaking Feller's condition.",
    )
    threshold: Annotated[Number, Field(ge=0, le=100)] = Field(
        default=2.0, description="Standard errors beyond which a difference counts."
    )
    fee: Annotated[Number, Field(ge=0, le=0.1)] = Field(
        default=0.0003, description="Of one trade, as a fraction of the forward."
    )
    fee_cap: Annotated[Number, Field(ge=0, le=1)] = Field(
        default=0.125, description="Most that a fee may be, as a fraction of the option's price."
    )

    @model_validator(mode="after")
    def _bounded(self) -> MispricingRequest:
        few_expiries({quote.expiry for quote in self.quotes}, MAX_EXPIRIES)
        return self


class ParameterOut(Model):
    """One fitted parameter."""

    name: str
    value: Number
    standard_error: Number | None = Field(description="Null at a bound: it was not estimated.")
    at_bound: bool


class ModelFitOut(Model):
    """A fitted model, and how far to trust it."""

    parameters: list[ParameterOut]
    feller: bool = Field(description="2 · mean_reversion · long_run_variance >= volatility_of_variance².")
    quotes_used: int
    expiries: int
    root_mean_square_error_points: Number
    within_error: Number = Field(description="Share of the quotes used that the model hits within half their spread.")
    reduced_chi_square: Number = Field(
        description="1 where model and errors are right. Far above, differences are the model's own."
    )
    converged: bool


class QuoteVerdict(Model):
    """What the model says of one quote."""

    symbol: Symbol | None
    status: Literal["ok", "refused"]
    reason: str | None = Field(description="Stable code, see GET /v1/errors; null where the row is ok.")
    detail: str | None
    model_volatility: Number | None = Field(description="Annual, as a fraction.")
    difference_points: Number | None = Field(description="Model less market.")
    standard_error_points: Number | None = Field(description="Of the quote and of the fitted parameters, joined.")
    z_score: Number | None
    edge_points: Number | None = Field(
        description="Left after crossing the spread and paying one fee; null without the side that would be traded."
    )
    verdict: Literal["rich", "cheap", "fair"] | None = Field(
        description="rich: sell, the model lies below the bid; cheap: buy, it lies above the ask; both beyond "
        "threshold and fee."
    )


class MispricingAnswer(Model):
    """Quotes against a model fitted to them; rows as in the request."""

    as_of: Time
    status: Literal["ok", "refused"]
    detail: str | None = Field(description="Why nothing could be fitted.")
    method: str
    fit: ModelFitOut | None
    quotes: list[QuoteVerdict]
    units: dict[str, str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class CurrentIn(Model):
    """Premium before the fact."""

    implied_volatility: ImpliedVolatility = Field(description="Of the horizon: model-free, or at the money.")
    expected_volatility: ImpliedVolatility = Field(
        description="Root of the expected variance over the horizon, from any forecast: POST /v1/volatility:estimate."
    )
    expected_variance_error: Annotated[Number, Field(gt=0, le=100)] | None = Field(
        None, description="Standard error of the expected variance [annual variance]."
    )


class PremiumHistoryIn(Model):
    """Premium after the fact: volatilities as they were quoted, and what followed."""

    times: Annotated[list[Time], Field(min_length=1, max_length=MAX_MOMENTS, fail_fast=True)] = Field(
        description="Ascending, evenly spaced."
    )
    implied_volatilities: Annotated[list[ImpliedVolatility], Field(max_length=MAX_MOMENTS, fail_fast=True)]
    prices: Annotated[list[PositiveDecimal], Field(max_length=MAX_MOMENTS, fail_fast=True)] | None = Field(
        None, description="At the same times; realised variance is made of them."
    )
    realized_volatilities: (
        Annotated[list[Annotated[Number, Field(ge=0, le=100)] | None], Field(max_length=MAX_MOMENTS)] | None
    ) = Field(None, description="Instead of prices: of the horizon that begins at each time; null where not known.")

    @model_validator(mode="after")
    def _one_each(self) -> PremiumHistoryIn:
        if (self.prices is None) == (self.realized_volatilities is None):
            raise PydanticCustomError("one_of", "needs either prices or realized_volatilities")
        for name in ("implied_volatilities", "prices", "realized_volatilities"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.times):
                text = "{name} must hold one value for each of the {count} times, it holds {found}"
                context = {"name": name, "count": len(self.times), "found": len(column)}
                raise PydanticCustomError("length", text, context)
        return self


class VariancePremiumRequest(Model):
    """What options ask for variance, against a forecast, a history, or both."""

    as_of: Time | None = Field(None, description="Default: the time of receipt. A history may not reach beyond it.")
    horizon_days: Annotated[Number, Field(ge=1, le=730)] = Field(default=30.0, description="Of both volatilities.")
    current: CurrentIn | None = None
    history: PremiumHistoryIn | None = None

    @model_validator(mode="after")
    def _something(self) -> VariancePremiumRequest:
        if self.current is None and self.history is None:
            raise PydanticCustomError("nothing_to_do", "needs current, history or both")
        return self


class ExAnteOut(Model):
    """Premium of the moment."""

    premium_variance: Number = Field(description="implied_volatility² - expected_volatility² [annual variance].")
    premium_points: Number = Field(description="implied_volatility - expected_volatility.")
    standard_error: Number | None = Field(description="Of premium_variance; null unless sent.")
    z_score: Number | None


class ExPostOut(Model):
    """Mean premium of a history."""

    status: Literal["ok", "refused"]
    detail: str | None
    premium_variance: Number | None = Field(description="Mean of implied² - realised² [annual variance].")
    premium_points: Number | None = Field(description="Mean of implied - realised.")
    standard_error_variance: Number | None = Field(description="Newey-West; null below two independent windows.")
    standard_error_points: Number | None
    interval_variance: list[Number] | None = Field(description="95 %, Student's t on the independent windows.")
    interval_points: list[Number] | None
    share_positive: Number | None
    observations: int
    independent_windows: int = Field(description="Horizons side by side in the history: what the mean rests on.")
    overlapping: bool = Field(description="Whether windows share prices: observations are then not independent.")


class VariancePremiumAnswer(Model):
    """Variance risk premium."""

    as_of: Time
    horizon_days: Number
    ex_ante: ExAnteOut | None
    ex_post: ExPostOut | None
    units: dict[str, str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
