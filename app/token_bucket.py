"""A token bucket in whole numbers: what a caller may spend, exactly.

Levels are billionths of a unit and times are microseconds, so that a rate in thousandths of a unit per second fills a
whole number of billionths each microsecond: nothing is rounded, and a script that computes with doubles (exact up to
2^53) takes the same steps.

A request that costs more than the burst needs a full bucket and leaves it in debt: the average holds for any cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BILLIONTHS, MICROSECONDS = 10**9, 10**6
MAX_BURST, MAX_RATE = 1_000_000, 1_000_000


@dataclass(frozen=True, slots=True)
class RatePlan:
    """What a caller may spend.

    Parameters
    ----------
    milliunits_per_second : int
        On average [0.001 unit/s], 1 to 10^9.
    burst : int
        At once [unit], 1 to 10^6.
    """

    milliunits_per_second: int
    burst: int

    def __post_init__(self) -> None:
        if not 1 <= self.milliunits_per_second <= 1000 * MAX_RATE:
            raise ValueError(
                f"milliunits_per_second must be 1 to {1000 * MAX_RATE}, found {self.milliunits_per_second}"
            )
        if not 1 <= self.burst <= MAX_BURST:
            raise ValueError(f"burst must be 1 to {MAX_BURST}, found {self.burst}")

    @classmethod
    def of(cls, units_per_second: float, burst: int) -> RatePlan:
        """Plan in units; a rate below a thousandth of a unit is that.

        Examples
        --------
        >>> RatePlan.of(200, 2000)
        RatePlan(milliunits_per_second=200000, burst=2000)
        """
        return cls(max(1, int(1000 * units_per_second)), burst)

    @property
    def units_per_second(self) -> float:
        """Average [unit/s]."""
        return self.milliunits_per_second / 1000.0

    @property
    def full_seconds(self) -> int:
        """Time in which an empty bucket fills, rounded up [s]."""
        return -(-1000 * self.burst // self.milliunits_per_second)

    def share(self, processes: int) -> RatePlan:
        """Part of one of several processes that cannot ask one another: together they let no more through.

        Examples
        --------
        >>> RatePlan.of(10, 100).share(4)
        RatePlan(milliunits_per_second=2500, burst=25)
        """
        return RatePlan(max(1, self.milliunits_per_second // processes), max(1, self.burst // processes))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Level [10^-9 unit], negative in debt, and when it was so [us]."""

    level: int
    at: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether a request may pass, and what is left.

    `level` [10^-9 unit]; `shared`: all processes count in one bucket.
    """

    allowed: bool
    level: int
    shared: bool = True

    @property
    def left(self) -> int:
        """Whole units that may be spent at once."""
        return max(0, self.level // BILLIONTHS)

    def seconds_until(self, cost: int, plan: RatePlan) -> float:
        """Time until a request of this cost may pass [s].

        Examples
        --------
        >>> Taken(False, 2 * BILLIONTHS).seconds_until(7, RatePlan.of(10, 100))
        0.5
        """
        missing = min(cost, plan.burst) * BILLIONTHS - self.level
        return max(0.0, math.ceil(missing / plan.milliunits_per_second) / MICROSECONDS)


def take(bucket: Bucket | None, plan: RatePlan, cost: int, now: int) -> tuple[Bucket, Taken]:
    """Spend `cost` units at `now` [us], if they are there; a caller who is not known has a full bucket.

    A clock that goes back fills nothing, and is followed.
    """
    most = plan.burst * BILLIONTHS
    level = most
    if bucket is not None:
        level = min(most, bucket.level + max(now - bucket.at, 0) * plan.milliunits_per_second)
    allowed = level >= min(cost * BILLIONTHS, most)
    if allowed:
        level -= cost * BILLIONTHS
    return Bucket(level, now), Taken(allowed, level)
