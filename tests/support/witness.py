"""Readers of the stream that log what they saw, and the checker that compares their logs with the audit log.

They read through the Python client, as users do. What a log must never show: states that were lost without a word, an
older decision after a newer one, a state that was over when it was handed out, the end of a state that nobody told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from trimtab_client import AsyncTrimtab
from trimtab_client.retry import Backoff
from trimtab_client.stream.events import Degraded, Expired, Gap, Notice, Position, Update
from trimtab_client.stream.handlers import Handlers

TOLD_SECONDS = 2.0
"""How late the end of a state may be told: a timer of the client, on a loaded machine."""
CLOCK_SECONDS = 0.5
"""How far the service's clock, as a client estimates it, may be behind: the way of the fastest of eight heartbeats."""
TARGETS, AUDIT = "targets:desk", "audit"


class Seen(NamedTuple):
    """A state as it was handed out: wall clock, audit index, place, end, and whether it came with a subscription."""

    at: float
    index: int
    position: Position
    until: float | None
    snapshot: bool


@dataclass(slots=True)
class Witness:
    """One reader of one channel."""

    channel: str
    seen: list[Seen] = field(default_factory=list)
    gaps: list[tuple[float, Gap]] = field(default_factory=list)
    ends: list[tuple[float, Position]] = field(default_factory=list)
    notices: list[tuple[float, str]] = field(default_factory=list)
    health: list[tuple[float, bool, str]] = field(default_factory=list)
    failure: BaseException | None = None

    async def read(self, client: AsyncTrimtab, backoff: Backoff) -> None:
        """Follow the channel until cancelled."""
        handlers = Handlers(
            on_gap=lambda gap: self.gaps.append((time.time(), gap)),
            on_expired=self._ended,
            on_notice=self._noticed,
            on_degraded=self._healthy,
        )
        try:
            async with client.subscribe(self.channel, handlers=handlers, backoff=backoff) as stream:
                async for update in stream:
                    self._saw(update)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.failure = error
            raise

    def _saw(self, update: Update) -> None:
        until = update.valid_until.timestamp() if update.valid_until is not None else None
        self.seen.append(Seen(time.time(), update.data["index"], update.position, until, update.snapshot))

    def _ended(self, event: Expired) -> None:
        self.ends.append((time.time(), event.position))

    def _noticed(self, event: Notice) -> None:
        self.notices.append((time.time(), event.code))

    def _healthy(self, event: Degraded) -> None:
        self.health.append((time.time(), event.degraded, event.detail))

    @property
    def newest(self) -> int:
        """Audit index of the newest state, -1 before the first."""
        return self.seen[-1].index if self.seen else -1

    def told_of(self, code_or_detail: str, since: float) -> float | None:
        """When it was first told of something after a moment."""
        times = [at for at, code in self.notices if code == code_or_detail and at >= since]
        times += [at for at, degraded, _ in self.health if degraded and code_or_detail == "degraded" and at >= since]
        return min(times, default=None)

    def lost(self) -> list[int]:
        """Audit indices that an ``audit`` reader was never handed, between its first and its last."""
        had = {one.index for one in self.seen}
        return [index for index in range(self.seen[0].index, self.newest) if index not in had] if self.seen else []

    def silent_losses(self) -> list[str]:
        """Holes that nothing told of: no gap, no snapshot, no new epoch."""
        found = []
        for before, after in zip(self.seen, self.seen[1:], strict=False):
            told = after.snapshot or before.position.epoch != after.position.epoch
            told = told or any(before.at <= at <= after.at for at, _ in self.gaps)
            if self.channel == AUDIT and after.index > before.index + 1 and not told:
                found.append(
                    f"{self.channel}: entry {after.index} after {before.index}, without a word: {after.position.seq} "
                    f"after {before.position.seq} of {after.position.epoch}; gaps {self.gaps[-3:]}; handed out at "
                    f"{before.at:.2f} and {after.at:.2f}; health {self.health[-6:]}"
                )
            same = before.position.epoch == after.position.epoch
            if same and after.position.seq <= before.position.seq:
                found.append(f"{self.channel}: {after.position} after {before.position}")
        return found

    def steps_back(self) -> list[str]:
        """Older decisions after newer ones, on a channel of decisions."""
        if self.channel == AUDIT:
            return []  # an entry may be told again after a loss: it is the same entry
        pairs = zip(self.seen, self.seen[1:], strict=False)
        return [f"decision {b.index} after {a.index}" for a, b in pairs if b.index < a.index]

    def stale(self) -> list[str]:
        """States that were over when they were handed out, and ends that were not told."""
        found = [
            f"decision {one.index} was handed out {one.at - one.until:.2f} s after its end"
            for one in self.seen
            if one.until is not None and one.at > one.until + CLOCK_SECONDS
        ]
        later = [one.at for one in self.seen[1:]] + [time.time()]
        for one, next_at in zip(self.seen, later, strict=True):
            # A later state that was over before it could be handed out tells the end of this one too.
            told = any(one.at <= at <= next_at for at, _ in self.ends)
            if one.until is not None and next_at > one.until + TOLD_SECONDS and not told:
                text = f"the end of decision {one.index} was not told: next state {next_at - one.until:.2f} s after it"
                found.append(f"{text}; health {self.health[-4:]}, gaps {self.gaps[-2:]}")
        return found

    def faults(self) -> list[str]:
        """All that must never be."""
        failed = [f"ended with {self.failure!r}"] if self.failure is not None else []
        return failed + self.silent_losses() + self.steps_back() + self.stale()


@dataclass(slots=True)
class Witnesses:
    """Many readers."""

    all: list[Witness]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def of(self, channel: str) -> list[Witness]:
        """Those of one channel."""
        return [one for one in self.all if one.channel == channel]

    def faults(self) -> list[str]:
        """All that must never be, of all."""
        return [fault for one in self.all for fault in one.faults()]

    def lost(self) -> int:
        """Entries that readers of the log were not handed."""
        return sum(len(one.lost()) for one in self.of(AUDIT))

    def pushes(self) -> int:
        """States handed out."""
        return sum(len(one.seen) for one in self.all)

    def behind(self, channel: str, index: int) -> list[Witness]:
        """Readers of a channel that have not reached an index."""
        return [one for one in self.of(channel) if one.newest < index]

    async def until(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Wait for a condition; how long that took.

        Raises
        ------
        TimeoutError
            If it does not come true.
        """
        begun = time.monotonic()
        while not condition():
            if time.monotonic() - begun > seconds:
                raise TimeoutError(f"{what}: not after {seconds:g} s; {self.summary()}")
            await asyncio.sleep(0.02)
        return time.monotonic() - begun

    def summary(self) -> str:
        """Where everybody stands."""
        parts = []
        for channel in sorted({one.channel for one in self.all}):
            places = [one.newest for one in self.of(channel)]
            parts.append(f"{len(places)} of {channel} between {min(places)} and {max(places)}")
        return "; ".join(parts)

    async def stop(self) -> None:
        """End all."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


QUICK = Backoff(first=0.25, longest=5.0)


async def begin(
    stack: AsyncExitStack, client: AsyncTrimtab, counts: dict[str, int], *, backoff: Backoff = QUICK
) -> Witnesses:
    """Readers of channels, all of which have subscribed; ended with the stack."""
    found = Witnesses([Witness(channel) for channel, count in counts.items() for _ in range(count)])
    stack.push_async_callback(found.stop)
    found.tasks = [asyncio.create_task(one.read(client, backoff)) for one in found.all]
    await found.until(lambda: all(one.seen for one in found.all), 60.0, "every reader has a state")
    return found


def spread(values: Sequence[float]) -> str:
    """Median, 99th percentile and largest, in milliseconds."""
    if not values:
        return "none"
    found = sorted(values)
    places = (found[len(found) // 2], found[min(int(len(found) * 0.99), len(found) - 1)], found[-1])
    return " / ".join(f"{1e3 * value:.0f}" for value in places)
