"""Exogenous drivers of variance on top of any forecast.

What a driver is worth on real data, none included, is measured by `python -m tests.evaluation.drivers`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility.estimators.interface import Memory

MOST_DRIVERS = 8
DRIVER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,19}")
WARM_VALUES = 20
"""Values of a driver before it is believed to have a mean and a deviation."""
FEATURE_CAP, LARGEST_EXPONENT = 4.0, 100.0
OUTLIER_CAP = 16.0
"""Deviations with which one value enters mean and spread at most: an absurd one must not blind the driver."""
LARGEST_VALUE = 1e100
"""A value beyond it is taken as missing."""
RATIO_CAP = 15.0
"""Cap of r²/h when it is learnt from: one bar must not teach more than this (as in the adaptive forecaster's pool)."""


class DriverEffect(NamedTuple):
    """What drivers do to a forecast.

    Parameters
    ----------
    multiplier : float
        What they multiply the variance with.
    contributions : tuple of float
        What each adds to the log of what they ask for; the multiplier gives them the weight that they have earned.
    """

    multiplier: float = 1.0
    contributions: tuple[float, ...] = ()


NO_DRIVERS = DriverEffect()


class Driver(NamedTuple):
    """Memory of one driver.

    Parameters
    ----------
    seen, mean, spread : float
        Values seen, their running mean and variance [unit of the driver, and squared].
    feature : float
        Last value, standardised; 0 when it was missing.
    slope, information : float
        b, and the sum of f² that it was learnt from.
    """

    seen: float
    mean: float
    spread: float
    feature: float
    slope: float
    information: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverExpert:
    r"""Drivers that scale a variance forecast by what they were worth so far.

    For the base forecast h: ``f_k = clip((x_k − mean) / deviation, ±4)`` against the values before, the expert says
    ``H = h · exp(Σ b_k f_k)``, and its pool with the base says ``h · M``, ``M = 1 + w (H/h − 1)``.

    After the bar, with its squared return y, ``u = min(y/H, 15) − 1``:

    - slopes: ``I ← λI + f²``, ``b ← b + (f u − (1 − λ) κ b) / (κ + I)`` for each driver: the Fisher scoring step of
      discounted QLIKE ``Σ λ^age (ln H + y/H) + κ b²/2``, driver by driver;
    - weight: ``w ← w exp(clip(η q (H/h/M − 1), ±1))`` and likewise 1 − w, with ``q = min(y / (hM), 15) − 1``; then
      normalised, and a share ε of the first weights is mixed in.

    Parameters
    ----------
    drivers : int
        How many; their order is the caller's.
    standardization_half_life : float
        Of a driver's mean and deviation [bars].
    slope_half_life : float
        Of what the slopes are learnt from; ``λ = 2^(−1/half_life)`` [bars].
    prior_observations : float
        κ, the weight of b = 0 [observations of a driver one deviation from its mean].
    weight : float
        First weight w of the expert in its pool with the base forecast.
    rate, share : float
        η and ε of the pool.
    least, most : float
        Bounds of H/h; drivers that are wrong or manipulated move the forecast within them.

    Notes
    -----
    Values must be known when the forecast is made; their publication time is the caller's business. A missing value
    (NaN, infinite) is f = 0, as if the driver were not there, and moves no statistic. A driver that never varies, or
    has fewer than 20 values, is f = 0 too. Skewed drivers (volume, spread) are best given in logs. Without drivers, or
    before anything was learnt, M is 1 exactly. Rescaling a driver, or returns and base together, changes nothing.
    Measured out of sample on 12 groups of series (docs/measurements/drivers.md): volume, imbalance, range ÷ volume and,
    where they exist, funding and VIX together gain 0.026 of QLIKE on average; most drivers alone gain next to nothing.
    They warn of a spike little more often than chance: they scale risk, they are no trigger. Liquidations, quoted
    spread, book depth and signed trades may be given as drivers; there was no data to measure what they add.
    Cost: O(drivers) a bar; a memory of 1 + 6 floats a driver.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, §2.5 (Fisher scoring) and ch. 8 (gamma, log link);
    Patton (2011), Journal of Econometrics 160 (QLIKE); Kivinen and Warmuth (1997), Information and Computation 132
    (exponentiated gradient); Herbster and Warmuth (1998), Machine Learning 32 (fixed share).

    Examples
    --------
    >>> expert = DriverExpert(drivers=1)
    >>> memory = expert.start()
    >>> expert.multiplier(memory)
    1.0
    >>> for bar in range(500):  # variance is high after the driver was
    ...     square = math.exp(0.5 * math.sin(bar - 1))
    ...     memory = expert.advance(memory, square=square, variance=1.0, values=[math.sin(bar)])
    >>> expert.factor(expert.observe(memory, [1.0])) > 1.2
    True
    """

    drivers: Annotated[int, Ge(0), Le(64)]
    standardization_half_life: Annotated[float, Ge(10), Le(10000)] = 60.0
    slope_half_life: Annotated[float, Ge(100), Le(100000)] = 4000.0
    prior_observations: Annotated[float, Gt(0), Le(10000)] = 300.0
    weight: Annotated[float, Gt(0), Lt(1)] = 0.5
    rate: Annotated[float, Ge(0), Le(1)] = 0.01
    share: Annotated[float, Ge(0), Lt(1)] = 0.0005
    least: Annotated[float, Gt(0), Le(1)] = 0.7
    most: Annotated[float, Ge(1), Le(100)] = 4.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def start(self) -> Memory:
        """Nothing seen: the weight of the expert, then six figures a driver."""
        return (self.weight, *(0.0,) * (len(Driver._fields) * self.drivers))

    def advance(self, memory: Memory, *, square: float, variance: float, values: Sequence[float]) -> Memory:
        """Memory after a bar: learn from its squared return, then take in what the drivers say now.

        Parameters
        ----------
        square : float
            r² of the bar [variance per bar].
        variance : float
            Base forecast that was made for it, scheduled events included [variance per bar]; a bar without one (NaN,
            zero) teaches nothing.
        values : (drivers,) sequence
            Values known at the end of the bar; NaN where missing.
        """
        return self.observe(self.learn(memory, square=square, variance=variance), values)

    def learn(self, memory: Memory, *, square: float, variance: float) -> Memory:
        """Slopes and weight after a bar whose base forecast was `variance`."""
        if not (variance > 0.0 and math.isfinite(square / variance)):
            return memory
        ratio, factor = square / variance, self.factor(memory)
        surprise = min(ratio / factor, RATIO_CAP) - 1.0
        decay = 2.0 ** (-1.0 / self.slope_half_life)
        taught = [self._taught(driver, surprise, decay) for driver in drivers_of(memory)]
        return _flat(self._reweighted(memory[0], factor, ratio), taught)

    def observe(self, memory: Memory, values: Sequence[float]) -> Memory:
        """Memory with new values of the drivers; also between bars, when one is published."""
        gain = 1.0 - 2.0 ** (-1.0 / self.standardization_half_life)
        pairs = zip(drivers_of(memory), values, strict=True)
        return _flat(memory[0], [standardized(driver, value, gain) for driver, value in pairs])

    def factor(self, memory: Memory) -> float:
        """H/h, what the expert alone multiplies the base forecast with."""
        exponent = sum(self.contributions(memory))
        return min(max(math.exp(min(max(exponent, -LARGEST_EXPONENT), LARGEST_EXPONENT)), self.least), self.most)

    def contributions(self, memory: Memory) -> tuple[float, ...]:
        """``b f`` of each driver: what it adds to ln H before the bounds."""
        return tuple([driver.slope * driver.feature for driver in drivers_of(memory)])

    def multiplier(self, memory: Memory) -> float:
        """M, what the pool of base and expert multiplies the base forecast with."""
        return 1.0 + memory[0] * (self.factor(memory) - 1.0)

    def effect(self, memory: Memory) -> DriverEffect:
        """`multiplier` and `contributions`."""
        return DriverEffect(self.multiplier(memory), self.contributions(memory))

    def driver_variance(self, memory: Memory, variance: float) -> float:
        """Forecast with the drivers [variance per bar], from one without."""
        return variance * self.multiplier(memory)

    def multiplier_path(self, squares: Floats, variances: Floats, values: Floats) -> Floats:
        """`multiplier` after each bar of one market: what its next forecast is multiplied with; see `paths`."""
        return self.paths(squares, variances, values)[0]

    def paths(self, squares: Floats, variances: Floats, values: Floats) -> tuple[Floats, Floats]:
        """`multiplier` and `contributions` after each bar of one market.

        Parameters
        ----------
        squares : (n,) array
            r² of each bar.
        variances : (n,) array
            Base forecast made before each bar.
        values : (n, drivers) array
            Known at the end of each bar.

        Returns
        -------
        (n,) and (n, drivers) arrays
        """
        memory, path, shares = self.start(), np.empty(len(squares)), np.empty((len(squares), self.drivers))
        rows = zip(squares.tolist(), variances.tolist(), values.tolist(), strict=True)
        for bar, (square, variance, row) in enumerate(rows):
            memory = self.advance(memory, square=square, variance=variance, values=row)
            path[bar], shares[bar] = self.effect(memory)
        return path, shares

    def _taught(self, driver: Driver, surprise: float, decay: float) -> Driver:
        """Slope after one more bar."""
        seen, mean, spread, feature, slope, information = driver
        information, prior = decay * information + feature * feature, self.prior_observations
        step = (feature * surprise - (1.0 - decay) * prior * slope) / (prior + information)
        return Driver(seen, mean, spread, feature, slope + step, information)

    def _reweighted(self, weight: float, factor: float, ratio: float) -> float:
        """Weight of the expert after one more bar of r²/h = `ratio`."""
        pooled = 1.0 + weight * (factor - 1.0)
        surprise = self.rate * (min(ratio / pooled, RATIO_CAP) - 1.0)
        expert, base = (
            part * math.exp(min(max(surprise * (value / pooled - 1.0), -1.0), 1.0))
            for part, value in ((weight, factor), (1.0 - weight, 1.0))
        )
        return (1.0 - self.share) * expert / (expert + base) + self.share * self.weight


EXPERTS = tuple(DriverExpert(drivers=count) for count in range(MOST_DRIVERS + 1))
"""By the number of drivers, with the parameters that were measured."""


def check_names(names: Sequence[str]) -> None:
    """Refuse names of drivers that are none, or come twice.

    Raises
    ------
    InvalidInput
        Naming the rule and the first name that breaks it.
    """
    if len(names) > MOST_DRIVERS:
        raise InvalidInput("drivers", f"must name at most {MOST_DRIVERS} drivers", len(names))
    for place, name in enumerate(names):
        if not DRIVER_NAME.fullmatch(name):
            rule = "must hold names of 1 to 20 letters, digits, dots, hyphens and underscores"
            raise InvalidInput("drivers", rule, name)
        if name in names[:place]:
            raise InvalidInput("drivers", "must name each driver once", name)


def drivers_of(memory: Memory) -> list[Driver]:
    """The memory of a `DriverExpert`, driver by driver."""
    width = len(Driver._fields)
    return [Driver._make(memory[place : place + width]) for place in range(1, len(memory), width)]


def standardized(driver: Driver, value: float, gain: float) -> Driver:
    """Driver after a new value: its feature against the values before, then its mean and spread."""
    seen, mean, spread, _, *learnt = driver
    if not abs(value) <= LARGEST_VALUE:
        return Driver(seen, mean, spread, 0.0, *learnt)
    departure, deviation, feature = value - mean, math.sqrt(spread), 0.0
    if seen >= WARM_VALUES and deviation > 0.0:
        departure = min(max(departure, -OUTLIER_CAP * deviation), OUTLIER_CAP * deviation)
        feature = min(max(departure / deviation, -FEATURE_CAP), FEATURE_CAP)
    step = max(gain, 1.0 / (seen + 1.0))
    spread = (1.0 - step) * (spread + step * departure * departure)
    return Driver(seen + 1.0, mean + step * departure, spread, feature, *learnt)


def _flat(weight: float, drivers: Iterable[Driver]) -> Memory:
    return (weight, *chain.from_iterable(drivers))
