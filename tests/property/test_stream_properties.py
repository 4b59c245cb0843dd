"""Whatever is lost, reset, conflated or acknowledged late: the client with the one rule ends with the newest state."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.streaming.delivery import Delivery, DeliveryRules, Push
from services.streaming.resume import Continuation, resume
from services.streaming.update import Channel, Kind, Mode, Position
from tests.support.stream_reference import Client, Text, World, update

CHANNELS = (
    Channel("local", Kind.TARGETS, "pf_a"),
    Channel("local", Kind.VOLATILITY, "BTC"),
    Channel("local", Kind.AUDIT),
    Channel("local", Kind.BREAKERS, "pf_a"),
)
NAMED = {channel.name: channel for channel in CHANNELS}
channels = st.sampled_from(CHANNELS)


class Stream(RuleBasedStateMachine):
    """One connection between the world and a client, over a wire that keeps order and may stand still."""

    def __init__(self) -> None:
        super().__init__()
        self.client, self.wire = Client(), deque[tuple[Channel, Push]]()
        self.sent: dict[Channel, Position | None] = {}
        self.losses = 0

    @initialize(window=st.integers(1, 5), history=st.integers(1, 6), acks=st.booleans())
    def connect(self, window: int, history: int, acks: bool) -> None:
        self.world = World(history)
        self.window = window
        self.delivery = Delivery(DeliveryRules(window=window), acks=acks)
        for channel in CHANNELS:
            self.subscribe(channel, None)

    def subscribe(self, channel: Channel, since: Position | None) -> None:
        """As the hub does it; pushes under way are of the old subscription: the client leaves them out."""
        self.wire = deque((item, push) for item, push in self.wire if item != channel)
        self.client.processed = self.delivery.pushed - len(self.wire)
        newest = self.world.newest(channel)
        missed = self.world.since(channel, since) if since else None
        found = resume(
            since,
            update(channel, newest) if newest else None,
            None if missed is None else [update(channel, position) for position in missed],
        )
        assert found.continuation in (Continuation.SNAPSHOT, Continuation.RECOVERED)
        if found.continuation is Continuation.RECOVERED:
            self.delivery.subscribe(channel, since)
            self.sent[channel] = since
            for item in found.missed:
                self.delivery.offer(Text(channel, item.position), 0.0)
        else:
            self.delivery.subscribe(channel, newest)
            self.sent[channel] = newest
            self.client.snapshot(channel, newest)

    @rule(channel=channels, count=st.integers(1, 8))
    def publish(self, channel: Channel, count: int) -> None:
        for _ in range(count):
            self.delivery.offer(Text(channel, self.world.publish(channel)), 0.0)

    @rule(channel=channels, count=st.integers(1, 3))
    def lose(self, channel: Channel, count: int) -> None:
        """The bus fails its promise: states never reach the process."""
        self.losses += 1
        for _ in range(count):
            self.world.publish(channel)

    @rule(channel=channels)
    def twice(self, channel: Channel) -> None:
        if (newest := self.world.newest(channel)) is not None and self.sent[channel] is not None:
            self.delivery.offer(Text(channel, newest), 0.0)

    @rule(channel=channels)
    def reset(self, channel: Channel) -> None:
        self.delivery.offer(Text(channel, self.world.reset(channel)), 0.0)

    @rule(count=st.integers(1, 6))
    def send(self, count: int) -> None:
        for _ in range(count):
            if self.delivery.has_push:
                self._sent(self.delivery.next_push(0.0))

    def _sent(self, push: Push) -> None:
        channel, position = NAMED[push.message.name], push.message.position
        last = self.sent[channel]
        if last is not None and last.epoch == position.epoch:
            assert position.seq > last.seq
            assert push.prev in (last.seq, position.seq - 1)
        assert push.conflated == position.seq - push.prev - 1
        self.sent[channel] = position
        self.wire.append((channel, push))

    @rule(count=st.integers(1, 6))
    def receive(self, count: int) -> None:
        for _ in range(count):
            if not self.wire:
                return
            channel, push = self.wire.popleft()
            if not self.client.push(channel, push):
                self.subscribe(channel, self.client.seen[channel])

    @rule()
    def acknowledge(self) -> None:
        self.delivery.acknowledge(self.client.processed, 0.0)

    @invariant()
    def the_window_holds(self) -> None:
        if self.delivery.acks:
            assert self.delivery.pushed - self.delivery.acknowledged <= self.window

    @invariant()
    def nothing_of_an_every_channel_is_missing_unless_the_client_was_told(self) -> None:
        for channel, got in self.client.got.items():
            told = self.client.told.get(channel, set())
            for place in range(1, len(got)):
                before, after = got[place - 1], got[place]
                if place not in told:
                    assert after.epoch == before.epoch
                    assert after.seq > before.seq
                    if channel.kind.mode is Mode.EVERY:
                        assert after.seq == before.seq + 1

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for channel in CHANNELS:
            self.publish(channel, 1)
        for _ in range(2000):
            self.send(8)
            if not self.wire and not self.delivery.waiting_bytes:
                break
            if self.wire:
                self.receive(8)
            self.acknowledge()
        for channel in CHANNELS:
            assert self.client.seen[channel] == self.world.newest(channel)
            assert self.client.got[channel][-1] == self.world.newest(channel)


TestStream = Stream.TestCase
TestStream.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(
    seqs=st.lists(st.integers(1, 4), min_size=1, max_size=40),
    window=st.integers(1, 6),
    channel=st.sampled_from(CHANNELS),
)
def test_a_gap_of_the_bus_always_shows_and_nothing_else_does(seqs: list[int], window: int, channel: Channel) -> None:
    delivery = Delivery(DeliveryRules(window=window))
    delivery.subscribe(channel, Position("a", 0))
    seq, last, gaps = 0, 0, 0
    shown = 0
    for step in seqs:
        seq += step
        gaps += step > 1
        delivery.offer(Text(channel, Position("a", seq)), 0.0)
        while delivery.has_push:
            push = delivery.next_push(0.0)
            shown += push.prev != last
            last = push.message.position.seq
            delivery.acknowledge(delivery.pushed, 0.0)
    assert last == seq
    assert shown == gaps
