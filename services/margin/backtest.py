"""A margin model walked through the past: what it asked at each close, and what was lost until it could act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.margin.coverage import Coverage, judge
from services.margin.filtered_returns import (
    FIRST_RETURNS,
    ewma_variances,
    losses_of,
    windows,
)
from services.margin.horizon import DAYS_PER_YEAR
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.procyclicality import (
    STRESS_BARS,
    AntiProcyclicality,
    Procyclicality,
    procyclicality,
    stress_windows,
)
from services.margin.registry import MarginModel, measure_of
from services.margin.stress_tails import LONG_RUN_YEARS, long_run_tail, long_run_volatility, stressed_tail
from services.margin.view import MarginView
from services.risk.tails import expected_shortfall_multiple, quantile_multiple

Side = Literal["long", "short"]
SIDES: dict[Side, int] = {"long": 1, "short": -1}
SHARE_BEYOND_SHORTFALL = 0.4
"""Part of the tail of α that lies beyond its expected shortfall: 0.39 for a normal law at 97.5 %, and by convention the
expected shortfall of 97.5 % stands for a value at risk of 99 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRules:
    """How a margin model is walked and judged.

    Parameters
    ----------
    horizon_bars : int
        Bars that a loss runs for; the model's own horizon is set to it.
    warm_up_bars : int
        Returns before the first margin that is judged, >= 60.
    expected_rate : float, optional
        Breaches an observation, as they should be; by default 1 − α for a value at risk, 0.4 (1 − α) for an expected
        shortfall.
    significance : float
        Of the verdict.
    rules : AntiProcyclicality
        Applied to each side.
    """

    horizon_bars: int = 1
    warm_up_bars: int = 250
    expected_rate: float | None = None
    significance: float = 0.05
    rules: AntiProcyclicality = AntiProcyclicality()

    def __post_init__(self) -> None:
        if self.horizon_bars < 1:
            raise InvalidInput("horizon_bars", "must be >= 1", self.horizon_bars)
        if self.warm_up_bars < FIRST_RETURNS:
            raise InvalidInput("warm_up_bars", f"must be >= {FIRST_RETURNS}", self.warm_up_bars)


class SideResult(NamedTuple):
    """One side of a walk.

    Parameters
    ----------
    margin : (n + 1,) array
        Rate asked at each close [fraction of notional]; NaN where the model says nothing.
    at : (m,) array of int
        Closes whose margin was judged, a horizon apart, so that no loss is counted twice.
    losses : (m,) array
        Loss over the horizon from each of them [fraction of notional].
    hits : (m,) bool array
        Losses beyond their margin.
    coverage : Coverage
    movement : Procyclicality or None
        Of the margin from the first judged close on; None where it is not always above 0.
    """

    margin: Floats
    at: NDArray[np.intp]
    losses: Floats
    hits: Bools
    coverage: Coverage
    movement: Procyclicality | None

    @property
    def mean_excess(self) -> float:
        """Mean loss beyond the margin of the breaches [fraction of notional]; 0 without one."""
        return float((self.losses - self.margin[self.at])[self.hits].mean()) if self.hits.any() else 0.0


@dataclass(frozen=True, slots=True)
class MarginWalk:
    """A margin on both sides."""

    long: SideResult
    short: SideResult

    @property
    def sides(self) -> dict[Side, SideResult]:
        """By name."""
        return {"long": self.long, "short": self.short}


def backtest_margin(
    returns: Floats,
    model: MarginModel,
    *,
    periods_per_year: float,
    volatility: Floats | None = None,
    how: BacktestRules = BacktestRules(),
    comparisons: bool = True,
    advance: Callable[[int], None] = lambda done: None,
) -> dict[str, MarginWalk]:
    """Walk a model, and beside it a normal law with EWMA volatility and plain historical simulation.

    Parameters
    ----------
    returns : (n,) array
        Finite log returns a bar, oldest first.
    model : MarginModel
        Its `horizon_days` is set to `how.horizon_bars`.
    periods_per_year : float
        Bars a year.
    volatility : (n + 1,) array, optional
        Volatility forecast at each close, made of the returns before it [annual]; needed by models that read it.
    advance : callable
        Told how many of up to four parts of the walk are done.

    Returns
    -------
    dict
        ``model``; ``model_without_rules`` where rules against procyclicality are on; ``normal_ewma`` and
        ``plain_historical`` with `comparisons`.

    Raises
    ------
    InvalidInput
        If a return is not finite, a volatility is missing, or nothing is left to judge.

    Notes
    -----
    The margin at a close depends on the returns up to it and on nothing later. Stress period and long-run floor are
    taken from the returns so far, for every kind of model: the stressed margin is the tail of the worst 250 returns as
    they were, the floor that of the standardised returns at the volatility of up to ten years.

    Examples
    --------
    >>> returns = 0.02 * np.sin(np.arange(1.0, 601.0) ** 2)
    >>> walks = backtest_margin(returns, FilteredHistorical(), periods_per_year=365.0)
    >>> sorted(walks), walks["model"].long.coverage.observations
    (['model', 'normal_ewma', 'plain_historical'], 350)
    """
    if returns.ndim != 1 or not np.isfinite(returns).all():
        raise InvalidInput("returns", "must be a list of finite numbers", "NaN or infinity")
    horizon_days = how.horizon_bars * DAYS_PER_YEAR / periods_per_year
    model = replace(model, horizon_days=horizon_days)
    rates = _model_path(model, returns, periods_per_year, volatility)
    expected = expected_rate(model) if how.expected_rate is None else how.expected_rate
    advance(1)
    walks = {"model": _walk(returns, _with_rules(rates, model, returns, how), expected, how)}
    advance(2)
    if how.rules.active:
        walks["model_without_rules"] = _walk(returns, rates, expected, how)
    if comparisons:
        walks["normal_ewma"] = _walk(returns, _normal_path(model, returns, how.horizon_bars), expected, how)
        advance(3)
        walks["plain_historical"] = _walk(returns, _plain_path(model, returns, periods_per_year), expected, how)
    advance(4)
    return walks


def expected_rate(model: MarginModel) -> float:
    """Breaches an observation that a right margin has.

    Examples
    --------
    >>> expected_rate(FilteredHistorical()), expected_rate(FilteredHistorical(measure="value_at_risk", alpha=0.99))
    (0.01, 0.01)
    """
    share = SHARE_BEYOND_SHORTFALL if measure_of(model) == "expected_shortfall" else 1.0
    # 1 − 0.975 is 0.025 and a rounding error, which a reader need not see.
    return round(share * (1.0 - model.alpha), 15)


def _model_path(
    model: MarginModel, returns: Floats, periods: float, volatility: Floats | None
) -> tuple[Floats, Floats]:
    """Rates of the model alone at each close, no other rung of the ladder."""
    if isinstance(model, FilteredHistorical):
        return model.rates_path(returns, periods)
    if volatility is None or volatility.size != returns.size + 1:
        found = None if volatility is None else volatility.size
        raise InvalidInput("volatility", "must hold one forecast for each close", found)
    return model.rates(MarginView.of(np.where(volatility > 0.0, volatility, np.nan)))


def _normal_path(model: MarginModel, returns: Floats, bars: int) -> tuple[Floats, Floats]:
    """The same figure of a normal law whose variance is the exponential average of squares, λ = 0.97."""
    shortfall = measure_of(model) == "expected_shortfall"
    multiple = (expected_shortfall_multiple if shortfall else quantile_multiple)("normal", model.alpha)
    moves = multiple * np.sqrt(bars * ewma_variances(returns, FilteredHistorical().decay))
    moves[:FIRST_RETURNS] = np.nan
    return losses_of(-moves, 1), losses_of(moves, -1)


def _plain_path(model: MarginModel, returns: Floats, periods: float) -> tuple[Floats, Floats]:
    """The same figure of the returns as they were."""
    own = model if isinstance(model, FilteredHistorical) else FilteredHistorical(alpha=model.alpha)
    return replace(own, scaling="none", horizon_days=model.horizon_days).rates_path(returns, periods)


def _with_rules(
    rates: tuple[Floats, Floats], model: MarginModel, returns: Floats, how: BacktestRules
) -> tuple[Floats, Floats]:
    rules, periods = how.rules, how.horizon_bars * DAYS_PER_YEAR / model.horizon_days
    if not rules.active:
        return rates
    nothing = (None, None)
    stressed = stressed_path(returns, model, how.horizon_bars) if rules.stress_weight > 0.0 else nothing
    floors = long_run_path(returns, model, how.horizon_bars, periods) if rules.long_run_floor else nothing
    long, short = (
        rules.path(rate, stressed=stress, floor=floor)
        for rate, stress, floor in zip(rates, stressed, floors, strict=True)
    )
    return long, short


def stressed_path(returns: Floats, model: MarginModel, bars: int) -> tuple[Floats, Floats]:
    """Tail of the worst 250 returns so far, unscaled, at each close; before 250 of all so far, NaN before 60."""
    long, short = np.full((2, returns.size + 1), np.nan)
    ends = stress_windows(returns)
    for end in np.unique(ends[FIRST_RETURNS:]).tolist():
        here, worst = ends == end, returns[max(end - STRESS_BARS, 0) : end]
        long[here], short[here] = stressed_tail(worst, bars, model.alpha, measure_of(model))
    return long, short


def long_run_path(returns: Floats, model: MarginModel, bars: int, periods_per_year: float) -> tuple[Floats, Floats]:
    """Tail of the standardised returns at the volatility of up to ten years so far, at each close; NaN before 60."""
    long, short = np.full((2, returns.size + 1), np.nan)
    if returns.size < FIRST_RETURNS:
        return long, short
    own = model if isinstance(model, FilteredHistorical) else FilteredHistorical()
    volatilities = np.sqrt(ewma_variances(returns, own.decay))[:-1]
    long_run = long_run_volatility(returns, round(LONG_RUN_YEARS * periods_per_year))
    for ends, (past, volatility) in windows((returns, volatilities), own.lookback, FIRST_RETURNS):
        tail = long_run_tail(past, volatility, long_run[ends], bars, model.alpha, measure_of(model))
        long[ends], short[ends] = tail
    return long, short


def _walk(returns: Floats, rates: tuple[Floats, Floats], expected: float, how: BacktestRules) -> MarginWalk:
    long, short = (_side(returns, rate, side, expected, how) for rate, side in zip(rates, SIDES.values(), strict=True))
    return MarginWalk(long, short)


def _side(returns: Floats, margin: Floats, side: int, expected: float, how: BacktestRules) -> SideResult:
    at = np.arange(how.warm_up_bars, returns.size - how.horizon_bars + 1, how.horizon_bars)
    at = at[np.isfinite(margin[at])]
    if at.size < 2:
        rule = f"must leave at least 2 margins to judge after {how.warm_up_bars} bars"
        raise InvalidInput("returns", rule, returns.size, "send more bars, or lower warm_up_bars or min_returns")
    levels = np.concatenate([[0.0], np.cumsum(returns)])
    path, losses = margin[at[0] :], losses_of(levels[at + how.horizon_bars] - levels[at], side)
    hits = losses > margin[at]
    return SideResult(
        margin=margin,
        at=at,
        losses=losses,
        hits=hits,
        coverage=judge(hits, expected, how.significance),
        movement=procyclicality(path) if np.nanmin(path) > 0.0 else None,
    )
