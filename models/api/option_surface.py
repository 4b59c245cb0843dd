"""Wire models of `POST /v1/options:surface`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DecimalText, Model, NonNegativeDecimal, Number, PositiveDecimal, Symbol, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.option_terms import ImpliedVolatility, few_expiries
from models.api.strict import StrictScalars
from services.core.tagged import Tagged
from services.options.surface_registry import SurfaceMethod
from services.options.surfaces.joint_svi import JointSvi

MAX_QUOTES, MAX_EXPIRIES, MAX_POINTS, MAX_GRID_ROWS, MAX_GRID_COLUMNS = 5_000, 64, 2_000, 60, 201
SurfaceMethodIn = Annotated[SurfaceMethod, Tagged(), StrictScalars()]
LogMoneyness = Annotated[Number, Field(ge=-4, le=4)]
Days = Annotated[Number, Field(ge=1e-6, le=3650)]


class OptionQuoteIn(Model):
    """Quote of one option; a side that nobody quotes is left out, null or 0."""

    expiry: Time
    strike: PositiveDecimal
    right: Literal["call", "put"]
    forward: PositiveDecimal | None = Field(
        None,
        description="Future or forward of the same expiry when the quote was taken. Left out: that of the other quotes "
        "of the expiry, or, if none has one, put-call parity.",
    )
    bid: NonNegativeDecimal | None = None
    ask: NonNegativeDecimal | None = None
    mark: NonNegativeDecimal | None = Field(None, description="Fitted where it lies between bid and ask, or is alone.")
    implied_volatility: ImpliedVolatility | None = Field(
        None, description="Fitted as it is; prices then only bound it."
    )
    as_of: Time | None = Field(None, description="When the quote was taken; default: as_of of the request.")


class SurfacePointIn(Model):
    """A point to read off the surface: a strike, or a forward delta."""

    expiry: Time
    strike: PositiveDecimal | None = None
    delta: Annotated[Number, Field(gt=-1, lt=1)] | None = Field(
        None, description="Undiscounted forward delta: above 0 of a call, below 0 of a put."
    )

    @model_validator(mode="after")
    def _one_of(self) -> SurfacePointIn:
        if (self.strike is None) == (self.delta is None) or self.delta == 0.0:
            raise PydanticCustomError("one_of", "give either strike or a delta that is not 0")
        return self


class SurfaceGridIn(Model):
    """A grid of points, for plots."""

    log_moneyness: Annotated[list[LogMoneyness], Field(min_length=1, max_length=MAX_GRID_COLUMNS, fail_fast=True)]
    days: Annotated[list[Days], Field(min_length=1, max_length=MAX_GRID_ROWS, fail_fast=True)]


class SurfaceRequest(Model):
    """Quotes of one underlying; nothing is stored."""

    as_of: Time | None = Field(None, description="Time of the surface; default: the time of receipt.")
    underlying: Symbol | None = Field(None, description="Echoed.")
    quotes: Annotated[list[OptionQuoteIn], Field(min_length=1, max_length=MAX_QUOTES, fail_fast=True)] = Field(
        description=f"Of at most {MAX_EXPIRIES} expiries."
    )
    price_unit: Literal["quote", "base"] = Field(
        default="quote", description="Of bid, ask and mark; base: coin, as Deribit quotes."
    )
    surface: SurfaceMethodIn = Field(default=JointSvi(), description="How the smiles are fitted.")
    max_age_seconds: Annotated[Number, Field(gt=0, le=604_800)] | None = Field(
        None,
        description="Older quotes are dropped, and confidence falls to 0 at this age; default: age does not count.",
    )
    least_days: Annotated[Number, Field(ge=0, le=365)] = Field(
        default=1.0, description="Nearer expiries are not fitted: the next one is scaled."
    )
    discount: Annotated[Number, Field(gt=0, le=2)] | None = Field(
        None,
        description="Discount factor to every expiry; default: 1, or what parity says where forwards are inferred.",
    )
    at: Annotated[list[SurfacePointIn], Field(max_length=MAX_POINTS, fail_fast=True)] = Field(
        default_factory=list, description="Points to read off."
    )
    grid: SurfaceGridIn | None = None

    @model_validator(mode="after")
    def _bounded(self) -> SurfaceRequest:
        few_expiries({quote.expiry for quote in self.quotes}, MAX_EXPIRIES)
        return self


class RawSviOut(Model):
    """Total variance ``w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2))`` over ``k = ln(strike / forward)``."""

    a: Number
    b: Number
    rho: Number
    m: Number
    sigma: Number


class JumpWingsOut(Model):
    """The same smile in jump wings; see Gatheral and Jacquier (2014)."""

    atm_variance: Number
    atm_skew: Number
    put_slope: Number
    call_slope: Number
    least_variance: Number


class SurfaceSliceOut(Model):
    """Smile of one expiry."""

    expiry: Time
    years: Number = Field(description="To expiry, of 365 days.")
    forward: DecimalText
    forward_source: Literal["given", "parity"]
    method_used: Literal["svi", "ssvi", "essvi", "flat"] = Field(
        description="svi falls back to ssvi with 3 or 4 strikes, to flat with 1 or 2."
    )
    parameters: RawSviOut
    jump_wings: JumpWingsOut
    atm_volatility: Number
    skew: Number = Field(description="Of volatility by k, at the forward.")
    rr25: Number | None = Field(description="Volatility of the 25-delta call less that of the put.")
    bf25: Number | None = Field(description="Mean of both less atm_volatility.")
    model_free_volatility: Number
    rmse: Number = Field(description="Root mean square of fitted less quoted volatility.")
    inside_bid_ask: Number | None = Field(description="Part of the two-sided quotes that hold the fit.")
    strikes: int
    lowest_strike: DecimalText
    highest_strike: DecimalText
    age_seconds: Number
    confidence: Number = Field(description="min(1, strikes / 10), times 1 - age / max_age_seconds where that is given.")
    reasons: list[Literal["few_strikes", "forward_inferred", "old_quotes", "one_sided_only"]] = Field(
        description="Why confidence is low, or a fallback was used."
    )


class DroppedQuoteOut(Model):
    """A quote that is not used."""

    index: int = Field(description="In quotes[].")
    reason: str


class SurfaceViolationOut(Model):
    """A place where prices of the surface allow a riskless gain."""

    kind: Literal["butterfly", "call_spread", "calendar"]
    expiry: Time = Field(description="The later one, for a calendar.")
    log_moneyness: Number
    size: Number = Field(description="Gain over the forward.")


class SurfaceAuditOut(Model):
    """Static arbitrage in the surface, looked for at 61 strikes within |k| <= 1 of every expiry."""

    butterflies: int
    call_spreads: int
    calendars: int
    worst: Number
    severity: Literal["none", "minor", "moderate", "severe"] = Field(
        description="Of the worst: below 0.01 of the forward minor, below 0.10 moderate."
    )
    least_density: Number = Field(description="Least g of Durrleman's condition; below 0: a negative density.")
    largest_crossing: Number | None = Field(
        description="Largest fall of total variance from one expiry to the next; negative: none. Null with one expiry."
    )
    violations: list[SurfaceViolationOut] = Field(description="The 20 largest.")


class TenorOut(Model):
    """A fixed horizon."""

    days: Number
    atm_volatility: Number
    extrapolated: bool = Field(description="Beyond the quoted expiries.")


class HorizonVarianceOut(Model):
    """Model-free volatility of 30 days, linear in total variance between expiries as the VIX is."""

    days: Number
    volatility: Number
    extrapolated: bool = Field(description="30 days lie beyond the quoted expiries: the nearest one is held.")


class SurfacePointOut(Model):
    """Point of `at`, in order."""

    status: Literal["ok", "refused"]
    detail: str | None
    expiry: Time
    strike: DecimalText | None
    log_moneyness: Number | None
    forward: DecimalText | None
    delta: Number | None = Field(description="Undiscounted forward delta: as asked for, or of the call.")
    volatility: Number | None
    total_variance: Number | None
    extrapolated: bool | None = Field(description="Beyond the quoted strikes or expiries.")


class SurfaceGridOut(Model):
    """Volatilities in rows by days, columns by log-moneyness."""

    log_moneyness: list[Number]
    days: list[Number]
    volatility: list[list[Number]]
    forward: list[DecimalText]


class SurfaceAnswer(Model):
    """A surface of smiles, what was not used and why, and an audit of what was made."""

    as_of: Time
    underlying: str | None
    status: Literal["ok", "refused"]
    detail: str | None = Field(description="Why there is no surface.")
    method: str
    units: dict[str, str]
    slices: list[SurfaceSliceOut] = Field(description="Ascending in expiry.")
    dropped: list[DroppedQuoteOut] = Field(description="Quotes that are not used, less those that were not needed.")
    not_needed: int = Field(description="Quotes in the money whose twin out of the money was sent.")
    reason_texts: dict[str, str] = Field(description="What the reasons in dropped mean.")
    audit: SurfaceAuditOut | None
    term_structure: list[TenorOut]
    model_free_30_days: HorizonVarianceOut | None
    points: list[SurfacePointOut]
    grid: SurfaceGridOut | None
    assumptions: list[Assumption]
    warnings: list[WarningOut]
