"""Executions back: fills matched to the orders of live decisions, what they cost, what they change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.container import Container
from app.deadline import in_thread
from app.fill_ledger import Ledger, trade_of
from app.ids import new_id
from app.live_ports import StoredPortfolio
from app.ports import EventKind
from app.translate.answer import time_text
from app.translate.executions import (
    adherence_row,
    executions_of,
    feedback_of,
    fit_rows,
    fits_by_venue,
    market_rows,
    matched_order,
)
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, stored_answer
from app.usecases.find_portfolio import find_portfolio
from app.usecases.log_tail import get_kept
from models.api.execution_report import ExecutionsRequest, FillIn
from services.core.errors import InvalidInput

LOOK_BACK = timedelta(days=1)
"""How long before its execution the decision of an order may have been made."""
MOST_DECISIONS = 2_000
"""Decisions that are looked through for the orders of one call."""


async def take_executions(container: Container, call: Call, portfolio_id: str) -> Answer:
    """Match fills to orders, and record them.

    Raises
    ------
    UnknownPortfolio
        If the portfolio is not registered.
    InvalidInput
        For a fill of the future.
    """
    request = await validated(ExecutionsRequest, call)
    key = idempotency_key(call, f"POST /v1/portfolios/{portfolio_id}/executions")
    if (known := await known_answer(container, key)) is not None:
        return known
    await find_portfolio(container, portfolio_id)
    _check_times(request, call.received_at)
    ledger = await container.fills.read(container.audit, container.tenant_id, portfolio_id)
    sent = [fill.model_dump(mode="json", exclude_none=True) for fill in request.fills]
    new = [fill for fill, row in zip(request.fills, sent, strict=True) if trade_of(row) not in ledger.trades]
    wanted = {fill.client_order_id for fill in new} - ledger.orders.keys()
    found = await _find_orders(container, portfolio_id, wanted, new)
    orders = {**ledger.orders, **found}
    outcomes = _outcomes(sent, ledger, orders)
    matched = {row["client_order_id"] for row, outcome in zip(sent, outcomes, strict=True) if outcome == "matched"}
    event_id = new_id("ev", call.received_at)
    body = orjson.dumps(
        {
            "portfolio_id": portfolio_id,
            "fills": [
                {"venue": row.get("venue"), "trade_id": row["trade_id"], "outcome": outcome}
                for row, outcome in zip(sent, outcomes, strict=True)
            ],
            "counts": Counter(outcomes),
            "orders": [orders[name] for name in sorted(matched)],
            "event_id": event_id,
        }
    )
    record = event_record(container, EventKind.EXECUTIONS, event_id, call, body, key, portfolio_id=portfolio_id)
    return stored_answer(await container.audit.append(record, timeout=call.timeout_seconds), body, {})


def _check_times(request: ExecutionsRequest, now: datetime) -> None:
    for place, fill in enumerate(request.fills):
        if fill.executed_at > now + CLOCK_SKEW:
            rule = f"must not lie in the future (server time {time_text(now)})"
            hint = "check your clock against GET /v1/time"
            raise InvalidInput(f"fills.{place}.executed_at", rule, time_text(fill.executed_at), hint)


def _outcomes(sent: Iterable[dict[str, Any]], ledger: Ledger, orders: dict[str, dict[str, Any]]) -> list[str]:
    """What becomes of each fill; of one that a call holds twice the first counts."""
    counted: dict[tuple[str, str], dict[str, Any]] = {}
    found = []
    for row in sent:
        name = trade_of(row)
        before = ledger.trades.get(name) or counted.get(name)
        if before is not None:
            found.append("duplicate" if _same(before, row) else "conflict")
        elif not _is_of(row, orders.get(row["client_order_id"])):
            found.append("unknown")
        else:
            counted[name] = row
            found.append("matched")
    return found


def _is_of(row: dict[str, Any], order: dict[str, Any] | None) -> bool:
    """Whether a fill can be of an order: at another venue it is not."""
    return order is not None and (row.get("venue") or order["venue"]) == order["venue"]


def _same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two reports say the same, however their numbers and times are written."""
    return FillIn.model_validate(first) == FillIn.model_validate(second)


async def _find_orders(
    container: Container, portfolio_id: str, wanted: set[str], fills: list[FillIn]
) -> dict[str, dict[str, Any]]:
    """Orders of live decisions by client order id, looked for from the newest decision backwards.

    Decisions on one snapshot share the id of an increase: the first of them counts, for a venue takes the order once.
    """
    found: dict[str, dict[str, Any]] = {}
    if not wanted:
        return found
    earliest = min(fill.executed_at for fill in fills if fill.client_order_id in wanted) - LOOK_BACK
    snapshot: int | None = None
    index = await container.audit.size()
    for _ in range(MOST_DECISIONS):
        entry = await container.audit.previous(
            container.tenant_id, index, kind=EventKind.LIVE, portfolio_id=portfolio_id
        )
        stored = await get_kept(container.audit, container.tenant_id, entry.event_id) if entry is not None else None
        if stored is None or stored.recorded_at < earliest:
            break
        index, answer = stored.index, orjson.loads(stored.response)
        if wanted <= found.keys() and answer["snapshot_seq"] != snapshot:
            break
        for order in answer["orders"]:
            if order["client_order_id"] in wanted:
                found[order["client_order_id"]] = matched_order(answer, order)
                snapshot = answer["snapshot_seq"]
    return found


async def read_executions(container: Container, portfolio_id: str) -> Answer:
    """How the orders of a portfolio were followed, what they cost, and the impact that they show.

    Raises
    ------
    UnknownPortfolio
        If the portfolio is not registered.
    """
    portfolio = await find_portfolio(container, portfolio_id)
    ledger = await container.fills.read(container.audit, container.tenant_id, portfolio_id)
    made = await _orders_made(container, portfolio_id)
    body = await in_thread(_summary, portfolio, list(ledger.trades.values()), dict(ledger.orders), made)
    return Answer(200, orjson.dumps(body), (), {})


def _summary(
    portfolio: StoredPortfolio, fills: list[dict[str, Any]], orders: dict[str, dict[str, Any]], made: int | None
) -> dict[str, Any]:
    executions = executions_of(orders, fills)
    fits = fits_by_venue(executions)
    times = sorted(datetime.fromisoformat(fill["executed_at"]) for fill in fills)
    asked = _feedback(portfolio)
    return {
        "portfolio_id": portfolio.portfolio_id,
        "fills": len(fills),
        "orders": len(executions),
        "orders_made": made,
        "first_executed_at": time_text(times[0]) if times else None,
        "last_executed_at": time_text(times[-1]) if times else None,
        "adherence": adherence_row([execution for _, execution in executions]),
        "markets": market_rows(executions),
        "impact": fit_rows(fits),
        "feedback": feedback_of(fits, may_loosen=asked["may_loosen"]) if asked["impact"] else None,
    }


async def _orders_made(container: Container, portfolio_id: str) -> int | None:
    size = await container.audit.size()
    found = await container.audit.previous(container.tenant_id, size, kind=EventKind.LIVE, portfolio_id=portfolio_id)
    entry = await get_kept(container.audit, container.tenant_id, found.event_id) if found is not None else None
    memory = orjson.loads(entry.response).get("auto_memory") if entry is not None else None
    return memory["total_orders"] if memory is not None else None


def _feedback(portfolio: StoredPortfolio) -> dict[str, bool]:
    asked = orjson.loads(portfolio.specification).get("feedback") or {}
    return {name: bool(asked.get(name)) for name in ("impact", "may_loosen")}


async def fitted_impact(container: Container, portfolio: StoredPortfolio) -> dict[str, Any] | None:
    """Coefficient that the next evaluation is given; None where it was not asked for or there are too few orders."""
    asked = _feedback(portfolio)
    if not asked["impact"]:
        return None
    ledger = await container.fills.read(container.audit, container.tenant_id, portfolio.portfolio_id)
    if ledger.fitted_at != ledger.reached:
        reached, fills, orders = ledger.reached, list(ledger.trades.values()), dict(ledger.orders)
        ledger.fits = await in_thread(lambda: fits_by_venue(executions_of(orders, fills)))
        ledger.fitted_at = reached
    return feedback_of(ledger.fits, may_loosen=asked["may_loosen"])
