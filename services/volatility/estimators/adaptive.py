"""The default forecaster: a pool of experts of many memories whose weights follow their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Gt, Le, MaxLen

from services.core.explain import Floats
from services.volatility.driver_columns import driver_paths
from services.volatility.drivers import EXPERTS, MOST_DRIVERS, NO_DRIVERS, DriverEffect, check_names
from services.volatility.estimators.interface import Memory
from services.volatility.moves import Move, Moves
from services.volatility.pool import IMPLIED, LAYOUTS, RANGED, REGRESSED, advance_pool, first_memory
from services.volatility.pool_columns import pool_path


class PoolPaths(NamedTuple):
    """Figures after each bar of m markets.

    Parameters
    ----------
    variance, half_life : (m, n) arrays
        Forecast [variance per bar] and effective half-life [bars].
    multiplier : (m, n) array, optional
        What drivers multiplied the forecast with.
    contributions : (m, n, K) array, optional
        Of each driver, see `services.volatility.drivers.DriverEffect`.
    """

    variance: Floats
    half_life: Floats
    multiplier: Floats | None = None
    contributions: Floats | None = None

    def effect(self, row: int, bar: int) -> DriverEffect:
        """What drivers do to the forecast after a bar."""
        if self.multiplier is None or self.contributions is None:
            return NO_DRIVERS
        return DriverEffect(float(self.multiplier[row, bar]), tuple(self.contributions[row, bar].tolist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    r"""Pool of variance forecasts whose weights learn which memory the market needs now.

    ``h = Σ w_k H_k``. The experts: averages of r² with half-lives 4 to 1024 bars, two that weigh falls more than rises;
    where bars have ranges, averages of the Garman–Klass variance with half-lives 1 to 64 (scaled by their own causal
    ratio to r²) and an online log-HAR regression on the Parkinson variance. After each bar
    ``w_k ← w_k exp(0.01 q (H_k/h − 1))`` with ``q = min(r²/h, 15) − 1``, the exponent clipped to ±1, then
    ``w ← 0.9995 w/Σw + 0.0005 w⁰``. The half-life that the weights amount to is an output, not a parameter.

    Parameters
    ----------
    use_range : bool
        Use open, high and low (or the realised variance) where bars have them. Whether they have is settled by the
        first bar of a history; a later bar without a range counts with its r².
    log_har : bool
        Include the regression where ranges are used.
    drivers : tuple of str
        Names of up to 8 exogenous drivers (order-flow imbalance, funding, spread, log volume …) that may scale the
        forecast by 0.7 to 4; their values come with the bars. A value acts on the bar after the one that it came with.
    calibrate : bool
        Multiply the forecast by the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction]; with it 2 to 19 bars are answered as `cold`.

    Notes
    -----
    Pooling in variance level with an expert of long memory protects after calm spells, where geometric pools predict
    too little; learning targets r² and not the range, because ranges are blind to jumps. Learning rates are small on
    purpose: at 0.1 the pool is worse than equal weights on crypto. An implied variance, where the first bar has one,
    enters as one more expert, scaled by its causal ratio to r² (sums that halve every 250 bars); it is held over five
    bars without a quote, after which its expert says what r² is on average. A realised variance below 0.01 r² counts as
    missing. Scale equivariant: returns times c give c² h. Every average has gain ``max(1 − λ, 1/(n + 1))``: the plain
    mean until the memory is filled. Drivers multiply the forecast of the pool by what they were worth so far
    (`services.volatility.drivers.DriverExpert`) and change nothing in the pool; a value that is missing is neutral.
    Cost: O(1) a bar.

    References
    ----------
    Herbster and Warmuth (1998), Tracking the Best Expert (fixed share); Patton (2011), Volatility Forecast Comparison
    Using Imperfect Proxies (QLIKE, whose gradient the learning follows); Garman and Klass (1980); Parkinson (1980);
    Corsi (2009), A Simple Approximate Long-Memory Model (HAR).
    """

    method: Literal["adaptive"] = "adaptive"
    use_range: bool = True
    log_har: bool = True
    drivers: Annotated[tuple[str, ...], MaxLen(MOST_DRIVERS)] = ()
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close"})
    revision: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        check_names(self.drivers)

    def start(self) -> Memory:
        """No bar seen; what the pool consists of is not settled yet. The memory of the drivers is at the end."""
        unsettled = (0.0, math.nan, math.nan)
        return (*unsettled, *EXPERTS[len(self.drivers)].start()) if self.drivers else unsettled

    def composition_of(self, first: Move) -> int:
        """What the pool consists of, given its first bar."""
        ranged = self.use_range and (first.ranged or first.realized_variance == first.realized_variance)
        implied = first.implied_variance == first.implied_variance
        return RANGED * ranged + IMPLIED * implied + REGRESSED * (ranged and self.log_har)

    def advance(self, memory: Memory, move: Move) -> Memory:
        """Memory after one more bar: learn from its error, then take it in."""
        if not self.drivers:
            return self._advance_pool(memory, move)
        pool, said = self._parts(memory)
        values = move.drivers or (math.nan,) * len(self.drivers)
        square, expert = move.log_return * move.log_return, EXPERTS[len(self.drivers)]
        return self._advance_pool(pool, move) + expert.advance(said, square=square, variance=pool[2], values=values)

    def _advance_pool(self, memory: Memory, move: Move) -> Memory:
        return advance_pool(memory if memory[0] else first_memory(self.composition_of(move)), move)

    def _parts(self, memory: Memory) -> tuple[Memory, Memory]:
        """Memory of the pool and that of the drivers."""
        size = len(EXPERTS[len(self.drivers)].start())
        return memory[:-size], memory[-size:]

    def variance(self, memory: Memory) -> float:
        """Forecast of the pool, times what its drivers say; NaN before the first bar."""
        return memory[2] * self.driver_effect(memory).multiplier if self.drivers else memory[2]

    def driver_effect(self, memory: Memory) -> DriverEffect:
        """What drivers do to the forecast."""
        return EXPERTS[len(self.drivers)].effect(self._parts(memory)[1]) if self.drivers else NO_DRIVERS

    def variance_path(self, moves: Moves) -> Floats:
        """Forecast after each bar."""
        return self.paths(moves)[0]

    def paths(self, moves: Moves) -> tuple[Floats, Floats]:
        """Forecast and effective half-life after each bar, (m, n) each."""
        return self.run(moves)[:2]

    def run(self, moves: Moves) -> PoolPaths:
        """Everything after each bar.

        The first bars of all markets must hold the same: it settles what the pools are made of.
        """
        variance, half_life = pool_path(moves, self.composition_of(next(moves.row(0))))
        if not self.drivers:
            return PoolPaths(variance, half_life)
        if moves.drivers is None:
            silent = np.zeros((*variance.shape, len(self.drivers)))
            return PoolPaths(variance, half_life, np.ones(variance.shape), silent)
        before = np.concatenate([np.full((len(variance), 1), math.nan), variance[:, :-1]], axis=1)
        expert = EXPERTS[len(self.drivers)]
        multiplier, contributions = driver_paths(expert, moves.log_return**2, before, moves.drivers)
        return PoolPaths(variance * multiplier, half_life, multiplier, contributions)

    def weights(self, memory: Memory) -> tuple[float, ...]:
        """Weight of each expert: r4 r16 r64 r256 r1024 a4 a16, then v1 v4 v16 v64 va1 va4, log-HAR, implied."""
        return memory[LAYOUTS[int(memory[1])].weights] if memory[0] else ()

    def effective_half_life(self, memory: Memory) -> float:
        """``exp(Σ w ln(half-life))`` over the experts that are averages [bars]; NaN before the first bar."""
        if not memory[0]:
            return math.nan
        layout = LAYOUTS[int(memory[1])]
        weights = memory[layout.weights][: len(layout.half_lives)]
        logs = sum(weight * math.log(half_life) for weight, half_life in zip(weights, layout.half_lives, strict=True))
        return math.exp(logs / sum(weights))

    def effective_observations(self, memory: Memory) -> float:
        """Kish size of an average with the effective half-life over the bars seen."""
        if not memory[0]:
            return 0.0
        rate = math.log(2.0) / self.effective_half_life(memory)
        one, seen = -math.expm1(-rate), -math.expm1(-rate * memory[0])
        return (2.0 - one) / one * seen / (2.0 - seen)
