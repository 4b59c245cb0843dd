"""How the calibration was chosen, on design series: `python -m tests.evaluation.choices` (`--all` adds the hold-out).

Every candidate is written out here, slowly: a ratio of averages with pseudo-observations that stay or fade, and the
integrated error of `services.volatility.calibration` with other half-lives, bounds, and z from logarithms.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from services.core.explain import Floats
from tests.evaluation import report
from tests.evaluation.models import ADAPTIVE, pool_paths
from tests.evaluation.positions import held
from tests.evaluation.report import Grid, number, percent
from tests.evaluation.scores import hit, score
from tests.evaluation.series import Group, Series, all_series

WARM_UP, TRUSTED, CAP = 19, 126, 200.0
Rule = Callable[[Floats], Floats]


def ratio(z: Floats, half_life: float, *, pseudo: float = 60.0, fades: bool) -> Floats:
    """``k² = (Σ λ^age min(z², 200) + p) / (Σ λ^age + p)``, p constant or fading with λ."""
    decay, total, weight, factors = 2.0 ** (-1.0 / half_life), 0.0, 0.0, np.ones(z.size)
    for place in range(WARM_UP, z.size):
        total, weight = decay * total + min(z[place] ** 2, CAP), decay * weight + 1.0
        pseudo *= decay if fades else 1.0
        factors[place] = math.sqrt((total + pseudo) / (weight + pseudo))
    return bounded(factors)


def integrated(z: Floats, half_life: float, *, most: float = 1.0, cap: float = CAP) -> Floats:
    """``c ← clip(c + g (min(z²/k², cap) − 1), −0.3, most)``, k = 1 + c."""
    gain, correction, factors = (1.0 - 2.0 ** (-1.0 / half_life)) / 2.0, 0.0, np.ones(z.size)
    for place in range(WARM_UP, z.size):
        k = bounded_one(factors[place - 1], place - 1)
        correction = min(max(correction + gain * (min(z[place] ** 2 / k**2, cap) - 1.0), -0.3), most)
        factors[place] = 1.0 + correction
    return bounded(factors)


def bounded_one(factor: float, place: int) -> float:
    """Within 0.7 and 1.6, and not below 1 before 126 z's."""
    return min(max(factor, 1.0 if place - WARM_UP + 1 < TRUSTED else 0.7), 1.6)


def bounded(factors: Floats) -> Floats:
    """`bounded_one` of each."""
    return np.array([bounded_one(factor, place) for place, factor in enumerate(factors.tolist())])


def rules() -> dict[str, tuple[Rule, bool]]:
    """Candidates by name, and whether z is made of simple returns."""
    found: dict[str, tuple[Rule, bool]] = {
        "k = 1": (lambda z: np.ones(z.size), True),
        "ratio 126, 60 that stay, logs": (partial(ratio, half_life=126.0, fades=False), False),
    }
    for half_life in (63.0, 126.0, 252.0):
        found[f"ratio {half_life:g}, 60 that fade, logs"] = (partial(ratio, half_life=half_life, fades=True), False)
    for half_life in (32.0, 63.0, 80.0, 100.0, 126.0, 252.0):
        found[f"integrated {half_life:g}"] = (partial(integrated, half_life=half_life), True)
    found["integrated 80, logs"] = (partial(integrated, half_life=80.0), False)
    found["integrated 80, nothing above 1.6 remembered"] = (partial(integrated, half_life=80.0, most=0.6), True)
    found["integrated 80, cap 50"] = (partial(integrated, half_life=80.0, cap=50.0), True)
    return found


def compare(members: Sequence[Series], title: str) -> Grid:
    """Every candidate over some series."""
    forecasts = [pool_paths(series)[ADAPTIVE] for series in members]
    rows = []
    for name, (rule, simple) in rules().items():
        misses, yearly, costs = [], [], []
        for series, variance in zip(members, forecasts, strict=True):
            returns = series.simple_returns if simple else series.log_returns
            z = np.concatenate(([1.0], returns[1:] / np.sqrt(variance[:-1])))
            factors = rule(z)
            found = hit(series, held(series, np.sqrt(variance) * factors))
            misses.append(found.miss)
            yearly.append(found.yearly_error)
            costs.append(score(series, variance * factors**2).qlike - score(series, variance).qlike)
        figures = [percent(float(np.median(np.abs(misses)))), percent(float(np.nanmedian(yearly)))]
        near = percent(float(np.mean(np.abs(misses) <= 0.02)), 0)
        each = [" ".join(percent(miss) for miss in misses)] if len(members) <= 4 else []
        rows.append([name, *figures, near, number(float(np.median(costs))), *each])
    columns = ["calibration", "median |miss| %", "median 1-year RMSE %", "within 2 %, %", "median QLIKE added"]
    return Grid(title, [*columns, *["miss % of each"] * (len(members) <= 4)], rows)


def main(words: Sequence[str] | None = None) -> int:
    """Compare on the design series, and on the others where asked."""
    parser = report.arguments(__doc__ or "")
    parser.add_argument("--all", action="store_true", help="the other groups too: for reading, not for choosing")
    options = parser.parse_args(words)
    every = all_series()
    grids = []
    for group in Group if options.all else [Group.DESIGN]:
        if members := [series for series in every if series.group is group]:
            grids.append(compare(members, f"Calibrations on {group}, {len(members)} series, first {members[0].name}"))
    return report.present(options, "choices", grids, [], [grid.rows for grid in grids])


if __name__ == "__main__":
    sys.exit(main())
