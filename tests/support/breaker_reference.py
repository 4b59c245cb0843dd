"""The ladder of circuit breakers in twenty lines, written from the specification and not from the program."""

from __future__ import annotations

import math

ENTER, LEAVE, DWELL = (0, 0.50, 0.67, 0.80, 0.90), (0, 0.45, 0.60, 0.72), (0, 60, 120, 300)


class Ladder:
    """Level by maintenance ratio alone; times in seconds."""

    def __init__(self) -> None:
        self.level, self.calm, self.time = 0, math.inf, -math.inf

    def read(self, time: float, ratio: float, *, trusted: bool = True) -> int:
        if time < self.time:
            return self.level
        self.time = time
        known = trusted and not math.isnan(ratio)
        asked = sum(ratio >= limit for limit in ENTER[1:]) if known else 3
        if asked > self.level:
            self.level, self.calm = asked, math.inf
        elif self.level == 4 or not known or (self.level and ratio >= LEAVE[self.level]):
            self.calm = math.inf
        elif self.level:
            self.calm = min(self.calm, time)
            if time - self.calm >= DWELL[self.level]:
                self.level -= 1
                self.calm = time if self.level and ratio < LEAVE[self.level] else math.inf
        return self.level

    def reset(self, time: float) -> None:
        self.level, self.calm, self.time = 3, math.inf, time
