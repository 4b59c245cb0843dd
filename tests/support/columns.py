"""Columns of small books, for tests of sizing stages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from services.core.explain import Floats
from services.sizing.buffers import Standing
from services.sizing.columns import SizingColumns
from services.sizing.conditions import Conditions

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)


def columns(volatility: list[float] | Floats, correlation: Floats | None = None, **changes: Any) -> SizingColumns:
    """Columns of n rows with equity 1 and unit value 1, all live at direction 1."""
    known = np.asarray(volatility, dtype=float)
    n = known.size
    base: dict[str, Any] = {
        "equity": 1.0,
        "current": np.zeros(n),
        "unit_value": np.ones(n),
        "direction": np.ones(n),
        "live": np.ones(n, dtype=bool),
        "sizable": np.ones(n, dtype=bool),
        "volatility": known,
        "forecast": known,
        "calibration": np.ones(n),
        "known_risk": np.ones(n, dtype=bool),
        "correlation": correlation,
        "collateral": np.zeros(n),
        "delta_weight": np.zeros(n),
        "fixed_notional": np.zeros(n),
        "side": np.zeros(n),
        "primary": np.ones(n, dtype=bool),
    }
    return SizingColumns(**{**base, **changes})


def standing(book: SizingColumns, optimal: list[float] | Floats, **changes: Any) -> Standing:
    """Standing of a book whose positions are `book.current`; nothing was ever traded, costs are unknown."""
    size = np.asarray(optimal, dtype=float)
    base: dict[str, Any] = {
        "columns": book,
        "optimal": size,
        "expected": book.current,
        "as_of": AS_OF,
        "traded_at": (None,) * size.size,
        "cost": np.full(size.shape, np.nan),
    }
    return Standing(**{**base, **changes})


def conditions(n: int, **changes: Any) -> Conditions:
    """Quiet conditions: daily bars, current prices."""
    return replace(Conditions.unknown(AS_OF, n), bar_seconds=np.full(n, 86_400.0), **changes)
