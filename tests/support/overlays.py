"""Books, conditions and made-up overlays for tests of overlays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from services.sizing.columns import SizingColumns
from services.sizing.conditions import Conditions
from services.sizing.overlay import Acts, Effect, OverlayRule, View, per_row
from tests.support.books import AS_OF


def columns(current: list[float], **changes: Any) -> SizingColumns:
    """Columns of n rows with equity 100, unit value 1 and volatility 0.4; lists become arrays."""
    n = len(current)
    base: dict[str, Any] = {
        "equity": 100.0,
        "current": current,
        "unit_value": [1.0] * n,
        "direction": [1.0] * n,
        "live": [True] * n,
        "sizable": [True] * n,
        "volatility": [0.4] * n,
        "forecast": [0.4] * n,
        "calibration": [1.0] * n,
        "known_risk": [True] * n,
        "correlation": np.eye(n),
        "collateral": [0.0] * n,
        "delta_weight": [0.0] * n,
        "fixed_notional": [0.0] * n,
        "side": [0.0] * n,
        "primary": [True] * n,
    }
    fields = {**base, **changes}
    return SizingColumns(**{name: np.array(item) if isinstance(item, list) else item for name, item in fields.items()})


def conditions(size: int, **changes: Any) -> Conditions:
    """Conditions of which only `changes` are known; lists become arrays."""
    known = {name: np.array(item, dtype=float) if isinstance(item, list) else item for name, item in changes.items()}
    return replace(Conditions.unknown(AS_OF, size), **known)


def view(
    wanted: list[float], *, current: list[float] | None = None, target: float | None = 0.2, **changes: Any
) -> View:
    """View of a book that wants `wanted`; changes of columns are given as `book`, the others are conditions."""
    book = changes.pop("book", {})
    held = columns(current or [0.0] * len(wanted), **book)
    return View(held, np.array(wanted), conditions(len(wanted), **changes), target)


def effect(overlay: OverlayRule, seen: View) -> list[float]:
    """Multipliers of an overlay; no row may be blocked."""
    found = overlay.effect(seen)
    assert not found.blocked.any()
    return [round(value, 12) for value in found.multiplier.tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """Overlay of given multipliers, NaN: not known."""

    multipliers: tuple[float, ...]
    missing: tuple[bool, ...]
    halted: tuple[bool, ...]
    method: str
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset()

    def effect(self, view: View) -> Effect:
        """What it was made with."""
        missing, halted = np.array(self.missing, dtype=bool), np.array(self.halted, dtype=bool)
        said = ("because",) * len(self.multipliers)
        return per_row(np.array(self.multipliers), missing, said, "no data", halted=halted)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnExposure(_Made):
    """Acts on exposure."""

    acts_on: ClassVar[Acts] = "exposure"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPosition(_Made):
    """Acts on positions."""

    acts_on: ClassVar[Acts] = "position"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnIncrease(_Made):
    """Acts on increases."""

    acts_on: ClassVar[Acts] = "increase"


KINDS = (OnExposure, OnPosition, OnIncrease)


def made(
    kind: type[_Made],
    *multipliers: float,
    missing: tuple[bool, ...] = (),
    halted: tuple[bool, ...] = (),
    method: str = "made",
) -> _Made:
    """An overlay of that kind."""
    none = (False,) * len(multipliers)
    return kind(multipliers=multipliers, missing=missing or none, halted=halted or none, method=method)
