"""Reading the stream, without I/O: frames in, events and frames out.

Rules
-----
* A push continues the channel where its `prev` and epoch are what was read last; else something is lost, and the
  channel is subscribed again from there. Until the reply, its pushes are dropped.
* A heartbeat that names a later position than was read, and still does one heartbeat later, means the same.
* A state whose `valid_until` has passed is never handed on as live: it becomes `Expired`, once.
* A request that three heartbeats did not see answered is sent again.
* `ack` counts pushes that are done with: taken by the reader's user, superseded on a ``latest`` channel, or dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trimtab_client.errors import SubscriptionRefused
from trimtab_client.retry import STREAM_BACKOFF, Backoff
from trimtab_client.stream.clock import ServiceClock
from trimtab_client.stream.events import Degraded, Event, Expired, Gap, Notice, Position, Update

Frame = Mapping[str, Any]
DEFAULT_WINDOW = 32
PATIENCE = 3
"""Heartbeats in which a subscription must be answered."""


@dataclass(slots=True)
class _Followed:
    """A channel: where it was read to, the request that is under way, and the newest state that is not over."""

    name: str
    position: Position | None = None
    request: str | None = None
    unanswered: int = 0
    failures: int = 0
    ask_at: float | None = None
    mode: str = "every"
    newest: Update | None = None
    suspect: Position | None = None

    @property
    def live(self) -> bool:
        return self.request is None and self.ask_at is None


@dataclass(slots=True)
class Reader:
    """State of a stream over all its connections.

    Parameters
    ----------
    channels : iterable of str
        Such as ``targets:pf_main``.
    clock : ServiceClock
        On which states expire.
    backoff : Backoff
        Between subscriptions that the service refuses for now.

    Attributes
    ----------
    outbox : list of mapping
        Frames to send, in order; the driver takes them.
    heartbeat_seconds : float
        Of the connection, as the service said.
    began : bool
        Whether a channel was subscribed on this connection.
    """

    channels: Iterable[str]
    clock: ServiceClock = field(default_factory=ServiceClock)
    backoff: Backoff = STREAM_BACKOFF
    outbox: list[Frame] = field(default_factory=list, init=False)
    heartbeat_seconds: float = field(default=5.0, init=False)
    began: bool = field(default=False, init=False)
    _followed: dict[str, _Followed] = field(init=False)
    _queue: deque[tuple[Update, bool]] = field(default_factory=deque, init=False)
    _window: int = field(default=DEFAULT_WINDOW, init=False)
    _requests: int = field(default=0, init=False)
    _received: int = field(default=0, init=False)
    _waiting: int = field(default=0, init=False)
    _acknowledged: int = field(default=0, init=False)
    _degraded: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._followed = {name: _Followed(name) for name in self.channels}
        if not self._followed:
            raise ValueError("channels must name at least one channel, such as 'targets:pf_main'")

    def connected(self, *, resume: bool = True) -> None:
        """A connection begins: counts start anew; what was read stays, unless the positions are to be forgotten."""
        self.outbox.clear()
        self._received = self._acknowledged = self._waiting = 0
        # What waits came over a connection that is gone: nobody is owed an acknowledgement for it.
        self._queue = deque((update, False) for update, _ in self._queue)
        self.began, self._window = False, DEFAULT_WINDOW
        for channel in self._followed.values():
            channel.request = channel.suspect = None
            channel.failures, channel.ask_at = 0, None
            if not resume:
                channel.position = None

    def lost(self, detail: str) -> list[Event]:
        """The connection is gone, or none came about: nothing new until it is back."""
        return self._health(True, detail)

    def receive(self, frame: Frame, now: float) -> list[Event]:
        """Take a frame of the service.

        Raises
        ------
        SubscriptionRefused
            If a channel is refused for good.
        KeyError, TypeError, ValueError
            If the frame is not one of this protocol.
        """
        kind = frame["type"]
        if kind == "update":
            return self._push(frame)
        if kind == "hb":
            return self._heartbeat(frame)
        if kind == "reply":
            return self._reply(frame, now)
        if kind == "notice":
            return self._notice(frame)
        if kind == "hello":
            self._hello(frame)
        return []  # what a newer service may say besides

    def take(self) -> tuple[Update | None, list[Event]]:
        """The next state that is not over, if one waits, and those that are."""
        expired: list[Event] = []
        while self._queue:
            update, owed = self._queue.popleft()
            self._done(owed)
            if not update.expired:
                return update, expired
            expired += self._expire(self._followed[update.channel], update)
        return None, expired

    def current(self, channel: str) -> Update | None:
        """Newest state of a channel, taken or not; None where there is none that holds."""
        newest = self._followed[channel].newest
        return None if newest is None or newest.expired else newest

    def tick(self, now: float) -> list[Event]:
        """Look at the clocks: what is over, and what is to be asked for again."""
        for channel in self._followed.values():
            if channel.ask_at is not None and now >= channel.ask_at:
                self._ask(channel)
        over = [channel for channel in self._followed.values() if channel.newest and channel.newest.expired]
        return [event for channel in over if channel.newest for event in self._expire(channel, channel.newest)]

    def seconds_until_tick(self, now: float) -> float:
        """Time until `tick` may have something to do; infinite where nothing is due."""
        ends = [channel.newest.valid_until for channel in self._followed.values() if channel.newest]
        expiries = [self.clock.seconds_until(end) for end in ends if end is not None]
        asks = [channel.ask_at - now for channel in self._followed.values() if channel.ask_at is not None]
        return max(0.0, min([*expiries, *asks], default=float("inf")))

    def _hello(self, frame: Frame) -> None:
        self.clock.hear(_time(frame["server_time"]))
        self.heartbeat_seconds = frame["hb_ms"] / 1000.0
        self._window = max(1, int(frame["ack_window"]))
        for channel in self._followed.values():
            self._ask(channel)

    def _ask(self, channel: _Followed) -> None:
        self._requests += 1
        channel.request, channel.unanswered = str(self._requests), 0
        channel.ask_at = channel.suspect = None
        frame: dict[str, Any] = {"op": "subscribe", "id": channel.request, "ch": channel.name}
        if channel.position is not None:
            frame["since"] = {"epoch": channel.position.epoch, "seq": channel.position.seq}
        self.outbox.append(frame)

    def _reply(self, frame: Frame, now: float) -> list[Event]:
        channel = next((one for one in self._followed.values() if one.request == frame.get("id")), None)
        if channel is None or frame.get("id") is None:
            return []
        if not frame["ok"]:
            return self._refused(channel, frame["error"], now)
        channel.request, channel.failures = None, 0
        channel.mode = frame.get("mode", "every")
        events = [] if self.began else self._health(False, "subscribed")
        self.began = True
        # Recovered: the pushes that follow continue what was read.
        return events if frame.get("recovered") else events + self._begin(channel, frame)

    def _refused(self, channel: _Followed, error: Frame, now: float) -> list[Event]:
        if not error.get("retryable", False):
            raise SubscriptionRefused(channel.name, str(error["code"]), str(error.get("detail", "")))
        channel.request = None
        channel.ask_at = now + self.backoff.seconds(channel.failures)
        channel.failures += 1
        return []

    def _begin(self, channel: _Followed, frame: Frame) -> list[Event]:
        """A subscription that starts at a snapshot, or at nothing."""
        position = Position(frame["epoch"], frame["seq"]) if frame.get("epoch") is not None else None
        known, channel.position = channel.position, position
        data = frame.get("snapshot")
        if data is None or position is None or position == known:
            return []
        update = self._update(channel, position, data, frame.get("valid_until"), snapshot=True)
        return self._accept(channel, update, owed=False)

    def _push(self, frame: Frame) -> list[Event]:
        self._received += 1
        self._waiting += 1
        channel = self._followed.get(frame["ch"])
        position = Position(frame["epoch"], frame["seq"])
        if channel is None or not channel.live:
            return self._drop()
        last = channel.position
        if last is not None and last.epoch == position.epoch and position.seq <= last.seq:
            return self._drop()
        expected = (position.epoch, 0) if last is None else last
        if (position.epoch, frame["prev"]) != expected:
            self._ask(channel)
            return [*self._drop(), Gap(channel.name, last, position, f"the push continues {frame['prev']}")]
        channel.position = position
        update = self._update(
            channel, position, frame["data"], frame.get("valid_until"), conflated=frame.get("conflated", 0)
        )
        return self._accept(channel, update, owed=True)

    def _drop(self) -> list[Event]:
        self._done(owed=True)
        return []

    def _update(self, channel: _Followed, position: Position, data: Frame, until: str | None, **more: Any) -> Update:
        valid_until = None if until is None else _time(until)
        return Update(
            channel=channel.name, position=position, data=data, valid_until=valid_until, _now=self.clock.now, **more
        )

    def _accept(self, channel: _Followed, update: Update, *, owed: bool) -> list[Event]:
        channel.newest, channel.suspect = update, None
        if update.expired:
            self._done(owed)
            return self._expire(channel, update)
        if channel.mode == "latest":
            self._discard(lambda other: other.channel == channel.name)
        self._queue.append((update, owed))
        return []

    def _discard(self, unwanted: Callable[[Update], bool]) -> None:
        """Take states out of the queue; they are done with."""
        queue, self._queue = self._queue, deque()
        for update, owed in queue:
            if unwanted(update):
                self._done(owed)
            else:
                self._queue.append((update, owed))

    def _expire(self, channel: _Followed, update: Update) -> list[Event]:
        """Tell the end of a state, unless a newer one took its place or it was told."""
        if channel.newest is not update:
            return []
        channel.newest = None
        return [Expired(channel.name, update.position, update.valid_until, update)]

    def _heartbeat(self, frame: Frame) -> list[Event]:
        self.clock.hear(_time(frame["ts"]))
        events: list[Event] = []
        for waiting in (one for one in self._followed.values() if one.request is not None):
            waiting.unanswered += 1
            if waiting.unanswered >= PATIENCE:
                self._ask(waiting)
        for name, at in frame.get("pos", {}).items():
            channel = self._followed.get(name)
            if channel is not None and channel.live and at is not None:
                events += self._compare(channel, Position(*at))
        self._ack()
        if "degraded" in frame:
            events += self._health(bool(frame["degraded"]), "heartbeat")
        return events

    def _compare(self, channel: _Followed, sent: Position) -> list[Event]:
        if channel.suspect is not None and not _reached(channel.position, channel.suspect):
            self._ask(channel)
            return [Gap(channel.name, channel.position, sent, "the heartbeat names a state that did not come")]
        channel.suspect = None if _reached(channel.position, sent) else sent
        return []

    def _notice(self, frame: Frame) -> list[Event]:
        code = str(frame["code"])
        if code == "expired":
            return self._told_expired(frame)
        if code in ("degraded", "recovered"):
            return self._health(bool(frame.get("degraded", code == "degraded")), str(frame.get("detail", "")))
        return [Notice(code, frame)]

    def _told_expired(self, frame: Frame) -> list[Event]:
        channel = self._followed.get(frame["ch"])
        position = Position(frame["epoch"], frame["seq"])
        if channel is None or channel.position != position or channel.newest is None:
            return []  # of a state that was superseded here, or whose end is known
        update, channel.newest = channel.newest, None
        self._discard(lambda other: other is update)
        return [Expired(channel.name, position, update.valid_until, update)]

    def _health(self, degraded: bool, detail: str) -> list[Event]:
        if degraded == self._degraded:
            return []
        self._degraded = degraded
        return [Degraded(degraded, detail)]

    def _done(self, owed: bool) -> None:
        self._waiting -= owed
        if self._received - self._waiting - self._acknowledged >= max(1, self._window // 2):
            self._ack()

    def _ack(self) -> None:
        self._acknowledged = self._received - self._waiting
        self.outbox.append({"op": "ack", "n": self._acknowledged})


def _reached(read: Position | None, sent: Position) -> bool:
    return read is not None and read.epoch == sent.epoch and read.seq >= sent.seq


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time needs its zone, found {text!r:.60}")
    return moment
