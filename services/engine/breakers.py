"""Circuit breakers of one decision: what each scope reads, which level holds for each row, what sizes become."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from services.core.control import BreakerState, Control, drawdown_of
from services.core.explain import Bools, Floats, Trail
from services.engine.collateral import maintenance_equity
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.margins import isolated_margins
from services.engine.oracles import doubtful_rows
from services.engine.outputs import Breaking, MarginFigures
from services.engine.portfolio_margin import portfolio_margin
from services.guards.breakers import (
    Breakers,
    Level,
    Reading,
    Transition,
    advance,
    remaining_drawdown,
    reset,
)
from services.margin.collateral import Backing
from services.sizing.columns import SizingColumns
from services.sizing.legs import tie_legs
from services.sizing.overlay import grown
from services.sizing.pipeline import RowLimits

ACCOUNT, PORTFOLIO, VENUE = "account", "portfolio", "venue:"


def breakers_of(inputs: EvaluationInputs, columns: BookColumns, margin: MarginFigures) -> Breaking | None:
    """Every scope after a reset, if one is asked for, and after the reading of now; None under a policy without.

    Raises
    ------
    InvalidInput
        If a reset names a scope that is not latched, or there are no breakers to reset.

    Notes
    -----
    * `account`: maintenance of cross positions over the equity that isolated ones have not locked away, and the worst
      distance to liquidation of a cross position.
    * `venue:NAME`, where `venues[].equity` is given: maintenance of the cross positions there over that equity. A
      venue that had a breaker and sends no equity now is unknown. That equity is taken as sent, without haircuts.
    * `portfolio`: fall of the account's equity from its high-water mark. No margin moves it, and it moves no venue.

    A margin that is not complete is unknown; a held position whose price is stale, or that its oracles do not let
    increase, makes the readings of its scopes not trusted. That of the account is not where only collateral that is
    stale or unknown, and so counts for little or nothing, reaches its level.
    """
    rules = inputs.policy.breakers
    if rules is None:
        return None
    before = _states_before(inputs)
    drawdown = drawdown_of(
        (inputs.control or Control()).at(inputs.account.equity, inputs.account.net_deposits), inputs.account.equity
    )
    transitions: list[tuple[str, Transition]] = []
    if (asked := inputs.breaker_reset) is not None:
        fallen = drawdown if asked.scope == PORTFOLIO else 0.0
        done = reset(
            before.get(asked.scope, BreakerState()),
            inputs.as_of,
            actor=asked.actor,
            reason=asked.reason,
            drawdown=fallen,
        )
        before[asked.scope] = done.state
        transitions += [(asked.scope, done.transition)] if done.transition is not None else []
    states: dict[str, BreakerState] = {}
    readings: dict[str, Reading] = {}
    backwards = []
    for scope, state in before.items():
        known, reading = _reading(scope, state, inputs, columns, margin, drawdown)
        found = advance(known, reading, inputs.as_of, rules)
        states[scope], readings[scope] = found.state, reading
        transitions += [(scope, found.transition)] if found.transition is not None else []
        backwards += [scope] if found.clock_backwards else []
    return Breaking(states, readings, tuple(transitions), tuple(backwards), _row_levels(inputs, states))


def _states_before(inputs: EvaluationInputs) -> dict[str, BreakerState]:
    """Scopes of this decision and of the last one; an account that brings a bare tier starts in it."""
    control = inputs.control or Control()
    tier = control.breaker_tier if not control.breakers else 0
    start = BreakerState(level=tier, since=control.as_of, latched=tier == Level.FLATTEN) if tier else BreakerState()
    venues = {
        f"{VENUE}{name}": BreakerState() for name, one in inputs.conditions.venues.items() if one.equity is not None
    }
    return {ACCOUNT: start, PORTFOLIO: BreakerState(), **venues, **control.breakers}


def _reading(
    scope: str,
    state: BreakerState,
    inputs: EvaluationInputs,
    columns: BookColumns,
    margin: MarginFigures,
    drawdown: float,
) -> tuple[BreakerState, Reading]:
    """Metrics of one scope, and its state with what of an old fall is still forgiven."""
    trusted = not (doubtful_rows(inputs, columns.states) & (columns.contracts != 0.0) & _inside(scope, inputs)).any()
    if scope == PORTFOLIO:
        left, forgiven = remaining_drawdown(drawdown, state.forgiven)
        return state._replace(forgiven=forgiven), Reading(drawdown=left, trusted=trusted)
    isolated = isolated_margins(inputs)
    held = _inside(scope, inputs) & (columns.contracts != 0.0)
    if inputs.account.margin_mode == "isolated" and scope == ACCOUNT:
        # No wallet saves another: the worst of them counts.
        wallets = zip(margin.maintenance[held].tolist(), isolated[held].tolist(), strict=True)
        worst = [_ratio(asked, 0.0 if np.isnan(wallet) else wallet) for asked, wallet in wallets if asked != 0.0]
        ratio = float(np.max(worst, initial=0.0))
        return state, Reading(ratio, _worst_distance(margin, held), trusted=trusted)
    held &= np.isnan(isolated)
    asked = float(margin.maintenance[held].sum())
    if scope != ACCOUNT:
        return state, Reading(_ratio(asked, _venue_equity(scope, inputs)), trusted=trusted)
    locked = float(np.nansum(isolated))
    asked = asked if margin.portfolio is None else margin.portfolio.maintenance if margin.complete else np.nan
    ratio = _ratio(asked, maintenance_equity(inputs, columns) - locked)
    reading = Reading(ratio, _worst_distance(margin, held), trusted=trusted)
    if columns.backing is not None and not columns.backing.trusted:
        if margin.portfolio is not None and margin.complete:
            asked = portfolio_margin(inputs, columns, columns.contracts, must_shrink=True).maintenance
        known = _ratio(asked, inputs.account.equity - columns.backing.demanded_maintenance - locked)
        reading = _as_far_as_known(reading, known, columns.backing, inputs.policy.breakers or Breakers())
    return state, reading


def _as_far_as_known(reading: Reading, ratio: float, backing: Backing, rules: Breakers) -> Reading:
    """A reading that counts collateral at its worst, not trusted where only that reaches its level."""
    level, _ = rules.entered(reading)
    known, _ = rules.entered(reading._replace(maintenance_ratio=ratio, distance=math.inf))
    return reading._replace(trusted=reading.trusted and backing.complete and level <= known)


def _ratio(maintenance: float, equity: float | None) -> float:
    """Maintenance over equity: inf without equity, NaN where either is unknown and something is held."""
    if equity is None:
        return float("nan") if maintenance != 0.0 else 0.0
    return maintenance / equity if equity > 0.0 else float("inf")


def _worst_distance(margin: MarginFigures, held: Bools) -> float:
    """Smallest distance of a held row that has a liquidation price; inf where none has, NaN where one is unknown."""
    prices, distances = margin.liquidation_price[held], margin.distance_sigma[held]
    return float(np.min(distances[np.isfinite(prices)], initial=np.inf))


def _venue_equity(scope: str, inputs: EvaluationInputs) -> float | None:
    found = inputs.conditions.venues.get(scope.removeprefix(VENUE))
    return found.equity if found is not None else None


def _inside(scope: str, inputs: EvaluationInputs) -> Bools:
    """Rows of a scope."""
    name = scope.removeprefix(VENUE) if scope.startswith(VENUE) else None
    return np.array([name is None or (row.venue or row.instrument.venue) == name for row in inputs.rows], dtype=bool)


def _row_levels(inputs: EvaluationInputs, states: Mapping[str, BreakerState]) -> NDArray[np.int64]:
    """Highest level of the scopes that each row is in."""
    levels = np.zeros(len(inputs.rows), dtype=np.int64)
    for scope, state in states.items():
        levels = np.maximum(levels, np.where(_inside(scope, inputs), state.level, 0))
    return levels


def apply_breakers(
    trail: Trail, inputs: EvaluationInputs, columns: BookColumns, limits: RowLimits, breaking: Breaking
) -> None:
    """Sizes under the breakers: one stage `breaker`, which only ever lowers them.

    Notes
    -----
    Increases are multiplied at every level. From `reduce` on, the rows of a scope whose margin is short shrink by one
    ratio until their maintenance is at most `reduce_to` of its equity, at the rates of the policy's limits. `flatten`
    aims at nothing: the target is 0, or what hedges coin collateral; in which slices it is traded is a matter of the
    execution (`POST /v1/schedules`). Rows that are not resized are left alone.
    """
    sizing, rules, method = columns.sizing, inputs.policy.breakers, inputs.policy.sizing
    assert sizing is not None
    assert rules is not None
    value = grown(sizing.current, trail.value, np.array(rules.multipliers)[breaking.levels])
    flat = np.clip(-sizing.collateral, np.minimum(value, 0.0), np.maximum(value, 0.0))
    value = np.where(breaking.levels >= Level.FLATTEN, flat, value)
    value = np.where(sizing.sizable, value, trail.value)
    for scope, state in breaking.states.items():
        if state.level >= Level.REDUCE:
            value = _to_ratio(value, scope, inputs, columns, limits, rules)
    bound = value != trail.value
    if bound.any():
        trail.apply("breaker", value, "policy.breakers", bound=bound)
        if method is not None and method.tied:
            tie_legs(trail, sizing)


def _to_ratio(
    value: Floats, scope: str, inputs: EvaluationInputs, columns: BookColumns, limits: RowLimits, rules: Breakers
) -> Floats:
    """Rows of a scope, by one ratio, so that maintenance is at most `reduce_to` of its equity."""
    sizing = columns.sizing
    assert sizing is not None
    inside = _inside(scope, inputs) & np.isnan(limits.isolated)
    use = _maintenance(value, sizing, limits)
    total, free = float(use[inside & sizing.sizable].sum()), _free(scope, inputs, columns, limits, rules)
    if free is None or total <= free or total == 0.0:
        return value
    return np.where(inside & sizing.sizable, value * (max(free, 0.0) / total), value)


def _maintenance(value: Floats, sizing: SizingColumns, limits: RowLimits) -> Floats:
    found: Floats = np.abs(value) * sizing.unit_value * limits.maintenance(value)
    return found


def _free(
    scope: str, inputs: EvaluationInputs, columns: BookColumns, limits: RowLimits, rules: Breakers
) -> float | None:
    """Maintenance that the resized rows of a scope may ask [account currency]; None where it is not known."""
    assert columns.sizing is not None
    if scope in (ACCOUNT, PORTFOLIO):
        equity = inputs.account.equity - limits.uncounted_maintenance - float(np.nansum(limits.isolated))
        return rules.reduce_to * equity - limits.fixed_maintenance
    own = _venue_equity(scope, inputs)
    if own is None:
        return None
    fixed = _inside(scope, inputs) & ~columns.sizing.sizable
    return rules.reduce_to * own - float(_maintenance(columns.expected, columns.sizing, limits)[fixed].sum())
