"""A posted account of one underlying as a book of the core, and its liquidation prices as an answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from app.translate.answer import money, stat
from app.translate.notes import Notes
from models.api.liquidation import FuturePositionIn, LiquidationPriceRequest, LoanIn, OptionHeldIn
from services.core.instrument import MarginTier
from services.margin.liquidation import distance_in_sigmas, touch_probability
from services.margin.loans import Loan, health_factor
from services.margin.underlying_book import FutureHolding, LoanHolding, OptionHolding, UnderlyingBook

SHORT_OPTION_RATE = 0.075
UNITS = {
    "price": "quote currency per base unit of the underlying",
    "equity": "quote currency",
    "move": "fraction of the mark",
    "volatility": "annual fraction; time is ACT/365",
}


def book_of(request: LiquidationPriceRequest, as_of: datetime, notes: Notes) -> UnderlyingBook:
    """Book of the core."""
    futures, options, loans = [], [], []
    for place, item in enumerate(request.positions):
        if isinstance(item, FuturePositionIn):
            futures.append(_future(item, place, request, notes))
        elif isinstance(item, OptionHeldIn):
            options.append(_option(item, place, as_of, notes))
        else:
            loans.append(_loan(item))
    if request.long_option_credit is None and any(option.quantity > 0.0 for option in options):
        notes.assume("/long_option_credit", "1", "long options count with their whole value, as in portfolio margin")
    if options:
        effect = "each option keeps its volatility and the ratio of its forward to the price; no time passes"
        notes.assume("/positions", "sticky strike", effect)
    coin = request.collateral
    return UnderlyingBook(
        mark=float(request.mark),
        balance=float(request.balance),
        other_maintenance=float(request.other_maintenance_margin),
        coin=0.0 if coin is None else float(coin.quantity),
        coin_haircut=0.0 if coin is None else coin.haircut,
        futures=futures,
        options=options,
        loans=loans,
        long_option_credit=1.0 if request.long_option_credit is None else request.long_option_credit,
    )


def liquidation_body(request: LiquidationPriceRequest, book: UnderlyingBook) -> dict[str, Any]:
    """Answer without head and remarks."""
    found, now = book.liquidation(), np.array([book.mark])
    equity, maintenance = float(book.equity(now)[0]), float(book.maintenance(now)[0])
    short = equity <= maintenance
    none = found.down is None and found.up is None
    return {
        "status": "liquidatable" if short else "safe" if none else "ok",
        "down": _side(found.down, request),
        "up": _side(found.up, request),
        "equity": money(equity),
        "maintenance_margin": money(maintenance),
        "margin_ratio": stat(maintenance / equity) if equity > 0.0 else None,
        "residual": 0.0 if short else stat(found.residual / (book.notional() or 1.0)),
        "loans": [_health(item, book.mark) for item in request.positions if isinstance(item, LoanIn)],
        "units": UNITS,
    }


def _side(price: float | None, request: LiquidationPriceRequest) -> dict[str, Any] | None:
    if price is None:
        return None
    mark = float(request.mark)
    known = (mark, price, request.volatility or 0.0, request.horizon_days)
    return {
        "price": money(price),
        "move": stat(price / mark - 1.0),
        "distance_sigmas": None if request.volatility is None else stat(distance_in_sigmas(*known)),
        "touch_probability": None if request.volatility is None else stat(touch_probability(*known)),
    }


def _future(item: FuturePositionIn, place: int, request: LiquidationPriceRequest, notes: Notes) -> FutureHolding:
    if item.mark_price is None:
        notes.assume(f"/positions/{place}/mark_price", f"{request.mark:f}", "the position is marked at the underlying")
    rate = item.maintenance_rate
    tiers: Sequence[MarginTier] = [
        MarginTier(float(tier.floor), tier.maintenance_rate, float(tier.maintenance_amount))
        for tier in item.margin_tiers
    ]
    return FutureHolding(
        quantity=float(item.quantity * item.multiplier),
        price=float(item.mark_price or request.mark),
        tiers=tiers if rate is None else [MarginTier(0.0, rate)],
        inverse=item.kind == "inverse",
    )


def _option(item: OptionHeldIn, place: int, as_of: datetime, notes: Notes) -> OptionHolding:
    if item.maintenance_rate is None and item.quantity < 0:
        effect = "of the price, beyond the value of the short option"
        notes.assume(f"/positions/{place}/maintenance_rate", f"{SHORT_OPTION_RATE:g}", effect)
    terms = item.terms
    if terms.years(as_of) <= 0.0:
        notes.warn("expired", "it has expired and counts with its pay-off", terms.symbol)
    return OptionHolding(
        quantity=float(item.quantity * item.multiplier),
        strike=float(terms.strike),
        forward=float(terms.forward),
        time_to_expiry=terms.years(as_of),
        volatility=item.implied_volatility,
        right=terms.sign,
        discount=terms.discount,
        coin_settled=terms.settlement == "inverse",
        maintenance_rate=SHORT_OPTION_RATE if item.maintenance_rate is None else item.maintenance_rate,
    )


def _loan(item: LoanIn) -> LoanHolding:
    return LoanHolding(
        collateral_base=float(item.collateral_base),
        debt_base=float(item.debt_base),
        collateral_quote=float(item.collateral_quote),
        debt_quote=float(item.debt_quote),
        liquidation_threshold=item.liquidation_threshold,
    )


def _health(item: LoanIn, mark: float) -> dict[str, Any]:
    loan = Loan(
        collateral=float(item.collateral_base) * mark + float(item.collateral_quote),
        debt=float(item.debt_base) * mark + float(item.debt_quote),
        liquidation_threshold=item.liquidation_threshold,
        borrow_rate=item.borrow_rate,
        supply_rate=item.supply_rate,
    )
    return {
        "symbol": item.symbol,
        "loan_to_value": stat(loan.loan_to_value),
        "health_factor": stat(health_factor([loan])),
        "seconds_to_liquidation": stat(loan.seconds_to_liquidation()),
    }
