"""Overlays: multipliers in [0, 1] on what the method asks for; the smallest is taken, all are reported.

An overlay acts on one of two things. On `exposure` it multiplies the whole size. On `increase` it multiplies only what
is added to the position: reductions pass untouched, and of a reversal the closing part does. An overlay whose data is
missing allows no increase: a fault never increases risk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np

from services.core.explain import Bools, Floats, Trail
from services.sizing.columns import SizingColumns
from services.sizing.conditions import Conditions

Acts = Literal["exposure", "increase"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one overlay does.

    Parameters
    ----------
    multiplier : (n,) array
        In [0, 1].
    detail : tuple of str
        Why, one sentence a row; empty where it does nothing.
    missing : (n,) bool array
        Rows whose data it lacks; its multiplier there is 0.
    """

    multiplier: Floats
    detail: tuple[str, ...]
    missing: Bools


class OverlayRule(Protocol):
    """Interface of the members of `services.sizing.registry.Overlay`."""

    @property
    def method(self) -> str:
        """Name of the overlay."""
        ...

    acts_on: ClassVar[Acts]
    after_caps: ClassVar[bool]
    """Whether it looks at the trade that is left after all caps (liquidity), or at the size before them."""

    def effect(self, view: View) -> Effect:
        """Multiplier of every row."""
        ...


@dataclass(frozen=True, slots=True)
class Reported:
    """One overlay of an answer, with what it did."""

    method: str
    acts_on: Acts
    effect: Effect


def whole_book(view: View, multiplier: float, detail: str) -> Effect:
    """Effect that is the same for every row."""
    size = view.wanted.size
    said = (detail if multiplier < 1.0 else "",) * size
    return Effect(multiplier=np.full(size, multiplier), detail=said, missing=np.zeros(size, dtype=bool))


def per_row(multiplier: Floats, missing: Bools, said: Sequence[str], lacking: str) -> Effect:
    """Effect by row: 0 where the data is missing (`lacking` says which), the text only where it does something."""
    found = np.where(missing, 0.0, np.clip(multiplier, 0.0, 1.0))
    texts = tuple(
        lacking if absent else text if value < 1.0 else ""
        for absent, value, text in zip(missing.tolist(), found.tolist(), said, strict=True)
    )
    return Effect(multiplier=found, detail=texts, missing=missing)


def apply_overlays(
    trail: Trail,
    columns: SizingColumns,
    overlays: Sequence[OverlayRule],
    conditions: Conditions,
    *,
    target_volatility: float | None,
    after_caps: bool,
) -> list[Reported]:
    """Take the smallest multiplier on exposure, then the smallest on increases; both are stages of the explanation.

    Rows that cannot be resized are left alone.
    """
    chosen = [overlay for overlay in overlays if overlay.after_caps is after_caps]
    if not chosen:
        return []
    view = View(columns, trail.value, conditions, target_volatility)
    reported = [Reported(overlay.method, overlay.acts_on, overlay.effect(view)) for overlay in chosen]
    for acts_on in ("exposure", "increase"):
        _take_least(trail, columns, [item for item in reported if item.acts_on == acts_on], acts_on)
    return reported


def _take_least(trail: Trail, columns: SizingColumns, reported: Sequence[Reported], acts_on: str) -> None:
    if not reported:
        return
    table = np.array([item.effect.multiplier for item in reported])
    least, which = table.min(axis=0), table.argmin(axis=0)
    wanted = trail.value
    after = wanted * least if acts_on == "exposure" else grown(columns.current, wanted, least)
    after = np.where(columns.sizable, after, wanted)
    for place, item in enumerate(reported):
        bound = (which == place) & (after != trail.value)
        if bound.any():
            stage = f"overlay_{item.method}"
            trail.apply(stage, np.where(bound, after, trail.value), f"overlays.{item.method}", bound=bound)


def grown(current: Floats, wanted: Floats, multiplier: Floats | float) -> Floats:
    """Size after `multiplier` on the increase alone.

    On the same side ``current + m (wanted − current)`` where |wanted| > |current|; on the other side ``m · wanted``;
    a reduction is taken whole.

    Examples
    --------
    >>> grown(np.array([2.0, 2.0, 2.0]), np.array([4.0, 1.0, -4.0]), 0.5).tolist()
    [3.0, 1.0, -2.0]
    """
    same = np.sign(wanted) * np.sign(current) >= 0.0
    more = same & (np.abs(wanted) > np.abs(current))
    return np.where(more, current + multiplier * (wanted - current), np.where(same, wanted, multiplier * wanted))
