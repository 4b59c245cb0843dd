"""Gains, lead times and false alarms of drivers, and the extra variance of scheduled events."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from services.core.explain import Bools, Floats
from services.volatility.drivers import RATIO_CAP, WARM_VALUES, DriverExpert, drivers_of
from services.volatility.estimators.interface import Memory
from services.volatility.events import ScheduledEvent, event_variance
from tests.evaluation.driver_base import Base, base_forecast
from tests.evaluation.driver_data import CALENDAR, DAY, Series

ALARM, SPIKE = 1.2, 4.0


@dataclass(frozen=True, slots=True)
class Run:
    """Before each bar, (n,) arrays: multiplier of pool and expert, b of the first driver, whether it had a value."""

    pooled: Floats
    own: Floats
    slope: Floats
    known: Bools


Learn = Callable[[DriverExpert, Memory, float, float], Memory]


def fisher_scoring(expert: DriverExpert, memory: Memory, square: float, variance: float) -> Memory:
    """What the service does."""
    return expert.learn(memory, square=square, variance=variance)


class LogRegression:
    """The other way to learn b of one driver: recursive least squares of ln(r²/h) on f, with an intercept."""

    def __init__(self) -> None:
        self.level, self.seen = -1.2704, 100.0  # E ln χ²₁

    def __call__(self, expert: DriverExpert, memory: Memory, square: float, variance: float) -> Memory:
        after = expert.learn(memory, square=square, variance=variance)
        if after is memory:
            return memory
        (driver,), (learnt,) = drivers_of(memory), drivers_of(after)
        residual = math.log(max(square / variance, 1e-8)) - driver.slope * driver.feature - self.level
        residual = min(max(residual, -4.0), 4.0)
        self.seen += 1.0
        self.level += max(0.001, 1.0 / self.seen) * residual
        decay, prior = 2.0 ** (-1.0 / expert.slope_half_life), expert.prior_observations
        gradient = driver.feature * residual - (1.0 - decay) * prior * driver.slope
        slope = driver.slope + gradient / (prior + learnt.information)
        return (after[0], *learnt._replace(slope=slope))


def run(base: Base, values: Floats, learn: Learn = fisher_scoring) -> Run:
    """What an expert says before each bar from (n, drivers) values known at the end of the bar before."""
    count, expert = len(base.square), DriverExpert(drivers=len(values[0]))
    pooled, own, slope = np.ones(count + 1), np.ones(count + 1), np.zeros(count + 1)
    known, memory = np.zeros(count + 1, dtype=bool), expert.start()
    rows = zip(base.square.tolist(), base.variance.tolist(), values.tolist(), strict=True)
    for place, (square, variance, row) in enumerate(rows, start=1):
        memory = expert.observe(learn(expert, memory, square, variance), row)
        first = drivers_of(memory)[0]
        pooled[place], own[place], slope[place] = expert.multiplier(memory), expert.factor(memory), first.slope
        known[place] = any(map(math.isfinite, row)) and first.seen > WARM_VALUES
    return Run(pooled[:-1], own[:-1], slope[:-1], known[:-1])


def one_each(base: Base, runs: list[Run]) -> Run:
    """Every driver as an expert of its own in one pool with the base: exponentiated gradient as in `DriverExpert`."""
    form = DriverExpert(drivers=1)
    said = np.column_stack([np.ones(len(base.square)), *(done.own for done in runs)])
    prior = np.array([1.0 - form.weight, *[form.weight / len(runs)] * len(runs)])
    weights, pooled = prior, np.ones(len(said))
    for place, ratio in enumerate((base.square / base.variance).tolist()):
        pooled[place] = weights @ said[place]
        if math.isfinite(ratio):
            surprise = form.rate * (min(ratio / pooled[place], RATIO_CAP) - 1.0)
            raised = weights * np.exp(np.clip(surprise * (said[place] / pooled[place] - 1.0), -1.0, 1.0))
            weights = (1.0 - form.share) * raised / raised.sum() + form.share * prior
    return Run(pooled, pooled, np.zeros(len(said)), np.logical_or.reduce([done.known for done in runs]))


def driver_values(series: Series, base: Base, name: str) -> Floats:
    """Values of a driver; an implied variance against the base forecast of the next bar."""
    values = series.drivers[name]
    return values - np.log(base.next_variance) if name in series.implied else values


def qlike(square: Floats, variance: Floats) -> Floats:
    """ln h + r²/h."""
    return np.log(variance) + square / variance


def diebold_mariano(gains: Floats) -> float:
    """t of the mean of loss differences, Newey–West with n^(1/3) lags."""
    count = len(gains)
    centred, lags = gains - gains.mean(), int(count ** (1.0 / 3.0))
    spread = centred @ centred
    for lag in range(1, lags + 1):
        spread += 2.0 * (1.0 - lag / (lags + 1.0)) * (centred[lag:] @ centred[:-lag])
    return float(gains.sum() / math.sqrt(spread)) if spread > 0.0 else 0.0


def burn_in(count: int) -> int:
    """Bars that are run and not scored."""
    return count // 4 if count < 2000 else 500 if count < 6000 else 1000


@dataclass(slots=True)
class Tally:
    """Sums over the markets of one row: a driver on a group of series, one part of them."""

    own: dict[float, list[float]] = field(default_factory=lambda: defaultdict(list))
    pooled: dict[float, list[float]] = field(default_factory=lambda: defaultdict(list))
    slopes: list[float] = field(default_factory=list)
    leads: list[int] = field(default_factory=list)
    bars: int = 0
    years: float = 0.0
    alarms: int = 0
    spikes: int = 0
    false_alarms: int = 0

    def add(self, series: Series, base: Base, done: Run, part: Bools) -> None:
        """Count the bars of one more market."""
        known = part & done.known & (base.variance > 0.0)
        square, variance = base.square[known], base.variance[known]
        loss = qlike(square, variance)
        for gains, multiplier in ((self.own, done.own), (self.pooled, done.pooled)):
            better = loss - qlike(square, variance * multiplier[known])
            for time, gain in zip(series.bars.end[known].tolist(), better.tolist(), strict=True):
                gains[time].append(gain)
        alarm, spike = done.own[known] > ALARM, square > SPIKE**2 * variance
        self.bars += int(known.sum())
        self.years += float(known.sum()) / series.bars_per_year
        self.slopes.append(float(done.slope[known].mean()))
        self.alarms += int(alarm.sum())
        self.spikes += int(spike.sum())
        self.leads += leads(alarm, spike)
        self.false_alarms += false_alarms(alarm, spike, max(round(DAY / series.bar_seconds), 5))


def leads(alarm: Bools, spike: Bools) -> list[int]:
    """Bars in a row, up to each warned spike, for which the alarm was on."""
    quiet = np.flatnonzero(~alarm)
    last = [int(quiet[place - 1]) if place else -1 for place in np.searchsorted(quiet, np.flatnonzero(spike & alarm))]
    return [int(at) - before for at, before in zip(np.flatnonzero(spike & alarm), last, strict=True)]


def false_alarms(alarm: Bools, spike: Bools, window: int) -> int:
    """Runs of alarms with no spike in them or in the `window` bars after."""
    edges = np.diff(np.concatenate(([False], alarm, [False])).astype(int))
    runs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
    return sum(not spike[first : last + window].any() for first, last in runs)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tables; lead in bars, shares as fractions."""

    group: str
    part: str
    driver: str
    bars: int
    slope: float
    own_gain: float
    own_t: float
    gain: float
    t: float
    alarm_share: float
    spikes: int
    warned: int
    lead: float
    false_alarms_per_year: float


def row_of(group: str, part: str, driver: str, tally: Tally) -> Row:
    """Means and t of a tally; markets of one date count as one observation."""
    own, pooled = (np.array([np.mean(gains[time]) for time in sorted(gains)]) for gains in (tally.own, tally.pooled))
    return Row(
        group, part, driver, tally.bars, float(np.mean(tally.slopes)), float(own.mean()), diebold_mariano(own),
        float(pooled.mean()), diebold_mariano(pooled), tally.alarms / tally.bars, tally.spikes, len(tally.leads),
        float(np.median(tally.leads)) if tally.leads else math.nan, tally.false_alarms / tally.years,
    )  # fmt: skip


ALL, EACH = "all together", "all, an expert each"
FEWEST = 200
"""Bars below which a part is not scored."""


def parts_of(series: Series) -> Iterable[tuple[str, Bools]]:
    """Design and hold-out bars of a series after its burn-in."""
    place = np.arange(len(series.bars.close))
    scored, border = place >= burn_in(len(place)), int(series.design * len(place))
    yield "design", scored & (place < border)
    yield "hold-out", scored & (place >= border)


def driver_rows(studies: Iterable[tuple[Series, Base]]) -> list[Row]:
    """Every driver alone on top of the base, then all of a series together."""
    tallies: dict[tuple[str, str, str], Tally] = defaultdict(Tally)
    for series, base in studies:
        columns = {name: driver_values(series, base, name) for name in series.drivers}
        runs = {name: run(base, values[:, None]) for name, values in columns.items()}
        together, each = run(base, np.column_stack(list(columns.values()))), one_each(base, list(runs.values()))
        runs |= {ALL: together, EACH: each}
        for name, done in runs.items():
            for part, bars in parts_of(series):
                if (bars & done.known).sum() >= FEWEST:
                    tallies[series.group, part, name].add(series, base, done, bars)
    return [row_of(*key, tally) for key, tally in tallies.items()]


def holm(rows: list[Row]) -> set[tuple[str, str]]:
    """(group, driver) of which t > 0 survives Holm's correction at 5 %, one-sided, over the rows given."""
    ordered = sorted(rows, key=lambda row: -row.t)
    kept: set[tuple[str, str]] = set()
    for rank, row in enumerate(ordered):
        if 0.5 * math.erfc(row.t / math.sqrt(2.0)) > 0.05 / (len(ordered) - rank):
            break
        kept.add((row.group, row.driver))
    return kept


@dataclass(frozen=True, slots=True)
class EventRow:
    """What a class of scheduled events adds; ratios are mean r²/h of the bars around, `better` a share of events."""

    event: str
    part: str
    events: int
    ratios: tuple[float, ...]
    factor: float
    gain: float
    better: float
    absolute_gain: float
    gain_after: float


AROUND = range(-1, 4)
AFTER = 24


def event_rows(series: Series, base: Base) -> list[EventRow]:
    """Extra variance of dated events, estimated on the design part and judged on both.

    Notes
    -----
    In proportion: h · k with k the mean r²/h of the design's events. Absolute: `event_variance` of the mean r² − h.
    After: the next 24 bars, with the squares of event bars over k for what the forecaster learns.
    """
    border = burn_in(len(series.bars.end)), int(series.design * len(series.bars.end))
    found = []
    for event, times in CALENDAR.items():
        bars = np.searchsorted(series.bars.end, times, side="right")
        bars = bars[bars < len(series.bars.end) - AFTER]
        parts = {"design": bars[(bars >= border[0]) & (bars < border[1])], "hold-out": bars[bars >= border[1]]}
        first = parts["design"]
        factor = max(float((base.square[first] / base.variance[first]).mean()), 1.0)
        extra = max(float((base.square[first] - base.variance[first]).mean()), 0.0)
        dated = [ScheduledEvent(at=time, variance=extra) for time in times]
        learnt = base_forecast(series, {int(bar): 1.0 / factor for bar in bars})
        for part, places in parts.items():
            square, variance = base.square[places], base.variance[places]
            starts = series.bars.end[places] - series.bar_seconds
            added = [event_variance(dated, start=start, end=start + series.bar_seconds) for start in starts.tolist()]
            gains = qlike(square, variance) - qlike(square, variance * factor)
            absolute = qlike(square, variance) - qlike(square, variance + np.array(added))
            ratios = [float((base.square[places + k] / base.variance[places + k]).mean()) for k in AROUND]
            later = (places[:, None] + np.arange(1, AFTER + 1)).ravel()
            after = qlike(base.square[later], base.variance[later]) - qlike(base.square[later], learnt.variance[later])
            found.append(
                EventRow(
                    event,
                    part,
                    len(places),
                    tuple(ratios),
                    factor,
                    float(gains.mean()),
                    float((gains > 0.0).mean()),
                    float(absolute.mean()),
                    float(after.mean()),
                )
            )
    return found


@dataclass(frozen=True, slots=True)
class FormRow:
    """A way to learn b over all drivers of the design part: means, the worst, the share above zero."""

    form: str
    pairs: int
    own_gain: float
    worst_own_gain: float
    gain: float
    worst_gain: float
    positive: float


def form_rows(studies: Iterable[tuple[Series, Base]]) -> list[FormRow]:
    """Fisher scoring beside the log regression, on bars of the design part only."""
    forms: dict[str, Callable[[], Learn]] = {
        "Fisher scoring on QLIKE": lambda: fisher_scoring,
        "least squares on ln(r²/h)": LogRegression,
    }
    gains: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for series, base in studies:
        end = int(series.design * len(base.square))
        early = Base(base.square[:end], base.variance[:end], base.next_variance[:end])
        scored = np.arange(end) >= burn_in(len(base.square))
        for name in series.drivers:
            values = driver_values(series, base, name)[:end, None]
            for form, learn in forms.items():
                done = run(early, values, learn())
                known = scored & done.known
                if known.sum() >= FEWEST:
                    square, variance = early.square[known], early.variance[known]
                    loss = qlike(square, variance)
                    pair = [float((loss - qlike(square, variance * m[known])).mean()) for m in (done.own, done.pooled)]
                    gains[form].append((pair[0], pair[1]))
    return [_form_row(form, np.array(pairs)) for form, pairs in gains.items()]


def _form_row(form: str, pairs: Floats) -> FormRow:
    (own, pooled), (worst_own, worst) = pairs.mean(axis=0), pairs.min(axis=0)
    return FormRow(form, len(pairs), own, worst_own, pooled, worst, float((pairs[:, 1] > 0.0).mean()))
