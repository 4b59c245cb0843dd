"""Margin of the book: what the model asks, what the venue's tiers ask, where it would be liquidated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.book import Row
from services.core.explain import Bools, Floats
from services.core.instrument import Kind
from services.core.outcome import Reason
from services.engine.collateral import maintenance_equity
from services.engine.columns import BookColumns, exact_contracts
from services.engine.costs import daily_volumes, open_interest
from services.engine.inputs import EvaluationInputs
from services.engine.margin_rates import margin_rates, market_volatility
from services.engine.outputs import MarginFigures
from services.engine.portfolio_margin import (
    portfolio_liquidations,
    portfolio_margin,
    row_liquidations,
    with_open_orders,
)
from services.liquidity.markets import of_market
from services.margin.assembly import CAP_LONG, tier_initial, tier_maintenance
from services.margin.liquidation import (
    distance_in_sigmas,
    liquidation_price_linear,
    liquidation_prices_linear,
    touch_probability,
)
from services.margin.max_position import notional_at_distance
from services.margin.root_scan import LiquidationPrices
from services.margin.size_addons import MarketSize, maintenance_rate
from services.sizing.pipeline import RowLimits

DAY = SECONDS_PER_DAY / SECONDS_PER_YEAR
FAR_MOVE = 50.0
"""Log return beyond which a distance is that far away: its exponential stays a number."""


def kinds(inputs: EvaluationInputs, kind: Kind) -> Bools:
    """Rows of one kind."""
    return np.array([row.instrument.kind is kind for row in inputs.rows], dtype=bool)


def row_limits(inputs: EvaluationInputs, columns: BookColumns) -> RowLimits:
    """What margin, venue and instrument allow, for the pipeline.

    Notes
    -----
    Rates are those at the largest size that `limits.max_leverage` allows, the venue's tiers included, so that neither a
    size add-on nor a tier is underestimated. An owned spot asset is not margined: no margin, no liquidation.
    """
    sizing, policy, margin = columns.sizing, inputs.policy, inputs.policy.margin
    assert sizing is not None
    largest = policy.limits.max_leverage * sizing.equity / sizing.unit_value
    floor, tier_maintenance_rate = _venue_rates(inputs, largest * sizing.unit_value)
    volatility = np.where(sizing.sizable, sizing.volatility, np.nan)
    rates = margin_rates(inputs, columns, venue_floor=floor, volatility=volatility)
    market, spot = market_sizes(inputs, columns), kinds(inputs, Kind.SPOT)
    addon, caps = margin.size_addon, (CAP_LONG, margin.cap_short)
    long, short = (
        np.minimum(addon.rate(rate, largest, market), cap)
        for rate, cap in zip((rates.long, rates.short), caps, strict=True)
    )
    kept_long, kept_short = (
        np.minimum(maintenance_rate(addon, rate, largest, market), cap) * margin.maintenance_fraction
        for rate, cap in zip((rates.long, rates.short), caps, strict=True)
    )
    initial_long, initial_short = np.where(spot, 0.0, long), short
    maintenance_long = np.maximum(np.where(spot, 0.0, kept_long), tier_maintenance_rate)
    maintenance_short = np.maximum(kept_short, tier_maintenance_rate)
    distance_long = distance_short = np.full(sizing.current.shape, np.inf)
    if policy.limits.min_liquidation_distance > 0.0:
        move = policy.limits.min_liquidation_distance * sizing.volatility * DAY**0.5
        distance_long = np.where(initial_long > 0.0, _at_distance(inputs, columns, move, maintenance_long, 1), np.inf)
        distance_short = _at_distance(inputs, columns, move, maintenance_short, -1)
    rest = ~sizing.sizable
    fixed = _fixed(inputs, columns, rest) if rest.any() else (0.0, 0.0, True)
    return RowLimits(
        initial_long=initial_long,
        initial_short=initial_short,
        maintenance_long=maintenance_long,
        maintenance_short=maintenance_short,
        distance_long=distance_long,
        distance_short=distance_short,
        max_contracts=_max_quantities(inputs),
        max_leverage_contracts=_max_leverages(inputs) * sizing.equity / sizing.unit_value,
        isolated=isolated_margins(inputs),
        fixed_initial=fixed[0],
        fixed_maintenance=fixed[1],
        margin_complete=fixed[2] and (columns.backing is None or columns.backing.complete),
        wallet_use=policy.limits.max_margin_use if inputs.account.margin_mode == "isolated" else None,
        **_uncounted(inputs, columns),
    )


def _fixed(inputs: EvaluationInputs, columns: BookColumns, rest: Bools) -> tuple[float, float, bool]:
    """Initial and maintenance margin of what is not resized [account currency], and whether all of it is known."""
    if inputs.account.margin_mode == "portfolio":
        alone = portfolio_margin(inputs, columns, np.where(rest, columns.contracts, 0.0), must_shrink=True)
        return alone.initial, alone.maintenance, alone.complete
    found = margin_figures(inputs, columns, columns.contracts, open_orders=True, liquidation=False)
    return float(np.nansum(found.initial[rest])), float(np.nansum(found.maintenance[rest])), found.complete


def _uncounted(inputs: EvaluationInputs, columns: BookColumns) -> dict[str, Any]:
    """Equity that margin does not count, and what coin that backs rows loses over the distance of the limits."""
    backing, sizing = columns.backing, columns.sizing
    if backing is None or sizing is None:
        return {}
    move = inputs.policy.limits.min_liquidation_distance * sizing.volatility * DAY**0.5
    move = np.minimum(move, FAR_MOVE)
    linear = ~(kinds(inputs, Kind.INVERSE) | kinds(inputs, Kind.SPOT))
    price = np.array([row.price.value * row.fx if row.price and row.fx else 0.0 for row in inputs.rows], dtype=float)
    coins = np.array([backing.coins_to_keep(row.instrument.base_currency or "") for row in inputs.rows], dtype=float)
    worth = np.where(linear, coins * price, 0.0)
    return {
        "uncounted_initial": backing.demanded_initial,
        "uncounted_maintenance": backing.demanded_maintenance,
        "opening_initial": backing.equity - backing.equity_initial,
        "opening_maintenance": backing.equity - backing.equity_maintenance,
        "coin_loss_long": np.maximum(worth, 0.0) * -np.expm1(-move),
        "coin_loss_short": np.maximum(-worth, 0.0) * np.expm1(move),
    }


def _at_distance(
    inputs: EvaluationInputs, columns: BookColumns, move: Floats, maintenance: Floats, side: int
) -> Floats:
    """Notional over equity whose liquidation lies a log return of `move` away.

    An inverse position that is backed by its own coin loses coin as the price falls; backed by the account currency it
    pays ``Q (P/S − 1)`` like a linear one, but its maintenance margin stays ``m Q``: long ``1 / (1 − e^{−x} + m)``,
    short ``1 / (e^x − 1 + m)``. Where both kinds of equity are there, the smaller size holds.
    """
    inverse = kinds(inputs, Kind.INVERSE)
    linear = notional_at_distance(move, maintenance, side, False)
    if not inverse.any():
        return linear
    coin = notional_at_distance(move, maintenance, side, True)
    cash = 1.0 / (np.abs(np.expm1(-side * move)) + maintenance)
    backed = coin_backing(inputs, columns) > 0.0
    return np.where(inverse, np.where(backed, np.minimum(coin, cash), cash), linear)


def coin_backing(inputs: EvaluationInputs, columns: BookColumns) -> Floats:
    """Coins of each row's own base that back the account [base units]: what is left of them after the haircut for
    maintenance margin, owed ones in full.
    """
    backing, bases = columns.backing, [row.instrument.base_currency or "" for row in inputs.rows]
    if backing is not None:
        return np.array([backing.coins(base) for base in bases], dtype=float)
    amounts: dict[str, float] = {}
    for balance in inputs.account.collateral:
        amounts[balance.asset] = amounts.get(balance.asset, 0.0) + balance.amount
    return np.array([amounts.get(base, 0.0) for base in bases], dtype=float)


def isolated_margins(inputs: EvaluationInputs) -> Floats:
    """Margin of isolated positions [account currency]; NaN for cross."""
    given = [np.nan if row.isolated_margin is None else row.isolated_margin for row in inputs.rows]
    return np.array(given, dtype=float)


def market_sizes(inputs: EvaluationInputs, columns: BookColumns) -> MarketSize:
    """Open interest and daily volume of each row's market as `flow[]` has them [contracts]; NaN where unknown."""
    found = [of_market(inputs.flows, row.symbol, row.venue) for row in inputs.rows]
    interest = [open_interest(row, flow) for row, flow in zip(inputs.rows, found, strict=True)]
    return MarketSize(
        open_interest=np.array([np.nan if value is None else value for value in interest], dtype=float),
        daily_volume=daily_volumes(inputs),
        value=columns.unit_value,
    )


def _venue_rates(inputs: EvaluationInputs, notional: Floats) -> tuple[Floats, Floats]:
    """Initial and maintenance rates that the venue asks at a notional [account currency]: leverage limit and tiers."""
    initial, maintenance = np.zeros(len(inputs.rows)), np.zeros(len(inputs.rows))
    for index, row in enumerate(inputs.rows):
        tiers, leverage = row.instrument.margin_tiers, row.instrument.max_leverage
        initial[index] = 1.0 / leverage if leverage else 0.0
        if tiers and row.fx:
            size = max(float(notional[index]) / row.fx, 1e-12)
            maintenance[index] = tier_maintenance(size, tiers) / size
            initial[index] = max(float(initial[index]), (tier_initial(size, tiers) or 0.0) / size, maintenance[index])
    return initial, maintenance


def _open_orders(rows: tuple[Row, ...]) -> tuple[Floats, Floats]:
    """Open buys and sells [contracts]."""
    buys = [float(exact_contracts(row, row.open_buys)) if row.open_buys else 0.0 for row in rows]
    sells = [float(exact_contracts(row, row.open_sells)) if row.open_sells else 0.0 for row in rows]
    return np.array(buys), np.array(sells)


def _max_quantities(inputs: EvaluationInputs) -> Floats:
    """Largest position that the instrument allows [contracts]."""
    sizes = [row.instrument.max_quantity for row in inputs.rows]
    return np.array([np.inf if size is None else float(size) for size in sizes], dtype=float)


def _max_leverages(inputs: EvaluationInputs) -> Floats:
    """Largest |notional| / equity of each row: the venue's limit; 1 for a spot asset without one."""
    limits = [
        row.instrument.max_leverage or (1.0 if row.instrument.kind is Kind.SPOT else np.inf) for row in inputs.rows
    ]
    return np.array(limits, dtype=float)


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
    expired = np.array([row.problem is Reason.EXPIRED for row in inputs.rows], dtype=bool)
    contracts = np.where(expired, 0.0, contracts)
    leverage = [row.instrument.max_leverage for row in inputs.rows]
    floor = np.array([1.0 / limit if limit else 0.0 for limit in leverage], dtype=float)
    rates = margin_rates(inputs, columns, venue_floor=floor)
    buys, sells = _open_orders(inputs.rows) if open_orders else (0.0, 0.0)
    asked = inputs.policy.margin.requirement(
        contracts,
        np.where(option, np.nan, columns.unit_value),
        replace(rates, long=np.where(kinds(inputs, Kind.SPOT), 0.0, rates.long)),
        open_buys=buys,
        open_sells=sells,
        market=market_sizes(inputs, columns),
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
    whole = None
    if inputs.account.margin_mode == "portfolio":
        changes = (buys, sells) if open_orders else (0.0, 0.0)
        whole = with_open_orders(inputs, columns, contracts, *changes)
    unknown = np.full(contracts.shape, np.nan)
    price, distance, touch, by_underlying = unknown, unknown, unknown, tuple[LiquidationPrices, ...]()
    if liquidation:
        if whole is None:
            price = _liquidations(inputs, columns, contracts, maintenance)
        else:
            by_underlying = portfolio_liquidations(inputs, columns, whole)
            price = row_liquidations(inputs, whole, by_underlying)
        mark = np.array([row.price.value if row.price else np.nan for row in inputs.rows])
        volatility = market_volatility(columns)
        distance = distance_in_sigmas(mark, price, volatility)
        touch = touch_probability(mark, price, volatility)
    return MarginFigures(
        initial=initial,
        maintenance=maintenance,
        rate_initial=asked.rate_initial,
        method_used=tuple(method),
        smoothed=rates.smoothed,
        venue_initial=tuple(item[0] for item in venue),
        venue_maintenance=tuple(item[1] for item in venue),
        liquidation_price=price,
        distance_sigma=distance,
        touch_probability=touch,
        complete=complete if whole is None else whole.complete,
        portfolio=whole,
        liquidations=by_underlying,
    )


def _venue(row: Row, contracts: float, unit_value: float) -> tuple[float | None, float | None]:
    """(initial, maintenance) of the venue's tiers [account currency]."""
    if not row.instrument.margin_tiers or row.fx is None or row.price is None:
        return None, None
    notional, tiers = abs(contracts) * unit_value / row.fx, row.instrument.margin_tiers
    initial = tier_initial(notional, tiers)
    return (initial * row.fx if initial is not None else None), tier_maintenance(notional, tiers) * row.fx


def _liquidations(inputs: EvaluationInputs, columns: BookColumns, contracts: Floats, maintenance: Floats) -> Floats:
    """Liquidation price of each row, the others standing still; NaN where there is none.

    Equity of a cross row is that of the account, collateral after its haircut, less the maintenance of the other cross
    rows and less the margins that isolated positions have locked away; that of an isolated row is its own margin.
    """
    rows = inputs.rows
    mark = np.array([row.price.value if row.price else np.nan for row in rows])
    multiplier = np.array([row.instrument.contract_multiplier for row in rows])
    fx = np.array([row.fx if row.fx else np.nan for row in rows])
    margined = (contracts != 0.0) & (maintenance > 0.0) & ~kinds(inputs, Kind.OPTION) & np.isfinite(columns.unit_value)
    isolated = isolated_margins(inputs)
    cross = np.where(np.isnan(isolated), np.nan_to_num(maintenance), 0.0)
    shared = maintenance_equity(inputs, columns) - np.nansum(isolated) - (cross.sum() - cross)
    equity = np.where(np.isnan(isolated), shared, isolated) / fx
    held = np.where(margined, contracts, 0.0)
    value = np.where(margined, np.abs(contracts) * columns.unit_value, 1.0)
    rate = np.where(margined, maintenance / value, 0.0)
    price = liquidation_prices_linear(equity, held * multiplier, mark, rate)
    coins = np.where(np.isnan(isolated), coin_backing(inputs, columns), 0.0)
    own = np.array([bool(row.instrument.margin_tiers) or row.instrument.kind is Kind.INVERSE for row in rows], bool)
    for index in np.flatnonzero(margined & (own | (coins != 0.0))):
        price[index] = _row_liquidation(
            rows[index], float(equity[index]), float(held[index]), float(rate[index]), float(coins[index])
        )
    return price


def _row_liquidation(row: Row, equity_quote: float, contracts: float, rate: float, coins: float) -> float:
    """Liquidation price of a row with tiers, coin collateral or inverse pay-off; NaN for none.

    An inverse position of Q quote units is worth ``Q/S · (P − S)`` in quote units at P, and its maintenance margin is
    ``m |Q|`` at every price: with C coins of collateral, ``P = S + (m |Q| − E) / (Q/S + C)``.
    """
    assert row.price is not None
    inverse = row.instrument.kind is Kind.INVERSE
    tiers = [(tier.floor, tier.maintenance_rate, tier.maintenance_amount) for tier in row.instrument.margin_tiers]
    found = liquidation_price_linear(
        equity_quote=equity_quote,
        base_quantity=contracts * row.instrument.base_per_contract(row.price.value),
        mark=row.price.value,
        tiers=tiers or [(0.0, rate, 0.0)],
        collateral_base=coins,
        maintenance_basis="entry" if inverse else "price",
        entry_price=row.price.value if inverse else None,
    )
    return np.nan if found is None else found
