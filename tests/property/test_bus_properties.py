"""Any order of publishing, reading, following, losing connections and losing everything, against a model of a bus.

Hypothesis drives two processes on one server: one publishes, the other follows. After each step that settles, what the
follower was told must be exactly what the model says: in order, nothing missing, nothing twice, or a reset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, ClassVar, TypeVar

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from app.adapters.memory_bus import HISTORY, MemoryBus
from app.adapters.switching_bus import open_redis_bus
from app.live_ports import UpdateBus
from services.streaming.update import Channel, Kind, Position, Update
from tests import servers
from tests.support.bus import Recorder, portfolio, publication

CHANNELS = (portfolio("a"), portfolio("a", Kind.HEDGES), Channel("local", Kind.AUDIT))
channels = st.sampled_from(CHANNELS)
T = TypeVar("T")


class BusMachine(RuleBasedStateMachine):
    """The model: of each channel every state of its present epoch."""

    redis_url: ClassVar[str | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.states: dict[Channel, list[Update]] = {channel: [] for channel in CHANNELS}
        self.version = 0
        self.followed: set[Channel] = set()
        self.reader = Recorder()
        self.writer, self.bus = self.do(self._open())
        self.bus.listen(self.reader)

    async def _open(self) -> tuple[UpdateBus, UpdateBus]:
        if self.redis_url is None:
            bus = MemoryBus()
            return bus, bus
        servers.flush(self.redis_url)
        one, two = [await self.stack.enter_async_context(open_redis_bus(self.redis_url)) for _ in range(2)]
        return one, two

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.do(asyncio.sleep(0.01))  # sockets close one turn of the loop later
        self.loop.close()

    @rule(batch=st.lists(channels, min_size=1, max_size=30))
    def publish(self, batch: list[Channel]) -> None:
        items = []
        for channel in batch:
            self.version += 1
            items.append(publication(channel, self.version))
        for channel, update in zip(batch, self.do(self.writer.publish_many(items)), strict=True):
            assert update is not None
            known = self.states[channel]
            assert update.position.seq == len(known) + 1
            assert not known or update.position.epoch == known[-1].position.epoch
            known.append(update)

    @rule(channel=channels, back=st.integers(0, 3))
    def publish_again(self, channel: Channel, back: int) -> None:
        known = self.states[channel]
        if known:
            version = known[-1 - min(back, len(known) - 1)].version
            assert self.do(self.writer.publish_many([publication(channel, version)])) == [None]

    @rule(channel=channels, back=st.integers(0, 40))
    def read_since(self, channel: Channel, back: int) -> None:
        known = self.states[channel]
        if not known:
            assert self.do(self.bus.since(channel, Position("x", 0))) is None
            return
        seq = max(len(known) - back, 0)
        expected = known[seq:] if len(known) - seq <= HISTORY[channel.kind.mode] else None
        assert self.do(self.bus.since(channel, Position(known[-1].position.epoch, seq))) == expected
        assert self.do(self.bus.latest(channel)) == known[-1]

    @rule(channel=channels)
    def follow(self, channel: Channel) -> None:
        if channel not in self.followed:
            newest = self.do(self.bus.follow(channel))
            assert newest == (self.states[channel][-1] if self.states[channel] else None)
            self.reader.begin(channel, newest)
            self.reader.states[channel] = [] if newest is None else [newest]
            self.followed.add(channel)

    @rule(channel=channels)
    def unfollow(self, channel: Channel) -> None:
        self.do(self.bus.unfollow(channel))
        self.followed.discard(channel)

    @rule()
    def lose_connections(self) -> None:
        """Messages under way are lost; the connections are made anew."""
        if self.redis_url is not None:
            with redis.Redis.from_url(self.redis_url) as admin:
                admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    @rule()
    def lose_everything(self) -> None:
        self.do(self.writer.forget())
        self.states = {channel: [] for channel in CHANNELS}

    @invariant()
    def told(self) -> None:
        """Whoever follows has the newest state, and got to it without a hole."""
        wanted = {c: self.states[c][-1] for c in self.followed if self.states[c]}

        def settled() -> bool:
            return all((self.reader.states.get(c) or [None])[-1] == update for c, update in wanted.items())

        self.do(self.reader.until(settled))
        for channel, newest in wanted.items():
            epoch = newest.position.epoch
            told = [update for update in self.reader.states[channel] if update.position.epoch == epoch]
            assert told == self.states[channel][-len(told) :], "in order, without a hole"


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_any_history_of_a_bus(kind: str, request: pytest.FixtureRequest) -> None:
    class Machine(BusMachine):
        redis_url = request.getfixturevalue("redis_url") if kind == "redis" else None

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60 if kind == "memory" else 12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
