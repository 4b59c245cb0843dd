"""Cached volatility states shown and reset, and volatility estimated on a posted series."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

import orjson

from app.container import Container
from app.ids import new_id
from app.ports import AuditRecord, EventKind, StateKey
from app.problems import RequestProblem
from app.translate.answer import stat, time_text
from app.translate.notes import Notes
from app.translate.series import series_input
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.evaluate_portfolio import stored_answer
from app.usecases.gather import TENANT
from app.usecases.observe_prices import state_row
from app.usecases.volatility_state import state_key
from app.version import versions_record
from models.api.observation import EstimateRequest
from services.core.annualization import parse_interval
from services.core.errors import InvalidInput, Refusal
from services.core.outcome import Reason
from services.engine.inputs import SeriesInput
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import SeriesForecast, forecast_bars, forecast_panel
from services.volatility.path import forecast_path
from services.volatility.readout import VolatilityReadout
from services.volatility.registry import Estimator
from services.volatility.state import VolatilityState, readout

INLINE_POINTS = 40_000
"""Points up to which an estimate runs on the event loop (5 ms); beyond, in a worker thread."""
PATH_COLUMNS = ("volatility", "forecast", "calibration", "long_run")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityQuery:
    """Which state; the default half-life is that of the default policy."""

    symbol: str
    interval: str = "P1D"
    venue: str | None = None
    half_life: float = Ewma().half_life

    @property
    def estimator(self) -> Estimator:
        """Estimator with this half-life and all other defaults."""
        return Ewma(half_life=self.half_life)

    @property
    def key(self) -> StateKey:
        """Key of the state."""
        return state_key(TENANT, self.venue, self.symbol, parse_interval(self.interval), self.estimator)

    def canonical(self) -> str:
        """Query string that the audit log records."""
        pairs = {"half_life": repr(self.half_life), "interval": self.interval, "symbol": self.symbol}
        return urlencode({**pairs, "venue": self.venue or ""})


async def read_volatility(container: Container, query: VolatilityQuery) -> Answer:
    """State of one market and what it says under the default calibration."""
    (state,) = await container.volatility.load([query.key])
    if state is None:
        raise _unknown(query)
    return Answer(200, orjson.dumps(_volatility(query.key, state)))


async def list_volatility(container: Container, after: str | None, limit: int) -> Answer:
    """Page of cached states."""
    found = await container.volatility.list(TENANT, after=_decode_cursor(after) if after else None, limit=limit)
    items = [_volatility(key, state) for key, state in found]
    following = _encode_cursor(found[-1][0]) if len(found) == limit else None
    return Answer(200, orjson.dumps({"items": items, "next": following}))


async def reset_volatility(
    container: Container, query: VolatilityQuery, received_at: datetime, timeout_seconds: float
) -> Answer:
    """Forget a state; it begins anew with the next observation. The reset is in the audit log."""
    existed = await container.volatility.delete(query.key)
    event_id = new_id("ev", received_at)
    venue = {"venue": query.venue} if query.venue else {}
    body = orjson.dumps(
        {"event_id": event_id, "symbol": query.symbol, **venue, "interval": query.interval, "existed": existed}
    )
    record = AuditRecord(
        event_id=event_id,
        kind=EventKind.OBSERVATION,
        recorded_at=received_at,
        tenant_id=TENANT,
        portfolio_id=None,
        client_reference=None,
        status=200,
        request=f"reset?{query.canonical()}".encode(),
        response=body,
        state=b"",
        versions=versions_record(),
    )
    return stored_answer(await container.audit.append(record, timeout=timeout_seconds), body, {})


async def estimate_volatility(container: Container, call: Call) -> Answer:
    """Volatility of posted series under any estimator; nothing is stored or recorded."""
    request = EstimateRequest.model_validate(call.parsed)
    points = sum(len(item.close or item.ohlcv or ()) for item in request.series)
    work = (request, call.received_at)
    body = await asyncio.to_thread(estimate, *work) if points > INLINE_POINTS else estimate(*work)
    return Answer(200, body)


def estimate(request: EstimateRequest, received_at: datetime) -> bytes:
    """Answer bytes of an estimate."""
    as_of, notes = request.as_of or received_at, Notes()
    if request.as_of is None:
        notes.assume("/as_of", time_text(as_of), "bars that close later are not complete")
    elif as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(as_of), "check your clock against GET /v1/time")
    rows = []
    for index, item in enumerate(request.series):
        if item.calendar is None:
            notes.assume(f"/series/{index}/calendar", "24/7", "a year has 365 days of 24 hours")
        series = series_input(item, index, as_of, notes)
        forecast, periods = _forecast(series, request.estimator), series.calendar.periods(series.bar_seconds)
        row = {"symbol": item.symbol, **readout_block(forecast, request.estimator.method, periods)}
        if request.output == "path":
            row["path"] = _path(series, request.estimator)
        rows.append(row)
    remarks = {"assumptions": notes.assumptions, "warnings": notes.warnings}
    return orjson.dumps({"as_of": time_text(as_of), "estimates": rows, **remarks})


def _forecast(series: SeriesInput, estimator: Estimator) -> VolatilityReadout | Refusal:
    bar_seconds, calendar = series.bar_seconds, series.calendar
    found: SeriesForecast | Refusal
    if series.close_times is not None:
        found = forecast_bars(
            series.closes, series.close_times, bar_seconds=bar_seconds, calendar=calendar, estimator=estimator
        )
    else:
        (found,) = forecast_panel(
            series.closes[None, :], ends=[series.end], bar_seconds=bar_seconds, calendar=calendar, estimator=estimator
        )
    return found if isinstance(found, Refusal) else found.readout


def _path(series: SeriesInput, estimator: Estimator) -> dict[str, list[float | None]] | None:
    try:
        path = forecast_path(
            series.closes,
            bar_seconds=series.bar_seconds,
            calendar=series.calendar,
            estimator=estimator,
            close_times=series.close_times,
        )
    except Refusal:
        return None
    return {name: [stat(value) for value in getattr(path, name).tolist()] for name in PATH_COLUMNS}


def _volatility(key: StateKey, state: VolatilityState) -> dict[str, object]:
    estimator = Ewma(half_life=float(key.model_version.removeprefix("ewma.1-")))
    block = readout_block(readout(state, estimator=estimator), estimator.method, state.clock.periods_per_year)
    return {**state_row(key, state), "model_version": key.model_version, "readout": block}


def readout_block(found: VolatilityReadout | Refusal, method: str, periods_per_year: float) -> dict[str, object]:
    """Readout, or the reason for which there is none."""
    if isinstance(found, Refusal):
        head = {"status": "refused", "reason": found.reason, "detail": found.detail}
        return {**head, "method": method, "periods_per_year": periods_per_year}
    return {
        "status": "ok",
        "reason": Reason.NONE,
        "volatility": stat(found.volatility),
        "forecast": stat(found.forecast),
        "calibration": stat(found.calibration),
        "long_run": stat(found.long_run),
        "floor": stat(found.floor),
        "method": found.method,
        "effective_half_life": found.effective_half_life,
        "confidence": stat(found.confidence),
        "maturity": found.maturity,
        "guard": found.guard,
        "observations": found.observations,
        "periods_per_year": found.periods_per_year,
        "last_close": found.last_close,
        "last_close_at": time_text(found.last_close_at),
    }


def _unknown(query: VolatilityQuery) -> RequestProblem:
    where = f" of venue {query.venue}" if query.venue else " without a venue"
    text = f"no state of {query.interval} bars and half-life {query.half_life:g} for {query.symbol}{where}"
    return RequestProblem("not_found", f"{text}; feed closes with POST /v1/observations")


def _encode_cursor(key: StateKey) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(key[1:]))).decode()


def _decode_cursor(cursor: str) -> StateKey:
    """Key after which the page begins.

    Raises
    ------
    ValueError
        If `cursor` is none of ours.
    """
    parts = orjson.loads(base64.urlsafe_b64decode(cursor))
    if not isinstance(parts, list) or list(map(type, parts)) != [str, str, int, str]:
        raise ValueError("cursor")
    return StateKey(TENANT, *parts)
