"""Permits of a recorded decision, under the switches as they are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from app.container import Container
from app.usecases.call import Answer
from app.usecases.permits import ORDERING, permits_of
from app.usecases.read_evaluations import UnknownEntry, find_entry
from app.usecases.read_log import signer_of
from app.usecases.read_switches import read_switches
from services.engine.switches import PORTFOLIO
from services.guards.switches import ActiveSwitch, SwitchMode, market_scopes, strictest, within

KINDS = frozenset(door.kind for door in ORDERING)
VENUE = "venue:"


async def read_permits(container: Container, evaluation_id: str) -> Answer:
    """Permits of the orders that may still be sent.

    Raises
    ------
    UnknownEntry
        If it is no decision with orders.
    """
    signer, entry = signer_of(container), await find_entry(container, evaluation_id)
    if entry.kind not in KINDS:
        raise UnknownEntry(evaluation_id)
    now, answer = container.clock.now(), orjson.loads(entry.response)
    switches = await read_switches(container.switches, container.tenant_id, now)
    orders = [
        order
        for order in answer["orders"]
        if datetime.fromisoformat(order["valid_until"]) > now and allowed(order, answer.get("portfolio_id"), switches)
    ]
    rows = await permits_of(container, signer, answer, orders)
    return Answer(200, orjson.dumps({"evaluation_id": evaluation_id, "permits": rows}))


def allowed(order: Mapping[str, Any], portfolio_id: str | None, switches: Sequence[ActiveSwitch]) -> bool:
    """Whether the switches let an order pass: one that names no venue is under those of every venue."""
    venue = order.get("venue")
    scopes = market_scopes(order["symbol"], venue, order.get("account_id"))
    scopes |= {f"{PORTFOLIO}{portfolio_id}"} if portfolio_id else frozenset()
    scopes |= frozenset(one.scope for one in switches if venue is None and one.scope.startswith(VENUE))
    found = strictest(within(switches, scopes))
    return found is None or (found.mode is not SwitchMode.HALT and bool(order["reduce_only"]))
