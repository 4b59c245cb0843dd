"""What time it is at the service, from what it says and from two clocks of our own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

SAMPLES = 8
"""Newest times of the service that count: a step of our own clock is forgotten after so many heartbeats."""


@dataclass(slots=True)
class ServiceClock:
    """Estimate of the service's clock, on which `valid_until` is read.

    ``now = max over own clocks c and samples i of (c_now − c_i + service_i)``

    A time that the service sent is old by its way here, so each sample is a lower bound and the largest is nearest.
    Two own clocks are asked, because one stands still while a machine sleeps and the other may be set back: whichever
    has run further ends a target first. Before the service has spoken, our own wall clock is believed.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    _samples: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=SAMPLES))

    def hear(self, service_time: datetime) -> None:
        """Take a time that the service has just sent."""
        there = service_time.timestamp()
        self._samples.append((there - self.monotonic(), there - self.wall()))

    def now(self) -> datetime:
        """Time at the service."""
        if not self._samples:
            return datetime.fromtimestamp(self.wall(), UTC)
        by_monotonic = self.monotonic() + max(ahead for ahead, _ in self._samples)
        by_wall = self.wall() + max(ahead for _, ahead in self._samples)
        return datetime.fromtimestamp(max(by_monotonic, by_wall), UTC)

    def seconds_until(self, moment: datetime) -> float:
        """Time left until a moment of the service, negative when it has passed."""
        return (moment - self.now()) / timedelta(seconds=1)
