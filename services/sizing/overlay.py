"""Overlays: multipliers in [0, 1] on what the method asks for; the smallest is taken, all are reported.

An overlay acts on one of three things. On `exposure` it multiplies the whole size, coin collateral of the row included.
On `position` it multiplies the contracts alone. On `increase` it multiplies only what is added to the position:
reductions pass untouched, and of a reversal the closing part does.

An overlay whose data is missing, or whose market is halted, allows no increase of that row, whatever it acts on: a
fault never increases risk, and never closes a position either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np

from services.core.explain import Bools, Floats, Trail
from services.sizing.columns import SizingColumns
from services.sizing.conditions import Conditions

Acts = Literal["exposure", "position", "increase"]
ROUNDING = 1e-12
"""A multiplier this close to 1 is 1: a book at its limit to the last bit is not bound by it."""


@dataclass(frozen=True, slots=True)
class View:
    """What overlays look at.

    Parameters
    ----------
    columns : SizingColumns
        The book; `columns.current` counts open orders.
    wanted : (n,) array
        Sizes before this stage [signed contracts].
    conditions : Conditions
        State of the markets around the rows.
    target_volatility : float, optional
        τ of the policy, where it has one [annual].
    """

    columns: SizingColumns
    wanted: Floats
    conditions: Conditions
    target_volatility: float | None

    @property
    def weights(self) -> Floats:
        """Wanted exposure over equity, with what is not resized."""
        columns = self.columns
        return columns.weights(self.wanted + columns.collateral) + columns.delta_weight

    @property
    def kept(self) -> Floats:
        """Sizes with every increase left out [signed contracts]."""
        return without_growth(self.columns.current, self.wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one overlay does.

    Parameters
    ----------
    multiplier : (n,) array
        In [0, 1], by what is known: 1 where nothing is.
    detail : tuple of str
        Why, one sentence a row; empty where it does nothing.
    missing : (n,) bool array
        Rows whose data it lacks: no increase.
    halted : (n,) bool array
        Rows that cannot be traded at present: no increase.
    """

    multiplier: Floats
    detail: tuple[str, ...]
    missing: Bools
    halted: Bools

    @property
    def blocked(self) -> Bools:
        """Rows that it allows no increase of."""
        return self.missing | self.halted


class OverlayRule(Protocol):
    """Interface of the members of `services.sizing.registry.Overlay`."""

    @property
    def method(self) -> str:
        """Name of the overlay."""
        ...

    acts_on: ClassVar[Acts]
    after_caps: ClassVar[bool]
    """Whether it looks at the trade that is left after all caps (liquidity), or at the size before them."""
    requires: ClassVar[frozenset[str]]
    """Conditions that it cannot judge a row without."""

    def effect(self, view: View) -> Effect:
        """Multiplier of every row."""
        ...


@dataclass(frozen=True, slots=True)
class Reported:
    """One overlay of an answer, with what it did."""

    method: str
    acts_on: Acts
    effect: Effect

    @property
    def multiplier(self) -> Floats:
        """Multiplier on what it acts on."""
        return self.on_increase if self.acts_on == "increase" else self.effect.multiplier

    @property
    def on_increase(self) -> Floats:
        """Multiplier on increases: 0 where it allows none."""
        return np.where(self.effect.blocked, 0.0, self.effect.multiplier if self.acts_on == "increase" else 1.0)


def whole_book(view: View, multiplier: float, detail: str, *, lacking: str = "") -> Effect:
    """Effect that is the same for every row; `lacking` says what is missing, so that nothing may be increased."""
    size = view.wanted.size
    return per_row(np.full(size, multiplier), np.full(size, bool(lacking)), (detail,) * size, lacking)


def per_row(
    multiplier: Floats,
    missing: Bools,
    said: Sequence[str],
    lacking: str | Sequence[str],
    *,
    halted: Bools | None = None,
) -> Effect:
    """Effect by row: 1 where it is not known, each text only where the row feels it.

    `lacking` says what is missing, for all rows or row by row.
    """
    whole = np.isnan(multiplier) | (multiplier > 1.0 - ROUNDING)
    found = np.where(whole, 1.0, np.maximum(multiplier, 0.0))
    stopped = np.zeros(found.shape, dtype=bool) if halted is None else halted
    felt = (found < 1.0) | stopped
    needs = (lacking,) * found.size if isinstance(lacking, str) else lacking
    texts = tuple(
        need if absent else text if acts else ""
        for absent, acts, text, need in zip(missing.tolist(), felt.tolist(), said, needs, strict=True)
    )
    return Effect(multiplier=found, detail=texts, missing=missing, halted=stopped)


def apply_overlays(
    trail: Trail,
    columns: SizingColumns,
    overlays: Sequence[OverlayRule],
    conditions: Conditions,
    *,
    target_volatility: float | None,
    after_caps: bool,
) -> list[Reported]:
    """Take the smallest multiplier on exposure, on positions and on increases, in this order; each is a stage of the
    explanation.

    Rows that cannot be resized are left alone.
    """
    chosen = [overlay for overlay in overlays if overlay.after_caps is after_caps]
    if not chosen:
        return []
    view = View(columns, trail.value, conditions, target_volatility)
    reported = [Reported(overlay.method, overlay.acts_on, overlay.effect(view)) for overlay in chosen]
    for acts_on, coin in (("exposure", columns.collateral), ("position", 0.0)):
        on_size = [(item.method, item.multiplier) for item in reported if item.acts_on == acts_on]
        _take_least(trail, columns, on_size, coin=coin)
    _take_least(trail, columns, [(item.method, item.on_increase) for item in reported], coin=None)
    return reported


def _take_least(
    trail: Trail, columns: SizingColumns, multipliers: Sequence[tuple[str, Floats]], *, coin: Floats | float | None
) -> None:
    """The smallest multiplier on the size and its `coin`; on increases where that is None."""
    if not multipliers:
        return
    table = np.array([values for _, values in multipliers])
    least, which = table.min(axis=0), table.argmin(axis=0)
    wanted = trail.value
    after = grown(columns.current, wanted, least) if coin is None else shrunk(wanted, least, coin)
    after = np.where(columns.sizable, after, wanted)
    for place, (method, _) in enumerate(multipliers):
        bound = (which == place) & (after != trail.value)
        if bound.any():
            trail.apply(f"overlay_{method}", np.where(bound, after, trail.value), f"overlays.{method}", bound=bound)


def shrunk(wanted: Floats, multiplier: Floats | float, coin: Floats | float = 0.0) -> Floats:
    """Size after `multiplier` on the exposure ``wanted + coin``: ``m (wanted + coin) − coin``.

    A short that hedges coin collateral therefore grows where the exposure must shrink.

    Examples
    --------
    >>> shrunk(np.array([4.0, -0.5]), 0.5, np.array([0.0, 1.0])).tolist()
    [2.0, -0.75]
    """
    return np.where(np.asarray(multiplier) == 1.0, wanted, multiplier * (wanted + coin) - coin)


def without_growth(current: Floats, wanted: Floats) -> Floats:
    """Size with every increase left out: the reduction where it is one, what is held where it grows, 0 of a reversal.

    Examples
    --------
    >>> without_growth(np.array([2.0, 2.0, 2.0]), np.array([4.0, 1.0, -4.0])).tolist()
    [2.0, 1.0, 0.0]
    """
    same = np.sign(wanted) * np.sign(current) >= 0.0
    more = same & (np.abs(wanted) > np.abs(current))
    return np.where(more, current, np.where(same, wanted, 0.0))


def grown(current: Floats, wanted: Floats, multiplier: Floats | float) -> Floats:
    """Size after `multiplier` on the increase alone.

    On the same side ``current + m (wanted − current)`` where |wanted| > |current|; on the other side ``m · wanted``;
    a reduction is taken whole.

    Examples
    --------
    >>> grown(np.array([2.0, 2.0, 2.0]), np.array([4.0, 1.0, -4.0]), 0.5).tolist()
    [3.0, 1.0, -2.0]
    """
    kept = without_growth(current, wanted)
    after = kept + multiplier * (wanted - kept)
    # The last bit of a sum is no change.
    smaller = (np.asarray(multiplier) < 1.0) & (np.abs(after) < np.abs(wanted))
    return np.where(smaller, after, wanted)
