"""A decision that the service itself may act on: made by `evaluate`, its orders bounded by triggers and a budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from services.core.control import Control
from services.engine.auto_triggers import (
    AutoMemory,
    AutoRules,
    Emission,
    Readings,
    Verdict,
    due_at,
    judge,
    over_budget,
    remember,
)
from services.engine.evaluate import evaluate
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Evaluation
from services.guards.switches import ActiveSwitch, SwitchMode

SCOPE = "auto"
"""Scope of the switch that stands for the bounds of `auto` mode in steps and outcomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """A decision in `auto` mode.

    Parameters
    ----------
    result : Evaluation
        As `evaluate` gives it; its orders are those that are made, none where nothing is acted on.
    verdict : Verdict
        `only_reductions` also says where the budget of the day left no room.
    emission : Emission
        What is ordered.
    memory : AutoMemory
        For the next decision.
    due_at : datetime, optional
        When to decide again though nothing changes.
    """

    result: Evaluation
    verdict: Verdict
    emission: Emission
    memory: AutoMemory
    due_at: datetime | None


def evaluate_automatically(inputs: EvaluationInputs, rules: AutoRules, memory: AutoMemory) -> Automatic:
    """Decide, and act on it where a trigger fires and nothing stands against it.

    Notes
    -----
    Where only reductions may be made (the budget of the day, a cooldown, a snapshot that was acted on), the decision is
    made again as under a switch on reduce-only, so that its targets, ties and steps are whole; orders are never picked
    out of a decision. Where nothing is acted on, the targets say what would be right, nothing is ordered, and the
    control state remembers no trade.
    """
    free = evaluate(inputs)
    readings = readings_of(inputs, free)
    verdict = judge(rules, memory, readings)
    result = _bounded(inputs, free, verdict.only_reductions) if verdict.act else without_orders(inputs, free)
    if verdict.act and not verdict.only_reductions and _increases(free):
        reason = over_budget(rules, memory, emission_of(free), inputs.as_of)
        verdict = replace(verdict, only_reductions=reason, spent=bool(reason))
        result = _bounded(inputs, free, reason)
    emission = emission_of(result)
    after = remember(rules, memory, readings, verdict, emission, wanted=bool(free.orders))
    return Automatic(
        result=result,
        verdict=verdict,
        emission=emission,
        memory=after,
        due_at=due_at(rules, after, readings, verdict),
    )


def _bounded(inputs: EvaluationInputs, free: Evaluation, reason: str) -> Evaluation:
    """The decision under reduce-only, where a reason says so."""
    if not reason or not _increases(free):
        return free
    switch = ActiveSwitch(SCOPE, SwitchMode.REDUCE_ONLY, "trimtab", reason, 0)
    bounded = evaluate(replace(inputs, switches=(*inputs.switches, switch)))
    return without_orders(inputs, bounded) if _increases(bounded) else bounded


def _increases(result: Evaluation) -> bool:
    return any(not order.reduce_only for order in result.orders)


def without_orders(inputs: EvaluationInputs, result: Evaluation) -> Evaluation:
    """The same decision with nothing ordered: no row and no hedge is remembered as traded now."""
    before = inputs.control or Control()
    control = result.control
    if control is not None:
        rows = {name: memory for name, memory in before.rows.items() if name in control.rows}
        control = replace(control, rows=rows, hedges=before.hedges)
    return replace(result, orders=(), control=control)


def emission_of(result: Evaluation) -> Emission:
    """Orders of a decision: how many, their notional [account currency], when the last expires."""
    return Emission(
        orders=len(result.orders),
        notional=math.fsum(
            abs(float(order.contracts)) * float(result.columns.unit_value[order.row]) for order in result.orders
        ),
        until=max((order.valid_until for order in result.orders), default=None),
    )


def readings_of(inputs: EvaluationInputs, result: Evaluation) -> Readings:
    """What the triggers look at: of the decision before anything is held back."""
    equity, states = inputs.account.equity, zip(inputs.rows, result.columns.states, strict=True)
    readouts = {row.market_key: state.readout for row, state in states}
    return Readings(
        at=inputs.as_of,
        snapshot=inputs.snapshot_id or inputs.evaluation_id,
        volatility={key: found.volatility for key, found in readouts.items() if found is not None},
        drift=_over(emission_of(result).notional, equity),
        collateral=_collateral(inputs, result),
        margin_ratio=_margin_ratio(inputs, result),
        tier=result.breaking.tier if result.breaking is not None else None,
    )


def _over(amount: float, equity: float) -> float:
    if equity > 0.0:
        return amount / equity
    return math.inf if amount > 0.0 else 0.0


def _margin_ratio(inputs: EvaluationInputs, result: Evaluation) -> float | None:
    """Maintenance margin of the positions as they are; None where it is not known in full."""
    figures, backing = result.margin_current, result.columns.backing
    if figures is None or not figures.complete:
        return None
    return _over(
        math.fsum(value for value in figures.maintenance.tolist() if math.isfinite(value)),
        inputs.account.equity if backing is None else backing.equity_maintenance,
    )


def _collateral(inputs: EvaluationInputs, result: Evaluation) -> float | None:
    """Equity that counts for maintenance under a policy with collateral, else the value of what was sent."""
    if result.columns.backing is not None:
        return result.columns.backing.equity_maintenance
    values = [(item.amount, item.price) for item in inputs.account.collateral]
    known = [amount * price for amount, price in values if price is not None]
    return math.fsum(known) if values and len(known) == len(values) else None
