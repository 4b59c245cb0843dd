"""Names of channels in a key-value store, and published states as its fields and messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from services.streaming.update import Channel, Position, Publication, Update

PREFIX = "trimtab:bus:"
CURSOR_KEY = f"{PREFIX}cursor"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def channel_key(channel: Channel) -> str:
    """Common part of a channel's keys; the braces make them one hash slot of a cluster.

    Tenant and name are percent-encoded, so that no subject can forge another's key.

    Examples
    --------
    >>> from services.streaming.update import Kind
    >>> channel_key(Channel("local", Kind.VOLATILITY, "BTC/USDT:USDT"))
    'trimtab:bus:{local:volatility%3ABTC%2FUSDT%3AUSDT}'
    """
    return f"{PREFIX}{{{quote(channel.tenant_id, safe='')}:{quote(channel.name, safe='')}}}"


def channel_of(key: str) -> Channel:
    """Inverse of `channel_key`; what follows the brace does not matter.

    Examples
    --------
    >>> channel_of("trimtab:bus:{a%7Bb:targets%3Apf_1}:feed:0")
    Channel(tenant_id='a{b', kind=<Kind.TARGETS: 'targets'>, subject='pf_1')
    """
    tenant, name = key.removeprefix(PREFIX + "{").partition("}")[0].split(":")
    return Channel.parse(unquote(tenant), unquote(name))


def meta_key(channel: Channel) -> str:
    """Hash of epoch, sequence and version."""
    return f"{channel_key(channel)}:meta"


def log_key(channel: Channel) -> str:
    """Stream of the newest states; the sequence is the first half of their ids."""
    return f"{channel_key(channel)}:log"


def feed_name(channel: Channel, database: int) -> str:
    """Name for publish and subscribe, which a server shares between its databases."""
    return f"{channel_key(channel)}:feed:{database}"


def head_of(item: Publication | Update) -> bytes:
    """Version and times as ``version:at:valid_until`` [us]; the last may be empty."""
    until = b"" if item.valid_until is None else b"%d" % _microseconds(item.valid_until)
    return b"%d:%d:%s" % (item.version, _microseconds(item.at), until)


def update_of(channel: Channel, position: Position, head: bytes, data: bytes) -> Update:
    """State from its head and data.

    Raises
    ------
    ValueError
        If the head has another form.
    """
    version, at, until = head.split(b":")
    return Update(
        channel=channel,
        position=position,
        version=int(version),
        at=_moment(int(at)),
        valid_until=_moment(int(until)) if until else None,
        data=data,
    )


def stream_update(channel: Channel, epoch: str, item: tuple[bytes, Mapping[bytes, bytes]]) -> Update:
    """State from an item of the stream."""
    identity, fields = item
    position = Position(epoch, int(identity.partition(b"-")[0]))
    return update_of(channel, position, fields[b"h"], fields[b"d"])


def message_update(channel: Channel, message: bytes) -> Update:
    """State from a message ``epoch seq head data``.

    Raises
    ------
    ValueError
        If it has another form.
    """
    epoch, seq, head, data = message.split(b" ", 3)
    return update_of(channel, Position(epoch.decode(), int(seq)), head, data)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
