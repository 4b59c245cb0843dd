"""Which delta hedges a coin-settled option: `python -m tests.evaluation.hedge_deltas`.

Protocol: 16 full Bitcoin chains of Deribit through the crash of 5 February 2026, about six hours apart (they lie
beside the repository, not in it). Each option that is quoted on the bid and has more than a day to live is held from
one chain to the next, once a pair, and hedged with the inverse future of its own expiry by one of two deltas: the plain
Black delta, or that less the mark in coin (premium-adjusted). The error is what is left of the change of the mark [coin
per option on one coin]. It is shown as it is, and without what vega explains of it: the change of implied volatility,
which no delta hedges. The interval of the ratio is a bootstrap over the pairs of chains, since options of one pair move
together.
`--write` puts the table into docs/measurements/hedge_deltas.md.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.explain import Floats
from services.options.black import black_greeks
from tests.evaluation.report import Gate, Grid
from tests.evaluation.series import DATA

CHAINS = DATA / "options_btc_deribit_seq_20260203_06_crash.csv.gz"
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "hedge_deltas.md"
MOST_RATIO, RESAMPLES, SEED = 0.25, 2_000, 20260205


@dataclass(frozen=True, slots=True)
class Held:
    """Options held from one chain to the next, as columns; `pair` numbers the two chains.

    `before`, `after`: mark [coin]. `forward_before`, `forward_after`: future of the same expiry. `change`: of the
    implied volatility.
    """

    pair: Floats
    right: Floats
    strike: Floats
    time: Floats
    volatility: Floats
    forward_before: Floats
    forward_after: Floats
    before: Floats
    after: Floats
    change: Floats


@dataclass(frozen=True, slots=True)
class Row:
    """Errors of a group of options under both deltas [coin], root mean square."""

    group: str
    count: int
    plain: float
    adjusted: float
    low: float
    high: float

    @property
    def ratio(self) -> float:
        """Adjusted over plain."""
        return self.adjusted / self.plain


def held_options(path: Path) -> Held:
    """Every option of two neighbouring chains."""
    chains: dict[str, dict[tuple[str, str, str], dict[str, str]]] = {}
    with gzip.open(path, "rt") as file:
        for line in csv.DictReader(file):
            chains.setdefault(line["snapshot"], {})[line["expiry"], line["strike"], line["cp"]] = line
    times = sorted(chains)
    rows = [
        row
        for pair, (now, later) in enumerate(itertools.pairwise(times))
        for key in sorted(chains[now].keys() & chains[later].keys())
        if (row := _held(pair, chains[now][key], chains[later][key])) is not None
    ]
    return Held(*np.array(rows).T)


def _held(pair: int, now: dict[str, str], later: dict[str, str]) -> tuple[float, ...] | None:
    left = (_moment(now["expiry"]) - _moment(now["snapshot"])).total_seconds()
    if left <= SECONDS_PER_DAY or not float(now["bid"] or 0.0) > 0.0:
        return None
    return (
        float(pair),
        1.0 if now["cp"] == "C" else -1.0,
        float(now["strike"]),
        left / SECONDS_PER_YEAR,
        float(now["mark_iv"]),
        float(now["futures_price"]),
        float(later["futures_price"]),
        float(now["mark"]),
        float(later["mark"]),
        float(later["mark_iv"]) - float(now["mark_iv"]),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def hedge_errors(held: Held, *, without_vega: bool) -> tuple[Floats, Floats, Floats]:
    """What the plain and the premium-adjusted delta leave [coin], and the Black delta that both start from.

    A future of N dollars pays ``N (1/F₀ − 1/F₁)`` coin; a hedge of δ coins has N = δ F₀, so it pays ``δ (1 − F₀/F₁)``.
    """
    greeks = black_greeks(held.forward_before, held.strike, held.time, held.volatility, held.right)
    change = held.after - held.before
    if without_vega:
        change = change - greeks.vega / held.forward_before * held.change
    paid = 1.0 - held.forward_before / held.forward_after
    return change - greeks.delta * paid, change - (greeks.delta - held.before) * paid, greeks.delta


def rows_of(held: Held, *, without_vega: bool) -> list[Row]:
    """All options, then calls, puts, and both sides of the money."""
    plain, adjusted, delta = hedge_errors(held, without_vega=without_vega)
    groups = {
        "all": np.ones(delta.size, dtype=bool),
        "calls": held.right > 0.0,
        "puts": held.right < 0.0,
        "in the money": np.abs(delta) >= 0.5,
        "out of the money": np.abs(delta) < 0.5,
    }
    return [_row(name, plain[mask], adjusted[mask], held.pair[mask]) for name, mask in groups.items()]


def _row(group: str, plain: Floats, adjusted: Floats, pair: Floats) -> Row:
    low, high = ratio_interval(plain, adjusted, pair)
    size = [float(np.sqrt(np.mean(errors**2))) for errors in (plain, adjusted)]
    return Row(group, plain.size, size[0], size[1], low, high)


def ratio_interval(plain: Floats, adjusted: Floats, pair: Floats) -> tuple[float, float]:
    """95 % interval of the ratio of root mean squares, whole pairs of chains drawn with replacement."""
    blocks = np.unique(pair)
    squares = np.array([[np.sum(errors[pair == block] ** 2) for block in blocks] for errors in (plain, adjusted)])
    drawn = np.random.default_rng(SEED).integers(blocks.size, size=(RESAMPLES, blocks.size))
    sums = squares[:, drawn].sum(axis=2)
    low, high = np.quantile(np.sqrt(sums[1] / sums[0]), (0.025, 0.975))
    return float(low), float(high)


def grid(rows: Sequence[Row], title: str) -> Grid:
    """Rows as a table."""
    columns = ["options", "held", "plain, 1e-4 coin", "adjusted, 1e-4 coin", "ratio", "95 %"]
    lines = [
        [
            row.group,
            f"{row.count:,}",
            f"{1e4 * row.plain:.1f}",
            f"{1e4 * row.adjusted:.1f}",
            f"{row.ratio:.3f}",
            f"{row.low:.3f} … {row.high:.3f}",
        ]
        for row in rows
    ]
    return Grid(title, columns, lines)


def gates_of(rows: Sequence[Row]) -> list[Gate]:
    """The premium-adjusted delta leaves at most a quarter of the error."""
    return [Gate("error, adjusted over plain delta", rows[0].ratio, most=MOST_RATIO)]


def document(grids: Sequence[Grid], gates: Sequence[Gate]) -> str:
    """The page in docs/measurements."""
    goals = [f"- {gate.name}: {gate.value:.3f} ({gate.bounds}): {'held' if gate.held else 'missed'}" for gate in gates]
    protocol = (__doc__ or "").partition("\n\n")[2].strip()
    parts = ["# Deltas of coin-settled options: what was measured", protocol, *(part.markdown() for part in grids)]
    return "\n\n".join([*parts, "\n".join(goals)]) + "\n"


def main(words: Sequence[str] | None = None) -> int:
    """Measure, show, and answer whether the goal is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/measurements/hedge_deltas.md")
    options = parser.parse_args(words)
    if not CHAINS.exists():
        print(f"nothing to measure: {CHAINS.name} is not beside the repository")
        return 0
    held = held_options(CHAINS)
    rows = rows_of(held, without_vega=False)
    grids = [
        grid(rows, "Error of the hedge"),
        grid(rows_of(held, without_vega=True), "Without the change of implied volatility"),
    ]
    gates = gates_of(rows)
    for part in grids:
        Console(width=120).print(part.on_terminal())
    if options.write:
        DOCUMENT.write_text(document(grids, gates))
    return 0 if all(gate.held for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
