"""Methods that bet on expected returns: whose edge counts, and what the book grows at."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from services.core.explain import Bools, Floats
from services.risk.covariance import portfolio_volatility
from services.risk.growth import growth_risks
from services.sizing.columns import SizingColumns
from services.sizing.interface import RowByRow, evidence_of


def sides(columns: SizingColumns) -> Floats:
    """Side of each row: of its direction, else of what is held."""
    return np.where(columns.direction != 0.0, np.sign(columns.direction), np.sign(columns.current))


def betting(columns: SizingColumns) -> Bools:
    """Rows that share the bet: sized, with a live direction, one of each instrument."""
    rows: Bools = columns.live & columns.sizable & columns.primary & (columns.direction != 0.0)
    return rows


def sharpe_ratios(columns: SizingColumns) -> Floats:
    """Expected return over volatility on the side of each row, events included [annual]; NaN where unknown."""
    return sides(columns) * evidence_of(columns).expected_return / columns.event_volatility


def growth_weights(columns: SizingColumns) -> Floats:
    """Weights >= 0 at full direction that maximise the growth of the book; 0 for rows that do not bet, or have no
    expected return.

    Without a correlation matrix each row bets alone on its part of the equity, which is less than the optimum of any
    correlation.
    """
    sharpe = sharpe_ratios(columns)
    rows = np.flatnonzero(betting(columns) & np.isfinite(sharpe))
    weights = np.zeros(sharpe.shape)
    if not rows.size:
        return weights
    seen, side = columns.with_events(), np.sign(columns.direction[rows])
    if seen.correlation is None:
        risks = np.maximum(sharpe[rows], 0.0) / rows.size
    else:
        risks = growth_risks(sharpe[rows], np.outer(side, side) * seen.correlation[np.ix_(rows, rows)])
    weights[rows] = risks / seen.volatility[rows]
    return weights


def most_along(columns: SizingColumns, weights: Floats) -> float:
    """Factor on the book as directed, `weights` times its directions, with which it grows fastest: drift over variance.

    1 for growth-optimal weights at full directions. Directions that leave a hedge out put it far below; inf where the
    book has no risk.
    """
    directed = np.where(betting(columns), columns.direction * weights, 0.0)
    rows = directed != 0.0
    drift = float(directed[rows] @ evidence_of(columns).expected_return[rows])
    variance = columns.with_events().portfolio_volatility(directed) ** 2
    return drift / variance if variance > 0.0 else np.inf


def moments(columns: SizingColumns, weights: Floats) -> tuple[float, float] | None:
    """Excess return and variance of signed `weights` [annual]; None where a drift, a risk or a correlation is unknown.

    Without a correlation matrix a book of one row has a variance, and no other.
    """
    held = weights != 0.0
    drift = evidence_of(columns).expected_return[held]
    alone = columns.correlation is not None or np.count_nonzero(held) <= 1
    if not (alone and columns.risk_complete and np.isfinite(drift).all()):
        return None
    volatility = portfolio_volatility(weights, columns.volatility, columns.correlation)
    return float(weights[held] @ drift), volatility**2


def most_growth(columns: SizingColumns, weights: Floats) -> float:
    """Largest growth rate on the markets of `weights`, sides kept, ``½ u'Ru`` at the optimum [annual]."""
    rows = np.flatnonzero(weights != 0.0)
    side = np.sign(weights[rows])
    sharpe = side * evidence_of(columns).expected_return[rows] / columns.volatility[rows]
    correlation = np.eye(1) if columns.correlation is None else columns.correlation[np.ix_(rows, rows)]
    return float(sharpe @ growth_risks(sharpe, np.outer(side, side) * correlation)) / 2.0


class Growth(RowByRow):
    """A method whose weights come from expected returns.

    A row whose expected return is against its direction is refused: one of the two is wrong, and nobody here knows
    which.
    """

    __slots__ = ()
    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price", "expected_return"})

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Rows whose expected return contradicts their direction."""
        side, expected = sides(columns), evidence_of(columns).expected_return
        against = rows & (side * expected < 0.0)
        return {
            index: f"expected_return is {expected[index]:g} and the side is {'long' if side[index] > 0 else 'short'}: "
            "send an expected return of the same sign as the direction, after costs, or a direction of 0"
            for index in np.flatnonzero(against).tolist()
        }
