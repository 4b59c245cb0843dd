"""Exponentially weighted variance around zero, bias-corrected."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le
from scipy.signal import lfilter

from services.core.explain import Floats

PRIOR_BARS = 20
"""Weight of a prior volatility, in bars that are imagined before the first one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ewma:
    r"""Exponentially weighted moving average of squared log returns.

    ``S_t = λ S_{t−1} + (1 − λ) r_t²`` and ``σ_t² = S_t / (1 − λ^t)`` with ``λ = 2^(−1/half_life)``: the weights of the
    bars seen so far always sum to one, so that a short history is not biased toward zero.

    Parameters
    ----------
    half_life : float
        Age at which a bar weighs half as much as the newest [bars].
    calibrate : bool
        Multiply the forecast by the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction]. It weighs as 20 bars before the first and fades
        with λ; with it, 2 to 19 bars are answered as `cold` instead of being refused.

    Notes
    -----
    The mean is taken as zero: below 250 bars the noise of a sample mean costs more than it saves. λ = 0.94 is a
    half-life of 11.2 bars, λ = 0.97 one of 22.8. Cost: O(1) a bar and one float of memory.

    References
    ----------
    J.P. Morgan/Reuters (1996), RiskMetrics Technical Document, eq. 5.2; skfolio `EWVariance` (bias correction).
    """

    method: Literal["ewma"] = "ewma"
    half_life: Annotated[float, Gt(0), Le(2000)] = 20.0
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @property
    def model_version(self) -> str:
        """Name of the recursion and of the parameters that its state depends on.

        Calibration and prior are no part of it: they act when a state is read.

        Examples
        --------
        >>> Ewma().model_version
        'ewma.1-20.0'
        """
        return f"ewma.1-{float(self.half_life)!r}"

    @property
    def decay(self) -> float:
        """λ of one bar."""
        return float(2.0 ** (-1.0 / self.half_life))

    def weight(self, elapsed: Floats | float) -> Floats:
        """Sum of the weights after `elapsed` bars, 1 − λ^elapsed."""
        return -np.expm1(np.asarray(elapsed, dtype=float) * (-math.log(2.0) / self.half_life))

    def variance_path(self, squares: Floats) -> Floats:
        """Variance forecast after each bar.

        Parameters
        ----------
        squares : (m, n) array
            Squared log returns of one bar each, oldest first.

        Returns
        -------
        (m, n) array
            [variance per bar]

        Examples
        --------
        >>> Ewma(half_life=1).variance_path(np.array([[1.0, 2.0, 3.0]])).round(4).tolist()
        [[1.0, 1.6667, 2.4286]]
        """
        decay = self.decay
        sums = lfilter([1.0 - decay], [1.0, -decay], squares, axis=-1)
        return np.asarray(sums / self.weight(np.arange(1, squares.shape[-1] + 1)), dtype=float)

    def start(self) -> tuple[float, ...]:
        """Memory of the recursion before the first bar."""
        return (0.0,)

    def advance(self, memory: tuple[float, ...], square: float, bars: int) -> tuple[float, ...]:
        """Memory after `bars` bars of squared return `square` each."""
        decay = self.decay**bars
        return (decay * memory[0] + (1.0 - decay) * square,)

    def variance(self, memory: tuple[float, ...], elapsed: int) -> float:
        """Variance forecast from a memory that has seen `elapsed` > 0 bars."""
        return memory[0] / -math.expm1(elapsed * (-math.log(2.0) / self.half_life))

    def with_prior(self, variance: Floats | float, elapsed: Floats | float, prior: float) -> Floats:
        r"""Forecast as if 20 bars of variance `prior` had come before the first.

        ``(S + λ^t (1 − λ^20) p) / (1 − λ^(t+20))`` with ``S = σ² (1 − λ^t)``: exact, because the recursion is linear
        in its start.
        """
        seen, imagined = self.weight(elapsed), float(self.weight(PRIOR_BARS))
        return (variance * seen + (1.0 - seen) * imagined * prior) / self.weight(
            np.asarray(elapsed, dtype=float) + PRIOR_BARS
        )

    def effective_observations(self, elapsed: Floats | float) -> Floats:
        r"""Kish size of the weights: how many equally weighted bars would know as much.

        ``(Σw)²/Σw² = (1+λ)/(1−λ) · (1−λ^t)/(1+λ^t)``: t for λ → 1, (1+λ)/(1−λ) for t → ∞.
        """
        one, seen = self.weight(1.0), self.weight(elapsed)
        return (2.0 - one) / one * seen / (2.0 - seen)
