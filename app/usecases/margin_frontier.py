"""`POST /v1/margin:frontier` and `trimtab margin-frontier`: what margin costs against how often it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from app.deadline import in_thread
from app.translate.answer import stat, time_text
from app.translate.backtest import moment
from app.translate.notes import Notes
from app.translate.series import series_input
from app.usecases.backtest_margin import MarginPlan, bars_until, returns_of, too_few_bars, volatility_of
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from models.api.margin_frontier import FrontierRequest
from services.margin.backtest import BacktestRules
from services.margin.frontier import FrontierPoint, Rate, SidePoint, margin_frontier
from services.margin.horizon import DAYS_PER_YEAR
from services.volatility.registry import driver_names

UNITS = {
    "margin": "fraction of notional",
    "rate": "of the judged margins",
    "leverage": "notional over margin",
}
FEW_BREACHES = 5
"""Breaches below which a rate is hardly known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierPlan:
    """What is compared on a walk."""

    walk: MarginPlan
    confidences: Sequence[float]
    multipliers: Sequence[float]
    maintenance_fraction: float = 0.6


async def run_margin_frontier(call: Call) -> Answer:
    """A frontier on posted bars, in a worker thread."""
    request = await validated(FrontierRequest, call)
    return Answer(200, orjson.dumps(await in_thread(report, request, call.received_at)))


def report(request: FrontierRequest, received_at: datetime) -> dict[str, Any]:
    """Body of the answer."""
    notes = Notes()
    as_of = bars_until(request, received_at, notes)
    for name in ("confidences", "multipliers", "maintenance_fraction"):
        if name not in request.model_fields_set:
            notes.assume(f"/{name}", str(getattr(request, name)), "what the model is compared with and judged by")
    plan = FrontierPlan(
        walk=MarginPlan(
            symbol=request.series.symbol,
            series=series_input(request.series, 0, as_of, notes, drivers=driver_names(request.estimator)),
            model=request.model,
            estimator=request.estimator,
            how=BacktestRules(
                horizon_bars=request.horizon_bars, warm_up_bars=request.warm_up_bars, rules=request.procyclicality
            ),
        ),
        confidences=request.confidences,
        multipliers=request.multipliers,
        maintenance_fraction=request.maintenance_fraction,
    )
    return body(plan, points_of(plan), as_of, notes)


def points_of(plan: FrontierPlan, advance: Callable[[int], None] = lambda done: None) -> list[FrontierPoint]:
    """Points of a plan.

    Raises
    ------
    InvalidInput
        As `app.usecases.backtest_margin.walk`.
    """
    with too_few_bars(plan.walk.series):
        return margin_frontier(
            returns_of(plan.walk.series),
            plan.walk.model,
            periods_per_year=plan.walk.series.clock.periods_per_year,
            confidences=plan.confidences,
            multipliers=plan.multipliers,
            how=plan.walk.how,
            maintenance_fraction=plan.maintenance_fraction,
            volatility=volatility_of(plan.walk),
            advance=advance,
        )


def body(plan: FrontierPlan, points: Sequence[FrontierPoint], as_of: datetime, notes: Notes) -> dict[str, Any]:
    """Answer of a frontier."""
    walk = plan.walk
    how, series = walk.how, walk.series
    days = how.horizon_bars * DAYS_PER_YEAR / series.clock.periods_per_year
    own = points[0]
    if own.breaches.count < FEW_BREACHES:
        text = f"{own.breaches.count} breaches of {own.observations:,} margins: their rate is hardly known"
        notes.warn("few_observations", text, walk.symbol)
    return {
        "symbol": walk.symbol,
        "as_of": time_text(as_of),
        "bars": series.closes.size,
        "first_margin": moment(series.times[own.first]),
        "horizon_bars": how.horizon_bars,
        "horizon_days": days,
        "maintenance_fraction": plan.maintenance_fraction,
        "units": UNITS,
        "points": [_point(one) for one in points],
        "model_resolved": asdict(replace(walk.model, horizon_days=days)),
        "procyclicality_resolved": asdict(how.rules),
        "assumptions": notes.assumptions,
        "warnings": notes.warnings,
    }


def _point(one: FrontierPoint) -> dict[str, Any]:
    return {
        "varied": one.varied,
        "alpha": one.alpha,
        "multiplier": one.multiplier,
        "observations": one.observations,
        "mean_margin": stat(one.mean_margin),
        "breaches": _rate(one.breaches),
        "liquidations": _rate(one.liquidations),
        "efficient": one.efficient,
        "long": _side(one.long),
        "short": _side(one.short),
    }


def _side(one: SidePoint) -> dict[str, Any]:
    return {
        "mean_margin": stat(one.mean_margin),
        "mean_leverage": stat(one.mean_leverage),
        "breaches": _rate(one.breaches),
        "liquidations": _rate(one.liquidations),
        "mean_excess": stat(one.mean_excess),
        "peak_to_trough": stat(one.peak_to_trough),
    }


def _rate(one: Rate) -> dict[str, Any]:
    return {"count": one.count, "rate": stat(one.share), "low": stat(one.low), "high": stat(one.high)}
