"""The time of this machine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

LONGEST_STAND = timedelta(seconds=60)
"""Step back up to which the clock stands still until the time is reached again; a larger one is believed."""


def machine_time() -> datetime:
    """What the operating system says."""
    return datetime.now(UTC)


class SystemClock:
    """`Clock` of the operating system that does not go back with it.

    Where the machine's time is set back a little, decisions made afterwards must not seem older than those before, and
    no record may get an earlier time than its predecessor. Standing still ends states early rather than late.
    """

    def __init__(self, machine: Callable[[], datetime] = machine_time) -> None:
        self._machine, self._last = machine, datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Current time, aware, UTC."""
        now, last = self._machine(), self._last
        self._last = last if now < last <= now + LONGEST_STAND else now
        return self._last
