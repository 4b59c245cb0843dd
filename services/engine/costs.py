"""What the orders of a decision are expected to cost."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from services.core.book import Row
from services.core.explain import Floats
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Target
from services.liquidity.costs import CostColumns
from services.liquidity.flow import Flow
from services.liquidity.markets import of_market
from services.volatility.readout import VolatilityReadout

CALENDAR_DAYS, TRADING_DAYS = 365.0, 252.0


def trading_days(readout: VolatilityReadout) -> float:
    """Days a year on which a market trades: 365, or 252 where it closes."""
    return CALENDAR_DAYS if readout.clock.continuous else TRADING_DAYS


def daily_volatility(readout: VolatilityReadout | None) -> float | None:
    """Volatility of one day of trading; None where it is unknown."""
    return None if readout is None else readout.volatility / trading_days(readout) ** 0.5


def daily_volume(row: Row, flow: Flow | None) -> float | None:
    """Average daily volume of a row's market [contracts]; None where it, or the price that it needs, is unknown."""
    if flow is None or flow.average_daily_volume is None or row.price is None:
        return None
    return row.instrument.contracts(flow.average_daily_volume, flow.unit, row.price.value)


def open_interest(row: Row, flow: Flow | None) -> float | None:
    """Open interest of a row's market [contracts]; None where it, or the price that it needs, is unknown."""
    if flow is None or flow.open_interest is None or row.price is None:
        return None
    return row.instrument.contracts(flow.open_interest, flow.unit, row.price.value)


def trade_costs(inputs: EvaluationInputs, columns: BookColumns, targets: tuple[Target, ...]) -> CostColumns | None:
    """Cost of each row's legs under `costs` of the policy [account currency]; None without a sizing.

    Half spreads are those of the books that were sent, else the policy's; impact needs `flow[].average_daily_volume`.
    """
    if columns.sizing is None:
        return None
    trades = np.array([sum(abs(float(leg.quantity)) for leg in target.legs) for target in targets], dtype=float)
    return inputs.policy.costs.of_trades(
        trades,
        unit_value=columns.sizing.unit_value,
        average_daily_volume=daily_volumes(inputs),
        daily_volatility=_column(daily_volatility(state.readout) for state in columns.states),
        half_spread=half_spreads(inputs),
    )


def _column(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def half_spreads(inputs: EvaluationInputs) -> Floats:
    """Half spread of each row's book [fraction]; NaN where none was sent or it has one side."""
    if not inputs.depths:
        return np.full(len(inputs.rows), np.nan)
    posted = [of_market(inputs.depths, row.symbol, row.venue) for row in inputs.rows]
    return _column(item.depth.half_spread if item else None for item in posted)


def daily_volumes(inputs: EvaluationInputs) -> Floats:
    """Average daily volume of each row's market [contracts a day]; NaN where it is unknown."""
    if not inputs.flows:
        return np.full(len(inputs.rows), np.nan)
    return _column(daily_volume(row, of_market(inputs.flows, row.symbol, row.venue)) for row in inputs.rows)
