"""A liquidation of the wire as one of the core, and what it does as an answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.translate.answer import money, stat
from app.translate.notes import Notes
from models.api.waterfall import WaterfallRequest
from services.core.errors import InvalidInput
from services.margin.liquidation_waterfall import (
    Counterparty,
    Deleveraging,
    fund_cover,
    keeps_deleveraging,
)
from services.margin.waterfall_run import (
    LiquidatedAccount,
    Slice,
    Waterfall,
    WaterfallRules,
    run_waterfall,
    worst_price,
)

UNITS = {
    "money": "`currency`; requirements and fees positive",
    "price": "`currency` a base unit",
    "quantity": "base units",
}


def waterfall_body(request: WaterfallRequest, notes: Notes) -> dict[str, Any]:
    """Answer without head and remarks.

    Raises
    ------
    InvalidInput
        If a figure breaks a rule of the core.
    """
    if not request.account.quantity:
        raise InvalidInput("account.quantity", "must not be 0", "0")
    _assume(request, notes)
    account, rules = _account(request), _rules(request)
    fund = float(request.insurance_fund)
    found = run_waterfall(account, rules, fund=fund, counterparties=_counterparties(request))
    return {
        "symbol": request.symbol,
        "currency": request.currency,
        "units": UNITS,
        "status": _status(found),
        "ended": found.ended,
        "maintenance_margin": money(account.maintenance),
        "bankruptcy_price": money(account.bankruptcy),
        "worst_price": money(worst_price(account, rules)),
        "quantity_needed": money(found.needed),
        "slices": [_slice(one, account.side) for one in found.slices],
        "deleveraging": None if found.deleveraging is None else _deleveraging(found.deleveraging),
        "insurance_fund_before": money(fund),
        "insurance_fund_after": money(found.fund_left),
        "socialised": money(found.socialised),
        "equity": money(found.equity),
        "quantity": money(0.0 if found.account is None else found.account.quantity),
        "pool_deleveraging": _pool(request),
        "cover": _cover(request, fund),
    }


def _assume(request: WaterfallRequest, notes: Notes) -> None:
    told = request.rules.model_fields_set
    if "slippage" not in told:
        notes.assume("/rules/slippage", "worst price", "slices fill at the worst price that is allowed")
    if "insurance_fund" not in request.model_fields_set:
        notes.assume("/insurance_fund", "0", "no fund bears what a sale lacks")
    if "counterparties" not in request.model_fields_set:
        notes.assume("/counterparties", "none", "what cannot be sold stays open")
    if "other_maintenance_margin" not in request.account.model_fields_set:
        notes.assume("/account/other_maintenance_margin", "0", "the position is the account's only one")
    for name in ("restore_to", "fee_rate", "price_cap"):
        if name not in told:
            notes.assume(f"/rules/{name}", f"{getattr(request.rules, name):g}", "the rule of the venue is not known")


def _account(request: WaterfallRequest) -> LiquidatedAccount:
    given = request.account
    return LiquidatedAccount(
        quantity=float(given.quantity),
        mark=float(request.mark_price),
        equity=float(given.equity),
        maintenance_rate=given.maintenance_rate,
        other_maintenance=float(given.other_maintenance_margin),
    )


def _rules(request: WaterfallRequest) -> WaterfallRules:
    told = request.rules.model_dump()
    return WaterfallRules(slice_quote=float(told.pop("slice_notional")), **told)


def _counterparties(request: WaterfallRequest) -> list[Counterparty]:
    return [
        Counterparty(
            name=item.account,
            quantity=float(item.quantity),
            entry_price=float(item.entry_price),
            equity=float(item.equity),
            maintenance_rate=item.maintenance_rate,
        )
        for item in request.counterparties
        if item.quantity
    ]


def _status(found: Waterfall) -> str:
    if found.deleveraging is not None:
        return "uncovered" if found.uncovered else "deleveraged"
    return found.ended if found.ended in ("healthy", "restored", "closed") else "unsold"


def _slice(one: Slice, side: float) -> dict[str, Any]:
    return {
        "side": "sell" if side > 0.0 else "buy",
        "quantity": money(one.quantity),
        "worst_price": money(one.worst_price),
        "bankruptcy_price": money(one.bankruptcy),
        "price": money(one.price),
        "to_fund": money(one.to_fund),
        "equity": money(one.equity),
        "maintenance_margin": money(one.maintenance),
    }


def _deleveraging(found: Deleveraging) -> dict[str, Any]:
    return {
        "price": money(found.price),
        "filled": [
            {"account": one.name, "quantity": money(one.quantity), "cost": money(one.cost)} for one in found.filled
        ],
        "skipped": [{"account": name, "reason": reason} for name, reason in found.skipped],
        "uncovered": money(found.uncovered),
    }


def _pool(request: WaterfallRequest) -> bool | None:
    pool = request.pool
    if pool is None:
        return None
    if not pool.stop < pool.start:
        raise InvalidInput("pool.stop", "must be below start", pool.stop)
    return keeps_deleveraging(pool.profit_share, pool.active, start=pool.start, stop=pool.stop)


def _cover(request: WaterfallRequest, fund: float) -> dict[str, Any] | None:
    if not request.members:
        return None
    losses = np.array([item.losses for item in request.members], dtype=np.float64)
    found = [fund_cover(column, fund) for column in losses.T]
    scenarios = [
        {"scenario": place, "cover_1": stat(one.cover_1), "cover_2": stat(one.cover_2), "members": one.members}
        for place, one in enumerate(found)
    ]
    worst = min(range(len(found)), key=lambda place: found[place].cover_2)
    return {"worst": scenarios[worst], "passed": found[worst].cover_2 >= 1.0, "scenarios": scenarios}
