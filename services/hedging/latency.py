"""What a hedge that comes late may cost: a buffer of margin, not a reason to hedge sooner."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

from annotated_types import Gt, Le

from services.core.annualization import SECONDS_PER_DAY
from services.core.errors import InvalidInput
from services.liquidity.depth import not_negative, positive

SECONDS_PER_YEAR = 365.0 * SECONDS_PER_DAY


class LatencyCost(NamedTuple):
    """What a latency amounts to.

    `drift` is the standard deviation of the delta over it, `delta` its buffer [base units], `quote` that of margin.
    """

    drift: float
    delta: float
    quote: float


def delta_drift(gamma: float, price: float, volatility: float, latency_seconds: float) -> float:
    r"""Standard deviation of what a delta moves within a latency, ``|Γ| S σ √(L / year)`` [base units].

    Parameters
    ----------
    gamma : float
        Γ of the book [base units per quote unit of price].
    price : float
        S > 0 [quote].
    volatility : float
        σ >= 0, annual, of 365 days [fraction].
    latency_seconds : float
        L >= 0, from the price that a hedge is computed of to its fill [s].

    Notes
    -----
    First order: exact for a constant gamma and small moves.

    Examples
    --------
    >>> round(delta_drift(2e-5, 100_000.0, 0.6, 2.0), 9)
    0.000302199
    """
    if not math.isfinite(gamma):
        raise InvalidInput("gamma", "must be finite", gamma)
    return abs(gamma) * _move(price, volatility, latency_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyBuffer:
    """Margin for the time that a hedge takes to arrive.

    Parameters
    ----------
    confidence_factor : float
        z, standard deviations that are provided for; 2.33 is 99 % on one side.

    Notes
    -----
    The buffer belongs to margin. Narrowing the no-trade band by the drift instead was measured to cost more at every
    latency from 5 minutes to 4 hours (certainty equivalent .280 against .259 at 5, .423 against .297 at 60).
    """

    confidence_factor: Annotated[float, Gt(0), Le(10)] = 2.33

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        positive("confidence_factor", self.confidence_factor)

    def of(self, gamma: float, price: float, volatility: float, latency_seconds: float) -> LatencyCost:
        r"""Buffers ``z |Γ| m`` of delta and ``z² |Γ| m²`` of margin, ``m = S σ √(L / year)``.

        Notes
        -----
        Within one latency a move of z m costs a short gamma ``½ |Γ| z² m²``. The buffer is twice that: it also holds
        where the delta of one latency (z) meets the move of the next one (z).

        Examples
        --------
        >>> cost = LatencyBuffer().of(2e-5, 100_000.0, 0.6, 2.0)
        >>> round(cost.delta, 9), round(cost.quote, 6)
        (0.000704124, 0.024789)
        """
        drift = delta_drift(gamma, price, volatility, latency_seconds)
        delta = self.confidence_factor * drift
        quote = delta * self.confidence_factor * _move(price, volatility, latency_seconds)
        return LatencyCost(drift, delta, quote)


def _move(price: float, volatility: float, latency_seconds: float) -> float:
    """Standard deviation of the price over a latency [quote]."""
    years = not_negative("latency_seconds", latency_seconds) / SECONDS_PER_YEAR
    return positive("price", price) * not_negative("volatility", volatility) * math.sqrt(years)
