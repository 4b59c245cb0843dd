"""Portfolio insurance: exposure in proportion to the wealth above a floor (CPPI, TIPP)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.explain import Bools, Floats
from services.risk.gap import any_gap_probability, gap_probability
from services.sizing.abilities import Survival
from services.sizing.columns import SizingColumns
from services.sizing.exposure import BookExposure, held_notional, unit_volatility
from services.sizing.interface import Factor


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioInsurance(BookExposure):
    r"""``E = min(m · max(V − F, 0), L · V)``: gross exposure is a multiple of the cushion over the floor.

    The floor starts at `protection` × the initial capital. `growing`: ``F_t = F_{t-1} e^{r Δt}`` (CPPI). `ratchet`:
    besides, never below `protection` × the high-water mark (TIPP). It travels in the control state: send `state` of the
    last answer as `previous`, or every decision insures the present equity anew.

    The multiplier is ``m = min(multiplier, 1 / (k σ √dt), 1 / worst_loss)``: a move of k standard deviations between
    two rebalances does not use up the cushion.

    Parameters
    ----------
    protection : float
        Part of the capital that is insured [fraction].
    multiplier : float
        Largest m.
    floor : {"ratchet", "growing"}
        Whether profits are insured too.
    growth_rate : float
        r, growth of the floor [annual, continuously compounded].
    max_exposure : float
        L, largest gross exposure over equity.
    rebalances_per_year : float
        1/dt: how often the book is rebalanced at least; 365 for once a day in markets that never close.
    gap_sigmas : float
        k [standard deviations between two rebalances].
    worst_loss : float, optional
        Largest loss of the exposure between two rebalances that is to be survived; 0.228 is that of October 1987.
    max_gap_probability : float
        Largest probability that any gap of a year goes through the floor (GBM without drift); above it, refused.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    V <= F: nothing is held (`cash_locked`); profits cannot come back, only a deposit or a new floor ends it. Deposits
    and withdrawals move the floor by their amount. σ is that of one unit of the book, events of the next bar included.
    A no-trade buffer lets the exposure exceed E by its width. Prices that jump, options and rows of unknown risk are
    not in the probability of a gap. Another `protection` acts on a floor that exists only where the ratchet raises it.
    On SPY days of 1998–2021, a new cushion every quarter, a ratchet of 80 % held with m = 4 and 9 and not with 12.

    References
    ----------
    Black & Perold (1992), Theory of constant proportion portfolio insurance, JEDC 16. Estep & Kritzman (1988), TIPP,
    JPM 14(4). Balder, Brandl & Mahayni (2009), JEDC 33(1).
    """

    method: Literal["portfolio_insurance"] = "portfolio_insurance"
    protection: Annotated[float, Gt(0), Lt(1)]
    multiplier: Annotated[float, Ge(0.01), Le(50)] = 3.0
    floor: Literal["ratchet", "growing"] = "ratchet"
    growth_rate: Annotated[float, Ge(0), Le(1)] = 0.0
    max_exposure: Annotated[float, Gt(0), Le(100)] = 1.0
    rebalances_per_year: Annotated[float, Ge(0.01), Le(31_536_000)] = 252.0
    gap_sigmas: Annotated[float, Gt(0), Le(50)] = 10.0
    worst_loss: Annotated[float, Gt(0), Le(1)] | None = None
    max_gap_probability: Annotated[float, Gt(0), Lt(1)] = 1e-4
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price"})
    bounds_wealth: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def next_floor(self, columns: SizingColumns) -> float:
        """F of this decision [account currency]."""
        control = columns.control
        capital = columns.equity if control.initial_capital is None else control.initial_capital
        before = self.protection * capital if control.floor is None else control.floor
        grown = before * math.exp(self.growth_rate * columns.elapsed_years)
        mark = columns.equity if control.high_water_mark is None else control.high_water_mark
        return max(grown, self.protection * mark) if self.floor == "ratchet" else grown

    def multiplier_at(self, volatility: Floats) -> Floats:
        """m at a volatility of the exposure [annual]."""
        deviation = self.gap_sigmas * volatility / self.rebalances_per_year**0.5
        most = self.multiplier if self.worst_loss is None else min(self.multiplier, 1.0 / self.worst_loss)
        found: Floats = np.minimum(most, 1.0 / np.maximum(deviation, 1e-12))
        return found

    def exposure(self, columns: SizingColumns, volatility: Floats) -> Sequence[Factor]:
        """Cushion over equity, multiplier, cap."""
        cushion = max(1.0 - self.next_floor(columns) / columns.equity, 0.0)
        multiplier = self.multiplier_at(volatility)
        if cushion == 0.0:
            return (Factor("cash_locked", 0.0, "previous.floor"),)
        return (
            Factor("cushion", cushion, "previous.floor"),
            Factor("multiplier", multiplier, "sizing.multiplier"),
            Factor("max_exposure", np.minimum(1.0, self.max_exposure / (multiplier * cushion)), "sizing.max_exposure"),
        )

    def gap_in_a_year(self, multiplier: float, volatility: float, *, short: bool) -> float:
        """Probability that any gap of a year goes through the floor."""
        if volatility <= 0.0:
            return 0.0
        sides = (1, -1) if short else (1,)
        step = 1.0 / self.rebalances_per_year
        one = max(gap_probability(multiplier, volatility, step, side=side) for side in sides)
        return any_gap_probability(one, self.rebalances_per_year)

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Every row where the multiplier would let a gap through too often."""
        directed = np.where(rows, columns.direction, 0.0)
        notional = directed if directed.any() else held_notional(columns, rows)
        volatility = unit_volatility(columns, notional, rows)
        multiplier = float(self.multiplier_at(np.array(volatility)))
        probability = self.gap_in_a_year(multiplier, volatility, short=bool((notional < 0.0).any()))
        if probability <= self.max_gap_probability:
            return {}
        text = (
            f"with a multiplier of {multiplier:.4g} at a volatility of {volatility:.4g} and "
            f"{self.rebalances_per_year:.6g} rebalances a year a gap goes through the floor with probability "
            f"{probability:.3g} a year; sizing.max_gap_probability is {self.max_gap_probability:g}: raise gap_sigmas, "
            "lower the multiplier or rebalance more often"
        )
        return dict.fromkeys(np.flatnonzero(rows).tolist(), text)

    def remarks(self, columns: SizingColumns, weights: Floats) -> tuple[str, ...]:
        """Why nothing is held, where the floor is reached."""
        floor = self.next_floor(columns)
        locked = columns.equity <= floor
        text = f"cash_locked: the equity of {columns.equity:.10g} is not above the floor of {floor:.10g}"
        asked = columns.sizable & (columns.live | (columns.current != 0.0))
        return tuple(text if locked and row else "" for row in asked.tolist())

    def survival(self, columns: SizingColumns, weights: Floats) -> Survival:
        """Probability that a gap of the coming year goes through the floor.

        At the larger of the multiplier as targeted and the one that the exposure returns to as the cushion shrinks.
        """
        share, gross = self.next_floor(columns) / columns.equity, float(np.abs(weights).sum())
        if share >= 1.0:
            return self._prospect(1.0, None, "no cushion is left")
        if not columns.risk_complete:
            return self._prospect(share, None, "a held position has no known risk")
        probability = 0.0
        if gross > 0.0:
            volatility = columns.portfolio_volatility(weights) / gross
            multiplier = max(gross / (1.0 - share), float(self.multiplier_at(np.array(volatility))))
            probability = self.gap_in_a_year(multiplier, volatility, short=bool((weights < 0.0).any()))
        basis = "gaps of GBM without drift between two rebalances; the drift, and so the growth, is unknown"
        return self._prospect(share, probability, basis)

    def _prospect(self, level: float, probability: float | None, basis: str) -> Survival:
        return Survival(
            method=self.method, level=level, probability=probability, horizon="year", growth_share=None, basis=basis
        )
