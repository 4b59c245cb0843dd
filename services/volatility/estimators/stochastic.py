"""Stochastic volatility filtered by quasi-maximum likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le, Lt

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility.averages import effective_size
from services.volatility.close_match import advance_match, match_ratio
from services.volatility.moves import Move, Moves
from services.volatility.ranges import parkinson

Memory = tuple[float, ...]

SQUARE_OFFSET, SQUARE_NOISE = 1.2704, math.pi**2 / 2.0
"""−E ln χ²₁ and var ln χ²₁ = 4.93."""
RANGE_OFFSET, RANGE_NOISE = 0.1684, 0.35
"""−E ln(Parkinson / σ²), and its variance: 0.329 for a walk watched without pause, a little more when in steps."""
LARGEST_INNOVATION = 8.0
"""Of ln σ². ln r² of a return next to zero would pull the filter down for weeks."""
LOG_STILL = math.log(1e-4)
"""x below ln E(r²) by this: the bar did not move. A last digit of a price is no measure of volatility."""

_SEEN, _COUNT, _MEAN, _STATE, _SPREAD, _GAIN, _RETURNED, _FORMER, _PAIRS, _FORECAST = range(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stochastic:
    r"""Kalman filter of ``x_t = μ + h_t + ε_t``, ``h_t = φ h_{t−1} + η_t`` with x an unbiased measure of ln σ².

    ``x = ln(range² / (4 ln 2) + o²) + 0.168`` with var ε = 0.35 where a bar has a range, ``x = ln r² + 1.270`` with
    var ε = 4.93 where it has none. Forecast: ``c · exp(μ + φ h + P/2)``, c the causal ratio of r² to former forecasts.

    Parameters
    ----------
    persistence : float
        φ of one bar.
    innovation_variance : float
        q = var η [variance of ln σ² per bar]; q / (1 − φ²), the variance of ln σ² itself, at most 20.
    overnight : bool
        Count o² with the range; needed where the market closes.
    calibrate : bool
        Apply the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    φ and q are given, not fitted; μ is the running mean of x. On squared returns no better than an exponential average;
    on ranges good for equities and poor for Bitcoin. What it adds is `posterior_deviation`. The noise is not normal:
    the filter is the best linear one, not the best. A bar whose x is below
    ln(1e-4 E(r²)) hardly moved, and is a missing observation: logarithms of such numbers would rule the mean (of normal
    returns without ranges it is one in 240). Cost: O(1) a bar.

    References
    ----------
    Harvey, Ruiz & Shephard (1994), Multivariate stochastic variance models, Rev. Econ. Studies 61 (x from r²);
    Alizadeh, Brandt & Diebold (2002), Range-based estimation of stochastic volatility models, J. Finance 57.
    """

    method: Literal["stochastic"] = "stochastic"
    persistence: Annotated[float, Gt(0), Lt(1)] = 0.97
    innovation_variance: Annotated[float, Gt(0), Le(10)] = 0.02
    overnight: bool = True
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close"})
    revision: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if self._stationary > 20.0:
            rule = "must keep innovation_variance / (1 - persistence²) at or below 20"
            raise InvalidInput("innovation_variance", rule, self.innovation_variance)

    @property
    def _stationary(self) -> float:
        """Variance of h before anything was seen."""
        return self.innovation_variance / (1.0 - self.persistence**2)

    def start(self) -> Memory:
        """Memory before the first move.

        Bars seen, observations, their mean, h, its variance P, last gain; E(r²) and E(former forecasts) with their
        count; the forecast before the ratio.
        """
        return (0.0, 0.0, 0.0, 0.0, self._stationary, 0.0, 0.0, 0.0, 0.0, 0.0)

    def advance(self, memory: Memory, move: Move) -> Memory:
        """Memory after one more move."""
        square = move.log_return * move.log_return
        value, offset, noise = square, SQUARE_OFFSET, SQUARE_NOISE
        if move.ranged:
            value, offset, noise = parkinson(move.high, move.low), RANGE_OFFSET, RANGE_NOISE
            value += move.overnight * move.overnight if self.overnight else 0.0
        observed = math.log(value) + offset if value > 0.0 else math.nan
        return self._filtered(memory, square, observed, noise)

    def variance(self, memory: Memory) -> float:
        """Forecast for the next bar [variance per bar]; NaN before the first move of the price."""
        if not memory[_COUNT]:
            return math.nan
        return memory[_FORECAST] * match_ratio(memory[_RETURNED], memory[_FORMER])

    def posterior_deviation(self, memory: Memory) -> float:
        """Standard deviation of ln σ given what was seen, ``sqrt(P) / 2``, before the next bar's own innovation."""
        return math.sqrt(memory[_SPREAD]) / 2.0

    def variance_path(self, moves: Moves) -> Floats:
        """`variance` after each move, (m, n)."""
        return self.paths(moves)[0]

    def paths(self, moves: Moves) -> tuple[Floats, Floats]:
        """`variance` and `effective_half_life` after each move, (m, n) each."""
        squares = moves.log_return * moves.log_return
        observed, noise = self._observations(moves, squares)
        path, half_life = np.empty(moves.shape), np.empty(moves.shape)
        for row in range(moves.shape[0]):
            memory = self.start()
            columns = zip(squares[row].tolist(), observed[row].tolist(), noise[row].tolist(), strict=True)
            for bar, (square, value, error) in enumerate(columns):
                memory = self._filtered(memory, square, value, error)
                path[row, bar], half_life[row, bar] = self.variance(memory), self.effective_half_life(memory)
        return path, half_life

    def effective_half_life(self, memory: Memory) -> float:
        """``ln 2 / −ln(φ (1 − K))``, K the last gain: how the filter forgets observations around the mean [bars]."""
        return math.log(2.0) / -math.log(self.persistence * (1.0 - memory[_GAIN]))

    def effective_observations(self, memory: Memory) -> float:
        """Kish size of an exponential average that forgets as fast."""
        forgotten = 1.0 - self.persistence * (1.0 - memory[_GAIN])
        return effective_size([forgotten], [1.0], memory[_SEEN])

    def _filtered(self, memory: Memory, square: float, observed: float, noise: float) -> Memory:
        """Memory after a bar of squared return `square` and measurement `observed`, NaN when there is none."""
        seen, count, mean, state, spread, gain, returned, forecasts, pairs, forecast = memory
        if count:
            returned, forecasts = advance_match(returned, forecasts, square, forecast, pairs)
            pairs += 1.0
        if returned > 0.0 and observed < LOG_STILL + math.log(returned):
            observed = math.nan
        state, spread = self.persistence * state, self.persistence**2 * spread + self.innovation_variance
        if observed == observed:
            count += 1.0
            mean += (observed - mean) / count
            innovation = min(max(observed - mean - state, -LARGEST_INNOVATION), LARGEST_INNOVATION)
            gain = spread / (spread + noise)
            state, spread = state + gain * innovation, (1.0 - gain) * spread
        ahead = self.persistence**2 * spread + self.innovation_variance
        forecast = math.exp(mean + self.persistence * state + ahead / 2.0) if count else 0.0
        return (seen + 1.0, count, mean, state, spread, gain, returned, forecasts, pairs, forecast)

    def _observations(self, moves: Moves, squares: Floats) -> tuple[Floats, Floats]:
        """x and var ε of each bar; x is NaN where nothing moved."""
        value, offset, noise = squares, np.full(squares.shape, SQUARE_OFFSET), np.full(squares.shape, SQUARE_NOISE)
        if moves.high is not None and moves.low is not None and moves.overnight is not None:
            measured = parkinson(moves.high, moves.low)
            if self.overnight:
                measured = measured + moves.overnight * moves.overnight
            ranged = ~np.isnan(moves.high)
            value = np.where(ranged, measured, squares)
            offset[ranged], noise[ranged] = RANGE_OFFSET, RANGE_NOISE
        observed = np.full(squares.shape, np.nan)
        np.log(value, out=observed, where=value > 0.0)
        return observed + offset, noise
