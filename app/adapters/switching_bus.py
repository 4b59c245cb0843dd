"""Bus of updates on Redis while it answers, within the process while it does not; its readers are told of each change.

Positions of the two cannot be compared, so every change begins new epochs. The states that this process knows go with
it: a reader never sees less than before, and what a portfolio was told last stays readable while Redis is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from redis.asyncio import Redis

from app.adapters.memory_bus import MemoryBus
from app.adapters.redis_bus import BusDown, RedisChannels
from app.adapters.redis_client import open_redis_client
from app.adapters.redis_feed import RedisFeed
from app.live_ports import BusListener
from services.streaming.update import Channel, Mode, Position, Publication, Update

logger = logging.getLogger("trimtab")

T = TypeVar("T")
MAX_CONNECTIONS = 8
PROBE_SECONDS = 1.0
CHECK_EVERY = 10
"""Probes between two comparisons of all positions."""
GOOD_PROBES = 2
"""Answers in a row after which Redis counts as back."""


@contextlib.asynccontextmanager
async def open_redis_bus(url: str) -> AsyncIterator[SwitchingBus]:
    """Bus on the server at `url`; opens also while that is away, and goes over to it once it answers."""
    async with open_redis_client(url, max_connections=MAX_CONNECTIONS) as client:
        bus = SwitchingBus(RedisChannels(client), client)
        await bus.start()
        try:
            yield bus
        finally:
            await bus.stop()


class SwitchingBus:
    """`app.live_ports.UpdateBus` over Redis; `_local` stands in for it while it is away."""

    def __init__(self, channels: RedisChannels, client: Redis) -> None:
        self._channels = channels
        self._feed = RedisFeed(client, channels, updated=self._updated, reset=self._reset, failed=self._leave)
        self._local: MemoryBus | None = None
        self._listener: BusListener | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def shared(self) -> bool:
        """Whether other processes read what is published here."""
        return self._local is None

    async def start(self) -> None:
        """Connect, and watch the connection from then on."""
        try:
            await self._channels.ping()
            await self._feed.start(())
        except BusDown as error:
            self._leave(str(error))
        self._task = asyncio.create_task(self._watch(), name="bus-watch")

    async def stop(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        await self._feed.stop()

    async def publish(
        self, channel: Channel, *, version: int, at: datetime, data: bytes, valid_until: datetime | None = None
    ) -> Update | None:
        """Give the state the next sequence and tell every listener; None for a version that is not new."""
        item = Publication(channel=channel, version=version, at=at, data=data, valid_until=valid_until)
        return (await self.publish_many([item]))[0]

    async def publish_many(
        self, publications: Sequence[Publication], *, after: int | None = None
    ) -> list[Update | None]:
        """Publish in order; the listener of this process is told at once, not only on the way through Redis."""
        updates = await self._ask(
            lambda: self._channels.publish_many(publications, after=after),
            lambda local: local.publish_many(publications, after=after),
        )
        for update in updates:
            if update is not None:
                self._feed.arrived(update)
        return updates

    async def latest(self, channel: Channel) -> Update | None:
        """Newest state."""

        async def read() -> Update | None:
            return (await self._channels.read(channel, after=None)).newest

        return await self._ask(read, lambda local: local.latest(channel))

    async def since(self, channel: Channel, position: Position) -> Sequence[Update] | None:
        """States after a position, oldest first; None if they are not all known."""

        async def read() -> Sequence[Update] | None:
            facts = await self._channels.read(channel, after=position.seq)
            if facts.position is None or facts.position.epoch != position.epoch:
                return None
            return facts.later if len(facts.later) == facts.position.seq - position.seq else None

        return await self._ask(read, lambda local: local.since(channel, position))

    async def follow(self, channel: Channel) -> Update | None:
        """Tell the listener of this channel from now on; returns the newest state."""
        return await self._ask(lambda: self._feed.follow(channel), lambda local: local.follow(channel))

    async def unfollow(self, channel: Channel) -> None:
        """Stop telling the listener."""
        await self._ask(lambda: self._feed.unfollow(channel), lambda local: local.unfollow(channel))

    def listen(self, listener: BusListener) -> None:
        """Set the one listener of this process."""
        self._listener = listener
        if self._local is not None:
            self._local.listen(listener)
            listener.health(degraded=True, detail="the store of updates cannot be reached")

    async def cursor(self) -> int | None:
        """Audit index up to which everything was published; None where nobody knows."""
        return await self._ask(self._channels.cursor, lambda local: local.cursor())

    async def advance(self, index: int, *, after: int | None = None) -> None:
        """Note that everything up to an audit index is published."""
        await self._ask(
            lambda: self._channels.advance(index, after=after), lambda local: local.advance(index, after=after)
        )

    async def forget(self) -> None:
        """Begin every channel anew."""
        await self._ask(self._channels.forget, lambda local: local.forget())

    async def _ask(self, shared: Callable[[], Awaitable[T]], local: Callable[[MemoryBus], Awaitable[T]]) -> T:
        """Answer of Redis, else of the bus within the process. Each call may be repeated: none acts twice."""
        if self._local is None:
            try:
                return await _twice(shared)
            except BusDown as error:
                self._leave(str(error))
        # Redis may have come back while this call waited for it: the call still gets the answer of one of the two.
        return await local(self._local) if self._local is not None else await _twice(shared)

    def _leave(self, detail: str) -> None:
        """Go over to a bus within the process, with the states that are known here."""
        if self._local is not None:
            return
        logger.warning("updates pass within this process only: %s", detail)
        local = MemoryBus()
        known = self._feed.followed()
        moved = [(channel, local.add(_again(newest)) if newest else None) for channel, newest in known]
        local.followed.update(channel for channel, _ in known)
        self._feed.halt()
        self._local = local
        if self._listener is not None:
            local.listen(self._listener)
            self._listener.health(degraded=True, detail=detail)
            self._reset_all(moved)

    async def _return(self, local: MemoryBus) -> None:
        """Go back to Redis.

        Where a reader may skip states, one that is newer here goes ahead: nobody is shown an older one again.
        """
        latest = [await local.latest(channel) for channel in local.followed if channel.kind.mode is Mode.LATEST]
        await self._channels.publish_many([_again(newest) for newest in latest if newest is not None])
        await self._feed.start(local.followed)
        while missing := local.followed - {channel for channel, _ in self._feed.followed()}:
            await asyncio.gather(*(self._feed.follow(channel) for channel in missing))
        logger.warning("updates pass between processes again")
        self._local = None
        if self._listener is not None:
            self._listener.health(degraded=False, detail="the store of updates is back")
            self._reset_all(self._feed.followed())

    async def _watch(self) -> None:
        turn = good = 0
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            turn += 1
            try:
                await _twice(self._channels.ping)
                good += 1
                if self._local is not None and good >= GOOD_PROBES:
                    await self._return(self._local)
                elif self._local is None and turn % CHECK_EVERY == 0:
                    await self._feed.check()
            except BusDown as error:
                good = 0
                self._feed.halt() if self._local is not None else self._leave(str(error))
            except Exception:
                logger.exception("the watch on the bus of updates failed")

    def _updated(self, update: Update) -> None:
        if self._local is None and self._listener is not None:
            self._listener.updated(update)

    def _reset(self, channel: Channel, newest: Update | None) -> None:
        if self._local is None and self._listener is not None:
            self._listener.reset(channel, newest)

    def _reset_all(self, states: Iterable[tuple[Channel, Update | None]]) -> None:
        for channel, newest in states:
            if self._listener is not None:
                self._listener.reset(channel, newest)


async def _twice(call: Callable[[], Awaitable[T]]) -> T:
    """Once more after a failure: a connection that died while it lay idle says so on its first use."""
    try:
        return await call()
    except BusDown:
        return await call()


def _again(update: Update) -> Publication:
    return Publication(
        channel=update.channel,
        version=update.version,
        at=update.at,
        data=update.data,
        valid_until=update.valid_until,
    )
