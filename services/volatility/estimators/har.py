"""Heterogeneous autoregression: variance on its own last day, week and month."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility.averages import recent_mean
from services.volatility.close_match import advance_match, match_path, match_ratio
from services.volatility.moves import Move, Moves
from services.volatility.ranges import parkinson

Memory = tuple[float, ...]

TERMS = 4
"""Constant, day, week, month."""
RIDGE = 1e-10
"""Added to the unit diagonal of the scaled normal equations: their condition stays below 4e10 whatever the data are."""
FEWEST_ROWS = 20
SMALLEST_SHARE = 0.1
"""Of the mean of all values: the level form forecasts no less, and no more than the largest value seen."""

ANCHOR_BARS = 20
PRIOR_COEFFICIENTS = (-0.3, 0.40, 0.30, 0.25)
PRIOR_VARIANCE, FORGETTING = 0.1, 0.9995
LARGEST_ERROR, FIRST_SPREAD = 4.0, 0.3
SMALLEST_LOG_SHARE = 1e-4
"""Of the month's mean: what the logarithm of a smaller value is taken of."""

TINY = 1e-30
LARGEST_EXPONENT = 700.0
"""`exp` overflows at 709.8."""

_SEEN, _RETURNED, _MEASURED, _TOTAL, _LARGEST, _ANCHOR, _FIT = range(7)
_SQUARE = TERMS * TERMS
_IDENTITY = np.eye(TERMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Har:
    r"""``v_{t+1} = b₀ + b₁ v_t + b₂ v̄_week + b₃ v̄_month``, of variances (level) or of their logarithms (log).

    v is Parkinson's variance with the overnight move, r² for a bar without a range; the forecast is ``c · v_{t+1}``, c
    the causal ratio to the variance of closes of `services.volatility.close_match`.

    Parameters
    ----------
    form : {"level", "log"}
        ``level``: least squares over all bars so far, the forecast held between 0.1 times the mean and the largest v.
        ``log``: recursive least squares with forgetting .9995 from b = (−.3, .4, .3, .25), errors clipped to ±4, the
        forecast ``exp(b'x + s²/2)``, at most the largest v; s² the recent mean of squared errors.
    week, month : int
        Lags [bars]: 7 and 30 where the market never closes, 5 and 22 for sessions.
    match_close_variance : bool
        Multiply by c.
    calibrate : bool
        Apply the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    The mean of v until the regression has `month` rows and no fewer than 20 (log form: until 20 bars). Levels are
    fitted in units of the first v, with each column scaled to one: returns times k give forecasts times k² to rounding,
    and the condition number of the equations is 16 to 36 on daily data (median; at most 2,200). One broken bar rules
    a level fit for years; logarithms forget it. Cost: O(month) a bar; memory: `month` values and 27 or 28 sums.

    References
    ----------
    Corsi (2009), A simple approximate long-memory model of realized volatility, J. Fin. Econometrics 7; Bollerslev,
    Patton & Quaedvlieg (2016), Exploiting the errors, J. Econometrics 192 (insanity filter).
    """

    method: Literal["har"] = "har"
    form: Literal["level", "log"] = "log"
    week: Annotated[int, Ge(2), Le(249)] = 7
    month: Annotated[int, Ge(3), Le(250)] = 30
    match_close_variance: bool = True
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close"})
    revision: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if self.week >= self.month:
            raise InvalidInput("week", "must be shorter than month", self.week)

    def start(self) -> Memory:
        """Memory before the first move.

        Bars seen, E(r²), E(v), Σ v, largest v, scale (level: first v above zero; log: ln of the mean of 20), the fit
        (level: X'X, X'y; log: b, P, s²), then the last values of v, oldest first.
        """
        fit = np.zeros(_SQUARE + TERMS) if self.form == "level" else _packed(*_prior(()))
        return (*(0.0,) * _FIT, *fit.tolist(), *(0.0,) * self.month)

    def advance(self, memory: Memory, move: Move) -> Memory:
        """Memory after one more move."""
        seen, returned, measured, total, largest, anchor = memory[:_FIT]
        square, value = move.log_return * move.log_return, _value(move)
        ring = (*memory[len(memory) - self.month + 1 :], value)
        fit = np.array(memory[_FIT : len(memory) - self.month])
        if self.form == "level":
            anchor = anchor or value
        if seen >= self._first_row:
            now = np.array(self._lags(ring, seen + 1.0))
            fit = self._fitted(fit, self._terms(memory), now, anchor, seen)
        total, largest = total + value, max(largest, value)
        if self.form == "log" and seen + 1.0 == ANCHOR_BARS:
            anchor = _logarithm_of_mean(total)
        returned, measured = advance_match(returned, measured, square, value, seen)
        return (seen + 1.0, returned, measured, total, largest, anchor, *fit.tolist(), *ring)

    def variance(self, memory: Memory) -> float:
        """Forecast for the next bar [variance per bar]; NaN before the first."""
        seen, returned, measured, total, largest, anchor = memory[:_FIT]
        if not seen:
            return math.nan
        forecast = total / seen
        if seen >= self._first_forecast:
            fit = np.array(memory[_FIT : len(memory) - self.month])
            forecast = float(self._forecast(fit, self._terms(memory), anchor, forecast, largest))
        return forecast * match_ratio(returned, measured) if self.match_close_variance else forecast

    def variance_path(self, moves: Moves) -> Floats:
        """`variance` after each move, (m, n)."""
        return self.paths(moves)[0]

    def paths(self, moves: Moves) -> tuple[Floats, Floats]:
        """`variance` and `effective_half_life` after each move, (m, n) each."""
        squares = moves.log_return * moves.log_return
        values = _values(moves, squares)
        lags = np.stack([values, recent_mean(values, self.week), recent_mean(values, self.month)], axis=-1)
        path, slopes = self._level_path(lags) if self.form == "level" else self._log_path(lags)
        half_life = np.broadcast_to(np.arange(1.0, values.shape[1] + 1.0) / 2.0, values.shape).copy()
        half_life[:, self._first_forecast - 1 :] = self._half_lives(slopes[:, self._first_forecast - 1 :])
        return path * match_path(squares, values) if self.match_close_variance else path, half_life

    def effective_half_life(self, memory: Memory) -> float:
        """Weighted geometric mean of half a bar, half a week and half a month, by slopes cut off at zero [bars].

        Half of all bars while the forecast is their mean.
        """
        if memory[_SEEN] < self._first_forecast:
            return max(memory[_SEEN], 1.0) / 2.0
        return float(self._half_lives(self.coefficients(memory)[1:]))

    def effective_observations(self, memory: Memory) -> float:
        """Kish size of the weights of the last `month` bars, by slopes cut off at zero."""
        if memory[_SEEN] < self._first_forecast:
            return memory[_SEEN]
        weights, shares = np.zeros(self.month), _shares(self.coefficients(memory)[1:])
        for share, lag in zip(shares.tolist(), (1, self.week, self.month), strict=True):
            weights[:lag] += share / lag
        return min(float(1.0 / (weights @ weights)), memory[_SEEN])

    def coefficients(self, memory: Memory) -> Floats:
        """b₀, b₁, b₂, b₃; b₀ in units of the first v (level), or of ln v around the mean of the first 20 (log)."""
        fit = np.array(memory[_FIT : len(memory) - self.month])
        return _solved(fit) if self.form == "level" else fit[:TERMS]

    @property
    def _first_row(self) -> int:
        """Bars seen before the first row of the regression is complete."""
        return self.month if self.form == "level" else ANCHOR_BARS

    @property
    def _first_forecast(self) -> int:
        """Bars seen before the regression is used."""
        return self.month + max(self.month, FEWEST_ROWS) if self.form == "level" else ANCHOR_BARS

    def _half_lives(self, slopes: Floats) -> Floats:
        """Effective half-life of slopes (..., 3)."""
        logs: Floats = np.log([0.5, self.week / 2.0, self.month / 2.0])
        return np.exp(_shares(slopes) @ logs)

    def _lags(self, ring: Memory, seen: float) -> tuple[float, float, float]:
        """v of the last bar, and its means over the last week and month, or over as many bars as there are."""
        return ring[-1], _recent(ring, self.week, seen), _recent(ring, self.month, seen)

    def _terms(self, memory: Memory) -> Floats:
        """`_lags` of the bars in memory."""
        return np.array(self._lags(memory[len(memory) - self.month :], memory[_SEEN]))

    def _fitted(self, fit: Floats, before: Floats, now: Floats, anchor: float, seen: float) -> Floats:
        """The fit after a bar with lags `now` that followed lags `before`."""
        if self.form == "level":
            return fit + _products(before / (anchor or 1.0), now[0] / (anchor or 1.0))
        target = _logarithms(now, np.array(anchor))[..., 1]
        return _packed(*_recursive_step(*_unpacked(fit), _logarithms(before, np.array(anchor)), target, seen))

    def _forecast(self, fit: Floats, lags: Floats, anchor: float, average: float, largest: float) -> Floats:
        """Forecast of v from a fit and the newest lags, within its bounds."""
        if self.form == "level":
            return _level_forecast(_solved(fit), lags / (anchor or 1.0), np.array(anchor), average, largest)
        coefficients, _, spread = _unpacked(fit)
        return _log_forecast(coefficients, spread, _logarithms(lags, np.array(anchor)), np.array(anchor), largest)

    def _level_path(self, lags: Floats) -> tuple[Floats, Floats]:
        """Forecast and slopes after each bar; slopes are 0 before the regression is used."""
        values, ready = lags[..., 0], self._first_forecast - 1
        average, largest = _so_far(values)
        path, slopes = average.copy(), np.zeros(lags.shape)
        for row in range(values.shape[0]):
            above = np.flatnonzero(values[row] > 0.0)
            scale = values[row, above[:1]] if above.size else np.ones(1)
            scaled = lags[row] / scale
            products = np.zeros((values.shape[1], _SQUARE + TERMS))
            products[self.month :] = _products(scaled[self.month - 1 : -1], scaled[self.month :, 0])
            sums = np.cumsum(products, axis=0)[ready:]
            solved = _solved(sums)
            slopes[row, ready:] = solved[:, 1:]
            path[row, ready:] = _level_forecast(
                solved, scaled[ready:], scale, average[row, ready:], largest[row, ready:]
            )
        return path, slopes

    def _log_path(self, lags: Floats) -> tuple[Floats, Floats]:
        """Forecast and slopes after each bar; slopes are 0 before the regression is used."""
        markets, bars = lags.shape[:2]
        average, largest = _so_far(lags[..., 0])
        path, slopes = average.copy(), np.zeros(lags.shape)
        if bars < ANCHOR_BARS:
            return path, slopes
        anchor = np.log(np.maximum(average[:, ANCHOR_BARS - 1], TINY))
        terms = _logarithms(lags, anchor[:, None])
        coefficients, covariance, spread = _prior((markets,))
        for bar in range(ANCHOR_BARS - 1, bars):
            if bar >= ANCHOR_BARS:
                before, target = terms[:, bar - 1], terms[:, bar, 1]
                coefficients, covariance, spread = _recursive_step(
                    coefficients, covariance, spread, before, target, float(bar)
                )
            path[:, bar] = _log_forecast(coefficients, spread, terms[:, bar], anchor, largest[:, bar])
            slopes[:, bar] = coefficients[:, 1:]
        return path, slopes


def _shares(slopes: Floats) -> Floats:
    """Slopes on day, week and month, cut off at zero, summing to one; all on the month when none is positive."""
    positive = np.maximum(slopes, 0.0)
    total = positive.sum(axis=-1, keepdims=True)
    shares: Floats = np.where(total > 0.0, positive / np.where(total > 0.0, total, 1.0), [0.0, 0.0, 1.0])
    return shares


def _value(move: Move) -> float:
    """v of one bar."""
    if not move.ranged:
        return move.log_return * move.log_return
    return parkinson(move.high, move.low) + move.overnight * move.overnight


def _values(moves: Moves, squares: Floats) -> Floats:
    """v of each bar."""
    if moves.overnight is None or moves.high is None or moves.low is None:
        return squares
    ranged = parkinson(moves.high, moves.low) + moves.overnight * moves.overnight
    return np.where(np.isnan(moves.high), squares, ranged)


def _recent(ring: Memory, lag: int, seen: float) -> float:
    """`recent_mean` of the last value: the same sum in the same order."""
    total = 0.0
    for value in reversed(ring[-lag:]):
        total += value
    return total / min(seen, lag)


def _so_far(values: Floats) -> tuple[Floats, Floats]:
    """Mean and largest of all values up to each bar."""
    average = np.cumsum(values, axis=-1) / np.arange(1.0, values.shape[-1] + 1.0)
    return average, np.maximum.accumulate(values, axis=-1)


def _logarithm_of_mean(total: float) -> float:
    return math.log(max(total / ANCHOR_BARS, TINY))


def _products(lags: Floats, target: Floats) -> Floats:
    """x x' and x y of rows x = (1, lags), side by side; (..., 20)."""
    terms = np.concatenate([np.ones((*lags.shape[:-1], 1)), lags], axis=-1)
    squares = (terms[..., :, None] * terms[..., None, :]).reshape(*lags.shape[:-1], _SQUARE)
    return np.concatenate([squares, terms * np.asarray(target)[..., None]], axis=-1)


def _solved(sums: Floats) -> Floats:
    """Least squares from sums of `_products`: columns scaled to one, and a ridge that only degenerate data feel."""
    size = np.sqrt(sums[..., : _SQUARE : TERMS + 1])
    size[size == 0.0] = 1.0
    gram = sums[..., :_SQUARE].reshape(*sums.shape[:-1], TERMS, TERMS)
    scaled = gram / (size[..., :, None] * size[..., None, :]) + RIDGE * _IDENTITY
    return np.asarray(np.linalg.solve(scaled, (sums[..., _SQUARE:] / size)[..., None])[..., 0] / size, dtype=float)


def _level_forecast(
    coefficients: Floats, lags: Floats, scale: Floats, average: Floats | float, largest: Floats | float
) -> Floats:
    found = scale * (coefficients[..., 0] + (coefficients[..., 1:] * lags).sum(axis=-1))
    return np.asarray(np.minimum(np.maximum(found, SMALLEST_SHARE * average), largest), dtype=float)


def _logarithms(lags: Floats, anchor: Floats) -> Floats:
    """Terms of the log form, (1, ln v − ln anchor, …); no value below 1e-4 of the month's mean."""
    floor = np.maximum(SMALLEST_LOG_SHARE * lags[..., 2:], TINY)
    logarithms = np.log(np.maximum(lags, floor)) - anchor[..., None]
    return np.concatenate([np.ones((*lags.shape[:-1], 1)), logarithms], axis=-1)


def _log_forecast(
    coefficients: Floats, spread: Floats, terms: Floats, anchor: Floats, largest: Floats | float
) -> Floats:
    exponent = (coefficients * terms).sum(axis=-1) + anchor + spread / 2.0
    return np.asarray(np.minimum(np.exp(np.minimum(exponent, LARGEST_EXPONENT)), largest), dtype=float)


def _prior(markets: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
    """b, P and s² before the first row."""
    coefficients = np.broadcast_to(np.array(PRIOR_COEFFICIENTS), (*markets, TERMS))
    covariance = np.broadcast_to(PRIOR_VARIANCE * _IDENTITY, (*markets, TERMS, TERMS))
    return coefficients, covariance, np.full(markets, FIRST_SPREAD)


def _recursive_step(
    coefficients: Floats, covariance: Floats, spread: Floats, terms: Floats, target: Floats, seen: float
) -> tuple[Floats, Floats, Floats]:
    """b, P and s² after one row of the recursive least squares; P stays symmetric to the last bit."""
    direction = (covariance @ terms[..., None])[..., 0]
    size = FORGETTING + (terms * direction).sum(axis=-1)
    error = target - (coefficients * terms).sum(axis=-1)
    error = np.minimum(np.maximum(error, -LARGEST_ERROR), LARGEST_ERROR)
    outer = direction[..., :, None] * direction[..., None, :]
    covariance = (covariance - outer / size[..., None, None]) / FORGETTING
    spread = spread + max(1.0 / 250.0, 1.0 / (seen + 30.0)) * (error * error - spread)
    return coefficients + direction * (error / size)[..., None], covariance, spread


def _packed(coefficients: Floats, covariance: Floats, spread: Floats) -> Floats:
    """b, P and s² in one row."""
    return np.concatenate([coefficients, covariance.reshape(_SQUARE), [float(spread)]])


def _unpacked(fit: Floats) -> tuple[Floats, Floats, Floats]:
    """Inverse of `_packed`."""
    return fit[:TERMS], fit[TERMS : TERMS + _SQUARE].reshape(TERMS, TERMS), fit[TERMS + _SQUARE]
