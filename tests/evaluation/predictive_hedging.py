"""Do forecasts make the adaptive hedge band better? `python -m tests.evaluation.predictive_hedging`.

Protocol: declared in `tests/evaluation/predictive_README.md` before the first run. Calls at the money are sold or
bought on rolling start dates and hedged at each close with the adaptive band (risk aversion 0.1 on a price of 100)
under three costs: 2 basis points; 5 basis points and 0.01 an order; 20 basis points. The base takes delta and gamma
from a plain volatility, the root mean square of the last week (5 minutes: of the last day), or from the implied one
where options are quoted. Families of variants:

* delta: at the service's forecast for the rest of the option's life, or at the mean of both variances;
* band: sees the gamma at either of these, while the delta stays;
* scale: width times (forecast / plain volatility)^p;
* lean: the net delta aimed at is κ z widths;
* flow width: width times exp(p (|z| − 0.8)), 0.8 being the mean of |z| of a normal z.

z is the signed volume of candles, volume times (close − open) / (high − low), a stand-in for signed trades, which are
not in the data; exponentially averaged, over its root mean square, within ±3.

A figure is how much more a variant loses than the base in certainty equivalent: negative is a gain. One variant of
each family is chosen on the design part, by the mean over costs and both sides. The hold-out tables show that one, with
intervals of 99 % as there are five families, from whole blocks of start dates. What the flow predicts is measured too:
slope and correlation of the next step's log return, over the plain volatility of a step, with z. Added after the
results had been seen: the last table, in which a band is wider or narrower than the base and knows nothing.
The data lie beside the repository, not in it. `--write` puts the tables into docs/measurements/predictive_hedging.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from rich.console import Console

from services.core.annualization import SECONDS_PER_YEAR
from services.core.explain import Floats
from services.hedging.bands import two_band
from services.hedging.triggers.adaptive import AdaptiveRule
from services.simulation.hedging import OrderCosts
from tests.evaluation.driver_data import (
    CRASHES,
    DATA,
)
from tests.evaluation.hedge_crash import COSTS, interval
from tests.evaluation.hedge_paths import (
    AVERSION,
    RESAMPLES,
    SEED,
    Book,
    Difference,
    Hedged,
    Variant,
    difference,
    hedged,
    short_calls,
    short_greeks,
    sides,
)
from tests.evaluation.predictive_samples import Sample, samples
from tests.evaluation.report import Grid, followed

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "predictive_hedging.md"
POWERS = (-1.0, -0.5, 0.5, 1.0)
SHIFTS = (-0.5, -0.25, 0.25, 0.5)
CONTROLS = (0.7, 0.85, 1.2)
LEVEL = 0.99
TO_WIDTH = 1.5
"""Power of the gamma that the band sees, for a width: w goes with Γ^{2/3} where costs are proportional."""
RULE = AdaptiveRule(risk_aversion=AVERSION)


@dataclass(frozen=True, slots=True)
class Row:
    """One variant on one sample; differences to the base under each cost, both sides together, then each."""

    sample: str
    design: bool
    family: str
    variant: str
    both: tuple[Difference, ...]
    short: tuple[Difference, ...]
    long: tuple[Difference, ...]

    @property
    def mean(self) -> float:
        """Over costs and sides: what the choice is made by."""
        return float(np.mean([found.value for found in self.both]))


Change = Callable[[Book, OrderCosts], Variant]
"""From a base book to how a variant hedges it."""


def variants_of(sample: Sample) -> dict[tuple[str, str], Change]:
    """Every variant of every family that the sample has what it takes for."""
    half = np.sqrt(0.5 * (sample.plain**2 + sample.forecast**2))
    found: dict[tuple[str, str], Change] = {}
    for name, volatility in (("forecast", sample.forecast), ("half-way", half)):
        greeks = short_greeks(sample.windows, volatility)
        found["delta", name] = _replaced(delta=greeks.delta)
        found["band", name] = _replaced(gamma=greeks.gamma)
    ratio = sample.forecast[:, :-1] / sample.plain[:, :-1]
    for power in POWERS:
        found["scale", f"p = {power:g}"] = _widened(ratio**power)
    cases = list(product(sample.flows.items(), SHIFTS))
    for (life, z), size in cases:
        found["lean", f"κ = {size:g}, half-life {life}"] = _leaning(size * z)
    for (life, z), size in cases:
        factor = np.exp(size * (np.abs(z) - TYPICAL_FLOW))
        found["flow width", f"p = {size:g}, half-life {life}"] = _widened(factor)
    return found


def controls_of() -> dict[tuple[str, str], Change]:
    """Widths that are another multiple of the base's, whatever any forecast says."""
    return {("control", f"width x {factor:g}"): _widened(np.array(factor)) for factor in CONTROLS}


TYPICAL_FLOW = np.sqrt(2.0 / np.pi)
"""Mean of |z| of a normal z: known beforehand, unlike that of a sample."""


def _replaced(**columns: Floats) -> Change:
    return lambda book, costs: Variant(RULE, costs, **columns)


def _widened(factor: Floats) -> Change:
    return lambda book, costs: Variant(RULE, costs, gamma=book.greeks.gamma * factor**TO_WIDTH)


def _leaning(shift: Floats) -> Change:
    def change(book: Book, costs: OrderCosts) -> Variant:
        terms = {"cost_rate": costs.rate, "fixed_cost": costs.fixed, "risk_aversion": AVERSION}
        width = two_band(book.greeks.gamma, book.price[:, :-1], **terms).outer
        return Variant(RULE, costs, aim=shift * width)

    return change


def rows_of(sample: Sample, chosen: Mapping[str, str] | None = None) -> list[Row]:
    """Differences of every variant to the base; or of the chosen one of each family."""
    return compared(
        sample,
        {
            (family, name): change
            for (family, name), change in variants_of(sample).items()
            if chosen is None or chosen.get(family) == name
        },
    )


def compared(sample: Sample, changes: Mapping[tuple[str, str], Change]) -> list[Row]:
    """Differences of variants to the base."""
    book = short_calls(sample.windows, sample.plain)
    bases = [hedged(book, Variant(RULE, costs)) for costs in COSTS]
    found = []
    for (family, name), change in changes.items():
        outcomes = [hedged(book, change(book, costs)) for costs in COSTS]
        found.append(_row(sample, family, name, outcomes, bases))
    return found


def _row(sample: Sample, family: str, name: str, outcomes: Sequence[Hedged], bases: Sequence[Hedged]) -> Row:
    block = sample.windows.block
    pairs = [sides(outcome, base) for outcome, base in zip(outcomes, bases, strict=True)]
    parts = (pairs, [pair[:1] for pair in pairs], [pair[1:] for pair in pairs])
    both, short, long = (tuple(difference(pair, block, level=LEVEL) for pair in part) for part in parts)
    return Row(sample.title, sample.design, family, name, both, short, long)


def chosen_of(found: Sequence[Row]) -> dict[str, str]:
    """The variant of each family that loses least on the design samples, each sample with the same weight."""
    sums: dict[str, dict[str, list[float]]] = {}
    for row in found:
        sums.setdefault(row.family, {}).setdefault(row.variant, []).append(row.mean)
    return {family: min(names, key=lambda name: float(np.mean(names[name]))) for family, names in sums.items()}


@dataclass(frozen=True, slots=True)
class Prediction:
    """Slope and correlation of the next step's standardised return with the flow, with 99 % intervals."""

    sample: str
    half_life: int
    slope: Difference
    correlation: Difference


def predictions_of(sample: Sample) -> list[Prediction]:
    """For each half-life; windows overlap, blocks of start dates do not."""
    price, seconds = sample.windows.price, sample.windows.seconds
    deviation = sample.plain[:, :-1] * np.sqrt(np.diff(seconds, axis=1) / SECONDS_PER_YEAR)
    following = np.diff(np.log(price), axis=1) / deviation
    return [
        Prediction(sample.title, life, *regression(z, following, sample.windows.block))
        for life, z in sample.flows.items()
    ]


def regression(known: Floats, following: Floats, block: np.ndarray) -> tuple[Difference, Difference]:
    """Slope through zero and correlation around zero of all pairs; whole blocks drawn again."""
    place = np.unique(block, return_inverse=True)[1]
    products = (known * following, known**2, following**2)
    sums = np.array([np.bincount(place, weights=part.sum(axis=1)) for part in products])
    count = sums.shape[1]
    drawn = np.random.default_rng(SEED).multinomial(count, np.full(count, 1.0 / count), size=RESAMPLES)
    cross, first, second = sums @ np.vstack([np.ones(count), drawn]).T
    return _with_interval(cross / first), _with_interval(cross / np.sqrt(first * second))


def _with_interval(figures: Floats) -> Difference:
    low, high = np.quantile(figures[1:], [0.5 * (1.0 - LEVEL), 0.5 * (1.0 + LEVEL)])
    return Difference(float(figures[0]), float(low), float(high))


def design_grid(found: Sequence[Row], chosen: Mapping[str, str]) -> Grid:
    """Every variant on the design part, with what was chosen."""
    names = list(dict.fromkeys(row.sample for row in found))
    short_names = [name.partition(" (")[0] for name in names]
    lines = []
    for family, variant in dict.fromkeys((row.family, row.variant) for row in found):
        means = {row.sample: row.mean for row in found if (row.family, row.variant) == (family, variant)}
        figures = [f"{means[name]:+.4f}" if name in means else "" for name in names]
        lines.append([f"{family}: {variant}", *figures, "chosen" if chosen[family] == variant else ""])
    return Grid("Design: more than the base, mean over costs and sides", ["variant", *short_names, ""], lines)


def hold_out_grids(found: Sequence[Row]) -> list[Grid]:
    """The chosen variant of each family on each sample held out."""
    grids = []
    for name in dict.fromkeys(row.sample for row in found):
        lines = [
            [f"{row.family}: {row.variant}", cost_name(costs), *(interval(side[place]) for side in sides_of(row))]
            for row in found
            if row.sample == name
            for place, costs in enumerate(COSTS)
        ]
        columns = ["variant", "cost", *(f"{side}: more than the base" for side in ("short", "long", "both"))]
        grids.append(Grid(f"Held out: {name}", columns, lines))
    return grids


def sides_of(row: Row) -> tuple[tuple[Difference, ...], ...]:
    """Short, long and both, each under every cost."""
    return row.short, row.long, row.both


def cost_name(costs: OrderCosts) -> str:
    """Of a table."""
    return f"{1e4 * costs.rate:g} bp" + (f" + {costs.fixed:g}" if costs.fixed else "")


def prediction_grid(found: Sequence[Prediction]) -> Grid:
    """What the flow predicts."""
    lines = [[row.sample, str(row.half_life), interval(row.slope), interval(row.correlation)] for row in found]
    return Grid("Next return against flow", ["sample", "half-life", "slope", "correlation"], lines)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the chosen variant of a family is a gain as declared, and why."""

    family: str
    variant: str
    gains: bool
    reason: str


def verdicts_of(found: Sequence[Row]) -> list[Verdict]:
    """Short options, middle cost, the long hourly hold-out: better beyond chance there, nowhere worse beyond chance."""
    verdicts = []
    main = next(row.sample for row in found)
    for family, variant in dict.fromkeys((row.family, row.variant) for row in found):
        short = {row.sample: row.short[MIDDLE] for row in found if (row.family, row.variant) == (family, variant)}
        worse = [name for name, figure in short.items() if figure.low > 0.0]
        gains = short[main].high < 0.0
        reason = "" if gains else f"{interval(short[main])} on the main hold-out"
        reason += "; worse on " + ", ".join(worse) if worse else ""
        verdicts.append(Verdict(family, variant, gains and not worse, reason.strip("; ")))
    return verdicts


MIDDLE = 1
"""Place of the middle cost."""


def verdict_grid(found: Sequence[Verdict]) -> Grid:
    """One line for each family."""
    lines = [[f"{row.family}: {row.variant}", "gain" if row.gains else "no gain", row.reason] for row in found]
    return Grid("Short options, 5 basis points and 0.01 an order", ["variant", "", ""], lines)


def document(grids: Sequence[Grid]) -> str:
    """The page in docs/measurements."""
    protocol = (__doc__ or "").partition("\n\n")[2].strip()
    return "\n".join(
        ["# Predictive hedging: what was measured", "", protocol, "", *(grid.markdown() for grid in grids)]
    )


def control_grid(found: Sequence[Row]) -> Grid:
    """What a band of another width, and nothing else, would have done."""
    lines = [[row.sample, row.variant, *(interval(figure) for figure in row.both)] for row in found]
    return Grid("Control: both sides, more than the base", ["sample", "", *map(cost_name, COSTS)], lines)


def measured() -> list[Grid]:
    """Choose on the design part, then look at the rest once."""
    every = samples()
    design = [row for sample in followed([s for s in every if s.design], "design") for row in rows_of(sample)]
    chosen = chosen_of(design)
    held_out = followed([s for s in every if not s.design], "hold-out")
    pairs = [(rows_of(sample, chosen), compared(sample, controls_of())) for sample in held_out]
    found, controls = ([row for pair in pairs for row in pair[place]] for place in (0, 1))
    predictions = [row for sample in every for row in predictions_of(sample)]
    tables = [verdict_grid(verdicts_of(found)), prediction_grid(predictions), design_grid(design, chosen)]
    return [*tables, *hold_out_grids(found), control_grid(controls)]


def main(words: Sequence[str] | None = None) -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/measurements/predictive_hedging.md")
    options = parser.parse_args(words)
    if not (DATA / CRASHES).exists():
        print(f"nothing to measure: {CRASHES} is not beside the repository")
        return 0
    grids, console = measured(), Console(width=None if sys.stdout.isatty() else 200)
    for grid in grids:
        console.print(grid.on_terminal())
    if options.write:
        DOCUMENT.write_text(document(grids))
    return 0


if __name__ == "__main__":
    sys.exit(main())
