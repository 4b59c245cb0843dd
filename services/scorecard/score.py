"""Pairs of what answers stated and what the log holds later, and the figures of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.core.explain import Floats
from services.scorecard.books import HedgeError, Tails, disjoint, hedge_error, judge_tails, volatility_ratio
from services.scorecard.forecasts import Calibration, mincer_zarnowitz, qlike
from services.scorecard.history import SAME_TIME, BarHistory, BarLog, Price, PricePath, Realized
from services.scorecard.mean import LEAST_MOMENTS, Estimate, hac_mean
from services.scorecard.probabilities import ReliabilityBin, brier, expected_calibration_error, reliability

DAY = 86_400.0
PERCENT = 1e4
"""Squared per cent in a variance: the unit of losses."""
FLAT_PERIODS = 0.999
"""Share of the bars of 365 days from which a market trades around the clock."""
BarKey = tuple[str, str, int]
"""Venue (empty if none), symbol, seconds of a bar."""


class Forecast(NamedTuple):
    """Variance of the bar after a close, as an answer stated it.

    Parameters
    ----------
    key : (str, str, int)
        Venue, symbol and bar of the state or series it was made from.
    closed_at : float
        Last close that it knew [s].
    variance : float
        Of the next bar.
    periods_per_year : float
        Bars a year.
    """

    entry: int
    key: BarKey
    method: str
    closed_at: float
    variance: float
    periods_per_year: float

    @property
    def continuous(self) -> bool:
        """Whether the market trades around the clock."""
        return self.periods_per_year * self.key[2] >= FLAT_PERIODS * 365.0 * DAY


class HeldRow(NamedTuple):
    """One row of a target book: notional in the account currency, price and its time, forecast of its market."""

    venue: str
    symbol: str
    notional: float
    price: float
    forecast: Forecast | None


class Book(NamedTuple):
    """A target book as an answer stated it.

    Parameters
    ----------
    group : str
        Portfolio, empty if it has no name.
    as_of : float
        [s]
    value_at_risk, expected_shortfall : float or None
        Of one day [account currency].
    target_volatility, forecast_volatility : float or None
        Annual.
    unusable : str or None
        Why its profit cannot be told from prices.
    """

    entry: int
    group: str
    as_of: float
    equity: float
    rows: tuple[HeldRow, ...]
    value_at_risk: float | None
    expected_shortfall: float | None
    target_volatility: float | None
    forecast_volatility: float | None
    unusable: str | None = None


class Touch(NamedTuple):
    """Stated probability that a price reaches a level within a day."""

    entry: int
    group: str
    venue: str
    symbol: str
    as_of: float
    level: float
    probability: float


class Hedge(NamedTuple):
    """Delta of a book before and after its hedge [base units], and the instrument it was hedged in."""

    entry: int
    group: str
    venue: str
    symbol: str
    as_of: float
    before: float
    after: float


class Order(NamedTuple):
    """An order of a portfolio: when it expires [s], and the share of it that was executed."""

    group: str
    expires_at: float
    filled: float


@dataclass(slots=True)
class Facts:
    """Everything that a scorecard reads, as one pass over a log finds it."""

    bars: dict[BarKey, BarLog] = field(default_factory=dict)
    prices: dict[tuple[str, str], dict[float, Price]] = field(default_factory=dict)
    forecasts: list[Forecast] = field(default_factory=list)
    repeated: int = 0
    books: list[Book] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)
    hedges: list[Hedge] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)

    def log_of(self, key: BarKey) -> BarLog:
        """Bars of a market and bar length."""
        if key not in self.bars:
            self.bars[key] = BarLog(key[2])
        return self.bars[key]

    def price(self, venue: str, symbol: str, price: Price) -> None:
        """A price; of two for one moment the first counts."""
        self.prices.setdefault((venue, symbol), {}).setdefault(price.time, price)


class ForecastScore(NamedTuple):
    """Losses of forecasts in squared per cent, and against the EWMA on the pairs that both have."""

    pairs: int
    qlike: Estimate
    squared_error: Estimate
    bias: Estimate
    qlike_gain: Estimate
    squared_error_gain: Estimate
    calibration: Calibration


class TouchScore(NamedTuple):
    """Reliability of touch probabilities; bins and error None below 20 moments."""

    brier: Estimate
    bias: Estimate
    bins: tuple[ReliabilityBin, ...]
    calibration_error: float | None


class Tracking(NamedTuple):
    """Books against their targets, orders against their executions."""

    target: Estimate
    forecast: Estimate
    executed: Estimate


class Scorecard(NamedTuple):
    """All figures; `excluded` counts, by section, what could not be judged and why."""

    forecasts: ForecastScore
    markets: dict[tuple[str, str], ForecastScore]
    tails: Tails
    tracking: Tracking
    touches: TouchScore
    hedges: HedgeError
    excluded: dict[str, Counter[str]]


class _Pair(NamedTuple):
    """A forecast and its outcome; `benchmark` NaN where the EWMA says nothing yet."""

    forecast: Forecast
    realized: Realized
    benchmark: float


class _Judge:
    """One reading of the facts."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.excluded: dict[str, Counter[str]] = {
            name: Counter() for name in ("forecasts", "tails", "tracking", "touches", "hedges")
        }
        self._histories: dict[BarKey, BarHistory] = {}
        self._paths: dict[tuple[str, str], PricePath] = {}

    def history(self, key: BarKey) -> BarHistory:
        """Bars of a market in order of time: at its venue, else those that were told without one."""
        known = key if key in self.facts.bars else ("", *key[1:])
        if known not in self._histories:
            self._histories[known] = self.facts.log_of(known).history()
        return self._histories[known]

    def path(self, venue: str, symbol: str) -> PricePath:
        """Prices of a market at its venue, and those that were told without one: bars, ranges, marks."""
        name = venue, symbol
        if name not in self._paths:
            found: list[Price] = []
            for place in dict.fromkeys((venue, "")):
                found += self.facts.prices.get((place, symbol), {}).values()
                for key, log in self.facts.bars.items():
                    if key[:2] == (place, symbol):
                        found += _bar_prices(log)
            self._paths[name] = PricePath(found)
        return self._paths[name]

    def realized(self, forecast: Forecast) -> Realized | str:
        """Outcome of the bar after a forecast, or why there is none."""
        found = self.history(forecast.key).following(forecast.closed_at, continuous=forecast.continuous)
        if found is None:
            return "outcome_not_on_record"
        return found if found.entry > forecast.entry else "known_before"

    def forecasts(self) -> list[_Pair]:
        pairs = []
        for forecast in self.facts.forecasts:
            realized = self.realized(forecast)
            if isinstance(realized, str):
                self.excluded["forecasts"][realized] += 1
                continue
            history = self.history(forecast.key)
            place = history.place(forecast.closed_at)
            benchmark = float(history.benchmark[place]) if place is not None else np.nan
            pairs.append(_Pair(forecast, realized, benchmark))
        return pairs

    def tails(self) -> Tails:
        rows: list[tuple[float, str, float, float, float]] = []
        for book in sorted(self.facts.books, key=lambda book: book.as_of):
            loss = self._loss(book)
            if isinstance(loss, str):
                self.excluded["tails"][loss] += 1
            else:
                rows.append((book.as_of, book.group, *loss))
        times, *figures = _columns([(row[0], *row[2:]) for row in rows], 4)
        kept = disjoint(times, [row[1] for row in rows], DAY, SAME_TIME * DAY)
        if overlapping := int((~kept).sum()):
            self.excluded["tails"]["overlaps_an_earlier_day"] = overlapping
        losses, value_at_risk, shortfall = (column[kept] for column in figures)
        return judge_tails(losses, value_at_risk, shortfall, times[kept])

    def _loss(self, book: Book) -> tuple[float, float, float] | str:
        if book.unusable is not None:
            return book.unusable
        if not book.value_at_risk or not book.expected_shortfall:
            return "none_stated"
        loss = 0.0
        for row in book.rows:
            later = self.path(row.venue, row.symbol).at(book.as_of + DAY, SAME_TIME * DAY, book.entry)
            if later is None:
                return "outcome_not_on_record"
            loss -= row.notional * (later.price / row.price - 1.0)
        return loss, book.value_at_risk, book.expected_shortfall

    def tracking(self) -> Tracking:
        to_target: list[tuple[float, float, float]] = []
        to_forecast: list[tuple[float, float, float]] = []
        seen: set[tuple[str, float]] = set()
        for book in self.facts.books:
            found = self._bar_return(book)
            if isinstance(found, str):
                self.excluded["tracking"][found] += 1
                continue
            closed_at, periods, value = found
            if (book.group, closed_at) in seen:
                self.excluded["tracking"]["repeated"] += 1
                continue
            seen.add((book.group, closed_at))
            for stated, rows in ((book.target_volatility, to_target), (book.forecast_volatility, to_forecast)):
                if stated:
                    rows.append((value, stated / periods**0.5, closed_at))
        orders = [(order.filled, order.expires_at) for order in self.facts.orders]
        filled, expiry = _columns(orders, 2)
        return Tracking(
            volatility_ratio(*_columns(to_target, 3)),
            volatility_ratio(*_columns(to_forecast, 3)),
            hac_mean(filled, expiry),
        )

    def _bar_return(self, book: Book) -> tuple[float, float, float] | str:
        """Close, bars a year and return of a target book over the bar after it; or why it cannot be told."""
        if book.unusable is not None:
            return book.unusable
        if not book.rows:
            return "no_position"
        clocks = {(row.forecast.closed_at, row.forecast.key[2]) for row in book.rows if row.forecast is not None}
        if len(clocks) != 1 or any(row.forecast is None for row in book.rows):
            return "no_common_bar"
        ((closed_at, seconds),) = clocks
        if book.as_of - closed_at > 0.5 * seconds:
            return "late_in_its_bar"
        value, periods = 0.0, 0.0
        for row in book.rows:
            assert row.forecast is not None
            realized = self.realized(row.forecast._replace(entry=book.entry))
            if isinstance(realized, str):
                return realized
            value += row.notional / book.equity * float(np.expm1(realized.log_return))
            periods = row.forecast.periods_per_year
        return closed_at, periods, value

    def touches(self) -> TouchScore:
        rows = []
        for touch in self.facts.touches:
            path = self.path(touch.venue, touch.symbol)
            mark = path.before(touch.as_of, DAY, touch.entry)
            outcome = None
            if mark is not None:
                down = touch.level < mark.price
                outcome = path.touched(touch.as_of, touch.as_of + DAY, touch.level, down=down, after_entry=touch.entry)
            if outcome is None:
                self.excluded["touches"]["path_not_on_record"] += 1
            else:
                rows.append((touch.probability, float(outcome), touch.as_of))
        stated, happened, times = _columns(rows, 3)
        score = hac_mean(brier(stated, happened > 0.5), times, DAY)
        enough = score.moments >= LEAST_MOMENTS
        bins = reliability(stated, happened > 0.5) if enough else ()
        return TouchScore(
            score, hac_mean(happened - stated, times, DAY), bins, expected_calibration_error(bins) if enough else None
        )

    def hedges(self) -> HedgeError:
        rows = []
        for hedge in self.facts.hedges:
            path = self.path(hedge.venue, hedge.symbol)
            mark = path.before(hedge.as_of, DAY, hedge.entry)
            later = path.next(hedge.as_of, DAY * (1.0 + SAME_TIME), hedge.entry)
            if mark is None or later is None:
                self.excluded["hedges"]["outcome_not_on_record"] += 1
                continue
            move = later.price / mark.price - 1.0
            rows.append((hedge.before * mark.price, hedge.after * mark.price, move, hedge.as_of))
        before, after, moves, times = _columns(rows, 4)
        return hedge_error(before, after, moves, times, DAY)


def score(facts: Facts) -> Scorecard:
    """All figures of a log.

    Notes
    -----
    Cost: O(n log n) in the pairs, and O(moments × lags) for standard errors: an answer a minute has 1,440 of them.
    """
    judge = _Judge(facts)
    pairs = judge.forecasts()
    by_market: dict[tuple[str, str], list[_Pair]] = {}
    for pair in pairs:
        by_market.setdefault(pair.forecast.key[:2], []).append(pair)
    return Scorecard(
        forecasts=_forecast_score(pairs),
        markets={name: _forecast_score(found) for name, found in sorted(by_market.items())},
        tails=judge.tails(),
        tracking=judge.tracking(),
        touches=judge.touches(),
        hedges=judge.hedges(),
        excluded=judge.excluded,
    )


def _forecast_score(pairs: Sequence[_Pair]) -> ForecastScore:
    variance, realized, benchmark, times, seconds = _columns(
        [
            (
                PERCENT * pair.forecast.variance,
                PERCENT * pair.realized.log_return**2,
                PERCENT * pair.benchmark,
                pair.forecast.closed_at,
                float(pair.forecast.key[2]),
            )
            for pair in pairs
        ],
        5,
    )
    horizon = float(seconds.max(initial=0.0))
    both = np.isfinite(benchmark) & (benchmark > 0.0)
    loss, error = qlike(realized, variance), (realized - variance) ** 2
    gain = qlike(realized[both], benchmark[both]) - loss[both]
    error_gain = (realized[both] - benchmark[both]) ** 2 - error[both]
    level = _level_of(pairs, variance)
    return ForecastScore(
        pairs=len(pairs),
        qlike=hac_mean(loss, times, horizon),
        squared_error=hac_mean(error, times, horizon),
        bias=hac_mean(realized / variance, times, horizon),
        qlike_gain=hac_mean(gain, times[both], horizon),
        squared_error_gain=hac_mean(error_gain, times[both], horizon),
        calibration=mincer_zarnowitz(realized / level, variance / level, times, horizon),
    )


def _level_of(pairs: Sequence[_Pair], variance: Floats) -> Floats:
    """Mean forecast of the market and bar of each pair."""
    places: dict[BarKey, list[int]] = {}
    for place, pair in enumerate(pairs):
        places.setdefault(pair.forecast.key, []).append(place)
    level = np.ones(variance.size)
    for found in places.values():
        level[found] = variance[found].mean()
    return level


def _columns(rows: Sequence[tuple[float, ...]], width: int) -> list[Floats]:
    table = np.array(rows, dtype=float).reshape(len(rows), width)
    return [np.ascontiguousarray(table[:, place]) for place in range(width)]


def _bar_prices(log: BarLog) -> Iterable[Price]:
    for bar in log.bars.values():
        if np.isfinite(bar.low) and np.isfinite(bar.high) and 0.0 < bar.low <= bar.high:
            yield Price(bar.time, bar.time - log.seconds, bar.close, bar.low, bar.high, bar.entry)
        else:
            yield Price(bar.time, bar.time, bar.close, bar.close, bar.close, bar.entry)
