"""What a plan in options says: legs to trade, how their number came about, and why every other candidate was left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import numpy as np

from services.core.decimals import to_tick
from services.core.explain import Step, Trail
from services.core.outcome import Reason
from services.hedging.option_quotes import OptionContract, OptionMarket, whole_lots
from services.options.portfolio_greeks import LegGreeks, aggregate, legs_greeks

BUY, SELL = 1, -1


class Verdict(StrEnum):
    """Why a candidate was chosen or not; `VERDICT_TEXT` explains each one."""

    CHOSEN = "chosen"
    OUTSCORED = "outscored"
    OTHER_RIGHT = "other_right"
    EXPIRY_OUT_OF_RANGE = "expiry_out_of_range"
    NO_BID = "no_bid"
    NO_ASK = "no_ask"
    CROSSED = "crossed"
    UNUSABLE_PRICE = "unusable_price"
    DELTA_OUT_OF_RANGE = "delta_out_of_range"
    STRIKE_OUT_OF_RANGE = "strike_out_of_range"
    FARTHER_THAN_NEEDED = "farther_than_needed"
    NO_EDGE = "no_edge"
    BELOW_LOT = "below_lot"
    NO_PROTECTION = "no_protection"


VERDICT_TEXT: dict[Verdict, str] = {
    Verdict.CHOSEN: "The best of those that may be traded.",
    Verdict.OUTSCORED: "It may be traded, but another one is better.",
    Verdict.OTHER_RIGHT: "The method trades calls only, or puts only.",
    Verdict.EXPIRY_OUT_OF_RANGE: "It has expired, or expires too soon or too late for the method.",
    Verdict.NO_BID: "Nobody bids, so that nothing can be sold.",
    Verdict.NO_ASK: "Nobody offers, so that nothing can be bought.",
    Verdict.CROSSED: "Bid above ask: one of the two is wrong.",
    Verdict.UNUSABLE_PRICE: "No volatility between 0 and 1000 % gives the price: below the intrinsic value, or old.",
    Verdict.DELTA_OUT_OF_RANGE: "Its delta is outside of what the method allows.",
    Verdict.STRIKE_OUT_OF_RANGE: "Its strike is outside of what the method allows.",
    Verdict.FARTHER_THAN_NEEDED: "A listed strike nearer to the delta that is asked for is allowed too.",
    Verdict.NO_EDGE: "The premium does not pay for the volatility that is forecast, and the fees.",
    Verdict.BELOW_LOT: "Collateral, budget, depth or limits allow less than the smallest order.",
    Verdict.NO_PROTECTION: "Costs more than it gains at the shocks.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLeg:
    """One order: `side` +1 buys, -1 sells; the limit is never worse than the price that was reckoned with."""

    side: int
    place: int
    contracts: Decimal
    premium: Decimal
    limit_price: Decimal
    volatility: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One quote, or one pair of quotes, and what became of it.

    Parameters
    ----------
    places : tuple of int
        Quotes, in the order of the legs.
    verdict : Verdict
    detail : str
        With the figures that led to it; empty where the verdict says all.
    contracts : Decimal
        That would be traded; 0 where none.
    score : float, optional
        What is compared; the method says what it is.
    delta, implied_volatility, edge : float, optional
        Of one unit, where they were needed.
    """

    places: tuple[int, ...]
    verdict: Verdict
    detail: str = ""
    contracts: Decimal = Decimal(0)
    score: float | None = None
    delta: float | None = None
    implied_volatility: float | None = None
    edge: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payoff:
    """The position when the options expire at a shocked price [quote]."""

    shock: float
    price: float
    without: float
    with_options: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFigures:
    """What every plan comes to.

    Parameters
    ----------
    premium : Decimal
        Received (positive) or paid (negative), before fees [settlement currency].
    fees : Decimal
        [settlement currency].
    net_premium_quote : float
        After fees, coin at the mark [quote].
    maximum_loss : float
        Largest loss of collateral or holding and options together at expiry, against the mark [quote].
    floor, floor_price : float
        Least value at expiry and the price at which it is reached [quote].
    breakeven : float, optional
        Price of the underlying; the method says which.
    payoffs : tuple of Payoff
    greeks : LegGreeks, optional
        Of the options alone; None where a volatility is not known.
    net_delta : float, optional
        Of holding, options and coin premium together: change of their value in quote per unit of price [base].
    """

    premium: Decimal
    fees: Decimal
    net_premium_quote: float
    maximum_loss: float
    floor: float
    floor_price: float
    breakeven: float | None
    payoffs: tuple[Payoff, ...]
    greeks: LegGreeks | None
    net_delta: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleFigures(PlanFigures):
    """Of an option that is sold against collateral.

    Parameters
    ----------
    collateral_used : Decimal
        Set aside for the option [unit of the collateral].
    yield_per_period, yield_annual : float
        Net premium over the whole collateral, and times 365 days over those to expiry, not compounded.
    assignment_probability : float
        Risk-neutral, N(w d2) at the option's own volatility.
    assignment_probability_at_drift : float, optional
        At the drift that was given and the forecast volatility.
    edge : float
        Smaller of premium less value at the forecast volatility, and vega times the difference of volatilities; less
        fees [quote].
    edge_first_order : float
        The second of the two [quote].
    size_multiplier : float
    indifference : float
        Price beyond which it would have been better not to sell [quote per base].
    maximum_loss_in_coin : float, optional
        Against holding the coin, however high the price: calls only [base].
    """

    collateral_used: Decimal
    yield_per_period: float
    yield_annual: float
    assignment_probability: float
    assignment_probability_at_drift: float | None
    edge: float
    edge_first_order: float
    size_multiplier: float
    indifference: float
    maximum_loss_in_coin: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeFigures(PlanFigures):
    """Of options that protect a holding.

    Parameters
    ----------
    cost_bps : float
        Net premium and fees over the value of the holding at the mark [basis points]; negative for a credit.
    protection : float
        What the method maximises, as a fraction of that value.
    cap_price : float, optional
        Price above which gains are given away; None where they are not.
    coverage : float
        Base units that are protected, over the holding.
    """

    cost_bps: float
    protection: float
    cap_price: float | None
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultPlan:
    """Orders, or the reason why there are none: `reason` is NONE, LIMIT (smaller than asked), or a refusal."""

    reason: Reason
    detail: str | None
    legs: tuple[PlannedLeg, ...]
    figures: SaleFigures | HedgeFigures | None
    steps: tuple[Step, ...]
    candidates: tuple[Candidate, ...]

    @property
    def refused(self) -> bool:
        """Whether nothing is to be traded."""
        return not self.legs


def leg_of(market: OptionMarket, place: int, side: int, contracts: Decimal, volatility: float | None) -> PlannedLeg:
    """Order in the quote at `place`; a sale's limit is rounded up to the tick, a purchase's down."""
    quote = market.quotes[place]
    premium = (quote.ask if side > 0 else quote.bid) or Decimal(0)
    limit = to_tick(float(premium), market.contract.tick, up=side < 0) if market.contract.tick else premium
    return PlannedLeg(
        side=side, place=place, contracts=contracts, premium=premium, limit_price=limit, volatility=volatility
    )


def greeks_of(market: OptionMarket, legs: Sequence[PlannedLeg]) -> LegGreeks | None:
    """Sum of the Greeks of the legs; None where one has no volatility."""
    known = [
        market.leg(leg.place, leg.side * leg.contracts, leg.volatility) for leg in legs if leg.volatility is not None
    ]
    return aggregate([""] * len(known), legs_greeks(known))[""] if len(known) == len(legs) else None


def sized(
    trail: Trail, contract: OptionContract, allowed: Decimal, limits: Sequence[tuple[str, str, float]]
) -> Decimal:
    """Caps and lots of a size: contracts that are never above `allowed`, exactly; 0 below the smallest order."""
    for stage, parameter, most in limits:
        trail.cap(stage, np.array([most]), parameter)
    # A float that misses a lot by a hair is that lot, if the exact bound allows it.
    wanted = Decimal(repr(float(trail.value[0]) * (1.0 + 1e-12)))
    lots = min(whole_lots(wanted, contract.lot), whole_lots(allowed, contract.lot))
    contracts = lots * contract.lot if lots >= contract.smallest else Decimal(0)
    trail.apply("rounding", np.array([float(contracts)]), "lot")
    return contracts


def was_cut(steps: Sequence[Step]) -> tuple[str, ...]:
    """Parameters of the limits that bound a size."""
    return tuple(step.parameter for step in steps if step.bound)
