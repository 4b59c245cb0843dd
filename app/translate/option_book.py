"""A posted book as one of the core, and what the core says of it as an answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import numpy as np

from app.translate.answer import exposure_row, number, stat, time_text
from app.translate.notes import Notes
from models.api.option_book import (
    ConstantProductIn,
    LinearPositionIn,
    LiquidityPositionIn,
    OptionPositionIn,
    OwnLadderIn,
    OwnPositionIn,
    PositionIn,
    PriceLadderRequest,
    UnderlyingIn,
)
from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.engine.option_book import (
    BookPosition,
    BookRisk,
    ExplainedBook,
    Ladder,
    PooledLeg,
    PoolFigures,
    Underlying,
    UnderlyingRisk,
    reference_price,
)
from services.liquidity.positions import LiquidityPosition
from services.options.exposures import MONEY_FIELDS, Exposure
from services.options.ladder import DEFAULT_SPOT_SHOCKS, DEFAULT_VOLATILITY_SHOCKS, LadderGrid
from services.options.portfolio_greeks import LegGreeks, OptionLeg
from services.options.positions import Leg, LinearLeg, OwnLeg, Scenarios
from services.options.profit_explain import LINES, CashFlows, ProfitLines, Trade

UNITS = {
    "coin": "base units of the underlying",
    "usd": "the quote currency, `currency`",
    "vega": "per volatility point, 0.01",
    "theta": "per calendar day",
    "gamma_1pct": "change of delta when the price moves 1 %",
    "time": "ACT/365, years of 31,536,000 seconds",
    "shocks": "fractions: of the price, and of implied volatility at 30 days and longer",
}


@dataclass(slots=True)
class Book:
    """A snapshot of the core: what can be computed, what has expired, and what nothing is known of.

    `expired` positions have no Greeks and are in no ladder; since an earlier snapshot they still have a profit.
    """

    positions: list[BookPosition] = field(default_factory=list)
    expired: list[BookPosition] = field(default_factory=list)
    blind: dict[str, PositionIn] = field(default_factory=dict)
    underlyings: dict[str, Underlying] = field(default_factory=dict)


def book_of(positions: Sequence[PositionIn], underlyings: Iterable[UnderlyingIn], as_of: datetime) -> Book:
    """Book at a moment."""
    book = Book(underlyings={item.underlying: _underlying(item) for item in underlyings})
    for item in positions:
        leg = _leg(item, as_of)
        if leg is None:
            book.blind[item.symbol] = item
            continue
        position = BookPosition(
            symbol=item.symbol, underlying=item.underlying, leg=leg, trades=_trades(item), cash=_cash(item)
        )
        over = not isinstance(leg, PooledLeg) and leg.time_to_expiry is not None and leg.time_to_expiry <= 0.0
        (book.expired if over else book.positions).append(position)
    return book


def prices_of(book: Book) -> dict[str, float]:
    """Price of every underlying of a snapshot that has one."""
    legs: dict[str, list[Leg]] = {name: [] for name in book.underlyings}
    for item in book.positions:
        legs.setdefault(item.underlying, []).append(item.plain_leg())
    found = {name: reference_price(book.underlyings.get(name, Underlying()), own)[0] for name, own in legs.items()}
    return {name: price for name, price in found.items() if price is not None}


def grid_of(request: PriceLadderRequest, notes: Notes) -> LadderGrid:
    """Scenarios of a request."""
    for name, default in (("spot_shocks", DEFAULT_SPOT_SHOCKS), ("volatility_shocks", DEFAULT_VOLATILITY_SHOCKS)):
        if getattr(request, name) is None:
            notes.assume(f"/{name}", ", ".join(f"{shock:g}" for shock in default), "the scenarios of the ladder")
    return LadderGrid(
        spot_shocks=np.array(request.spot_shocks or DEFAULT_SPOT_SHOCKS, dtype=np.float64),
        volatility_shocks=np.array(request.volatility_shocks or DEFAULT_VOLATILITY_SHOCKS, dtype=np.float64),
        stickiness=request.stickiness,
        days_forward=request.days_forward,
    )


def _leg(item: PositionIn, as_of: datetime) -> Leg | PooledLeg | None:
    if isinstance(item, OptionPositionIn):
        return _option(item, as_of)
    if isinstance(item, LinearPositionIn):
        return LinearLeg(
            kind=item.kind,
            quantity=float(item.quantity),
            multiplier=float(item.multiplier),
            price=float(item.mark_price),
            time_to_expiry=_years(item.expiry, as_of),
        )
    return _pooled(item) if isinstance(item, LiquidityPositionIn) else _own(item, as_of)


def _option(item: OptionPositionIn, as_of: datetime) -> OptionLeg | None:
    time = item.terms.years(as_of)
    if item.implied_volatility is None and time > 0.0:
        return None
    return OptionLeg(
        quantity=float(item.quantity),
        multiplier=float(item.multiplier),
        right=item.terms.sign,
        strike=float(item.terms.strike),
        forward=float(item.terms.forward),
        time_to_expiry=time,
        volatility=item.implied_volatility or 0.0,
        discount=item.terms.discount,
        coin_settled=item.terms.settlement == "inverse",
        averaged_settlement=item.averaged_settlement,
        skew=item.skew,
    )


def _pooled(item: LiquidityPositionIn) -> PooledLeg:
    pool = item.pool
    if isinstance(pool, ConstantProductIn):
        position = LiquidityPosition.from_reserves(base=float(pool.base), quote=float(pool.quote))
    else:
        bounds = {"lower": float(pool.lower_price), "upper": float(pool.upper_price)}
        position = LiquidityPosition(liquidity=float(pool.liquidity), **bounds)
    return PooledLeg(
        position=position,
        price=float(item.mark_price),
        quantity=float(item.quantity),
        entry_price=None if item.entry_price is None else float(item.entry_price),
        volatility=item.volatility,
    )


def _own(item: OwnPositionIn, as_of: datetime) -> OwnLeg:
    told = item.greeks.model_dump()
    return OwnLeg(
        greeks=LegGreeks(**told, delta_black=item.greeks.delta, value=float(item.value or 0)),
        price=float(item.mark_price),
        volatility=item.implied_volatility,
        time_to_expiry=_years(item.expiry, as_of),
        valued=item.value is not None,
        scenarios=None if item.ladder is None else _scenarios(item.ladder),
    )


def _scenarios(ladder: OwnLadderIn) -> Scenarios:
    return Scenarios(
        spot_shocks=np.array(ladder.spot_shocks, dtype=np.float64),
        volatility_shocks=np.array(ladder.volatility_shocks, dtype=np.float64),
        pnl=np.array(ladder.pnl, dtype=np.float64),
        days_forward=ladder.days_forward,
    )


def _years(moment: datetime | None, as_of: datetime) -> float | None:
    return None if moment is None else (moment - as_of).total_seconds() / SECONDS_PER_YEAR


def _trades(item: PositionIn) -> tuple[Trade, ...]:
    return tuple(Trade(float(trade.quantity), float(trade.price)) for trade in item.trades)


def _cash(item: PositionIn) -> CashFlows:
    return CashFlows(funding=float(item.funding or 0), fees=float(item.fees or 0), carry=float(item.carry or 0))


def _underlying(item: UnderlyingIn) -> Underlying:
    price = None if item.price is None else float(item.price)
    return Underlying(price=price, collateral=float(item.collateral or 0), beta=item.beta)


def risk_blocks(risk: BookRisk) -> dict[str, Any]:
    """Greeks and ladders of an answer."""
    beta = risk.beta
    return {
        "underlyings": [_underlying_row(item) for item in risk.underlyings],
        "total": {"greeks": money_row(risk.total), "ladder": _ladder(risk.total_ladder)},
        "beta_weighted": None
        if beta is None
        else {
            "delta_usd": stat(beta.delta_usd),
            "gamma_1pct_usd": stat(beta.gamma_1pct_usd),
            "missing": list(beta.missing),
        },
        "liquidity": [_pool_row(symbol, figures) for symbol, figures in risk.pools.items()],
        "expanded": list(risk.expanded),
    }


def money_row(total: Mapping[str, float]) -> dict[str, float | None]:
    """Greeks over several underlyings: what counts coins is null."""
    return {item.name: stat(total[item.name]) if item.name in MONEY_FIELDS else None for item in fields(Exposure)}


def explain_block(found: ExplainedBook, since: datetime) -> dict[str, Any]:
    """Profit and loss by origin."""
    return {
        "since": time_text(since),
        "underlyings": [{"underlying": name, "lines": _lines(lines)} for name, lines in found.underlyings.items()],
        "total": _lines(found.total),
        "complete": not found.refused,
    }


def left_out(scope: str, refused: Mapping[str, Refusal]) -> list[dict[str, str]]:
    """Positions that are missing somewhere, and why."""
    return [
        {"symbol": symbol, "scope": scope, "reason": refusal.reason, "detail": refusal.detail}
        for symbol, refusal in refused.items()
    ]


def without_figures(book: Book, as_of: datetime) -> dict[str, Refusal]:
    """Positions that have no Greeks and are in no ladder."""
    text = "implied_volatility is missing: send it, or the position as kind own with Greeks"
    blind = {symbol: Refusal(Reason.GREEKS_UNAVAILABLE, text) for symbol in book.blind}
    over = f"it expired before {time_text(as_of)}"
    return blind | {item.symbol: Refusal(Reason.EXPIRED, over) for item in book.expired}


def _underlying_row(item: UnderlyingRisk) -> dict[str, Any]:
    return {
        "underlying": item.underlying,
        "price": stat(item.price),
        "price_source": item.price_source,
        "collateral": stat(item.collateral),
        "net_delta_coin": stat(item.exposure.delta_coin),
        "net_delta_usd_view": stat(item.net_delta_usd_view),
        "greeks": exposure_row(item.exposure),
        "by_expiry": _buckets(item.by_expiry),
        "by_delta": _buckets(item.by_delta),
        "ladder": _ladder(item.ladder),
    }


def _buckets(found: Mapping[str, Exposure]) -> list[dict[str, Any]]:
    return [{"bucket": name, "greeks": exposure_row(exposure)} for name, exposure in found.items()]


def _ladder(ladder: Ladder) -> dict[str, Any]:
    worst = ladder.worst
    return {
        "pnl": _matrix(ladder.pnl),
        "pnl_coin": None if ladder.pnl_coin is None else _matrix(ladder.pnl_coin),
        "worst": {
            "spot_shock": number(worst.spot_shock),
            "volatility_shock": number(worst.volatility_shock),
            "pnl": stat(worst.pnl),
        },
        "complete": ladder.complete,
    }


def _matrix(values: Floats) -> list[list[float | None]]:
    return [[stat(value) for value in row] for row in values.tolist()]


def _pool_row(symbol: str, figures: PoolFigures) -> dict[str, Any]:
    named = figures._asdict()
    return {"symbol": symbol, "state": named.pop("state"), **{name: stat(value) for name, value in named.items()}}


def _lines(lines: ProfitLines) -> dict[str, float]:
    """All digits: rounded lines would no longer add up to the total."""
    found = {name: number(getattr(lines, name)) for name in LINES}
    return {"total": number(math.fsum(found.values())), **found}
