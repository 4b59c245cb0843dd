"""Standardised returns of several markets on one clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from services.core.annualization import SECONDS_PER_DAY
from services.core.explain import Bools, Floats
from services.risk.matrices import common_bars
from services.volatility.bars import CLOCK_TOLERANCE

MIN_COMMON_BARS = 60
"""Common bars of a pair below which its correlation is not estimated."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Standardised returns of one market, in bars of time.

    Parameters
    ----------
    last_close_at : datetime
        Close time of the bar of the last value. The others close whole bars before it: the short last bars of sessions
        take no place.
    bar_seconds : int
        Length of a bar [s].
    standardized : (k,) array
        Oldest first; NaN where there is none.
    consecutive : bool
        True when places are bars of a session and not of the clock (`SeriesForecast.consecutive`).
    sessions : bool
        True where the market closes: a value after places without one spans them.
    """

    last_close_at: datetime
    bar_seconds: int
    standardized: Floats
    consecutive: bool = False
    sessions: bool = False


@dataclass(frozen=True, slots=True)
class Uncorrelated:
    """Why there is no correlation, and between which of the markets (all, where none is named)."""

    detail: str
    markets: tuple[int, ...] = ()


def common_clock(rings: Sequence[Ring], *, previous_tick: bool = False) -> Floats | Uncorrelated:
    """`align`, refused where a pair shares fewer than 60 bars."""
    panel = align(rings, previous_tick=previous_tick)
    return panel if isinstance(panel, Uncorrelated) else thinnest_pair(panel) or panel


def align(rings: Sequence[Ring], *, previous_tick: bool = False) -> Floats | Uncorrelated:
    r"""Standardised returns of all markets on the clock of the longest bar.

    Parameters
    ----------
    rings : sequence of Ring
        Where one market has closed more bars than another, or begins later, the other has no value there.
    previous_tick : bool
        Whether bars that close at different moments count as the common bar whose close comes next: an old price, at
        most one bar of age, stands for the present one. That understates correlation by the share of the bar that
        they do not have in common, so it is for methods that make up for it.

    Returns
    -------
    (t, m) array or Uncorrelated
        Oldest first; NaN where a market has no value. Bars that none has are left out.

    Notes
    -----
    The values of k shorter bars become ``Σz / sqrt(n)`` of the n that are there: the return over the longer bar in
    units of its own volatility. Bars of which the market saw only a part, at either end, are left out. Sessions whose
    bars carry no close times share a clock with none but sessions of the same bars. The first bar of a session holds
    the return over the night: among bars shorter than a day it is left out beside a market that was open meanwhile,
    since what it shares with one hour of the other is little, and it is large. Cost: O(t m).
    """
    refusal = _mixed_sessions(rings)
    if refusal is not None:
        return refusal
    slow = max(ring.bar_seconds for ring in rings)
    odd = tuple(place for place, ring in enumerate(rings) if slow % ring.bar_seconds)
    if odd:
        length = rings[odd[0]].bar_seconds
        return Uncorrelated(f"bars of {length} s do not add up to the longest bar, {slow} s", odd)
    end = _last_common_close(rings, slow)
    behind = [_slots(end, ring) for ring in rings]
    late = tuple(
        place
        for place, (ring, slots) in enumerate(zip(rings, behind, strict=True))
        if slots - math.floor(slots + CLOCK_TOLERANCE) > CLOCK_TOLERANCE * (slow // ring.bar_seconds)
    )
    if late and not previous_tick:
        return Uncorrelated("bars close at different moments: correlation.asynchronous makes up for that", late)
    whole = [math.floor(slots + CLOCK_TOLERANCE) for slots in behind]
    rows = max(-(-ring.standardized.size * ring.bar_seconds // slow) for ring in rings)
    columns = [_column(ring, slots, slow, rows) for ring, slots in zip(rings, whole, strict=True)]
    panel = np.stack(columns, axis=-1)
    overnight = [ring.sessions and not ring.consecutive and ring.bar_seconds == slow for ring in rings]
    if slow < SECONDS_PER_DAY and any(overnight):
        panel[_longer(panel) & np.array(overnight)] = np.nan
    there = ~np.isnan(panel)
    return panel if there.all() else panel[there.any(axis=1)]


def _mixed_sessions(rings: Sequence[Ring]) -> Uncorrelated | None:
    if not rings:
        return Uncorrelated("there is no market")
    sessions = tuple(place for place, ring in enumerate(rings) if ring.consecutive)
    if sessions and len({(ring.bar_seconds, ring.consecutive) for ring in rings}) > 1:
        return Uncorrelated(
            "a market with closed hours needs close times (ohlcv) beside bars of another clock", sessions
        )
    latest = max(ring.last_close_at for ring in rings)
    tolerance = CLOCK_TOLERANCE * rings[0].bar_seconds
    behind = tuple(p for p, ring in enumerate(rings) if (latest - ring.last_close_at).total_seconds() > tolerance)
    if sessions and behind:
        return Uncorrelated("sessions without close times (ohlcv) line up only if their last bars are the same", behind)
    return None


def _last_common_close(rings: Sequence[Ring], slow: int) -> datetime:
    """Close of the newest complete bar of the longest kind, seen or due."""
    anchor = max(ring.last_close_at for ring in rings if ring.bar_seconds == slow)
    newest = max(ring.last_close_at + timedelta(seconds=CLOCK_TOLERANCE * ring.bar_seconds) for ring in rings)
    return anchor + timedelta(seconds=slow * ((newest - anchor).total_seconds() // slow))


def _slots(end: datetime, ring: Ring) -> float:
    """Own bars by which a market's last close lies before `end`; negative after it."""
    return (end - ring.last_close_at).total_seconds() / ring.bar_seconds


def _column(ring: Ring, behind: int, slow: int, rows: int) -> Floats:
    """Values of one market on the common clock."""
    each, size = slow // ring.bar_seconds, ring.standardized.size
    if each == 1:
        column = np.full(rows, np.nan)
        newest, oldest = max(behind, 0), min(behind + size, rows)
        if oldest > newest:
            column[rows - oldest : rows - newest] = ring.standardized[size + behind - oldest : size + behind - newest]
        return column
    slot = behind + np.arange(size - 1, -1, -1)
    row = slot // each
    used = (row >= -(-behind // each)) & ((row + 1) * each <= behind + size)
    used &= (row >= 0) & (row < rows) & ~np.isnan(ring.standardized)
    sums = np.bincount(row[used], weights=ring.standardized[used], minlength=rows)
    counts = np.bincount(row[used], minlength=rows)
    added: Floats = np.divide(sums, np.sqrt(counts), out=np.full(rows, np.nan), where=counts > 0)
    return added[::-1]


def _longer(panel: Floats) -> Bools:
    """Values that span more bars than another one of their row, and the first of each market, whose span is unknown."""
    place = np.arange(1, len(panel) + 1)[:, None]
    there = ~np.isnan(panel)
    last = np.maximum.accumulate(np.where(there, place, 0), axis=0)
    before = np.concatenate([np.zeros_like(last[:1]), last[:-1]])
    spans = place - before
    shortest = np.where(there, spans, len(panel) + 1).min(axis=1, keepdims=True)
    longer: Bools = there & ((spans > shortest) | (before == 0))
    return longer


def thinnest_pair(panel: Floats) -> Uncorrelated | None:
    """The pair that shares the fewest bars, when these are fewer than 60."""
    counts = common_bars(panel)
    least = int(counts.min())
    if least >= MIN_COMMON_BARS:
        return None
    pair = tuple(sorted({int(place) for place in np.unravel_index(np.argmin(counts), counts.shape)}))
    return Uncorrelated(f"only {least} common bars of the {MIN_COMMON_BARS} that a pair needs", pair)


def well_observed(panel: Floats) -> list[int]:
    """Markets of which every pair shares 60 bars: the one with the most thin pairs is left out, again and again.

    Among equals the one with the fewest bars goes, among these the last.
    """
    counts, kept = common_bars(panel), list(range(panel.shape[1]))
    while True:
        among = counts[np.ix_(kept, kept)]
        thin = (among < MIN_COMMON_BARS).sum(axis=1)
        if not thin.any():
            return kept
        worst = np.flatnonzero(thin == thin.max())
        kept.pop(int(min(worst, key=lambda place: (among[place, place], -place))))
