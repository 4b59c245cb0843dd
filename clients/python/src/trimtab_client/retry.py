"""When a call is repeated, and after how long: a pure decision, shared by both clients."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from trimtab_client.errors import NoAnswer, Problem, TrimtabError, UnreadableAnswer

GATEWAY = frozenset({502, 503, 504})
READ_FIRST = frozenset({"state_conflict", "stale_snapshot"})
"""Retryable for a caller that decides anew; the same bytes would be refused again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential back-off with full jitter: uniform in [0, min(longest, first · factorⁿ)].

    Sources
    -------
    Brooker, M. (2015), "Exponential Backoff and Jitter", AWS Architecture Blog: full jitter spreads clients that lost
    the same service.

    Examples
    --------
    >>> calm = Backoff(first=0.25, longest=30.0, jitter=lambda: 1.0)
    >>> [calm.seconds(attempt) for attempt in (0, 1, 6, 7, 5000)]
    [0.25, 0.5, 16.0, 30.0, 30.0]
    """

    first: float = 0.25
    longest: float = 30.0
    factor: float = 2.0
    jitter: Callable[[], float] = field(default=random.random, repr=False)

    def seconds(self, attempt: int) -> float:
        """Wait before the next attempt, after `attempt` + 1 failures in a row."""
        # The exponent is bounded: a stream that is away for days must not overflow.
        return self.jitter() * min(self.longest, self.first * self.factor ** min(attempt, 64))


STREAM_BACKOFF = Backoff()
"""Between the connections of a stream: 250 ms, doubling up to 30 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Which failures are repeated.

    Parameters
    ----------
    attempts : int
        Calls in all; 1 never repeats.
    backoff : Backoff
        Wait where the service does not say how long.
    """

    attempts: int = 4
    backoff: Backoff = Backoff(longest=8.0)

    def wait(self, error: TrimtabError, *, attempt: int, safe: bool, after: float | None) -> float | None:
        """Seconds until the call is repeated, None if it is not.

        Parameters
        ----------
        attempt : int
            Repetitions so far.
        safe : bool
            Whether doing the call twice is doing it once: it only reads, or has an Idempotency-Key.
        after : float, optional
            Header ``Retry-After`` [s].
        """
        if attempt + 1 >= self.attempts or not self._may_repeat(error, safe):
            return None
        return self.backoff.seconds(attempt) if after is None else after + self.backoff.jitter() * self.backoff.first

    def _may_repeat(self, error: TrimtabError, safe: bool) -> bool:
        if error.outcome == "unknown" and not safe:
            return False
        if isinstance(error, Problem):
            return (error.retryable or error.outcome == "unknown") and error.code not in READ_FIRST
        if isinstance(error, UnreadableAnswer):
            return error.status in GATEWAY
        return isinstance(error, NoAnswer)


PATIENT = Retry()
"""Four calls at most."""
