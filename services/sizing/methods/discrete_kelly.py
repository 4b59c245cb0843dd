"""Kelly for trades that win or lose: from the record of closed trades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.explain import Bools, Floats
from services.risk.growth import certainty, ever_below_probability, growth_share
from services.sizing.abilities import Survival
from services.sizing.columns import SizingColumns
from services.sizing.interface import Factor, evidence_of
from services.sizing.kelly import (
    RUIN_LEVEL,
    SharedBets,
    as_bet,
    check_fraction,
    remarked,
    survival_at,
    volatility_share,
)

LEAST_TRADES = 30
"""Wins, and losses, below which their mean is no figure to bet on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscreteKelly(SharedBets):
    r"""``w = c · k · f / n``, ``f = p/a − (1 − p)/(a b)``: the most growth from trades that win a·b or lose a.

    a and a·b are fractions of the notional of a trade, p is `win_probability` and b `win_loss_ratio` of the signal, all
    after costs; n are the rows with a live signal: each bets on its part of the capital. With a = 1 this is
    ``f = p − (1 − p)/b``. No edge, no position.

    Parameters
    ----------
    max_volatility : float
        Volatility that a row may have on its part of the capital; the final size is the smaller one [annual, fraction].
    fraction : float
        c of Kelly; at 0.25 the growth is 44 % of the largest and the chance of ever halving 1 in 128.
    forced : bool
        Allow more than half Kelly.
    loss : float
        a, what a losing trade loses of its notional [fraction]; 1 takes every loss for a total one.
    shrink : bool
        Multiply by k, which `trades` trades are worth as evidence: ``k = max(1 − 1/(T θ²), 0)``, θ the mean of a trade
        over its deviation, ``(p b − 1 + p) / ((b + 1) √(p (1 − p)))``.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    Fewer than 30 wins or 30 losses are refused, a record of one kind alone all the more. k takes the mean for what is
    estimated and trades for independent; the ratio b and an edge that fades are worse than that. Kelly knows two
    outcomes: a loss beyond a is not in it. Directions beyond 1 bet more, up to half Kelly or, if that is more, to
    `fraction`. Baker & McHale (2013) shrink for p alone.

    References
    ----------
    Kelly (1956), A new interpretation of information rate. Thorp (2006), The Kelly criterion, §2 and §7.3. Kan & Zhou
    (2007), eq. 17, for k.
    """

    method: Literal["discrete_kelly"] = "discrete_kelly"
    max_volatility: Annotated[float, Gt(0), Le(3)]
    fraction: Annotated[float, Gt(0), Le(1)] = 0.25
    forced: bool = False
    loss: Annotated[float, Ge(0.0001), Le(1)] = 1.0
    shrink: bool = True
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price", "win_statistics"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        check_fraction(self.fraction, self.forced)

    def edge(self, columns: SizingColumns) -> Floats:
        """f of each row; negative where there is none."""
        seen = evidence_of(columns)
        return bet_fraction(seen.win_probability, seen.win_loss_ratio * self.loss, self.loss)

    def trusted(self, columns: SizingColumns) -> Floats:
        """k of each row."""
        seen = evidence_of(columns)
        if not self.shrink:
            return np.ones(seen.trades.shape)
        return certainty(trade_sharpe(seen.win_probability, seen.win_loss_ratio) ** 2, seen.trades)

    def bet(self, columns: SizingColumns) -> Sequence[Factor]:
        """Kelly, the fraction of it, what the record is worth, the cap on volatility."""
        kelly, trusted = np.maximum(self.edge(columns), 0.0), self.trusted(columns)
        cap = volatility_share(columns, kelly * self.fraction * trusted, self.max_volatility, self.fraction)
        return (
            Factor("kelly", kelly, "signals.win_probability"),
            Factor("fraction", self.fraction, "sizing.fraction"),
            Factor("estimation_error", trusted, "signals.trades"),
            Factor("volatility_cap", cap, "sizing.max_volatility"),
        )

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Rows whose record is too short, or of wins or losses alone."""
        seen = evidence_of(columns)
        wins = seen.win_probability * seen.trades
        counts = np.minimum(wins, seen.trades - wins)
        # 0.55 of 200 is 110.00000000000001, and 0.3 of 100 is 30.
        thin = rows & ~(counts >= LEAST_TRADES - 1e-6)
        return {
            index: f"{wins[index]:.0f} wins and {seen.trades[index] - wins[index]:.0f} losses: "
            f"at least {LEAST_TRADES} of each are needed for their means"
            for index in np.flatnonzero(thin).tolist()
        }

    def remarks(self, columns: SizingColumns, weights: Floats) -> tuple[str, ...]:
        """Why a row with a direction has no position."""
        edge, trusted, trades = self.edge(columns), self.trusted(columns), evidence_of(columns).trades
        texts = [
            f"no edge: Kelly is {one:.4g}" if one <= 0.0 else f"the edge lies within its error after {count:g} trades"
            for one, count in zip(edge.tolist(), trades.tolist(), strict=True)
        ]
        return remarked(as_bet(columns, self.scope), (edge <= 0.0) | (trusted == 0.0), texts)

    def survival(self, columns: SizingColumns, weights: Floats) -> Survival:
        """Of one bet, by the share of what is trusted of Kelly; the joint law of several is unknown."""
        held = np.flatnonzero(weights != 0.0)
        if not held.size:
            return survival_at(self.method, 0.0, 0.0, "nothing is held")
        best = float((self.edge(columns) * self.trusted(columns))[held[0]])
        if held.size > 1 or not best > 0.0:
            return survival_at(self.method, None, None, "the joint law of the trades is unknown")
        share = abs(float(weights[held[0]])) / best
        probability = ever_below_probability(RUIN_LEVEL, share)
        return survival_at(self.method, probability, growth_share(share), "small bets, the edge as trusted")


def bet_fraction(win_probability: Floats, win: Floats, loss: Floats | float = 1.0) -> Floats:
    r"""``f = p/a − (1 − p)/b`` of the notional, not clipped: it maximises ``p ln(1 + b f) + (1 − p) ln(1 − a f)``.

    Parameters
    ----------
    win_probability, win : (n,) arrays
        p, and b > 0: what a winning trade wins of its notional.
    loss : (n,) array
        a > 0: what a losing one loses.

    Examples
    --------
    >>> bet_fraction(np.array([0.6, 0.3]), np.array([1.0, 1.0])).round(12).tolist()
    [0.2, -0.4]
    """
    return np.asarray(win_probability / loss - (1.0 - win_probability) / win, dtype=float)


def trade_sharpe(win_probability: Floats, win_loss_ratio: Floats) -> Floats:
    r"""Mean of a trade over its standard deviation, ``(p b − q) / ((b + 1) √(p q))``; NaN without both outcomes.

    Examples
    --------
    >>> trade_sharpe(np.array([0.6]), np.array([1.0])).round(6).tolist()
    [0.204124]
    """
    p, b = win_probability, win_loss_ratio
    spread = np.where((p > 0.0) & (p < 1.0), p * (1.0 - p), np.nan)
    return np.asarray((p * b - (1.0 - p)) / ((b + 1.0) * np.sqrt(spread)), dtype=float)
