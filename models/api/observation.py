"""Wire models of the volatility resources: observations, cached states, estimates on a posted series."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DECIMAL_PATTERN, DriverName, Interval, Model, Name, Number, Symbol, Time
from models.api.evaluation import Assumption, AuditOut, WarningOut
from models.api.event import MAX_EVENTS, EventIn
from models.api.market import MAX_SYMBOLS, CalendarIn, SeriesIn
from models.api.policy import PolicyIn
from models.api.strict import StrictScalars
from services.volatility.drivers import MOST_DRIVERS
from services.volatility.outcome import PointOutcome
from services.volatility.registry import Estimator, driver_names

DEFAULT_ESTIMATOR: Estimator = PolicyIn.model_fields["estimator"].default
MAX_OBSERVATIONS = 10_000
MAX_ESTIMATE_POINTS = 400_000
MAX_PATH_POINTS = 20_000

_DECIMAL = re.compile(DECIMAL_PATTERN[:-1] + r"\Z", re.ASCII)


def _close(value: Any) -> float:
    """Number of a bar as a float: a JSON number or a plain decimal string. Whether it makes sense is an outcome."""
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


def _optional(value: Any) -> float | None:
    return None if value is None else _close(value)


Figure = Annotated[
    float | None,
    PlainValidator(_optional),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number"}, {"type": "string", "pattern": DECIMAL_PATTERN}, {"type": "null"}],
            "default": None,
        }
    ),
]


PointDrivers = Annotated[
    dict[DriverName, Annotated[Number, Field(ge=-1e100, le=1e100)] | None], Field(max_length=MOST_DRIVERS)
]


class ObservationIn(Model):
    """One complete bar: its close, and what else is known of it."""

    symbol: Symbol
    venue: Name | None = None
    interval: Interval = Field(description="Bar length: P1D, PT1H, PT5M. Each length has a state of its own.")
    close_time: Time = Field(
        description="When the bar closed. Exchanges label candles by their open: add one interval."
    )
    close: Close = Field(description="Close of the bar; one that is no price is an outcome, not an error.")
    open: Figure = Field(None, description="With high and low the range of the bar is used.")
    high: Figure = Field(None, description="Goes with open and low.")
    low: Figure = Field(None, description="Goes with open and high.")
    volume: Figure = Field(None, description="0: nothing was traded, the close is not news.")
    realized_variance: Figure = Field(
        None, description="Sum of the squared log returns of shorter bars within this one."
    )
    implied_volatility: Figure = Field(None, description="Quoted at the close of the bar [annual, fraction].")
    split: Figure = Field(
        None,
        description="New units for one old since the bar before: 2 for a 2:1 split, 1 if the price did move. It "
        "settles a bar that was held back as corporate_action.",
    )
    drivers: PointDrivers | None = Field(
        None,
        description="Values of the drivers that the estimator names, known at the close of the bar (when they were "
        "published counts); they act on the next bar. null, or left out: neutral.",
    )
    source: Name | None = Field(
        None, description="Who observed the bar. The first to send a bar counts; another value for it is a conflict."
    )
    calendar: CalendarChoice | None = Field(
        None, description="When the market trades; set by the first observation of a state, 24/7 by default."
    )


class ObservationsRequest(Model):
    """Bars to feed to the cached volatility states, in any order of symbols and of time."""

    observations: Annotated[list[ObservationIn], Field(min_length=1, max_length=MAX_OBSERVATIONS, fail_fast=True)]
    estimator: Annotated[Estimator, StrictScalars(), Field(discriminator="method")] = Field(
        default=DEFAULT_ESTIMATOR,
        description="Whose state to feed; other parameters have another state. Calibration and prior act on reading.",
    )
    revise: bool = Field(
        default=False,
        strict=True,
        description="Whether a bar that is known with other values takes those of this request, if at most 64 bars are "
        "known after it; else it is a conflict. Fields that are left out, or null, stay as they are known: a close "
        "alone keeps the open, high, low, volume, … of its bar.",
    )

    @model_validator(mode="after")
    def _bounded(self) -> ObservationsRequest:
        states = len({(point.venue, point.symbol, point.interval) for point in self.observations})
        if states > MAX_SYMBOLS:
            text = "a call may feed {limit} symbols, this one feeds {states}: split it"
            raise PydanticCustomError("too_long", text, {"limit": MAX_SYMBOLS, "states": states})
        known = frozenset(driver_names(self.estimator))
        for index, point in enumerate(self.observations):
            unknown = point.drivers.keys() - known if point.drivers else ()
            if unknown:
                text = "observations.{index}.drivers: {name} is no driver of the estimator, which names {known}"
                named = {"index": index, "name": min(unknown), "known": ", ".join(sorted(known)) or "none"}
                raise PydanticCustomError("unknown_driver", text, named)
        return self


class RejectedOut(Model):
    """An observation that was not stored."""

    index: int
    outcome: PointOutcome
    detail: str = Field(description="The rule that it broke, and what was found.")


class StateOut(Model):
    """State of one market and bar."""

    symbol: str
    venue: str | None = Field(None, description="Absent where none was given.")
    interval: str
    calendar: str
    version: int = Field(description="Number of changes.")
    observations: int = Field(description="Returns used.")
    inputs: Literal["close", "range"] = Field(
        description="Whether any bar had a usable range (or realised variance), or closes only."
    )
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


class LossOut(Model):
    """Loss over the next bar, in multiples of its volatility."""

    probability: float
    value_at_risk: float = Field(description="Exceeded with this probability.")
    expected_shortfall: float = Field(description="Mean of what exceeds it.")


class TailOut(Model):
    """Student-t of the standardised returns seen so far."""

    degrees_of_freedom: float = Field(description="2.5 (very fat) to 30 (close to normal).")
    losses: list[LossOut]


class RegimeOut(Model):
    """Two-state filter."""

    stress_probability: float
    label: Literal["calm", "stress"] = Field(description="With hysteresis: stress from 0.8, calm again below 0.2.")


class JumpOut(Model):
    """Last return that was too large for its local volatility."""

    bars_since: float | None = Field(description="0: the newest bar; null: none was seen.")
    log_return: float
    statistic: float = Field(description="Its size in local standard deviations.")


class ChangeOut(Model):
    """Last alarm that the level of volatility has moved from the forecast."""

    direction: Literal["up", "down", "none"]
    bars_since: float | None = Field(description="0: the newest bar; null: none was raised.")
    up: float = Field(description="Evidence for a higher level, as part of its threshold.")
    down: float = Field(description="Evidence for a lower level, as part of its threshold.")


class LabelsOut(Model):
    """What policies may act on. No label changes the forecast."""

    regime: RegimeOut
    jump: JumpOut
    change: ChangeOut


class HorizonOut(Model):
    """Forecast over more than one bar: it fades into the long-run volatility, without the hour of the day. Scheduled
    events within it are counted.
    """

    duration: str
    bars: float = Field(description="Bars of the market in it; a week of a session market has fewer than one of 24/7.")
    deviation: float = Field(description="Standard deviation of the log return over it.")
    volatility: float = Field(description="The same, annual.")


class ReadoutOut(Model):
    """Volatility of one market, or why there is none. Volatilities are annual fractions.

    Where there is none the figures are absent, not null; so is whatever was not asked for.
    """

    status: Literal["ok", "refused"] = Field(
        description="refused: status, reason, detail, method and periods_per_year (and path) are all there is."
    )
    reason: str = Field(description="none, or the code of the refusal.")
    detail: str | None = Field(None, description="Why there is no forecast; absent if ok.")
    volatility: float | None = Field(None, description="Used for sizing: max(calibration × forecast, floor).")
    forecast: float | None = None
    calibration: float | None = None
    long_run: float | None = None
    floor: float | None = None
    method: str
    effective_half_life: float | None = Field(
        None, description="Age at which half of the weight of the data is reached, now [bars]."
    )
    confidence: float | None = Field(None, description="1 / (1 + relative standard error of the forecast).")
    confidence_factor: float | None = Field(
        None, description="Nine times in ten the volatility of a bar is below this times `volatility`."
    )
    tail: TailOut | None = None
    next_bar_factor: float | None = Field(
        None, description="Variance of the next bar over `volatility` squared, from the hour of the day."
    )
    labels: LabelsOut | None = None
    driver_multiplier: float | None = Field(
        None, description="What exogenous drivers multiplied the forecast variance with; 1 without drivers."
    )
    drivers: dict[str, float] | None = Field(
        None, description="By driver, what it adds to the log of the variance that the drivers ask for."
    )
    event_volatility: float | None = Field(
        None,
        description="`volatility` with the scheduled events of the next bar [annual]; present if events were sent.",
    )
    horizon: HorizonOut | None = Field(None, description="Present if asked for.")
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


class DamageOut(Model):
    """Why a state has no forecast."""

    status: Literal["refused"]
    reason: str
    detail: str = Field(description="What is wrong with its bytes, and how to mend it.")


class DamagedOut(Model):
    """A cached state that cannot be read: all that is known is its name."""

    symbol: str
    venue: str | None = None
    interval: str
    model_version: str
    readout: DamageOut


class VolatilityPage(Model):
    """Cached states."""

    items: list[VolatilityAnswer | DamagedOut]
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
    estimator: Annotated[Estimator, StrictScalars(), Field(discriminator="method")] = DEFAULT_ESTIMATOR
    output: Literal["last", "path"] = Field("last", description="last bar, or every bar (20,000 points at most).")
    horizon: Interval | None = Field(None, description="Also estimate over this time, such as P7D.")
    events: Annotated[list[EventIn], Field(max_length=MAX_EVENTS, fail_fast=True)] = Field(
        default_factory=list, description="They raise `event_volatility`, and that of the horizon; nothing else."
    )
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
    effective_half_life: list[Number | None]


class EstimateRow(ReadoutOut):
    """Estimate of one series."""

    symbol: str
    path: PathOut | None = Field(None, description="Present if asked for, also where the last bar is refused.")


class EstimateAnswer(Model):
    """Estimates, in the order of the request."""

    as_of: Time
    estimates: list[EstimateRow]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
