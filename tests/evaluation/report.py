"""What a command found: tables on the terminal, JSON, and a part of docs/measurements/volatility.md."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table

Item = TypeVar("Item")
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "volatility.md"
TITLE = "# Volatility: what was measured\n\nWritten by commands of `tests.evaluation`; do not edit by hand.\n"


@dataclass(frozen=True, slots=True)
class Gate:
    """A figure and the bounds it has to keep; NaN keeps none. A goal is shown, and does not fail the command."""

    name: str
    value: float
    least: float = -math.inf
    most: float = math.inf
    goal: bool = False

    @property
    def held(self) -> bool:
        """Whether it does."""
        return self.least <= self.value <= self.most

    @property
    def bounds(self) -> str:
        """As text."""
        low = "" if math.isinf(self.least) else f"≥ {self.least:g}"
        high = "" if math.isinf(self.most) else f"≤ {self.most:g}"
        return f"{low} {high}".strip()


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the first column is text, the others are what they are."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def on_terminal(self) -> Table:
        """For `rich`."""
        table = Table(title=self.title, title_justify="left")
        for place, column in enumerate(self.columns):
            table.add_column(column, justify="right" if place else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For the document."""
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
        return f"**{self.title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def gate_grid(gates: Iterable[Gate]) -> Grid:
    """Gates as a table."""
    rows = []
    for gate in gates:
        verdict = "held" if gate.held else "short of the goal" if gate.goal else "MISSED"
        rows.append([gate.name, f"{gate.value:.4g}", gate.bounds, verdict])
    return Grid("Gates", ["figure", "measured", "bound", ""], rows)


def arguments(description: str) -> argparse.ArgumentParser:
    """Options that every command has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of tables")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/measurements/volatility.md")
    return parser


def followed(items: Sequence[Item], label: str, *, quiet: bool = False) -> Iterator[Item]:
    """The items, with a progress bar on the error stream."""
    return iter(track(items, description=label, console=Console(stderr=True, quiet=quiet), transient=True))


def percent(value: float, digits: int = 2) -> str:
    """Fraction in percent; a dash for NaN."""
    return "–" if math.isnan(value) else f"{100.0 * value:.{digits}f}"


def number(value: float, digits: int = 4) -> str:
    """Figure; a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def present(
    options: argparse.Namespace, name: str, grids: Sequence[Grid], gates: Sequence[Gate], figures: object
) -> int:
    """Show what was found, write it if asked; the exit code, 1 where a gate is missed."""
    everything = (*grids, gate_grid(gates)) if gates else grids
    if options.json:
        print(json.dumps(without_nan(figures), indent=1))
    else:
        console = Console(width=None if sys.stdout.isatty() else 400)
        for grid in everything:
            console.print(grid.on_terminal())
    if options.write:
        write_part(DOCUMENT, name, "\n".join(grid.markdown() for grid in everything))
    return 0 if all(gate.held or gate.goal for gate in gates) else 1


def without_nan(value: object) -> object:
    """The same figures as JSON can hold them: NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(key): without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_part(document: Path, name: str, text: str) -> None:
    """Put `text` between the marks of `name` in the document, or at its end where it has none yet."""
    present_text = document.read_text() if document.exists() else TITLE
    part = f"<!-- begin {name} -->\n\n{text}\n<!-- end {name} -->\n"
    marks = re.compile(rf"<!-- begin {name} -->.*<!-- end {name} -->\n", re.DOTALL)
    found = marks.search(present_text)
    updated = marks.sub(lambda _: part, present_text) if found else f"{present_text}\n{part}"
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text(updated)
