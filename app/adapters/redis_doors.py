"""Short memory of the doors in Redis or Valkey: one script, and so one round trip, for each question.

While the server is away, this process goes on alone with its share of each rate; after a failure it is not asked for a
second, so that no request waits for a server that hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from app.adapters.memory_doors import MemoryDoors
from app.adapters.redis_client import TIMEOUT_SECONDS, open_redis_client
from app.door_ports import DoorsUnsure
from app.request_signature import AHEAD_MS
from app.token_bucket import BILLIONTHS, RatePlan, Taken

MAX_CONNECTIONS = 16
PAUSE_SECONDS = 1.0
PREFIX = "trimtab:door:"
BEGAN_KEY = f"{PREFIX}{{nonce}}:began"
_LOGGER = logging.getLogger("trimtab")

# The server's own clock, because one bucket has many callers: no two of them agree on the time. A clock that is set
# back fills nothing; one that is set forward gives a full bucket at most. Numbers stay below 2^53, where doubles are
# exact; "%.0f", because Lua writes 14 digits otherwise.
_TAKE = """
local rate, most, cost, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if now < 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local level = most
local held = redis.call('HMGET', KEYS[1], 'l', 'a')
if held[1] then
  level = math.min(most, tonumber(held[1]) + math.max(now - tonumber(held[2]), 0) * rate)
end
local allowed = 0
if level >= math.min(cost, most) then
  allowed = 1
  level = level - cost
end
local text = string.format('%.0f', level)
redis.call('HSET', KEYS[1], 'l', text, 'a', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((most - level) / rate / 1000) + 1000))
return {allowed, text}
"""
# A server that forgot everything knows no nonce: what was signed before it began to remember is refused.
_CLAIM = """
local began = redis.call('GET', KEYS[2])
if not began then
  began = ARGV[2]
  redis.call('SET', KEYS[2], began)
end
if tonumber(ARGV[1]) <= tonumber(began) + tonumber(ARGV[4]) then return began end
if redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[3]) then return 1 end
return 0
"""
_REDEEM = """
local found = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return found
"""


class _Script:
    """A script, by digest."""

    def __init__(self, text: str) -> None:
        self.text, self.sha = text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: Redis, keys: tuple[str, ...], *arguments: Any) -> Any:
        """Run it; a server that does not know it is sent its text."""
        try:
            return await client.evalsha(self.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await client.eval(self.text, len(keys), *keys, *arguments)


TAKE, CLAIM, REDEEM = _Script(_TAKE), _Script(_CLAIM), _Script(_REDEEM)


class _Away(Exception):
    """The server does not answer, or was not asked because it did not a moment ago."""


@asynccontextmanager
async def open_redis_doors(url: str, *, processes: int, alone: bool) -> AsyncIterator[RedisDoors]:
    """Memory at a ``redis://``, ``rediss://`` or ``unix://`` URL; opens also while the server is away.

    Parameters
    ----------
    processes : int
        Among which a rate is divided while the server is away.
    alone : bool
        Whether this process is surely the only one: it then knows every nonce itself.
    """
    async with open_redis_client(url, max_connections=MAX_CONNECTIONS) as client:
        doors = RedisDoors(client, processes=processes, alone=alone)
        await doors.begin()
        yield doors


class RedisDoors:
    """`app.door_ports.DoorStore` in Redis 6 or newer, or Valkey."""

    def __init__(self, client: Redis, *, processes: int = 1, alone: bool = False) -> None:
        self._client, self._processes, self._alone = client, processes, alone
        self._local = MemoryDoors(_now_ms())
        self._away_until: float | None = None

    @property
    def shared(self) -> bool:
        """Whether the server answered last."""
        return self._away_until is None

    async def begin(self) -> None:
        """First contact: let the server begin to remember nonces, if it does not yet."""
        with contextlib.suppress(_Away):
            await self._ask(self._client.set, BEGAN_KEY, _now_ms(), nx=True)

    async def recover(self) -> bool:
        """Whether the server answers, asked only where it did not last."""
        if not self.shared:
            with contextlib.suppress(_Away):
                await self._ask(self._client.ping)
        return self.shared

    async def take(self, caller: str, plan: RatePlan, cost: int) -> Taken:
        """Spend units, of the share of this process while the server is away."""
        try:
            return await self.take_at(caller, plan, cost, now=-1)
        except _Away:
            taken = await self._local.take(caller, plan.share(self._processes), cost)
            return replace(taken, shared=False)

    async def take_at(self, caller: str, plan: RatePlan, cost: int, now: int) -> Taken:
        """Spend units at a moment [us], by the server's clock where it is negative."""
        numbers = (plan.milliunits_per_second, plan.burst * BILLIONTHS, cost * BILLIONTHS, now)
        allowed, level = await self._ask(
            TAKE.run, self._client, (f"{PREFIX}{{{quote(caller, safe='')}}}:rate",), *numbers
        )
        return Taken(bool(allowed), int(level))

    async def claim(self, key_id: str, nonce: str, *, signed_at_ms: int, now_ms: int, seconds: float) -> bool:
        """Use a nonce.

        This process remembers those that it saw, whatever becomes of the server; only with those of other processes
        can it not do without.
        """
        if not self._local.note((key_id, nonce), seconds):
            return False
        name = hashlib.sha256(f"{key_id}\n{nonce}".encode()).hexdigest()
        try:
            found = await self._ask(
                CLAIM.run,
                self._client,
                (f"{PREFIX}{{nonce}}:{name}", BEGAN_KEY),
                signed_at_ms, now_ms, round(seconds * 1000), AHEAD_MS,
            )  # fmt: skip
        except _Away:
            if self._alone:
                self._local.check_age(signed_at_ms, now_ms)
                return True
            raise DoorsUnsure("the store of nonces does not answer", PAUSE_SECONDS) from None
        if isinstance(found, bytes):
            wait = (int(found) + AHEAD_MS - now_ms) / 1000.0
            raise DoorsUnsure("it was signed before the store began to remember nonces", max(wait, 0.001))
        return bool(found)

    async def keep(self, ticket: str, content: bytes, *, seconds: float) -> None:
        """Remember a ticket; while the server is away, only this process knows it."""
        try:
            await self._ask(self._client.set, _ticket_key(ticket), content, px=round(seconds * 1000))
        except _Away:
            await self._local.keep(ticket, content, seconds=seconds)

    async def redeem(self, ticket: str) -> bytes | None:
        """Content of a ticket, once."""
        if (found := await self._local.redeem(ticket)) is not None:
            with contextlib.suppress(_Away):  # a SET that was given up may have been done
                await self._ask(self._client.delete, _ticket_key(ticket))
            return found
        try:
            content: bytes | None = await self._ask(REDEEM.run, self._client, (_ticket_key(ticket),))
        except _Away:
            return None
        return content

    async def _ask(self, call: Any, *arguments: Any, **named: Any) -> Any:
        """Answer of the server within its time; `_Away` at once for a while after it did not."""
        now = time.monotonic()
        if self._away_until is not None:
            if now < self._away_until:
                raise _Away
            self._away_until = now + PAUSE_SECONDS  # one asks; the others go on alone meanwhile
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await call(*arguments, **named)
        except (RedisError, OSError, TimeoutError) as error:
            if self.shared:
                _LOGGER.warning("rates are counted in this process only: %s", type(error).__name__)
            self._away_until = time.monotonic() + PAUSE_SECONDS
            raise _Away from error
        if not self.shared:
            _LOGGER.warning("rates are counted over all processes again")
        self._away_until = None
        return answer


def _rate_key(caller: str) -> str:
    return f"{PREFIX}{{{quote(caller, safe='')}}}:rate"


def _ticket_key(ticket: str) -> str:
    return f"{PREFIX}{{ticket}}:{ticket}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
