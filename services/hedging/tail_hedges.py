"""Tail hedges: options that limit the loss of a holding, the most protection that a budget pays for."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Len, Lt
from numpy.typing import NDArray

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats, Step
from services.core.outcome import Reason
from services.hedging.expiry_value import ExpiryPosition
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

Places = NDArray[np.int64]
Shock = Annotated[float, Gt(-1), Lt(0)]
MOST_LOTS = 10**15
"""Far more than any market has, and whole in a double."""
SHOWN = 40
"""Pairs that are listed as candidates, the best first; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TailHedge:
    """What all tail hedges share; see `ProtectivePut`."""

    horizon_days: Annotated[float, Gt(0), Le(1000)]
    max_cost: Annotated[float, Ge(0), Le(1)] = 0.01
    shocks: Annotated[tuple[Shock, ...], Len(1, 10)] = (-0.3,)
    objective: Literal["shocks", "floor"] = "shocks"
    coverage: Annotated[float, Gt(0), Le(1)] = 1.0

    requires: ClassVar[frozenset[str]] = frozenset({"option_quotes"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if not self.shocks or any(not -1.0 < shock < 0.0 for shock in self.shocks):
            raise InvalidInput("vault.shocks", "must each lie within -1 and 0", list(self.shocks))

    def pairs(self, market: OptionMarket, long: Places, short: Places) -> tuple[Places, Places]:
        """Places of bought and of sold options that may go together; the second is empty where nothing is sold."""
        raise NotImplementedError

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
        return _together(market, long, calls)


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
        bought, sold = _together(market, long, short[market.rights[short] < 0.0])
        lower = market.strikes[sold] < market.strikes[bought]
        return bought[lower], sold[lower]


class _Combinations(NamedTuple):
    """One row for each hedge; costs are exact."""

    long: Places
    short: Places
    costs: tuple[Decimal, ...]
    most: tuple[Decimal, ...]
    bounds: tuple[str, ...]


class _Found(NamedTuple):
    """Best number of each combination, and what it comes to."""

    lots: NDArray[np.int64]
    protection: Floats
    cap: Floats


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
    rows = _combined(method, market, usable)
    if not rows.costs:
        return _refused(Reason.NO_CANDIDATE, unusable, [])
    found = _best_numbers(method, market, rows)
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


def _together(market: OptionMarket, long: Places, short: Places) -> tuple[Places, Places]:
    moments = np.array([quote.expiry.timestamp() for quote in market.quotes])
    same = moments[long][:, None] == moments[short][None, :]
    rows, columns = np.nonzero(same)
    return long[rows], short[columns]


def _combined(method: TailHedge, market: OptionMarket, usable: Places) -> _Combinations:
    asks, bids = market.premiums(BUY), market.premiums(SELL)
    long = usable[(market.rights[usable] < 0.0) & (asks[usable] > 0.0)]
    bought, sold = method.pairs(market, long, usable[bids[usable] > 0.0])
    paid = {place: (market.quotes[place].ask or Decimal(0)) + market.fee(place, BUY) for place in set(bought.tolist())}
    got = {place: (market.quotes[place].bid or Decimal(0)) - market.fee(place, SELL) for place in set(sold.tolist())}
    pairs = list(zip(bought.tolist(), sold.tolist() or [-1] * bought.size, strict=True))
    costs = tuple(paid[long] - got.get(short, Decimal(0)) for long, short in pairs)
    limits = [_most(method, market, pair, cost) for pair, cost in zip(pairs, costs, strict=True)]
    return _Combinations(bought, sold, costs, tuple(most for most, _ in limits), tuple(name for _, name in limits))


def _most(method: TailHedge, market: OptionMarket, pair: tuple[int, int], cost: Decimal) -> tuple[Decimal, str]:
    """Largest number of contracts, and what bounds it."""
    contract = market.contract
    covered = market.holding * Decimal(repr(method.coverage)) / contract.multiplier
    sells_calls = pair[1] >= 0 and market.quotes[pair[1]].right > 0
    if sells_calls and contract.coin_settled and cost > 0:
        # Coin that pays the premium covers no call.
        covered = min(covered, market.holding / (contract.multiplier * (1 + cost)))
    limits = [(covered, "coverage")]
    if cost > 0:
        limits.append((budget_of(method, market) / (cost * contract.multiplier), "max_cost"))
    depths = [market.quotes[place].depth for place in pair if place >= 0]
    limits += [(depth, "depth") for depth in depths if depth is not None]
    return min(limits, key=lambda limit: limit[0])


def budget_of(method: TailHedge, market: OptionMarket) -> Decimal:
    """Largest net premium with fees [settlement currency]: coin is valued at the mark, so that the mark cancels."""
    value = market.holding * (Decimal(1) if market.contract.coin_settled else market.mark)
    return value * Decimal(repr(method.max_cost))


def _best_numbers(method: TailHedge, market: OptionMarket, rows: _Combinations) -> _Found:
    """Best lots of every combination: an end, or next to the kink of the floor."""
    contract = market.contract
    most = np.array([min(whole_lots(size, contract.lot), MOST_LOTS) for size in rows.most], dtype=np.int64)
    lot = float(contract.lot * contract.multiplier)
    choices = [most]
    if method.objective == "floor":
        # The values at zero and at the bought strike, as functions of the lots, meet here.
        kink = np.floor(np.minimum(_kinks(market, rows) / lot, most)).astype(np.int64)
        choices += [kink, np.minimum(kink + 1, most)]
    lots, protection = np.zeros_like(most), np.zeros(most.size)
    for number in choices:
        usable = np.where(number >= contract.smallest, number, 0)
        gain = np.where(usable > 0, _protection(method, market, rows, usable * lot), 0.0)
        better = gain > protection
        lots, protection = np.where(better, usable, lots), np.where(better, gain, protection)
    caps = market.strikes[rows.short] if rows.short.size else np.zeros(most.size)
    return _Found(lots, protection, np.where(lots > 0, caps, 0.0))


def _kinks(market: OptionMarket, rows: _Combinations) -> Floats:
    """Size at which the value at a price of zero equals that at the bought strike [base units]; N without one.

    With a premium in coin: ``q D = (N − q c) K``, D being the strike less that of a put which is sold.
    """
    held, strike = float(market.holding), market.strikes[rows.long]
    cost = np.array([float(cost) for cost in rows.costs])
    width = strike.copy()
    if rows.short.size:
        width -= np.where(market.rights[rows.short] < 0.0, market.strikes[rows.short], 0.0)
    return (
        held * strike / np.maximum(width + np.where(market.contract.coin_settled, cost, 0.0) * strike, 1e-12 * strike)
    )


def _protection(method: TailHedge, market: OptionMarket, rows: _Combinations, sizes: Floats) -> Floats:
    """What is maximised, for each combination at its size [base units], as a fraction of the holding's value."""
    mark, held = float(market.mark), float(market.holding)
    if method.objective == "shocks":
        prices = np.broadcast_to(mark * (1.0 + np.array(method.shocks)), (sizes.size, len(method.shocks)))
        return np.asarray(_gain(market, rows, sizes, prices).mean(axis=1) / (held * mark))
    strikes = [market.strikes[rows.long]] + ([market.strikes[rows.short]] if rows.short.size else [])
    prices = np.column_stack([np.zeros(sizes.size), *strikes])
    return np.asarray((held * prices + _gain(market, rows, sizes, prices)).min(axis=1) / (held * mark))


def _gain(market: OptionMarket, rows: _Combinations, sizes: Floats, prices: Floats) -> Floats:
    """Pay-off less cost at expiry of each combination [quote], shape (combinations, prices)."""
    cost = np.array([float(cost) for cost in rows.costs])[:, None]
    paid = cost * prices if market.contract.coin_settled else cost
    gain = np.maximum(market.strikes[rows.long][:, None] - prices, 0.0) - paid
    if rows.short.size:
        right = market.rights[rows.short][:, None]
        gain = gain - np.maximum(right * (prices - market.strikes[rows.short][:, None]), 0.0)
    return np.asarray(sizes[:, None] * gain)


def _places(rows: _Combinations, row: int) -> tuple[int, ...]:
    return (int(rows.long[row]), *((int(rows.short[row]),) if rows.short.size else ()))


def _candidate(
    method: TailHedge, market: OptionMarket, rows: _Combinations, found: _Found, row: int, *, chosen: bool
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
    rows: _Combinations,
    found: _Found,
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
    method: TailHedge, market: OptionMarket, rows: _Combinations, best: int, contracts: Decimal
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
