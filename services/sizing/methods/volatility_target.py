"""Volatility targeting, for one instrument or for a whole book."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Bools, Floats, Trail
from services.sizing.columns import NO_RISK, SizingColumns, volatility_multiplier
from services.sizing.diversification import diversification_multiplier

ROUNDING = 1e-12
"""A scale this close to 1 is 1: no stage for the last bit of a float."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityTarget:
    r"""Hold the risk constant: size inversely to forecast volatility.

    Scope `instrument` (default with signals): ``w_i = τ · d_i / (n σ_i) · IDM``, n = instruments with a live
    signal, then one
    scale to τ by the covariance. The scale is that of the same book at full directions (|d| = 1), so that a half
    direction stays a half position; it is lowered where the book as directed would exceed ``τ · max(1, max|d|)``.

    Scope `book` (default without signals): one multiplier on the whole book, ``m = τ / σ_book``.

    Scheduled events come last: each row is multiplied by σ / sqrt(σ² + events²), a book by what brings its volatility,
    events included, down to the one that it has without them. No event raises a size of the markets that it moves.

    Parameters
    ----------
    target_volatility : float
        τ [annual, fraction: 0.20 is 20 %].
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.
    derisk_only : bool
        Never hold more than 1× equity gross, and never scale a book up.

    Notes
    -----
    Zero volatility and missing history never reach this method: such rows are refused before it runs.
    Where the book holds a position of unknown risk, or a row with a live signal cannot be sized, nothing is scaled
    up: a
    fault never increases risk, so its share of the risk stays unused.

    References
    ----------
    Harvey et al. (2018), The Impact of Volatility Targeting, JPM 45(1). Carver, pysystemtrade: instrument
    diversification multiplier min(2.5, 1/sqrt(w'Hw)) with H floored at 0.
    """

    method: Literal["volatility_target"] = "volatility_target"
    target_volatility: Annotated[float, Gt(0), Le(3)]
    scope: Literal["book", "instrument"] | None = None
    derisk_only: bool = False

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price"})
    uses_evidence: ClassVar[bool] = False
    tied: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight of each row at direction 1, before portfolio scaling."""
        return self.target_volatility / (count * columns.event_volatility)

    def size_instruments(self, columns: SizingColumns, resized: Bools) -> Trail:
        """Trail of rows sized one by one; rows outside `resized` keep their position."""
        count = columns.live_count
        trail = Trail(np.where(resized, 0.0, columns.current))
        sign = np.sign(columns.direction)
        whole = sign * columns.equity / columns.unit_value
        trail.apply("equity", np.where(resized, whole, trail.value), columns.equity_parameter)

        def factor(values: Floats | float) -> Floats:
            return np.where(resized, values, 1.0)

        trail.multiply("direction", factor(np.abs(columns.direction)), "signals.direction")
        trail.multiply("share", factor(1.0 / count), "signals")
        trail.multiply(
            "volatility_target", factor(self.target_volatility / columns.forecast), "sizing.target_volatility"
        )
        trail.multiply("calibration", factor(1.0 / columns.calibration), "estimator.calibrate")
        floor = columns.calibration * columns.forecast / columns.volatility
        trail.multiply("volatility_floor", factor(floor), "estimator.volatility_floor")
        trail.multiply("diversification", factor(diversification_multiplier(columns, resized)), "sizing.scope")
        trail.multiply(
            "portfolio_volatility",
            factor(self._portfolio_scale(columns, resized, trail.value)),
            "sizing.target_volatility",
        )
        if columns.shocks is not None:
            trail.multiply("events", factor(columns.volatility / columns.event_volatility), "events")
        return trail

    def _portfolio_scale(self, columns: SizingColumns, resized: Bools, contracts: Floats) -> float:
        weights = columns.weights(np.where(resized, contracts, 0.0))
        if not weights.any():
            return 1.0
        fixed = columns.fixed_weights(resized)
        direction = np.where(resized, columns.direction, 0.0)
        full = np.where(direction != 0.0, weights / np.where(direction != 0.0, np.abs(direction), 1.0), 0.0)
        flat = resized & (direction == 0.0) & columns.primary
        if flat.any():
            alone = self.target_volatility / (columns.live_count * columns.volatility)
            share = alone * diversification_multiplier(columns, resized)
            full = np.where(flat, share, full)
        reference = columns.portfolio_volatility(full)
        scale = self.target_volatility / reference if reference > NO_RISK else 1.0
        ceiling = self.target_volatility * max(1.0, float(np.abs(direction).max()))
        scale = min(scale, volatility_multiplier(columns, weights, fixed, ceiling))
        if abs(scale - 1.0) < ROUNDING:
            return 1.0
        faulty = bool((columns.live & ~resized).any())
        return min(scale, 1.0) if faulty or not columns.risk_complete else scale

    def size_book(self, columns: SizingColumns, resized: Bools) -> Trail:
        """Trail of a book under one multiplier; coin collateral is part of the book."""
        trail = Trail(columns.current)
        trail.apply(
            "collateral", np.where(resized, columns.current + columns.collateral, columns.current), "account.collateral"
        )
        weights = columns.weights(np.where(resized, trail.value, 0.0))
        fixed = columns.fixed_weights(resized)
        multiplier = volatility_multiplier(columns, weights, fixed, self.target_volatility) if weights.any() else 1.0
        if self.derisk_only or not columns.risk_complete:
            multiplier = min(multiplier, 1.0)
        trail.multiply("portfolio_volatility", np.where(resized, multiplier, 1.0), "sizing.target_volatility")
        if columns.shocks is not None:
            share = event_share(columns, multiplier * weights, fixed)
            trail.multiply("events", np.where(resized, share, 1.0), "events")
        return trail

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """No row is refused."""
        return {}

    def max_gross(self) -> float | None:
        """Gross leverage that the method itself allows."""
        return 1.0 if self.derisk_only else None


def event_share(columns: SizingColumns, weights: Floats, fixed: Floats) -> float:
    """Share of `weights`, at most 1, that has with scheduled events the risk that all have without them."""
    calm = columns.portfolio_volatility(weights + fixed)
    return min(volatility_multiplier(columns.with_events(), weights, fixed, calm), 1.0)
