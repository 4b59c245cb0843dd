"""Tail hedges: options that limit the loss of a holding, the most protection that a budget pays for."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from services.core.explain import Bools, Step
from services.core.outcome import Reason
from services.hedging.expiry_value import ExpiryPosition
from services.hedging.hedge_combinations import (
    BestNumbers,
    Combinations,
    HedgeTerms,
    Places,
    best_numbers,
    combined,
    together,
)
from services.hedging.option_quotes import OptionMarket, whole_lots
from services.hedging.vault_plan import (
    BUY,
    SELL,
    Candidate,
    HedgeFigures,
    PlannedLeg,
    VaultPlan,
    Verdict,
    greeks_of,
    leg_of,
)

SHOWN = 40
"""Pairs that are listed as candidates, the best first; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TailHedge(HedgeTerms):
    """What all tail hedges share; see `ProtectivePut`."""

    def plan(self, market: OptionMarket) -> VaultPlan:
        """The best protection within the budget, or the reason why there is none."""
        return protect(self, market)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectivePut(TailHedge):
    """Buy a put below the market: the most protection that the premium pays for.

    Parameters
    ----------
    horizon_days : float
        Options that expire earlier are left out [days].
    max_cost : float
        Largest net premium with fees, over the holding at the mark [fraction].
    shocks : tuple of float
        Changes of the price at which the loss is reduced, on average over them [fraction, negative].
    objective : {"shocks", "floor"}
        Maximise the loss reduction at the shocks, or the least value at any price.
    coverage : float
        Largest part of the holding that is protected [fraction].

    Notes
    -----
    Its protection is that at expiry; an option that lives longer is worth more than that at the horizon. Puts above the
    mark are left out: what they are in the money is a sale of the holding in disguise.

    References
    ----------
    Israelov (2019), Pathetic protection: the elusive benefits of protective puts, Journal of Alternative Investments
    21: how much of the premium is lost on average.
    """

    method: Literal["protective_put"] = "protective_put"

    def pairs(self, market: OptionMarket, long: Places, short: Places) -> tuple[Places, Places]:
        """Every put alone."""
        return long, np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collar(TailHedge):
    """Buy a put and sell a call of the same expiry above the market that pays for it.

    Parameters
    ----------
    horizon_days : float
        Options that expire earlier are left out [days].
    max_cost : float
        Largest net premium with fees, over the holding at the mark; 0 asks for a collar that costs nothing [fraction].
    shocks : tuple of float
        Changes of the price at which the loss is reduced, on average over them [fraction, negative].
    objective : {"shocks", "floor"}
        Maximise the loss reduction at the shocks, or the least value at any price.
    coverage : float
        Largest part of the holding that is protected, and whose gains are sold [fraction].
    least_upside : float
        Gain that is kept: calls nearer to the mark are not sold [fraction].

    Notes
    -----
    Every call is covered by a coin of the holding, after the premium that was paid in coin. Of collars with the same
    protection the one with the higher call is taken.

    References
    ----------
    Israelov & Klein (2016), Risk and return of equity index collar strategies, Journal of Alternative Investments 19.
    """

    method: Literal["collar"] = "collar"
    max_cost: Annotated[float, Ge(0), Le(1)] = 0.0
    least_upside: Annotated[float, Ge(0), Le(10)] = 0.10

    def pairs(self, market: OptionMarket, long: Places, short: Places) -> tuple[Places, Places]:
        """Every put with every call of its expiry that leaves the upside."""
        least = float(market.mark) * (1.0 + self.least_upside)
        calls = short[(market.rights[short] > 0.0) & (market.strikes[short] >= least)]
        return together(market, long, calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSpread(TailHedge):
    """Buy a put and sell one farther below: cheaper, and no help below the lower strike.

    Parameters
    ----------
    horizon_days : float
        Options that expire earlier are left out [days].
    max_cost : float
        Largest net premium with fees, over the holding at the mark [fraction].
    shocks : tuple of float
        Changes of the price at which the loss is reduced, on average over them [fraction, negative].
    objective : {"shocks", "floor"}
        Maximise the loss reduction at the shocks, or the least value at any price.
    coverage : float
        Largest part of the holding that is protected [fraction].

    References
    ----------
    Hull (2018), Options, Futures, and Other Derivatives, ch. 12: bear spreads.
    """

    method: Literal["put_spread"] = "put_spread"

    def pairs(self, market: OptionMarket, long: Places, short: Places) -> tuple[Places, Places]:
        """Every put with every lower one of its expiry."""
        bought, sold = together(market, long, short[market.rights[short] < 0.0])
        lower = market.strikes[sold] < market.strikes[bought]
        return bought[lower], sold[lower]


def protect(method: TailHedge, market: OptionMarket) -> VaultPlan:
    r"""Most protection within the budget, by looking at every combination in exact lots.

    With N coins held, net premium with fees c for one base unit and q base units of options, the value at expiry is
    ``V(S) = N S − q c + q Σ ±max(w(S − K), 0)``, and ``(N − q c) S + …`` where the premium is paid in coin. Maximised
    is the mean of ``(V − N S) / (N S₀)`` over the shocks, or ``min_S V / (N S₀)``.

    Parameters
    ----------
    method : TailHedge
    market : OptionMarket
        `holding` in base units.

    Returns
    -------
    VaultPlan
        Candidates are quotes that cannot be used, then combinations, the best first.

    Notes
    -----
    Best among combinations of one bought option and at most one sold, of equal size: V is concave and piecewise linear
    in q, so that the best whole number of lots is an end or next to a kink. A larger budget only adds choices, so
    that it never gives less protection. O(puts × options × shocks).

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from services.hedging.option_quotes import OptionContract, OptionQuote
    >>> put = OptionQuote(strike=Decimal(90), expiry=datetime(2026, 2, 1, tzinfo=UTC), right=-1, forward=Decimal(100),
    ...     ask=Decimal(2))
    >>> market = OptionMarket(mark=Decimal(100), as_of=datetime(2026, 1, 1, tzinfo=UTC), holding=Decimal(10),
    ...     quotes=(put,), contract=OptionContract(lot=Decimal(1)))
    >>> plan = ProtectivePut(horizon_days=7.0).plan(market)
    >>> str(plan.legs[0].contracts), round(plan.figures.protection, 3)
    ('5', 0.09)
    """
    verdicts = _verdicts(method, market)
    usable = np.array([place for place, verdict in enumerate(verdicts) if verdict is None], dtype=np.int64)
    unusable = [Candidate(places=(place,), verdict=bad) for place, bad in enumerate(verdicts) if bad is not None]
    rows = combined(method, market, usable)
    if not rows.costs:
        return _refused(Reason.NO_CANDIDATE, unusable, [])
    found = best_numbers(method, market, rows)
    order = np.lexsort((np.array([float(cost) for cost in rows.costs]), -found.cap, -found.protection))
    best = int(order[0])
    good = found.lots[best] > 0
    listed = [_candidate(method, market, rows, found, int(row), chosen=good and row == best) for row in order[:SHOWN]]
    if not good:
        small = any(candidate.verdict is Verdict.BELOW_LOT for candidate in listed)
        return _refused(Reason.BELOW_LOT if small else Reason.NO_CANDIDATE, unusable, listed)
    return _planned(method, market, rows, found, best, tuple(unusable + listed))


def _verdicts(method: TailHedge, market: OptionMarket) -> list[Verdict | None]:
    """Why a quote can be no part of a hedge; the first rule that it breaks."""
    asks, bids, mark = market.premiums(BUY), market.premiums(SELL), float(market.mark)
    puts, sells = market.rights < 0.0, not isinstance(method, ProtectivePut)
    calls_used = isinstance(method, Collar)
    away = puts & (market.strikes > mark)
    if isinstance(method, Collar):
        away |= ~puts & (market.strikes < mark * (1.0 + method.least_upside))
    rules: list[tuple[Verdict, Bools]] = [
        (Verdict.OTHER_RIGHT, ~puts & (not calls_used)),
        (Verdict.EXPIRY_OUT_OF_RANGE, market.days < method.horizon_days),
        (Verdict.CROSSED, (asks > 0.0) & (bids > asks)),
        (Verdict.STRIKE_OUT_OF_RANGE, away),
        (Verdict.NO_ASK, puts & (asks <= 0.0) & ((bids <= 0.0) | (not sells) | calls_used)),
        (Verdict.NO_BID, ~puts & (bids <= 0.0)),
    ]
    verdicts: list[Verdict | None] = [None] * len(market.quotes)
    for verdict, broken in reversed(rules):
        verdicts = [verdict if bad else known for bad, known in zip(broken.tolist(), verdicts, strict=True)]
    return verdicts


def _places(rows: Combinations, row: int) -> tuple[int, ...]:
    return (int(rows.long[row]), *((int(rows.short[row]),) if rows.short.size else ()))


def _candidate(
    method: TailHedge, market: OptionMarket, rows: Combinations, found: BestNumbers, row: int, *, chosen: bool
) -> Candidate:
    lots, contract = int(found.lots[row]), market.contract
    candidate = Candidate(
        places=_places(rows, row),
        verdict=Verdict.CHOSEN if chosen else Verdict.OUTSCORED,
        contracts=lots * contract.lot,
        score=float(found.protection[row]) if lots else None,
    )
    if lots:
        return candidate
    if whole_lots(rows.most[row], contract.lot) < contract.smallest:
        text = f"{rows.bounds[row]} allows {float(rows.most[row]):.6g} contracts"
        return replace(candidate, verdict=Verdict.BELOW_LOT, detail=text)
    return replace(candidate, verdict=Verdict.NO_PROTECTION)


def _refused(reason: Reason, unusable: list[Candidate], listed: list[Candidate]) -> VaultPlan:
    candidates = tuple(unusable + listed)
    counts = Counter(row.verdict for row in candidates)
    text = ", ".join(f"{number} {verdict.value}" for verdict, number in sorted(counts.items()))
    detail = f"no hedge of {len(candidates)} candidates: {text}"
    return VaultPlan(reason=reason, detail=detail, legs=(), figures=None, steps=(), candidates=candidates)


def _planned(
    method: TailHedge,
    market: OptionMarket,
    rows: Combinations,
    found: BestNumbers,
    best: int,
    candidates: tuple[Candidate, ...],
) -> VaultPlan:
    contracts = int(found.lots[best]) * market.contract.lot
    volatility = _volatilities(market)
    legs = tuple(
        leg_of(market, place, side, contracts, volatility[place])
        for place, side in zip(_places(rows, best), (BUY, SELL), strict=False)
    )
    steps = _steps(method, market, rows, best, contracts)
    short = steps[-1].after < steps[0].after * (1.0 - 1e-12) and rows.bounds[best] != "coverage"
    bound = f"cut by {rows.bounds[best]}" if short else None
    return VaultPlan(
        reason=Reason.LIMIT if short else Reason.NONE,
        detail=bound,
        legs=legs,
        figures=_figures(method, market, legs, float(found.protection[best])),
        steps=steps,
        candidates=candidates,
    )


def _steps(
    method: TailHedge, market: OptionMarket, rows: Combinations, best: int, contracts: Decimal
) -> tuple[Step, ...]:
    whole = float(market.holding / market.contract.multiplier)
    wanted, allowed = whole * method.coverage, float(rows.most[best])
    steps = [Step("coverage", whole, wanted, "coverage", method.coverage, False)]
    if allowed < wanted * (1.0 - 1e-12):
        name = rows.bounds[best] if rows.bounds[best] != "coverage" else "premium_in_coin"
        steps.append(Step("limits", wanted, allowed, name, None, True))
    if float(contracts) != steps[-1].after:
        steps.append(Step("rounding", steps[-1].after, float(contracts), "lot", None, False))
    return tuple(steps)


def _volatilities(market: OptionMarket) -> list[float | None]:
    """Of each quote: its own, else implied by its ask, else by its bid; None where neither implies one."""
    asked, bid = market.implied_volatilities(BUY)[0], market.implied_volatilities(SELL)[0]
    columns = zip(market.own_volatilities.tolist(), asked.tolist(), bid.tolist(), strict=True)
    return [own or one or other or None for own, one, other in columns]


def _figures(method: TailHedge, market: OptionMarket, legs: tuple[PlannedLeg, ...], protection: float) -> HedgeFigures:
    unit, coin, mark = market.contract.multiplier, market.contract.coin_settled, float(market.mark)
    premium = sum((-leg.side * leg.contracts * unit * leg.premium for leg in legs), Decimal(0))
    fees = sum((leg.contracts * unit * market.fee(leg.place, leg.side) for leg in legs), Decimal(0))
    net, held = float(premium - fees), float(market.holding)
    options = ExpiryPosition(
        coins=net if coin else 0.0,
        cash=0.0 if coin else net,
        sizes=tuple(float(leg.side * leg.contracts * unit) for leg in legs),
        strikes=tuple(float(market.strikes[leg.place]) for leg in legs),
        rights=tuple(float(market.rights[leg.place]) for leg in legs),
    )
    position = replace(options, coins=held + options.coins)
    floor, floor_price = position.floor()
    greeks = greeks_of(market, legs)
    in_quote = net * (mark if coin else 1.0)
    calls = [market.strikes[leg.place] for leg in legs if market.quotes[leg.place].right > 0]
    return HedgeFigures(
        premium=premium,
        fees=fees,
        net_premium_quote=in_quote,
        maximum_loss=held * mark - floor,
        floor=floor,
        floor_price=floor_price,
        breakeven=options.crossing(0.0, rising=False),
        payoffs=position.payoffs(mark, (held, 0.0), method.shocks),
        greeks=greeks,
        net_delta=None if greeks is None else position.coins + greeks.delta_black,
        cost_bps=-in_quote / (held * mark) * 1e4,
        protection=protection,
        cap_price=float(calls[0]) if calls else None,
        coverage=min(1.0, float(legs[0].contracts * unit) / held) if math.isfinite(held) else 0.0,
    )
