"""The client's reader on a network that drops, repeats, reorders, delays and cuts: what its user sees stays true."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.stream_server import Connection, Frame, Published
from trimtab_client.retry import Backoff
from trimtab_client.stream.clock import ServiceClock
from trimtab_client.stream.events import Event, Expired, Gap, Position, Update
from trimtab_client.stream.reader import Reader

LATEST, EVERY = "targets:a", "audit"
SECOND = 1.0
START = 1_800_000_000.0
HARM = ("deliver", "drop", "repeat", "swap", "hold")


@dataclass
class World:
    """A service, a client and the network between them, on one clock."""

    valid_for: float | None = 3.0
    depth: int = 1000
    now: float = START
    taken: dict[str, list[Update]] = field(default_factory=lambda: defaultdict(list))
    expired: list[Expired] = field(default_factory=list)
    gaps: int = 0
    wire: deque[Frame] = field(default_factory=deque)
    received: int = 0

    def __post_init__(self) -> None:
        self.channels = {
            LATEST: Published(LATEST, "latest", depth=self.depth),
            EVERY: Published(EVERY, "every", depth=self.depth),
        }
        clock = ServiceClock(monotonic=lambda: self.now, wall=lambda: self.now)
        self.reader = Reader((LATEST, EVERY), clock=clock, backoff=Backoff(jitter=lambda: 0.5))
        self.connect()

    def connect(self) -> None:
        """What was under way is lost."""
        self.wire.clear()
        self.received = 0
        self.connection = Connection(self.channels)
        self.reader.connected()
        self.wire.append(self.connection.hello(self.now))

    def publish(self, name: str) -> None:
        state = self.channels[name].publish(self.now, self.valid_for if name == LATEST else None)
        if name in self.connection.sent:
            self.wire.append(self.connection.push(name, state))

    def restart(self, name: str) -> None:
        self.channels[name].restart()

    def heartbeat(self) -> None:
        self.wire.append(self.connection.heartbeat(self.now))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.note(self.reader.tick(self.now))
        self.answer()

    def transmit(self, harm: str = "deliver") -> None:
        """The next frame of the service reaches the client, or something happens to it. `hello` always comes."""
        if not self.wire:
            return
        if self.wire[0]["type"] == "hello":
            harm = "deliver"
        if harm == "drop":
            self.wire.popleft()
        elif harm == "repeat":
            self.receive(self.wire[0])
        elif harm == "swap" and len(self.wire) > 1:
            self.wire[0], self.wire[1] = self.wire[1], self.wire[0]
        elif harm == "deliver":
            self.receive(self.wire.popleft())

    def receive(self, frame: Frame) -> None:
        if frame["type"] == "update":  # a repeated push is one more to a client that counts what it received
            self.received += 1
            self.connection.pushed = max(self.connection.pushed, self.received)
        self.note(self.reader.receive(frame, self.now))
        self.answer()

    def answer(self) -> None:
        while self.reader.outbox:
            self.wire.extend(self.connection.take(dict(self.reader.outbox.pop(0))))

    def take(self) -> None:
        update, events = self.reader.take()
        self.note(events)
        self.answer()
        if update is not None:
            assert not update.expired, "an expired state was handed out as live"
            assert update.data["epoch"] == update.position.epoch
            assert update.data["seq"] == update.position.seq
            self.taken[update.channel].append(update)

    def note(self, events: list[Event]) -> None:
        self.gaps += sum(isinstance(event, Gap) for event in events)
        self.expired += [event for event in events if isinstance(event, Expired)]

    def settle(self) -> None:
        """The network is well again for a few heartbeats, and the user takes all there is."""
        for _ in range(8):
            self.heartbeat()
            while self.wire:
                self.transmit()
            self.take_all()

    def take_all(self) -> None:
        before = -1
        while before != sum(map(len, self.taken.values())):
            before = sum(map(len, self.taken.values()))
            self.take()


NAMES = st.sampled_from([LATEST, EVERY])
MOSTLY = [
    st.tuples(st.just("publish"), NAMES),
    st.tuples(st.just("publish"), NAMES),
    st.tuples(st.just("transmit"), st.just("deliver")),
    st.tuples(st.just("transmit"), st.just("deliver")),
    st.tuples(st.just("transmit"), st.sampled_from(HARM)),
    st.tuples(st.just("transmit"), st.sampled_from(HARM)),
    st.tuples(st.just("heartbeat"), st.none()),
    st.tuples(st.just("take"), st.none()),
    st.tuples(st.just("pass_time"), st.sampled_from([0.1, 1.0, 5.0])),
]
RARELY = st.one_of(st.tuples(st.just("connect"), st.none()), st.tuples(st.just("settle"), st.none()))
step = st.one_of(*MOSTLY, RARELY)
steps = st.lists(step, min_size=30, max_size=80)


def play(world: World, script: list[tuple[str, Any]]) -> None:
    world.settle()  # subscribed; what a connection that does not come about does is a matter of `connect`
    for action, argument in script:
        getattr(world, action)(*(() if argument is None else (argument,)))


@settings(max_examples=100)
@given(steps)
def test_positions_never_go_back_and_every_state_arrives_once(script: list[tuple[str, Any]]) -> None:
    """With a history that reaches back, an ``every`` channel loses nothing to any network."""
    world = World()
    play(world, script)
    world.settle()
    for updates in world.taken.values():
        seqs = [update.position.seq for update in updates]
        assert seqs == sorted(set(seqs))
    audit = [update.position.seq for update in world.taken[EVERY]]
    assert audit == list(range(audit[0], audit[-1] + 1)) if audit else not world.channels[EVERY].history


@settings(max_examples=100)
@given(steps, st.integers(0, 5))
def test_the_newest_state_is_known_once_the_network_is_well(script: list[tuple[str, Any]], depth: int) -> None:
    """Also where the history does not reach back: then by a snapshot."""
    world = World(depth=depth)
    play(world, script)
    world.settle()
    for name, channel in world.channels.items():
        newest = channel.history[-1] if channel.history else None
        holds = newest is not None and (newest.valid_until is None or world.now < newest.valid_until)
        current = world.reader.current(name)
        assert (current is not None) == holds
        if current is not None and newest is not None:
            assert current.position == Position(newest.epoch, newest.seq)
            assert world.taken[name][-1].position == current.position
        seqs = [update.position.seq for update in world.taken[name]]
        assert seqs == sorted(set(seqs)), "a snapshot of what is known is no news"


@settings(max_examples=100)
@given(st.lists(st.one_of(step, st.tuples(st.just("restart"), NAMES)), min_size=30, max_size=80))
def test_an_epoch_that_ends_is_never_mixed_with_the_next(script: list[tuple[str, Any]]) -> None:
    world = World()
    play(world, script)
    world.publish(LATEST)
    world.publish(EVERY)
    world.settle()
    for name, updates in world.taken.items():
        assert updates[-1].position.epoch == world.channels[name].epoch
        places = [(int(update.position.epoch[1:]), update.position.seq) for update in updates]
        assert places == sorted(set(places))


@settings(max_examples=100)
@given(steps)
def test_the_end_of_a_state_is_told_once_and_only_of_the_newest(script: list[tuple[str, Any]]) -> None:
    world = World()
    play(world, script)
    world.settle()
    newest = world.reader.current(LATEST)
    world.pass_time(10.0)
    assert world.reader.current(LATEST) is None
    told = [event.position for event in world.expired]
    assert len(told) == len(set(told))
    assert newest is None or told[-1] == newest.position
    assert all(event.channel == LATEST for event in world.expired)


@settings(max_examples=100)
@given(steps)
def test_what_was_received_is_acknowledged_in_the_end(script: list[tuple[str, Any]]) -> None:
    """`Connection.take` also asserts that no acknowledgement goes back or ahead of what was pushed."""
    world = World()
    play(world, script)
    world.connect()
    world.settle()
    world.publish(EVERY)
    world.settle()
    assert world.connection.acknowledged[-1] == world.connection.pushed


def test_a_repeated_push_is_not_taken_for_a_loss() -> None:
    world = World()
    play(world, [("publish", EVERY), ("transmit", "repeat"), ("transmit", "deliver"), ("take", None)])
    assert (world.gaps, len(world.taken[EVERY])) == (0, 1)


def test_one_loss_is_one_gap_however_much_was_under_way() -> None:
    world = World()
    play(world, [("publish", EVERY)] * 5 + [("transmit", "drop")])
    world.settle()
    assert world.gaps == 1
    assert [update.position.seq for update in world.taken[EVERY]] == [1, 2, 3, 4, 5]
