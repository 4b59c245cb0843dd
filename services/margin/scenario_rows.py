"""The scenarios of a preset at one price range as columns, and the prices that they need, each computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from services.core.explain import Bools, Floats
from services.margin.scenario_preset import Scenario, ScenarioPreset

NONE, UP, DOWN, LINEAR, ABSOLUTE = range(5)
"""States of volatility."""
STATES = ("none", "up", "down", "skew_linear", "skew_absolute")
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ScenarioRows:
    """Scenarios, and the rows of prices behind them.

    Parameters
    ----------
    move, damping : (s,) arrays
        Of the price [fraction]; factor of the profit and loss.
    linear_move : (s,) array
        Move times damping of a linear position.
    state : (s,) array
        Of volatility.
    skewed : (s,) bool array
        Whether a scenario is one of the skew.
    row : (s,) array
        Row of prices of a scenario.
    base, basis_up, basis_down : int
        Rows of today, and of the basis contingency.
    shock : (r,) array
        Factor of the price in each row of prices; rows are sorted by state.
    spans : tuple of (state, first row, end)
    """

    move: Floats
    damping: Floats
    linear_move: Floats
    state: Places
    skewed: Bools
    row: Places
    base: int
    basis_up: int
    basis_down: int
    shock: Floats
    spans: tuple[tuple[int, int, int], ...]


@lru_cache(maxsize=256)
def scenario_rows(preset: ScenarioPreset, price_range: float) -> ScenarioRows:
    """Rows of a preset; a pair of move and state that several scenarios share is priced once.

    Examples
    --------
    >>> from services.margin.scenario_presets import DERIVE_PMRM2
    >>> rows = scenario_rows(DERIVE_PMRM2, 0.18)
    >>> rows.move.size, rows.shock.size
    (33, 33)
    """
    move = np.array([one.range_multiple * price_range + one.move for one in preset.scenarios])
    damping = np.array([_damping(one, preset.tail_share, price_range) for one in preset.scenarios])
    state = np.array([STATES.index(one.volatility) for one in preset.scenarios], dtype=np.intp)
    if preset.skew is not None:
        move, damping = np.append(move, [0.0, 0.0]), np.append(damping, [1.0, 1.0])
        state = np.append(state, [LINEAR, ABSOLUTE])
    basis = (0.0, 0.0) if preset.basis is None else (preset.basis.up, preset.basis.down)
    # Moves like -1/4 of a range and a basis shock of the same size differ in their last digit only.
    wanted = list(zip(state.tolist(), np.round(move, 12).tolist(), strict=True))
    wanted += [(NONE, 0.0), *((NONE, round(shock, 12)) for shock in basis)]
    keys = sorted(set(wanted))
    place = {key: index for index, key in enumerate(keys)}
    rows = [place[key] for key in wanted]
    states = [key[0] for key in keys]
    spans = tuple((one, states.index(one), states.index(one) + states.count(one)) for one in sorted(set(states)))
    clipped = np.clip(move, -price_range, price_range) if preset.linear_clipped else move * damping
    return ScenarioRows(
        move=move,
        damping=damping,
        linear_move=clipped,
        state=state,
        skewed=(state == LINEAR) | (state == ABSOLUTE),
        row=np.array(rows[: move.size], dtype=np.intp),
        base=rows[-3],
        basis_up=rows[-2],
        basis_down=rows[-1],
        shock=np.array([1.0 + key[1] for key in keys]),
        spans=spans,
    )


def _damping(one: Scenario, share: float, price_range: float) -> float:
    if one.damping is not None:
        return one.damping
    move = abs(one.range_multiple * price_range + one.move)
    return min(1.0, share * price_range / move) if move else 1.0
