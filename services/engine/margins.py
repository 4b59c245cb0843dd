"""Margin of the book: what the model asks, what the venue's tiers ask, where it would be liquidated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.book import Row
from services.core.explain import Bools, Floats
from services.core.instrument import Kind
from services.engine.columns import BookColumns, exact_contracts
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import MarginFigures
from services.margin.assembly import tier_initial, tier_maintenance
from services.margin.liquidation import (
    distance_in_sigmas,
    liquidation_price_linear,
    liquidation_prices_inverse,
    liquidation_prices_linear,
    touch_probability,
)
from services.margin.max_position import notional_at_distance
from services.sizing.pipeline import RowLimits

DAY = SECONDS_PER_DAY / SECONDS_PER_YEAR


def market_volatility(columns: BookColumns) -> Floats:
    """Annual volatility of each row, NaN where unknown."""
    return np.array([state.readout.volatility if state.readout else np.nan for state in columns.states], dtype=float)


def kinds(inputs: EvaluationInputs, kind: Kind) -> Bools:
    """Rows of one kind."""
    return np.array([row.instrument.kind is kind for row in inputs.rows], dtype=bool)


def row_limits(inputs: EvaluationInputs, columns: BookColumns) -> RowLimits:
    """What margin, venue and instrument allow, for the pipeline.

    Notes
    -----
    Rates are those at the largest size that `limits.max_leverage` allows, so that a size add-on is never
    underestimated.
    An owned spot asset is not margined: no margin, no liquidation.
    """
    sizing, policy, margin = columns.sizing, inputs.policy, inputs.policy.margin
    assert sizing is not None
    rates = margin.rates(np.where(sizing.sizable, sizing.volatility, np.nan), venue_floor=_venue_floor(inputs))
    largest = policy.limits.max_leverage * sizing.equity / sizing.unit_value
    initial_long = np.where(kinds(inputs, Kind.SPOT), 0.0, np.minimum(margin.size_addon.rate(rates.long, largest), 1.0))
    initial_short = np.minimum(margin.size_addon.rate(rates.short, largest), margin.cap_short)
    maintenance_long, maintenance_short = (
        initial_long * margin.maintenance_fraction,
        initial_short * margin.maintenance_fraction,
    )
    distance_long = distance_short = np.full(sizing.current.shape, np.inf)
    if policy.limits.min_liquidation_distance > 0.0:
        move = policy.limits.min_liquidation_distance * sizing.volatility * DAY**0.5
        inverse = kinds(inputs, Kind.INVERSE)
        distance_long = np.where(initial_long > 0.0, notional_at_distance(move, maintenance_long, 1, inverse), np.inf)
        distance_short = notional_at_distance(move, maintenance_short, -1, inverse)
    rest = ~sizing.sizable
    fixed = (
        margin_figures(inputs, columns, columns.contracts, open_orders=True, liquidation=False) if rest.any() else None
    )
    return RowLimits(
        initial_long=initial_long,
        initial_short=initial_short,
        maintenance_long=maintenance_long,
        maintenance_short=maintenance_short,
        distance_long=distance_long,
        distance_short=distance_short,
        max_contracts=_max_contracts(inputs, columns),
        fixed_initial=float(np.nansum(fixed.initial[rest])) if fixed else 0.0,
        fixed_maintenance=float(np.nansum(fixed.maintenance[rest])) if fixed else 0.0,
        margin_complete=fixed is None or fixed.complete,
    )


def _venue_floor(inputs: EvaluationInputs) -> Floats:
    """Least initial rate that the venue's leverage limit implies."""
    return np.array(
        [1.0 / row.instrument.max_leverage if row.instrument.max_leverage else 0.0 for row in inputs.rows], dtype=float
    )


def _open_orders(rows: tuple[Row, ...]) -> tuple[Floats, Floats]:
    """Open buys and sells [contracts]."""
    buys = [float(exact_contracts(row, row.open_buys)) if row.open_buys else 0.0 for row in rows]
    sells = [float(exact_contracts(row, row.open_sells)) if row.open_sells else 0.0 for row in rows]
    return np.array(buys), np.array(sells)


def _max_contracts(inputs: EvaluationInputs, columns: BookColumns) -> Floats:
    assert columns.sizing is not None
    sizes = []
    for row, unit_value in zip(inputs.rows, columns.sizing.unit_value, strict=True):
        size = float(row.instrument.max_quantity) if row.instrument.max_quantity is not None else np.inf
        leverage = row.instrument.max_leverage
        sizes.append(min(size, leverage * inputs.account.equity / float(unit_value)) if leverage else size)
    return np.array(sizes, dtype=float)


def margin_figures(
    inputs: EvaluationInputs, columns: BookColumns, contracts: Floats, *, open_orders: bool, liquidation: bool = True
) -> MarginFigures:
    """Margin of `contracts` under the policy's model, beside the venue's figures where tiers are given.

    Parameters
    ----------
    open_orders : bool
        Count open orders on the worse side (the book as it is), or not (the book at target).
    """
    option = kinds(inputs, Kind.OPTION)
    rates = inputs.policy.margin.rates(market_volatility(columns), venue_floor=_venue_floor(inputs))
    buys, sells = _open_orders(inputs.rows) if open_orders else (0.0, 0.0)
    asked = inputs.policy.margin.requirement(
        contracts,
        np.where(option, np.nan, columns.unit_value),
        replace(rates, long=np.where(kinds(inputs, Kind.SPOT), 0.0, rates.long)),
        open_buys=buys,
        open_sells=sells,
    )
    initial, maintenance, method = asked.initial.copy(), asked.maintenance.copy(), list(asked.method_used)
    complete = True
    for index in np.flatnonzero(np.isnan(initial) | np.isnan(maintenance)):
        row = inputs.rows[index]
        given = row.initial_margin is not None and row.maintenance_margin is not None
        initial[index] = row.initial_margin if given else np.nan
        maintenance[index] = row.maintenance_margin if given else np.nan
        method[index] = "given" if given else "unmodelled"
        complete = complete and given
    venue = [
        _venue(row, float(size), float(unit_value))
        for row, size, unit_value in zip(inputs.rows, contracts, columns.unit_value, strict=True)
    ]
    unknown = np.full(contracts.shape, np.nan)
    price, distance, touch = (
        _liquidations(inputs, columns, contracts, maintenance) if liquidation else (unknown, unknown, unknown)
    )
    return MarginFigures(
        initial=initial,
        maintenance=maintenance,
        rate_initial=asked.rate_initial,
        method_used=tuple(method),
        venue_initial=tuple(item[0] for item in venue),
        venue_maintenance=tuple(item[1] for item in venue),
        liquidation_price=price,
        distance_sigma=distance,
        touch_probability=touch,
        complete=complete,
    )


def _venue(row: Row, contracts: float, unit_value: float) -> tuple[float | None, float | None]:
    """(initial, maintenance) of the venue's tiers [account currency]."""
    if not row.instrument.margin_tiers or row.fx is None or row.price is None:
        return None, None
    notional, tiers = abs(contracts) * unit_value / row.fx, row.instrument.margin_tiers
    initial = tier_initial(notional, tiers)
    return (initial * row.fx if initial is not None else None), tier_maintenance(notional, tiers) * row.fx


def _liquidations(
    inputs: EvaluationInputs, columns: BookColumns, contracts: Floats, maintenance: Floats
) -> tuple[Floats, Floats, Floats]:
    """Liquidation price, distance and one-day touch probability of each row, the others standing still; NaN where
    there is none.

    Equity is what is left after the maintenance margin of the other rows, or the margin of an isolated position.
    """
    rows = inputs.rows
    mark = np.array([row.price.value if row.price else np.nan for row in rows])
    multiplier = np.array([row.instrument.contract_multiplier for row in rows])
    fx = np.array([row.fx if row.fx else np.nan for row in rows])
    margined = (contracts != 0.0) & (maintenance > 0.0) & ~kinds(inputs, Kind.OPTION)
    others = np.nansum(maintenance) - np.nan_to_num(maintenance)
    isolated = np.array([np.nan if row.isolated_margin is None else row.isolated_margin for row in rows])
    equity = np.where(np.isnan(isolated), inputs.account.equity - others, isolated) / fx
    held = np.where(margined, contracts, 0.0)
    value = np.where(margined, np.abs(contracts) * columns.unit_value, 1.0)
    rate = np.where(margined, maintenance / value, 0.0)
    inverse = kinds(inputs, Kind.INVERSE)
    price = liquidation_prices_linear(equity, held * multiplier, mark, rate)
    if inverse.any():
        price = np.where(inverse, liquidation_prices_inverse(equity / mark, held * multiplier, mark, rate), price)
    for index in [
        index
        for index, row in enumerate(rows)
        if row.instrument.margin_tiers and margined[index] and not inverse[index]
    ]:
        found = liquidation_price_linear(
            equity_quote=float(equity[index]),
            base_quantity=float(held[index] * multiplier[index]),
            mark=float(mark[index]),
            tiers=[
                (tier.floor, tier.maintenance_rate, tier.maintenance_amount)
                for tier in rows[index].instrument.margin_tiers
            ],
        )
        price[index] = np.nan if found is None else found
    volatility = market_volatility(columns)
    return price, distance_in_sigmas(mark, price, volatility), touch_probability(mark, price, volatility)
