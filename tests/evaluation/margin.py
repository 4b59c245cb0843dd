"""How often margins are breached, and how they move: `python -m tests.evaluation.margin`.

Protocol: every daily series of 800 bars or more (four of the `arch` package; those beside the repository where they are
there), long and short, one day ahead; the first 500 returns only warm up. A margin at a close is made of the returns up
to it. Nothing is fitted to these series: constants are those of the specification. Expected shortfall of 97.5 % stands
for a value at risk of 99 %: one breach in a hundred. Coins move together, and some markets are there twice from two
sources: the series are fewer independent tests than their number. Blamed: sides whose breaches are too many at 5 %,
one-sided; too few cost capital, and are shown as over-covered. Frontier: the default at other confidences and in
multiples of its margin; liquidated: a loss that leaves an account that held exactly the margin with less than 60 % of
it. `--write` puts the tables into docs/measurements/margin.md, and draws its picture.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from app.commands.margin_frontier_plot import draw
from services.margin.backtest import BacktestRules, MarginWalk, backtest_margin
from services.margin.frontier import FrontierPoint, margin_frontier
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.procyclicality import AntiProcyclicality
from tests.evaluation.report import Gate, Grid, gate_grid
from tests.evaluation.series import DAY, ENOUGH_SERIES, Series, all_series

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "margin.md"
PICTURE = DOCUMENT.parents[1] / "images" / "margin_frontier.png"
WARM_UP, LEAST_BARS = 500, 800
LEAST_RATE, MOST_RATE, MOST_SWING = 0.005, 0.0125, 5.0
"""Of the default: breaches pooled over all series, and the median of the largest over the smallest margin."""
MODEL = "half, 1,000 (default)"
MODELS: dict[str, FilteredHistorical] = {
    MODEL: FilteredHistorical(),
    "half, 250 (lean)": FilteredHistorical(profile="lean"),
    "full, 1,000 (reactive)": FilteredHistorical(profile="reactive"),
}
RULES: dict[str, AntiProcyclicality] = {
    "default, buffer 25 %": AntiProcyclicality(buffer=0.25),
    "default, stress 25 %": AntiProcyclicality(stress_weight=0.25),
    "default, stress 25 % and floor": AntiProcyclicality(stress_weight=0.25, long_run_floor=True),
    "default, release 3 %": AntiProcyclicality(release=0.03),
}
COMPARED = {"normal_ewma": "normal law, EWMA .97", "plain_historical": "plain historical, 1,000"}

FRONTIER_SERIES = ("sp500 1d", "SPY 1d", "BTC 1d Yahoo", "ETH 1d Yahoo")
"""Markets of the frontier; the picture shows the first of the stocks and the first of the coins that are there."""
CONFIDENCES, MULTIPLIERS = (0.9, 0.95, 0.99, 0.995), (0.6, 0.8, 1.25, 1.5, 2.0)

READING = (
    "How to read it: a normal law is breached far too often. Of the others full scaling moves most, plain historical",
    "simulation least; that one asks the most on average and is the only one of them that is blamed at all. Half",
    "scaling lies between. The window of 250 comes nearest to one breach in a hundred and asks less; that of 1,000 is",
    "steadier. On about a third of the sides breaches follow breaches under any model (clustered: Christoffersen at",
    "5 %). Buffer, stress weight and floor buy fewer breaches and smaller rises with a higher margin in all weathers;",
    "stress weight and floor together leave 3 of 40 sides clustered where the default alone has 15. A release speed of",
    "3 % a day changes nothing here: the default hardly ever falls faster than that by itself.",
)


FRONTIER_READING = (
    "How to read it: confidence and size are nearly the same knob. Multiples of the default margin lie on the curve",
    "of the confidences within their intervals; only far out a multiple is a little cheaper (Bitcoin: 1.5 times the",
    "margin asks less than α 0.995 and was breached less often, with intervals that overlap). From α 0.975 to 0.99",
    "Bitcoin asks 30 % more, and breaches fall from 0.72 to 0.28 %. An account that holds exactly the margin at a",
    "close loses so much by the next that it is liquidated on 8 to 12 % of days: initial margin pays for losses",
    "beyond an account, not against liquidation. Hollow points of the picture are beaten by another. Nothing here",
    "says which point is the right one, and losses within a day are not seen.",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One margin on one side of one series."""

    margin: str
    series: str
    side: str
    observations: int
    breaches: int
    verdict: str
    clustered: bool
    peak_to_trough: float
    max_rise: float
    mean: float


def rows_of(series: Iterable[Series]) -> Iterator[list[Row]]:
    """Rows of every margin on each series."""
    for item in series:
        rows: list[Row] = []
        for name, model in MODELS.items():
            walks = _walks(item, model, AntiProcyclicality(), comparisons=name == MODEL)
            rows += _rows(name, item, walks["model"])
            rows += [row for key, title in COMPARED.items() if key in walks for row in _rows(title, item, walks[key])]
        for name, rules in RULES.items():
            rows += _rows(name, item, _walks(item, MODELS[MODEL], rules, comparisons=False)["model"])
        yield rows


def _walks(
    item: Series, model: FilteredHistorical, rules: AntiProcyclicality, *, comparisons: bool
) -> dict[str, MarginWalk]:
    how = BacktestRules(warm_up_bars=WARM_UP, rules=rules)
    return backtest_margin(item.log_returns, model, periods_per_year=item.periods, how=how, comparisons=comparisons)


def _rows(name: str, item: Series, walk: MarginWalk) -> list[Row]:
    found = []
    for side, result in walk.sides.items():
        assert result.movement is not None
        coverage = result.coverage
        found.append(
            Row(
                name,
                item.name,
                side,
                coverage.observations,
                coverage.breaches,
                coverage.verdict,
                coverage.independence.p_value < 0.05,
                result.movement.peak_to_trough,
                result.movement.max_rise_1,
                result.movement.mean,
            )
        )
    return found


def pooled(rows: Sequence[Row]) -> float:
    """Breaches of all sides over all their margins."""
    return sum(row.breaches for row in rows) / sum(row.observations for row in rows)


def of(rows: Sequence[Row], margin: str) -> list[Row]:
    """Rows of one margin."""
    return [row for row in rows if row.margin == margin]


def count(rows: Sequence[Row], verdict: str) -> int:
    """Sides with this verdict."""
    return sum(row.verdict == verdict for row in rows)


def summary(rows: Sequence[Row]) -> Grid:
    """One line for each margin, over all series and sides."""
    columns = [
        "margin", "sides", "breaches %", "blamed", "over-covered", "clustered", "peak/trough", "1-day rise %", "mean %"
    ]  # fmt: skip
    lines = []
    for name in dict.fromkeys(row.margin for row in rows):
        own = of(rows, name)
        lines.append(
            [
                name,
                str(len(own)),
                f"{100.0 * pooled(own):.2f}",
                str(count(own, "under_coverage")),
                str(count(own, "over_coverage")),
                str(sum(row.clustered for row in own)),
                f"{np.median([row.peak_to_trough for row in own]):.1f}",
                f"{100.0 * np.median([row.max_rise for row in own]):+.0f}",
                f"{100.0 * np.mean([row.mean for row in own]):.1f}",
            ]
        )
    return Grid("Margins of a day, pooled over series and sides (movements: medians)", columns, lines)


def by_series(rows: Sequence[Row]) -> Grid:
    """The default, line by line."""
    columns = [
        "series",
        "side",
        "margins",
        "breaches",
        "breaches %",
        "peak/trough",
        "1-day rise %",
        "mean %",
        "verdict",
    ]
    lines = [
        [
            row.series,
            row.side,
            f"{row.observations:,}",
            str(row.breaches),
            f"{100.0 * row.breaches / row.observations:.2f}",
            f"{row.peak_to_trough:.1f}",
            f"{100.0 * row.max_rise:+.0f}",
            f"{100.0 * row.mean:.1f}",
            row.verdict.replace("_", " "),
        ]
        for row in of(rows, MODEL)
    ]
    return Grid("The default, series by series", columns, lines)


def gates_of(rows: Sequence[Row]) -> list[Gate]:
    """Bounds of the default; with the few series of `arch` alone they are goals."""
    own = of(rows, MODEL)
    goal = len({row.series for row in own}) < ENOUGH_SERIES
    swing = float(np.median([row.peak_to_trough for row in own]))
    return [
        Gate("breaches, pooled", pooled(own), least=LEAST_RATE, most=MOST_RATE, goal=goal),
        Gate("sides that are blamed", count(own, "under_coverage"), most=0, goal=goal),
        Gate("peak over trough, median", swing, most=MOST_SWING, goal=goal),
    ]


Frontiers = dict[str, list[FrontierPoint]]


def frontiers(series: Iterable[Series]) -> Frontiers:
    """The default at other confidences and in other sizes, on a few markets."""
    found: Frontiers = {}
    for item in series:
        if item.name in FRONTIER_SERIES:
            found[item.name] = margin_frontier(
                item.log_returns,
                MODELS[MODEL],
                periods_per_year=item.periods,
                confidences=CONFIDENCES,
                multipliers=MULTIPLIERS,
                how=BacktestRules(warm_up_bars=WARM_UP),
            )
    return found


def frontier_grid(found: Frontiers) -> Grid:
    """Every point of every market, both sides together."""
    columns = ["series", "margin", "mean %", "leverage", "breaches %", "interval %", "liquidations %", "efficient"]
    lines = [
        [
            name,
            f"{point.multiplier:g} x" if point.varied == "multiplier" else f"α {point.alpha:g}",
            f"{100.0 * point.mean_margin:.1f}",
            f"{(point.long.mean_leverage + point.short.mean_leverage) / 2.0:.1f}",
            f"{100.0 * point.breaches.share:.2f}",
            f"{100.0 * point.breaches.low:.2f} to {100.0 * point.breaches.high:.2f}",
            f"{100.0 * point.liquidations.share:.2f}",
            "yes" if point.efficient else "no",
        ]
        for name, points in found.items()
        for point in points
    ]
    return Grid("What a margin costs against how often it fails, both sides; the default is α 0.975", columns, lines)


def draw_frontiers(found: Frontiers) -> None:
    """The picture of a stock and of a coin."""
    shown = {name: points for name, points in found.items() if name in ("SPY 1d", "BTC 1d Yahoo")}
    draw(shown or found, PICTURE)


def document(rows: Sequence[Row], gates: Sequence[Gate], found: Frontiers) -> str:
    """The page in docs/measurements."""
    text = [
        "# Margins: what was measured",
        "",
        (__doc__ or "").partition("\n\n")[2].strip(),
        "",
        summary(rows).markdown(),
        *READING,
        "",
        "![Mean margin against breaches and liquidations](../images/margin_frontier.png)",
        "",
        frontier_grid(found).markdown(),
        *FRONTIER_READING,
        "",
        by_series(rows).markdown(),
        gate_grid(gates).markdown(),
    ]
    return "\n".join(text).rstrip() + "\n"


def main(words: Sequence[str] | None = None) -> int:
    """Measure, show, and answer whether the bounds are kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/measurements/margin.md")
    options = parser.parse_args(words)
    series = [item for item in all_series() if item.bar_seconds == DAY and item.close.size >= LEAST_BARS]
    parts = track(rows_of(series), "walking", total=len(series), console=Console(stderr=True))
    rows = [row for part in parts for row in part]
    found = frontiers(series)
    gates, console = gates_of(rows), Console(width=None if sys.stdout.isatty() else 200)
    for grid in (summary(rows), frontier_grid(found), by_series(rows), gate_grid(gates)):
        console.print(grid.on_terminal())
    if options.write:
        DOCUMENT.write_text(document(rows, gates, found))
        draw_frontiers(found)
    return 0 if all(gate.held or gate.goal for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
