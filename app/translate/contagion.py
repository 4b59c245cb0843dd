"""A posted network as arrays, and what contagion does to it as an answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.translate.answer import money, stat
from app.translate.notes import Notes
from models.api.contagion import ContagionRequest, NodeIn
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.core.market_conditions import VenueMetrics
from services.risk.contagion import Distress, Propagation, delta_covar, propagate

UNITS = {
    "direct": "fraction of equity",
    "propagated": "fraction of equity",
    "delta_covar": "return of the system over one period of the series",
    "multiplier": "factor on margin rates and haircuts",
}


def contagion_body(request: ContagionRequest, notes: Notes) -> dict[str, Any]:
    """Answer without remarks."""
    place = {item.name: number for number, item in enumerate(request.nodes)}
    equity = np.array([float(item.equity) for item in request.nodes])
    shock = np.array([float(item.shock) for item in request.nodes])
    claims = np.zeros((equity.size, equity.size))
    for item in request.exposures:
        claims[place[item.creditor], place[item.debtor]] += float(item.amount)
    found = propagate(equity, claims, shock)
    if not found.converged:
        notes.warn("not_converged", "claims go round in circles that are as large as equity: losses are lower bounds")
    system = None if request.system_returns is None else np.array(request.system_returns)
    return {
        "nodes": [_node(item, number, found, request, system, notes) for number, item in enumerate(request.nodes)],
        "rounds": found.rounds,
        "converged": found.converged,
        "total_loss": money(float(np.sum(equity - found.equity))),
        "units": UNITS,
    }


def _node(
    item: NodeIn, number: int, found: Propagation, request: ContagionRequest, system: Floats | None, notes: Notes
) -> dict[str, Any]:
    spread = float(found.distress[number])
    seen = None if item.metrics is None else request.distress.distress(VenueMetrics(**item.metrics.model_dump()))
    distress = max(spread, (seen.value or 0.0) if seen is not None else 0.0)
    multiplier = request.tightening.multiplier(distress, item.previous_multiplier)
    if seen is not None and seen.value is None:
        multiplier = max(multiplier, item.previous_multiplier)
        notes.warn("distress_unknown", "no metric is known: the multiplier is not loosened", item.name)
    return {
        "name": item.name,
        "direct": stat(float(found.direct[number])),
        "propagated": stat(spread),
        "equity_after": money(float(found.equity[number])),
        "defaulted": bool(found.defaulted[number]),
        "venue": None if seen is None else _venue(seen),
        "distress": stat(distress),
        "multiplier": stat(multiplier),
        "contagion_multiplier": stat(1.0 / multiplier),
        "tail_risk": _tail(item, request, system, notes),
    }


def _venue(seen: Distress) -> dict[str, Any]:
    scores = {name: stat(score) for name, score in seen.scores.items()}
    return {"value": stat(seen.value), "coverage": stat(seen.coverage), "scores": scores}


def _tail(item: NodeIn, request: ContagionRequest, system: Floats | None, notes: Notes) -> dict[str, Any] | None:
    if item.returns is None or system is None:
        return None
    try:
        found = delta_covar(np.array(item.returns), system, request.tail)
    except InvalidInput as error:
        notes.warn("tail_unknown", str(error), item.name)
        return {"delta_covar": None, "slope": None, "observations": len(item.returns), "thin": True}
    if found.thin:
        notes.warn("thin_tail", f"{found.observations} observations: at least 100 are needed for a tail", item.name)
    return {
        "delta_covar": stat(found.value),
        "slope": stat(found.slope),
        "observations": found.observations,
        "thin": found.thin,
    }
