"""Conditions of the markets around the rows of one evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from services.core.book import Row
from services.core.errors import Refusal
from services.core.explain import Floats
from services.core.market_conditions import MarketConditions, VenueCondition, VolatilityView
from services.engine.columns import BookColumns, RowState
from services.engine.costs import daily_volatility, daily_volume
from services.engine.evidence import contract_greeks
from services.engine.inputs import EvaluationInputs, SeriesInput
from services.engine.oracles import with_oracles
from services.liquidity.flow import Flow
from services.liquidity.markets import market_of, of_market
from services.liquidity.trade_cap import RowLiquidity
from services.sizing.conditions import Conditions
from services.sizing.overlay import OverlayRule
from services.sizing.pipeline import RowLimits
from services.volatility.path import forecast_path

SHOCK_YEARS = 10.0
"""Years of volatility that overlays look back on."""
DAY, WEEK = 86_400.0, 604_800.0


def conditions_of(inputs: EvaluationInputs, columns: BookColumns, limits: RowLimits) -> Conditions:
    """Conditions per row, in row order; what is costly only where an overlay of the policy reads it."""
    rows, overlays = inputs.rows, inputs.policy.overlays
    readouts = [state.readout for state in columns.states]
    ages = [row.price.age_seconds if row.price and row.price.age_seconds is not None else 0.0 for row in rows]
    base = replace(
        Conditions.unknown(inputs.as_of, len(rows)),
        bar_seconds=_column([readout.bar_seconds if readout else None for readout in readouts]),
        data_age_seconds=np.maximum(_column(ages), 0.0),
        long_run_volatility=_column([readout.long_run if readout else None for readout in readouts]),
        signal_age_seconds=_column([_signal_age(row, inputs) for row in rows]),
        signal_confidence=_column([row.signal.confidence if row.signal else None for row in rows]),
        margin_long=limits.initial_long,
        margin_short=limits.initial_short,
    )
    found = _with_markets(_with_events(_with_places(base, inputs), inputs), inputs, columns)
    found = with_oracles(found, inputs)
    return _with_greeks(_with_volatilities(found, inputs, overlays), inputs, columns, overlays)


def _needed(overlays: tuple[OverlayRule, ...], name: str) -> bool:
    return any(name in overlay.requires for overlay in overlays)


def _column(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _signal_age(row: Row, inputs: EvaluationInputs) -> float | None:
    if row.signal is None or row.signal.as_of is None:
        return None
    return max((inputs.as_of - row.signal.as_of).total_seconds(), 0.0)


def _with_places(base: Conditions, inputs: EvaluationInputs) -> Conditions:
    """Venues, protocols and chains of the rows."""
    around = inputs.conditions
    venues = tuple(row.venue or row.instrument.venue for row in inputs.rows)
    known = [around.venues.get(venue or "", VenueCondition()) for venue in venues]
    protocols = [around.protocols.get(item.protocol or "") for item in known]
    waits = [_latency(around, item) for item in known]
    return replace(
        base,
        venue=venues,
        protocol=tuple(item.protocol for item in known),
        venue_grade=tuple(item.risk_grade for item in known),
        protocol_grade=tuple(item.risk_grade if item else None for item in protocols),
        venue_max_share=_column([item.max_share for item in known]),
        protocol_max_share=_column([item.max_share if item else None for item in protocols]),
        distress=_column([item.distress for item in known]),
        contagion_multiplier=_column([item.contagion_multiplier for item in known]),
        latency_seconds=_column(waits),
        halted=tuple(_halt(around, item) for item in known),
    )


def _latency(around: MarketConditions, venue: VenueCondition) -> float | None:
    """Time from decision to finality [s]; None where a part that is named is not described, or nothing is."""
    if venue.chain is None:
        return venue.latency_seconds
    chain = around.chains.get(venue.chain)
    return None if chain is None else (venue.latency_seconds or 0.0) + chain.confirmation_seconds


def _halt(around: MarketConditions, venue: VenueCondition) -> str:
    chain = around.chains.get(venue.chain or "")
    if chain is None:
        return ""
    if not chain.sequencer_up:
        return f"the sequencer of {venue.chain} is down: no increase"
    return "" if np.isfinite(chain.confirmation_seconds) else f"{venue.chain} is fully congested: no increase"


def _with_events(base: Conditions, inputs: EvaluationInputs) -> Conditions:
    """Beginning and end of each event that moves a row [s from now]."""
    if not inputs.events:
        return base
    now = inputs.as_of.timestamp()
    starts = np.array([item.event.at - now for item in inputs.events], dtype=float)
    lasts = np.array([item.event.seconds for item in inputs.events], dtype=float)
    moved = np.array(
        [[item.markets is None or row.market_key in item.markets for item in inputs.events] for row in inputs.rows]
    )
    return replace(
        base, event_starts=np.where(moved, starts, np.nan), event_ends=np.where(moved, starts + lasts, np.nan)
    )


def _with_markets(base: Conditions, inputs: EvaluationInputs, columns: BookColumns) -> Conditions:
    """Flow, depth and volume of the rows' markets."""
    if not inputs.flows and not inputs.depths:
        return base
    flows = [of_market(inputs.flows, row.symbol, row.venue) for row in inputs.rows]
    ages = [_age(flow.as_of, inputs) if flow else None for flow in flows]
    rows = zip(inputs.rows, columns.states, columns.unit_value.tolist(), flows, strict=True)
    return replace(
        base,
        order_flow_imbalance=_column([flow.order_flow_imbalance if flow else None for flow in flows]),
        flow_age_seconds=_column(ages),
        funding_carry=_column([_carry(flow, age) for flow, age in zip(flows, ages, strict=True)]),
        liquidity=tuple(_liquidity(row, state, value, flow, inputs) for row, state, value, flow in rows),
        depth_market=tuple(
            market_of(inputs.depths, row.symbol, row.venue) or (row.symbol, row.venue) for row in inputs.rows
        ),
    )


def _age(moment: datetime, inputs: EvaluationInputs) -> float:
    return (inputs.as_of - moment).total_seconds()


def _carry(flow: Flow | None, age: float | None) -> float | None:
    """Annual funding; None of a rate that its next payment has overtaken."""
    if flow is None or age is None or flow.funding_interval_seconds is None:
        return None
    return flow.funding_carry if age <= flow.funding_interval_seconds else None


def _liquidity(
    row: Row, state: RowState, unit_value: float, flow: Flow | None, inputs: EvaluationInputs
) -> RowLiquidity:
    """Depth, volume and volatility of a row's market, in its contracts."""
    posted = of_market(inputs.depths, row.symbol, row.venue)
    return RowLiquidity(
        depth=posted.depth if posted else None,
        age_seconds=_age(posted.as_of, inputs) if posted else None,
        average_daily_volume=daily_volume(row, flow),
        daily_volatility=daily_volatility(state.readout),
        unit_value=unit_value if np.isfinite(unit_value) else 0.0,
    )


def _with_volatilities(base: Conditions, inputs: EvaluationInputs, overlays: tuple[OverlayRule, ...]) -> Conditions:
    """The client's figures on volatility, and what posted series say where an overlay reads it."""
    views = [_view(row, inputs.conditions) for row in inputs.rows]
    series = [inputs.series.get(row.market_key) for row in inputs.rows]
    given = _column([view.implied_volatility_change for view in views])
    if _needed(overlays, "implied_volatility"):
        measured = _column([implied_volatility_velocity(item) if item else None for item in series])
        given = np.where(np.isnan(given), measured, given)
    paths: dict[str, Floats | None] = {}
    if _needed(overlays, "volatility_path"):
        keys = dict.fromkeys(row.market_key for row in inputs.rows)
        paths = {key: _path(inputs.series.get(key), inputs) for key in keys}
    return replace(
        base,
        shock_volatility=_column([view.shock_volatility for view in views]),
        implied_volatility_velocity=given,
        volatility_path=tuple(paths.get(row.market_key) for row in inputs.rows),
    )


def _view(row: Row, around: MarketConditions) -> VolatilityView:
    """What the client says of the volatility of a row: by its symbol, its series, or its underlying."""
    names = (row.symbol, row.market_key, row.market_key.removesuffix(f"@{row.venue}"), row.instrument.underlying or "")
    return next((around.volatilities[name] for name in names if name in around.volatilities), VolatilityView())


def _path(series: SeriesInput | None, inputs: EvaluationInputs) -> Floats | None:
    """Volatility after each bar of the last ten years; None without a series that can be read."""
    if series is None:
        return None
    try:
        path = forecast_path(series, inputs.policy.estimator).volatility
    except Refusal:
        return None
    recent = path[-int(SHOCK_YEARS * series.clock.periods_per_year) :]
    found: Floats = recent[np.isfinite(recent)]
    return found


def implied_volatility_velocity(series: SeriesInput) -> float | None:
    """Change of the logarithm of implied volatility per day, from the last bar back to one at least a day older.

    None where the last bar has no quote, or no older one within a week has.
    """
    if series.implied_volatility is None:
        return None
    quotes, times = series.implied_volatility, series.times
    quoted, back = np.isfinite(quotes) & (quotes > 0.0), times[-1] - times
    older = np.flatnonzero(quoted & (back >= DAY) & (back <= WEEK))
    if not older.size or not quoted[-1]:
        return None
    place = int(older[-1])
    return float(np.log(quotes[-1] / quotes[place]) * DAY / back[place])


def _with_greeks(
    base: Conditions, inputs: EvaluationInputs, columns: BookColumns, overlays: tuple[OverlayRule, ...]
) -> Conditions:
    """Vega and gamma of one contract in the account currency, where an overlay reads them."""
    if not _needed(overlays, "greeks"):
        return base
    greeks = contract_greeks(inputs, columns.contracts)
    fx = _column([row.fx for row in inputs.rows])
    spot = _column([row.forward or (row.price.value if row.price else None) for row in inputs.rows])
    return replace(base, vega=greeks["vega_per_point"] * fx, gamma=greeks["gamma_1pct"] * spot * fx)
