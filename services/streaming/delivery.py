"""What one connection is still to be sent: a window of unacknowledged pushes, and what waits behind it.

Rules
-----
* At most `window` pushes are unacknowledged or waiting one by one. Behind a full window a ``latest`` channel keeps its
  newest state only; an ``every`` channel queues all, within bounds.
* `prev` is the sequence that this connection was sent last on the channel. States that were left out on purpose
  therefore never look like loss. A state that never came from the bus does: `prev` then names it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from services.streaming.close import CloseCode
from services.streaming.session import Ended
from services.streaming.update import Channel, Mode, Position


class Message(Protocol):
    """A published state with its text: shared by all connections."""

    @property
    def channel(self) -> Channel:
        """Where it belongs."""
        ...

    @property
    def position(self) -> Position:
        """Where it stands."""
        ...

    @property
    def size(self) -> int:
        """Bytes of its frame, about."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRules:
    """Bounds of what waits for a connection.

    Parameters
    ----------
    window : int
        Pushes that may be unacknowledged.
    stall_seconds : float
        Time without progress after which the connection is cut.
    max_bytes : int
        Bytes that may wait.
    max_messages : int
        Messages of ``every`` channels that may wait.
    patience_seconds : float
        Time for which more may wait: a burst is no slow reader. Eight times as much is cut at once.
    """

    window: int = 32
    stall_seconds: float = 30.0
    max_bytes: int = 1_048_576
    max_messages: int = 1000
    patience_seconds: float = 1.0


FLOOD = 8


class Push(NamedTuple):
    """One push: `conflated` states between `prev` and this one were left out."""

    message: Message
    prev: int
    conflated: int
    waited: float


@dataclass(slots=True)
class _Reader:
    """A subscribed channel: what was sent last, and what came last from the bus."""

    sent: Position | None
    seen: Position | None

    def misses(self, position: Position) -> bool:
        """Whether states between the last one and this never came. A new epoch speaks for itself."""
        if self.seen is None:
            return position.seq != 1
        return self.seen.epoch == position.epoch and position.seq != self.seen.seq + 1

    def knows(self, position: Position) -> bool:
        """Whether this state, or a later one, came before."""
        return self.seen is not None and self.seen.epoch == position.epoch and position.seq <= self.seen.seq


@dataclass(slots=True)
class _Waiting:
    """A message, since when the client lacks it, whether states before it were lost, whether nobody wants it more."""

    message: Message
    since: float
    lost: bool
    gone: bool = False


@dataclass(slots=True)
class Delivery:
    """Pushes of one connection.

    Attributes
    ----------
    pushed, acknowledged : int
        Pushes sent so far, and how many of them the client has processed.
    waiting_bytes : int
        Size of what waits.
    """

    rules: DeliveryRules
    acks: bool = True
    pushed: int = 0
    acknowledged: int = 0
    conflated: int = 0
    waiting_bytes: int = 0
    _readers: dict[Channel, _Reader] = field(default_factory=dict)
    _queue: deque[_Waiting] = field(default_factory=deque)
    _newest: dict[Channel, _Waiting] = field(default_factory=dict)
    _waiting: int = 0
    _every: int = 0
    _progress_at: float = 0.0
    _heard_at: float = -1.0
    _writing_since: float | None = None
    _crowded_since: float | None = None

    def __len__(self) -> int:
        return len(self._readers)

    def __contains__(self, channel: Channel) -> bool:
        return channel in self._readers

    def positions(self) -> Iterator[tuple[Channel, Position | None]]:
        """What was sent last, by channel."""
        return ((channel, reader.sent) for channel, reader in self._readers.items())

    def subscribe(self, channel: Channel, position: Position | None) -> None:
        """Begin behind a position, or begin anew: what waits of this channel is dropped."""
        self._drop(channel)
        self._readers[channel] = _Reader(position, position)

    def unsubscribe(self, channel: Channel) -> bool:
        """Stop; False if it was not subscribed."""
        self._drop(channel)
        return self._readers.pop(channel, None) is not None

    def offer(self, message: Message, now: float) -> bool:
        """Take a new state; False for one of a channel that is not read, or that was seen before."""
        channel = message.channel
        reader = self._readers.get(channel)
        if reader is None:
            return False
        if reader.knows(message.position):
            return False
        lost = reader.misses(message.position)
        reader.seen = message.position
        newest = self._newest.get(channel)
        if newest is not None and self._is_full() and channel.kind.mode is Mode.LATEST:
            self.waiting_bytes += message.size - newest.message.size
            newest.message, newest.lost = message, newest.lost or lost
        else:
            self._wait(_Waiting(message, now, lost))
        return True

    def _wait(self, waiting: _Waiting) -> None:
        channel = waiting.message.channel
        self._queue.append(waiting)
        self._newest[channel] = waiting
        self._waiting += 1
        self._every += channel.kind.mode is Mode.EVERY
        self.waiting_bytes += waiting.message.size

    def _is_full(self) -> bool:
        return self._waiting + self._unacknowledged() >= self.rules.window

    def _unacknowledged(self) -> int:
        return self.pushed - self.acknowledged if self.acks else 0

    def next_push(self, now: float) -> Push | None:
        """Next push that may be sent now, as sent."""
        if self._unacknowledged() >= self.rules.window:
            return None
        waiting = self._take()
        if waiting is None:
            return None
        message = waiting.message
        position, reader = message.position, self._readers[message.channel]
        told = reader.sent.seq if reader.sent is not None and reader.sent.epoch == position.epoch else 0
        prev = position.seq - 1 if waiting.lost else told
        reader.sent = position
        if self.pushed == self.acknowledged:
            self._progress_at = now
        self.pushed += 1
        skipped = position.seq - prev - 1
        self.conflated += skipped
        return Push(message, prev, skipped, now - waiting.since)

    def _take(self) -> _Waiting | None:
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.gone:
                self._forget(waiting)
                return waiting
        return None

    def _forget(self, waiting: _Waiting) -> None:
        channel = waiting.message.channel
        if self._newest.get(channel) is waiting:
            del self._newest[channel]
        self._waiting -= 1
        self._every -= channel.kind.mode is Mode.EVERY
        self.waiting_bytes -= waiting.message.size

    def _drop(self, channel: Channel) -> None:
        for waiting in self._queue:
            if waiting.message.channel == channel and not waiting.gone:
                waiting.gone = True
                self._forget(waiting)

    def acknowledge(self, count: int, now: float) -> None:
        """The client has processed so many pushes since it connected; less than it said before changes nothing.

        Raises
        ------
        Ended
            4500 if it names more than were sent.
        """
        if count > self.pushed:
            raise Ended(CloseCode.PROTOCOL_ERROR, f"ack of {count} pushes, {self.pushed} were sent")
        self._heard_at = now
        if count > self.acknowledged:
            self.acknowledged, self._progress_at = count, now

    def begin_write(self, now: float) -> None:
        """A frame is handed to the socket."""
        self._writing_since = now

    def end_write(self) -> None:
        """The socket took it."""
        self._writing_since = None

    def lag_seconds(self, now: float) -> float:
        """How long the oldest state that is not sent has waited."""
        return next((now - waiting.since for waiting in self._queue if not waiting.gone), 0.0)

    def check_room(self, now: float) -> None:
        """See that not too much waits, for too long.

        Raises
        ------
        Ended
            4400 if it does.
        """
        load = max(self.waiting_bytes / self.rules.max_bytes, self._every / self.rules.max_messages)
        if load <= 1.0:
            self._crowded_since = None
            return
        if self._crowded_since is None:
            self._crowded_since = now
        if load > FLOOD or now - self._crowded_since >= self.rules.patience_seconds:
            detail = f"{self.waiting_bytes} bytes wait, and {self._every} messages that must not be left out"
            raise Ended(CloseCode.SLOW_CONSUMER, detail)

    def check(self, now: float) -> None:
        """See that the client keeps up.

        Raises
        ------
        Ended
            4400 if too much waits, if the socket takes nothing, or if acknowledgements stay away; 4401 if they come,
            but stand still.
        """
        self.check_room(now)
        stall = self.rules.stall_seconds
        if self._writing_since is not None and now - self._writing_since >= stall:
            raise Ended(CloseCode.SLOW_CONSUMER, f"nothing was read for {stall:g} s")
        if self._unacknowledged() and now - self._progress_at >= stall:
            if self._heard_at > self._progress_at:
                raise Ended(CloseCode.ACK_STALLED, f"ack stands at {self.acknowledged} of {self.pushed}")
            raise Ended(CloseCode.SLOW_CONSUMER, f"no ack for {stall:g} s")
