"""`POST /v1/observations`: bars in, cached volatility states updated, one outcome per bar."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from app.container import Container
from app.deadline import in_thread, lift
from app.ids import new_id
from app.ports import EventKind, FedState, StateChange, StateDamaged, StateKey, StateUnavailable
from app.translate.answer import time_text
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.damage import damage_text
from app.usecases.effort import INLINE_BYTES
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, stored_answer
from app.usecases.turns import turns
from app.usecases.volatility_state import calendar_name, interval_text, state_key
from models.api.observation import CalendarChoice, ObservationIn, ObservationsRequest
from services.core.annualization import Calendar, parse_interval
from services.volatility.bars import FIGURES, Bar
from services.volatility.outcome import OUTCOME_TEXT, PointOutcome
from services.volatility.registry import Estimator, driver_names
from services.volatility.replay import Observation, Observed, Verdict, begin, observe
from services.volatility.state import VolatilityState, uses_ranges

ROUTE = "POST /v1/observations"
MAX_ATTEMPTS = 8
"""Times that a state is read anew after another writer was faster, before the call gives up."""
FIRST_PAUSE, LONGEST_PAUSE = 0.004, 0.064
"""Bounds of the pause between two of them: an update of one state takes 2 ms [s]."""
INLINE_POINTS = 1_000
"""Points up to which a request is read on the event loop (3 ms); beyond, in a worker thread."""
THREAD_POINTS = 100
"""Points of one state from which it is fed in a worker thread (10 ms)."""
MAX_REJECTED = 20


@dataclass(slots=True)
class Batch:
    """Bars of one state, with their places in the request.

    `calendar` is the first one that a point names; points that name another are left out and keep `calendar_conflict`.
    """

    key: StateKey
    drivers: tuple[str, ...] = ()
    calendar: Calendar | None = None
    places: list[int] = field(default_factory=list)
    observed: list[Observed] = field(default_factory=list)

    def add(self, place: int, point: ObservationIn) -> None:
        """Take one more point."""
        if point.calendar is not None:
            calendar = _calendar(point.calendar)
            self.calendar = self.calendar or calendar
            if calendar != self.calendar:
                return
        self.places.append(place)
        self.observed.append(observed(point, self.drivers))

    def feed(self, before: FedState | None, rules: Rules) -> Observation:
        """New state and verdicts; a state never seen takes the calendar of the batch."""
        seconds, calendar = self.key.bar_seconds, self.calendar or Calendar()
        state, replay = before or begin(rules.estimator, bar_seconds=seconds, calendar=calendar)
        return observe(
            state,
            replay,
            self.observed,
            estimator=rules.estimator,
            calendar=self.calendar,
            now=rules.now,
            revise=rules.revise,
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all points of a call: see `services.volatility.replay.observe`."""

    estimator: Estimator
    now: float
    revise: bool


@dataclass(slots=True)
class Fed:
    """What became of the batches."""

    verdicts: list[Verdict]
    states: dict[StateKey, VolatilityState] = field(default_factory=dict)
    begun: list[Batch] = field(default_factory=list)

    def refuse(self, batch: Batch, verdict: Verdict) -> None:
        """One verdict for all points of a batch."""
        for place in batch.places:
            self.verdicts[place] = verdict


async def observe_prices(container: Container, call: Call) -> Answer:
    """Feed bars to their states and record what became of them.

    Points of one symbol are taken in the order of time, whatever their order in the request. The states change before
    the record is written: where the record fails, repeating the call is safe, since a bar that is known changes
    nothing.
    """
    started = time.perf_counter()
    key = idempotency_key(call, ROUTE)
    if (known := await known_answer(container, key)) is not None:
        return known
    request, batches = await _read(call, container.tenant_id)
    rules = Rules(request.estimator, (call.received_at + CLOCK_SKEW).timestamp(), request.revise)
    fed = await feed_states(container, batches, len(request.observations), rules)
    event_id = new_id("ev", call.received_at)
    body = orjson.dumps(_answer(event_id, fed))
    computed = time.perf_counter()
    record = event_record(container, EventKind.OBSERVATION, event_id, call, body, key)
    appended = await container.audit.append(record, timeout=call.timeout_seconds)
    timings = {"compute": computed - started, "audit": time.perf_counter() - computed}
    return stored_answer(appended, body, timings)


async def _read(call: Call, tenant_id: str) -> tuple[ObservationsRequest, list[Batch]]:
    rows = call.parsed.get("observations") if isinstance(call.parsed, dict) else None
    if len(call.body) > INLINE_BYTES or (isinstance(rows, list) and len(rows) > INLINE_POINTS):
        return await in_thread(read_request, call.parsed, tenant_id)
    return read_request(call.parsed, tenant_id)


def read_request(parsed: object, tenant_id: str) -> tuple[ObservationsRequest, list[Batch]]:
    """Validated request and its bars, grouped by state."""
    request = ObservationsRequest.model_validate(parsed)
    return request, group(request.observations, request.estimator, tenant_id)


def group(observations: Sequence[ObservationIn], estimator: Estimator, tenant_id: str) -> list[Batch]:
    """One batch per state, oldest bar first; equal times keep the order of the request."""
    batches: dict[tuple[str | None, str, int], Batch] = {}
    for place in sorted(range(len(observations)), key=lambda place: observations[place].close_time):
        point = observations[place]
        bar_seconds = parse_interval(point.interval)
        batch = batches.get((point.venue, point.symbol, bar_seconds))
        if batch is None:
            key = state_key(tenant_id, point.venue, point.symbol, bar_seconds, estimator)
            batch = batches[point.venue, point.symbol, bar_seconds] = Batch(key, driver_names(estimator))
        batch.add(place, point)
    return list(batches.values())


def observed(point: ObservationIn, drivers: tuple[str, ...] = ()) -> Observed:
    """Bar of a point, NaN for what it does not say; `drivers` names those of the estimator."""
    figures = [math.nan if value is None else value for value in (getattr(point, name) for name in FIGURES[2:])]
    bar = Bar._make((point.close_time.timestamp(), point.close, *figures, _said(point.drivers, drivers)))
    return Observed(bar, point.source or "")


def _said(values: Mapping[str, float | None] | None, drivers: tuple[str, ...]) -> tuple[float, ...]:
    """Values of the drivers in their order; empty where nothing was said."""
    if not values:
        return ()
    return tuple(math.nan if value is None else value for value in map(values.get, drivers))


def _calendar(choice: CalendarChoice) -> Calendar:
    return Calendar(choice) if isinstance(choice, str) else Calendar("custom", choice.periods_per_year)


async def feed_states(container: Container, batches: Sequence[Batch], size: int, rules: Rules) -> Fed:
    """Update all states: read all, compute, write all; those that another writer changed meanwhile once more.

    Raises
    ------
    StateUnavailable
        If the store does not answer, or other writers were faster time and again.
    """
    fed, waiting = Fed([Verdict(PointOutcome.CALENDAR_CONFLICT)] * size), batches
    async with turns(container.volatility, (batch.key for batch in batches)):
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                await asyncio.sleep(pause_seconds(attempt))
            waiting = await _attempt(container, waiting, fed, rules)
            if not waiting:
                return fed
    raise StateUnavailable(f"other writers changed {waiting[0].key.symbol} {MAX_ATTEMPTS} times in a row")


def pause_seconds(attempt: int) -> float:
    """Pause before another attempt: random, so that two writers do not keep meeting, and twice as long each time.

    Examples
    --------
    >>> all(0.0 <= pause_seconds(attempt) <= 0.064 for attempt in range(1, 20))
    True
    """
    return random.uniform(0.0, min(FIRST_PAUSE * 2.0 ** (attempt - 1), LONGEST_PAUSE))  # noqa: S311


async def _attempt(container: Container, batches: Sequence[Batch], fed: Fed, rules: Rules) -> list[Batch]:
    """One round of read, compute and write; returns the batches that lost a race against another writer."""
    loaded = await container.volatility.load_for_update([batch.key for batch in batches])
    changes, makers = [], []
    for batch, before in zip(batches, loaded, strict=True):
        if isinstance(before, StateDamaged):
            fed.refuse(batch, Verdict(PointOutcome.STATE_DAMAGED, damage_text(before)))
            continue
        after, replay, verdicts = await _feed(batch, before, rules)
        for place, verdict in zip(batch.places, verdicts, strict=True):
            fed.verdicts[place] = verdict
        if after.version != (before.state.version if before else 0):
            changes.append(StateChange(batch.key, before.state.version if before else None, after, replay))
            makers.append(batch)
        elif before is not None:
            fed.states[batch.key] = before.state
    lift()
    stored = await container.volatility.compare_and_set(changes)
    for change, batch, done in zip(changes, makers, stored, strict=True):
        if done:
            fed.states[change.key] = change.state
            fed.begun += [batch] if change.expected_version is None and batch.calendar is None else []
    return [batch for batch, done in zip(makers, stored, strict=True) if not done]


async def _feed(batch: Batch, before: FedState | None, rules: Rules) -> Observation:
    """Feed one state; other requests get their turn meanwhile."""
    if len(batch.places) > THREAD_POINTS:
        return await in_thread(batch.feed, before, rules)
    await asyncio.sleep(0)
    return batch.feed(before, rules)


def _answer(event_id: str, fed: Fed) -> dict[str, object]:
    refused = [(place, verdict) for place, verdict in enumerate(fed.verdicts) if not verdict.outcome.stored]
    return {
        "event_id": event_id,
        "outcomes": [verdict.outcome for verdict in fed.verdicts],
        "counts": dict(Counter(verdict.outcome.value for verdict in fed.verdicts)),
        "rejected": [
            {"index": place, "outcome": verdict.outcome, "detail": detail_text(verdict)}
            for place, verdict in refused[:MAX_REJECTED]
        ],
        "states": [state_row(key, state) for key, state in fed.states.items()],
        "assumptions": [_assumption(batch) for batch in fed.begun],
    }


def detail_text(verdict: Verdict) -> str:
    """Meaning of an outcome, and what was found."""
    text = OUTCOME_TEXT[verdict.outcome]
    return f"{text} Here: {verdict.detail}." if verdict.detail else text


def _assumption(batch: Batch) -> dict[str, str]:
    place = min(batch.places)
    effect = f"{batch.key.symbol} is taken to trade around the clock: missing bars count, and a year has 365 days"
    return {"pointer": f"/observations/{place}/calendar", "value": "24/7", "effect": effect}


def named_row(key: StateKey) -> dict[str, object]:
    """Name of a state as answers show it."""
    venue = {"venue": key.venue} if key.venue else {}
    return {"symbol": key.symbol, **venue, "interval": interval_text(key.bar_seconds)}


def state_row(key: StateKey, state: VolatilityState) -> dict[str, object]:
    """State as answers show it."""
    return {
        **named_row(key),
        "calendar": calendar_name(state.clock.calendar),
        "version": state.version,
        "observations": state.observations,
        "inputs": "range" if uses_ranges(state) else "close",
        "first_close_time": time_text(datetime.fromtimestamp(state.first_close_at, UTC)),
        "last_close_time": time_text(datetime.fromtimestamp(state.last_close_at, UTC)),
        "last_close": state.last_close,
    }
