"""Caps on what is at risk in one place: a share of equity by name or by grade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from services.core.explain import Bools, Floats
from services.sizing.conditions import Names
from services.sizing.overlay import Effect, View, per_row

Measure = Literal["notional", "margin"]


def allowed_shares(grades: Names, own: Floats, by_grade: Mapping[str, float]) -> Floats:
    """Share of equity of each row's place: its own, else that of its grade; NaN where there is neither.

    Examples
    --------
    >>> allowed_shares(("A", "B", None), np.array([0.3, np.nan, np.nan]), {"A": 1.0, "B": 0.5}).tolist()
    [0.3, 0.5, nan]
    """
    graded = np.array([np.nan if grade is None else by_grade[grade] for grade in grades], dtype=float)
    return np.where(np.isnan(own), graded, own)


def share_caps(view: View, places: Names, allowed: Floats, *, measure: Measure, what: str, lacking: str) -> Effect:
    """Multiplier of each row by its place: ``(share · equity − fixed use) / use of what is resized``, at most 1.

    Parameters
    ----------
    places : tuple of str or None
        Place of each row.
    allowed : (n,) array
        Share of equity of each row's place; NaN: no cap is known, so that nothing is increased.
    """
    columns = view.columns
    resized = columns.sizable
    use = np.where(resized, _use(view, measure), columns.fixed_notional)
    unpriced = ~resized & (columns.current != 0.0) & (columns.fixed_notional == 0.0)
    multiplier, said, missing = np.full(use.shape, np.nan), [""] * use.size, np.zeros(use.shape, dtype=bool)
    for place in dict.fromkeys(name for name in places if name is not None):
        here: Bools = np.array([name == place for name in places], dtype=bool)
        share = float(allowed[here][0])
        fixed, free = float(use[here & ~resized].sum()), float(use[here & resized].sum())
        if not np.isnan(share + free):
            left = max(share * columns.equity - fixed, 0.0)
            multiplier[here] = min(1.0, left / free) if free > 0.0 else 1.0
            text = f"{what} {place}: {(fixed + free) / columns.equity:.4g} of equity wanted, {share:.4g} allowed"
            missing |= here & bool((here & unpriced).any())
            said = [text if inside else other for inside, other in zip(here.tolist(), said, strict=True)]
    return per_row(multiplier, missing | np.isnan(multiplier), said, lacking)


def _use(view: View, measure: Measure) -> Floats:
    """Notional of each wanted size, or its initial margin [account currency]."""
    notional = np.abs(view.wanted) * view.columns.unit_value
    if measure == "notional":
        return notional
    rate = np.where(view.wanted >= 0.0, view.conditions.margin_long, view.conditions.margin_short)
    return np.where(notional > 0.0, notional * rate, 0.0)
