"""Circuit breakers of a decision, in the form of the wire."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from app.translate.answer import stat, time_text
from models.api.breaker import BreakerResetIn
from services.core.control import BreakerState
from services.engine.outputs import Breaking
from services.guards.breakers import Breakers, Level, Reading, ResetOrder, Transition


def reset_of(asked: BreakerResetIn | None) -> ResetOrder | None:
    """Reset that a request asks for."""
    return None if asked is None else ResetOrder(asked.scope, asked.actor, asked.reason)


def breaker_block(breaking: Breaking, rules: Breakers) -> dict[str, Any]:
    """`margin.breaker`: the scope of the highest level, all scopes, and what changed."""
    scopes = [_scope(scope, state, breaking.readings[scope], rules) for scope, state in breaking.states.items()]
    return {
        **max(scopes, key=lambda item: item["tier"]),
        "scopes": scopes,
        "transitions": [_transition(scope, change) for scope, change in breaking.transitions],
    }


def _scope(scope: str, state: BreakerState, reading: Reading, rules: Breakers) -> dict[str, Any]:
    metrics = {
        "maintenance_ratio": stat(reading.maintenance_ratio),
        "distance_sigma": stat(reading.distance),
        "drawdown": stat(reading.drawdown),
    }
    return {
        "scope": scope,
        "tier": state.level,
        "level": level_name(state.level),
        "since": _time(state.since),
        "latched": state.latched,
        "next_exit": _exit(state, rules),
        "metrics": {**metrics, "trusted": reading.trusted},
    }


def _exit(state: BreakerState, rules: Breakers) -> dict[str, Any] | None:
    exits = rules.exits(state.level)
    if exits is None:
        return None
    dwell = timedelta(seconds=exits.dwell_seconds)
    return {
        "tier": state.level - 1,
        "maintenance_ratio_below": exits.maintenance_ratio,
        "distance_sigma_from": stat(exits.distance),
        "drawdown_below": stat(exits.drawdown),
        "dwell_seconds": exits.dwell_seconds,
        "not_before": None if state.calm_since is None else time_text(state.calm_since + dwell),
    }


def _transition(scope: str, change: Transition) -> dict[str, Any]:
    said = {"actor": change.actor, "reason": change.reason} if change.actor else {}
    before, after = level_name(change.before), level_name(change.after)
    return {
        "scope": scope,
        "at": time_text(change.at),
        "before": before,
        "after": after,
        "cause": change.cause.value,
        **said,
    }


def breaker_warnings(breaking: Breaking) -> list[dict[str, Any]]:
    """Latches that wait for a reset, and readings that came too late."""
    latched = [scope for scope, state in breaking.states.items() if state.latched]
    found = []
    if latched:
        text = f"{', '.join(latched)}: everything is closed, in slices of your execution, until breaker_reset"
        found.append({"code": "breaker_latched", "detail": text})
    if breaking.backwards:
        text = f"{', '.join(breaking.backwards)}: as_of lies before the last reading, so the breaker keeps its state"
        found.append({"code": "breaker_clock_backwards", "detail": text})
    return found


def level_name(level: int) -> str:
    """Name of a level on the wire."""
    return Level(level).name.lower()


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else time_text(moment)
