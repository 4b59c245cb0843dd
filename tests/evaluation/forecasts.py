"""Table of one-bar forecasts, out of sample, with its gates: `python -m tests.evaluation.forecasts`.

Protocol: log returns; each forecast uses past bars only; the first 1,000 returns (500 of fewer than 2,000) are not
scored; QLIKE = mean of ``ln h + r²/h`` with returns in percent, on squared returns, so that single days weigh much. A
model without a forecast for every scored bar (a first fit that is rejected) has no score.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from services.core.explain import Floats
from services.volatility import calibration, tails
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from tests.evaluation import report
from tests.evaluation.look_ahead import looks_ahead
from tests.evaluation.models import (
    ADAPTIVE,
    ADAPTIVE_CLOSES,
    ADAPTIVE_IMPLIED,
    BASE,
    PEERS,
    RHYTHMIC,
    SERVED,
    pool_paths,
    served_variance,
    with_rhythm,
)
from tests.evaluation.report import Gate, Grid, number, percent
from tests.evaluation.scores import Score, first_scored, score
from tests.evaluation.series import DAY, ENOUGH_SERIES, Group, Series, all_series, implied_series

GATES = {"sp500 1d": 0.700, "nasdaq 1d": 1.095, "wti 1d": 2.530, "vix 1d": 5.22, "sp500 1d 2014-18": 0.2925}
IMPLIED_GATE = 0.287
RESIDUAL_GATE = (0.95, 1.10)
MEAN_GAIN = -0.075
TAIL = 0.01
HIT_GATE = (0.008, 0.012)
LONG_BARS = 1000
"""Scored bars from which "no series is worse" is a gate: below, one bar of a crash decides."""


class Hits(NamedTuple):
    """Returns below the 1 % quantile forecast for them, above the 99 % quantile, and returns tested."""

    below: int
    above: int
    tested: int


@dataclass(frozen=True, slots=True)
class Result:
    """Everything about one series.

    Parameters
    ----------
    scores : dict
        By model.
    experts : dict
        QLIKE of each expert of the pool alone.
    hits : Hits
        Of the 1 % quantile.
    """

    series: Series
    scores: dict[str, Score]
    experts: dict[str, float]
    hits: Hits

    def gain(self, name: str) -> float:
        """QLIKE less that of EWMA .94: negative is better."""
        return self.scores[name].qlike - self.scores[BASE].qlike

    @property
    def ceiling(self) -> tuple[str, float]:
        """The single model or expert that was best in hindsight, and its gain."""
        singles = {name: found.qlike for name, found in self.scores.items() if not name.startswith(ADAPTIVE)}
        known = {name: loss for name, loss in {**singles, **self.experts}.items() if loss == loss}
        name, best = min(known.items(), key=lambda item: item[1])
        return name, best - self.scores[BASE].qlike


def measure(series: Series, *, refits: bool) -> Result:
    """Forecast and score one series with every model."""
    pool = pool_paths(series)
    paths = {ADAPTIVE: pool.pop(ADAPTIVE)}
    experts = {name: score(series, path).qlike for name, path in pool.items()}
    paths[SERVED] = served_variance(series)
    if series.ranged:
        paths[ADAPTIVE_CLOSES] = pool_paths(series, use_range=False)[ADAPTIVE]
    if series.implied is not None:
        paths[ADAPTIVE_IMPLIED] = pool_paths(series, implied=True)[ADAPTIVE]
    paths |= {model.name: model.path(series) for model in PEERS if model.applies(series, refits=refits)}
    forecast = paths[ADAPTIVE]
    if series.rhythmic:
        forecast = paths[RHYTHMIC] = with_rhythm(series, forecast)
    scores = {name: score(series, path) for name, path in paths.items()}
    return Result(series, scores, experts, quantile_hits(series, forecast))


def quantile_hits(series: Series, variance: Floats) -> Hits:
    """How often returns were beyond the quantile ±q k σ of their bar.

    σ, the calibration factor k and the Student-t quantile q are from the bars before it, as the service has them.
    """
    volatility = np.sqrt(variance[:-1])
    plain = series.simple_returns[1:] / volatility
    factors = calibration.path(np.concatenate(([np.nan], plain))[None])[0]
    standardized = series.log_returns[1:] / (volatility * factors[:-1])
    quantiles = tails.quantiles(tails.path(standardized[None]), TAIL)[0]
    scored = slice(first_scored(series) - 1, None)
    tested, bound = standardized[1:][scored], quantiles[:-1][scored]
    return Hits(int((tested < -bound).sum()), int((tested > bound).sum()), tested.size)


def is_daily_range(result: Result) -> bool:
    """Whether it is one of the daily series with open, high and low."""
    return result.series.ranged and result.series.bar_seconds == DAY and not result.series.scored_from


def gates_of(results: Sequence[Result], causal: Sequence[str]) -> list[Gate]:
    """Bounds of the specification."""
    by_name = {result.series.name: result for result in results}
    found = [Gate(f"QLIKE {name}", by_name[name].scores[ADAPTIVE].qlike, most=most) for name, most in GATES.items()]
    implied = by_name["sp500 1d 2014-18"].scores[ADAPTIVE_IMPLIED].qlike
    found.append(Gate("QLIKE sp500 1d 2014-18 with VIX", implied, most=IMPLIED_GATE))
    ranged = [result for result in results if result.series.ranged]
    long = [result for result in ranged if is_long(result)]
    short = [result for result in ranged if not is_long(result)]
    found.append(worst_gain(long, goal=False))
    found += [worst_gain(short, goal=True)] if short else []
    for name in list(GATES)[:-1]:
        found.append(Gate(f"residual rms {name}", by_name[name].scores[ADAPTIVE].residual_rms, *RESIDUAL_GATE))
    hits = pooled(results)
    rate = hits.below / hits.tested
    found.append(Gate("1 % quantile hit rate, pooled", rate, *HIT_GATE, goal=len(results) < ENOUGH_SERIES))
    found.append(Gate("forecasts that look ahead", float(len(causal)), most=0.0))
    gains = [result.gain(ADAPTIVE) for result in results if is_daily_range(result)]
    found.append(Gate("mean dQ, daily with ranges", float(np.mean(gains)), most=MEAN_GAIN, goal=True))
    return found


def is_long(result: Result) -> bool:
    """Whether 1,000 bars or more are scored."""
    return result.scores[ADAPTIVE].bars >= LONG_BARS


def worst_gain(results: Sequence[Result], *, goal: bool) -> Gate:
    """No series with ranges may be worse than EWMA .94."""
    worst = max(results, key=lambda result: result.gain(ADAPTIVE))
    share = worst.scores[ADAPTIVE].largest_share
    size = f"below {LONG_BARS}" if goal else f"from {LONG_BARS}"
    name = f"worst dQ with ranges, {size} bars ({worst.series.name}, largest bar {percent(share, 0)} % of Σz²)"
    return Gate(name, worst.gain(ADAPTIVE), most=0.0, goal=goal)


def pooled(results: Iterable[Result]) -> Hits:
    """Hits of many series together; the part of 2014–18 is not counted twice."""
    return Hits(*np.sum([result.hits for result in results if not result.series.scored_from], axis=0).tolist())


def scores_grid(results: Sequence[Result]) -> Grid:
    """QLIKE per series and model."""
    names = list(dict.fromkeys(name for result in results for name in result.scores))
    rows = []
    for result in results:
        best, ceiling = result.ceiling
        own = result.scores[ADAPTIVE]
        cells = [number(result.scores[name].qlike) if name in result.scores else "" for name in names]
        shown = [str(own.bars), number(own.residual_rms, 3), number(own.largest_share, 3)]
        gains = [number(result.gain(ADAPTIVE)), number(ceiling), best]
        rows.append([result.series.name, str(result.series.group), *cells, *gains, *shown])
    columns = ["series", "group", *names, "dQ adaptive", "dQ ceiling", "best single", "bars", "rms z", "largest z²"]
    return Grid("QLIKE (lower is better); dQ: less EWMA .94; ceiling: the best single one in hindsight", columns, rows)


def summary_grid(results: Sequence[Result]) -> Grid:
    """Gains over groups of series."""
    parts: dict[str, list[Result]] = {
        "daily, ranges": [result for result in results if is_daily_range(result)],
        "daily, ranges, hold-out": [
            result for result in results if is_daily_range(result) and result.series.group is Group.HOLD_OUT
        ],
        "hourly": [result for result in results if result.series.bar_seconds < DAY],
        "all": [result for result in results if not result.series.scored_from],
        "sp500 2014-18": [result for result in results if result.series.scored_from],
    }
    rows = []
    for part, members in parts.items():
        for name in dict.fromkeys(name for result in members for name in result.scores):
            found = [result for result in members if name in result.scores and result.gain(name) == result.gain(name)]
            if not found:
                continue
            gains = np.array([result.gain(name) for result in found])
            level = np.median([result.scores[name].residual_rms for result in found])
            figures = [np.mean(gains), np.median(gains), np.max(gains)]
            rows.append([part, name, str(gains.size), *[number(float(value)) for value in figures], number(level, 3)])
        if members:
            best = np.array([result.ceiling[1] for result in members])
            figures = [np.mean(best), np.median(best), np.max(best)]
            rows.append([part, "ceiling", str(best.size), *[number(float(value)) for value in figures], "–"])
    columns = ["series", "model", "n", "mean dQ", "median dQ", "worst dQ", "median rms z"]
    return Grid("QLIKE less EWMA .94", columns, rows)


def tail_grid(results: Sequence[Result]) -> Grid:
    """Hit rates of the 1 % quantiles."""
    daily = [result for result in results if result.series.bar_seconds == DAY]
    hourly = [result for result in results if result.series.bar_seconds < DAY]
    parts = {"all, pooled": results, "daily, pooled": daily, "hourly, pooled": hourly}
    hits = {name: pooled(members) for name, members in parts.items() if members}
    hits |= {result.series.name: result.hits for result in results}
    rows = []
    for name, found in hits.items():
        rates = [percent(count / found.tested) for count in (found.below, found.above)]
        rows.append([name, str(found.tested), str(found.below), *rates])
    title = (
        "1 % quantile of a Student-t with learnt degrees of freedom: share of returns below it, and above its mirror"
    )
    return Grid(title, ["series", "bars", "below", "below %", "above %"], rows)


def looking_ahead(series: Sequence[Series]) -> list[str]:
    """Forecasts that change when the future is scrambled: must be empty."""
    rng = np.random.default_rng(20_260_000)
    found = []
    for one in series:
        moves = one.moves
        cuts = [int(part * moves.shape[1]) for part in (0.01, 0.3, 0.7, 0.99)]
        for estimator in (Adaptive(), Ewma()):
            found += [f"{one.name} {estimator.method} {cut}" for cut in looks_ahead(estimator, moves, cuts, rng)]
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Measure, show, and answer whether every gate is held."""
    parser = report.arguments(__doc__ or "")
    parser.add_argument("--refits", action="store_true", help="GARCH-t and GJR-t too, refitted every 250 bars")
    options = parser.parse_args(words)
    series = [*all_series(), implied_series()]
    followed = report.followed(series, "forecasting", quiet=options.json)
    results = [measure(one, refits=options.refits) for one in followed]
    causal = looking_ahead([one for one in series if one.name in GATES])
    gates = gates_of(results, causal)
    figures = {
        "series": {
            result.series.name: {
                "group": result.series.group,
                "scores": {name: asdict(found) for name, found in result.scores.items()},
                "experts": result.experts,
                "ceiling": result.ceiling,
                "quantile_hits": result.hits._asdict(),
            }
            for result in results
        },
        "gates": [{**asdict(gate), "held": gate.held} for gate in gates],
        "look_ahead": causal,
    }
    grids = [summary_grid(results), scores_grid(results), tail_grid(results)]
    return report.present(options, "forecasts", grids, gates, figures)


if __name__ == "__main__":
    sys.exit(main())
