"""What the sale of an option comes to: yield, breakeven, assignment, losses, Greeks."""

from __future__ import annotations

import math
from decimal import Decimal

from scipy.special import ndtr

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.hedging.expiry_value import ExpiryPosition
from services.hedging.option_quotes import OptionMarket
from services.hedging.vault_plan import SELL, PlannedLeg, SaleFigures, greeks_of

DAYS_PER_YEAR = SECONDS_PER_YEAR / SECONDS_PER_DAY


def sale_figures(
    market: OptionMarket, leg: PlannedLeg, *, edges: tuple[float, float], multiplier: float, drift: float | None
) -> SaleFigures:
    r"""Figures of one option that is sold against the holding of `market`.

    With C coins or cash b, net premium p (coin or quote) and q base units: ``V(S) = (C + p) S − q max(S − K, 0)`` for
    calls settled in coin, ``C S + p − …`` in quote; ``b + p S − q max(K − S, 0)`` and ``b + p − …`` for puts. Net delta
    is ``C + p − q Δ`` where the premium is coin: the Black delta, not the premium-adjusted one, as the value is in
    quote and the coin of the premium is counted.

    Parameters
    ----------
    market : OptionMarket
    leg : PlannedLeg
        The sale, with the volatility of its Greeks.
    edges : tuple of float
        Edge, and its first-order figure, of one base unit [quote].
    multiplier : float
        Of the size.
    drift : float, optional
        Of the price, for a second probability [per year].

    Returns
    -------
    SaleFigures

    References
    ----------
    Hull (2018), Options, Futures, and Other Derivatives, ch. 15: N(d2) is the risk-neutral probability of exercise.
    """
    place, mark, coin = leg.place, float(market.mark), market.contract.coin_settled
    right, strike, held = market.quotes[place].right, float(market.strikes[place]), float(market.holding)
    exact = leg.contracts * market.contract.multiplier
    premium, fees = exact * leg.premium, exact * market.fee(place, SELL)
    net, size, rate = float(premium - fees), float(exact), mark if coin else 1.0
    coins, cash = (held, 0.0) if right > 0 else (0.0, held)
    position = ExpiryPosition(
        coins=coins + (net if coin else 0.0),
        cash=cash + (0.0 if coin else net),
        sizes=(-size,),
        strikes=(strike,),
        rights=(float(right),),
    )
    floor, floor_price = position.floor()
    value, greeks = collateral_value(market, right), greeks_of(market, (leg,))
    per_period = net * rate / value
    return SaleFigures(
        premium=premium,
        fees=fees,
        net_premium_quote=net * rate,
        maximum_loss=value - floor,
        floor=floor,
        floor_price=floor_price,
        breakeven=position.crossing(value, rising=True),
        payoffs=position.payoffs(mark, (coins, cash)),
        greeks=greeks,
        net_delta=None if greeks is None else position.coins + greeks.delta_black,
        collateral_used=leg.contracts * unit_collateral(market, place),
        yield_per_period=per_period,
        yield_annual=per_period * DAYS_PER_YEAR / float(market.days[place]),
        assignment_probability=_assigned(market, place, float(market.forwards[place]), leg.volatility or 0.0),
        assignment_probability_at_drift=_assigned_at_drift(market, place, drift),
        edge=edges[0] * size,
        edge_first_order=edges[1] * size,
        size_multiplier=multiplier,
        indifference=_indifference(right, strike, net / size, coin_settled=coin),
        maximum_loss_in_coin=(size - net if coin else size) if right > 0 else None,
    )


def unit_collateral(market: OptionMarket, place: int) -> Decimal:
    """Collateral of one contract: its coin for a call, its strike in quote for a put."""
    quote = market.quotes[place]
    return market.contract.multiplier * (Decimal(1) if quote.right > 0 else quote.strike)


def collateral_value(market: OptionMarket, right: int) -> float:
    """Collateral at the mark [quote]: coin of calls, cash of puts."""
    return float(market.holding * (market.mark if right > 0 else Decimal(1)))


def _indifference(right: int, strike: float, net: float, *, coin_settled: bool) -> float:
    """Price beyond which the option costs more than its net premium: K ± p, or K / (1 ∓ p) for a premium in coin."""
    return strike / (1.0 - right * net) if coin_settled else strike + right * net


def _assigned(market: OptionMarket, place: int, forward: float, volatility: float) -> float:
    """``N(w d2)``: probability to expire in the money."""
    total = volatility * math.sqrt(market.years[place])
    d2 = math.log(forward / market.strikes[place]) / total - 0.5 * total
    return float(ndtr(market.quotes[place].right * d2))


def _assigned_at_drift(market: OptionMarket, place: int, drift: float | None) -> float | None:
    """The same for a price that drifts, at the volatility that is forecast."""
    if drift is None or market.volatility is None:
        return None
    return _assigned(
        market, place, float(market.mark) * math.exp(drift * float(market.years[place])), market.volatility
    )
