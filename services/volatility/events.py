"""Scheduled events: dated, known beforehand, and adding variance to the forecast of the time that they fall into."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """Something dated that adds variance: a rate decision, an unlock, a listing, an upgrade, an election.

    Parameters
    ----------
    at : float
        When it begins [s since 1970].
    variance : float
        What it adds to the variance of the log return over all of its duration, ≥ 0.
    seconds : float
        How long it lasts, its variance accruing evenly [s]; 0: all at once.

    Raises
    ------
    InvalidInput
        If a field is not finite, or the variance or the duration is negative.
    """

    at: float
    variance: float
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.at):
            raise InvalidInput("at", "must be finite", self.at)
        for name, value in (("variance", self.variance), ("seconds", self.seconds)):
            if not (math.isfinite(value) and value >= 0.0):
                raise InvalidInput(name, "must be finite and >= 0", value)

    @classmethod
    def from_volatility(cls, at: float, volatility: float, seconds: float) -> ScheduledEvent:
        """Event given as additional annual volatility while it lasts: ``σ² · seconds / 31,536,000``.

        Volatilities add in squares: with a forecast of 60 % and an event of 80 %, the hours of the event have 100 %.

        Examples
        --------
        >>> round(ScheduledEvent.from_volatility(0.0, 0.80, 86_400).variance * 365, 12)
        0.64
        """
        return cls(at, volatility * volatility * seconds / SECONDS_PER_YEAR, seconds)

    @classmethod
    def from_move(cls, at: float, move: float, seconds: float = 0.0) -> ScheduledEvent:
        """Event given as the log return expected of it, one standard deviation of either sign: variance ``move²``.

        Examples
        --------
        >>> ScheduledEvent.from_move(0.0, 0.5).variance
        0.25
        """
        return cls(at, move * move, seconds)

    def share(self, start: float, end: float) -> float:
        """Part of the event within [start, end); the parts of adjoining horizons add up to 1."""
        last = self.at + self.seconds
        if last <= self.at:
            return float(start <= self.at < end)
        return max(min(end, last) - max(start, self.at), 0.0) / (last - self.at)


def event_variance(events: Iterable[ScheduledEvent], *, start: float, end: float) -> float:
    """Variance that scheduled events add to the forecast of a horizon.

    Parameters
    ----------
    events : iterable of ScheduledEvent
        Of one market, in any order.
    start, end : float
        Horizon [start, end) [s since 1970]; of the next bar: from the last close to the next one. What is announced at
        the very close moves the bar after it.

    Returns
    -------
    float
        [variance over the horizon], to be added to the base variance over the same horizon.

    Notes
    -----
    Independent additions to the log return add their variances. An event counts in the horizon that contains it, at
    once and in full, and in no other. The base forecast learns from the event's bar in full: a discount was measured
    and did not help, because markets stay restless after an event.

    Examples
    --------
    >>> decision = ScheduledEvent(at=3600.0, variance=0.0004)
    >>> [event_variance([decision], start=hour * 3600.0, end=(hour + 1) * 3600.0) for hour in range(4)]
    [0.0, 0.0004, 0.0, 0.0]
    """
    return math.fsum(event.variance * event.share(start, end) for event in events)
