"""What sizes and outcomes become under operator's switches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.core.explain import Bools, Trail
from services.core.outcome import Action, Permission, Reason, Status
from services.engine.columns import BookColumns, RowState
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Target
from services.engine.switches import switch_of
from services.guards.switches import ActiveSwitch, SwitchMode
from services.sizing.legs import tie_legs
from services.sizing.overlay import without_growth
from services.sizing.pipeline import Sized

STAGE = "switch"


def apply_switches(sized: Sized, inputs: EvaluationInputs, columns: BookColumns) -> Sized:
    """Sizes under the switches: one stage for each of them that binds, which only ever lowers sizes.

    Notes
    -----
    Under reduce-only a row keeps its reduction and loses its increase, of a reversal it keeps the closing part. A row
    that is halted is sized by nothing before this, so it stands as it is; the stage only names what holds it.
    """
    sizing, method = columns.sizing, inputs.policy.sizing
    assert sizing is not None
    if not inputs.switches:
        return sized
    trail, over = sized.trail, [switch_of(row, inputs) for row in inputs.rows]
    for switch in dict.fromkeys(one for one in over if one is not None):
        inside = np.array([one is switch for one in over], dtype=bool)
        kept = np.where(inside & sizing.sizable, without_growth(sizing.current, trail.value), trail.value)
        bound = (kept != trail.value) | (inside & (switch.mode is SwitchMode.HALT))
        trail.limits.append((STAGE, parameter_of(switch), np.where(inside, np.abs(sizing.current), np.inf)))
        if bound.any():
            trail.apply(STAGE, kept, parameter_of(switch), bound=bound)
            if method is not None and method.tied:
                tie_legs(trail, sizing)
    barred = np.array([one is not None for one in over], dtype=bool)
    return replace(sized, barred=barred if sized.barred is None else sized.barred | barred)


def parameter_of(switch: ActiveSwitch) -> str:
    """Name of a switch in `steps` and `binding`."""
    return f"breakers.{switch.scope}"


def under_switches(
    inputs: EvaluationInputs, columns: BookColumns, trail: Trail | None, targets: Sequence[Target]
) -> tuple[Target, ...]:
    """Outcomes under the switches: halted rows are held without an order, others may at most be reduced."""
    if not inputs.switches:
        return tuple(targets)
    cut = _cut(trail, len(targets))
    return tuple(
        _under(target, state, switch_of(row, inputs), bound=bool(bound))
        for target, state, row, bound in zip(targets, columns.states, inputs.rows, cut, strict=True)
    )


def _cut(trail: Trail | None, count: int) -> Bools:
    """Rows of which a switch has taken something."""
    found = np.zeros(count, dtype=bool)
    for column in trail.stages if trail is not None else ():
        if column.stage == STAGE and column.bound is not None:
            found |= column.bound
    return found


def _under(target: Target, state: RowState, switch: ActiveSwitch | None, *, bound: bool) -> Target:
    if switch is None:
        return target
    detail = f"{target.detail}; {switch.text}" if target.detail else switch.text
    if switch.mode is SwitchMode.HALT:
        if target.status is Status.REFUSED:
            return target._replace(permission=Permission.NONE, detail=detail)
        held = state.contracts
        return Target(Status.HELD, Action.NONE, Permission.NONE, Reason.HALTED, detail, held, held, None)
    reason = Reason.REDUCE_ONLY if bound else target.reason
    permission = Permission.REDUCE_ONLY if target.permission is Permission.ANY else target.permission
    return target._replace(permission=permission, reason=reason, detail=detail)
