"""Realised volatility over target: `python -m tests.evaluation.targets`.

Protocol: position over the next bar = τ/σ, σ as the service answers it from data up to the bar; simple returns; the
first 270 returns are left out; realised = standard deviation of the rest, nothing cut. Rolling years for series of at
least three.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from services.core.explain import Floats
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.path import forecast_path
from services.volatility.registry import Estimator
from tests.evaluation import report
from tests.evaluation.models import ADAPTIVE, pool_paths, rolling_variance
from tests.evaluation.positions import calibrated, held, held_with_frictions, robust_volatility
from tests.evaluation.report import Gate, Grid, number, percent
from tests.evaluation.scores import Hit, hit
from tests.evaluation.series import ENOUGH_SERIES, Group, Series, all_series

OURS, FRICTIONS = "service: adaptive, calibrated", "the same, buffer, lag and lots"
NEAR = 0.02
MEDIAN_MISS, NEAR_SHARE, YEARLY_ERROR = 0.01, 0.80, 0.05


@dataclass(frozen=True, slots=True)
class Result:
    """How each way of forecasting met the target on one series."""

    series: Series
    hits: dict[str, Hit]


def measure(series: Series) -> Result:
    """Meet the target with every model."""
    volatility = served(series)
    hits = {OURS: hit(series, held(series, volatility))}
    frictions, turnover = held_with_frictions(series, volatility)
    hits[FRICTIONS] = hit(series, frictions, turnover)
    hits |= {name: hit(series, held(series, model(series))) for name, model in PEERS.items()}
    return Result(series, hits)


def served(series: Series, estimator: Estimator | None = None) -> Floats:
    """Volatility that the service answers with after each return [per bar]: feed rules, calibration and floor included.

    Infinite where it refuses: nothing is held.
    """
    volatility = forecast_path(series.posted, estimator or Adaptive()).volatility[1:] / np.sqrt(series.periods)
    return np.where(np.isnan(volatility), np.inf, volatility)


def _ewma(series: Series) -> Floats:
    return np.sqrt(Ewma().variance_path(series.moves)[0])


PEERS: dict[str, Callable[[Series], Floats]] = {
    "adaptive, k = 1": lambda series: np.sqrt(pool_paths(series)[ADAPTIVE]),
    "EWMA 20": _ewma,
    "EWMA 20, calibrated": lambda series: calibrated(series, _ewma(series) ** 2),
    "pysystemtrade robust": lambda series: robust_volatility(series.simple_returns),
    "rolling 63": lambda series: np.sqrt(rolling_variance(series.log_returns**2, 63)),
}


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one way over some series."""

    count: int
    median_miss: float
    near_share: float
    yearly_error: float


def summary(results: Sequence[Result], name: str) -> Summary:
    """Median |realised/target − 1|, share of the series within 2 %, median yearly error."""
    misses = np.array([abs(result.hits[name].miss) for result in results])
    yearly = [value for result in results if (value := result.hits[name].yearly_error) == value]
    error = float(np.median(yearly)) if yearly else float("nan")
    return Summary(misses.size, float(np.median(misses)), float(np.mean(misses <= NEAR)), error)


def parts_of(results: Sequence[Result]) -> dict[str, list[Result]]:
    """All series, and each group."""
    groups = {str(group): [result for result in results if result.series.group is group] for group in Group}
    return {"all": list(results), **{name: members for name, members in groups.items() if members}}


def summary_grid(results: Sequence[Result]) -> Grid:
    """Medians over groups of series."""
    rows = []
    for part, members in parts_of(results).items():
        for name in members[0].hits:
            found = summary(members, name)
            figures = [percent(found.median_miss), percent(found.near_share, 0), percent(found.yearly_error)]
            rows.append([part, name, str(found.count), *figures])
    columns = ["series", "volatility", "n", "median |miss| %", "within 2 %, %", "median 1-year RMSE %"]
    return Grid("Realised volatility over target", columns, rows)


def series_grid(results: Sequence[Result]) -> Grid:
    """Miss of every way on every series."""
    names = list(results[0].hits)
    rows = []
    for result in results:
        ours, frictions = result.hits[OURS], result.hits[FRICTIONS]
        misses = [percent(result.hits[name].miss) for name in names]
        more = [percent(ours.yearly_error), percent(frictions.yearly_error), number(frictions.turnover, 1)]
        rows.append([result.series.name, str(result.series.group), str(result.series.close.size), *misses, *more])
    columns = ["series", "group", "bars", *names, "1-year RMSE", "with frictions", "turnover"]
    return Grid(
        "Realised over target − 1, %; the last three columns are of the service, turnover a year", columns, rows
    )


def miss_grid(results: Sequence[Result]) -> Grid:
    """Series beyond 2 %, and what their largest bar has to do with it."""
    rows = []
    for name in (OURS, FRICTIONS):
        for result in results:
            found = result.hits[name]
            if abs(found.miss) > NEAR:
                without = (1.0 + found.miss) * np.sqrt(1.0 - found.largest_share) - 1.0
                figures = [percent(found.miss), percent(found.largest_share, 1), percent(without)]
                rows.append([result.series.name, name, *figures])
    columns = ["series", "way", "miss %", "largest bar, % of Σz²", "miss % without it"]
    return Grid("Series beyond 2 %, each with the share of its largest bar", columns, rows)


def gates_of(results: Sequence[Result]) -> list[Gate]:
    """Goals for the calibrated adaptive forecast over all series."""
    plain, rough, few = summary(results, OURS), summary(results, FRICTIONS), len(results) < ENOUGH_SERIES
    return [
        Gate("median |realised/target − 1|", plain.median_miss, most=MEDIAN_MISS),
        Gate("share of series within 2 %", plain.near_share, least=NEAR_SHARE, goal=few),
        Gate("median 1-year RMSE", plain.yearly_error, most=YEARLY_ERROR),
        Gate("median with buffer, lag and lots", rough.median_miss, most=MEDIAN_MISS),
        Gate("share within 2 % with buffer, lag and lots", rough.near_share, least=NEAR_SHARE, goal=few),
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Measure, show, and answer whether every goal is met."""
    options = report.arguments(__doc__ or "").parse_args(words)
    results = [measure(one) for one in report.followed(all_series(), "targeting", quiet=options.json)]
    gates = gates_of(results)
    figures = {
        "series": {
            result.series.name: {
                "group": result.series.group,
                "hits": {name: asdict(found) for name, found in result.hits.items()},
            }
            for result in results
        },
        "summary": {
            part: {name: asdict(summary(members, name)) for name in members[0].hits}
            for part, members in parts_of(results).items()
        },
        "gates": [{**asdict(gate), "held": gate.held} for gate in gates],
    }
    grids = [summary_grid(results), miss_grid(results), series_grid(results)]
    return report.present(options, "targets", grids, gates, figures)


if __name__ == "__main__":
    sys.exit(main())
