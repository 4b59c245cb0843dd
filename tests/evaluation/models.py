"""Forecasts that are compared: ours, the usual ones, and those that are refitted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.core.explain import Floats
from services.volatility import hour_of_day
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.estimators.garman_klass import GarmanKlass
from services.volatility.estimators.har import Har
from services.volatility.estimators.interface import VarianceModel
from services.volatility.estimators.riskmetrics2006 import RiskMetrics2006
from services.volatility.estimators.stochastic import Stochastic
from services.volatility.estimators.yang_zhang import YangZhang
from services.volatility.fitting import Fit, FitChoice, FittedModel, ModelName, fit
from services.volatility.path import forecast_path
from services.volatility.pool import IMPLIED, LAYOUTS, RANGED, REGRESSED, advance_pool, first_memory
from tests.evaluation.series import Series

REFIT_EVERY, REFIT_WINDOW = 250, 5000
BASE = "EWMA .94"
ADAPTIVE, ADAPTIVE_CLOSES, ADAPTIVE_IMPLIED = "adaptive", "adaptive, closes", "adaptive + VIX"
SERVED, RHYTHMIC = "adaptive, as served", "adaptive, hour of day"
EXPERTS = ("r4", "r16", "r64", "r256", "r1024", "a4", "a16", "v1", "v4", "v16", "v64", "va1", "va4")


def burn_in(returns: int) -> int:
    """Returns before the first one that is scored: 1,000, or 500 of fewer than 2,000."""
    return 1000 if returns >= 2000 else 500


def half_life_of(decay: float) -> float:
    """Half-life of an average with λ = `decay` [bars]."""
    return math.log(0.5) / math.log(decay)


def pool_paths(series: Series, *, use_range: bool = True, implied: bool = False) -> dict[str, Floats]:
    """Forecasts of the adaptive pool and of each of its experts after each return, (n − 1,) each.

    Bar by bar, as a state is fed: one market is faster so than in columns. An implied volatility that begins later than
    the series has its place in the pool from the first bar on.
    """
    ranged = use_range and series.ranged
    memory = first_memory(RANGED * ranged + REGRESSED * ranged + IMPLIED * implied)
    layout = LAYOUTS[int(memory[1])]
    rows = []
    for move in series.moves.row(0):
        memory = advance_pool(memory, move)
        rows.append((memory[2], *memory[layout.forecasts]))
    experts = [
        *EXPERTS[: len(layout.half_lives)],
        *["log-HAR"] * bool(layout.regression.stop - layout.regression.start),
    ]
    names = [ADAPTIVE, *experts, *["VIX"] * implied]
    return dict(zip(names, np.array(rows).T, strict=True))


def rolling_variance(squares: Floats, window: int) -> Floats:
    """Mean of the last `window` squares; of all of them before there are so many."""
    sums = np.concatenate(([0.0], np.cumsum(squares)))
    count = np.minimum(np.arange(1, squares.size + 1), window)
    return np.asarray((sums[1:] - sums[np.arange(1, sums.size) - count]) / count)


def refitted(series: Series, model: ModelName) -> Floats:
    """Student-t filter, refitted on the last 5,000 returns every 250 bars, each time from the former parameters."""
    returns, moves = series.log_returns, series.moves
    found, known = np.full(returns.size, np.nan), None
    choice = FitChoice(model=model, procedure="variance_targeted")
    for until in range(burn_in(returns.size), returns.size, REFIT_EVERY):
        known = _newer(fit(returns[max(until - REFIT_WINDOW, 0) : until], choice, known), known)
        part = slice(until - 1, until - 1 + REFIT_EVERY)
        if known is not None:
            found[part] = known.estimator.variance_path(moves)[0, part]
    return found


def _newer(result: object, former: FittedModel | None) -> FittedModel | None:
    return result.model if isinstance(result, Fit) else former


@dataclass(frozen=True, slots=True)
class Model:
    """A forecast to compare with; `slow` ones refit and are made on demand, `ranged` ones need open, high and low."""

    name: str
    path: Callable[[Series], Floats]
    slow: bool = False
    ranged: bool = False

    def applies(self, series: Series, *, refits: bool) -> bool:
        """Whether it is asked for here."""
        return (refits or not self.slow) and (series.ranged or not self.ranged)


def _of(estimator: VarianceModel) -> Callable[[Series], Floats]:
    return lambda series: estimator.variance_path(series.moves)[0]


def _rolling(window: int) -> Callable[[Series], Floats]:
    return lambda series: rolling_variance(series.log_returns**2, window)


def _har(form: Literal["level", "log"]) -> Callable[[Series], Floats]:
    def path(series: Series) -> Floats:
        week, month = (7, 30) if series.calendar.continuous else (5, 22)
        return Har(form=form, week=week, month=month).variance_path(series.moves)[0]

    return path


def served_variance(series: Series) -> Floats:
    """What the service forecasts after each return, before calibration and floor; NaN where it refuses."""
    return forecast_path(series.posted, Adaptive()).forecast[1:] ** 2 / series.periods


def with_rhythm(series: Series, variance: Floats) -> Floats:
    """Forecasts after each return times the factor of the hour in which the next bar opens."""
    ratios = np.concatenate(([np.nan], series.log_returns[1:] ** 2 / variance[:-1]))
    close_at = series.bar_seconds * np.arange(1.0, ratios.size + 2.0)
    known = np.append(ratios, np.nan)
    return variance * hour_of_day.factor_path(close_at[None], series.bar_seconds, known[None])[0, 1:]


PEERS = (
    Model(BASE, _of(Ewma(half_life=half_life_of(0.94)))),
    Model("EWMA .97", _of(Ewma(half_life=half_life_of(0.97)))),
    Model("EWMA half-life 20", _of(Ewma())),
    Model("RiskMetrics 2006", _of(RiskMetrics2006())),
    Model("rolling 21", _rolling(21)),
    Model("rolling 63", _rolling(63)),
    Model("HAR, level", _har("level")),
    Model("HAR, log", _har("log")),
    Model("Garman–Klass 20", _of(GarmanKlass()), ranged=True),
    Model("Yang–Zhang 20", _of(YangZhang()), ranged=True),
    Model("stochastic", _of(Stochastic())),
    Model("GARCH-t", lambda series: refitted(series, "garch"), slow=True),
    Model("GJR-t", lambda series: refitted(series, "gjr_garch"), slow=True),
)
