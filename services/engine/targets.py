"""From the optimal size to one decision per row: lots, status, action, permission, reason."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from services.core.book import Row
from services.core.explain import Bools
from services.core.outcome import NOT_A_FAULT, Action, Permission, Reason, Status
from services.engine.columns import BookColumns, RowState
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Target
from services.sizing.pipeline import Sized
from services.sizing.rounding import Leg, LotChange, change_in_lots


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
    inputs: EvaluationInputs, columns: BookColumns, sized: Sized, inside: Bools, scope: str, margin_complete: bool
) -> tuple[Target, ...]:
    """One decision per row; records the rounding as the last stage of the trail.

    A row that an overlay or a circuit breaker allows no increase of may only be reduced while the answer is valid.
    """
    trail = sized.trail
    cut, blocked = trail.bound_mask(), sized.blocked
    wanted = trail.value
    final = wanted.copy()
    targets = []
    for index, (row, state) in enumerate(zip(inputs.rows, columns.states, strict=True)):
        if state.problem is not None:
            target = problem_target(state)
        else:
            silent = scope == "instrument" and not state.live
            barred = silent or blocked[index] or not margin_complete
            permission = Permission.REDUCE_ONLY if barred else Permission.ANY
            limit = None if not cut[index] else Reason.LIMIT if margin_complete else Reason.MARGIN_UNMODELLED
            if inside[index]:
                target = _hold(state, limit or _idle_reason(row, state, scope), permission, "")
            else:
                change = lot_change(inputs, row, state, float(wanted[index]))
                target = _moved(state, change, permission, limit, _idle_reason(row, state, scope))
            if target.legs:
                final[index] = float(target.target) if target.target is not None else wanted[index]
        targets.append(target)
    trail.apply("rounding", final, "instruments.lot")
    return tuple(targets)


def problem_target(state: RowState) -> Target:
    """Outcome of a row that cannot be sized: refused; held and reduce-only where only its price is not trusted."""
    assert state.problem is not None
    if state.problem in NOT_A_FAULT or state.problem is Reason.HALTED:
        return _hold(state, state.problem, Permission.ANY, state.detail)
    permission = Permission.REDUCE_ONLY if state.contracts else Permission.NONE
    if state.problem in (Reason.STALE_PRICE, Reason.PRICE_INCONSISTENT, Reason.SPLIT_SUSPECTED) and state.contracts:
        return _hold(state, state.problem, permission, state.detail)
    return Target(Status.REFUSED, Action.NONE, permission, state.problem, state.detail, state.contracts, None, None)


def lot_change(inputs: EvaluationInputs, row: Row, state: RowState, wanted: float) -> LotChange:
    """Change of position in exact lots under the instrument's minimum order, against what is really held."""
    change = change_in_lots(
        state.expected,
        wanted,
        lot=row.instrument.lot,
        minimum=minimum_order(row),
        allow_bump=inputs.policy.orders.allow_bump,
    )
    return change if state.expected == state.contracts else against_position(change, state)


def minimum_order(row: Row) -> Decimal:
    """Smallest opening order [contracts], in whole lots: the instrument's minimum quantity or notional."""
    instrument = row.instrument
    if not instrument.min_notional or row.price is None:
        return instrument.min_quantity
    per_contract = instrument.notional_per_contract(row.price.value)
    least = Decimal(repr(instrument.min_notional)) / Decimal(repr(per_contract))
    return max(instrument.min_quantity, (least / instrument.lot).to_integral_value(ROUND_CEILING) * instrument.lot)


def against_position(change: LotChange, state: RowState) -> LotChange:
    """A change planned on position plus open orders, cut to what the position itself allows.

    Only what is held can be reduced: the rest of a reduction lies in open orders, which must be cancelled, not traded
    against. Nothing is opened before that.
    """
    kept: list[Leg] = []
    for leg in change.legs:
        if leg.reduce_only:
            opposed = state.contracts and (state.contracts > 0) != (leg.quantity > 0)
            size = min(abs(leg.quantity), abs(state.contracts)) if opposed else Decimal(0)
            kept += [Leg(size.copy_sign(leg.quantity), True)] if size else []
            if size < abs(leg.quantity):
                end = state.expected + sum((one.quantity for one in kept), Decimal(0))
                return LotChange(end, tuple(kept), Reason.OPEN_ORDERS)
        else:
            kept.append(leg)
    return change


def _moved(state: RowState, change: LotChange, permission: Permission, limit: Reason | None, idle: Reason) -> Target:
    if not change.legs:
        flat = limit is None and change.reason is None and state.live and not state.contracts
        if flat:
            return _hold(state, Reason.NONE, permission, "")._replace(status=Status.OK)
        return _hold(state, limit or change.reason or idle, permission, "", dust=change.dust)
    status = Status.OK if limit is None else Status.LIMITED
    action = action_of(state.contracts, change.target)
    reason = limit or change.reason or Reason.NONE
    sized = (state.contracts, change.target, change.order, change.dust, change.legs)
    return Target(status, action, permission, reason, "", *sized)


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
    if scope == "book" and not state.expected:
        return Reason.NO_DIRECTION
    return Reason.WITHIN_BUFFER


def _hold(state: RowState, reason: Reason, permission: Permission, detail: str, *, dust: bool = False) -> Target:
    current = state.contracts
    return Target(Status.HELD, Action.NONE, permission, reason, detail, current, current, Decimal(0), dust)
