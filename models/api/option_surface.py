"""Wire models of `POST /v1/options:surface`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DecimalText, Model, Number, PositiveDecimal, Symbol, Time
from models.api.evaluation import Assumption, WarningOut
from models.api.option_quotes import DroppedQuoteOut, QuotedChainIn, SurfaceSliceOut

MAX_POINTS, MAX_GRID_ROWS, MAX_GRID_COLUMNS = 2_000, 60, 201
LogMoneyness = Annotated[Number, Field(ge=-4, le=4)]
Days = Annotated[Number, Field(ge=1e-6, le=3650)]


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


class SurfaceRequest(QuotedChainIn):
    """Quotes of one underlying; nothing is stored."""

    as_of: Time | None = Field(None, description="Time of the surface; default: the time of receipt.")
    underlying: Symbol | None = Field(None, description="Echoed.")
    max_age_seconds: Annotated[Number, Field(gt=0, le=604_800)] | None = Field(
        None,
        description="Older quotes are dropped, and confidence falls to 0 at this age; default: age does not count.",
    )
    at: Annotated[list[SurfacePointIn], Field(max_length=MAX_POINTS, fail_fast=True)] = Field(
        default_factory=list, description="Points to read off."
    )
    grid: SurfaceGridIn | None = None


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
