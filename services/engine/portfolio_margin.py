"""Margin of the whole account by scenarios: its figures at a book, and the sizes that it allows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from services.core.annualization import SECONDS_PER_YEAR
from services.core.explain import Bools, Floats, Trail
from services.core.instrument import Kind, MarginTier
from services.engine.collateral import initial_equity, maintenance_equity
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.margin_rates import contagion_multiplier
from services.engine.outputs import PortfolioMargin, Unvalued
from services.engine.portfolio_book import portfolio_book
from services.margin.assembly import round_up
from services.margin.portfolio_rules import PortfolioRules
from services.margin.root_scan import LiquidationPrices
from services.margin.scenario_book import ScenarioBook, UnderlyingBook
from services.margin.scenario_margin import scenario_margin
from services.margin.underlying_book import FutureHolding, OptionHolding
from services.margin.underlying_book import UnderlyingBook as PriceBook
from services.sizing.overlay import grown

GUARD_POINTS = 17
"""Multipliers of the increase at which the margin is looked at first: it need not rise all the way."""
MOST_STEPS, NARROW = 60, 1e-10
NO_TIER = (MarginTier(0.0, 0.0),)


def rules_of(inputs: EvaluationInputs) -> PortfolioRules:
    """Rules of the policy, or the default ones."""
    return inputs.policy.margin.portfolio or PortfolioRules()


def portfolio_margin(
    inputs: EvaluationInputs, columns: BookColumns, contracts: Floats, *, must_shrink: bool = False
) -> PortfolioMargin:
    """Scenario margin at `contracts`; `must_shrink` says how coin that lacks a figure counts, see `portfolio_book`.

    The distress of venues multiplies what the scenarios ask by the largest multiplier of any row: one margin backs the
    whole account. A row that no scenario can value adds the margin that its venue states, and is unmodelled where none
    is stated.
    """
    rules = rules_of(inputs)
    book = portfolio_book(inputs, columns, contracts, rules, must_shrink=must_shrink)
    found = scenario_margin(ScenarioBook(underlyings=book.underlyings), rules.scenarios) if book.underlyings else None
    multiplier = float(contagion_multiplier(columns).max(initial=1.0))
    initial, maintenance = (multiplier * found.initial, multiplier * found.maintenance) if found else (0.0, 0.0)
    unmodelled = list[Unvalued]()
    for item in book.unvalued:
        row = inputs.rows[item.row]
        if row.initial_margin is None or row.maintenance_margin is None:
            unmodelled.append(item)
        else:
            initial, maintenance = initial + row.initial_margin, maintenance + row.maintenance_margin
    return PortfolioMargin(
        preset=rules.preset,
        initial=float(round_up(max(initial, maintenance))),
        maintenance=float(round_up(maintenance)),
        multiplier=multiplier,
        found=found,
        underlyings=book.underlyings,
        members=book.members,
        unmodelled=tuple(unmodelled),
    )


def with_open_orders(
    inputs: EvaluationInputs, columns: BookColumns, contracts: Floats, buys: ArrayLike, sells: ArrayLike
) -> PortfolioMargin:
    """Scenario margin at `contracts`; initial margin is the worst of that, of every open buy filled, of every sell.

    A mixture of buys and sells is not looked at: an order book of n orders has 2ⁿ of them.
    """
    margins = [portfolio_margin(inputs, columns, contracts)]
    changes = (np.asarray(buys, dtype=np.float64), -np.asarray(sells, dtype=np.float64))
    margins += [portfolio_margin(inputs, columns, contracts + change) for change in changes if np.any(change)]
    worst = max(margins, key=lambda item: item.initial)
    first = margins[0]
    unmodelled = next((item.unmodelled for item in margins if item.unmodelled), ())
    return PortfolioMargin(
        preset=first.preset,
        initial=worst.initial,
        maintenance=first.maintenance,
        multiplier=first.multiplier,
        found=first.found,
        underlyings=first.underlyings,
        members=first.members,
        unmodelled=unmodelled,
    )


def scaled_increase(
    trail: Trail, inputs: EvaluationInputs, columns: BookColumns, sizable: Bools, *, share: float = 1.0
) -> None:
    """Increases by the largest common multiplier that keeps the initial margin of the whole book within the policy.

    One stage `portfolio_margin`. The margin of a book need not rise with its size: the first multiplier beyond which
    it leaves the limit is looked for among 17 and then solved for, so that no smaller one is over it either.

    Parameters
    ----------
    share : float
        Part of the limit that may be used.

    Notes
    -----
    Reductions are taken whole. Where they alone leave the book over the limit and riskier than it is (they take hedges
    off), every row stays as it is.
    """
    current, wanted = columns.contracts, trail.value
    limit = share * inputs.policy.limits.max_margin_use * initial_equity(inputs, columns)

    def book(multiplier: float) -> Floats:
        return np.where(sizable, grown(current, wanted, multiplier), current)

    def initial(multiplier: float) -> float:
        return portfolio_margin(inputs, columns, book(multiplier)).initial

    if initial(1.0) <= limit:
        return
    multiplier = first_crossing(initial, limit)
    if multiplier is None:
        now = portfolio_margin(inputs, columns, current).initial
        value = book(0.0) if initial(0.0) <= max(now, limit) else current
    else:
        value = book(multiplier)
    value = np.where(sizable, value, wanted)
    trail.apply("portfolio_margin", value, "limits.max_margin_use", bound=sizable & (value != wanted))


def first_crossing(initial: Callable[[float], float], limit: float) -> float | None:
    """Largest multiplier in [0, 1] below which nothing is over the limit; None where 0 is.

    Examples
    --------
    >>> round(first_crossing(lambda multiplier: 10.0 * multiplier, 4.0), 6)
    0.4
    >>> first_crossing(lambda multiplier: 5.0, 4.0) is None
    True
    """
    if initial(0.0) > limit:
        return None
    points = np.linspace(0.0, 1.0, GUARD_POINTS).tolist()
    place = next((index for index, point in enumerate(points) if initial(point) > limit), None)
    if place is None:
        return 1.0
    return _solved(initial, limit, points[place - 1], points[place])


def _solved(initial: Callable[[float], float], limit: float, low: float, high: float) -> float:
    """Multiplier within the limit, by false position with the Illinois weight: the margin is nearly linear there."""
    room = limit - initial(low)
    left, right = room, initial(high) - limit
    for _ in range(MOST_STEPS):
        if high - low <= NARROW or room <= NARROW * limit:
            break
        middle = low + (high - low) * left / (left + right)
        found = limit - initial(middle)
        if found >= 0.0:
            low, room, left, right = middle, found, found, 0.5 * right
        else:
            high, right, left = middle, -found, 0.5 * left
    return float(low)


def portfolio_liquidations(
    inputs: EvaluationInputs, columns: BookColumns, margin: PortfolioMargin
) -> tuple[LiquidationPrices, ...]:
    """Prices of each underlying at which equity falls to the maintenance margin of now, all else standing still.

    The maintenance margin itself moves with the price too: these are the first prices to look at, not the venue's.
    """
    equity = maintenance_equity(inputs, columns)
    return tuple(_priced(item, equity, margin.maintenance).liquidation() for item in margin.underlyings)


def row_liquidations(
    inputs: EvaluationInputs, margin: PortfolioMargin, by_underlying: tuple[LiquidationPrices, ...]
) -> Floats:
    """Price of each linear row at the nearer of its underlying's liquidation prices [quote]; NaN for none."""
    found = np.full(len(inputs.rows), np.nan)
    for book, members, prices in zip(margin.underlyings, margin.members, by_underlying, strict=True):
        known = [price / book.spot for price in (prices.down, prices.up) if price is not None]
        if not known:
            continue
        ratio = min(known, key=lambda item: abs(math.log(item)))
        for index in members:
            price = inputs.rows[index].price
            if inputs.rows[index].instrument.kind is not Kind.OPTION and price is not None:
                found[index] = price.value * ratio
    return found


def _priced(book: UnderlyingBook, equity: float, maintenance: float) -> PriceBook:
    """Everything in one underlying as a function of its price; cash is what makes equity that of the account."""
    linear, options = book.linear, book.options
    forwards = {feed.seconds: feed.forward for feed in book.expiries}
    futures = [
        FutureHolding(quantity=base, price=price, tiers=NO_TIER)
        for base, price in zip(linear.base.tolist(), linear.price.tolist(), strict=True)
        if base != 0.0
    ]
    legs = [
        OptionHolding(
            quantity=quantity,
            strike=strike,
            forward=forwards[seconds],
            time_to_expiry=seconds / SECONDS_PER_YEAR,
            volatility=volatility,
            right=int(right),
            maintenance_rate=0.0,
        )
        for seconds, strike, right, quantity, volatility in zip(
            *(getattr(options, name).tolist() for name in ("seconds", "strike", "right", "quantity", "volatility")),
            strict=True,
        )
    ]
    coin = math.fsum(item.amount for item in book.collateral)
    bare = PriceBook(mark=book.spot, balance=0.0, coin=coin, futures=futures, options=legs)
    balance = equity - float(bare.equity(np.array([book.spot]))[0])
    return PriceBook(
        mark=book.spot, balance=balance, other_maintenance=maintenance, coin=coin, futures=futures, options=legs
    )
