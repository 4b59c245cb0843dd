"""Volatility states in Redis or Valkey: one read for many, one script per update."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from app.adapters.redis_client import heed_cancellation, open_redis_client
from app.adapters.volatility_keys import full_name, key_name, key_of, life_seconds, parse_key_name, tenant_prefix
from app.ports import FedState, StateChange, StateDamaged, StateKey, StateUnavailable
from services.volatility.codec import VERSION_BYTES, head_bytes, ring_bytes, state_from_bytes, version_bytes
from services.volatility.replay import replay_from
from services.volatility.replay_codec import replay_bytes, replay_from_bytes
from services.volatility.state import VolatilityState

MAX_CONNECTIONS = 32
MAX_KNOWN = 10_000
"""States kept decoded in this process, about 50 MB."""

NO_STATE = (ValueError, OverflowError)
"""What decoding raises on bytes that are no state: any of its numbers may be nonsense."""
PARTS = ("head", "ring", "replay")
KEYS_OF_SET = len(PARTS) + 1
HEAD_OF_SET = KEYS_OF_SET + 1
"""Place of the head among the arguments of the script."""
_SET = f"""
if redis.call('GETRANGE', KEYS[1], {VERSION_BYTES.start}, {VERSION_BYTES.stop - 1}) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[5])
redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[5])
redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[5])
redis.call('ZADD', KEYS[4], 0, ARGV[6])
return 1
"""
_PRUNE = "if redis.call('EXISTS', KEYS[1]) == 0 then return redis.call('ZREM', KEYS[2], ARGV[1]) end return 0"
_SEAL_BYTES = 8
_SET_SHA = hashlib.sha1(_SET.encode(), usedforsecurity=False).hexdigest()


@asynccontextmanager
async def open_redis_volatility(url: str) -> AsyncIterator[RedisVolatilityStore]:
    """Store at a ``redis://``, ``rediss://`` or ``unix://`` URL; answers or raises `StateUnavailable` within a second.

    Raises
    ------
    ValueError
        If the URL has another form.
    """
    async with open_redis_client(url, max_connections=MAX_CONNECTIONS) as client:
        store = RedisVolatilityStore(client)
        await store.connect()
        yield store


def sealed(head: bytes) -> bytes:
    """Head as it is stored, with a digest of itself at its end: any of its bits moves the sizes of a market.

    Examples
    --------
    >>> unsealed(sealed(b"head"))
    b'head'
    """
    return head + hashlib.blake2b(head, digest_size=_SEAL_BYTES).digest()


def unsealed(stored: bytes) -> bytes:
    """Inverse of `sealed`.

    Raises
    ------
    ValueError
        If these are not the bytes that were stored.
    """
    head = stored[:-_SEAL_BYTES]
    if sealed(head) != stored:
        raise ValueError("its head is not as it was stored")
    return head


class RedisVolatilityStore:
    """`VolatilityStore` in Redis 6 or newer, or Valkey.

    A state is three keys: a head (below 2 KB for the adaptive forecaster, up to 6.7 KB for windows of 250 bars), which
    holds everything that moves the forecast, the ring of 512 z's, and the replay of the newest bars. An evaluation
    reads the heads of all its markets in one MGET; a ring travels only when its head has changed since this process
    decoded it last, a replay only to be fed. One script writes the three, so that they always belong together. A sorted
    set per tenant lists the names. An unfed state expires (`life_seconds`).

    Notes
    -----
    Run the server with ``maxmemory-policy noeviction``: an evicted state is a silent reset (which `observations` and
    `first_close_at` make visible).
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._known: dict[str, tuple[bytes, VolatilityState]] = {}
        self._version = ""
        self._warnings: tuple[str, ...] = ()

    async def connect(self) -> None:
        """First contact: kind and version of the server, and whether its settings can lose states."""
        server = await self._ask(self._client.info("server"))
        memory = await self._ask(self._client.info("memory"))
        name = "Valkey" if "valkey_version" in server else "Redis"
        self._version = f"{name} {server.get('valkey_version') or server.get('redis_version', 'of unknown version')}"
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if int(memory.get("maxmemory", 0)) and policy != "noeviction":
            self._warnings = (f"maxmemory-policy is {policy}: volatility states may be evicted; set noeviction",)

    async def load(self, keys: Sequence[StateKey]) -> list[VolatilityState | StateDamaged | None]:
        """States in the order of the keys: one MGET, and a second one for those that this process does not know yet."""
        if not keys:
            return []
        names = [full_name(key) for key in keys]
        heads: list[bytes | None] = await self._ask(self._client.mget([f"{name}:head" for name in names]))
        states: list[VolatilityState | StateDamaged | None] = [
            self._recall(name, head) for name, head in zip(names, heads, strict=True)
        ]
        unknown = [index for index, head in enumerate(heads) if head is not None and states[index] is None]
        if unknown:
            fetched = await self._fetch([names[index] for index in unknown])
            for index, state in zip(unknown, fetched, strict=True):
                states[index] = state
        return states

    async def load_for_update(self, keys: Sequence[StateKey]) -> list[FedState | StateDamaged | None]:
        """States with their replays: one MGET, and a second one where this process does not know the state yet."""
        if not keys:
            return []
        names = [full_name(key) for key in keys]
        found = await self._parts(names, "head", "replay")
        fed: list[FedState | StateDamaged | None] = [
            self._pair(self._recall(name, head), head, replay)
            for name, (head, replay) in zip(names, found, strict=True)
        ]
        unknown = [index for index, (head, _) in enumerate(found) if head is not None and fed[index] is None]
        if unknown:
            again = await self._parts([names[index] for index in unknown], "head", "ring", "replay")
            for index, (head, ring, replay) in zip(unknown, again, strict=True):
                state = None if head is None else self._decode(names[index], head, ring)
                fed[index] = self._pair(state, head, replay)
        return fed

    async def _parts(self, names: Sequence[str], *parts: str) -> list[tuple[bytes | None, ...]]:
        """Keys of each state, all read at one moment."""
        found: list[bytes | None] = await self._ask(
            self._client.mget([f"{name}:{part}" for name in names for part in parts])
        )
        return [tuple(found[place : place + len(parts)]) for place in range(0, len(found), len(parts))]

    @staticmethod
    def _pair(
        state: VolatilityState | StateDamaged | None, head: bytes | None, replay: bytes | None
    ) -> FedState | StateDamaged | None:
        """State and replay; a replay that is gone, or of another head, begins anew."""
        if state is None or head is None or isinstance(state, StateDamaged):
            return state if isinstance(state, StateDamaged) else None
        try:
            return FedState(state, replay_from_bytes(replay or b"", unsealed(head)))
        except ValueError:
            return FedState(state, replay_from(state))

    def _recall(self, name: str, head: bytes | None) -> VolatilityState | None:
        """Decoded state of a head that this process has seen: equal heads are the same state."""
        known = self._known.get(name)
        return known[1] if known is not None and known[0] == head else None

    async def _fetch(self, names: Sequence[str]) -> list[VolatilityState | StateDamaged | None]:
        """States by head and ring."""
        pairs = zip(names, await self._parts(names, "head", "ring"), strict=True)
        return [None if head is None else self._decode(name, head, ring) for name, (head, ring) in pairs]

    def _decode(self, name: str, head: bytes, ring: bytes | None) -> VolatilityState | StateDamaged:
        try:
            state = state_from_bytes(unsealed(head), ring or b"")
        except NO_STATE as error:
            return StateDamaged(key_of(name), str(error))
        self._remember(name, head, state)
        return state

    def _remember(self, name: str, head: bytes, state: VolatilityState) -> None:
        self._known.pop(name, None)
        self._known[name] = (head, state)
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]

    async def compare_and_set(self, changes: Sequence[StateChange]) -> list[bool]:
        """Store each state whose key still holds the expected version: one script each, all in one round trip."""
        if not changes:
            return []
        calls = [self._arguments(change) for change in changes]
        pipeline = self._client.pipeline(transaction=False)
        for arguments in calls:
            pipeline.evalsha(_SET_SHA, KEYS_OF_SET, *arguments)
        answers: list[Any] = await self._ask(pipeline.execute(raise_on_error=False))
        stored = [await self._settle(answer, call) for answer, call in zip(answers, calls, strict=True)]
        for change, call, done in zip(changes, calls, stored, strict=True):
            if done:
                self._remember(str(call[0]).removesuffix(":head"), bytes(call[HEAD_OF_SET]), change.state)
        return stored

    async def _settle(self, answer: object, call: Sequence[Any]) -> bool:
        """Answer of one script; a server that has forgotten the script is sent its text."""
        if isinstance(answer, NoScriptError):
            answer = await self._ask(self._client.eval(_SET, KEYS_OF_SET, *call))
        if isinstance(answer, Exception):
            raise StateUnavailable(f"the volatility store refused a write: {type(answer).__name__}") from answer
        return answer == 1

    @staticmethod
    def _arguments(change: StateChange) -> tuple[Any, ...]:
        prefix, name = tenant_prefix(change.key.tenant_id), key_name(change.key)
        expected = b"" if change.expected_version is None else version_bytes(change.expected_version)
        head, ring = head_bytes(change.state), ring_bytes(change.state)
        keys = (*(f"{prefix}{name}:{part}" for part in PARTS), f"{prefix}index")
        blobs = (sealed(head), ring, replay_bytes(change.replay, head))
        return (*keys, expected, *blobs, life_seconds(change.key.bar_seconds), name)

    async def delete(self, key: StateKey) -> bool:
        """Forget a state."""
        prefix, name = tenant_prefix(key.tenant_id), key_name(key)
        pipeline = self._client.pipeline(transaction=True)
        pipeline.delete(f"{prefix}{name}:head")
        pipeline.delete(*(f"{prefix}{name}:{part}" for part in PARTS[1:]))
        pipeline.zrem(f"{prefix}index", name)
        deleted = await self._ask(pipeline.execute())
        self._known.pop(prefix + name, None)
        return bool(deleted[0])

    async def list(
        self, tenant_id: str, *, after: StateKey | None, limit: int
    ) -> list[tuple[StateKey, VolatilityState | StateDamaged]]:
        """States above `after`, by encoded key; names whose state has expired are dropped from the index on the way."""
        prefix, above = tenant_prefix(tenant_id), f"({key_name(after)}" if after else "-"
        listed: list[tuple[StateKey, VolatilityState | StateDamaged]] = []
        while len(listed) < limit:
            found = await self._ask(self._client.zrangebylex(f"{prefix}index", above, "+", start=0, num=limit))
            names = [name.decode() for name in found]
            keys = [parse_key_name(tenant_id, name) for name in names]
            for name, key, state in zip(names, keys, await self.load(keys), strict=True):
                if state is not None:
                    listed.append((key, state))
                else:
                    await self._ask(self._client.eval(_PRUNE, 2, f"{prefix}{name}:head", f"{prefix}index", name))
            if len(names) < limit:
                break
            above = f"({names[-1]}"
        return listed[:limit]

    async def ping(self) -> None:
        """Return if the server answers."""
        await self._ask(self._client.ping())

    def server_version(self) -> str:
        """Kind and version of the server."""
        return self._version

    def warnings(self) -> tuple[str, ...]:
        """Settings of the server under which states could be lost."""
        return self._warnings

    @staticmethod
    async def _ask(call: Awaitable[Any]) -> Any:
        """Await a call of the driver; its errors, timeouts and broken sockets become `StateUnavailable`."""
        try:
            answer = await call
        except (RedisError, OSError, TimeoutError) as error:
            raise StateUnavailable(f"the volatility store does not answer ({type(error).__name__})") from error
        heed_cancellation()
        return answer
