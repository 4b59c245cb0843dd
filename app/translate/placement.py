"""What a schedule says besides its slices: worst prices, the sandwich bound, feedback of the hedge, latency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from app.translate.answer import money, stat
from app.translate.liquidity import pool_depth
from app.translate.one_market import OneMarket
from app.translate.snapshot import CLOCK_SKEW
from models.api.placement import SandwichIn
from models.api.schedule import ScheduleRequest
from services.core.decimals import plain
from services.core.errors import InvalidInput
from services.hedging.execution import Execution
from services.hedging.latency import LatencyBuffer
from services.hedging.price_collar import slice_impact, worst_price
from services.hedging.reflexivity import Reflexivity, ReflexivityDecision, ReflexivityLevel, impact_slope
from services.hedging.sandwich import PoolSide
from services.hedging.slices import LotSlice
from services.hedging.venues import SplitRules
from services.liquidity.depth import Side

DEFAULT_SLIPPAGE_LIMIT = 0.005
BASIS_POINTS = 1e4


class Feedback(NamedTuple):
    """Decision on the feedback of the hedge, with what it was computed of."""

    decision: ReflexivityDecision
    slope: float
    thresholds: Reflexivity


def worst_prices(
    request: ScheduleRequest, market: OneMarket, execution: Execution, slices: Sequence[LotSlice], side: Side
) -> list[Decimal | None]:
    """Worst price of each slice, at the present mark; None without collar or volatility, or where a price decides."""
    collar = request.collar
    if collar is None:
        return [None] * len(slices)
    if market.volatility is None:
        market.notes.warn("worst_price_unknown", "no volatility, so no worst price: send volatility")
        return [None] * len(slices)
    base = market.instrument.base_per_contract(execution.price) * float(market.instrument.lot)
    found: list[Decimal | None] = []
    unknown = False
    for item in slices:
        if item.start is None or item.end is None:
            found.append(None)
            continue
        seconds = item.end - item.start
        impact = slice_impact(execution, item.lots * base, seconds)
        unknown |= impact is None
        width = collar.width(volatility=market.volatility, seconds=seconds, impact=impact or 0.0)
        found.append(worst_price(market.mark, side, width, market.instrument.tick))
    if unknown:
        effect = "worst prices leave no room for the impact of the slice: send impact, or average_daily_volume"
        market.notes.assume("/impact", "0", effect)
    return found


def feedback(request: ScheduleRequest, market: OneMarket, execution: Execution, largest: int) -> Feedback | None:
    """Decision for the book that is hedged; None where no gamma was sent.

    Parameters
    ----------
    largest : int
        Of all slices [lots].

    Raises
    ------
    InvalidInput
        Where nothing says what a unit moves the price.
    """
    if request.net_gamma is None:
        return None
    slope = request.impact_slope
    if slope is None:
        slope = _slope(market, execution, largest)
    thresholds = request.reflexivity or Reflexivity()
    if request.reflexivity is None:
        text = f"warn {thresholds.warn:g}, prefer_option {thresholds.prefer_option:g}, refuse {thresholds.refuse:g}"
        market.notes.assume("/reflexivity", text, "levels of the feedback are judgement, not measured")
    decision = thresholds.decide(request.net_gamma, slope)
    if decision.level is not ReflexivityLevel.OK:
        market.notes.warn("reflexive_hedge", f"gain {decision.gain:.3g}: {decision.consequence}")
    return Feedback(decision, slope, thresholds)


def _slope(market: OneMarket, execution: Execution, largest: int) -> float:
    volume, sigma, impact = execution.average_daily_volume, execution.volatility, execution.impact
    if volume is not None and sigma is not None:
        clip = largest * float(market.instrument.lot) * market.instrument.base_per_contract(execution.price)
        slope = impact_slope(
            clip, price=execution.price, average_daily_volume=volume, daily_volatility=sigma / math.sqrt(365.0)
        )
        effect = "of the largest slice by the square-root law with Y = 1, as if the impact lasted"
    elif impact is not None:
        slope, effect = impact.permanent, "impact.permanent is what a unit moves the price for good"
    else:
        rule = "is needed by net_gamma, or average_daily_volume and volatility, or impact"
        raise InvalidInput("impact_slope", rule, None)
    market.notes.assume("/impact_slope", f"{slope:.6g}", effect)
    return slope


def feedback_row(found: Feedback) -> dict[str, Any]:
    """Decision on the wire."""
    decision = found.decision
    return {
        "level": decision.level,
        "consequence": decision.consequence,
        "gain": stat(decision.gain),
        "amplification": stat(decision.amplification),
        "band_factor": stat(decision.band_factor),
        "impact_slope": stat(found.slope),
        "thresholds": {name: getattr(found.thresholds, name) for name in ("warn", "prefer_option", "refuse")},
    }


def latency_row(request: ScheduleRequest, market: OneMarket) -> dict[str, Any] | None:
    """Buffer for a late hedge; None where none is asked for, or where there is no volatility."""
    if request.latency_seconds is None or request.net_gamma is None:
        return None
    if market.volatility is None:
        market.notes.warn("latency_unknown", "no volatility, so no latency buffer: send volatility")
        return None
    buffer = LatencyBuffer(confidence_factor=request.confidence_factor or LatencyBuffer().confidence_factor)
    if request.confidence_factor is None:
        effect = "the latency buffer provides for a move of 99 % on one side"
        market.notes.assume("/confidence_factor", f"{buffer.confidence_factor:g}", effect)
    cost = buffer.of(request.net_gamma, float(market.mark), market.volatility, request.latency_seconds)
    return {
        "latency_seconds": request.latency_seconds,
        "confidence_factor": buffer.confidence_factor,
        "delta_drift": stat(cost.drift),
        "buffer_delta": stat(cost.delta),
        "buffer_quote": money(cost.quote),
    }


def sandwich_row(request: ScheduleRequest, market: OneMarket, side: Side, largest: int) -> dict[str, Any] | None:
    """Bound for the largest slice as one swap; None where no pool was sent.

    Raises
    ------
    InvalidInput
        For a pool of another symbol, of the future, of a kind that pools do not trade, or empty at its price.
    """
    pool = request.pool
    if pool is None:
        return None
    if pool.symbol != request.symbol:
        raise InvalidInput("pool.symbol", "must be the symbol of the request", pool.symbol)
    if pool.as_of > market.as_of + CLOCK_SKEW:
        rule = f"must not lie after {market.as_of.isoformat()}"
        raise InvalidInput("pool.as_of", rule, pool.as_of.isoformat())
    try:
        seen = pool_depth(pool, market.instrument)
        pool_side = PoolSide.of(seen, side)
    except InvalidInput as error:
        error.parameter = error.parameter if error.parameter == "pool" else f"pool.{error.parameter}"
        raise
    limit, cost, capital = _attacker(request.sandwich, market)
    contracts = largest * market.instrument.lot
    age, oldest = (market.as_of - pool.as_of).total_seconds(), SplitRules().max_age_seconds
    if age > oldest:
        text = f"the pool was so {age:.0f} s before as_of, more than {oldest:.0f} s"
        return _unknown("stale", text, limit, contracts)
    multiplier = market.instrument.contract_multiplier
    # of one unit of the token paid in: a sale pays contracts of base in, valued at the price of the pool
    value = multiplier * (1.0 if side is Side.BUY else float(seen.mid))
    amount = pool_side.needed(float(contracts)) if side is Side.BUY else float(contracts)
    if not math.isfinite(amount):
        return _unknown("no_depth", "the pool holds less than the slice", limit, contracts)
    attack = pool_side.attack(amount, limit, capital / value)
    safest = pool_side.largest_safe(limit, cost / value)
    if attack is None:
        text = "the swaps would leave the range of liquidity at the price, in which the bound is known"
        return _unknown("beyond_range", text, limit, contracts)
    bound, quoted = attack.profit * value, pool_side.quoted(amount)
    per_unit = amount / quoted if side is Side.BUY else quoted / amount
    return {
        "status": "ok",
        "reason": "none",
        "detail": None,
        "slippage_limit": limit,
        "contracts": plain(contracts),
        "bound": money(bound),
        "bound_bps": stat(bound / (float(contracts) * multiplier * float(market.mark)) * BASIS_POINTS),
        "front_run": money(attack.front_run * value),
        "worst_price": money(per_unit / (1.0 - limit) if side is Side.BUY else per_unit * (1.0 - limit)),
        "safe": bound <= cost,
        "safe_slippage": stat(pool_side.safe_slippage(amount, cost / value)),
        "largest_safe_slice": None if safest is None else _whole_lots(pool_side, safest, market, side),
    }


def _whole_lots(pool_side: PoolSide, amount: float, market: OneMarket, side: Side) -> str:
    """Contracts that a swap of this amount trades, in lots rounded down."""
    contracts = pool_side.quoted(amount) if side is Side.BUY else amount
    return plain(int(contracts / float(market.instrument.lot)) * market.instrument.lot)


def _attacker(sandwich: SandwichIn | None, market: OneMarket) -> tuple[float, float, float]:
    """(slippage limit, cost and capital of the attacker in the quote currency)."""
    limit = None if sandwich is None else sandwich.slippage_limit
    cost = None if sandwich is None else sandwich.attacker_cost
    capital = None if sandwich is None else sandwich.attacker_capital
    if limit is None:
        limit, effect = DEFAULT_SLIPPAGE_LIMIT, "a swap fails if it gets 0.5 % less than what the pool quotes before"
        market.notes.assume("/sandwich/slippage_limit", f"{limit:g}", effect)
    if cost is None:
        market.notes.assume("/sandwich/attacker_cost", "0", "an attack that earns anything is taken to be made")
    return limit, float(cost or 0), math.inf if capital is None else float(capital)


def _unknown(reason: str, detail: str, limit: float, contracts: Decimal) -> dict[str, Any]:
    nothing = ("bound", "bound_bps", "front_run", "worst_price", "safe_slippage", "largest_safe_slice")
    return {
        "status": "unknown",
        "reason": reason,
        "detail": detail,
        "slippage_limit": limit,
        "contracts": plain(contracts),
        "safe": False,
        **dict.fromkeys(nothing),
    }
