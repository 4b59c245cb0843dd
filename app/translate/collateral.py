"""Posted accounts and routes as those of the core, and a plan of transfers as an answer."""

from __future__ import annotations

from typing import Any

from app.translate.answer import money, stat
from app.translate.notes import Notes
from models.api.collateral import AllocateRequest
from services.core.decimals import plain
from services.margin.allocation import allocate, pooling
from services.margin.allocation_terms import Allocation, Asset, Balance, Route, Venue

UNITS = {
    "safety": "standard deviations of the account's own loss, over its horizon",
    "moves": "units of the asset",
    "equity": "account currency",
}


def allocation_body(request: AllocateRequest, notes: Notes) -> dict[str, Any]:
    """Answer without head and remarks.

    Raises
    ------
    InvalidInput
        If names are unknown or doubled.
    """
    venues = [
        Venue(
            name=item.venue,
            equity=float(item.equity),
            maintenance=float(item.maintenance_margin),
            loss_per_sigma=float(item.loss_per_sigma),
            horizon_seconds=item.horizon_seconds,
            liquidation_cost=None if item.liquidation_cost is None else float(item.liquidation_cost),
        )
        for item in request.venues
    ]
    _remark(request, notes)
    assets = [Asset(name=item.asset, price=float(item.price), unit=item.unit) for item in request.assets]
    balances = [Balance(**item.model_dump()) for item in request.balances]
    routes = [
        Route(least=item.minimum, **{name: value for name, value in item.model_dump().items() if name != "minimum"})
        for item in request.routes
    ]
    plan = allocate(venues, assets, balances, routes, request.policy)
    if not plan.optimal:
        notes.warn("not_optimal", "the search was cut short: a better plan may exist")
    return {**plan_rows(plan), "pooling": _pooling(request, venues), "units": UNITS}


def plan_rows(plan: Allocation) -> dict[str, Any]:
    """A plan."""
    return {
        "status": plan.verdict,
        "safety_before": stat(plan.safety_before),
        "safety_after": stat(plan.safety_after),
        "safety_attainable": stat(plan.safety_attainable),
        "binding": plan.binding,
        "moves": [
            {
                "source": move.route.source,
                "destination": move.route.destination,
                "asset": move.route.asset,
                "sent": plain(move.sent),
                "fee": plain(move.fee),
                "arrives": plain(move.arrives),
                "seconds": stat(move.route.seconds),
            }
            for move in plan.moves
        ],
        "venues": [
            {
                "venue": row.name,
                **{name: money(getattr(row, name)) for name in ("equity_before", "equity_in_transit", "equity_after")},
                **{
                    name: stat(getattr(row, name))
                    for name in ("safety_before", "safety_in_transit", "safety_after", "reduction", "worth_of_equity")
                },
            }
            for row in plan.venues
        ],
        "balances": [
            {"venue": venue, "asset": asset, "worth": stat(worth)}
            for (venue, asset), worth in plan.worth_of_balance.items()
        ],
        "not_moved": [{"venue": venue, "reason": reason} for venue, reason in plan.dropped],
        "expected_cost": money(plan.cost),
        "expected_loss_averted": money(plan.saved),
        "optimal": plan.optimal,
    }


def _pooling(request: AllocateRequest, venues: list[Venue]) -> dict[str, Any] | None:
    if request.pooled is None:
        return None
    found = pooling(venues, float(request.pooled.maintenance_margin), float(request.pooled.loss_per_sigma))
    return {
        "safety": stat(found.safety),
        "maintenance_saved": money(found.maintenance_saved),
        "loss_per_sigma_saved": money(found.loss_saved),
    }


def _remark(request: AllocateRequest, notes: Notes) -> None:
    for place, item in enumerate(request.venues):
        if item.liquidation_cost is None:
            text = plain(item.maintenance_margin)
            notes.assume(f"/venues/{place}/liquidation_cost", text, "what a liquidation there would cost")
        if item.in_transit:
            text = f"{plain(item.in_transit)} on its way to {item.venue} counts nowhere: it might be sent twice"
            notes.warn("in_transit", text, item.venue)
