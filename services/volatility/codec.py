"""A state as bytes and back, bit for bit: a small head that changes the forecast, and the ring of z's beside it."""

from __future__ import annotations

import hashlib
import math
import struct

import numpy as np

from services.core.annualization import Calendar
from services.volatility.bars import BarClock
from services.volatility.diagnosis import Diagnosis
from services.volatility.state import RING_BARS, VolatilityState

MAGIC = b"TVS2"
VERSION_BYTES = slice(4, 12)
"""Where a head holds its version (big-endian): a store compares it without decoding the rest."""
_HEAD = struct.Struct(">4sQ8s")
_BODY = struct.Struct("<QdQdQQQqdddddQddd")
_NO_GAP = -1
_PARTS = 6 + len(Diagnosis._fields)
_DIGEST_BYTES = 8


def version_bytes(version: int) -> bytes:
    """Version as it stands in a head."""
    return version.to_bytes(8, "big")


def head_bytes(state: VolatilityState) -> bytes:
    """Head of a state: everything but the ring, and a digest of the ring.

    At most 1.3 KB for the adaptive forecaster and 1.9 KB with eight drivers of the longest names; estimators that keep
    their last bars add 8 bytes for each number (250 bars: close-to-close 2.7 KB, Yang–Zhang, three numbers a bar, 6.7
    KB). Two equal heads are the same state.
    """
    periods = state.clock.calendar.periods_per_year
    body = _BODY.pack(
        state.clock.bar_seconds,
        math.nan if periods is None else periods,
        state.elapsed,
        state.long_run,
        state.observations,
        state.changes,
        state.flat,
        _NO_GAP if state.since_gap is None else state.since_gap,
        state.last_close,
        state.last_volume,
        state.last_close_at,
        state.first_close_at,
        state.spike,
        state.since_undo,
        state.gap_variance,
        state.held_at,
        state.ring_at,
    )
    memories = (state.memory, state.calibration, state.wicks, *state.diagnosis)
    packed = [struct.pack(f"<{len(memory)}d", *memory) for memory in memories]
    parts = (body, state.model_version.encode(), state.clock.calendar.name.encode(), *packed)
    head = _HEAD.pack(MAGIC, state.version, ring_digest(ring_bytes(state)))
    return head + b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def state_digest(state: VolatilityState) -> str:
    """16 hexadecimal digits that name a state exactly, its ring included."""
    return hashlib.blake2b(head_bytes(state), digest_size=_DIGEST_BYTES).hexdigest()


def ring_bytes(state: VolatilityState) -> bytes:
    """Ring of a state: 512 little-endian doubles."""
    return state.ring.astype("<f8").tobytes()


def ring_digest(ring: bytes) -> bytes:
    """Digest that ties a ring to its head."""
    return hashlib.blake2b(ring, digest_size=_DIGEST_BYTES).digest()


def state_from_bytes(head: bytes, ring: bytes) -> VolatilityState:
    """State of a head and its ring.

    Raises
    ------
    ValueError
        If the bytes are not those of a state, or the ring is that of another head.
    """
    if len(head) < _HEAD.size or not head.startswith(MAGIC):
        raise ValueError("not a volatility state of format TVS2")
    _, version, digest = _HEAD.unpack_from(head)
    if len(ring) != 8 * RING_BARS or ring_digest(ring) != digest:
        raise ValueError("the ring does not belong to this head")
    body, model, calendar, *packed = _parts(head)
    memory, calibration, wicks, *diagnosis = (struct.unpack(f"<{len(part) // 8}d", part) for part in packed)
    numbers = _BODY.unpack(body)
    bar_seconds, periods, elapsed, long_run, observations, changes, flat, since_gap = numbers[:8]
    close, volume, close_at, first_at, spike, undo, gap, held, ring_at = numbers[8:]
    return VolatilityState(
        model_version=model.decode(),
        clock=BarClock(bar_seconds, Calendar(calendar.decode(), None if math.isnan(periods) else periods)),
        memory=memory,
        ring=np.frombuffer(ring, dtype="<f8").astype(float, copy=False),
        calibration=calibration,
        wicks=wicks,
        diagnosis=Diagnosis(*diagnosis),
        elapsed=elapsed,
        long_run=long_run,
        observations=observations,
        changes=changes,
        flat=flat,
        since_gap=None if since_gap == _NO_GAP else since_gap,
        last_close=close,
        last_volume=volume,
        last_close_at=close_at,
        first_close_at=first_at,
        spike=spike,
        since_undo=undo,
        gap_variance=gap,
        held_at=held,
        ring_at=ring_at,
        version=version,
    )


def _parts(head: bytes) -> list[bytes]:
    parts, place = [], _HEAD.size
    while place < len(head):
        size = int.from_bytes(head[place : place + 2], "big")
        parts.append(head[place + 2 : place + 2 + size])
        place += 2 + size
    if place != len(head) or len(parts) != _PARTS or len(parts[0]) != _BODY.size or any(len(p) % 8 for p in parts[3:]):
        raise ValueError("the head of the state is damaged")
    return parts
