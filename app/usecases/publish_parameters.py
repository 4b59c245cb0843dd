"""Publishing and reading the parameters of markets."""

from __future__ import annotations

import dataclasses
import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import orjson

from app.container import Container
from app.deadline import lift
from app.ids import new_id
from app.parameter_port import StoredPublication
from app.ports import AuditUnavailable, EventKind
from app.translate.answer import stat, time_text
from app.translate.one_market import usable_until
from app.translate.policy import NamedPolicy, policy_sha256, restored
from app.translate.snapshot import StateNeed
from app.translate.state_record import encode_state
from app.usecases.call import Answer, Call
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, stored_answer
from app.usecases.gather import load_states, named_policy
from models.api.parameters import PublishRequest
from services.core.decimals import plain
from services.core.errors import InvalidInput, Refusal
from services.core.outcome import Reason
from services.engine.inputs import StateInput
from services.engine.market import Market
from services.engine.policy import Policy
from services.margin.haircuts import VolatilityHaircut
from services.margin.published import (
    DAY,
    RATES,
    MarketRates,
    Publication,
    PublicationRules,
    check_publication,
    in_force,
    scheduled,
)
from services.volatility.readout import VolatilityReadout

ROUTE = "PUT /v1/parameters"
ATTEMPTS = 20
"""Writers of one market that may be first, one after the other, before one gives up."""
RATE_DIGITS = 6
"""Decimals of a rate that the model gives, rounded up."""


class UnknownMarket(Exception):
    """Nothing was ever published for this market."""


class Figures(NamedTuple):
    """Rates of a publication, what they were made from, and what was read for it."""

    rates: MarketRates
    inputs: dict[str, Any] | None = None
    state: bytes = b""


async def publish_parameters(container: Container, call: Call, market: str) -> Answer:
    """Store the next version of a market's parameters.

    The version is stored before it is in the audit log. A call that failed in between and is repeated makes another
    version of the same content.

    Raises
    ------
    InvalidInput
        For what comes too soon or moves too far, and where the model has no volatility.
    """
    request = PublishRequest.model_validate(call.parsed)
    key = idempotency_key(call, f"{ROUTE}/{market}")
    if (known := await known_answer(container, key)) is not None:
        return known
    figures = await _figures(container, request, market, call.received_at)
    stored = await _store(container, request, market, figures, call.received_at)
    event_id = new_id("ev", call.received_at)
    body = orjson.dumps({**version_fields(stored), "event_id": event_id})
    record = event_record(container, EventKind.PARAMETERS, event_id, call, body, key, state=figures.state)
    try:
        return stored_answer(await container.audit.append(record, timeout=call.timeout_seconds), body, {})
    except AuditUnavailable as error:
        detail = f"version {stored.version} of {market} is published, but not surely on record: {error.detail}"
        raise AuditUnavailable(detail, error.outcome) from None


async def _figures(container: Container, request: PublishRequest, market: str, now: datetime) -> Figures:
    if request.from_model is None:
        assert request.rates is not None
        return Figures(request.rates)
    asked, symbol = request.from_model, request.from_model.symbol or market
    reference = asked.policy
    named = None if reference is None else await named_policy(container, reference, "/from_model/policy")
    policy = Policy() if named is None else restored(named.resolved)
    need = StateNeed(symbol, symbol, asked.venue)
    states = await load_states(container, [need], asked.interval, policy.estimator)
    found = model_figures(policy, named, request, states.get(symbol), now)
    state = encode_state(states, {}, Market({}, {}, (), None, "single"), named)
    return found._replace(state=state)


def model_figures(
    policy: Policy, named: NamedPolicy | None, request: PublishRequest, state: StateInput | None, now: datetime
) -> Figures:
    """Rates of the margin model at the cached volatility, rounded up; the haircut is that for initial margin.

    Raises
    ------
    InvalidInput
        If there is no volatility that may be used now.
    """
    asked = request.from_model
    assert asked is not None
    readout = _usable(state, now)
    sigma, floor = np.array([readout.volatility]), 1.0 / (request.max_leverage or math.inf)
    found = policy.margin.rates(sigma, venue_floor=floor)
    cut = VolatilityHaircut().haircuts(sigma, floor=asked.haircut_floor).initial
    initial = {"long": _up(float(found.long[0])), "short": _up(float(found.short[0]))}
    maintenance = {side: _up(policy.margin.maintenance_fraction * rate) for side, rate in initial.items()}
    rates = MarketRates(
        initial_long=initial["long"],
        initial_short=initial["short"],
        maintenance_long=maintenance["long"],
        maintenance_short=maintenance["short"],
        haircut=min(_up(float(cut[0])), 1.0),
    )
    inputs = {
        "volatility": stat(readout.volatility),
        "last_close_at": time_text(readout.last_close_at),
        "state_sha256": state.digest if state is not None else None,
        "method_used": found.method_used[0],
        "model": dataclasses.asdict(policy.margin.model),
        "policy": None if named is None else {"id": named.policy_id, "version": named.version, "sha256": named.sha256},
        "policy_resolved_sha256": policy_sha256(policy),
        "size_addon": policy.margin.size_addon.method,
        "haircut_floor": asked.haircut_floor,
    }
    return Figures(rates, inputs)


def _usable(state: StateInput | None, now: datetime) -> VolatilityReadout:
    missing = Refusal(Reason.VOLATILITY_UNAVAILABLE, "no such state is cached")
    readout = missing if state is None else state.readout
    why = readout if isinstance(readout, Refusal) else usable_until(readout, now)
    if isinstance(readout, Refusal) or isinstance(why, Refusal):
        assert isinstance(why, Refusal)
        rule = "needs a cached volatility of now: feed bars with POST /v1/observations, or send rates"
        raise InvalidInput("from_model", rule, f"{why.reason}: {why.detail}")
    return readout


def _up(rate: float) -> float:
    """Rate rounded up; one that is a rounding error above a step is that step."""
    steps = 10.0**RATE_DIGITS
    return math.ceil(round(rate * steps, 6)) / steps


async def _store(
    container: Container, request: PublishRequest, market: str, figures: Figures, now: datetime
) -> StoredPublication:
    for _ in range(ATTEMPTS):
        wanted = await _judged(container, request, market, figures.rates, now)
        content = {
            "rates": dataclasses.asdict(wanted.rates),
            "max_leverage": wanted.max_leverage,
            "max_position": None if wanted.max_position is None else plain(wanted.max_position),
            "max_notional": None if wanted.max_notional is None else plain(wanted.max_notional),
            "rules": dataclasses.asdict(wanted.rules),
            "emergency": wanted.emergency,
            "actor": request.actor,
            "reason": request.reason,
            "inputs": figures.inputs,
        }
        made = StoredPublication(
            market=market,
            version=wanted.version,
            effective_at=wanted.effective_at,
            published_at=now,
            content=orjson.dumps(content),
        )
        lift()
        if await container.parameters.add(container.tenant_id, made):
            return made
    raise AuditUnavailable(f"{ATTEMPTS} other publications of {market} came first: repeat")


async def _judged(
    container: Container, request: PublishRequest, market: str, rates: MarketRates, now: datetime
) -> Publication:
    """The next version, where the ones before it let it be."""
    since = now if request.effective_at is None else min(now, request.effective_at - DAY)
    history = [publication_of(item) for item in await container.parameters.since(container.tenant_id, market, since)]
    newest = history[-1] if history else None
    ruling = (in_force(history, now) or history[0]).rules if history else None
    notice = 0.0 if ruling is None or request.emergency else ruling.notice_seconds
    wanted = Publication(
        version=newest.version + 1 if newest else 1,
        effective_at=request.effective_at or now + timedelta(seconds=notice),
        rates=rates,
        max_leverage=request.max_leverage,
        max_position=request.max_position,
        max_notional=request.max_notional,
        rules=request.rules or (newest.rules if newest else PublicationRules()),
        emergency=request.emergency,
    )
    check_publication(history, wanted, now)
    return wanted


async def read_parameters(container: Container, market: str, as_of: datetime) -> Answer:
    """The version in force at a moment, and the next one.

    Raises
    ------
    UnknownMarket
        If nothing was ever published.
    """
    found = await container.parameters.since(container.tenant_id, market, as_of)
    if not found:
        raise UnknownMarket(market)
    stored, history = {item.version: item for item in found}, [publication_of(item) for item in found]
    present, coming = in_force(history, as_of), scheduled(history, as_of)
    body = {
        "market": market,
        "in_force": version_fields(stored[present.version]) if present else None,
        "scheduled": version_fields(stored[coming.version]) if coming else None,
    }
    tag = f'"{present.version if present else 0}-{coming.version if coming else 0}"'
    return Answer(200, orjson.dumps(body), (("ETag", tag),))


async def list_versions(container: Container, market: str, after: int | None, limit: int) -> Answer:
    """Page of versions, oldest first.

    Raises
    ------
    UnknownMarket
        If nothing was ever published.
    """
    page = await container.parameters.versions(container.tenant_id, market, after=after or 0, limit=limit)
    if not page and not after:
        raise UnknownMarket(market)
    following = str(page[-1].version) if len(page) == limit else None
    return Answer(200, orjson.dumps({"items": [version_fields(item) for item in page], "next": following}))


def publication_of(stored: StoredPublication) -> Publication:
    """Version in terms of the core."""
    content = orjson.loads(stored.content)
    caps = {name: content[name] for name in ("max_position", "max_notional")}
    return Publication(
        version=stored.version,
        effective_at=stored.effective_at,
        rates=MarketRates(**{name: content["rates"][name] for name in RATES}),
        max_leverage=content["max_leverage"],
        **{name: None if value is None else Decimal(value) for name, value in caps.items()},
        rules=PublicationRules(**content["rules"]),
        emergency=content["emergency"],
    )


def version_fields(stored: StoredPublication) -> dict[str, Any]:
    """A version in the form of the wire."""
    return {
        "market": stored.market,
        "version": stored.version,
        "effective_at": time_text(stored.effective_at),
        "published_at": time_text(stored.published_at),
        **orjson.loads(stored.content),
    }
