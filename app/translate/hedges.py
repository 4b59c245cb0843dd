"""Hedges of an evaluation on the wire: one row for each instrument that is traded, and the plan behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.translate.answer import money, stat, time_text
from services.core.decimals import plain
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Feedback, Hedge, Netting, PlannedHedge, Slicing
from services.hedging.exposures import Exposure
from services.hedging.hedge_plan import HedgePlan


def hedge_rows(inputs: EvaluationInputs, hedges: Sequence[Hedge]) -> list[dict[str, Any]]:
    """hedges[] of an answer."""
    return [
        {
            "underlying": hedge.underlying,
            "symbol": inputs.rows[hedge.row].symbol,
            "status": hedge.status,
            "reason": hedge.reason,
            **({"detail": hedge.detail} if hedge.detail else {}),
            "trigger": hedge.trigger,
            **_trigger(hedge),
            "delta_before": stat(hedge.delta_before),
            "delta_after": stat(hedge.delta_after),
            "max_delta": hedge.max_delta,
            "quantity": plain(hedge.contracts) if hedge.contracts is not None else None,
            "gamma_1pct": stat(hedge.gamma_1pct),
            "vega_per_point": stat(hedge.vega_per_point),
            "theta_per_day": stat(hedge.theta_per_day),
            **_asked(inputs, hedge),
        }
        for hedge in hedges
    ]


def _trigger(hedge: Hedge) -> dict[str, Any]:
    """What the trigger said, and the figures behind it; fields that do not apply are left out."""
    decision = hedge.decision
    if decision is None:
        return {}
    out: dict[str, Any] = {"fired": list(decision.fired)}
    if decision.outer is not None and decision.inner is not None:
        out["band"] = {"outer": stat(decision.outer), "inner": stat(decision.inner)}
    if decision.basis:
        figures = {name: stat(value) for name, value in decision.basis.items()}
        out["basis"] = {**figures, "impact_known": hedge.impact_known}
    if hedge.cooldown_until is not None:
        out["cooldown_until"] = time_text(hedge.cooldown_until)
    return out


def _asked(inputs: EvaluationInputs, hedge: Hedge) -> dict[str, Any]:
    """What only those see who ask for it, or hedge several accounts."""
    out: dict[str, Any] = {}
    if hedge.gate is not None:
        gate = hedge.gate
        out["gate"] = {"allowed": gate.allowed, "reason": gate.reason, "detail": gate.detail}
        out["gate"]["max_contracts"] = plain(gate.max_contracts)
    if hedge.feedback is not None:
        out["reflexivity"] = _reflexivity(hedge.feedback)
    if hedge.latency is not None:
        cost = hedge.latency
        out["latency"] = {"drift": stat(cost.drift), "delta": stat(cost.delta), "quote": money(cost.quote)}
    if hedge.slicing is not None:
        out.update(_slices(hedge.slicing))
    if hedge.netting is not None:
        out["netting"] = _netting(hedge, hedge.netting)
    return out


def _reflexivity(found: Feedback) -> dict[str, Any]:
    decision = found.decision
    if decision is None:
        return {"level": None, "detail": found.detail}
    return {
        "level": decision.level,
        "detail": decision.consequence,
        "gain": stat(decision.gain),
        "amplification": stat(decision.amplification),
        "band_factor": stat(decision.band_factor),
        "impact_slope": stat(found.impact_slope),
    }


def _slices(found: Slicing) -> dict[str, Any]:
    return {
        "slices": [
            {
                "sequence": place,
                "contracts": plain(item.contracts),
                "start": None if item.start is None else time_text(item.start),
                "end": None if item.end is None else time_text(item.end),
                "price": None if item.price is None else plain(item.price),
                "worst_price": None if item.worst_price is None else plain(item.worst_price),
            }
            for place, item in enumerate(found.slices, start=1)
        ],
        "slicing": {
            "reason": found.reason,
            "detail": found.detail,
            "unfilled": plain(found.unfilled),
            "expected_cost": None if found.cost is None else money(found.cost.expected),
        },
    }


def _netting(hedge: Hedge, found: Netting) -> dict[str, Any]:
    traded = None
    if hedge.delta_before is not None and hedge.delta_after is not None:
        traded = hedge.delta_after - hedge.delta_before
    return {
        "gross_delta": stat(found.gross_delta),
        "net_delta": stat(found.net_delta),
        "saved_delta": stat(found.saved_delta),
        "by_account": [
            {
                "account_id": item.account_id,
                "delta": stat(item.delta),
                "share": stat(item.share),
                "hedge_delta": None if traded is None else stat(item.share * traded),
            }
            for item in found.by_account
        ],
    }


def hedge_plan(hedges: Sequence[Hedge]) -> dict[str, Any] | None:
    """hedge_plan of an answer; None where no optimiser was asked."""
    planned = next((hedge.plan for hedge in hedges if hedge.plan is not None), None)
    if planned is None:
        return None
    return {
        "used": planned.used,
        "status": planned.status,
        "reason": planned.reason,
        "detail": planned.detail,
        **({} if planned.plan is None else _figures(planned.plan)),
        "margin_budget": money(planned.margin_budget),
        **_instruments(planned),
    }


def _figures(plan: HedgePlan) -> dict[str, Any]:
    return {
        "trades": [
            {
                "symbol": trade.symbol,
                "quantity": plain(trade.contracts),
                "expected_cost": money(trade.cost),
                "change": _greeks(trade.change),
                "worth_per_contract": stat(trade.worth_per_contract),
            }
            for trade in plan.trades
        ],
        "before": _greeks(plan.before),
        "after": _greeks(plan.after),
        "risk_before": money(plan.risk_before),
        "risk_after": money(plan.risk_after),
        "expected_cost": money(plan.expected_cost),
        "margin_before": money(plan.margin_before),
        "margin_after": money(plan.margin_after),
        "gap": stat(plan.gap),
        "prices": [
            {
                "greek": item.greek,
                "exposure_price": stat(item.exposure_price),
                "bound_price": stat(item.bound_price),
            }
            for item in plan.prices
            if item.greek in PUBLISHED
        ],
        "binding": [{"kind": item.kind, "name": item.name, "price": stat(item.price)} for item in plan.binding],
        "breaches": [{"greek": greek, "amount": stat(amount)} for greek, amount in plan.breaches],
    }


PUBLISHED = ("delta", "gamma_1pct", "vega_per_point", "vanna_per_point", "volga_per_point")
"""Greeks that a book of the engine has; the skew is no input of it."""


def _greeks(exposure: Exposure) -> dict[str, float | None]:
    return {name: stat(getattr(exposure, name)) for name in PUBLISHED}


def _instruments(planned: PlannedHedge) -> dict[str, Any]:
    return {
        "instruments": [
            {
                "symbol": item.symbol,
                "buy_depth": stat(item.buy_depth),
                "sell_depth": stat(item.sell_depth),
                "depth_source": item.depth_source,
                "impact_known": item.impact_known,
            }
            for item in planned.offered
        ],
        "left_out": [
            {"symbol": item.symbol, "reason": item.reason, "detail": item.detail} for item in planned.left_out
        ],
    }
