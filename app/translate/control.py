"""Control state of the wire and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.translate.answer import money, stat, time_text
from models.api.control import PreviousIn
from services.core.control import BreakerState, ContagionState, Control, HedgeMemory, MarginMemory, RowMemory
from services.core.decimals import decimal_text


def control_of(previous: PreviousIn | None) -> Control | None:
    """Control state that a request brings."""
    if previous is None:
        return None
    amounts: dict[str, Any] = {
        name: float(value)
        for name in ("initial_capital", "high_water_mark", "net_deposits", "floor")
        if (value := getattr(previous, name)) is not None
    }
    rows = {
        (row.symbol, row.venue, row.account_id, row.position_side): RowMemory(row.traded_at) for row in previous.rows
    }
    hedges = {
        item.underlying: HedgeMemory(
            item.last_hedge_at, float(item.last_hedge_price), item.gamma_1pct, item.vega_per_point
        )
        for item in previous.hedges
    }
    breakers = {item.scope: BreakerState(**item.model_dump(exclude={"scope"})) for item in previous.breakers}
    known = Control(
        as_of=previous.as_of,
        breaker_tier=previous.breaker_tier,
        rows=rows,
        hedges=hedges,
        breakers=breakers,
        contagion={item.venue: ContagionState(item.multiplier, item.as_of) for item in previous.contagion},
        margins={item.market: MarginMemory(item.long, item.short, item.as_of) for item in previous.margins},
    )
    return replace(known, **amounts)


def control_block(control: Control, *, hedging: bool = False) -> dict[str, Any]:
    """`state` of an answer; fields that are not known are left out, and hedges where there is nothing to say."""
    block: dict[str, Any] = {
        name: money(value)
        for name in ("initial_capital", "high_water_mark", "net_deposits", "floor")
        if (value := getattr(control, name)) is not None
    }
    assert control.as_of is not None
    block["as_of"], block["breaker_tier"] = time_text(control.as_of), control.breaker_tier
    block["rows"] = [
        {
            **{key: value for key, value in zip(_NAME, name, strict=True) if value is not None},
            **({"traded_at": time_text(memory.traded_at)} if memory.traded_at else {}),
        }
        for name, memory in control.rows.items()
    ]
    if hedging or control.hedges:
        block["hedges"] = [_hedge(underlying, memory) for underlying, memory in control.hedges.items()]
    if control.breakers:
        block["breakers"] = [breaker_state(scope, state) for scope, state in control.breakers.items()]
    if control.contagion:
        block["contagion"] = contagion_states(control.contagion)
    if control.margins:
        block["margins"] = [
            {"market": market, "long": last.long, "short": last.short, "as_of": time_text(last.as_of)}
            for market, last in control.margins.items()
        ]
    return block


def contagion_states(states: Mapping[str, ContagionState]) -> list[dict[str, Any]]:
    """Multipliers of venues, with all their digits: what is sent back is what was."""
    return [
        {"venue": venue, "multiplier": state.multiplier, "as_of": time_text(state.as_of)}
        for venue, state in states.items()
    ]


def breaker_state(scope: str, state: BreakerState) -> dict[str, Any]:
    """State of one breaker."""
    times = {name: getattr(state, name) for name in ("since", "calm_since", "last_at")}
    return {
        "scope": scope,
        "level": state.level,
        "latched": state.latched,
        **{name: time_text(moment) for name, moment in times.items() if moment is not None},
        **({"forgiven": state.forgiven} if state.forgiven else {}),
    }


def _hedge(underlying: str, memory: HedgeMemory) -> dict[str, Any]:
    greeks = {"gamma_1pct": stat(memory.gamma_1pct), "vega_per_point": stat(memory.vega_per_point)}
    return {
        "underlying": underlying,
        "last_hedge_at": time_text(memory.hedged_at),
        "last_hedge_price": decimal_text(memory.price),
        **{name: value for name, value in greeks.items() if value is not None},
    }


_NAME = ("symbol", "venue", "account_id", "position_side")
