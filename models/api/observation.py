"""Wire models of the volatility resources: observations, cached states, estimates on a posted series."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DECIMAL_PATTERN, Interval, Model, Name, Number, Symbol, Time
from models.api.evaluation import Assumption, AuditOut, WarningOut
from models.api.market import MAX_SYMBOLS, CalendarIn, SeriesIn
from models.api.strict import StrictScalars
from services.volatility.estimators.ewma import Ewma
from services.volatility.registry import Estimator
from services.volatility.state import PointOutcome

MAX_OBSERVATIONS = 10_000
MAX_ESTIMATE_POINTS = 400_000
MAX_PATH_POINTS = 20_000

_DECIMAL = re.compile(DECIMAL_PATTERN[:-1] + r"\Z", re.ASCII)


def _close(value: Any) -> float:
    """Close as a float: a JSON number or a plain decimal string. Whether it is a price is an outcome."""
    if type(value) is str and _DECIMAL.match(value):
        return float(value)
    if type(value) is float or (type(value) is int and abs(value) < 10**300):
        return float(value)
    raise PydanticCustomError("price", "must be a JSON number or a plain decimal string such as '93120.5'")


Close = Annotated[
    float,
    PlainValidator(_close),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": DECIMAL_PATTERN}]}),
]
CalendarChoice = Literal["24/7", "XNYS", "XNAS", "XLON", "FX"] | CalendarIn


class ObservationIn(Model):
    """Close of one complete bar."""

    symbol: Symbol
    venue: Name | None = None
    interval: Interval = Field(description="Bar length: P1D, PT1H, PT5M. Each length has a state of its own.")
    close_time: Time = Field(
        description="When the bar closed. Exchanges label candles by their open: add one interval."
    )
    close: Close = Field(description="Close of the bar; one that is no price is an outcome, not an error.")
    calendar: CalendarChoice | None = Field(
        None, description="When the market trades; set by the first observation of a state, 24/7 by default."
    )


class ObservationsRequest(Model):
    """Closes to feed to the cached volatility states, in any order of symbols; each symbol's in any order of time."""

    observations: Annotated[list[ObservationIn], Field(min_length=1, max_length=MAX_OBSERVATIONS, fail_fast=True)]
    estimator: Annotated[Estimator, StrictScalars()] = Field(
        default=Ewma(),
        description="Whose state to feed: every half-life has its own. Calibration and prior act on reading.",
    )

    @model_validator(mode="after")
    def _bounded(self) -> ObservationsRequest:
        states = len({(point.venue, point.symbol, point.interval) for point in self.observations})
        if states > MAX_SYMBOLS:
            text = "a call may feed {limit} symbols, this one feeds {states}: split it"
            raise PydanticCustomError("too_long", text, {"limit": MAX_SYMBOLS, "states": states})
        return self


class RejectedOut(Model):
    """An observation that was not stored."""

    index: int
    outcome: PointOutcome
    detail: str


class StateOut(Model):
    """State of one market and bar."""

    symbol: str
    venue: str | None = None
    interval: str
    calendar: str
    version: int = Field(description="Number of changes.")
    observations: int = Field(description="Returns used.")
    first_close_time: Time
    last_close_time: Time
    last_close: float


class ObservationsAnswer(Model):
    """What became of each observation."""

    event_id: str
    outcomes: list[PointOutcome] = Field(description="One per observation, in the order of the request.")
    counts: dict[str, int]
    rejected: list[RejectedOut] = Field(description="The first 20 observations that were not stored, with the reason.")
    states: list[StateOut] = Field(description="States after this call.")
    assumptions: list[Assumption]
    audit: AuditOut


class ReadoutOut(Model):
    """Volatility of one market, or why there is none. Volatilities are annual fractions."""

    status: Literal["ok", "refused"]
    reason: str = Field(description="none, or the code of the refusal.")
    detail: str | None = None
    volatility: float | None = Field(None, description="Used for sizing: max(calibration × forecast, floor).")
    forecast: float | None = None
    calibration: float | None = None
    long_run: float | None = None
    floor: float | None = None
    method: str
    effective_half_life: float | None = Field(None, description="Bars.")
    confidence: float | None = None
    maturity: str | None = None
    guard: str | None = Field(
        None, description="none; stale or gap: the volatility is kept at its long-run value or above."
    )
    observations: int | None = None
    periods_per_year: float
    last_close: float | None = None
    last_close_at: Time | None = None


class VolatilityAnswer(StateOut):
    """A cached state and what it says."""

    model_version: str
    readout: ReadoutOut


class VolatilityPage(Model):
    """Cached states."""

    items: list[VolatilityAnswer]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class ResetAnswer(Model):
    """A state that was forgotten."""

    event_id: str
    symbol: str
    venue: str | None = None
    interval: str
    existed: bool
    audit: AuditOut


class EstimateRequest(Model):
    """Series to estimate volatility on; nothing is stored."""

    series: Annotated[list[SeriesIn], Field(min_length=1, max_length=MAX_SYMBOLS, fail_fast=True)]
    estimator: Annotated[Estimator, StrictScalars()] = Ewma()
    output: Literal["last", "path"] = Field("last", description="last bar, or every bar (20,000 points at most).")
    as_of: Time | None = Field(None, description="Bars after it are not complete; default: the time of receipt.")

    @model_validator(mode="after")
    def _bounded(self) -> EstimateRequest:
        points = sum(len(item.close or item.ohlcv or ()) for item in self.series)
        limit = MAX_PATH_POINTS if self.output == "path" else MAX_ESTIMATE_POINTS
        if points > limit:
            text = "a request with output {output} may hold {limit} points, this one holds {points}"
            context = {"output": self.output, "limit": limit, "points": points}
            raise PydanticCustomError("too_many_points", text, context)
        symbols = [item.symbol for item in self.series]
        if len(symbols) != len(set(symbols)):
            twice = next(symbol for index, symbol in enumerate(symbols) if symbol in symbols[:index])
            raise PydanticCustomError("duplicate_row", "series holds {key} more than once", {"key": twice})
        return self


class PathOut(Model):
    """Readout after each complete bar, oldest first; null where there is none yet."""

    volatility: list[Number | None]
    forecast: list[Number | None]
    calibration: list[Number | None]
    long_run: list[Number | None]


class EstimateRow(ReadoutOut):
    """Estimate of one series."""

    symbol: str
    path: PathOut | None = None


class EstimateAnswer(Model):
    """Estimates, in the order of the request."""

    as_of: Time
    estimates: list[EstimateRow]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
