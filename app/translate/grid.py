"""A grid as the wire shows it."""

from __future__ import annotations

from typing import Any

from app.translate.one_market import OneMarket, amount
from app.translate.switches import stopped
from models.api.grid import GridRequest
from services.core.decimals import plain
from services.core.errors import Refusal
from services.core.instrument import Kind
from services.core.outcome import Reason
from services.guards.switches import ActiveSwitch
from services.sizing.grid import Grid, GridLevel, GridMarket, GridPlan, GridRefusal
from services.sizing.grid_plan import plan_grid
from services.sizing.grid_risk import WorstCase

SHARED = ("side", "low", "high", "stop_low", "stop_high", "budget", "spacing", "max_levels", "risk_budget")
MORE = ("confidence_factor", "horizon_days", "max_leverage")
EMPTY: dict[str, Any] = {
    "least": {},
    "levels": [],
    "least_step": None,
    "committed": "0",
    "bound": None,
    "worst_case": None,
}
"""Of a refused grid."""


def wants_volatility(request: GridRequest) -> bool:
    """Whether the grid cannot be made without a volatility."""
    return "volatility" in request.spacing.requires or request.risk_budget is not None


def grid_body(request: GridRequest, market: OneMarket) -> dict[str, Any]:
    """Outcome and levels.

    Raises
    ------
    InvalidInput
        For terms that contradict one another or the market.
    """
    if market.problem is not None:
        return refused(market.problem)
    if request.fee_rate is None:
        market.notes.assume("/fee_rate", "0", "fees are in neither the budget, nor the step, nor the loss")
    terms = {name: getattr(request, name) for name in (*SHARED, *MORE)}
    grid = Grid(**terms, fee_rate=request.fee_rate or 0.0)
    place = GridMarket(
        instrument=market.instrument,
        mark=market.mark,
        inventory=market.contracts(request.inventory),
        volatility=market.volatility,
        equity=request.equity,
    )
    if market.missing is not None:
        return refused(market.missing)
    found = plan_grid(grid, place)
    if isinstance(found, GridRefusal):
        least = {name: plain(value) for name, value in found.least.items()}
        return {**refused(Refusal(found.reason, found.detail)), "least": least}
    return _planned(found, market)


def stopped_body(request: GridRequest, market: OneMarket, switch: ActiveSwitch) -> dict[str, Any]:
    """Under a switch none is made: it opens positions."""
    return refused(stopped(switch))


def refused(refusal: Refusal) -> dict[str, Any]:
    """A grid that is not made."""
    return {"status": "refused", "reason": refusal.reason, "detail": refusal.detail, **EMPTY}


def _planned(plan: GridPlan, market: OneMarket) -> dict[str, Any]:
    bound = {"size": plan.size_bound, "count": plan.count_bound}
    return {
        "status": "limited" if plan.limited else "ok",
        "reason": Reason.LIMIT if plan.limited else Reason.NONE,
        "detail": f"size bound by {plan.size_bound}, number by {plan.count_bound}" if plan.limited else None,
        "least": {},
        "levels": [_level(level, market) for level in plan.levels],
        "least_step": plan.least_step,
        "committed": amount(plan.committed),
        "bound": bound,
        "worst_case": {"low": _worst(plan.low, market), "high": _worst(plan.high, market)},
    }


def _level(level: GridLevel, market: OneMarket) -> dict[str, Any]:
    return {
        "side": "buy" if level.side > 0 else "sell",
        "price": plain(level.price),
        "quantity": market.quantity(level.contracts),
        "contracts": plain(level.contracts),
        "notional": amount(level.notional),
        "reduce_only": level.closes and market.instrument.kind is not Kind.SPOT,
    }


def _worst(worst: WorstCase | None, market: OneMarket) -> dict[str, Any] | None:
    if worst is None:
        return None
    optional = {name: getattr(worst, name) for name in ("average_price", "loss_in_coin", "margin")}
    return {
        "stop": plain(worst.stop),
        "quantity": market.quantity(worst.contracts),
        "contracts": amount(worst.contracts),
        "notional": amount(worst.notional),
        "loss": amount(worst.loss),
        **{name: None if value is None else amount(value) for name, value in optional.items()},
    }
