"""Frames of the stream as bytes: a published state is written once for all connections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from app.translate.answer import time_text
from services.streaming.update import Channel, Position, Update

REDUCE_ONLY = "reduce_only"


@dataclass(frozen=True, slots=True)
class Frame:
    """Text of a push without `prev` and `conflated`, which alone differ between connections.

    Parameters
    ----------
    name : str
        Name of the channel.
    position : Position
        Of the state.
    size : int
        Bytes of the push.
    before, after : bytes
        Text up to the value of `prev`, and from behind that of `conflated` on.
    plain : bytes
        Text for a connection that was sent the state before this one: most are.
    """

    name: str
    position: Position
    size: int
    before: bytes
    after: bytes
    plain: bytes

    def text(self, prev: int, conflated: int) -> bytes:
        """The push for one connection."""
        if prev == self.position.seq - 1:
            return self.plain
        return b'%b%d,"conflated":%d%b' % (self.before, prev, conflated, self.after)


def frame_of(update: Update) -> Frame:
    """The push of a state."""
    epoch, seq = update.position
    head = orjson.dumps({"type": "update", "ch": update.channel.name, "epoch": epoch, "seq": seq})
    tail = orjson.dumps({"ts": time_text(update.at), **_until(update)})
    before = head[:-1] + b',"prev":'
    after = b"," + tail[1:-1] + b',"data":' + update.data + b"}"
    plain = b'%b%d,"conflated":0%b' % (before, seq - 1, after)
    return Frame(update.channel.name, update.position, len(plain), before, after, plain)


def _until(update: Update) -> dict[str, str]:
    return {} if update.valid_until is None else {"valid_until": time_text(update.valid_until)}


def expired_at(update: Update, now: datetime) -> bool:
    """Whether a state must no longer be acted on."""
    return update.valid_until is not None and update.valid_until <= now


def state_members(channel: Channel, update: Update | None, now: datetime, *, snapshot: bool) -> dict[str, Any]:
    """Members of a reply that say where a channel stands."""
    named = {"ch": channel.name, "mode": channel.kind.mode.value}
    if update is None:
        return {**named, "epoch": None, "seq": 0, "snapshot": None}
    members = {
        **named,
        "epoch": update.position.epoch,
        "seq": update.position.seq,
        "ts": time_text(update.at),
        **_until(update),
        "expired": expired_at(update, now),
    }
    if snapshot:
        members["snapshot"] = orjson.Fragment(update.data)
    return members


def reply(frame_id: str | None, **members: Any) -> bytes:
    """A success."""
    return orjson.dumps({"type": "reply", "id": frame_id, "ok": True, **members})


def error_reply(frame_id: str | None, error: dict[str, Any], channel: str | None = None) -> bytes:
    """A refusal."""
    named = {} if channel is None else {"ch": channel}
    return orjson.dumps({"type": "reply", "id": frame_id, "ok": False, **named, "error": error})


def pong(frame_id: str, echo: str | int | None, now: datetime) -> bytes:
    """Answer of a ping."""
    return orjson.dumps({"type": "pong", "id": frame_id, "ts": echo, "server_time": time_text(now)})


def notice(code: str, **members: Any) -> bytes:
    """A notice."""
    return orjson.dumps({"type": "notice", "code": code, **members})


def expiry_notice(update: Update) -> bytes:
    """Notice that the newest state of a channel is over."""
    epoch, seq = update.position
    return notice("expired", ch=update.channel.name, epoch=epoch, seq=seq, **_until(update), on_expiry=REDUCE_ONLY)


def heartbeat(
    positions: Iterable[tuple[Channel, Position | None]], now: datetime, lag_seconds: float, *, degraded: bool
) -> bytes:
    """A heartbeat."""
    places = {channel.name: position and list(position) for channel, position in positions}
    lag = round(lag_seconds * 1000)
    return orjson.dumps({"type": "hb", "ts": time_text(now), "pos": places, "lag_ms": lag, "degraded": degraded})
