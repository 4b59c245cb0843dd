"""One evaluation of a registered portfolio: its newest inputs through the ordinary engine, into the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from app.container import Container
from app.live_ports import StoredPortfolio, StoredSnapshot, continuation
from app.ports import AuditUnavailable, EventKind
from app.translate.live_request import LastDecision, last_decision, live_request, refresh_seconds
from app.translate.log_changes import Watched, watched_by
from app.translate.snapshot import describe_instruments, states_needed
from app.usecases.call import Call, Door
from app.usecases.effort import validated
from app.usecases.evaluate_portfolio import Recorded, decide_and_record
from app.usecases.executions import fitted_impact
from app.usecases.log_tail import get_kept
from models.api.portfolio import LiveRequest
from services.engine.renewal import renewal_at

WRITE_SECONDS = 5.0
"""Longest wait for the durable write of an evaluation."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Nothing was evaluated: there is no snapshot, or it is too old. Only a newer one changes that."""

    versions: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """An evaluation is on record.

    Parameters
    ----------
    versions : (int, int)
        Version of the portfolio and sequence of the snapshot that it read.
    last : LastDecision
        What the next one goes on from.
    watched : Watched
        What it read.
    renew_at : datetime, optional
        When to evaluate again though nothing changes.
    overtaken : bool
        Another process recorded its own first: `last` is that one, and whether it read the newest inputs is not known.
    """

    versions: tuple[int, int]
    last: LastDecision
    watched: Watched
    renew_at: datetime | None
    overtaken: bool


async def recorded_decision(container: Container, portfolio_id: str) -> LastDecision | None:
    """Last live entry of a portfolio in the log."""
    size = await container.audit.size()
    found = await container.audit.previous(container.tenant_id, size, kind=EventKind.LIVE, portfolio_id=portfolio_id)
    entry = await get_kept(container.audit, container.tenant_id, found.event_id) if found is not None else None
    return last_decision(entry.index, entry.response) if entry is not None else None


async def evaluate_live(
    container: Container, portfolio_id: str, last: LastDecision | None, holds: Callable[[], bool]
) -> Evaluated | Skipped | None:
    """Evaluate a portfolio on what is stored now; None where it is not registered.

    Parameters
    ----------
    last : LastDecision, optional
        The last live entry of the portfolio.
    holds : callable
        Whether this process still runs the live engine; asked just before the write.

    Raises
    ------
    AuditUnavailable, StateUnavailable
        If a store cannot answer.
    InvalidInput, UnknownPolicy, ValidationError
        If the inputs do not fit any more, as where the policy that is named was stored by another build.
    """
    portfolio = await container.portfolios.get(container.tenant_id, portfolio_id)
    if portfolio is None:
        return None
    snapshot = await container.portfolios.get_snapshot(container.tenant_id, portfolio_id)
    if snapshot is None:
        return Skipped((portfolio.version, -1))
    versions = (portfolio.version, snapshot.snapshot_seq)
    now = container.clock.now()
    fitted = await fitted_impact(container, portfolio)
    request, call = await _request(portfolio, snapshot, now, last, fitted)
    if request.snapshot_expires_at <= now:
        return Skipped(versions)
    if not holds():
        raise AuditUnavailable("the live engine of this process has ended")
    key = continuation(portfolio_id, last.index if last is not None else None)
    recorded = await decide_and_record(container, call, Door.LIVE, request, key)
    specification = orjson.loads(portfolio.specification)
    decision, automatic = recorded.decision, recorded.decision.automatic
    return Evaluated(
        versions=versions,
        last=_last(recorded),
        watched=_watched(request, recorded, specification.get("symbols", ())),
        renew_at=renewal_at(
            decision.inputs,
            decision.result,
            refresh_seconds=refresh_seconds(specification),
            due_at=automatic.due_at if automatic is not None else None,
        ),
        overtaken=recorded.appended.replayed,
    )


async def _request(
    portfolio: StoredPortfolio,
    snapshot: StoredSnapshot,
    now: datetime,
    last: LastDecision | None,
    fitted: dict[str, Any] | None,
) -> tuple[LiveRequest, Call]:
    body = live_request(portfolio, snapshot, as_of=now, last=last)
    if fitted is not None:
        body["fitted_impact"] = fitted
    call = Call(orjson.dumps(body), body, None, now, WRITE_SECONDS)
    return await validated(LiveRequest, call), call


def _last(recorded: Recorded) -> LastDecision:
    entry = recorded.appended.entry
    if recorded.appended.replayed and entry is not None:
        return last_decision(entry.index, entry.response)
    return last_decision(recorded.appended.index, recorded.body)


def _watched(request: LiveRequest, recorded: Recorded, symbols: list[str]) -> Watched:
    hedging = recorded.decision.inputs.policy.hedging
    hedge_symbol = hedging.instrument if hedging is not None else None
    described = describe_instruments(request, recorded.gathered.registered)
    return watched_by(request, states_needed(request, described, hedge_symbol), symbols, hedge_symbol)
