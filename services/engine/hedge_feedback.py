"""What hedges do to the price that they hedge, and what their time may cost."""

from __future__ import annotations

import math

from services.engine.columns import BookColumns
from services.engine.costs import daily_volatility, daily_volumes
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Feedback
from services.hedging.latency import LatencyCost
from services.hedging.reflexivity import impact_slope
from services.hedging.registry import HedgeTrigger
from services.hedging.view import HedgeView
from services.hedging.widened import Widened


def feedback_of(inputs: EvaluationInputs, columns: BookColumns, place: int, view: HedgeView) -> Feedback | None:
    """Feedback of hedging the whole delta in the row at `place`; None where the policy does not ask, or none is held.

    The slope is that of the square-root law at the whole delta, with `costs.impact_coefficient`.
    """
    execution = inputs.policy.hedge_execution
    levels = execution.reflexivity if execution is not None else None
    delta = abs(float(view.net_delta))
    if levels is None or delta == 0.0:
        return None
    row, daily = inputs.rows[place], daily_volatility(columns.states[place].readout)
    volume, coefficient = float(daily_volumes(inputs)[place]), inputs.policy.costs.impact_coefficient
    gamma = gamma_per_price(view)
    lacks = "gamma" if gamma is None else "volatility" if daily is None else "" if volume > 0.0 else "flow[] volume"
    if lacks or gamma is None or daily is None:
        return Feedback(detail=f"not known without {lacks}", levels=levels)
    assert row.price is not None
    base, price = row.instrument.base_per_contract(row.price.value), float(view.spot)
    slope = 0.0
    if coefficient > 0.0:
        slope = impact_slope(
            delta, price=price, average_daily_volume=volume * base, daily_volatility=daily, coefficient=coefficient
        )
    return Feedback(decision=levels.decide(gamma, slope), impact_slope=slope, levels=levels)


def widened(trigger: HedgeTrigger, feedback: Feedback | None) -> Widened:
    """The trigger with its band as wide as the feedback asks for."""
    factor = feedback.decision.band_factor if feedback is not None and feedback.decision is not None else None
    return Widened(trigger, max(factor or 1.0, 1.0))


def latency_of(inputs: EvaluationInputs, view: HedgeView) -> LatencyCost | None:
    """Buffer for a late hedge; None where the policy does not ask, or gamma or volatility is unknown."""
    execution, gamma = inputs.policy.hedge_execution, gamma_per_price(view)
    if execution is None or execution.latency_seconds is None or gamma is None or view.volatility is None:
        return None
    return execution.latency_buffer.of(gamma, float(view.spot), float(view.volatility), execution.latency_seconds)


def gamma_per_price(view: HedgeView) -> float | None:
    """Gamma [base units per unit of price]."""
    if view.gamma_1pct is None or not math.isfinite(float(view.gamma_1pct)):
        return None
    return 100.0 * float(view.gamma_1pct) / float(view.spot)
