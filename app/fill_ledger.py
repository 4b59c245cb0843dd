"""Executions of live portfolios, as the audit log holds them: a copy in the process that reads on where it stopped."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.ports import AuditLog, EventKind
from app.usecases.log_tail import get_kept
from services.liquidity.impact_fit import ImpactFit

MAX_TRADES = 100_000
"""Trades of a portfolio that are remembered; of older ones a repetition would count again."""
MAX_PORTFOLIOS = 1_000
PAGE = 200
Trade = tuple[str, str]
"""Venue (empty if none) and trade id."""


@dataclass(slots=True)
class Ledger:
    """Matched fills of a portfolio, each trade once, with the orders that they belong to.

    Parameters
    ----------
    reached : int, optional
        Audit index of the last entry read.
    trades : dict
        Fills as they were sent, oldest entry first.
    orders : dict
        Orders as they were recorded, by client order id.
    fits, fitted_at : dict, int
        Impact by venue, as of that entry.
    """

    reached: int | None = None
    trades: OrderedDict[Trade, dict[str, Any]] = field(default_factory=OrderedDict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    fits: dict[str, tuple[ImpactFit | None, float]] = field(default_factory=dict)
    fitted_at: int | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, request: dict[str, Any], answer: dict[str, Any]) -> None:
        """Count the matched fills of a recorded call.

        Of two calls at once that report the same trade, both may have been told that it is new: here it counts once.
        """
        for order in answer["orders"]:
            self.orders.setdefault(order["client_order_id"], order)
        for fill, told in zip(request["fills"], answer["fills"], strict=True):
            if told["outcome"] == "matched":
                self.trades.setdefault(trade_of(fill), fill)
        if len(self.trades) > MAX_TRADES:
            while len(self.trades) > MAX_TRADES:
                self.trades.popitem(last=False)
            kept = {fill["client_order_id"] for fill in self.trades.values()}
            self.orders = {name: order for name, order in self.orders.items() if name in kept}


def trade_of(fill: dict[str, Any]) -> Trade:
    """Name of a trade."""
    return fill.get("venue") or "", fill["trade_id"]


class FillLedger:
    """Ledgers by tenant and portfolio. Nothing is kept but what can be read again."""

    def __init__(self) -> None:
        self._ledgers: OrderedDict[tuple[str, str], Ledger] = OrderedDict()

    async def read(self, audit: AuditLog, tenant_id: str, portfolio_id: str) -> Ledger:
        """Ledger of a portfolio as of now.

        Raises
        ------
        AuditUnavailable
            If the log cannot be read.
        """
        ledger = self._ledgers.setdefault((tenant_id, portfolio_id), Ledger())
        self._ledgers.move_to_end((tenant_id, portfolio_id))
        async with ledger.lock:
            await _read_on(audit, ledger, tenant_id, portfolio_id)
        while len(self._ledgers) > MAX_PORTFOLIOS:
            self._ledgers.popitem(last=False)
        return ledger


async def _read_on(audit: AuditLog, ledger: Ledger, tenant_id: str, portfolio_id: str) -> None:
    while True:
        page = await audit.entries(
            tenant_id, after=ledger.reached, limit=PAGE, kind=EventKind.EXECUTIONS, portfolio_id=portfolio_id
        )
        for summary in page:
            entry = await get_kept(audit, tenant_id, summary.event_id)
            if entry is not None:
                ledger.add(orjson.loads(entry.request), orjson.loads(entry.response))
            ledger.reached = summary.index
        if len(page) < PAGE:
            return
