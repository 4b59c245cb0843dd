"""An evaluation as an answer of the wire: numbers become strings here, and nowhere else.

Answers are built as plain dictionaries and written by orjson: validating 40 kB of our own output on every request
would cost
more than computing it. The contract tests validate every kind of answer against its response model instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from services.core.book import Row
from services.core.decimals import decimal_text, plain
from services.core.explain import Limit, Step
from services.core.instrument import Instrument, Kind, QuantityUnit
from services.core.outcome import Status
from services.engine.collateral import initial_equity, maintenance_equity
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Evaluation, MarginFigures, Order, Target, UnderlyingGreeks
from services.engine.tracking import TrackingFigures
from services.liquidity.costs import CostColumns
from services.margin.smoothing import SmoothedRates
from services.options.exposures import Exposure
from services.sizing.abilities import Survival
from services.volatility.readout import VolatilityReadout

STEP_DIGITS = 10
NOT_A_FACTOR = frozenset({"buffer", "rounding", "collateral"})


def stat(value: float | None) -> float | None:
    """Statistic with eight significant digits; None for what is unknown."""
    return None if value is None or not math.isfinite(value) else number(float(f"{value:.8g}"))


def number(value: float) -> float:
    """Number with all its digits; a zero without a sign, which tells a reader nothing and is no equal of "0"."""
    return value + 0.0


def money(value: float | None) -> str | None:
    """Amount as a decimal string; None for what is unknown."""
    return None if value is None or not math.isfinite(value) else decimal_text(value)


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def in_unit(row: Row, contracts: Decimal) -> Decimal:
    """Contracts in the unit in which the client counts."""
    if row.counts_contracts or row.price is None or not contracts:
        return contracts
    return counted(row.instrument, row.unit, Decimal(repr(row.price.value)), contracts)


def counted(instrument: Instrument, unit: QuantityUnit, price: Decimal, contracts: Decimal) -> Decimal:
    """Contracts in another unit; exact, or to 12 digits where a price divides or multiplies."""
    multiplier, inverse = Decimal(repr(instrument.contract_multiplier)), instrument.kind is Kind.INVERSE
    if unit is QuantityUnit.CONTRACTS or not contracts:
        return contracts
    if unit is QuantityUnit.BASE:
        return _significant(contracts * multiplier / price) if inverse else contracts * multiplier
    return contracts * multiplier if inverse else _significant(contracts * multiplier * price)


def _significant(value: Decimal) -> Decimal:
    return Decimal(f"{value:.12g}")


def quantity(row: Row, contracts: Decimal, held: Decimal) -> str:
    """Quantity text; a row that does not move gives back the client's own digits."""
    return (
        plain(row.quantity)
        if contracts == held and not row.open_buys and not row.open_sells
        else plain(in_unit(row, contracts))
    )


def identity(row: Row) -> dict[str, Any]:
    """Symbol, and venue, account and side where given."""
    named = {"symbol": row.symbol}
    if row.venue:
        named["venue"] = row.venue
    if row.account_id:
        named["account_id"] = row.account_id
    if row.position_side:
        named["position_side"] = row.position_side
    return named


def target_rows(
    inputs: EvaluationInputs, result: Evaluation, *, full: bool, explain: bool, traded: bool = False
) -> list[dict[str, Any]]:
    """targets[] of an answer; `traded`: its costs also say of what notional they are, for fills to be compared with."""
    rows = []
    contributions = result.portfolio.risk_contributions
    weights = _weights(inputs, result)
    for index, (row, target) in enumerate(zip(inputs.rows, result.targets, strict=True)):
        out = _target_head(row, target)
        if target.target is not None and weights[index] is not None:
            out["weight"] = stat(weights[index])
            if result.capacity is not None and math.isfinite(result.capacity.scalar[index]):
                out["scalar"] = stat(result.capacity.scalar[index])
        if full:
            _target_detail(out, inputs, result, index, traded=traded)
            if contributions is not None:
                out["risk_contribution"] = stat(contributions[index])
            if explain and result.trail is not None and target.status is not Status.REFUSED:
                steps = result.trail.steps(index)
                out["binding"] = _binding(result.trail.row_limits(index), steps, target)
                out["steps"] = steps_out(steps)
                if result.overlays:
                    out["overlays"] = _overlays(result, index)
        rows.append(out)
    return rows


def _target_head(row: Row, target: Target) -> dict[str, Any]:
    out = identity(row)
    out["status"], out["action"], out["permission"], out["reason"] = (
        target.status,
        target.action,
        target.permission,
        target.reason,
    )
    if target.detail:
        out["detail"] = target.detail
    out["quantity_unit"] = row.unit
    out["current_quantity"] = plain(row.quantity)
    out["target_quantity"] = None if target.target is None else quantity(row, target.target, target.current)
    out["order_quantity"] = None if target.order is None else plain(in_unit(row, target.order))
    if target.dust:
        out["dust"] = True
    return out


def _target_detail(
    out: dict[str, Any], inputs: EvaluationInputs, result: Evaluation, index: int, *, traded: bool
) -> None:
    row, target = inputs.rows[index], result.targets[index]
    if row.price is not None:
        out["price_used"] = {
            "value": decimal_text(row.price.value),
            "source": row.price.source,
            "age_seconds": stat(row.price.age_seconds),
        }
        if target.target is not None:
            contracts = float(target.target)
            out["target_contracts"] = plain(target.target)
            notional = money(contracts * float(result.columns.unit_value[index]))
            if row.instrument.kind is not Kind.QUANTO:
                out["target_base"] = decimal_text(contracts * row.instrument.base_per_contract(row.price.value))
            if notional is not None:
                out["target_notional"] = notional
    long, short = (result.capacity.long[index], result.capacity.short[index]) if result.capacity else (None, None)
    if long is not None and short is not None:
        out["capacity"] = {
            "long": plain(in_unit(row, long)),
            "short": plain(in_unit(row, short)),
        }
    skew = result.quote_skew
    if skew is not None and math.isfinite(skew.bid[index]):
        out["quote_skew"] = {"bid": stat(float(skew.bid[index])), "ask": stat(float(skew.ask[index]))}
    if result.costs is not None and target.legs:
        out["expected_cost"] = _cost(result.costs, index, traded=traded)
    baseline = result.baseline[index] if result.baseline is not None else None
    if baseline is not None:
        out["baseline_quantity"] = plain(in_unit(row, baseline))
    readout = result.columns.states[index].readout
    if readout is not None:
        out["volatility"] = volatility_block(readout)
        shocks = result.columns.sizing.shocks if result.columns.sizing is not None else None
        if shocks is not None and shocks[index].any():
            total = math.hypot(readout.volatility, *shocks[index].tolist())
            out["volatility"] = {**out["volatility"], "event_volatility": stat(total)}


@lru_cache(maxsize=8192)
def volatility_block(readout: VolatilityReadout) -> dict[str, Any]:
    """Readout of a market; the same dictionary for the same readout, to be read only."""
    return {
        "annual": stat(readout.volatility),
        "forecast": stat(readout.forecast),
        "calibration": stat(readout.calibration),
        "long_run": stat(readout.long_run),
        "floor": stat(readout.floor),
        "method": readout.method,
        "effective_half_life": stat(readout.effective_half_life),
        "confidence": stat(readout.confidence),
        "maturity": readout.maturity,
        "observations": readout.observations,
        "periods_per_year": readout.periods_per_year,
        "source": readout.source,
        "data_as_of": time_text(readout.last_close_at),
    }


def steps_out(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Stages as text; the `in` of each is the `out` of the one before it, to the digit."""
    rows, text = [], decimal_text(steps[0].before, STEP_DIGITS) if steps else ""
    for step in steps:
        out: dict[str, Any] = {"stage": step.stage, "in": text}
        text = decimal_text(step.after, 12 if step.stage == "rounding" else STEP_DIGITS)
        out["out"], out["parameter"] = text, step.parameter
        if step.bound:
            out["bound_by"] = step.parameter
        elif step.factor is not None and step.stage not in NOT_A_FACTOR:
            out["factor"] = stat(step.factor)
        rows.append(out)
    return rows


def _cost(costs: CostColumns, index: int, *, traded: bool) -> dict[str, Any]:
    names = (*(("notional",) if traded else ()), "fee", "spread", "impact", "gas", "total")
    parts = {name: money(float(getattr(costs, name)[index])) for name in names}
    return {**parts, "impact_known": bool(costs.impact_known[index])}


def _overlays(result: Evaluation, index: int) -> list[dict[str, Any]]:
    rows = []
    for item in result.overlays:
        effect = item.effect
        out: dict[str, Any] = {"overlay": item.method, "acts_on": item.acts_on}
        out["multiplier"] = stat(float(item.multiplier[index]))
        if effect.detail[index]:
            out["detail"] = effect.detail[index]
        if effect.missing[index]:
            out["data_missing"] = True
        if effect.blocked[index]:
            out["increase_blocked"] = True
        rows.append(out)
    return rows


def _binding(limits: Sequence[Limit], steps: Sequence[Step], target: Target) -> list[dict[str, Any]]:
    size = abs(float(target.target)) if target.target is not None else 0.0
    if not limits:
        return []
    bound = {step.stage for step in steps if step.bound}
    tightest = next((limit for limit in limits if limit.stage in bound), limits[0])
    following = next((limit for limit in limits if limit.allowed >= tightest.allowed and limit is not tightest), None)
    out: dict[str, Any] = {
        "stage": tightest.stage,
        "parameter": tightest.parameter,
        "slack": decimal_text(max(tightest.allowed - size, 0.0)),
    }
    if following is not None:
        out["next"] = {
            "stage": following.stage,
            "parameter": following.parameter,
            "allowed": decimal_text(following.allowed),
        }
    return [out]


def _weights(inputs: EvaluationInputs, result: Evaluation) -> list[float | None]:
    equity = inputs.account.equity
    if equity <= 0:
        return [None] * len(result.targets)
    final = [float(target.target) if target.target is not None else math.nan for target in result.targets]
    return [
        value if math.isfinite(value) else None
        for value in (np.array(final) * result.columns.unit_value / equity).tolist()
    ]


def order_rows(inputs: EvaluationInputs, orders: Sequence[Order]) -> list[dict[str, Any]]:
    """orders[] of an answer."""
    rows = []
    moments = {order.valid_until: time_text(order.valid_until) for order in orders}
    for order in orders:
        row, size = inputs.rows[order.row], abs(order.contracts)
        out: dict[str, Any] = {
            "client_order_id": order.client_order_id,
            "sequence": order.sequence,
            "bundle_id": order.bundle_id,
            "symbol": row.symbol,
        }
        if row.venue:
            out["venue"] = row.venue
        if row.account_id:
            out["account_id"] = row.account_id
        if row.position_side:
            out["position_side"] = row.position_side
        out["side"] = "buy" if order.contracts > 0 else "sell"
        out["quantity"], out["quantity_unit"], out["contracts"] = plain(in_unit(row, size)), row.unit, plain(size)
        out["reduce_only"], out["limit_price"] = order.reduce_only, plain(order.limit_price)
        out["time_in_force"], out["valid_until"] = inputs.policy.orders.time_in_force, moments[order.valid_until]
        rows.append(out)
    return rows


def margin_block(inputs: EvaluationInputs, figures: MarginFigures, columns: BookColumns) -> dict[str, Any]:
    """Margin of one book, against the equity that counts for it."""
    for_initial, for_maintenance = initial_equity(inputs, columns), maintenance_equity(inputs, columns)
    initial, maintenance = figures.total_initial, figures.total_maintenance
    return {
        "currency": inputs.account.currency,
        "initial": money(initial),
        "maintenance": money(maintenance),
        "initial_to_equity": stat(initial / for_initial) if for_initial > 0 else None,
        "maintenance_to_equity": stat(maintenance / for_maintenance) if for_maintenance > 0 else None,
        "complete": figures.complete,
        "method_used": sorted(set(figures.method_used)),
        "per_position": [_position_margin(row, figures, columns, index) for index, row in enumerate(inputs.rows)],
    }


def _position_margin(row: Row, figures: MarginFigures, columns: BookColumns, index: int) -> dict[str, Any]:
    out = identity(row)
    out["initial"], out["maintenance"] = money(float(figures.initial[index])), money(float(figures.maintenance[index]))
    out["rate_initial"], out["method_used"] = stat(float(figures.rate_initial[index])), figures.method_used[index]
    if columns.tightening is not None:
        out["contagion_multiplier"] = stat(float(columns.tightening.rows[index]))
    venue = figures.venue_maintenance[index]
    if venue is not None:
        out["venue_figures"] = {"initial": money(figures.venue_initial[index]), "maintenance": money(venue)}
    price = float(figures.liquidation_price[index])
    if math.isfinite(price):
        out["liquidation"] = {
            "price": decimal_text(price),
            "distance_sigma": stat(float(figures.distance_sigma[index])),
            "touch_probability": stat(float(figures.touch_probability[index])),
            "basis": "venue" if row.instrument.margin_tiers else "model",
        }
    if figures.smoothed is not None:
        out["procyclicality"] = smoothed_block(figures.smoothed, index)
    return out


def smoothed_block(sides: tuple[SmoothedRates, SmoothedRates], place: int) -> dict[str, Any]:
    """Rates of one row under rules against procyclicality, on both sides."""
    return {
        name: {field: stat(float(getattr(side, field)[place])) for field in side._fields}
        for name, side in zip(("long", "short"), sides, strict=True)
    }


def portfolio_block(result: Evaluation) -> dict[str, Any]:
    """Figures of the whole book."""
    figures = result.portfolio
    return {
        "forecast_volatility": stat(figures.forecast_volatility),
        "current_volatility": stat(figures.current_volatility),
        "target_volatility": figures.target_volatility,
        "exposure_multiplier": stat(figures.exposure_multiplier),
        "gross_leverage": stat(figures.gross_leverage),
        "net_leverage": stat(figures.net_leverage),
        "value_at_risk": money(figures.value_at_risk),
        "expected_shortfall": money(figures.expected_shortfall),
        "diversification": stat(figures.diversification),
        "correlation": result.market.source,
        "baseline_gross_leverage": figures.baseline_gross_leverage,
        **({"tracking": _tracking(result.tracking)} if result.tracking is not None else {}),
        **({"survival": _survival(figures.survival)} if figures.survival is not None else {}),
        **({"greeks": [_greeks(found) for found in figures.greeks]} if figures.greeks else {}),
    }


def _greeks(found: UnderlyingGreeks) -> dict[str, Any]:
    return {
        "underlying": found.underlying,
        "complete": not found.unknown,
        "unknown": list(found.unknown),
        "collateral": stat(found.collateral),
        "net_delta_coin": stat(found.exposure.delta_coin),
        "net_delta_usd_view": stat(found.net_delta_usd_view),
        "greeks": exposure_row(found.exposure),
    }


def exposure_row(exposure: Exposure) -> dict[str, float | None]:
    """Greeks of an answer."""
    return {item.name: stat(getattr(exposure, item.name)) for item in fields(Exposure)}


def _survival(found: Survival) -> dict[str, Any]:
    return {
        "method": found.method,
        "level": stat(found.level),
        "probability_of_drawdown": stat(found.probability),
        "horizon": found.horizon,
        "growth_share": stat(found.growth_share),
        "basis": found.basis,
    }


def _tracking(figures: TrackingFigures) -> dict[str, Any]:
    return {
        "realized_volatility": stat(figures.realized_volatility),
        "bars": figures.bars,
        "error": stat(figures.error),
        "factor": stat(figures.factor),
    }
