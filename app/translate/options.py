"""Options on the wire: contracts become columns, and columns become rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from app.translate.answer import money, number, time_text
from app.translate.notes import Notes
from app.translate.snapshot import CLOCK_SKEW
from models.api.implied_volatility import ImpliedVolatilityRequest, QuotedContract
from models.api.option_greeks import GreeksContract, GreeksRequest
from models.api.option_terms import OptionTerms
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.implied_volatility import ImpliedVolatilityStatus
from services.options.published_greeks import FIGURES, PublishedGreeks, published_greeks
from services.options.quote_volatility import QuoteReason, QuoteSource, QuoteVolatilities, quote_volatilities

GREEKS_UNITS = {
    "price": "quote per unit of base",
    "price_base": "base per unit of base",
    "delta": "base",
    "delta_hedge": "base",
    "gamma": "base per quote",
    "gamma_1pct": "base per 1 % of the forward",
    "vega_per_point": "quote per 0.01 of volatility",
    "theta_per_day": "quote per calendar day",
    "theta_1d": "quote over one calendar day",
    "vanna_per_point": "base per 0.01 of volatility",
    "volga_per_point": "quote per 0.01 of volatility, squared",
    "charm_per_day": "base per calendar day",
    "speed": "base per quote squared",
    "rho_per_percent": "quote per 0.01 of the rate",
    "settlement_factor": "fraction",
    "time_to_expiry": "years of 365 days (31,536,000 s)",
    "position": "as above, for quantity times contract_multiplier units of base; price in quote, price_base in base",
}
VOLATILITY_UNITS = {
    "implied_volatility": "fraction per year of 365 days",
    "price_used": "quote per unit of base",
    "time_to_expiry": "years of 365 days (31,536,000 s)",
    "log_moneyness": "natural logarithm",
}
_ROW_STATUS = {
    ImpliedVolatilityStatus.OK: "ok",
    ImpliedVolatilityStatus.EXPIRED: "expired",
    ImpliedVolatilityStatus.NO_TIME_VALUE: "degenerate",
}
_PRICES = frozenset({"price", "price_base"})
_DETAILS: dict[str, str] = {
    "below_intrinsic": "the price is below intrinsic value; is the forward that of this expiry?",
    "no_time_value": "the price holds nothing beyond the intrinsic value",
    "above_maximum": "the price is at or above what the option can be worth at most, {limit} times discount",
    "bad_input": "forward and strike lie too far apart to compute with",
    "expired": "expiry is not after as_of",
    "above_limit": "the volatility would be above 10 (1000 %)",
    "missing": "send price, or bid and ask, or mark",
    "one_sided": "only one of bid and ask is quoted",
    "crossed": "the bid is above the ask",
    "zero_bid": "the bid is zero or below",
    "price_and_quote": "send price, or bid, ask and mark, not both",
}


def moment(as_of: datetime | None, received_at: datetime, notes: Notes) -> datetime:
    """Time from which expiries count.

    Raises
    ------
    InvalidInput
        If it lies in the future.
    """
    if as_of is None:
        notes.assume("/as_of", time_text(received_at), "times to expiry count from the time of receipt")
    elif as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(as_of), "check your clock against GET /v1/time")
    return as_of or received_at


def assume_first(
    contracts: Sequence[Any], field: str, value: str, effect: str, needed: Callable[[Any], bool], notes: Notes
) -> None:
    """One assumption for all contracts that leave a field open where it matters; the pointer shows the first."""
    for place, contract in enumerate(contracts):
        if getattr(contract, field) is None and needed(contract):
            notes.assume(f"/contracts/{place}/{field}", value, effect)
            return


def columns(contracts: Sequence[OptionTerms], as_of: datetime) -> dict[str, Floats]:
    """Arguments that every kernel of options shares."""
    return {
        "forward": _floats([contract.forward for contract in contracts]),
        "strike": _floats([contract.strike for contract in contracts]),
        "time_to_expiry": np.array([contract.years(as_of) for contract in contracts]),
        "right": np.array([float(contract.sign) for contract in contracts]),
        "discount": np.array([contract.discount for contract in contracts]),
    }


def greeks_rows(request: GreeksRequest, as_of: datetime, notes: Notes) -> list[dict[str, Any]]:
    """contracts[] of an answer."""
    contracts = request.contracts
    if request.delta_convention in ("spot", "pa_spot"):
        effect = "spot deltas take no carry of the base currency"
        assume_first(contracts, "base_discount", "1", effect, lambda contract: True, notes)
    effect = "one contract is one unit of base"
    assume_first(contracts, "contract_multiplier", "1", effect, lambda contract: contract.quantity is not None, notes)
    terms = columns(contracts, as_of)
    found = published_greeks(
        **terms,
        volatility=np.array([contract.implied_volatility or 0.0 for contract in contracts]),
        base_discount=np.array([contract.base_discount or 1.0 for contract in contracts]),
        convention=request.delta_convention,
        coin_settled=_inverse(contracts),
        averaged_settlement=np.array([contract.averaged_settlement for contract in contracts]),
    )
    size = [(contract.quantity or Decimal(0)) * (contract.contract_multiplier or Decimal(1)) for contract in contracts]
    unit, position = _figures(found), _figures(found.times(_floats(size)))
    years, alive = terms["time_to_expiry"].tolist(), found.settlement_factor.tolist()
    rows = []
    for place, contract in enumerate(contracts):
        row: dict[str, Any] = {"symbol": contract.symbol, **_greeks_status(contract, found, place)}
        refused = row["status"] == "refused"
        row["time_to_expiry"], row["settlement_factor"] = years[place], None if refused else alive[place]
        row |= dict.fromkeys(FIGURES) if refused else _shown(unit[place], contract)
        held = contract.quantity is not None and not refused
        row["position"] = _shown(position[place], contract) if held else None
        rows.append(row)
    return rows


def volatility_rows(request: ImpliedVolatilityRequest, as_of: datetime, notes: Notes) -> list[dict[str, Any]]:
    """contracts[] of an answer."""
    contracts = request.contracts
    effect = "prices of inverse options are in base, as venues quote them"
    assume_first(contracts, "price_unit", "base", effect, lambda contract: contract.settlement == "inverse", notes)
    terms = columns(contracts, as_of)
    unit = np.where([_in_base(contract) for contract in contracts], terms["forward"], 1.0)
    bid, ask, mark, price = (
        _floats([getattr(contract, name) for contract in contracts]) * unit for name in ("bid", "ask", "mark", "price")
    )
    # A lone price is inverted like a mark without bid and ask.
    fair = np.where(np.isnan(price), mark, price)
    found = quote_volatilities(bid, ask, fair, **terms)
    used = np.where(found.source == QuoteSource.MID, 0.5 * (bid + ask), fair).tolist()
    moneyness = np.log(terms["strike"] / terms["forward"]).tolist()
    years = terms["time_to_expiry"].tolist()
    rows = []
    for place, contract in enumerate(contracts):
        row = {"symbol": contract.symbol, **_inversion(found, place, contract)}
        row["price_used"] = _price_text(used[place]) if row["source"] else None
        lone = contract.price is not None
        for name in ("bid", "ask", "mark"):
            shown = getattr(contract, name) is not None and not lone
            row[name] = _side(found, name, place) if shown else None
        row |= {"time_to_expiry": years[place], "log_moneyness": moneyness[place]}
        rows.append(row)
    return rows


def _price_text(value: float) -> str | None:
    """With the decimals that a request may have, so that an answer can be posted back."""
    return money(round(value, 18))


def _floats(values: Sequence[Decimal | None]) -> Floats:
    return np.array([np.nan if value is None else float(value) for value in values])


def _in_base(contract: QuotedContract) -> bool:
    return (contract.price_unit or ("base" if contract.settlement == "inverse" else "quote")) == "base"


def _inverse(contracts: Sequence[OptionTerms]) -> Any:
    return np.array([contract.settlement == "inverse" for contract in contracts])


def _figures(found: PublishedGreeks) -> list[tuple[float, ...]]:
    return list(zip(*(getattr(found, name).tolist() for name in FIGURES), strict=True))


def _shown(values: tuple[float, ...], contract: OptionTerms) -> dict[str, Any]:
    shown = {
        name: _price_text(value) if name in _PRICES else (number(value) if abs(value) < np.inf else None)
        for name, value in zip(FIGURES, values, strict=True)
    }
    if contract.settlement == "linear":
        shown["price_base"] = None
    return shown


def _greeks_status(contract: GreeksContract, found: PublishedGreeks, place: int) -> dict[str, str | None]:
    if found.expired[place]:
        return {"status": "expired", "reason": "expired", "detail": "intrinsic value and a step for delta"}
    if contract.implied_volatility is None:
        return {"status": "refused", "reason": "volatility_required", "detail": "send implied_volatility"}
    if found.degenerate[place]:
        detail = "without volatility: discounted intrinsic value and a step for delta"
        return {"status": "degenerate", "reason": "zero_volatility", "detail": detail}
    return {"status": "ok", "reason": "none", "detail": None}


def _inversion(found: QuoteVolatilities, place: int, contract: QuotedContract) -> dict[str, Any]:
    """Status, reason, detail, volatility and its source."""
    code = ImpliedVolatilityStatus(int(found.used_status[place]))
    dropped = _dropped(found, place, contract)
    status = "refused" if dropped else _ROW_STATUS.get(code, "refused")
    reason = dropped or ("none" if status == "ok" else code.name.lower())
    answered = status in ("ok", "degenerate")
    source = "price" if contract.price is not None else QuoteSource(int(found.source[place])).name.lower()
    limit = contract.forward if contract.right == "call" else contract.strike
    return {
        "status": status,
        "reason": reason,
        "detail": None if reason == "none" else _DETAILS[reason].format(limit=limit),
        "implied_volatility": float(found.used[place]) if answered else None,
        "source": source if answered else None,
    }


def _dropped(found: QuoteVolatilities, place: int, contract: QuotedContract) -> str | None:
    """Reason why no price of a row was inverted."""
    if contract.price is not None and any(value is not None for value in (contract.bid, contract.ask, contract.mark)):
        return "price_and_quote"
    reason = QuoteReason(int(found.reason[place]))
    return None if reason in (QuoteReason.NONE, QuoteReason.NOT_INVERTIBLE) else reason.name.lower()


def _side(found: QuoteVolatilities, name: str, place: int) -> dict[str, Any]:
    """Volatility of one price; a price at or below intrinsic value has 0."""
    code = ImpliedVolatilityStatus(int(getattr(found, f"{name}_status")[place]))
    at_least_zero = code in (
        ImpliedVolatilityStatus.OK,
        ImpliedVolatilityStatus.NO_TIME_VALUE,
        ImpliedVolatilityStatus.BELOW_INTRINSIC,
    )
    volatility = float(getattr(found, name)[place]) if at_least_zero else None
    return {"implied_volatility": volatility, "reason": "none" if code == 0 else code.name.lower()}
