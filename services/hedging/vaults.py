"""Vaults: options sold against collateral that covers them, where the premium pays for the risk."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.decimals import plain
from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats, Step, Trail
from services.core.outcome import Reason
from services.hedging.option_quotes import OptionMarket
from services.hedging.sale_figures import DAYS_PER_YEAR, collateral_value, sale_figures, unit_collateral
from services.hedging.vault_plan import (
    SELL,
    Candidate,
    VaultPlan,
    Verdict,
    leg_of,
    sized,
    was_cut,
)
from services.options.black import black_greeks, black_price


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSale:
    """What both vaults share; see `CoveredCall`."""

    delta: Annotated[float, Gt(0), Lt(1)] = 0.10
    least_delta: Annotated[float, Gt(0), Lt(1)] | None = None
    least_days: Annotated[float, Ge(0), Le(1000)] = 1.0
    most_days: Annotated[float, Gt(0), Le(1000)] = 45.0
    utilisation: Annotated[float, Gt(0), Le(1)] = 1.0
    forecast_error: Annotated[float, Gt(0), Le(5)] = 0.20
    max_vega: Annotated[float, Gt(0), Le(1e15)] | None = None
    max_contracts: Annotated[float, Gt(0), Le(1e15)] | None = None
    drift: Annotated[float, Ge(-10), Le(10)] | None = None

    right: ClassVar[int]
    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "option_quotes"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if self.least_delta is not None and not self.least_delta <= self.delta:
            raise InvalidInput("vault.least_delta", f"must be <= delta ({self.delta:g})", self.least_delta)
        if not self.least_days <= self.most_days:
            raise InvalidInput("vault.least_days", f"must be <= most_days ({self.most_days:g})", self.least_days)

    def plan(self, market: OptionMarket) -> VaultPlan:
        """The sale of the best option, or the reason why none is sold."""
        return sell(self, market)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredCall(OptionSale):
    """Sell calls on coins that are held: premium for what is above the strike.

    Parameters
    ----------
    delta : float
        Largest forward delta of the call: the strike is the listed one next to it, away from the spot.
    least_delta : float, optional
        Smallest delta; with it, every strike between the two competes. Default: only the one next to `delta`.
    least_days, most_days : float
        Time to expiry within which options compete [days].
    utilisation : float
        Largest part of the collateral that is used [fraction].
    forecast_error : float
        Standard deviation of the forecast of realised volatility, sd of the multiplier ``clip((IV − RV)/sd, 0, 1)``
        [annual fraction].
    max_vega : float, optional
        Largest vega that is sold [quote per volatility point].
    max_contracts : float, optional
        [contracts].
    drift : float, optional
        Drift of the price, for a second probability of assignment [per year].

    Notes
    -----
    Every call is covered by its own coin, so that in coin no more is lost than was set aside: a vault needs no margin
    model. 0.20 for `forecast_error` is what trailing volatility of two to four weeks missed the next week's by, in 6 h
    samples of Bitcoin over four months of 2026.

    References
    ----------
    Ribbon Finance (2021), Theta vault: weekly 10-delta covered calls. Israelov & Nielsen (2015), Covered calls
    uncovered, Financial Analysts Journal 71: its return is the underlying's plus that of short volatility.
    """

    method: Literal["covered_call"] = "covered_call"

    right: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CashSecuredPut(OptionSale):
    """Sell puts against the cash that buys at the strike: premium for standing ready to buy lower.

    Parameters
    ----------
    delta : float
        Largest size of the put's forward delta: the strike is the listed one next to it, away from the spot.
    least_delta : float, optional
        Smallest delta; with it, every strike between the two competes. Default: only the one next to `delta`.
    least_days, most_days : float
        Time to expiry within which options compete [days].
    utilisation : float
        Largest part of the collateral that is used [fraction].
    forecast_error : float
        Standard deviation of the forecast of realised volatility, sd of the multiplier ``clip((IV − RV)/sd, 0, 1)``
        [annual fraction].
    max_vega : float, optional
        Largest vega that is sold [quote per volatility point].
    max_contracts : float, optional
        [contracts].
    drift : float, optional
        Drift of the price, for a second probability of assignment [per year].

    Notes
    -----
    The strike is set aside in quote for every base unit, also where the option is settled in coin: what it pays is
    worth ``K − S`` in quote, whatever the coin is worth.

    References
    ----------
    Whaley (2002), Return and risk of CBOE buy write monthly index, Journal of Derivatives 10, for the mirror image;
    put-call parity makes a covered call of the same strike and a cash-secured put the same position.
    """

    method: Literal["cash_secured_put"] = "cash_secured_put"

    right: ClassVar[int] = -1


class _Columns(NamedTuple):
    """Of every quote, one unit of base: volatility of the bid and of the Greeks, delta, vega (per 1.00), edges.

    Delta and vega are the larger of those at the two volatilities: one that came with a quote and contradicts its bid
    does not make a sale near the money look far from it.
    """

    bid_volatility: Floats
    volatility: Floats
    delta: Floats
    edge: Floats
    first_order: Floats
    vega: Floats


class _Sale(NamedTuple):
    """One option as it would be sold."""

    place: int
    contracts: Decimal
    multiplier: float
    steps: tuple[Step, ...]
    score: float


def sell(method: OptionSale, market: OptionMarket) -> VaultPlan:
    r"""Sell the option whose edge on the collateral is largest, in whole lots that the collateral covers.

    1. Of each expiry, the listed strike whose delta is the largest not above `delta` (all down to `least_delta`), at
       the volatility of the quote or of its bid, whichever makes it larger.
    2. ``edge = min(V_bid − V(RV), vega (IV_bid − RV)) − fees`` for one base unit, where IV_bid is the volatility that
       the bid implies: the spread is paid. Where it is not positive, nothing is sold.
    3. ``contracts = min(collateral · utilisation · clip((IV_bid − RV)/sd, 0, 1), depth, max_vega / vega, maximum)`` in
       whole lots.
    4. Of those, the largest ``edge · contracts / collateral · 365 / days``.

    Parameters
    ----------
    method : OptionSale
    market : OptionMarket
        `holding` is the collateral: base units for calls, quote for puts.

    Returns
    -------
    VaultPlan
        With every quote as a candidate; its score is that of step 4 [per year].

    Raises
    ------
    InvalidInput
        Without a forecast of volatility.

    Notes
    -----
    Why the smaller of two edges: vega times the difference of volatilities is the first term of a series. Out of the
    money a price is convex in volatility, so that ``V(IV) − V(RV)`` is less: a week of ten deltas from 60 % to 40 %
    earns 68 % of what vega says, one of 25 deltas 88 %; at the money the two agree. Sold options are valued as if they
    were delta-hedged; a vault that is not hedged has the same expectation only where the price has no drift.

    References
    ----------
    Carr & Madan (1998), Towards a theory of volatility trading: what a hedged option earns from a difference between
    implied and realised volatility. Goyal & Saretto (2009), Journal of Financial Economics 94.
    """
    if market.volatility is None:
        raise InvalidInput("volatility", "is needed to sell options", None)
    columns = _columns(market, market.volatility)
    verdicts = _verdicts(method, market, columns)
    sales = [_sized(method, market, columns, place) for place, verdict in enumerate(verdicts) if verdict is None]
    possible = [sale for sale in sales if sale.contracts > 0]
    best = max(possible, key=lambda sale: sale.score, default=None)
    candidates = _candidates(market, columns, verdicts, sales, best)
    if best is None:
        return _refusal(candidates)
    return _planned(method, market, columns, best, candidates)


def _columns(market: OptionMarket, forecast: float) -> _Columns:
    bids = market.in_quote(market.premiums(SELL))
    terms = (market.forwards, market.strikes, market.years)
    implied, _ = market.implied_volatilities(SELL)
    volatility = np.where(market.own_volatilities > 0.0, market.own_volatilities, implied)
    greeks = black_greeks(*terms, volatility, market.rights)
    at_bid = black_greeks(*terms, implied, market.rights)
    fees = market.in_quote(np.array([float(market.fee(place, SELL)) for place in range(len(market.quotes))]))
    first_order = at_bid.vega * (implied - forecast) - fees
    exact = bids - black_price(*terms, forecast, market.rights) - fees
    larger = (implied > 0.0) & (np.abs(at_bid.delta) > np.abs(greeks.delta))
    return _Columns(
        implied,
        volatility,
        np.where(larger, at_bid.delta, greeks.delta),
        np.minimum(first_order, exact),
        first_order,
        np.maximum(greeks.vega, at_bid.vega),
    )


def _verdicts(method: OptionSale, market: OptionMarket, columns: _Columns) -> list[Verdict | None]:
    """Why a quote may not be sold, or None where it may; the first rule that it breaks."""
    bids, asks, size = market.premiums(SELL), market.premiums(1), np.abs(columns.delta)
    days = market.days
    least = method.least_delta or 0.0
    rules: list[tuple[Verdict, Bools]] = [
        (Verdict.OTHER_RIGHT, market.rights != method.right),
        (Verdict.EXPIRY_OUT_OF_RANGE, (days <= 0.0) | (days < method.least_days) | (days > method.most_days)),
        (Verdict.NO_BID, bids <= 0.0),
        (Verdict.CROSSED, (asks > 0.0) & (bids > asks)),
        (Verdict.UNUSABLE_PRICE, columns.bid_volatility <= 0.0),
        (Verdict.DELTA_OUT_OF_RANGE, (size > method.delta + 1e-9) | (size < least)),
    ]
    verdicts: list[Verdict | None] = [None] * len(market.quotes)
    for verdict, broken in reversed(rules):
        verdicts = [verdict if bad else known for bad, known in zip(broken.tolist(), verdicts, strict=True)]
    if method.least_delta is None:
        _keep_the_nearest(market, size, verdicts)
    return [
        Verdict.NO_EDGE if known is None and edge <= 0.0 else known
        for known, edge in zip(verdicts, columns.edge.tolist(), strict=True)
    ]


def _keep_the_nearest(market: OptionMarket, size: Floats, verdicts: list[Verdict | None]) -> None:
    nearest: dict[Any, int] = {}
    for place, quote in enumerate(market.quotes):
        if verdicts[place] is None and size[place] > size[nearest.setdefault(quote.expiry, place)]:
            nearest[quote.expiry] = place
    for place, quote in enumerate(market.quotes):
        if verdicts[place] is None and nearest[quote.expiry] != place:
            verdicts[place] = Verdict.FARTHER_THAN_NEEDED


def _sized(method: OptionSale, market: OptionMarket, columns: _Columns, place: int) -> _Sale:
    unit = unit_collateral(market, place)
    dearer = float(columns.bid_volatility[place]) - (market.volatility or 0.0)
    multiplier = min(max(dearer / method.forecast_error, 0.0), 1.0)
    allowed = market.holding * Decimal(repr(method.utilisation)) / unit
    trail = Trail(np.array([float(market.holding / unit)]))
    trail.multiply("utilisation", method.utilisation, "utilisation")
    trail.multiply("edge", multiplier, "forecast_error")
    depth, base = market.quotes[place].depth, float(market.contract.multiplier)
    vega = float(columns.vega[place]) * base / 100.0
    limits = [("depth", "depth", math.inf if depth is None else float(depth))]
    if method.max_vega is not None and vega > 0.0:
        limits.append(("vega", "max_vega", method.max_vega / vega))
    limits.append(("maximum", "max_contracts", method.max_contracts or math.inf))
    most = min(allowed, depth) if depth is not None else allowed
    contracts = sized(trail, market.contract, most, limits)
    gain = float(columns.edge[place]) * float(contracts) * base
    score = gain / collateral_value(market, method.right) * DAYS_PER_YEAR / float(market.days[place])
    return _Sale(place, contracts, multiplier, tuple(trail.steps(0)), score)


def _candidates(
    market: OptionMarket,
    columns: _Columns,
    verdicts: Sequence[Verdict | None],
    sales: Sequence[_Sale],
    best: _Sale | None,
) -> tuple[Candidate, ...]:
    by_place = {sale.place: sale for sale in sales}
    return tuple(
        _candidate(market, columns, place, verdict, by_place.get(place), best) for place, verdict in enumerate(verdicts)
    )


def _candidate(
    market: OptionMarket,
    columns: _Columns,
    place: int,
    verdict: Verdict | None,
    sale: _Sale | None,
    best: _Sale | None,
) -> Candidate:
    known = columns.volatility[place] > 0.0 and market.years[place] > 0.0
    priced = columns.bid_volatility[place] > 0.0
    row = Candidate(
        places=(place,),
        verdict=verdict or Verdict.CHOSEN,
        delta=float(columns.delta[place]) if known else None,
        implied_volatility=float(columns.bid_volatility[place]) if priced else None,
        edge=float(columns.edge[place]) if priced else None,
    )
    if verdict is Verdict.NO_EDGE:
        return replace(row, detail=_without_edge(market, columns, place))
    if sale is None:
        return row
    if not sale.contracts:
        return replace(row, verdict=Verdict.BELOW_LOT, detail=_too_small(market, sale))
    outscored = best is not None and best.place != place
    detail = f"{sale.score:.6g} a year on the collateral, {best.score:.6g} of the chosen" if best and outscored else ""
    return replace(
        row,
        verdict=Verdict.OUTSCORED if outscored else Verdict.CHOSEN,
        detail=detail,
        contracts=sale.contracts,
        score=sale.score,
    )


def _without_edge(market: OptionMarket, columns: _Columns, place: int) -> str:
    return (
        f"sold at {columns.bid_volatility[place]:.4g} against a forecast of {market.volatility:.4g}: the edge is "
        f"{columns.edge[place]:.6g} a base unit after fees"
    )


def _too_small(market: OptionMarket, sale: _Sale) -> str:
    least = market.contract.smallest * market.contract.lot
    before = sale.steps[-1].before if sale.steps else 0.0
    return f"{before:.6g} contracts are less than the smallest order of {plain(least)}"


def _refusal(candidates: tuple[Candidate, ...]) -> VaultPlan:
    """No sale: for the reason of the candidate that came farthest."""
    for verdict, reason in ((Verdict.BELOW_LOT, Reason.BELOW_LOT), (Verdict.NO_EDGE, Reason.NO_EDGE)):
        rows = [row for row in candidates if row.verdict is verdict]
        if rows:
            row = max(rows, key=lambda item: item.edge or 0.0)
            return _none(reason, row.detail, candidates)
    counts = Counter(row.verdict for row in candidates)
    text = ", ".join(f"{number} {verdict.value}" for verdict, number in sorted(counts.items()))
    return _none(Reason.NO_CANDIDATE, f"none of {len(candidates)} quotes may be sold: {text}", candidates)


def _none(reason: Reason, detail: str, candidates: tuple[Candidate, ...]) -> VaultPlan:
    return VaultPlan(reason=reason, detail=detail, legs=(), figures=None, steps=(), candidates=candidates)


def _planned(
    method: OptionSale, market: OptionMarket, columns: _Columns, sale: _Sale, candidates: tuple[Candidate, ...]
) -> VaultPlan:
    place = sale.place
    leg = leg_of(market, place, SELL, sale.contracts, float(columns.volatility[place]))
    cut = was_cut(sale.steps)
    edges = (float(columns.edge[place]), float(columns.first_order[place]))
    return VaultPlan(
        reason=Reason.LIMIT if cut else Reason.NONE,
        detail=f"cut by {', '.join(cut)}" if cut else None,
        legs=(leg,),
        figures=sale_figures(market, leg, edges=edges, multiplier=sale.multiplier, drift=method.drift),
        steps=sale.steps,
        candidates=candidates,
    )
