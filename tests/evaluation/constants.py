"""Other constants of the adaptive pool: `python -m tests.evaluation.constants` (`--all` adds the hold-out).

The constants are those of the specification; this shows how flat the optimum is around them, on the series with ranges.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from services.volatility import pool
from tests.evaluation import report
from tests.evaluation.models import ADAPTIVE, PEERS, pool_paths
from tests.evaluation.report import Grid, number
from tests.evaluation.scores import score
from tests.evaluation.series import DAY, Group, Series, all_series

VARIANTS: dict[str, dict[str, float]] = {
    "as specified: rate .01, share .0005, cap 15": {},
    "learning rate .003": {"LEARNING_RATE": 0.003},
    "learning rate .005": {"LEARNING_RATE": 0.005},
    "learning rate .02": {"LEARNING_RATE": 0.02},
    "learning rate .03": {"LEARNING_RATE": 0.03},
    "share 0": {"SHARE": 0.0},
    "share .002": {"SHARE": 0.002},
    "cap of surprises 8": {"SURPRISE_CAP": 8.0},
    "cap of surprises 25": {"SURPRISE_CAP": 25.0},
    "cap of surprises 50": {"SURPRISE_CAP": 50.0},
}


@contextmanager
def changed(values: dict[str, float]) -> Iterator[None]:
    """The pool with other constants."""
    before = {name: getattr(pool, name) for name in values}
    try:
        for name, value in values.items():
            setattr(pool, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(pool, name, value)


def compare(members: Sequence[Series], title: str) -> Grid:
    """QLIKE less EWMA .94 of every variant over some series."""
    base = [score(series, PEERS[0].path(series)).qlike for series in members]
    rows = []
    for name, values in VARIANTS.items():
        with changed(values):
            losses = [score(series, pool_paths(series)[ADAPTIVE]).qlike for series in members]
        gains = np.subtract(losses, base)
        rows.append([name, *[number(float(value)) for value in (np.mean(gains), np.median(gains), np.max(gains))]])
    return Grid(title, ["constants", "mean dQ", "median dQ", "worst dQ"], rows)


def main(words: Sequence[str] | None = None) -> int:
    """Compare on the design series, and on the others where asked."""
    parser = report.arguments(__doc__ or "")
    parser.add_argument("--all", action="store_true", help="the other groups too: for reading, not for choosing")
    options = parser.parse_args(words)
    ranged = [series for series in all_series() if series.ranged]
    grids = []
    for group in Group if options.all else [Group.DESIGN]:
        for name, members in (
            ("daily", [series for series in ranged if series.group is group and series.bar_seconds == DAY]),
            ("hourly", [series for series in ranged if series.group is group and series.bar_seconds < DAY]),
        ):
            if members:
                grids.append(compare(members, f"Constants of the pool, {group}, {name}, {len(members)} series"))
    return report.present(options, "constants", grids, [], [[grid.title, *grid.rows] for grid in grids])


if __name__ == "__main__":
    sys.exit(main())
