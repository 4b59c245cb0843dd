"""`POST /v1/backtests` and `trimtab backtest`: one's own policy on posted bars; nothing is stored or recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson

from app.deadline import in_thread
from app.translate.backtest import last_targets, markets_of, moment, strategy_block
from app.translate.notes import Notes
from app.translate.policy import policy_fields
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from models.api.backtest import BacktestRequest
from services.core.explain import Floats
from services.engine import Policy
from services.simulation.backtest import BacktestMarket, BacktestPath, Trading, backtest
from services.simulation.baselines import baselines
from services.simulation.performance import Performance, performance, simple_returns

LEAST_LEVERAGE = 1e-6
"""Average gross leverage below which the policy held nothing to compare with."""


async def run_backtest(call: Call) -> Answer:
    """A policy and its baselines on posted bars, in a worker thread."""
    request = await validated(BacktestRequest, call)
    return Answer(200, orjson.dumps(await in_thread(report, request, call.received_at)))


def report(
    request: BacktestRequest, received_at: datetime, advance: Callable[[int], None] = lambda done: None
) -> dict[str, Any]:
    """Body of the answer; `advance` is told how many bars of all strategies are done."""
    policy, notes = request.policy.resolved(), Notes()
    if policy.contagion is not None:
        notes.warn("venue_unknown", "bars say nothing of a venue: under policy.contagion nothing is ever increased")
    trading = Trading(borrow_rate=request.borrow_rate, lag_bars=request.lag_bars, warm_up_bars=request.warm_up_bars)
    plan = Plan(
        markets=tuple(markets_of(request, policy, received_at, notes)),
        policy=policy,
        equity=float(request.account.equity),
        currency=request.account.currency,
        trading=trading,
        with_baselines=request.baselines,
    )
    return body(plan, walk(plan, advance), request.points, notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One back-test: a policy on markets, with its baselines or alone."""

    markets: tuple[BacktestMarket, ...]
    policy: Policy
    equity: float
    currency: str
    trading: Trading
    with_baselines: bool = True

    @property
    def bars(self) -> int:
        """Bars of every market."""
        return int(self.markets[0].series.closes.size)

    @property
    def periods_per_year(self) -> float:
        """Bars a year."""
        return self.markets[0].series.clock.periods_per_year


def walk(plan: Plan, advance: Callable[[int], None] = lambda done: None) -> dict[str, BacktestPath]:
    """Path of the policy, then those of its baselines at its average gross leverage."""

    def run(rules: Policy, done: int) -> BacktestPath:
        return backtest(
            plan.markets,
            rules,
            equity=plan.equity,
            currency=plan.currency,
            trading=plan.trading,
            advance=lambda bar: advance(done + bar),
        )

    paths = {"policy": run(plan.policy, 0)}
    leverage = float(np.abs(paths["policy"].weights[plan.trading.warm_up_bars : -1]).sum(axis=1).mean())
    if plan.with_baselines and leverage > LEAST_LEVERAGE:
        for place, (name, rules) in enumerate(baselines(plan.policy, leverage).items(), start=1):
            paths[name] = run(rules, place * plan.bars)
    return paths


def body(plan: Plan, paths: dict[str, BacktestPath], points: int, notes: Notes) -> dict[str, Any]:
    """Answer of a back-test."""
    own, start = paths["policy"], plan.trading.warm_up_bars
    if own.refusals:
        notes.warn("refusals", f"{own.refusals} of {own.decisions} row decisions were refused: those rows were held")
    return {
        "symbols": [market.instrument.symbol for market in plan.markets],
        "bars": plan.bars,
        "first_decision": moment(own.times[start]),
        "target_volatility": plan.policy.target_volatility,
        "periods_per_year": plan.periods_per_year,
        "strategies": [strategy_block(name, path, _figures(path, plan), points, start) for name, path in paths.items()],
        "last_targets": last_targets(own.last_inputs, own.last),
        "policy_resolved": policy_fields(plan.policy),
        "assumptions": notes.assumptions,
        "warnings": notes.warnings,
    }


def _figures(path: BacktestPath, plan: Plan) -> Performance:
    start = plan.trading.warm_up_bars
    return performance(
        path.equity[start:],
        periods_per_year=plan.periods_per_year,
        traded=path.traded[start:],
        costs=path.costs[start:],
        carry=path.carry[start:],
        target_volatility=plan.policy.target_volatility,
        reference=_equal_weights(plan.markets)[start:],
    )


def _equal_weights(markets: Sequence[BacktestMarket]) -> Floats:
    found: Floats = np.mean([simple_returns(market.series.closes) for market in markets], axis=0)
    return found
