"""`auto` mode on the wire: rules and memory in, what was done about a decision out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.translate.answer import money, stat, time_text
from models.api.auto import AutoIn, AutoMemoryIn
from services.core.annualization import parse_interval
from services.engine.auto_triggers import AutoMemory, AutoRules, Trigger
from services.engine.automatic import Automatic

DEFAULT_COOLDOWN = "PT1M"


def auto_rules(sent: AutoIn) -> AutoRules:
    """Rules of a registration."""
    named = sent.triggers
    return AutoRules(
        enabled=sent.enabled,
        max_orders_per_day=sent.max_orders_per_day,
        max_notional_per_day=float(sent.max_notional_per_day),
        cooldown_seconds=parse_interval(sent.cooldown or DEFAULT_COOLDOWN),
        schedule_seconds=parse_interval(sent.schedule) if sent.schedule is not None else None,
        volatility_move=named.volatility_move,
        drift=named.drift,
        collateral_move=named.collateral_move,
        margin_ratio=named.margin_ratio,
        breaker=named.breaker,
        rearm=named.rearm,
    )


def auto_memory(sent: AutoMemoryIn | None) -> AutoMemory:
    """Memory that the last decision left; of none the empty one."""
    if sent is None:
        return AutoMemory()
    return AutoMemory(
        acted_at=sent.acted_at,
        emitted_at=sent.emitted_at,
        emitted_until=sent.emitted_until,
        emitted_snapshot=sent.emitted_snapshot,
        latched=frozenset(map(Trigger, sent.latched)),
        volatility={item.market: item.annual for item in sent.volatility},
        collateral=sent.collateral,
        tier=sent.tier,
        day=sent.day,
        orders=sent.orders,
        notional=float(sent.notional),
        total_orders=sent.total_orders,
    )


def memory_block(memory: AutoMemory) -> dict[str, Any]:
    """Memory as the next request sends it back."""
    return {
        "acted_at": _moment(memory.acted_at),
        "emitted_at": _moment(memory.emitted_at),
        "emitted_until": _moment(memory.emitted_until),
        "emitted_snapshot": memory.emitted_snapshot,
        "latched": sorted(memory.latched),
        "volatility": [{"market": key, "annual": stat(value)} for key, value in sorted(memory.volatility.items())],
        "collateral": stat(memory.collateral),
        "tier": memory.tier,
        "day": memory.day.isoformat() if memory.day is not None else None,
        "orders": memory.orders,
        "notional": money(memory.notional),
        "total_orders": memory.total_orders,
    }


def auto_block(rules: AutoRules, found: Automatic) -> dict[str, Any]:
    """What was done about a decision."""
    verdict, memory = found.verdict, found.memory
    return {
        "enabled": rules.enabled,
        "acted": bool(found.result.orders),
        "triggers": list(verdict.fired),
        "only_reductions": verdict.only_reductions or None,
        "waiting_for": verdict.waiting_for or None,
        "unknown": list(verdict.unknown),
        "orders_left": max(rules.max_orders_per_day - memory.orders, 0),
        "notional_left": money(max(rules.max_notional_per_day - memory.notional, 0.0)),
        "due_at": _moment(found.due_at),
    }


def _moment(moment: datetime | None) -> str | None:
    return time_text(moment) if moment is not None else None
