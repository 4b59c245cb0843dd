"""Figures of the whole book: volatility, leverage, tail, capacity."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from services.core.decimals import lots_toward_zero
from services.core.explain import Floats, Trail
from services.core.instrument import Kind
from services.engine.abilities import final_weights, survival_of
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Capacity, PortfolioFigures
from services.risk.covariance import risk_contributions
from services.risk.tails import expected_shortfall_multiple, quantile_multiple
from services.sizing.abilities import shares_capital
from services.sizing.pipeline import RowLimits

DAYS_PER_YEAR = 365.0
TAIL_FREEDOM = 4.0
FAR = 1e6
"""Leverage that is no limit."""
VALUE_AT_RISK_LEVEL = 0.99
EXPECTED_SHORTFALL_LEVEL = 0.975


def portfolio_figures(
    inputs: EvaluationInputs, columns: BookColumns, final: Floats, trail: Trail | None
) -> PortfolioFigures:
    """The book at `final` [contracts] beside the book as it is."""
    sizing, target = columns.sizing, inputs.policy.target_volatility
    if sizing is None:
        return PortfolioFigures(None, None, target, None, None, None, None, None, None, None, None)
    weights, now = final_weights(sizing, final), final_weights(sizing, columns.contracts)
    forecast = sizing.portfolio_volatility(weights) if sizing.risk_complete else None
    option = np.array([row.instrument.kind is Kind.OPTION for row in inputs.rows], dtype=bool)
    unit = np.where(np.isfinite(columns.unit_value) & ~option, sizing.unit_value, 0.0) / sizing.equity
    notional = final * unit + sizing.delta_weight
    gross = float(np.abs(notional).sum())
    gross_now = float(np.abs(columns.contracts * unit + sizing.delta_weight).sum())
    day = sizing.equity * (forecast or 0.0) / DAYS_PER_YEAR**0.5
    undiversified = float((np.abs(weights) * sizing.volatility).sum())
    return PortfolioFigures(
        forecast_volatility=forecast,
        current_volatility=sizing.portfolio_volatility(now) if sizing.risk_complete else None,
        target_volatility=target,
        exposure_multiplier=gross / gross_now if gross_now > 0 else None,
        gross_leverage=gross,
        net_leverage=float(notional.sum()),
        value_at_risk=day * quantile_multiple("student_t", VALUE_AT_RISK_LEVEL, TAIL_FREEDOM)
        if forecast is not None
        else None,
        expected_shortfall=day * expected_shortfall_multiple("student_t", EXPECTED_SHORTFALL_LEVEL, TAIL_FREEDOM)
        if forecast is not None
        else None,
        diversification=undiversified / forecast if forecast else None,
        risk_contributions=risk_contributions(weights, sizing.volatility, sizing.correlation) / forecast
        if forecast
        else None,
        baseline_gross_leverage=1.0 if trail is not None else None,
        survival=survival_of(inputs, columns, final),
    )


def capacity_of(inputs: EvaluationInputs, columns: BookColumns, limits: RowLimits, trail: Trail | None) -> Capacity:
    """Size at direction ±1 of each row, alone within the limits, in whole lots; and the full-risk weight.

    Notes
    -----
    Share: 1/n of the risk, n = rows with a live signal (and the row itself), or without signals the rows that can be
    sized; diversification and portfolio scaling as they came out for the book as it is.
    """
    sizing, policy = columns.sizing, inputs.policy
    assert sizing is not None
    assert policy.sizing is not None
    live = int(np.count_nonzero(sizing.live & sizing.sizable))
    count = (
        np.where(sizing.live, max(live, 1), live + 1)
        if live
        else np.full(sizing.current.shape, max(int(np.count_nonzero(sizing.sizable)), 1))
    )
    if not shares_capital(policy.sizing):
        count = np.ones(sizing.current.shape, dtype=int)
    alone = policy.scaling.alone(policy.sizing.full_weight(sizing, 1), sizing)
    ceiling = min(policy.limits.max_leverage, policy.limits.max_weight or np.inf, policy.sizing.max_gross() or np.inf)
    weight = np.minimum(alone / count * (shared_multiplier(trail) if trail is not None else 1.0), ceiling)
    counted = 1.0 - max(limits.opening_initial, limits.uncounted_initial) / sizing.equity
    room = max(policy.limits.max_margin_use * counted - limits.fixed_initial / sizing.equity, 0.0)
    taken = limits.fixed_maintenance + max(limits.opening_maintenance, limits.uncounted_maintenance)
    free_long = np.maximum(1.0 - (taken + limits.coin_loss(np.ones(1))) / sizing.equity, 0.0)
    free_short = np.maximum(1.0 - (taken + limits.coin_loss(-np.ones(1))) / sizing.equity, 0.0)
    far_long = np.minimum(limits.distance_long, FAR) * free_long
    far_short = np.minimum(limits.distance_short, FAR) * free_short
    long = np.minimum.reduce([weight, far_long, room / np.maximum(limits.initial_long, 1e-12)])
    short = np.minimum.reduce([weight, far_short, room / np.maximum(limits.initial_short, 1e-12)])
    per_weight = sizing.equity / sizing.unit_value
    most = np.minimum(limits.max_contracts, limits.max_leverage_contracts)
    if not limits.margin_complete:
        most = np.minimum(most, np.abs(sizing.current))
    sides: list[list[Decimal | None]] = [[], []]
    for index, row in enumerate(inputs.rows):
        for side, sign, size in ((0, 1.0, long), (1, -1.0, short)):
            contracts = min(float(size[index] * per_weight[index]), float(most[index]))
            barred = sizing.side[index] == -sign
            lots = lots_toward_zero(0.0 if barred else sign * contracts, row.instrument.lot)
            sides[side].append(lots if sizing.sizable[index] else None)
    scalar = np.where(sizing.sizable, np.minimum(alone, ceiling), np.nan)
    return Capacity(tuple(sides[0]), tuple(sides[1]), scalar)


def shared_multiplier(trail: Trail) -> float:
    """Product of the factors that all sized rows share: diversification and portfolio scaling; 1 in scope `book`."""
    if not any(column.stage == "diversification" for column in trail.stages):
        return 1.0
    product = 1.0
    for column in trail.stages:
        if column.stage in ("diversification", "portfolio_volatility"):
            sized = np.flatnonzero((column.before != 0.0) & (column.before != column.after))
            product *= float(column.after[sized[0]] / column.before[sized[0]]) if sized.size else 1.0
    return product
