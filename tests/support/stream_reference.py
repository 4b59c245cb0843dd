"""The stream as simply as it can be said: a world that publishes, a wire that keeps order, a client with one rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.streaming.delivery import Push
from services.streaming.update import Channel, Position, Update

AT = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Text:
    """A message without text."""

    channel: Channel
    position: Position
    size: int = 100

    @property
    def name(self) -> str:
        """Name of the channel."""
        return self.channel.name


def update(channel: Channel, position: Position) -> Update:
    """A state that tells its position."""
    data = f'{{"epoch":"{position.epoch}","seq":{position.seq}}}'.encode()
    return Update(channel=channel, position=position, version=position.seq, at=AT, valid_until=None, data=data)


@dataclass(slots=True)
class World:
    """Streams with their true states; `history` of them can be read again."""

    history: int
    epochs: int = 0
    states: dict[Channel, list[Position]] = field(default_factory=dict)

    def publish(self, channel: Channel) -> Position:
        """Next state."""
        past = self.states.setdefault(channel, [])
        epoch = past[-1].epoch if past else self._epoch()
        past.append(Position(epoch, past[-1].seq + 1 if past else 1))
        return past[-1]

    def reset(self, channel: Channel) -> Position:
        """Lose the history: the state is published anew in another epoch."""
        self.states[channel] = [Position(self._epoch(), 1)]
        return self.states[channel][-1]

    def _epoch(self) -> str:
        self.epochs += 1
        return f"e{self.epochs}"

    def newest(self, channel: Channel) -> Position | None:
        """Newest state."""
        past = self.states.get(channel)
        return past[-1] if past else None

    def since(self, channel: Channel, position: Position) -> list[Position] | None:
        """States after a position; None where history does not reach back."""
        past = self.states.get(channel, [])
        if not past or past[-1].epoch != position.epoch:
            return None
        missed = [item for item in past if item.seq > position.seq]
        kept = past[-self.history :]
        return missed if all(item in kept for item in missed) else None


@dataclass(slots=True)
class Client:
    """What a reader does: one comparison per push.

    Attributes
    ----------
    seen : dict
        Position of every channel, as the client knows it.
    got : dict
        Every position of a channel that it was given, in order.
    told : dict
        Places in `got` before which it was told that something may be missing.
    """

    seen: dict[Channel, Position | None] = field(default_factory=dict)
    got: dict[Channel, list[Position]] = field(default_factory=dict)
    told: dict[Channel, set[int]] = field(default_factory=dict)
    processed: int = 0

    def snapshot(self, channel: Channel, position: Position | None) -> None:
        """Reply of a subscription that did not recover: from here on, and what came before may be lost."""
        self.seen[channel] = position
        if position is not None:
            self.told.setdefault(channel, set()).add(len(self.got.setdefault(channel, [])))
            self.got[channel].append(position)

    def push(self, channel: Channel, push: Push) -> bool:
        """Take a push; False where the rule says that it must subscribe again."""
        self.processed += 1
        last, position = self.seen.get(channel), push.message.position
        if last is not None and (push.prev != last.seq or position.epoch != last.epoch):
            return False
        if last is None and push.prev != 0:
            return False
        self.seen[channel] = position
        self.got.setdefault(channel, []).append(position)
        return True
