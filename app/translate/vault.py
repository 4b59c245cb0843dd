"""A vault or a tail hedge as the wire shows it."""

from __future__ import annotations

from typing import Any

from app.translate.answer import money, stat, steps_out, time_text
from app.translate.one_market import OneMarket, amount
from app.translate.switches import stopped
from models.api.vault import VaultQuoteIn, VaultRequest
from services.core.annualization import SECONDS_PER_YEAR
from services.core.decimals import plain, to_tick
from services.core.errors import InvalidInput, Refusal
from services.core.outcome import Reason
from services.guards.switches import ActiveSwitch
from services.hedging.option_quotes import OptionContract, OptionFees, OptionMarket, OptionQuote
from services.hedging.option_strikes import away_from_spot, strike_at_delta
from services.hedging.sale_figures import DAYS_PER_YEAR
from services.hedging.vault_plan import (
    Candidate,
    HedgeFigures,
    Payoff,
    PlannedLeg,
    SaleFigures,
    VaultPlan,
)
from services.hedging.vaults import CashSecuredPut, OptionSale
from services.options.black import black_price
from services.options.portfolio_greeks import LegGreeks

UNITS = {
    "premium": "settlement currency per base unit",
    "delta": "base units",
    "gamma_1pct": "base units per 1 % of the price",
    "vega_per_point": "quote per volatility point (0.01)",
    "theta_per_day": "quote per calendar day",
    "vanna_per_point": "base units per volatility point",
    "volga_per_point": "quote per volatility point squared",
    "time": "ACT/365, 31536000 s a year",
}
GREEKS = (
    "value",
    "delta",
    "delta_black",
    "gamma_1pct",
    "vega_per_point",
    "theta_per_day",
    "vanna_per_point",
    "volga_per_point",
)


def wants_volatility(request: VaultRequest) -> bool:
    """Whether the plan cannot be made without a forecast of volatility."""
    return isinstance(request.vault, OptionSale)


def vault_body(request: VaultRequest, market: OneMarket) -> dict[str, Any]:
    """Outcome, orders and candidates.

    Raises
    ------
    InvalidInput
        For collateral that does not cover what is sold, and where quotes are missing.
    """
    _check(request)
    if market.missing is not None:
        return refused(request, market.missing)
    options = _options(request, market)
    if options is None:
        text = f"expiry {time_text(request.expiry or market.as_of)} does not lie after as_of"
        return refused(request, Refusal(Reason.EXPIRED, text))
    plan = request.vault.plan(options)
    if any(leg.limit_price != leg.premium for leg in plan.legs):
        text = "a premium is not on contract.tick: at its limit the order does not trade at once, one leg maybe alone"
        market.notes.warn("limit_off_quote", text)
    return _answer(request, options, plan)


def stopped_body(request: VaultRequest, market: OneMarket, switch: ActiveSwitch) -> dict[str, Any]:
    """Under a switch none is made: it opens positions."""
    return refused(request, stopped(switch))


def refused(request: VaultRequest, refusal: Refusal) -> dict[str, Any]:
    """A plan that is not made."""
    return {
        "status": "refused",
        "reason": refusal.reason,
        "detail": refusal.detail,
        **_terms(request),
        "legs": [],
        "figures": None,
        "steps": [],
        "candidates": [],
    }


def _terms(request: VaultRequest) -> dict[str, Any]:
    return {"method": request.vault.method, "settlement": request.contract.settlement, "units": UNITS}


def _check(request: VaultRequest) -> None:
    asset = "quote" if isinstance(request.vault, CashSecuredPut) else "base"
    if request.collateral.asset != asset:
        remedy = "cash covers puts, coin covers calls and is what hedges protect"
        rule = f"must be {asset} for {request.vault.method}"
        raise InvalidInput("collateral.asset", rule, request.collateral.asset, remedy)
    if request.quantity_unit not in (None, "contracts"):
        raise InvalidInput("quantity_unit", "must be contracts here", request.quantity_unit)
    theoretical = request.expiry is not None and request.implied_volatility is not None
    if request.quotes is None and not isinstance(request.vault, OptionSale):
        raise InvalidInput("quotes", f"are needed by {request.vault.method}", None, "bid and ask of puts and calls")
    if request.quotes is None and not theoretical:
        missing = "expiry" if request.expiry is None else "implied_volatility"
        raise InvalidInput(missing, "is needed without quotes", None, "or send quotes")
    if request.quotes is not None and (request.expiry is not None or request.implied_volatility is not None):
        extra = "expiry" if request.expiry is not None else "implied_volatility"
        raise InvalidInput(extra, "goes with a request without quotes", "both", "quotes have their own")


def _options(request: VaultRequest, market: OneMarket) -> OptionMarket | None:
    """Market of the options; None where the one expiry that was sent has passed."""
    contract = OptionContract(
        multiplier=request.contract.contract_multiplier,
        lot=request.contract.lot,
        min_quantity=request.contract.min_quantity,
        tick=request.contract.tick,
        strike_step=request.contract.strike_step,
        coin_settled=request.contract.settlement == "inverse",
    )
    if request.fees is None:
        market.notes.assume("/fees", "0", "fees are in neither the edge, nor the yield, nor the cost")
    if request.quotes is not None:
        quotes = _quotes(request.quotes, market)
    elif (quote := _theoretical(request, market, contract)) is not None:
        quotes = (quote,)
    else:
        return None
    return OptionMarket(
        mark=market.mark,
        as_of=market.as_of,
        holding=request.collateral.amount,
        quotes=quotes,
        contract=contract,
        fees=request.fees or OptionFees(),
        volatility=market.volatility if isinstance(request.vault, OptionSale) else None,
    )


def _quotes(sent: list[VaultQuoteIn], market: OneMarket) -> tuple[OptionQuote, ...]:
    if any(quote.forward is None for quote in sent):
        effect = "options without a forward are valued on the mark: volatility and delta are off by the carry"
        market.notes.assume("/quotes", f"forward {plain(market.mark)}", effect)
    return tuple(
        OptionQuote(
            strike=quote.strike,
            expiry=quote.expiry,
            right=1 if quote.right == "call" else -1,
            forward=quote.forward or market.mark,
            bid=quote.bid or None,
            ask=quote.ask or None,
            implied_volatility=quote.implied_volatility,
            depth=quote.depth,
        )
        for quote in sent
    )


def _theoretical(request: VaultRequest, market: OneMarket, contract: OptionContract) -> OptionQuote | None:
    """Option of the target delta at its value, rounded down to the tick, as if somebody bid that."""
    assert isinstance(request.vault, OptionSale)
    assert request.expiry is not None
    assert request.implied_volatility is not None
    years = (request.expiry - market.as_of).total_seconds() / SECONDS_PER_YEAR
    if years <= 0.0:
        return None
    if not years * DAYS_PER_YEAR <= request.vault.most_days:
        rule = f"must lie within vault.most_days ({request.vault.most_days:g}) of as_of"
        raise InvalidInput("expiry", rule, time_text(request.expiry))
    right, forward, volatility = request.vault.right, float(market.mark), request.implied_volatility
    wanted = strike_at_delta(forward, years, volatility, right, request.vault.delta)
    strike = away_from_spot(float(wanted), contract.strike_step, right)
    value = float(black_price(forward, float(strike), years, volatility, right))
    bid = to_tick(value / forward if contract.coin_settled else value, contract.tick, up=False)
    text = f"strike {plain(strike)}, premium {plain(bid)}"
    effect = "no quotes: Black-76 on the mark at implied_volatility; whether anybody bids it is not known"
    market.notes.assume("/quotes", text, effect)
    return OptionQuote(
        strike=strike,
        expiry=request.expiry,
        right=right,
        forward=market.mark,
        bid=bid or None,
        implied_volatility=volatility,
    )


def _answer(request: VaultRequest, market: OptionMarket, plan: VaultPlan) -> dict[str, Any]:
    symbols = [quote.symbol for quote in request.quotes] if request.quotes is not None else [None]
    names = [_name(symbol, quote) for symbol, quote in zip(symbols, market.quotes, strict=True)]
    return {
        "status": "refused" if plan.refused else "ok" if plan.reason is Reason.NONE else "limited",
        "reason": plan.reason,
        "detail": plan.detail,
        **_terms(request),
        "legs": [_leg(leg, names) for leg in plan.legs],
        "figures": None if plan.figures is None else _figures(plan.figures),
        "steps": steps_out(plan.steps),
        "candidates": [_candidate(row, names) for row in plan.candidates],
    }


def _name(symbol: str | None, quote: OptionQuote) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "strike": plain(quote.strike),
        "expiry": time_text(quote.expiry),
        "right": "call" if quote.right > 0 else "put",
    }


def _leg(leg: PlannedLeg, names: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **names[leg.place],
        "side": "buy" if leg.side > 0 else "sell",
        "contracts": plain(leg.contracts),
        "premium": plain(leg.premium),
        "limit_price": plain(leg.limit_price),
        "implied_volatility": stat(leg.volatility),
    }


def _figures(figures: SaleFigures | HedgeFigures) -> dict[str, Any]:
    return {
        "premium": amount(figures.premium),
        "fees": amount(figures.fees),
        "net_premium": money(figures.net_premium_quote),
        "floor": money(figures.floor),
        "floor_price": money(figures.floor_price),
        "maximum_loss": money(figures.maximum_loss),
        "breakeven": money(figures.breakeven),
        "payoffs": [_payoff(row) for row in figures.payoffs],
        "greeks": None if figures.greeks is None else _greeks(figures.greeks),
        "net_delta": stat(figures.net_delta),
        "sale": _sale(figures) if isinstance(figures, SaleFigures) else None,
        "hedge": _hedge(figures) if isinstance(figures, HedgeFigures) else None,
    }


def _payoff(row: Payoff) -> dict[str, Any]:
    return {
        "shock": row.shock,
        "price": money(row.price),
        "without": money(row.without),
        "with_options": money(row.with_options),
        "with_options_in_coin": money(row.with_options / row.price),
    }


def _greeks(greeks: LegGreeks) -> dict[str, Any]:
    return {name: stat(getattr(greeks, name)) for name in GREEKS}


def _sale(figures: SaleFigures) -> dict[str, Any]:
    return {
        "collateral_used": amount(figures.collateral_used),
        "yield_per_period": stat(figures.yield_per_period),
        "yield_annual": stat(figures.yield_annual),
        "assignment_probability": stat(figures.assignment_probability),
        "assignment_probability_at_drift": stat(figures.assignment_probability_at_drift),
        "edge": money(figures.edge),
        "edge_first_order": money(figures.edge_first_order),
        "size_multiplier": stat(figures.size_multiplier),
        "indifference": money(figures.indifference),
        "maximum_loss_in_coin": money(figures.maximum_loss_in_coin),
    }


def _hedge(figures: HedgeFigures) -> dict[str, Any]:
    return {
        "cost_bps": stat(figures.cost_bps),
        "protection": stat(figures.protection),
        "cap_price": money(figures.cap_price),
        "coverage": stat(figures.coverage),
    }


def _candidate(row: Candidate, names: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "options": [names[place] for place in row.places],
        "reason": row.verdict,
        "detail": row.detail or None,
        "contracts": plain(row.contracts),
        "score": stat(row.score),
        "delta": stat(row.delta),
        "implied_volatility": stat(row.implied_volatility),
        "edge": money(row.edge),
    }
