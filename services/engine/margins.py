"""Margin of the book: what the model asks, what the venue's tiers ask, where it would be liquidated."""

from __future__ import annotations

import numpy as np

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.book import Row
from services.core.explain import Floats
from services.core.instrument import Kind
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import MarginFigures
from services.margin.assembly import margin_requirement, tier_margin
from services.margin.liquidation import distance_in_sigmas, liquidation_price_inverse, liquidation_price_linear, touch_probability
from services.margin.max_position import notional_at_distance
from services.sizing.pipeline import RowLimits

DAY = SECONDS_PER_DAY / SECONDS_PER_YEAR


def model_rates(inputs: EvaluationInputs, columns: BookColumns) -> tuple[Floats, Floats]:
    """Initial margin rates (long, short) of every row; NaN without a volatility, 0 for a spot asset that is owned."""
    volatility = np.array([state.readout.volatility if state.readout else np.nan for state in columns.states], dtype=float)
    long, short = inputs.policy.margin.rates(volatility)
    spot = np.array([row.instrument.kind is Kind.SPOT for row in inputs.rows], dtype=bool)
    option = np.array([row.instrument.kind is Kind.OPTION for row in inputs.rows], dtype=bool)
    return np.where(option, np.nan, np.where(spot, 0.0, long)), np.where(option, np.nan, short)


def row_limits(inputs: EvaluationInputs, columns: BookColumns) -> RowLimits:
    """What margin, venue and instrument allow, for the pipeline."""
    sizing, policy, margin = columns.sizing, inputs.policy, inputs.policy.margin
    assert sizing is not None
    long, short = model_rates(inputs, columns)
    known = np.isfinite(long) & sizing.sizable
    initial_long, initial_short = np.where(known, long, 0.0), np.where(known, short, 0.0)
    maintenance_long, maintenance_short = initial_long * margin.maintenance_fraction, initial_short * margin.maintenance_fraction
    distance = policy.limits.min_liquidation_distance * sizing.volatility * DAY**0.5
    inverse = np.array([row.instrument.kind is Kind.INVERSE for row in inputs.rows], dtype=bool)
    unlimited = (policy.limits.min_liquidation_distance == 0.0) | ~known
    distance_long = np.where(unlimited | (initial_long == 0.0), np.inf, notional_at_distance(distance, maintenance_long, side=1, inverse=inverse))
    distance_short = np.where(unlimited, np.inf, notional_at_distance(distance, maintenance_short, side=-1, inverse=inverse))
    fixed = margin_figures(inputs, columns, columns.contracts, open_orders=True, liquidation=False)
    rest = ~sizing.sizable
    return RowLimits(
        initial_long=initial_long,
        initial_short=initial_short,
        maintenance_long=maintenance_long,
        maintenance_short=maintenance_short,
        distance_long=distance_long,
        distance_short=distance_short,
        max_contracts=_max_contracts(inputs, columns),
        fixed_initial=float(np.nansum(fixed.initial[rest])),
        fixed_maintenance=float(np.nansum(fixed.maintenance[rest])),
        margin_complete=fixed.complete,
    )



def _max_contracts(inputs: EvaluationInputs, columns: BookColumns) -> Floats:
    assert columns.sizing is not None
    sizes = []
    for row, unit_value in zip(inputs.rows, columns.sizing.unit_value, strict=True):
        size = float(row.instrument.max_quantity) if row.instrument.max_quantity is not None else np.inf
        leverage = row.instrument.max_leverage
        sizes.append(min(size, leverage * inputs.account.equity / float(unit_value)) if leverage else size)
    return np.array(sizes, dtype=float)


def margin_figures(inputs: EvaluationInputs, columns: BookColumns, contracts: Floats, *, open_orders: bool, liquidation: bool = True) -> MarginFigures:
    """Margin of `contracts` under the policy's model, beside the venue's figures where tiers are given.

    Parameters
    ----------
    open_orders : bool
        Count open orders on the worse side (the book as it is), or not (the book at target).
    """
    long, short = model_rates(inputs, columns)
    unit = columns.unit_value
    buys = np.array([float(row.open_buys) for row in inputs.rows]) if open_orders else np.zeros(contracts.size)
    sells = np.array([float(row.open_sells) for row in inputs.rows]) if open_orders else np.zeros(contracts.size)
    margin = inputs.policy.margin
    initial, maintenance, rate = margin_requirement(contracts, unit, long, short, buys=buys, sells=sells, maintenance_fraction=margin.maintenance_fraction)
    method = [margin.model.method] * len(inputs.rows)
    complete = True
    for index, row in enumerate(inputs.rows):
        if contracts[index] == 0.0 and not (open_orders and (row.open_buys or row.open_sells)):
            initial[index] = maintenance[index] = 0.0
        elif not np.isfinite(initial[index]):
            given = row.initial_margin is not None and row.maintenance_margin is not None
            initial[index] = row.initial_margin if given else np.nan
            maintenance[index] = row.maintenance_margin if given else np.nan
            method[index] = "given" if given else "unmodelled"
            complete = complete and given
        elif row.instrument.kind is Kind.SPOT and contracts[index] > 0:
            method[index] = "owned"
    venue = [_venue(row, float(size), float(unit_value)) for row, size, unit_value in zip(inputs.rows, contracts, unit, strict=True)]
    prices, distances, touches = _liquidations(inputs, columns, contracts, maintenance) if liquidation else ((None,) * contracts.size,) * 3
    return MarginFigures(
        initial=initial,
        maintenance=maintenance,
        rate_initial=rate,
        method_used=tuple(method),
        venue_initial=tuple(item[0] for item in venue),
        venue_maintenance=tuple(item[1] for item in venue),
        liquidation_price=prices,
        distance_sigma=distances,
        touch_probability=touches,
        complete=complete,
    )


def _venue(row: Row, contracts: float, unit_value: float) -> tuple[float | None, float | None]:
    """(initial, maintenance) of the venue's tiers [account currency]."""
    if not row.instrument.margin_tiers or row.fx is None or row.price is None:
        return None, None
    initial, maintenance = tier_margin(abs(contracts) * unit_value / row.fx, row.instrument.margin_tiers)
    return (initial * row.fx if initial is not None else None), maintenance * row.fx


Column = tuple[float | None, ...]


def _liquidations(inputs: EvaluationInputs, columns: BookColumns, contracts: Floats, maintenance: Floats) -> tuple[Column, Column, Column]:
    """Liquidation price, distance and one-day touch probability of each row, the others standing still."""
    total = float(np.nansum(maintenance))
    out: list[tuple[float | None, float | None, float | None]] = []
    for index, row in enumerate(inputs.rows):
        readout, size = columns.states[index].readout, float(contracts[index])
        margined = size != 0.0 and np.isfinite(maintenance[index]) and maintenance[index] > 0.0 and row.instrument.kind is not Kind.OPTION
        if not margined or readout is None or row.price is None or row.fx is None:
            out.append((None, None, None))
            continue
        equity = row.isolated_margin if row.isolated_margin is not None else inputs.account.equity - (total - float(maintenance[index]))
        rate = float(maintenance[index]) / (abs(size) * float(columns.unit_value[index]))
        price = _liquidation_price(row, size, equity / row.fx, rate)
        if price is None:
            out.append((None, None, 0.0))
            continue
        mark = row.price.value
        out.append((price, distance_in_sigmas(mark, price, readout.volatility), touch_probability(mark, price, readout.volatility)))
    return tuple(row[0] for row in out), tuple(row[1] for row in out), tuple(row[2] for row in out)


def _liquidation_price(row: Row, contracts: float, equity_quote: float, rate: float) -> float | None:
    assert row.price is not None
    mark = row.price.value
    if row.instrument.kind is Kind.INVERSE:
        return liquidation_price_inverse(equity_coin=equity_quote / mark, contracts_quote=contracts * row.instrument.contract_multiplier, mark=mark, maintenance_rate=rate)
    tiers = row.instrument.margin_tiers
    table = [(tier.floor, tier.maintenance_rate, tier.maintenance_amount) for tier in tiers] if tiers else [(0.0, rate, 0.0)]
    return liquidation_price_linear(equity_quote=equity_quote, base_quantity=contracts * row.instrument.contract_multiplier, mark=mark, tiers=table)
