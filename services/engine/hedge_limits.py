"""How large a hedge position may be."""

from __future__ import annotations

import numpy as np

from services.engine.collateral import initial_equity
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.margin_rates import margin_rates
from services.engine.margins import market_sizes
from services.margin.assembly import CAP_LONG


def allowed_contracts(inputs: EvaluationInputs, columns: BookColumns, place: int, reserve: float = 0.0) -> float:
    """Largest hedge position: the instrument's size, the leverage limits, the margin use of the policy less a reserve
    [account currency]. The margin is that of the largest size that the other limits allow, size add-on included.
    """
    row, policy, equity = inputs.rows[place], inputs.policy, inputs.account.equity
    unit_value = float(columns.unit_value[place])
    if equity <= 0.0 or not np.isfinite(unit_value):
        return 0.0
    size = float(row.instrument.max_quantity) if row.instrument.max_quantity is not None else np.inf
    leverage = min(policy.limits.max_leverage, row.instrument.max_leverage or np.inf)
    largest = min(size, leverage * equity / unit_value)
    rates, addon, market = margin_rates(inputs, columns), policy.margin.size_addon, market_sizes(inputs, columns)
    long, short = (float(addon.rate(rate, largest, market)[place]) for rate in (rates.long, rates.short))
    rate = max(min(long, CAP_LONG), min(short, policy.margin.cap_short))
    margin = max(policy.limits.max_margin_use * initial_equity(inputs, columns) - reserve, 0.0)
    return min(largest, margin / (unit_value * rate))
