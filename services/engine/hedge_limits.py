"""How large a hedge position may be."""

from __future__ import annotations

import numpy as np

from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.margin_rates import margin_rates


def allowed_contracts(inputs: EvaluationInputs, columns: BookColumns, place: int, reserve: float = 0.0) -> float:
    """Largest hedge position: the instrument's size, the leverage limits, the margin use of the policy less a reserve
    [account currency].
    """
    row, policy, equity = inputs.rows[place], inputs.policy, inputs.account.equity
    unit_value = float(columns.unit_value[place])
    if equity <= 0.0 or not np.isfinite(unit_value):
        return 0.0
    size = float(row.instrument.max_quantity) if row.instrument.max_quantity is not None else np.inf
    leverage = min(policy.limits.max_leverage, row.instrument.max_leverage or np.inf)
    rates = margin_rates(inputs, columns)
    rate = max(float(rates.long[place]), float(rates.short[place]))
    margin = max(policy.limits.max_margin_use * equity - reserve, 0.0)
    return min(size, leverage * equity / unit_value, margin / (unit_value * rate))
