"""What a forecast says, and the one place where it is turned into a volatility that may be sized with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.volatility import error_band, hour_of_day, tails
from services.volatility.bars import BARS_AFTER_GAP, MIN_PRICE_CHANGES, REFUSED_AFTER, BarClock
from services.volatility.diagnosis import HEALTHY, Diagnosis, Labels
from services.volatility.drivers import NO_DRIVERS, DriverEffect
from services.volatility.registry import Estimator, driver_names
from services.volatility.tails import Tail

PRIOR_BARS, PRIOR_HALF_LIFE = 20.0, 20.0
"""Weight of a prior volatility in bars, and the number of bars over which it halves."""
LONG_RUN_FLOOR = 0.3
"""A quiet feed may not push the volatility below this part of its long-run value."""


class Maturity(StrEnum):
    """How much history stands behind a forecast, in bars (n bars hold n − 1 returns)."""

    COLD = "cold"
    PROVISIONAL = "provisional"
    OK = "ok"
    MATURE = "mature"


class Guard(StrEnum):
    """Why a forecast may not lower the size below the one that the long-run volatility gives."""

    NONE = "none"
    STALE = "stale"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class ReadoutContext:
    """What is known beside the volatility.

    Parameters
    ----------
    confidence_factor : float
        Nine times in ten the volatility of a bar is below this times the forecast (`services.volatility.error_band`).
    tail : Tail
        Student-t of the standardised returns: degrees of freedom, quantiles and expected shortfalls in σ.
    next_bar_factor : float
        Variance of the next bar over the squared volatility, from the hour of the day; 1 for daily bars and in markets
        that close. Sizes are made without it, so that they do not follow the clock.
    labels : Labels
        Regime, last jump and change of level: for policies.
    driver_multiplier : float
        What exogenous drivers multiplied the forecast variance with; 1 without drivers.
    drivers : tuple of (str, float)
        What each driver adds to the log of the variance that they ask for, by name
        (`services.volatility.drivers.DriverEffect`).
    """

    confidence_factor: float
    tail: Tail
    next_bar_factor: float
    labels: Labels
    driver_multiplier: float = 1.0
    drivers: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityReadout:
    """Forecast of one market; every volatility is annual and a fraction.

    Parameters
    ----------
    volatility : float
        Used for sizing: ``max(calibration × forecast, floor)``.
    forecast : float
        Of the estimator, as it is.
    calibration : float
        k of `services.volatility.calibration`.
    long_run : float
        See `services.volatility.long_run` and `long_run_with_prior`.
    floor : float
        ``max(0.3 × long_run, 0.01)``, 0.005 instead of 0.01 where the market closes; ``max(long_run, …)`` under a
        guard.
    effective_half_life : float
        Age at which half of the weight of the data is reached, now [bars].
    observations : int
        Returns seen.
    last_close_at : datetime
        Close time of the last complete bar.
    source : str
        ``series`` or ``state``.
    confidence : float
        ``1 / (1 + s)`` with s the relative standard error of the forecast under normal returns: ``s = 1/sqrt(2 n)``, n
        the Kish size of the weights. (The variance of r² is 2σ⁴, so that of σ̂²/σ² is 2/n, and a volatility errs by
        half as much.) It says how much data speaks, not how fat its tails are: kurtosis K > 3 widens s by sqrt((K −
        1)/2).
    guard : Guard
        ``stale`` while the price does not move, ``gap`` until 20 bars after a long gap.
    context : ReadoutContext, optional
        What is known beside the volatility; None where it was not asked for.
    """

    volatility: float
    forecast: float
    calibration: float
    long_run: float
    floor: float
    effective_half_life: float
    observations: int
    maturity: Maturity
    periods_per_year: float
    bar_seconds: int
    last_close: float
    last_close_at: datetime
    method: str
    source: str
    confidence: float
    guard: Guard = Guard.NONE
    context: ReadoutContext | None = None

    @property
    def clock(self) -> BarClock:
        """Bars of the market in time, as far as their number a year tells."""
        return BarClock(self.bar_seconds, Calendar("custom", self.periods_per_year))

    def next_bar(self, now: float) -> tuple[float, float]:
        """Beginning and end of the bar that the forecast is for [s since 1970]; see `BarClock.next_close`."""
        start = self.last_close_at.timestamp()
        return start, self.clock.next_close(start, now)

    def event_volatility(self, variance: float) -> float:
        """``sqrt(volatility² + variance · periods)``: with events that add `variance` to the next bar [annual]."""
        return math.sqrt(self.volatility * self.volatility + variance * self.periods_per_year)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a recursion knows after its last bar, whether it ran over a series or was fed bar by bar.

    Parameters
    ----------
    variance, long_run : float
        [variance per bar]; NaN before the first return.
    calibration : float
        k, whether it will be applied or not.
    half_life : float
        Effective half-life [bars].
    elapsed : int
        Bars that the estimates stand for, bridged gaps included.
    observations, changes : int
        Returns used, and how many of them were not zero.
    flat : int
        Unchanged closes in a row at the end.
    gap_variance : float
        Largest r² a bar over the gaps that are still open [variance per bar].
    held_at : float
        Time of a bar after the last one that waits to be confirmed [s since 1970]; NaN: none.
    since_gap : int, optional
        Returns used since the last gap that was too long to bridge; None without such a gap.
    drivers : DriverEffect
        Part of `variance` that is due to exogenous drivers.
    """

    variance: float
    long_run: float
    calibration: float
    half_life: float
    elapsed: int
    observations: int
    changes: int
    flat: int
    since_gap: int | None
    last_close: float
    last_close_at: float
    gap_variance: float
    held_at: float
    diagnosis: Diagnosis | None
    drivers: DriverEffect = NO_DRIVERS


def no_figures(flat: int, last_close: float, last_close_at: float) -> Figures:
    """Figures of a market without a usable return."""
    return Figures(
        variance=math.nan,
        long_run=math.nan,
        calibration=1.0,
        half_life=math.nan,
        elapsed=0,
        observations=0,
        changes=0,
        flat=flat,
        since_gap=None,
        gap_variance=0.0,
        held_at=math.nan,
        last_close=last_close,
        last_close_at=last_close_at,
        diagnosis=HEALTHY,
    )


def maturity_of(observations: int) -> Maturity:
    """Maturity after this many returns.

    Examples
    --------
    >>> [maturity_of(bars - 1).value for bars in (19, 20, 60, 250)]
    ['cold', 'provisional', 'ok', 'mature']
    """
    bars = observations + 1
    if bars < 20:
        return Maturity.COLD
    return Maturity.PROVISIONAL if bars < 60 else Maturity.OK if bars < 250 else Maturity.MATURE


def guard_of(figures: Figures, clock: BarClock) -> Guard:
    """Guard that the end of the history calls for."""
    if figures.flat >= clock.stale_after:
        return Guard.STALE
    return Guard.GAP if figures.since_gap is not None and figures.since_gap < BARS_AFTER_GAP else Guard.NONE


def refusal_of(figures: Figures, clock: BarClock, estimator: Estimator) -> Refusal | None:
    """Why this history cannot be answered, or None.

    A flat price is named before a short history, since more of the same would not mend it. The rule of 10 price changes
    holds from 20 bars on; below, a prior carries the answer.
    """
    if figures.held_at == figures.held_at:
        held = datetime.fromtimestamp(figures.held_at, UTC).isoformat()
        return Refusal(Reason.SPLIT_SUSPECTED, f"the bar that closed at {held} waits to be confirmed")
    bars, flat = figures.observations + 1, figures.flat
    if flat >= clock.stale_after * REFUSED_AFTER or (flat >= clock.stale_after and not figures.changes):
        limit = clock.stale_after * REFUSED_AFTER - 1 if figures.changes else clock.stale_after - 1
        return Refusal(Reason.STALE_PRICE, f"the close has not changed for {flat} bars; at most {limit} are sized")
    if bars < 2 or (bars < 20 and estimator.prior_volatility is None):
        cold = "" if estimator.prior_volatility is not None else "20 are needed, or "
        needed = f"{cold}2 with estimator.prior_volatility"
        return Refusal(Reason.INSUFFICIENT_HISTORY, f"{bars} usable {'bar' if bars == 1 else 'bars'}; {needed}")
    if bars >= 20 and figures.changes < MIN_PRICE_CHANGES:
        rule = f"at least {MIN_PRICE_CHANGES} changes are needed"
        return Refusal(Reason.STALE_PRICE, f"the close changed {figures.changes} times in {bars} bars; {rule}")
    return None


def _context(figures: Figures, clock: BarClock, estimator: Estimator) -> ReadoutContext | None:
    diagnosis, drivers = figures.diagnosis, figures.drivers
    if diagnosis is None:
        return None
    factor = 1.0
    if clock.rhythmic:
        next_close_at = figures.last_close_at + clock.bar_seconds
        factor = hour_of_day.factor(diagnosis.hours, next_close_at, clock.bar_seconds)
    return ReadoutContext(
        error_band.read(diagnosis.band),
        tails.read(diagnosis.tail),
        factor,
        diagnosis.labels(),
        drivers.multiplier,
        tuple(zip(driver_names(estimator), drivers.contributions, strict=False)),
    )


def with_prior(variance: Floats | float, elapsed: Floats | float, prior: float) -> Floats:
    """Estimate blended with what was expected before any bar.

    ``(w p + n h) / (w + n)`` with ``w = 20 · 2^(−n/20)``: worth 20 bars at first, 10 after 20 bars, nothing after 100.

    Examples
    --------
    >>> with_prior(1.0, np.array([0.0, 20.0, 100.0]), 4.0).round(3).tolist()
    [4.0, 2.0, 1.019]
    """
    weight = PRIOR_BARS * 2.0 ** (-np.asarray(elapsed, dtype=float) / PRIOR_HALF_LIFE)
    blended: Floats = (weight * prior + elapsed * np.asarray(variance)) / (weight + elapsed)
    return blended


def long_run_with_prior(long_run: Floats | float, elapsed: Floats | float, prior: float) -> Floats:
    """`with_prior` of the long-run variance, and no less than the data say: a prior may raise the floor, not lower it.

    Examples
    --------
    >>> long_run_with_prior(1.0, np.array([5.0, 5.0]), 4.0).round(3).tolist()
    [3.312, 3.312]
    >>> long_run_with_prior(1.0, 5.0, 1e-9).tolist()
    1.0
    """
    return np.maximum(with_prior(long_run, elapsed, prior), long_run)


def confidence_of(half_life: Floats | float, elapsed: Floats | float) -> Floats:
    """``1 / (1 + s)``, see `VolatilityReadout`: n is the Kish size of an exponential average of this half-life over the
    bars seen, ``(1+λ)/(1−λ) · (1−λ^t)/(1+λ^t)``.
    """
    # A memory of less than a hundredth of a bar is one of the last bar alone.
    rate = math.log(2.0) / np.maximum(half_life, 0.01)
    one, seen = -np.expm1(-rate), -np.expm1(-rate * elapsed)
    size = (2.0 - one) / one * seen / (2.0 - seen)
    confidence: Floats = 1.0 / (1.0 + 1.0 / np.sqrt(2.0 * size))
    return confidence


def read_figures(
    figures: Figures, *, clock: BarClock, estimator: Estimator, source: str
) -> VolatilityReadout | Refusal:
    """Readout of a history, or why there is none.

    Notes
    -----
    Prior and calibration act here and not in the recursion, so that one cached state serves every policy that shares
    its parameters. See `with_prior`.
    """
    refusal = refusal_of(figures, clock, estimator)
    if refusal is not None:
        return refusal
    periods, prior = clock.periods_per_year, estimator.prior_volatility
    variance, long_run = figures.variance, figures.long_run
    if prior is not None:
        imagined = prior * prior / periods
        variance = float(with_prior(variance, figures.elapsed, imagined))
        long_run = float(long_run_with_prior(long_run, figures.elapsed, imagined))
    if variance != variance:
        wanted = " and ".join(sorted(estimator.requires))
        return Refusal(Reason.INSUFFICIENT_HISTORY, f"{estimator.method} has no forecast now; it lives on {wanted}")
    if not variance > 0.0:
        return Refusal(
            Reason.ZERO_VOLATILITY, f"the forecast variance is {variance!r} after {figures.observations} returns"
        )
    guard = guard_of(figures, clock)
    forecast, anchor = math.sqrt(variance * periods), math.sqrt(long_run * periods)
    factor = figures.calibration if estimator.calibrate else 1.0
    floor = max(anchor if guard is not Guard.NONE else LONG_RUN_FLOOR * anchor, clock.absolute_floor)
    if figures.since_gap is not None and figures.since_gap < BARS_AFTER_GAP:
        floor = max(floor, math.sqrt(figures.gap_variance * periods))
    maturity = maturity_of(figures.observations)
    return VolatilityReadout(
        volatility=max(factor * forecast, floor),
        forecast=forecast,
        calibration=factor,
        long_run=anchor,
        floor=floor,
        effective_half_life=figures.half_life,
        observations=figures.observations,
        maturity=Maturity.PROVISIONAL if guard is Guard.GAP and maturity is not Maturity.COLD else maturity,
        periods_per_year=periods,
        bar_seconds=clock.bar_seconds,
        last_close=figures.last_close,
        last_close_at=datetime.fromtimestamp(figures.last_close_at, UTC),
        method=estimator.method,
        source=source,
        confidence=float(confidence_of(figures.half_life, figures.elapsed)),
        context=_context(figures, clock, estimator),
        guard=guard,
    )
