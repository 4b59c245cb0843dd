"""Risk-constrained Kelly on the outcomes of posted histories: the bound without a law of returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le, Lt

from services.core.explain import Bools, Floats
from services.risk.growth import (
    drawdown_exponent,
    growth_rate,
    probability_bound,
    risk_constrained_bets,
    within_risk,
)
from services.sizing.abilities import Survival
from services.sizing.columns import SizingColumns
from services.sizing.growth import Growth, betting, sides
from services.sizing.interface import Factor, evidence_of

LEAST_BARS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalRiskConstrainedKelly(Growth):
    r"""``max E[ln(1 + r'b)]`` with ``E[(1 + r'b)^{−λ}] <= 1``: then ``P(W ever < α W₀) <= β``, λ = ln β / ln α.

    α = 1 − `max_drawdown`, β = `drawdown_probability`. The expectation is over the bars of the posted series: their
    shape and their dependence, brought to the volatility forecast for the next bar and to the expected return that was
    sent, ``r = (x − mean x) / sd x · σ/√N + μ/N`` with N bars a year. The mean of a history says next to nothing.

    Parameters
    ----------
    max_drawdown : float
        1 − α, loss of the present equity that is to stay improbable [fraction].
    drawdown_probability : float
        β, largest probability of ever losing that much.
    history_bars : int
        Newest bars that are outcomes; fewer where the shortest series has fewer, at least 60.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    The bound holds for independent bars of this law and one rebalance a bar. All series must have the same bar and end
    at the same time. A loss that a history does not hold is not in it: 60 bars know no crash. A row whose history never
    moves is refused. Half directions are half positions; the book as directed is scaled down where it breaks the
    constraint. Positions that are not sized are not in the bound. Every row on its own side. Cost: O(n³ + bars · n) a
    step of the optimiser.

    References
    ----------
    Busseti, Ryu & Boyd (2016), Risk-constrained Kelly gambling, J. Investing 25(3), problem RCK. Barone-Adesi et al.
    (1999), VaR without correlations, for the scaling of a history.
    """

    method: Literal["historical_risk_constrained_kelly"] = "historical_risk_constrained_kelly"
    max_drawdown: Annotated[float, Ge(0.0001), Lt(1)]
    drawdown_probability: Annotated[float, Ge(0.000001), Lt(1)]
    history_bars: Annotated[int, Ge(LEAST_BARS), Le(2_000)] = 750
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = Growth.requires | {"returns"}
    bounds_wealth: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @property
    def exponent(self) -> float:
        """λ."""
        return drawdown_exponent(1.0 - self.max_drawdown, self.drawdown_probability)

    def outcomes(self, columns: SizingColumns, rows: Sequence[int], side: Floats) -> Floats:
        """Returns of the next bar of `rows` on their sides, (bars, rows)."""
        seen = evidence_of(columns)
        histories = [history for row in rows if (history := seen.returns[row]) is not None]
        bars = min([self.history_bars, *(history.size for history in histories)])
        table = np.column_stack([history[-bars:] for history in histories])
        table = table - table.mean(axis=0)
        periods, chosen = seen.periods_per_year[rows], list(rows)
        moves = columns.event_volatility[chosen] / np.sqrt(periods)
        found: Floats = table / table.std(axis=0) * moves + seen.expected_return[chosen] / periods
        return found * side

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Constrained bets, and what the directions leave of them."""
        rows = np.flatnonzero(betting(columns))
        weights, left = np.zeros(columns.current.shape), 1.0
        if rows.size:
            direction = columns.direction[rows]
            table = self.outcomes(columns, rows.tolist(), np.sign(direction))
            weights[rows] = risk_constrained_bets(table, self.exponent)
            left = within_risk(weights[rows] * np.abs(direction), table, self.exponent)
        return (
            Factor("growth_within_drawdown", weights, "sizing.drawdown_probability"),
            Factor("directed_book", left, "signals.direction"),
        )

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight of a row that bets alone, over `count`; 0 where one of its figures is missing."""
        seen, alone = evidence_of(columns), np.zeros(columns.current.shape)
        side = sides(columns)
        for row, history in enumerate(seen.returns):
            known = np.isfinite(seen.expected_return[row] * seen.periods_per_year[row])
            if known and history is not None and history.size >= LEAST_BARS and np.ptp(history) > 0.0:
                side_of = np.array([side[row] or np.sign(seen.expected_return[row])])
                alone[row] = risk_constrained_bets(self.outcomes(columns, [row], side_of), self.exponent)[0]
        return alone / count

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Contradictory directions; thin, flat or unlike histories."""
        found, seen = Growth.unusable(self, columns, rows), evidence_of(columns)
        chosen = np.flatnonzero(rows).tolist()
        together = self._of_one_time(columns, chosen)
        for row in chosen:
            history = seen.returns[row]
            newest = history[-self.history_bars :] if history is not None else np.empty(0)
            if newest.size < LEAST_BARS or np.ptp(newest) == 0.0:
                text = f"{newest.size} returns, or returns that never move: at least {LEAST_BARS} are outcomes"
                found.setdefault(row, text)
            elif not together:
                found.setdefault(row, "the series have different bars, ends or gaps: their returns are not of one time")
        return found

    def _of_one_time(self, columns: SizingColumns, rows: Sequence[int]) -> bool:
        """Whether the newest returns of all rows are those of the same bars."""
        seen = evidence_of(columns)
        ends = {seen.last_close_at[row] for row in rows} if seen.last_close_at else set()
        histories = [history for row in rows if (history := seen.returns[row]) is not None]
        bars = min([self.history_bars, *(history.size for history in histories)])
        times = [seen.return_times[row] for row in rows] if seen.return_times else []
        gaps = {None if moments is None else moments[-bars:].tobytes() for moments in times}
        return max(len({seen.periods_per_year[row] for row in rows}), len(ends), len(gaps)) <= 1

    def survival(self, columns: SizingColumns, weights: Floats) -> Survival:
        """The bound ``α^λ`` at the weights as targeted, λ from ``E[(1 + r'w)^{−λ}] = 1``."""
        rows, seen = np.flatnonzero(weights != 0.0), evidence_of(columns)
        known = columns.risk_complete and np.isfinite(seen.expected_return[rows]).all()
        if not known or self.unusable(columns, weights != 0.0):
            return self._prospect(None, None, "a drift, a risk or a history is unknown")
        if not rows.size:
            return self._prospect(0.0, 0.0, "nothing is held")
        side = np.sign(weights[rows])
        table, bets = self.outcomes(columns, rows.tolist(), side), np.abs(weights[rows])
        best = growth_rate(risk_constrained_bets(table, None), table)
        share = growth_rate(bets, table) / best if best > 0.0 else None
        bound = probability_bound(1.0 - self.max_drawdown, bets, table)
        return self._prospect(bound, share, "bound for independent bars of the posted histories")

    def _prospect(self, probability: float | None, share: float | None, basis: str) -> Survival:
        return Survival(
            method=self.method,
            level=1.0 - self.max_drawdown,
            probability=probability,
            horizon="ever",
            growth_share=share,
            basis=basis,
        )
