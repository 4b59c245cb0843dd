"""Volatility rebalancing: a volatile asset against a stable one, owned and unlevered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.sizing.columns import SizingColumns
from services.sizing.interface import Factor, RowByRow, evidence_of


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityRebalancing(RowByRow):
    r"""Weight of the volatile asset ``w = min(max_weight, τ/σ)`` or ``min(max_weight, w₀ σ̄/σ)``; the rest is stable.

    σ̄ is the long-run volatility: w₀ is the weight in ordinary times. n volatile assets have 1/n of the equity each.

    Parameters
    ----------
    account_volatility : float, optional
        τ of the whole account [annual]; this or `weight`.
    weight : float, optional
        w₀, weight of the volatile asset while its volatility is that of the long run; this or `account_volatility`.
    max_weight : float
        Largest weight of the volatile assets together; at most 1, so that the stable leg is never borrowed.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    For treasuries and the like: an account in the stable asset that owns the volatile one. The stable leg needs no row:
    it is what is left of the equity, and each target says how much (`detail`). The volatility of the stable asset, and
    that it may lose its peg, are not in it. The buffer `volatility` leaves alone what a price moves by itself. A
    pool of constant product rebalances like this at a fixed 1/2 and loses σ²/8 a year to those who trade with it.

    References
    ----------
    Moreira & Muir (2017), Volatility-managed portfolios, JF 72(4). Perold & Sharpe (1988), Dynamic strategies for asset
    allocation, FAJ 44(1). Milionis et al. (2022), Automated market making and loss-versus-rebalancing, eq. 1.
    """

    method: Literal["volatility_rebalancing"] = "volatility_rebalancing"
    account_volatility: Annotated[float, Ge(0.0001), Le(3)] | None = None
    weight: Annotated[float, Gt(0), Le(1)] | None = None
    max_weight: Annotated[float, Gt(0), Le(1)] = 1.0
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if (self.account_volatility is None) == (self.weight is None):
            raise InvalidInput("weight", "must be sent, or else account_volatility, not both", self.weight)

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Share of the equity, weight by volatility, cap; directions beyond 1 borrow nothing."""
        most = np.minimum(1.0, self.max_weight / self._asked(columns)) / np.maximum(np.abs(columns.direction), 1.0)
        return (
            Factor("share", 1.0 / columns.live_count, "signals"),
            *self._weight_factors(columns),
            Factor("max_weight", most, "sizing.max_weight"),
        )

    def _weight_factors(self, columns: SizingColumns) -> Sequence[Factor]:
        if self.account_volatility is not None:
            return (
                Factor(
                    "volatility_target", self.account_volatility / columns.event_volatility, "sizing.account_volatility"
                ),
            )
        assert self.weight is not None
        ratio = _long_run(columns) / columns.event_volatility
        return Factor("weight", self.weight, "sizing.weight"), Factor("long_run_volatility", ratio, "sizing.weight")

    def _asked(self, columns: SizingColumns) -> Floats:
        asked = np.ones(columns.current.shape)
        for factor in self._weight_factors(columns):
            asked = asked * factor.values
        return asked

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight at direction 1."""
        return np.nan_to_num(np.minimum(self._asked(columns), self.max_weight)) / count

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Rows whose long-run volatility is needed and unknown."""
        if self.weight is None:
            return {}
        unknown = np.flatnonzero(rows & ~np.isfinite(_long_run(columns))).tolist()
        return dict.fromkeys(unknown, "the long-run volatility that sizing.weight refers to is unknown")

    def remarks(self, columns: SizingColumns, weights: Floats) -> tuple[str, ...]:
        """Both legs of the account."""
        held = float(np.abs(weights).sum())
        asked = columns.sizable & (columns.live | (columns.current != 0.0))
        text = f"volatile leg {held:.4f} of the equity, stable leg {1.0 - held:.4f}"
        return tuple(text if row else "" for row in asked.tolist())


def _long_run(columns: SizingColumns) -> Floats:
    known = evidence_of(columns).long_run
    return np.full(columns.current.shape, np.nan) if known is None else known
