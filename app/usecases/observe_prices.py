"""`POST /v1/observations`: closes in, cached volatility states updated, one outcome per close."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from app.container import Container
from app.ids import new_id
from app.ports import AuditRecord, EventKind, StateChange, StateKey, StateUnavailable
from app.translate.answer import time_text
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.evaluate_portfolio import idempotency_key, known_answer, stored_answer
from app.usecases.gather import TENANT
from app.usecases.volatility_state import calendar_name, interval_text, state_key
from app.version import versions_record
from models.api.observation import CalendarChoice, ObservationIn, ObservationsRequest
from services.core.annualization import Calendar, parse_interval
from services.volatility.registry import Estimator
from services.volatility.state import OUTCOME_TEXT, PointOutcome, VolatilityState, empty_state, update

ROUTE = "POST /v1/observations"
MAX_ATTEMPTS = 8
"""Times that a state is read anew after another writer was faster, before the call gives up."""
INLINE_POINTS = 1_000
"""Points up to which a request is read on the event loop (3 ms); beyond, in a worker thread."""
YIELD_POINTS = 500
"""Points after which other requests get a turn."""
MAX_REJECTED = 20


@dataclass(slots=True)
class Batch:
    """Closes of one state, oldest first, with their places in the request.

    `calendar` is the first one that a point names; points that name another are in `conflicts` and are not fed.
    """

    key: StateKey
    calendar: Calendar | None = None
    places: list[int] = field(default_factory=list)
    closes: list[float] = field(default_factory=list)
    close_times: list[float] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)

    def add(self, place: int, point: ObservationIn) -> None:
        """Take one more point."""
        if point.calendar is not None:
            calendar = _calendar(point.calendar)
            self.calendar = self.calendar or calendar
            if calendar != self.calendar:
                self.conflicts.append(place)
                return
        self.places.append(place)
        self.closes.append(point.close)
        self.close_times.append(point.close_time.timestamp())

    def feed(
        self, state: VolatilityState | None, estimator: Estimator, now: float
    ) -> tuple[VolatilityState, list[PointOutcome]]:
        """New state and outcomes; a state never seen takes the calendar of the batch."""
        if state is None:
            calendar = self.calendar or Calendar()
            state = empty_state(estimator, bar_seconds=self.key.bar_seconds, calendar=calendar)
        return update(state, self.closes, self.close_times, estimator=estimator, calendar=self.calendar, now=now)


@dataclass(slots=True)
class Fed:
    """What became of the batches."""

    outcomes: list[PointOutcome]
    states: dict[StateKey, VolatilityState] = field(default_factory=dict)
    begun: list[Batch] = field(default_factory=list)


async def observe_prices(container: Container, call: Call) -> Answer:
    """Feed closes to their states and record what became of them.

    Points of one symbol are taken in the order of time, whatever their order in the request. The states change before
    the record is written: where the record fails, repeating the call is safe, since a close that is known changes
    nothing.
    """
    started = time.perf_counter()
    key = idempotency_key(call, ROUTE)
    if (known := await known_answer(container, key)) is not None:
        return known
    request, batches = await _read(call.parsed)
    now = (call.received_at + CLOCK_SKEW).timestamp()
    fed = await feed_states(container, batches, len(request.observations), request.estimator, now)
    event_id = new_id("ev", call.received_at)
    body = orjson.dumps(_answer(event_id, fed))
    computed = time.perf_counter()
    record = AuditRecord(
        event_id=event_id,
        kind=EventKind.OBSERVATION,
        recorded_at=call.received_at,
        tenant_id=TENANT,
        portfolio_id=None,
        client_reference=None,
        status=200,
        request=call.body,
        response=body,
        state=b"",
        versions=versions_record(),
        idempotency=key,
    )
    appended = await container.audit.append(record, timeout=call.timeout_seconds)
    timings = {"compute": computed - started, "audit": time.perf_counter() - computed}
    return stored_answer(appended, body, timings)


async def _read(parsed: object) -> tuple[ObservationsRequest, list[Batch]]:
    rows = parsed.get("observations") if isinstance(parsed, dict) else None
    if isinstance(rows, list) and len(rows) > INLINE_POINTS:
        return await asyncio.to_thread(read_request, parsed)
    return read_request(parsed)


def read_request(parsed: object) -> tuple[ObservationsRequest, list[Batch]]:
    """Validated request and its closes, grouped by state and sorted by time."""
    request = ObservationsRequest.model_validate(parsed)
    return request, group(request.observations, request.estimator)


def group(observations: Sequence[ObservationIn], estimator: Estimator) -> list[Batch]:
    """One batch per state, oldest close first; equal times keep the order of the request."""
    batches: dict[tuple[str | None, str, int], Batch] = {}
    for place in sorted(range(len(observations)), key=lambda place: observations[place].close_time):
        point = observations[place]
        bar_seconds = parse_interval(point.interval)
        batch = batches.get((point.venue, point.symbol, bar_seconds))
        if batch is None:
            key = state_key(TENANT, point.venue, point.symbol, bar_seconds, estimator)
            batch = batches[point.venue, point.symbol, bar_seconds] = Batch(key)
        batch.add(place, point)
    return list(batches.values())


def _calendar(choice: CalendarChoice) -> Calendar:
    return Calendar(choice) if isinstance(choice, str) else Calendar("custom", choice.periods_per_year)


async def feed_states(
    container: Container, batches: Sequence[Batch], size: int, estimator: Estimator, now: float
) -> Fed:
    """Update all states: read all, compute, write all; those that another writer changed meanwhile once more.

    Raises
    ------
    StateUnavailable
        If the store does not answer, or other writers were faster time and again.
    """
    fed, waiting = Fed([PointOutcome.CALENDAR_CONFLICT] * size), batches
    for _ in range(MAX_ATTEMPTS):
        waiting = await _attempt(container, waiting, fed, estimator, now)
        if not waiting:
            return fed
    raise StateUnavailable(f"other writers changed {waiting[0].key.symbol} {MAX_ATTEMPTS} times in a row")


async def _attempt(
    container: Container, batches: Sequence[Batch], fed: Fed, estimator: Estimator, now: float
) -> list[Batch]:
    """One round of read, compute and write; returns the batches that lost a race against another writer."""
    loaded = await container.volatility.load([batch.key for batch in batches])
    changes, makers, turn = [], [], 0
    for batch, before in zip(batches, loaded, strict=True):
        after, outcomes = batch.feed(before, estimator, now)
        for place, outcome in zip(batch.places, outcomes, strict=True):
            fed.outcomes[place] = outcome
        if after.version != (before.version if before else 0):
            changes.append(StateChange(batch.key, before.version if before else None, after))
            makers.append(batch)
        elif before is not None:
            fed.states[batch.key] = before
        turn += len(batch.places)
        if turn > YIELD_POINTS:
            turn = 0
            await asyncio.sleep(0)
    stored = await container.volatility.compare_and_set(changes)
    for change, batch, done in zip(changes, makers, stored, strict=True):
        if done:
            fed.states[change.key] = change.state
            fed.begun += [batch] if change.expected_version is None and batch.calendar is None else []
    return [batch for batch, done in zip(makers, stored, strict=True) if not done]


def _answer(event_id: str, fed: Fed) -> dict[str, object]:
    refused = [(place, outcome) for place, outcome in enumerate(fed.outcomes) if not outcome.stored]
    return {
        "event_id": event_id,
        "outcomes": fed.outcomes,
        "counts": dict(Counter(outcome.value for outcome in fed.outcomes)),
        "rejected": [
            {"index": place, "outcome": outcome, "detail": OUTCOME_TEXT[outcome]}
            for place, outcome in refused[:MAX_REJECTED]
        ],
        "states": [state_row(key, state) for key, state in fed.states.items()],
        "assumptions": [_assumption(batch) for batch in fed.begun],
    }


def _assumption(batch: Batch) -> dict[str, str]:
    place = min(batch.places)
    effect = f"{batch.key.symbol} is taken to trade around the clock: missing bars count, and a year has 365 days"
    return {"pointer": f"/observations/{place}/calendar", "value": "24/7", "effect": effect}


def state_row(key: StateKey, state: VolatilityState) -> dict[str, object]:
    """State as answers show it."""
    return {
        "symbol": key.symbol,
        **({"venue": key.venue} if key.venue else {}),
        "interval": interval_text(key.bar_seconds),
        "calendar": calendar_name(state.clock.calendar),
        "version": state.version,
        "observations": state.observations,
        "first_close_time": time_text(datetime.fromtimestamp(state.first_close_at, UTC)),
        "last_close_time": time_text(datetime.fromtimestamp(state.last_close_at, UTC)),
        "last_close": state.last_close,
    }
