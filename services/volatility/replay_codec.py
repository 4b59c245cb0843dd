"""A replay as bytes and back, bit for bit, tied to the head of the state that it belongs to."""

from __future__ import annotations

import hashlib
import struct
from itertools import pairwise

import numpy as np

from services.volatility.replay import Checkpoint, Replay

MAGIC = b"TVR1"
_HEAD = struct.Struct("<4s8sIHHIIH")
_DIGEST_BYTES = 8


def replay_bytes(replay: Replay, head: bytes) -> bytes:
    """Bytes of a replay that belongs to the state with this head.

    Notes
    -----
    Layout, little-endian: ``TVR1``, digest of `head`, mask of columns, columns, bars, lengths of checkpoint and ring
    and names; then these three, one byte per bar for its source, and the columns that hold any number, oldest bar
    first. 65 to 128 closes take 1 to 2 KB beside a checkpoint of 5 KB, complete bars four times as much.
    """
    bars, columns = replay.bars.shape
    present = [column for column in range(columns) if not np.isnan(replay.bars[:, column]).all()]
    names = list(dict.fromkeys(replay.sources))
    text = "\n".join(names).encode()
    sizes = (len(replay.checkpoint.head), len(replay.checkpoint.ring), len(text))
    mask = sum(1 << column for column in present)
    parts = (
        _HEAD.pack(MAGIC, head_digest(head), mask, columns, bars, *sizes),
        *replay.checkpoint,
        text,
        bytes(map(names.index, replay.sources)),
        replay.bars.T[present].astype("<f8").tobytes(),
    )
    return b"".join(parts)


def head_digest(head: bytes) -> bytes:
    """Digest that ties a replay to a head."""
    return hashlib.blake2b(head, digest_size=_DIGEST_BYTES).digest()


def replay_from_bytes(data: bytes, head: bytes) -> Replay:
    """Replay of the state with this head.

    Raises
    ------
    ValueError
        If the bytes are not those of a replay, or of that of another state.
    """
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        raise ValueError("not a replay of format TVR1")
    _, digest, mask, columns, bars, *sizes = _HEAD.unpack_from(data)
    if digest != head_digest(head):
        raise ValueError("the replay does not belong to this head")
    present = [column for column in range(columns) if mask >> column & 1]
    sizes += [bars, 8 * bars * len(present)]
    if len(data) != _HEAD.size + sum(sizes):
        raise ValueError("the replay is damaged")
    bounds = np.cumsum([_HEAD.size, *sizes]).tolist()
    checkpoint, ring, text, origins, numbers = (data[start:stop] for start, stop in pairwise(bounds))
    names, rows = text.decode().split("\n"), np.full((bars, columns), np.nan)
    rows[:, present] = np.frombuffer(numbers, "<f8").reshape(len(present), bars).T
    return Replay(Checkpoint(checkpoint, ring), rows, tuple(names[origin] for origin in origins))
