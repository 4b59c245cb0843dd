"""Short memory of the doors within this process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from app.door_ports import DoorsUnsure
from app.request_signature import AHEAD_MS
from app.token_bucket import Bucket, RatePlan, Taken, take

MAX_BUCKETS = 10_000
MAX_NONCES = 200_000
MAX_TICKETS = 10_000


class MemoryDoors:
    """`app.door_ports.DoorStore` of one process.

    Parameters
    ----------
    began_ms : int
        When this memory begins, by the clock of the process [ms since 1970]: what was signed before may have been used
        in a process that is gone.
    seconds : callable
        A clock that never goes back.
    """

    shared = True

    def __init__(self, began_ms: int, seconds: Callable[[], float] = time.monotonic) -> None:
        self._began_ms, self._seconds = began_ms, seconds
        self._buckets: dict[str, Bucket] = {}
        self._nonces: dict[tuple[str, str], float] = {}
        self._old: deque[tuple[float, tuple[str, str]]] = deque()
        self._tickets: dict[str, tuple[float, bytes]] = {}

    async def recover(self) -> bool:
        """There is nothing else to ask."""
        return True

    async def take(self, caller: str, plan: RatePlan, cost: int) -> Taken:
        """Spend units."""
        return self.take_at(caller, plan, cost, int(self._seconds() * 1e6))

    def take_at(self, caller: str, plan: RatePlan, cost: int, now: int) -> Taken:
        """Spend units at a moment [us]."""
        # The latest spender goes to the end, so that the first is the one whose bucket matters least.
        self._buckets[caller], taken = take(self._buckets.pop(caller, None), plan, cost, now)
        if len(self._buckets) > MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        return taken

    async def claim(self, key_id: str, nonce: str, *, signed_at_ms: int, now_ms: int, seconds: float) -> bool:
        """Use a nonce."""
        self.check_age(signed_at_ms, now_ms)
        return self.note((key_id, nonce), seconds)

    def check_age(self, signed_at_ms: int, now_ms: int) -> None:
        """Refuse what was signed before this memory begins."""
        # A clock may be a second ahead: what was signed "later" than the beginning may have been used just before it.
        if signed_at_ms <= self._began_ms + AHEAD_MS:
            wait = (self._began_ms + AHEAD_MS - now_ms) / 1000.0
            raise DoorsUnsure("it was signed before this process began to remember nonces", max(wait, 0.001))

    def note(self, name: tuple[str, str], seconds: float) -> bool:
        """Remember a nonce; False if it is known."""
        now = self._seconds()
        while self._old and self._old[0][0] <= now:
            _, gone = self._old.popleft()
            if self._nonces.get(gone, now) <= now:
                self._nonces.pop(gone, None)
        if self._nonces.get(name, now) > now:
            return False
        if len(self._nonces) >= MAX_NONCES:
            raise DoorsUnsure("more nonces than can be remembered were used", seconds)
        self._nonces[name] = now + seconds
        self._old.append((now + seconds, name))
        return True

    async def keep(self, ticket: str, content: bytes, *, seconds: float) -> None:
        """Remember a ticket."""
        now = self._seconds()
        self._tickets[ticket] = (now + seconds, content)
        while next(iter(self._tickets.values()))[0] <= now or len(self._tickets) > MAX_TICKETS:
            del self._tickets[next(iter(self._tickets))]

    async def redeem(self, ticket: str) -> bytes | None:
        """Content of a ticket, once."""
        until, content = self._tickets.pop(ticket, (0.0, b""))
        return content if until > self._seconds() else None
