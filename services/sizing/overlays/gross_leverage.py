"""Gross leverage: the book as wanted against a leverage of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.sizing.overlay import Acts, Effect, View, whole_book


@dataclass(frozen=True, slots=True, kw_only=True)
class GrossLeverage:
    """``m = min(1, L / Σ|w|)``.

    Parameters
    ----------
    limit : float
        L, gross notional over equity; options count by their delta.

    Notes
    -----
    `limits.max_leverage` caps the same figure after everything else; this overlay acts before the caps and shrinks what
    the method wants, so that it is reported among the multipliers.

    References
    ----------
    Carver, pysystemtrade ``systems/provided/…/risk_overlay``: sum of absolute risk leverage.
    """

    method: Literal["gross_leverage"] = "gross_leverage"
    limit: Annotated[float, Gt(0), Le(100)] = 2.0

    acts_on: ClassVar[Acts] = "exposure"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """One multiplier for the book."""
        gross = float(np.abs(view.weights).sum())
        return whole_book(view, min(1.0, self.limit / gross) if gross > 0.0 else 1.0, f"gross leverage {gross:.4g}")
