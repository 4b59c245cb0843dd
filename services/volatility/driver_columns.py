"""The recursion of `services.volatility.drivers` for many markets at once: the same figures with a row per market."""

from __future__ import annotations

import numpy as np

from services.core.explain import Bools, Floats
from services.volatility import drivers
from services.volatility.drivers import DriverExpert

_ROWS_UP_TO = 12
"""Value of m (2 + K) up to which one market after another is faster."""


def driver_paths(expert: DriverExpert, squares: Floats, variances: Floats, values: Floats) -> tuple[Floats, Floats]:
    """`DriverExpert.paths` of m markets.

    Parameters
    ----------
    squares : (m, n) array
        r² of each bar.
    variances : (m, n) array
        Base forecast made before each bar.
    values : (m, n, K) array
        Known at the end of each bar.

    Returns
    -------
    (m, n) and (m, n, K) arrays
        Multiplier and contributions after each bar; cost: 40 numpy calls a bar.
    """
    multiplier, contributions = np.empty(squares.shape), np.empty(values.shape)
    markets, _, count = values.shape
    if markets * (2 + count) <= _ROWS_UP_TO:
        for row, given in enumerate(zip(squares, variances, values, strict=True)):
            multiplier[row], contributions[row] = expert.paths(*given)
        return multiplier, contributions
    known = variances > 0.0
    ratios = np.full(squares.shape, np.inf)
    with np.errstate(over="ignore"):
        np.divide(squares, variances, out=ratios, where=known)
    columns = DriverColumns(expert, markets, count)
    for bar in range(squares.shape[1]):
        columns.learn(ratios[:, bar], np.isfinite(ratios[:, bar]))
        columns.observe(values[:, bar])
        multiplier[:, bar], contributions[:, bar] = columns.multiplier, columns.contributions
    return multiplier, contributions


class DriverColumns:
    """Memories of m markets with K drivers each: `weight` (m,), the others (m, K) and named as in `Driver`."""

    def __init__(self, expert: DriverExpert, markets: int, count: int) -> None:
        self.expert = expert
        self.weight = np.full(markets, expert.weight)
        self.seen, self.mean, self.spread, self.feature, self.slope, self.information = np.zeros((6, markets, count))
        self.gain = 1.0 - 2.0 ** (-1.0 / expert.standardization_half_life)
        self.decay = 2.0 ** (-1.0 / expert.slope_half_life)
        self._say()

    def _say(self) -> None:
        """What the features amount to now."""
        expert, most = self.expert, drivers.LARGEST_EXPONENT
        self.contributions = self.slope * self.feature
        exponent = np.minimum(np.maximum(np.add.reduce(self.contributions, axis=1), -most), most)
        self.factor = np.minimum(np.maximum(np.exp(exponent), expert.least), expert.most)

    @property
    def multiplier(self) -> Floats:
        """`DriverExpert.multiplier`."""
        found: Floats = 1.0 + self.weight * (self.factor - 1.0)
        return found

    def learn(self, ratios: Floats, taught: Bools) -> None:
        """`DriverExpert.learn` from r²/h, where a market is `taught`."""
        expert, pooled = self.expert, self.multiplier
        surprise = np.minimum(ratios / self.factor, drivers.RATIO_CAP) - 1.0
        information = self.decay * self.information + self.feature * self.feature
        pull = (1.0 - self.decay) * expert.prior_observations * self.slope
        step = (self.feature * surprise[:, None] - pull) / (expert.prior_observations + information)
        push = expert.rate * (np.minimum(ratios / pooled, drivers.RATIO_CAP) - 1.0)
        said = self.weight * np.exp(np.minimum(np.maximum(push * (self.factor / pooled - 1.0), -1.0), 1.0))
        base = (1.0 - self.weight) * np.exp(np.minimum(np.maximum(push * (1.0 / pooled - 1.0), -1.0), 1.0))
        weight = (1.0 - expert.share) * said / (said + base) + expert.share * expert.weight
        self.weight = np.where(taught, weight, self.weight)
        self.information = np.where(taught[:, None], information, self.information)
        self.slope = np.where(taught[:, None], self.slope + step, self.slope)

    def observe(self, values: Floats) -> None:
        """`DriverExpert.observe`."""
        known = np.abs(values) <= drivers.LARGEST_VALUE
        departure = np.where(known, values, 0.0) - self.mean
        deviation = np.sqrt(self.spread)
        believed = known & (self.seen >= drivers.WARM_VALUES) & (deviation > 0.0)
        cap = np.where(believed, drivers.OUTLIER_CAP * deviation, np.inf)
        departure = np.minimum(np.maximum(departure, -cap), cap)
        feature = departure / np.where(believed, deviation, np.inf)
        self.feature = np.minimum(np.maximum(feature, -drivers.FEATURE_CAP), drivers.FEATURE_CAP)
        step = np.where(known, np.maximum(self.gain, 1.0 / (self.seen + 1.0)), 0.0)
        self.spread = (1.0 - step) * (self.spread + step * departure * departure)
        self.mean = self.mean + step * departure
        self.seen = self.seen + known
        self._say()
