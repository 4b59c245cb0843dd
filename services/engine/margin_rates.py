"""Margin rates of a book under the policy's model: what it looks at, what was asked last, what is remembered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from services.core.annualization import SECONDS_PER_DAY
from services.core.control import MarginMemory
from services.core.explain import Floats
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs, SeriesInput
from services.margin.assembly import MarginRates
from services.margin.smoothing import AskedBefore, SmoothedRates
from services.margin.view import MarginView


def market_volatility(columns: BookColumns) -> Floats:
    """Annual volatility of each row, NaN where unknown."""
    return np.array([state.readout.volatility if state.readout else np.nan for state in columns.states], dtype=float)


def margin_view(inputs: EvaluationInputs, columns: BookColumns) -> MarginView:
    """What the margin model may look at: volatility, and returns of posted bars where it asks for them, read once.

    Notes
    -----
    Bars behind a cached state that came with the inputs serve as well; a state alone holds no returns.
    """
    view = MarginView.of(market_volatility(columns))
    if not inputs.policy.margin.reads_returns:
        return view
    found: dict[str, tuple[Floats | None, float]] = {}
    for row in inputs.rows:
        if row.market_key not in found:
            series = inputs.series.get(row.market_key) or inputs.history.get(row.market_key)
            found[row.market_key] = (log_returns(series), series.clock.periods_per_year if series else np.nan)
    rows = [found[row.market_key] for row in inputs.rows]
    view = replace(view, returns=tuple(item for item, _ in rows), periods_per_year=np.array([p for _, p in rows]))
    return replace(view, past=inputs.policy.margin.past(view))


def log_returns(series: SeriesInput | None) -> Floats | None:
    """Log returns a bar; None without two prices, or where one of them is none."""
    if series is None or series.closes.size < 2 or not (np.isfinite(series.closes) & (series.closes > 0.0)).all():
        return None
    found: Floats = np.diff(np.log(series.closes))
    return found


def margin_rates(
    inputs: EvaluationInputs, columns: BookColumns, *, venue_floor: ArrayLike = 0.0, volatility: Floats | None = None
) -> MarginRates:
    """Rates of each row under the policy, given what was asked last.

    The distress of a venue multiplies what rules against procyclicality have made of the model's rates: it has a memory
    of its own, and is not remembered a second time.

    Parameters
    ----------
    venue_floor : (n,) array
        Least rate of the venue.
    volatility : (n,) array, optional
        Instead of the market's [annual fraction]; NaN where it is not to be used.
    """
    view = margin_view(inputs, columns) if columns.margin_view is None else columns.margin_view
    if volatility is not None:
        view = replace(view, volatility=volatility)
    return inputs.policy.margin.rates(
        view, venue_floor=venue_floor, multiplier=contagion_multiplier(columns), before=asked_before(inputs)
    )


def contagion_multiplier(columns: BookColumns) -> Floats:
    """Multiplier on the margin rates of each row, >= 1."""
    return columns.tightening.rows if columns.tightening is not None else np.ones(columns.contracts.shape)


def asked_before(inputs: EvaluationInputs) -> AskedBefore | None:
    """Rates that the last decisions asked of each row's market; None where none is remembered."""
    margins = inputs.control.margins if inputs.control is not None else {}
    if not margins:
        return None
    nothing = MarginMemory(np.nan, np.nan, inputs.as_of)
    known = [margins.get(row.market_key, nothing) for row in inputs.rows]
    return AskedBefore(
        long=np.array([item.long for item in known], dtype=float),
        short=np.array([item.short for item in known], dtype=float),
        days=np.array([(inputs.as_of - item.as_of).total_seconds() / SECONDS_PER_DAY for item in known]),
    )


def smoothed_rates(inputs: EvaluationInputs, columns: BookColumns) -> tuple[SmoothedRates, SmoothedRates] | None:
    """What rules against procyclicality make of the model's rates; None without such rules."""
    rules = inputs.policy.margin.procyclicality
    return None if rules is None else margin_rates(inputs, columns).smoothed


def margins_after(
    inputs: EvaluationInputs, smoothed: tuple[SmoothedRates, SmoothedRates] | None
) -> dict[str, MarginMemory]:
    """Rates that the next decision is to be told of, by market.

    A market of which nothing is known now keeps its memory, and so does one whose memory is of a later time.
    """
    before = inputs.control.margins if inputs.control is not None else {}
    markets = {row.market_key: place for place, row in enumerate(inputs.rows)}
    kept = {key: memory for key, memory in before.items() if key in markets}
    if smoothed is None:
        return kept
    long, short = smoothed
    for key, place in markets.items():
        last = kept.get(key)
        if not np.isnan(long.model[place]) and (last is None or last.as_of <= inputs.as_of):
            kept[key] = MarginMemory(float(long.asked[place]), float(short.asked[place]), inputs.as_of)
    return kept
