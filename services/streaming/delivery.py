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
    """A published state with its text: shared by all connections, and read by all for every push."""

    @property
    def name(self) -> str:
        """Name of its channel."""
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
    """A subscribed channel: what was sent last, what came last from the bus, what waits at the end of the queue."""

    channel: Channel
    every: bool
    sent: Position | None
    seen: Position | None
    newest: _Waiting | None = None


@dataclass(slots=True)
class _Waiting:
    """A message, since when the client lacks it, whether states before it were lost, whether nobody wants it more."""

    reader: _Reader
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
    waiting_bytes: int = 0
    _readers: dict[str, _Reader] = field(default_factory=dict)
    _queue: deque[_Waiting] = field(default_factory=deque)
    _waiting: int = 0
    _every: int = 0
    _progress_at: float = 0.0
    _heard_at: float = -1.0
    _blocked_since: float | None = None
    _crowded_since: float | None = None

    def __len__(self) -> int:
        return len(self._readers)

    def __contains__(self, channel: Channel) -> bool:
        return channel.name in self._readers

    def positions(self) -> Iterator[tuple[Channel, Position | None]]:
        """What was sent last, by channel."""
        return ((reader.channel, reader.sent) for reader in self._readers.values())

    def subscribe(self, channel: Channel, position: Position | None) -> None:
        """Begin behind a position, or begin anew: what waits of this channel is dropped."""
        self.unsubscribe(channel)
        every = channel.kind.mode is Mode.EVERY
        self._readers[channel.name] = _Reader(channel, every, position, position)

    def unsubscribe(self, channel: Channel) -> bool:
        """Stop; False if it was not subscribed."""
        reader = self._readers.pop(channel.name, None)
        if reader is None:
            return False
        for waiting in self._queue:
            if waiting.reader is reader and not waiting.gone:
                waiting.gone = True
                self._forget(waiting)
        return True

    def offer(self, message: Message, now: float) -> bool:
        """Take a new state; False for one of a channel that is not read, or that was seen before."""
        reader = self._readers.get(message.name)
        if reader is None:
            return False
        position, seen = message.position, reader.seen
        if seen is None:
            lost = position.seq != 1
        elif seen.epoch != position.epoch:
            lost = False  # a new epoch speaks for itself
        elif position.seq <= seen.seq:
            return False
        else:
            lost = position.seq != seen.seq + 1
        reader.seen = position
        newest = reader.newest
        if newest is not None and not reader.every and self._is_full():
            self.waiting_bytes += message.size - newest.message.size
            newest.message, newest.lost = message, newest.lost or lost
        else:
            self._wait(_Waiting(reader, message, now, lost))
        return True

    def _wait(self, waiting: _Waiting) -> None:
        self._queue.append(waiting)
        waiting.reader.newest = waiting
        self._waiting += 1
        self._every += waiting.reader.every
        self.waiting_bytes += waiting.message.size

    def _is_full(self) -> bool:
        return self._waiting + self._unacknowledged() >= self.rules.window

    def _unacknowledged(self) -> int:
        return self.pushed - self.acknowledged if self.acks else 0

    @property
    def has_push(self) -> bool:
        """Whether something waits that may be sent now."""
        return self._waiting > 0 and self._unacknowledged() < self.rules.window

    def next_push(self, now: float) -> Push:
        """Next push, as sent; only where `has_push`."""
        waiting = self._take()
        message, reader, sent = waiting.message, waiting.reader, waiting.reader.sent
        position = message.position
        told = sent.seq if sent is not None and sent.epoch == position.epoch else 0
        prev = position.seq - 1 if waiting.lost else told
        reader.sent = position
        if self.pushed == self.acknowledged:
            self._progress_at = now
        self.pushed += 1
        return Push(message, prev, position.seq - prev - 1, now - waiting.since)

    def _take(self) -> _Waiting:
        while (waiting := self._queue.popleft()).gone:
            pass
        self._forget(waiting)
        return waiting

    def _forget(self, waiting: _Waiting) -> None:
        reader = waiting.reader
        if reader.newest is waiting:
            reader.newest = None
        self._waiting -= 1
        self._every -= reader.every
        self.waiting_bytes -= waiting.message.size

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

    def blocked(self, now: float) -> None:
        """The socket takes no more for now."""
        self._blocked_since = now

    def unblocked(self) -> None:
        """The socket takes more again."""
        self._blocked_since = None

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
        if self._blocked_since is not None and now - self._blocked_since >= stall:
            raise Ended(CloseCode.SLOW_CONSUMER, f"nothing was read for {stall:g} s")
        if self._unacknowledged() and now - self._progress_at >= stall:
            if self._heard_at > self._progress_at:
                raise Ended(CloseCode.ACK_STALLED, f"ack stands at {self.acknowledged} of {self.pushed}")
            raise Ended(CloseCode.SLOW_CONSUMER, f"no ack for {stall:g} s")
