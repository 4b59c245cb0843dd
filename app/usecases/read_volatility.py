"""Cached volatility states shown and reset, and volatility estimated on a posted series."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

import orjson

from app.container import Container
from app.deadline import in_thread, lift
from app.ids import new_id
from app.ports import AuditRecord, EventKind, StateDamaged, StateKey, StateUnavailable
from app.problems import RequestProblem
from app.translate.answer import stat, time_text
from app.translate.events import events_by_symbol
from app.translate.notes import Notes
from app.translate.series import check_columns, series_input
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.damage import damage_refusal, damage_text
from app.usecases.effort import takes_long, validated
from app.usecases.evaluate_portfolio import stored_answer
from app.usecases.observe_prices import named_row, state_row
from app.version import versions_record
from models.api.market import SeriesIn
from models.api.observation import DEFAULT_ESTIMATOR, EstimateRequest
from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR, parse_interval
from services.core.errors import InvalidInput, Refusal
from services.core.outcome import Reason
from services.volatility.bars import BarClock
from services.volatility.estimators.ewma import Ewma
from services.volatility.events import ScheduledEvent, event_variance
from services.volatility.forecast import SeriesForecast, forecast_markets
from services.volatility.horizon import horizon_variance, persistence
from services.volatility.outcome import PointOutcome
from services.volatility.path import forecast_path
from services.volatility.readout import VolatilityReadout
from services.volatility.registry import Estimator, driver_names, estimator_of, model_version
from services.volatility.series import SeriesInput
from services.volatility.state import VolatilityState, readout
from services.volatility.tails import Tail

NOT_SHOWN = ("bar_seconds", "source", "context")
INLINE_ITEMS = 100
"""States of a list up to which it is made on the event loop (20 ms)."""
LOSS_PROBABILITIES = (0.05, 0.025, 0.01)
UNUSUAL_TEXT = {
    PointOutcome.CORPORATE_ACTION: "price and volume changed like those of a split; adjust the series if it was one",
    PointOutcome.SPIKE_REVERTED: "a jump of more than 12 standard deviations was taken back at once, and left out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityQuery:
    """Which state: that of a model version, of an EWMA with a half-life, or of the default policy's estimator."""

    symbol: str
    interval: str = "P1D"
    venue: str | None = None
    model: str | None = None
    half_life: float | None = None
    horizon: str | None = None

    @property
    def version(self) -> str:
        """Model version of the state."""
        if self.model is not None:
            return self.model
        return model_version(DEFAULT_ESTIMATOR if self.half_life is None else Ewma(half_life=self.half_life))

    def key_of(self, tenant_id: str) -> StateKey:
        """Key of a tenant's state."""
        return StateKey(tenant_id, self.venue or "", self.symbol, parse_interval(self.interval), self.version)

    def canonical(self) -> str:
        """Query string that the audit log records; `parse_reset` reads it."""
        pairs = {"interval": self.interval, "model": self.version, "symbol": self.symbol, "venue": self.venue or ""}
        return urlencode(pairs)


RESET = b"reset?"
"""How the recorded request of a reset begins; those of observations are JSON."""


def parse_reset(request: bytes, tenant_id: str) -> StateKey:
    """Key of the state that a recorded reset forgot.

    Raises
    ------
    ValueError
        If the request is none of a reset.
    """
    named = dict(parse_qsl(request.removeprefix(RESET).decode(), keep_blank_values=True))
    # Before there was more than one estimator, the half-life was recorded and not the model.
    half_life = float(named.pop("half_life")) if "half_life" in named else None
    if not {"symbol", "interval", "venue"} <= named.keys() <= {"symbol", "interval", "venue", "model"}:
        raise ValueError("the query of the reset is none of ours")
    venue = named.pop("venue") or None
    return VolatilityQuery(**named, venue=venue, half_life=half_life).key_of(tenant_id)


async def read_volatility(container: Container, query: VolatilityQuery) -> Answer:
    """State of one market and what it says under the default calibration."""
    key = query.key_of(container.tenant_id)
    (state,) = await container.volatility.load([key])
    if state is None:
        raise _unknown(query)
    if isinstance(state, StateDamaged):
        raise StateUnavailable(damage_text(state))
    return Answer(200, orjson.dumps(_volatility(key, state, query.horizon)))


async def list_volatility(container: Container, after: str | None, limit: int) -> Answer:
    """Page of cached states."""
    start = _decode_cursor(after, container.tenant_id) if after else None
    found = await container.volatility.list(container.tenant_id, after=start, limit=limit)
    following = _encode_cursor(found[-1][0]) if len(found) == limit else None
    body = await in_thread(_page, found, following) if len(found) > INLINE_ITEMS else _page(found, following)
    return Answer(200, body)


def _page(found: Sequence[tuple[StateKey, VolatilityState | StateDamaged]], following: str | None) -> bytes:
    """Answer bytes of a list."""
    return orjson.dumps({"items": [_item(key, state) for key, state in found], "next": following})


async def reset_volatility(
    container: Container, query: VolatilityQuery, received_at: datetime, timeout_seconds: float
) -> Answer:
    """Forget a state; it begins anew with the next observation. The reset is in the audit log."""
    lift()
    existed = await container.volatility.delete(query.key_of(container.tenant_id))
    event_id = new_id("ev", received_at)
    venue = {"venue": query.venue} if query.venue else {}
    body = orjson.dumps(
        {"event_id": event_id, "symbol": query.symbol, **venue, "interval": query.interval, "existed": existed}
    )
    record = AuditRecord(
        event_id=event_id,
        kind=EventKind.OBSERVATION,
        recorded_at=received_at,
        tenant_id=container.tenant_id,
        portfolio_id=None,
        client_reference=None,
        status=200,
        request=RESET + query.canonical().encode(),
        response=body,
        state=b"",
        versions=versions_record(),
    )
    return stored_answer(await container.audit.append(record, timeout=timeout_seconds), body, {})


async def estimate_volatility(container: Container, call: Call) -> Answer:
    """Volatility of posted series under any estimator; nothing is stored or recorded."""
    request = await validated(EstimateRequest, call)
    work = (request, call.received_at)
    body = await in_thread(estimate, *work) if takes_long(request.series) else estimate(*work)
    return Answer(200, body)


def estimate(request: EstimateRequest, received_at: datetime) -> bytes:
    """Answer bytes of an estimate."""
    as_of, notes = request.as_of or received_at, Notes()
    if request.as_of is None:
        notes.assume("/as_of", time_text(as_of), "bars that close later are not complete")
    elif as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(as_of), "check your clock against GET /v1/time")
    events = events_by_symbol(request.events, [item.symbol for item in request.series], notes)
    drivers = driver_names(request.estimator)
    posted = [_posted(item, index, as_of, notes, drivers) for index, item in enumerate(request.series)]
    for index, series in enumerate(posted):
        check_columns(series, index, request.estimator)
    found = forecast_markets(posted, request.estimator, diagnose=True)
    rows = []
    for series, forecast, item in zip(posted, found, request.series, strict=True):
        if isinstance(forecast, SeriesForecast):
            _tell_unusual(forecast, item.symbol, notes)
        readout = forecast.readout if isinstance(forecast, SeriesForecast) else forecast
        block = readout_block(readout, request.estimator.method, series.clock, request.horizon, events[item.symbol])
        row = {"symbol": item.symbol, **block}
        if request.events and isinstance(readout, VolatilityReadout):
            row["event_volatility"] = _event_volatility(readout, events[item.symbol], as_of)
        if request.output == "path":
            row["path"] = _path(series, request.estimator)
        rows.append(row)
    remarks = {"assumptions": notes.assumptions, "warnings": notes.warnings}
    return orjson.dumps({"as_of": time_text(as_of), "estimates": rows, **remarks})


def _event_volatility(found: VolatilityReadout, events: Sequence[ScheduledEvent], as_of: datetime) -> float | None:
    start, end = found.next_bar(as_of.timestamp())
    return stat(found.event_volatility(event_variance(events, start=start, end=end)))


def _posted(item: SeriesIn, index: int, as_of: datetime, notes: Notes, drivers: tuple[str, ...]) -> SeriesInput:
    if item.calendar is None:
        notes.assume(f"/series/{index}/calendar", "24/7", "a year has 365 days of 24 hours")
    return series_input(item, index, as_of, notes, drivers=drivers)


def _tell_unusual(forecast: SeriesForecast, symbol: str, notes: Notes) -> None:
    for outcome, count in forecast.unusual.items():
        notes.warn(outcome.value, f"{count} {'bar' if count == 1 else 'bars'}: {UNUSUAL_TEXT[outcome]}", symbol)


def _path(series: SeriesInput, estimator: Estimator) -> dict[str, list[float | None]] | None:
    try:
        path = forecast_path(series, estimator)
    except Refusal:
        return None
    return {field.name: [stat(value) for value in getattr(path, field.name).tolist()] for field in fields(path)}


def _item(key: StateKey, state: VolatilityState | StateDamaged) -> dict[str, object]:
    """Entry of a list; of a damaged state all that is known is its name."""
    if not isinstance(state, StateDamaged):
        return _volatility(key, state)
    refusal = damage_refusal(state)
    readout = {"status": "refused", "reason": refusal.reason, "detail": refusal.detail}
    return {**named_row(key), "model_version": key.model_version, "readout": readout}


def _volatility(key: StateKey, state: VolatilityState, horizon: str | None = None) -> dict[str, object]:
    found, method = _read_state(key, state)
    block = readout_block(found, method, state.clock, horizon)
    return {**state_row(key, state), "model_version": key.model_version, "readout": block}


def _read_state(key: StateKey, state: VolatilityState) -> tuple[VolatilityReadout | Refusal, str]:
    """Readout and method; a state of an estimator that this program does not know (any more) is refused."""
    try:
        estimator = estimator_of(key.model_version)
    except ValueError:
        detail = f"this version knows no estimator {key.model_version}: feed the market anew"
        return Refusal(Reason.VOLATILITY_UNAVAILABLE, detail), key.model_version.partition(".")[0]
    return readout(state, estimator=estimator), estimator.method


def readout_block(
    found: VolatilityReadout | Refusal,
    method: str,
    clock: BarClock,
    horizon: str | None = None,
    events: Sequence[ScheduledEvent] = (),
) -> dict[str, object]:
    """Readout, or the reason for which there is none."""
    if isinstance(found, Refusal):
        head = {"status": "refused", "reason": found.reason, "detail": found.detail}
        return {**head, "method": method, "periods_per_year": clock.periods_per_year}
    block: dict[str, object] = {"status": "ok", "reason": Reason.NONE}
    for part in (found, found.context):
        if part is not None:
            block |= {item.name: shown(getattr(part, item.name)) for item in fields(part) if item.name not in NOT_SHOWN}
    return block if horizon is None else {**block, "horizon": horizon_block(found, clock, horizon, events)}


def shown(value: object) -> object:
    """Field of a readout as an answer shows it; null for what is not finite, such as bars since a jump never seen."""
    if isinstance(value, Tail):
        return tail_block(value)
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, tuple):
        return {name: shown(part) for name, part in value}
    if isinstance(value, float):
        return stat(value) if math.isfinite(value) else None
    return {item.name: shown(getattr(value, item.name)) for item in fields(value)} if is_dataclass(value) else value


def tail_block(tail: Tail) -> dict[str, object]:
    """Degrees of freedom, and losses in multiples of the volatility."""
    losses = [
        {
            "probability": probability,
            "value_at_risk": stat(tail.quantile(probability)),
            "expected_shortfall": stat(tail.expected_shortfall(probability)),
        }
        for probability in LOSS_PROBABILITIES
    ]
    return {"degrees_of_freedom": stat(tail.degrees_of_freedom), "losses": losses}


def horizon_block(
    found: VolatilityReadout, clock: BarClock, duration: str, events: Sequence[ScheduledEvent] = ()
) -> dict[str, object]:
    """Volatility used for sizing, fading into the long run over a time by the calendar.

    A year of the calendar has `periods_per_year` bars, so that a week of a session market holds 4.8 daily bars. The
    hour of the day is left out: it cancels over whole days. The horizon begins at the last close.
    """
    periods = found.periods_per_year
    bars = parse_interval(duration) * periods / SECONDS_PER_YEAR
    next_bar, long_run = found.volatility**2 / periods, found.long_run**2 / periods
    variance = float(horizon_variance(next_bar, long_run, bars, persistence(clock.bar_seconds, _day_seconds(clock))))
    start = found.last_close_at.timestamp()
    variance += event_variance(events, start=start, end=start + parse_interval(duration))
    volatility = math.sqrt(variance / bars * periods)
    return {
        "duration": duration,
        "bars": stat(bars),
        "deviation": stat(math.sqrt(variance)),
        "volatility": stat(volatility),
    }


def _day_seconds(clock: BarClock) -> float:
    """Seconds that the bars of one day span."""
    if clock.calendar.periods_per_year is not None or clock.bar_seconds >= SECONDS_PER_DAY:
        return SECONDS_PER_DAY
    return clock.bar_seconds * clock.periods_per_year / clock.calendar.periods(SECONDS_PER_DAY)


def _unknown(query: VolatilityQuery) -> RequestProblem:
    where = f" of venue {query.venue}" if query.venue else " without a venue"
    text = f"no state of {query.interval} bars and model {query.version} for {query.symbol}{where}"
    return RequestProblem("not_found", f"{text}; feed closes with POST /v1/observations")


def _encode_cursor(key: StateKey) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(key[1:]))).decode()


def _decode_cursor(cursor: str, tenant_id: str) -> StateKey:
    """Key after which the page begins.

    Raises
    ------
    ValueError
        If `cursor` is none of ours.
    """
    parts = orjson.loads(base64.urlsafe_b64decode(cursor))
    if not isinstance(parts, list) or list(map(type, parts)) != [str, str, int, str]:
        raise ValueError("cursor")
    return StateKey(tenant_id, *parts)
