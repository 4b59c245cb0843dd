"""Fractional Kelly: what its variants share, whatever they know of their edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.risk.growth import probability_ever_below
from services.sizing.abilities import Survival
from services.sizing.columns import SizingColumns
from services.sizing.growth import moments, most_growth
from services.sizing.interface import Factor, RowByRow, evidence_of, on_their_sides

MOST_FRACTION = 0.5
"""Half Kelly: three quarters of the growth; beyond it, errors of the edge cost more than the fraction gains."""
RUIN_LEVEL = 0.5
"""Part of the equity whose loss is reported on."""


def check_fraction(fraction: float, forced: bool) -> None:
    """Refuse more than half Kelly where nobody insists.

    Raises
    ------
    InvalidInput
        If the fraction is above 0.5 and not forced.
    """
    if fraction > MOST_FRACTION and not forced:
        raise InvalidInput("fraction", "must be <= 0.5, or forced set", fraction)


def strength(columns: SizingColumns, fraction: float) -> Floats:
    """Strength of each row's bet, at least 1: its |direction|, beyond 1 only until that is half Kelly."""
    return np.clip(np.abs(columns.direction), 1.0, max(MOST_FRACTION / fraction, 1.0))


def volatility_share(columns: SizingColumns, weight: Floats, limit: float, fraction: float) -> Floats:
    """Factor of at most 1 on `weight` with which no row alone has more than `limit` of volatility, events included.

    Directions above 1 are counted: the limit holds for the size as directed.
    """
    risk = weight * strength(columns, fraction) * columns.event_volatility
    return np.where(risk > limit, limit / np.where(risk > limit, risk, 1.0), 1.0)


class SharedBets(RowByRow):
    """Bets that are placed side by side: each row bets on its own part of the capital, 1/n of it.

    Whatever the correlations, that is no more than Kelly: n full bets on one and the same thing would be n times it.
    """

    __slots__ = ()
    bounds_wealth: ClassVar[bool] = True
    fraction: float

    def bet(self, columns: SizingColumns) -> Sequence[Factor]:
        """Factors of the weight of a row that bets on the whole capital."""
        raise NotImplementedError

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Part of the capital, and what is bet of it."""
        strongest = strength(columns, self.fraction) / np.maximum(np.abs(columns.direction), 1.0)
        return (
            Factor("share", 1.0 / columns.live_count, "signals"),
            *self.bet(columns),
            Factor("strongest_signal", strongest, "signals.direction"),
        )

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight of a row that bets alone, over `count`."""
        weight = np.ones(columns.current.shape)
        for factor in self.bet(columns):
            weight = weight * factor.values
        return np.nan_to_num(weight) / count


def as_bet(columns: SizingColumns, scope: str | None) -> SizingColumns:
    """The same book on the sides that are bet on: those held, where the book is sized as it is held."""
    return on_their_sides(columns, columns.sizable & (columns.current != 0.0), scope)


def prospect(method: str, columns: SizingColumns, weights: Floats, trusted: Floats | float) -> Survival:
    """Ruin and growth of the book at final `weights`, its expected returns times what of them is trusted."""
    seen = evidence_of(columns)
    believed = replace(columns, evidence=replace(seen, expected_return=seen.expected_return * trusted))
    known = moments(believed, weights)
    if known is None or not weights.any():
        unknown = "a drift, a risk or a correlation is unknown" if known is None else "nothing is held"
        return survival_at(method, None if known is None else 0.0, None if known is None else 0.0, unknown)
    best = most_growth(believed, weights)
    share = (known[0] - known[1] / 2.0) / best if best > 0.0 else None
    return survival_at(
        method, probability_ever_below(RUIN_LEVEL, *known), share, "GBM with the expected returns as trusted"
    )


def survival_at(method: str, probability: float | None, share: float | None, basis: str) -> Survival:
    """Survival over all time, at half of the equity."""
    return Survival(
        method=method, level=RUIN_LEVEL, probability=probability, horizon="ever", growth_share=share, basis=basis
    )


def observed(columns: SizingColumns, observations: int | None) -> tuple[Floats, Floats]:
    """Bars behind the expected return of each row, and bars a year; NaN where unknown."""
    seen = evidence_of(columns)
    posted = [np.nan if history is None or not history.size else float(history.size) for history in seen.returns]
    bars = np.array(posted) if observations is None else np.full(columns.current.shape, float(observations))
    return bars, seen.periods_per_year


def observation_requirements(shrink: bool, observations: int | None) -> frozenset[str]:
    """What must be known of each row for its estimate to be shrunk by what it rests on."""
    return frozenset({"observations"}) if shrink and observations is None else frozenset()


def edge_remarks(columns: SizingColumns, trusted: Floats) -> tuple[str, ...]:
    """Why a row with a direction has no position: an expected return against it, or within its own error."""
    expected = evidence_of(columns).expected_return
    against = columns.direction * expected <= 0.0
    texts = [
        f"no position: expected_return is {value:g} against the direction"
        if wrong
        else "no position: expected_return lies within the error of its estimate"
        for value, wrong in zip(expected.tolist(), against.tolist(), strict=True)
    ]
    return remarked(columns, against | (trusted == 0.0), texts)


def remarked(columns: SizingColumns, rows: Bools, texts: Sequence[str]) -> tuple[str, ...]:
    """The texts where `rows` hold and a row is sized by a direction, nothing elsewhere."""
    said = rows & columns.sizable & (columns.direction != 0.0)
    return tuple(text if holds else "" for holds, text in zip(said.tolist(), texts, strict=True))
