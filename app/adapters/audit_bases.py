"""What the bodies of one caller have in common, stored once: most of a request is the price window of the one before.

A body is compressed against an earlier one of its stream, its base: a Zstandard frame with the base as raw dictionary.
The base lies in a table of its own under its SHA-256, whole and compressed without any dictionary. So what comes back
is what was recorded, to the byte, whatever it holds: nothing is parsed.

A base is replaced as soon as a body costs more than the mean of those since it was stored, its own cost among them:
what a window has moved on grows with each bar, and this is the point where the mean is smallest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import zstandard

MIN_BYTES = 8 * 1024
"""Smaller bodies gain nothing: the trained dictionary knows their words."""
MAX_BYTES = 2 * 1024 * 1024
"""Larger bodies are stored whole."""
WORTH = 0.5
"""A base is worth its place where it halves a body."""
LIFE = timedelta(days=30)
"""How long a base is used; so a month of daily calls shares one. Unused chunks leave a day later, see `CHUNK_LIFE`."""
CHUNK_LIFE = LIFE + timedelta(days=1)
KEPT, KEPT_BYTES = 128, 16 * 1024 * 1024
"""Streams, and bytes of their bodies, that a process remembers; with the tables of the compressor three times that."""
CHUNK_LEVEL = 3
PARAMETERS = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_FAST, window_log=21, chain_log=16, hash_log=17, min_match=7
)
"""Matches are long and far away here: a larger table of places than any fast level has, and no search beyond it."""


@dataclass(slots=True, eq=False)
class Base:
    """A body that others are compressed against.

    Parameters
    ----------
    sha256, chunk : bytes
        Digest of the body, and the body as its table holds it.
    length : int
        Bytes of the body.
    cost, uses : int
        Bytes stored because of it, and for how many bodies.
    known_to : object, optional
        Connection on which it was written; on another one it is written again, because a server may have been replaced
        by one that never had it.
    """

    sha256: bytes
    chunk: bytes
    length: int
    since: datetime
    compressor: zstandard.ZstdCompressor
    cost: int
    uses: int = 0
    known_to: object | None = None

    def halves(self, body: bytes, frame: bytes) -> bool:
        """Whether the frame of a body is half of what it would be without a base, going by that of the base."""
        return len(frame) * self.length <= WORTH * len(self.chunk) * len(body)

    def take(self, frame: bytes) -> tuple[Base, bytes]:
        """Count a use."""
        self.cost, self.uses = self.cost + len(frame), self.uses + 1
        return self, frame


@dataclass(slots=True)
class _Stream:
    """The base of a stream; before there is one, its last body."""

    length: int
    base: Base | None = None
    body: bytes = b""


@dataclass(slots=True)
class Bases:
    """Bases that the writer of a process holds; for one thread at a time.

    A stream without a base of its own takes the newest of its family where that serves: portfolios of one desk send the
    same prices.
    """

    _streams: OrderedDict[Hashable, _Stream] = field(default_factory=OrderedDict)
    _bytes: int = 0

    def compress(
        self, family: Hashable, stream: Hashable, body: bytes, sha256: bytes, at: datetime
    ) -> tuple[Base, bytes] | None:
        """Base and frame of a body; None if it should be stored whole.

        Parameters
        ----------
        family, stream : hashable
            Whose body it is, widely and closely: never two tenants'.
        at : datetime
            Time of the record.
        """
        if not MIN_BYTES <= len(body) <= MAX_BYTES:
            return None
        own, repeats = self._streams.get((family, stream)), False
        for known in (own, self._streams.get(family)):
            if known is not None and (base := known.base) is not None:
                frame = base.compressor.compress(body)
                fits = base.halves(body, frame)
                if fits and len(frame) * base.uses <= base.cost and abs(at - base.since) < LIFE:
                    self._remember((family, stream), _Stream(base.length, base))
                    return base.take(frame)
                repeats = repeats or (fits and known is own)
        if own is not None and own.base is None:
            whole = len(zstandard.compress(body, CHUNK_LEVEL))
            repeats = len(_compressor(own.body).compress(body)) <= WORTH * whole
        if not repeats:
            self._remember((family, stream), _Stream(len(body), body=body))
            return None
        base = _base(body, sha256, at)
        for name in ((family, stream), family):
            self._remember(name, _Stream(len(body), base))
        return base.take(base.compressor.compress(body))

    def _remember(self, name: Hashable, what: _Stream) -> None:
        if (former := self._streams.pop(name, None)) is not None:
            self._bytes -= former.length
        self._streams[name] = what
        self._bytes += what.length
        while len(self._streams) > KEPT or self._bytes > KEPT_BYTES:
            _, oldest = self._streams.popitem(last=False)
            self._bytes -= oldest.length


def _base(body: bytes, sha256: bytes, at: datetime) -> Base:
    chunk = zstandard.compress(body, CHUNK_LEVEL)
    return Base(sha256, chunk, len(body), at, _compressor(body), len(chunk))


def _compressor(body: bytes) -> zstandard.ZstdCompressor:
    dictionary = zstandard.ZstdCompressionDict(body, zstandard.DICT_TYPE_RAWCONTENT)
    dictionary.precompute_compress(compression_params=PARAMETERS)
    return zstandard.ZstdCompressor(compression_params=PARAMETERS, dict_data=dictionary)


def base_body(chunk: bytes) -> bytes | None:
    """The body of a stored chunk; None for one that cannot be read any more.

    Its digest need not be compared: what comes out of another chunk has another digest itself.
    """
    try:
        if not 0 <= zstandard.frame_content_size(chunk) <= MAX_BYTES:
            return None
        return zstandard.decompress(chunk)
    except zstandard.ZstdError:
        return None
