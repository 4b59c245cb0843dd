"""Margin-linked size: as large as the margin pays for, with a buffer, far enough from liquidation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Lt

from services.core.explain import Bools, Floats, Trail
from services.sizing.columns import NO_RISK, SizingColumns
from services.sizing.exposure import held_notional
from services.sizing.interface import Factor, RowByRow, as_held, evidence_of

CASH_RATE = 1.0
"""Margin of an owned asset: all of its price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginLinked(RowByRow):
    r"""``|N_i| = |d_i|/n · min(H (1 − b) / r_i, E ℓ_i)``: the largest position that the margin carries.

    Headroom H is the equity less the initial margin of what is not sized, b the buffer, r_i the initial margin rate of
    the row's side, ℓ_i the leverage whose liquidation price lies at the distance of `limits.min_liquidation_distance`
    (5 standard deviations of a day by default; 0 switches it off), E the equity. Every one of n rows has 1/n of both:
    all of them may move against the account at once.

    Parameters
    ----------
    margin_buffer : float
        b, part of the headroom that stays free [fraction].
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    A maximum, no recommendation: at this size the account is a few standard deviations from liquidation whatever is
    expected of the markets. `limits.max_leverage` (2 by default) and `limits.max_margin_use` (0.8) still cut it. Rates
    are those at the largest size that `limits.max_leverage` allows, tiers and add-ons included. Owned spot pays its
    whole price. In scope `book` the composition stays as it is.

    References
    ----------
    Brunnermeier & Pedersen (2009), Market liquidity and funding liquidity, RFS 22(6): margins of all positions within
    the capital. Closed form of the distance: `services.margin.max_position.notional_at_distance`.
    """

    method: Literal["margin_linked"] = "margin_linked"
    margin_buffer: Annotated[float, Ge(0), Lt(1)] = 0.2
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price"})
    bounds_wealth: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Share, headroom, buffer, margin rate, distance to liquidation."""
        return (Factor("share", 1.0 / columns.live_count, "signals"), *self._margin_factors(columns))

    def _margin_factors(self, columns: SizingColumns) -> Sequence[Factor]:
        rate, leverage = _margin_rate(columns), _distance_leverage(columns)
        headroom = self._headroom(columns)
        paid = headroom * (1.0 - self.margin_buffer) / rate
        near = np.where(paid > 0.0, np.minimum(1.0, leverage / np.where(paid > 0.0, paid, 1.0)), 1.0)
        strongest = 1.0 / np.maximum(np.abs(columns.direction), 1.0)
        return (
            Factor("headroom", headroom, "account.equity"),
            Factor("margin_buffer", 1.0 - self.margin_buffer, "sizing.margin_buffer"),
            Factor("margin_rate", 1.0 / rate, "margin"),
            Factor("liquidation_distance", near, "limits.min_liquidation_distance"),
            Factor("strongest_signal", strongest, "signals.direction"),
        )

    def _headroom(self, columns: SizingColumns) -> float:
        """Equity left for margin, over equity, in [0, 1]."""
        idle = columns.sizable & ~columns.live
        margin = np.nan_to_num(columns.fixed_notional * _margin_rate(columns))[idle].sum()
        return max(1.0 - (evidence_of(columns).committed_margin + float(margin)) / columns.equity, 0.0)

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight of a row that is alone in the book, on its worse side."""
        weight = np.ones(columns.current.shape)
        for factor in self._margin_factors(columns)[:-1]:
            weight = weight * factor.values
        return np.nan_to_num(weight) / count

    def size_book(self, columns: SizingColumns, resized: Bools) -> Trail:
        """The held book under one multiplier: its margin within the headroom, its joint fall within the equity."""
        held = as_held(columns, resized)
        trail = Trail(columns.current)
        trail.apply("collateral", np.where(resized, columns.current + columns.collateral, columns.current), "account")
        size = np.abs(held_notional(columns, resized)) / columns.equity
        margin = float((size * _margin_rate(held))[resized].sum())
        fall = float((size / _distance_leverage(held))[resized].sum())
        if max(margin, fall) <= NO_RISK:
            return trail
        paid = self._headroom(held) * (1.0 - self.margin_buffer) / margin
        trail.multiply("margin_rate", np.where(resized, paid, 1.0), "sizing.margin_buffer")
        near = min(1.0, 1.0 / (paid * fall)) if paid * fall > 0.0 else 1.0
        trail.multiply("liquidation_distance", np.where(resized, near, 1.0), "limits.min_liquidation_distance")
        return trail


def _by_side(columns: SizingColumns, long: Floats, short: Floats) -> Floats:
    worse = np.where(columns.direction < 0.0, short, long)
    return np.where(columns.direction == 0.0, np.maximum(long, short), worse)


def _margin_rate(columns: SizingColumns) -> Floats:
    """Initial margin rate by the side of each row, the larger one where it has none; NaN where unknown."""
    seen = evidence_of(columns)
    rate = _by_side(columns, seen.initial_margin_long, seen.initial_margin_short)
    owned = seen.spot & (columns.direction >= 0.0)
    return np.where(owned | (rate <= 0.0), CASH_RATE, rate)


def _distance_leverage(columns: SizingColumns) -> Floats:
    """Leverage at the required distance by the side of each row, the smaller one where it has none; inf: no limit."""
    seen = evidence_of(columns)
    if seen.distance_long is None or seen.distance_short is None:
        return np.full(columns.current.shape, np.inf)
    return -_by_side(columns, -seen.distance_long, -seen.distance_short)
