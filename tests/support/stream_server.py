"""The service's side of the stream, small and slow: what the client is tested against.

Written from the description of the protocol alone, so that it checks the real service's hub as well as the client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Frame = dict[str, Any]


def text_of(seconds: float) -> str:
    """A moment as the wire has it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@dataclass(frozen=True)
class State:
    """A published state; its data name its place, so that a reader can be checked."""

    epoch: str
    seq: int
    at: float
    valid_until: float | None

    @property
    def data(self) -> Frame:
        """What a reader is given."""
        return {"epoch": self.epoch, "seq": self.seq}


@dataclass
class Published:
    """A channel: all of its history, of which the last `depth` states can be resumed from."""

    name: str
    mode: str
    epoch: str = "e1"
    depth: int = 1000
    history: list[State] = field(default_factory=list)

    def publish(self, now: float, valid_for: float | None) -> State:
        """The next state."""
        last = self.history[-1].seq if self.history else 0
        state = State(self.epoch, last + 1, now, None if valid_for is None else now + valid_for)
        self.history.append(state)
        return state

    def restart(self) -> None:
        """A new epoch: history is lost, the newest state is the first of the new one."""
        newest = self.history[-1:]
        self.epoch = f"e{int(self.epoch[1:]) + 1}"
        self.history = [State(self.epoch, 1, state.at, state.valid_until) for state in newest]

    def since(self, epoch: str, seq: int) -> list[State] | None:
        """States after a position, None where they are not known."""
        if (
            epoch != self.epoch
            or not self.history
            or seq > self.history[-1].seq
            or seq < self.history[-1].seq - self.depth
        ):
            return None
        return [state for state in self.history if state.seq > seq]


@dataclass
class Connection:
    """One client: what it follows, and which sequence it was sent last on each channel."""

    channels: Mapping[str, Published]
    heartbeat_ms: int = 1000
    window: int = 8
    sent: dict[str, tuple[str, int]] = field(default_factory=dict)
    acknowledged: list[int] = field(default_factory=list)
    pushed: int = 0

    def hello(self, now: float) -> Frame:
        """The first frame."""
        return {
            "type": "hello",
            "proto": "trimtab.v1",
            "conn": "c",
            "server_time": text_of(now),
            "hb_ms": self.heartbeat_ms,
            "ack_window": self.window,
        }

    def heartbeat(self, now: float) -> Frame:
        """With the positions of this connection."""
        return {
            "type": "hb",
            "ts": text_of(now),
            "pos": {name: list(at) for name, at in self.sent.items()},
            "lag_ms": 0,
        }

    def take(self, frame: Frame) -> Iterator[Frame]:
        """Answer a frame of the client."""
        if frame["op"] == "ack":
            assert self.acknowledged[-1:] <= [frame["n"]] or not self.acknowledged, "acknowledgements never go back"
            assert frame["n"] <= self.pushed, "more acknowledged than pushed: the service closes with 4500"
            self.acknowledged.append(frame["n"])
            return
        assert frame["op"] == "subscribe"
        yield from self._subscribe(frame)

    def _subscribe(self, frame: Frame) -> Iterator[Frame]:
        channel = self.channels[frame["ch"]]
        reply = {"type": "reply", "id": frame["id"], "ok": True, "ch": channel.name, "mode": channel.mode}
        newest = channel.history[-1] if channel.history else None
        reply |= {"epoch": channel.epoch, "seq": newest.seq if newest else 0}
        since = frame.get("since")
        missed = None if since is None else channel.since(since["epoch"], since["seq"])
        if missed is None:
            self.sent[channel.name] = (channel.epoch, newest.seq if newest else 0)
            yield reply | {"recovered": False} | self._snapshot(newest)
            return
        self.sent[channel.name] = (since["epoch"], since["seq"])
        yield reply | {"recovered": True, "replayed": len(missed)}
        for state in missed:
            yield self.push(channel.name, state)

    def _snapshot(self, state: State | None) -> Frame:
        if state is None:
            return {}
        return {"snapshot": state.data} | _until(state)

    def push(self, name: str, state: State) -> Frame:
        """One push of a followed channel."""
        epoch, seq = self.sent[name]
        prev = seq if epoch == state.epoch else 0
        self.sent[name] = (state.epoch, state.seq)
        self.pushed += 1
        frame = {"type": "update", "ch": name, "epoch": state.epoch, "seq": state.seq, "prev": prev}
        frame |= {"conflated": state.seq - prev - 1, "ts": text_of(state.at), "data": state.data}
        return frame | _until(state)


def _until(state: State) -> Frame:
    return {} if state.valid_until is None else {"valid_until": text_of(state.valid_until)}
