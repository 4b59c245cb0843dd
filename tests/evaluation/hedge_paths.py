"""Hedges on prices that were quoted: windows of a series, each with an option of its own, hedged by a rule.

`services.simulation.hedging` has one volatility for all paths and times. Here each window has that which was known at
each of its times, the band may see another gamma than the book has, and the hedge may aim at a net delta but zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from services.core.annualization import SECONDS_PER_YEAR, Calendar
from services.core.explain import Floats
from services.hedging.view import HedgeView, LastHedge, Rule, traded
from services.options.black import black_greeks, black_price
from services.simulation.hedging import OrderCosts, certainty_equivalent_loss
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.horizon import horizon_variance, persistence
from services.volatility.path import forecast_path
from services.volatility.series import SeriesInput
from tests.evaluation.driver_data import Bars, averaged

SPOT = 100.0
"""Price at the start of each window, and strike of its option."""
AVERSION = 0.1
"""Relative risk aversion of 10, the default of the adaptive band, on an equity of one unit of base."""
RESAMPLES, SEED = 2_000, 20_260_205


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Closes of one market, and what was known at each of them.

    Parameters
    ----------
    seconds, price : (n,) arrays
        Since 1970 [s]; [quote].
    known : mapping of (n,) arrays
        By name; NaN where nothing is known: windows that meet one are left out.
    """

    name: str
    seconds: Floats
    price: Floats
    known: Mapping[str, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Parts of markets of one length, each from a price of 100 on.

    Parameters
    ----------
    seconds, price : (windows, times) arrays
        From the start of the window [s]; [quote].
    known : mapping of (windows, times) arrays
        As in `Market`.
    block : (windows,) int array
        Span of time in which a window starts, the same for all markets; spans are as long as a window and do not
        overlap, windows do.
    """

    seconds: Floats
    price: Floats
    known: Mapping[str, Floats]
    block: np.ndarray

    @property
    def left(self) -> Floats:
        """Time to expiry at each time but the last, (windows, times − 1) [years]."""
        return (self.seconds[:, -1:] - self.seconds[:, :-1]) / SECONDS_PER_YEAR


def windows_of(markets: list[Market], *, steps: int, every: int, skipped: int = 0) -> Windows:
    """Windows of `steps` steps that start every `every` closes, after the first `skipped`."""
    parts = [_cut(market, steps, every, skipped) for market in markets]
    known = {name: np.concatenate([part.known[name] for part in parts]) for name in markets[0].known}
    joined = [np.concatenate([getattr(part, name) for part in parts]) for name in ("seconds", "price", "block")]
    return Windows(joined[0], joined[1], known, joined[2])


def _cut(market: Market, steps: int, every: int, skipped: int) -> Windows:
    def cut(column: Floats) -> Floats:
        return np.ascontiguousarray(sliding_window_view(column[skipped:], steps + 1)[::every])

    seconds, price, known = cut(market.seconds), cut(market.price), {n: cut(c) for n, c in market.known.items()}
    whole = np.all([np.isfinite(column).all(axis=1) for column in known.values()], axis=0)
    length = float(np.median(seconds[:, -1] - seconds[:, 0]))
    block = np.floor(seconds[:, 0] / length).astype(np.int64)
    scaled = SPOT * price / price[:, :1]
    kept = {name: column[whole] for name, column in known.items()}
    return Windows((seconds - seconds[:, :1])[whole], scaled[whole], kept, block[whole])


class Sensitivities(NamedTuple):
    """Delta [base units] and gamma [base units per unit of price] at each time but the last."""

    delta: Floats
    gamma: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """Short options, one in each window.

    Parameters
    ----------
    seconds, price : (windows, times) arrays
        As in `Windows`.
    gain : (windows,) array
        Of the options alone, from premium to pay-off [quote].
    greeks : Sensitivities
        Of the short options.
    block : (windows,) int array
        As in `Windows`.
    """

    seconds: Floats
    price: Floats
    gain: Floats
    greeks: Sensitivities
    block: np.ndarray


def short_calls(windows: Windows, volatility: Floats) -> Book:
    """Calls at the money, sold at a volatility known then, hedged at that known at each time, (windows, times)."""
    years = windows.seconds[:, -1] / SECONDS_PER_YEAR
    premium = black_price(SPOT, SPOT, years, volatility[:, 0], 1)
    gain = premium - np.maximum(windows.price[:, -1] - SPOT, 0.0)
    return Book(windows.seconds, windows.price, gain, short_greeks(windows, volatility), windows.block)


def short_greeks(windows: Windows, volatility: Floats) -> Sensitivities:
    """Greeks of the short calls at a volatility, (windows, times)."""
    unit = black_greeks(windows.price[:, :-1], SPOT, windows.left, volatility[:, :-1], 1)
    return Sensitivities(-unit.delta, -unit.gamma)


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """How a book is hedged.

    Parameters
    ----------
    rule : Rule
        When to trade, and how far.
    costs : OrderCosts
        Paid for every order.
    told : OrderCosts, optional
        What the rule takes an order to cost; by default what it does cost.
    delta : (windows, times − 1) array, optional
        In place of the delta of the book.
    gamma : (windows, times − 1) array, optional
        In place of the gamma of the book: what the band sees.
    aim : (windows, times − 1) array, optional
        Net delta to hold; by default 0.
    """

    rule: Rule
    costs: OrderCosts
    told: OrderCosts | None = None
    delta: Floats | None = None
    gamma: Floats | None = None
    aim: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Hedged:
    """What became of the short options of every window; (windows,) arrays [quote]."""

    pnl: Floats
    cost: Floats
    orders: np.ndarray

    @property
    def other_side(self) -> Hedged:
        """Of the options bought instead: rules do not know the sign of a book, so that every order is the reverse."""
        return replace(self, pnl=-(self.pnl + self.cost) - self.cost)


def hedged(book: Book, variant: Variant) -> Hedged:
    """Outcome of each window: every time but the last the rule may trade at the price of that time; then all closes."""
    count, times = book.price.shape
    delta = book.greeks.delta if variant.delta is None else variant.delta
    gamma = book.greeks.gamma if variant.gamma is None else variant.gamma
    aim = np.zeros(delta.shape) if variant.aim is None else variant.aim
    held, pnl, cost = np.zeros(count), book.gain.copy(), np.zeros(count)
    orders = np.zeros(count, dtype=np.int64)
    hedged_at, last_price = np.full(count, np.nan), np.full(count, np.nan)
    told = variant.told or variant.costs
    for step in range(times - 1):
        spot, now = book.price[:, step], book.seconds[:, step]
        view = HedgeView(
            net_delta=delta[:, step] + held - aim[:, step],
            spot=spot,
            gamma_1pct=gamma[:, step] * spot / 100.0,
            cost_rate=told.rate,
            fixed_cost=told.fixed,
            last=LastHedge(seconds_ago=now - hedged_at, price=last_price),
        )
        order = traded(view, variant.rule.judge(view))
        made = order != 0.0
        cost += _paid(order, spot, variant.costs)
        orders += made
        held += order
        hedged_at, last_price = np.where(made, now, hedged_at), np.where(made, spot, last_price)
        pnl += held * (book.price[:, step + 1] - spot)
    cost += _paid(-held, book.price[:, -1], variant.costs)
    return Hedged(pnl - cost, cost, orders + (held != 0.0))


def _paid(order: Floats, spot: Floats, costs: OrderCosts) -> Floats:
    return costs.rate * np.abs(order) * spot + costs.fixed * (order != 0.0)


class Difference(NamedTuple):
    """Of two certainty-equivalent losses, and its interval [quote]."""

    value: float
    low: float
    high: float


Pair = tuple[Floats, Floats]
"""Results of a variant, and of what it is compared with, on the same windows."""


def sides(outcome: Hedged, base: Hedged) -> tuple[Pair, Pair]:
    """Results of both, of options sold and of options bought."""
    return (outcome.pnl, base.pnl), (outcome.other_side.pnl, base.other_side.pnl)


def difference(
    pairs: Sequence[Pair], block: np.ndarray, *, level: float = 0.95, aversion: float = AVERSION
) -> Difference:
    """Loss of a variant less that of its base, mean over the pairs; whole blocks are drawn again, for all together.

    The mean over both sides of a book is free of the luck of a price that went one way: what one side gains by being
    late the other loses, and the cost and the risk are left.
    """
    place = np.unique(block, return_inverse=True)[1]
    size = np.bincount(place)
    counts = np.random.default_rng(SEED).multinomial(size.size, np.full(size.size, 1.0 / size.size), size=RESAMPLES)

    def drawn(pnl: Floats) -> Floats:
        sums = np.bincount(place, weights=np.exp(-aversion * (pnl - pnl.min())))
        return np.asarray(np.log((counts @ sums) / (counts @ size)) / aversion - pnl.min())

    def whole(pnl: Floats) -> float:
        return certainty_equivalent_loss(pnl, aversion)

    low, high = np.quantile(
        np.mean([drawn(pnl) - drawn(base) for pnl, base in pairs], axis=0), [0.5 * (1.0 - level), 0.5 * (1.0 + level)]
    )
    value = float(np.mean([whole(pnl) - whole(base) for pnl, base in pairs]))
    return Difference(value, float(low), float(high))


def trailing_volatility(price: Floats, bars: int, periods: float) -> Floats:
    """Root mean square of the last `bars` log returns after each close [annual]; NaN before there are so many."""
    sums = np.concatenate(([0.0, 0.0], np.cumsum(np.diff(np.log(price)) ** 2)))[1:]
    found = np.full(price.size, np.nan)
    found[bars:] = np.sqrt(np.maximum(sums[bars:] - sums[:-bars], 0.0) * periods / bars)
    return found


def adaptive_volatility(bars: Bars, bar_seconds: float) -> tuple[Floats, Floats]:
    """What the service would have said after each close: volatility of the next bar, and of the long run [annual]."""
    ranges = {"open": bars.open, "high": bars.high, "low": bars.low} if bars.ranged else {}
    end = datetime.fromtimestamp(float(bars.end[-1]), UTC)
    series = SeriesInput(closes=bars.close, end=end, bar_seconds=int(bar_seconds), calendar=Calendar(), **ranges)
    found = forecast_path(series, Adaptive())
    return found.volatility, found.long_run


def forecast_to_expiry(volatility: Floats, long_run: Floats, years_left: Floats, bar_seconds: float) -> Floats:
    """Volatility over the rest of an option's life: the forecast fades into the long run [annual]."""
    bars = np.maximum(years_left * SECONDS_PER_YEAR / bar_seconds, 1.0)
    total = horizon_variance(volatility**2, long_run**2, bars, persistence(bar_seconds))
    return np.sqrt(total / bars)


def flow(bars: Bars, half_life: float) -> Floats:
    """Signed volume of candles, averaged, over the average volume; in units of its running root mean square, in ±3.

    ``v (close − open) / (high − low)`` stands in for signed trades: +v where a bar closes at its high.
    """
    width = bars.high - bars.low
    sign = np.divide(bars.close - bars.open, width, out=np.zeros(width.shape), where=width > 0.0)
    share = averaged(bars.volume * sign, half_life) / np.maximum(averaged(bars.volume, half_life), 1e-300)
    scale = np.sqrt(averaged(share**2, max(50.0 * half_life, 1_000.0)))
    return np.clip(share / np.maximum(scale, 1e-300), -3.0, 3.0)
