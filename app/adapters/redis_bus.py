"""Channels of the bus in Redis or Valkey: one script per state published, one transaction per read.

Of each channel the store holds a hash ``meta`` (epoch ``e``, sequence ``s``, version ``v``) and a stream ``log`` of its
newest states. Everything may be lost at any time: a channel without its hash begins a new epoch.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from app.adapters.bus_codec import CURSOR_KEY, PREFIX, feed_name, head_of, log_key, meta_key, stream_update
from app.adapters.memory_bus import HISTORY, new_epoch
from app.adapters.redis_client import heed_cancellation
from app.live_ports import CursorLost
from services.streaming.update import Channel, Position, Publication, Update

BATCH, BATCH_BYTES = 64, 1024 * 1024
"""States and bytes of one transaction: they hold the server for about 2 ms."""
_CURSOR_LOST = "CURSORLOST"
LOG_SECONDS = 7 * 86_400
META_SECONDS = 90 * 86_400
"""A channel's history ends long before its epoch does: a sequence is never given twice within an epoch."""

# A version that was published is not published again: a relay that died may repeat what it did last. One that goes on
# from a cursor that was lost since, or lies further back by now, would leave a hole in the new epoch: it is refused.
_PUBLISH = """
if ARGV[9] ~= '' then
  local cursor = redis.call('GET', KEYS[3])
  if not cursor or tonumber(cursor) < tonumber(ARGV[9]) then return redis.error_reply('CURSORLOST') end
end
local epoch = redis.call('HGET', KEYS[1], 'e')
if not epoch then
  epoch = ARGV[1]
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'e', epoch)
end
local version = redis.call('HGET', KEYS[1], 'v')
if version and tonumber(version) >= tonumber(ARGV[2]) then return false end
local seq = redis.call('HINCRBY', KEYS[1], 's', 1)
redis.call('HSET', KEYS[1], 'v', ARGV[2])
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[5], seq .. '-0', 'h', ARGV[3], 'd', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', KEYS[2], ARGV[7])
redis.call('PUBLISH', ARGV[8], epoch .. ' ' .. seq .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
return {epoch, seq}
"""
_PUBLISH_SHA = hashlib.sha1(_PUBLISH.encode(), usedforsecurity=False).hexdigest()
# A store that came back with an older copy of itself would give sequences twice: a new epoch, from its newest state on.
_RENEW = """
if redis.call('HGET', KEYS[1], 'e') ~= ARGV[1] then return 0 end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'e', ARGV[2], 's', #newest)
if #newest == 1 then
  redis.call('XADD', KEYS[2], '1-0', unpack(newest[1][2]))
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
return 1
"""
# Never makes the key where there was one a moment ago: the loss of everything must not pass unseen.
_ADVANCE = """
local cursor = redis.call('GET', KEYS[1])
if ARGV[3] ~= '' and (not cursor or tonumber(cursor) < tonumber(ARGV[3])) then return -1 end
if cursor and tonumber(cursor) >= tonumber(ARGV[1]) then return 0 end
if not cursor and ARGV[2] == '0' then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""


class BusDown(Exception):
    """The shared store does not answer, or refuses; the text holds no address."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store knows of a channel: its position, None if nothing, the newest state, and the states asked for."""

    position: Position | None
    newest: Update | None
    later: Sequence[Update]


class RedisChannels:
    """The channels in the store. Every method raises `BusDown` if it does not answer."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self.database = int(client.connection_pool.connection_kwargs.get("db") or 0)
        self._had_cursor = False

    async def publish_many(
        self, publications: Sequence[Publication], *, after: int | None = None
    ) -> list[Update | None]:
        """Publish in order; None for each whose version is not new.

        Raises
        ------
        CursorLost
            If the cursor lies below `after` or is lost.
        """
        answers: list[Update | None] = []
        for batch in _batches(publications):
            answers += await self._publish(batch, after)
        return answers

    async def _publish(self, batch: Sequence[Publication], after: int | None) -> list[Update | None]:
        calls = [self._arguments(item, after) for item in batch]
        try:
            answers = await self._run(calls)
        except ResponseError as error:
            if _CURSOR_LOST in str(error):
                raise CursorLost from None
            raise _down(error) from error
        except (RedisError, OSError, TimeoutError) as error:
            raise _down(error) from error
        heed_cancellation()
        return [self._published(item, answer) for item, answer in zip(batch, answers, strict=True)]

    async def _run(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        try:
            return await self._transaction("EVALSHA", _PUBLISH_SHA, calls)
        except NoScriptError:
            # A transaction fails as a whole where the script is unknown: nothing of it was published.
            return await self._transaction("EVAL", _PUBLISH, calls)

    async def _transaction(self, command: str, script: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=len(calls) > 1)
        for call in calls:
            pipeline.execute_command(command, script, 3, *call)
        answers: list[Any] = await pipeline.execute()
        return answers

    def _arguments(self, item: Publication, after: int | None) -> tuple[Any, ...]:
        channel = item.channel
        keys = (meta_key(channel), log_key(channel), CURSOR_KEY)
        state = (new_epoch(), item.version, head_of(item), item.data)
        lengths = (HISTORY[channel.kind.mode], META_SECONDS, LOG_SECONDS)
        return (*keys, *state, *lengths, feed_name(channel, self.database), "" if after is None else after)

    @staticmethod
    def _published(item: Publication, answer: Any) -> Update | None:
        if answer is None:
            return None
        return Update(
            channel=item.channel,
            position=Position(answer[0].decode(), answer[1]),
            version=item.version,
            at=item.at,
            valid_until=item.valid_until,
            data=item.data,
        )

    async def read(self, channel: Channel, *, after: int | None) -> Facts:
        """Position and newest state, with the states above sequence `after` if one is given; all at one moment."""
        pipeline = self._client.pipeline(transaction=True)
        pipeline.hmget(meta_key(channel), ["e", "s"])
        pipeline.xrevrange(log_key(channel), count=1)
        if after is not None:
            pipeline.xrange(log_key(channel), min=f"{after + 1}-0")
        (epoch, seq), newest, *later = await _asked(pipeline.execute())
        if epoch is None or seq is None:
            return Facts(None, None, ())
        name = epoch.decode()
        found = [stream_update(channel, name, item) for item in (later[0] if later else ())]
        return Facts(Position(name, int(seq)), stream_update(channel, name, newest[0]) if newest else None, found)

    async def positions(self, channels: Sequence[Channel]) -> list[Position | None]:
        """Where each channel stands, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for channel in channels:
            pipeline.hmget(meta_key(channel), ["e", "s"])
        found = await _asked(pipeline.execute())
        return [None if epoch is None or seq is None else Position(epoch.decode(), int(seq)) for epoch, seq in found]

    async def renew(self, channel: Channel, epoch: str) -> None:
        """End an epoch whose sequences were given twice; nothing if it is over already."""
        keys = (meta_key(channel), log_key(channel))
        await _asked(self._client.eval(_RENEW, 2, *keys, epoch, new_epoch(), str(LOG_SECONDS)))

    async def forget(self) -> None:
        """Delete every channel and the cursor."""
        async for keys in self._pages():
            await _asked(self._client.unlink(*keys))

    async def _pages(self) -> AsyncIterator[list[bytes]]:
        cursor = 0
        while True:
            cursor, keys = await _asked(self._client.scan(cursor, match=f"{PREFIX}*", count=1000))
            if keys:
                yield keys
            if cursor == 0:
                return

    async def cursor(self) -> int | None:
        """Audit index up to which everything was published."""
        found = await _asked(self._client.get(CURSOR_KEY))
        self._had_cursor = found is not None
        return None if found is None else int(found)

    async def advance(self, index: int, *, after: int | None = None) -> None:
        """Raise the cursor; where it was lost since it was read, leave it so, for the next reader to see.

        Raises
        ------
        CursorLost
            If the cursor lies below `after` or is lost.
        """
        may_make, known = "0" if self._had_cursor else "1", "" if after is None else str(after)
        if await _asked(self._client.eval(_ADVANCE, 1, CURSOR_KEY, str(index), may_make, known)) == -1:
            raise CursorLost

    async def wake(self, name: str) -> None:
        """Send an empty message to whoever subscribed to a name."""
        await _asked(self._client.publish(name, b""))

    async def ping(self) -> None:
        """Return if the store answers."""
        await _asked(self._client.ping())


def _batches(publications: Sequence[Publication]) -> Iterator[list[Publication]]:
    """Parts of at most `BATCH` states and, beyond their first state, `BATCH_BYTES`."""
    batch: list[Publication] = []
    size = 0
    for item in publications:
        if batch and (len(batch) == BATCH or size + len(item.data) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item.data)
    if batch:
        yield batch


async def _asked(call: Awaitable[Any]) -> Any:
    try:
        answer = await call
    except (RedisError, OSError, TimeoutError) as error:
        raise _down(error) from error
    heed_cancellation()
    return answer


def _down(error: Exception) -> BusDown:
    return BusDown(f"the store of updates does not answer ({type(error).__name__})")
