"""From the optimal size to one decision per row: lots, status, action, permission, reason."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import numpy as np

from services.core.book import Row
from services.core.explain import Bools, Trail
from services.core.outcome import Action, Permission, Reason, Status
from services.engine.columns import BookColumns, RowState
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Target
from services.sizing.rounding import LotChange, change_in_lots

REFUSED_EVEN_WITH_POSITION = frozenset({Reason.INSTRUMENT_REQUIRED, Reason.PRICE_REQUIRED, Reason.FX_REQUIRED})
NOT_A_FAULT = frozenset({Reason.OPTION_NOT_RESIZED, Reason.HEDGE_INSTRUMENT})


def hold_all(columns: BookColumns, reason: Reason) -> tuple[Target, ...]:
    """Every row as it is: without a sizing method, or without equity."""
    broke = reason is Reason.EQUITY_NOT_POSITIVE
    permission = Permission.REDUCE_ONLY if broke else Permission.ANY
    detail = "account.equity is not positive: positions are held and may only be reduced" if broke else ""
    return tuple(
        _hold(state, reason if state.problem is None else state.problem, permission, state.detail or detail)
        for state in columns.states
    )


def decide_targets(
    inputs: EvaluationInputs, columns: BookColumns, trail: Trail, inside: Bools, scope: str, margin_complete: bool
) -> tuple[Target, ...]:
    """One decision per row; records the rounding as the last stage of the trail."""
    cut = trail.bound_mask()
    wanted = trail.value
    final = wanted.copy()
    targets = []
    for index, (row, state) in enumerate(zip(inputs.rows, columns.states, strict=True)):
        if state.problem is not None:
            target = problem_target(state)
        elif inside[index]:
            target = _hold(state, _idle_reason(row, state, scope), _permission(row, state, scope, margin_complete), "")
        else:
            change = lot_change(inputs, row, state, float(wanted[index]))
            target = _moved(row, state, change, bool(cut[index]), scope, margin_complete)
        targets.append(target)
        final[index] = float(target.target) if target.target is not None else wanted[index]
    trail.apply(
        "rounding", np.where(columns.sizing.sizable, final, wanted) if columns.sizing else final, "instruments.lot"
    )
    return tuple(targets)


def problem_target(state: RowState) -> Target:
    """Outcome of a row that cannot be sized: refused, or held and reduce-only where a position exists and is
    understood.
    """
    assert state.problem is not None
    if state.problem in NOT_A_FAULT:
        return _hold(state, state.problem, Permission.ANY, state.detail)
    if state.problem is Reason.STALE_PRICE and state.contracts:
        return _hold(state, state.problem, Permission.REDUCE_ONLY, state.detail)
    return Target(
        Status.REFUSED, Action.NONE, Permission.NONE, state.problem, state.detail, state.contracts, None, None
    )


def lot_change(inputs: EvaluationInputs, row: Row, state: RowState, wanted: float) -> LotChange:
    """Change of position in exact lots under the instrument's minimum order."""
    instrument = row.instrument
    minimum = instrument.min_quantity
    if instrument.min_notional and row.price is not None:
        per_contract = instrument.notional_per_contract(row.price.value)
        least = Decimal(repr(instrument.min_notional)) / Decimal(repr(per_contract))
        minimum = max(minimum, (least / instrument.lot).to_integral_value(ROUND_CEILING) * instrument.lot)
    return change_in_lots(
        state.expected, wanted, lot=instrument.lot, minimum=minimum, allow_bump=inputs.policy.orders.allow_bump
    )


def _moved(row: Row, state: RowState, change: LotChange, cut: bool, scope: str, margin_complete: bool) -> Target:
    permission = _permission(row, state, scope, margin_complete)
    if not change.legs:
        reason = change.reason or _idle_reason(row, state, scope)
        return Target(
            Status.HELD, Action.NONE, permission, reason, "", state.contracts, state.expected, Decimal(0), change.dust
        )
    if cut:
        status, reason = Status.LIMITED, _limit_reason(row, state, scope, margin_complete)
    else:
        status, reason = Status.OK, change.reason or Reason.NONE
    return Target(
        status,
        action_of(state.expected, change.target),
        permission,
        reason,
        "",
        state.contracts,
        change.target,
        change.order,
        change.dust,
        change.legs,
    )


def action_of(held: Decimal, target: Decimal) -> Action:
    """What going from `held` to `target` does.

    Examples
    --------
    >>> [action_of(Decimal(held), Decimal(target)).value for held, target in ((1, -1), (-1, -2), (1, 0))]
    ['reverse', 'increase', 'close']
    """
    if held == target:
        return Action.NONE
    if held and not target:
        return Action.CLOSE
    if held and (held > 0) != (target > 0):
        return Action.REVERSE
    return Action.INCREASE if abs(target) > abs(held) else Action.DECREASE


def _idle_reason(row: Row, state: RowState, scope: str) -> Reason:
    if scope == "instrument" and row.signal is None:
        return Reason.NO_SIGNAL
    if scope == "instrument" and not state.live:
        return Reason.SIGNAL_EXPIRED
    if not state.expected:
        return Reason.NO_DIRECTION
    return Reason.WITHIN_BUFFER


def _limit_reason(row: Row, state: RowState, scope: str, margin_complete: bool) -> Reason:
    return Reason.LIMIT if margin_complete else Reason.MARGIN_UNMODELLED


def _permission(row: Row, state: RowState, scope: str, margin_complete: bool) -> Permission:
    silent = scope == "instrument" and not state.live
    return Permission.REDUCE_ONLY if silent or not margin_complete else Permission.ANY


def _hold(state: RowState, reason: Reason, permission: Permission, detail: str) -> Target:
    return Target(Status.HELD, Action.NONE, permission, reason, detail, state.contracts, state.expected, Decimal(0))
