"""`POST /v1/margin:backtest` and `trimtab margin-backtest`: a margin model on posted bars; nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import orjson

from app.deadline import in_thread
from app.translate.answer import stat, time_text
from app.translate.backtest import moment
from app.translate.notes import Notes
from app.translate.series import check_columns, series_input
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from models.api.margin_backtest import MAX_BREACHES, MarginBacktestRequest, MarginWalkIn
from services.core.errors import InvalidInput, Refusal
from services.core.explain import Floats
from services.engine.margin_rates import log_returns
from services.margin.backtest import (
    BacktestRules,
    MarginWalk,
    SideResult,
    backtest_margin,
    expected_rate,
)
from services.margin.horizon import DAYS_PER_YEAR
from services.margin.procyclicality import STRESS_BARS
from services.margin.registry import MarginModel
from services.volatility.path import forecast_path
from services.volatility.registry import Estimator, driver_names
from services.volatility.series import SeriesInput

UNITS = {
    "margin": "fraction of notional",
    "loss": "fraction of notional",
    "mean_excess": "fraction of notional",
    "rate": "breaches a judged margin",
    "max_rise_1": "fraction of the margin",
    "max_rise_5": "fraction of the margin",
    "change_deviation": "fraction of the margin a bar",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginPlan:
    """One back-test of a margin model."""

    symbol: str
    series: SeriesInput
    model: MarginModel
    estimator: Estimator
    how: BacktestRules
    comparisons: bool = True


async def run_margin_backtest(call: Call) -> Answer:
    """A margin model and what it stands beside on posted bars, in a worker thread."""
    request = await validated(MarginBacktestRequest, call)
    return Answer(200, orjson.dumps(await in_thread(report, request, call.received_at)))


def report(request: MarginBacktestRequest, received_at: datetime) -> dict[str, Any]:
    """Body of the answer."""
    notes = Notes()
    as_of = bars_until(request, received_at, notes)
    if request.expected_breach_rate is None:
        notes.assume("/expected_breach_rate", f"{expected_rate(request.model):g}", "what breaches are judged against")
    plan = MarginPlan(
        symbol=request.series.symbol,
        series=series_input(request.series, 0, as_of, notes, drivers=driver_names(request.estimator)),
        model=request.model,
        estimator=request.estimator,
        how=BacktestRules(
            horizon_bars=request.horizon_bars,
            warm_up_bars=request.warm_up_bars,
            expected_rate=request.expected_breach_rate,
            significance=request.significance,
            rules=request.procyclicality,
        ),
        comparisons=request.comparisons,
    )
    return body(plan, walk(plan), request.points, as_of, notes)


def bars_until(request: MarginWalkIn, received_at: datetime, notes: Notes) -> datetime:
    """Time after which bars are not complete.

    Raises
    ------
    InvalidInput
        If it lies in the future.
    """
    as_of = request.as_of or received_at
    if request.as_of is None:
        notes.assume("/as_of", time_text(as_of), "bars that close later are not complete")
    elif as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(as_of), "check your clock against GET /v1/time")
    if request.series.calendar is None:
        notes.assume("/series/calendar", "24/7", "a year has 365 days of 24 hours")
    return as_of


def walk(plan: MarginPlan, advance: Callable[[int], None] = lambda done: None) -> dict[str, MarginWalk]:
    """Paths of the model and of what it stands beside.

    Raises
    ------
    InvalidInput
        If a price is none, the estimator cannot read the series, or there are too few bars.
    """
    with too_few_bars(plan.series):
        return backtest_margin(
            returns_of(plan.series),
            plan.model,
            periods_per_year=plan.series.clock.periods_per_year,
            volatility=volatility_of(plan),
            how=plan.how,
            comparisons=plan.comparisons,
            advance=advance,
        )


def returns_of(series: SeriesInput) -> Floats:
    """Log returns of a series.

    Raises
    ------
    InvalidInput
        If it holds no two prices.
    """
    returns = log_returns(series)
    if returns is None:
        raise InvalidInput("series", "must hold at least two prices above 0", series.closes.size)
    return returns


@contextmanager
def too_few_bars(series: SeriesInput) -> Iterator[None]:
    """The request knows no returns: it is the series that has too few of them."""
    try:
        yield
    except InvalidInput as error:
        if error.parameter != "returns":
            raise
        raise InvalidInput("series", error.rule, f"{series.closes.size - 1} returns", error.remedy) from None


def volatility_of(plan: MarginPlan) -> Floats | None:
    """Forecasts of the plan's estimator at each close, where its model reads any.

    Raises
    ------
    InvalidInput
        If the estimator cannot read the series.
    """
    if "volatility" not in plan.model.requires:
        return None
    check_columns(plan.series, 0, plan.estimator)
    try:
        return forecast_path(plan.series, plan.estimator).volatility
    except Refusal as refusal:
        raise InvalidInput("series", "must be usable by the estimator", refusal.detail) from None


def body(plan: MarginPlan, walks: dict[str, MarginWalk], points: int, as_of: datetime, notes: Notes) -> dict[str, Any]:
    """Answer of a back-test."""
    how, own, times = plan.how, walks["model"].long, plan.series.times
    days = how.horizon_bars * DAYS_PER_YEAR / plan.series.clock.periods_per_year
    _remark(plan, own, notes)
    return {
        "symbol": plan.symbol,
        "as_of": time_text(as_of),
        "bars": plan.series.closes.size,
        "first_margin": moment(times[own.at[0]]),
        "horizon_bars": how.horizon_bars,
        "horizon_days": days,
        "expected_breach_rate": own.coverage.expected_rate,
        "significance": how.significance,
        "units": UNITS,
        "strategies": [_strategy(name, found, times, points, int(own.at[0])) for name, found in walks.items()],
        "model_resolved": asdict(replace(plan.model, horizon_days=days)),
        "procyclicality_resolved": asdict(how.rules),
        "assumptions": notes.assumptions,
        "warnings": notes.warnings,
    }


def _remark(plan: MarginPlan, own: SideResult, notes: Notes) -> None:
    """What a reader of the figures should know."""
    possible = len(range(plan.how.warm_up_bars, plan.series.closes.size - plan.how.horizon_bars, plan.how.horizon_bars))
    if own.at.size < possible:
        text = f"the model says nothing at {possible - own.at.size} of {possible} closes: those are not judged"
        notes.warn("margin_unknown", text, plan.symbol)
    if own.at.size * own.coverage.expected_rate < 1.0:
        text = f"{own.at.size} margins at a rate of {own.coverage.expected_rate:g} are less than one expected breach"
        notes.warn("few_observations", text, plan.symbol)
    years = plan.series.closes.size / plan.series.clock.periods_per_year
    if plan.how.rules.long_run_floor and years < 10.0:
        notes.assume("/procyclicality/long_run_floor", f"{years:.1f} years", "the series is shorter than ten years")
    if plan.how.rules.stress_weight > 0.0:
        notes.assume(
            "/procyclicality/stress_weight", f"worst {STRESS_BARS} bars so far", "the series holds no earlier stress"
        )


def _strategy(name: str, found: MarginWalk, times: Floats, points: int, start: int) -> dict[str, Any]:
    places = np.unique(np.linspace(start, times.size - 1, min(points, times.size - start)).round().astype(int))
    return {
        "strategy": name,
        **{side: _side(result, times) for side, result in found.sides.items()},
        "path": [
            {
                "close_time": moment(times[at]),
                "long": stat(found.long.margin[at]),
                "short": stat(found.short.margin[at]),
            }
            for at in places.tolist()
        ],
    }


def _side(found: SideResult, times: Floats) -> dict[str, Any]:
    tests = ("unconditional", "independence", "conditional")
    coverage = found.coverage._asdict()
    return {
        "coverage": {name: value._asdict() if name in tests else value for name, value in coverage.items()},
        "procyclicality": found.movement._asdict() if found.movement is not None else None,
        "mean_excess": found.mean_excess,
        "breaches": [
            {"close_time": moment(times[at]), "margin": float(found.margin[at]), "loss": float(loss)}
            for at, loss in list(zip(found.at[found.hits].tolist(), found.losses[found.hits], strict=True))[
                -MAX_BREACHES:
            ]
        ],
    }
