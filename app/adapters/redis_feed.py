"""What a process follows in Redis: messages as they come, and the stream for those that did not come.

Publish and subscribe loses messages without a word: when a connection breaks, and when the driver mends it by itself.
So every message must continue the sequence; where one does not, whenever a subscription is confirmed anew, and every
ten seconds, the channel is read from the store and what is missing is told from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from app.adapters.bus_codec import PREFIX, channel_of, feed_name, message_update
from app.adapters.memory_bus import new_epoch
from app.adapters.redis_bus import BusDown, Facts, RedisChannels
from app.adapters.redis_client import heed_cancellation
from services.core.errors import InvalidInput
from services.streaming.update import Channel, Position, Update

logger = logging.getLogger(__name__)

READ_SECONDS = 1.0
SILENT_SECONDS = 5.0
"""After this time without a message the connection is asked for a sign of life; after twice that it is dropped."""
CONFIRM_SECONDS = 1.0
RETRY_SECONDS = 0.1
ATTEMPTS = 3
"""Failed connections in a row after which the store counts as down."""
_ERRORS = (RedisError, OSError, TimeoutError)


@dataclass(slots=True, eq=False)
class _Followed:
    """A followed channel: where its reader stands, None before its first state.

    `ready` once the store was read, `told` once `follow` has returned what was read.
    """

    channel: Channel
    ready: asyncio.Future[None]
    told: bool = False
    position: Position | None = None
    newest: Update | None = None
    reading: bool = False
    again: bool = False


class RedisFeed:
    """Tells of followed channels: `updated` in order and without a hole, `reset` where that cannot be.

    `failed` is called once the store cannot be reached; the feed then has stopped.
    """

    def __init__(
        self,
        client: Redis,
        channels: RedisChannels,
        *,
        updated: Callable[[Update], None],
        reset: Callable[[Channel, Update | None], None],
        failed: Callable[[str], None],
    ) -> None:
        self._client, self._channels = client, channels
        self._updated, self._reset, self._failed = updated, reset, failed
        self._followed: dict[Channel, _Followed] = {}
        self._wake = f"{PREFIX}wake:{new_epoch()}"
        self._heard = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, channels: Iterable[Channel]) -> None:
        """Connect and follow channels.

        Raises
        ------
        BusDown
            If the store cannot be reached; the feed then has stopped.
        """
        self._spawn(self._run())
        try:
            await asyncio.gather(*(self.follow(channel) for channel in channels))
        except BusDown:
            self.halt()
            raise

    def halt(self) -> None:
        """Tell nothing any more, and forget what was followed; connections end by themselves."""
        for task in self._tasks:
            task.cancel()
        for item in self._followed.values():
            _refuse(item, BusDown("the feed has stopped"))
        self._followed.clear()

    async def stop(self) -> None:
        """Halt, and wait for the end of the connections."""
        self.halt()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def follow(self, channel: Channel) -> Update | None:
        """Follow a channel; its newest state, which the first one told of continues.

        Raises
        ------
        BusDown
            If the store does not confirm.
        """
        item = self._followed.get(channel)
        if item is None:
            item = self._followed[channel] = _Followed(channel, asyncio.get_running_loop().create_future())
        try:
            if not item.ready.done():
                await self._channels.wake(self._wake)
            async with asyncio.timeout(CONFIRM_SECONDS):
                await asyncio.shield(item.ready)
        except (BusDown, TimeoutError) as error:
            self._followed.pop(channel, None)
            raise BusDown("the store of updates does not confirm a subscription") from error
        item.told = True
        if item.again:
            self._catch_up(item)
        return item.newest

    async def unfollow(self, channel: Channel) -> None:
        """Stop telling of a channel."""
        self._followed.pop(channel, None)

    def followed(self) -> list[tuple[Channel, Update | None]]:
        """Channels with their newest states."""
        return [(item.channel, item.newest) for item in self._followed.values()]

    def arrived(self, update: Update) -> None:
        """A state by message, or straight from its publisher in this process."""
        item = self._followed.get(update.channel)
        if item is None:
            return
        if item.reading or not item.told:
            item.again = True
        elif item.position is None or update.position.epoch != item.position.epoch:
            self._tell(item, update) if item.position is None and update.position.seq == 1 else self._catch_up(item)
        elif update.position.seq == item.position.seq + 1:
            self._tell(item, update)
        elif update.position.seq > item.position.seq or (item.newest and update.version > item.newest.version):
            self._catch_up(item, twice=update.position.seq <= item.position.seq)

    async def check(self) -> None:
        """Compare every position with the store's."""
        items = [item for item in self._followed.values() if item.told and not item.reading]
        found = await self._channels.positions([item.channel for item in items])
        for item, position in zip(items, found, strict=True):
            if position != item.position:
                self._catch_up(item)

    async def _run(self) -> None:
        failures = 0
        while failures < ATTEMPTS:
            try:
                await self._session()
            except _ERRORS as error:
                failures = 0 if self._heard else failures + 1
                logger.info("the feed of updates broke: %s", type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
        self._failed("the store of updates cannot be reached")

    async def _session(self) -> None:
        """One connection, from its subscriptions to its end."""
        self._heard = False
        pubsub = self._client.pubsub()
        try:
            await pubsub.subscribe(self._wake)
            await self._listen(pubsub)
        finally:
            with contextlib.suppress(*_ERRORS):
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _listen(self, pubsub: PubSub) -> None:
        """Only this task ever touches the connection: the driver breaks where one writes while another reads.

        Who wants to follow a channel sends a message to itself, which ends the wait here.
        """
        seconds = asyncio.get_running_loop().time
        heard, asked = seconds(), False
        subscribed: set[str] = set()
        while True:
            heed_cancellation()
            await self._adjust(pubsub, subscribed)
            message = await pubsub.get_message(ignore_subscribe_messages=False, timeout=READ_SECONDS)
            if message is not None:
                heard, asked, self._heard = seconds(), False, True
                self._message(message)
            elif seconds() - heard > 2 * SILENT_SECONDS:
                raise TimeoutError("the connection is silent")
            elif seconds() - heard > SILENT_SECONDS and not asked:
                asked = True
                await pubsub.ping()

    async def _adjust(self, pubsub: PubSub, subscribed: set[str]) -> None:
        """Subscribe to what is followed, and to nothing else."""
        names = {feed_name(item.channel, self._channels.database): item for item in self._followed.values()}
        for name in subscribed & names.keys():
            if not names[name].ready.done() and not names[name].reading:
                self._catch_up(names[name])  # unfollowed and followed again meanwhile
        gone, fresh = subscribed - names.keys(), names.keys() - subscribed
        subscribed -= gone
        subscribed |= fresh
        if gone:
            await pubsub.unsubscribe(*gone)
        if fresh:
            await pubsub.subscribe(*fresh)

    def _message(self, message: dict[str, Any]) -> None:
        kind, name = message["type"], message.get("channel") or b""
        if kind not in ("subscribe", "message") or b"{" not in name:
            return
        try:
            channel = channel_of(name.decode())
            update = message_update(channel, message["data"]) if kind == "message" else None
        except (ValueError, InvalidInput):
            logger.warning("a message of the bus cannot be read: %r", name[:200])
            return
        if update is not None:
            self.arrived(update)
        elif (item := self._followed.get(channel)) is not None:
            self._catch_up(item)

    def _catch_up(self, item: _Followed, *, twice: bool = False) -> None:
        """Read the channel from the store; `twice`: its epoch gave a sequence twice."""
        if item.reading:
            item.again = True
            return
        item.reading = True
        self._spawn(self._read(item, twice))

    async def _read(self, item: _Followed, twice: bool) -> None:
        try:
            while True:
                item.again = False
                if twice and item.position is not None:
                    await self._channels.renew(item.channel, item.position.epoch)
                told, after = item.told, item.position.seq if item.position else 0
                facts = await self._channels.read(item.channel, after=after if told else None)
                if told is not item.told:
                    continue  # `follow` has returned meanwhile: on from what it returned
                twice = self._settle(item, facts)
                if not (item.again or twice):
                    break
        except BusDown as error:
            # Left for the next confirmation, message or check; whoever waits to follow is told.
            if not item.ready.done():
                _refuse(item, error)
                self._followed.pop(item.channel, None)
        finally:
            item.reading = False

    def _settle(self, item: _Followed, facts: Facts) -> bool:
        """Tell what the store knows more than the reader; True if the store went back within an epoch."""
        if self._followed.get(item.channel) is not item:
            return False
        before, now = item.position, facts.position
        if not item.told:
            item.position, item.newest = now, facts.newest
            if not item.ready.done():
                item.ready.set_result(None)
            return False
        if now is None:
            if before is not None:
                self._begin_anew(item, facts)
            return False
        if before is not None and before.epoch == now.epoch and now.seq < before.seq:
            return True
        continues = before is None or before.epoch == now.epoch
        missing = now.seq - (before.seq if before else 0)
        if continues and len(facts.later) == missing:
            for update in facts.later:
                self._tell(item, update)
        else:
            self._begin_anew(item, facts)
        return False

    def _tell(self, item: _Followed, update: Update) -> None:
        item.position, item.newest = update.position, update
        self._updated(update)

    def _begin_anew(self, item: _Followed, facts: Facts) -> None:
        item.position, item.newest = facts.position, facts.newest
        self._reset(item.channel, facts.newest)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="redis-feed")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _refuse(item: _Followed, error: BusDown) -> None:
    """Tell whoever waits to follow, if anybody does."""
    if not item.ready.done():
        item.ready.set_exception(error)
        item.ready.exception()
