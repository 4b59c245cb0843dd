"""The picture of docs/guards.md; `python -m scripts.guards_page` (`make docs`) draws it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from app.demo.plot import STYLE
from scripts.oracle_replay import (
    DEPEG,
    GUARDS,
    GUARDS_WITHOUT_USD,
    TRADED,
    TRADED_WITHOUT_USD,
    Minute,
    Priced,
    error,
)
from scripts.pictures import save
from scripts.volatility_plots import BLACK, COLOURS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOURS_BEFORE = 4
PANELS = {
    "All seven feeds: error of the price against the USD venues": {TRADED: COLOURS[1], GUARDS: COLOURS[0]},
    "The five feeds in USDT and USDC alone": {TRADED_WITHOUT_USD: COLOURS[1], GUARDS_WITHOUT_USD: COLOURS[0]},
}
LEAST_BPS = 0.1


def draw(found: Sequence[Minute], answers: Mapping[str, Sequence[Priced]], path: Path) -> None:
    """Rate of USDC, and below it the errors of guarded and unguarded prices through the de-peg."""
    start = next(
        place for place, minute in enumerate(found) if (DEPEG - minute.as_of).total_seconds() <= HOURS_BEFORE * 3600
    )
    shown = found[start:]
    with mpl.rc_context(STYLE | {"figure.dpi": 100}):
        figure = Figure(figsize=(9.5, 7.6), layout="constrained")
        rate, *panels = figure.subplots(3, 1, sharex=True, height_ratios=(0.7, 1.0, 1.0))
        times = [minute.as_of for minute in shown]
        rate.plot(times, [_usdc(minute) for minute in shown], color=BLACK, linewidth=1.1)
        rate.set(title="USDC in dollars (Kraken), 10 and 11 March 2023", ylabel="dollars")
        for panel, (title, lines) in zip(panels, PANELS.items(), strict=True):
            _errors(panel, title, shown, {name: (answers[name][start:], colour) for name, colour in lines.items()})
        locator = AutoDateLocator()
        panels[-1].xaxis.set_major_locator(locator)
        panels[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
        save(figure, path, "{}")


def _usdc(minute: Minute) -> float:
    tick = minute.rates.get("kraken_usdcusd")
    return math.nan if tick is None else tick.price


def _errors(
    panel: Axes, title: str, shown: Sequence[Minute], lines: Mapping[str, tuple[Sequence[Priced], str]]
) -> None:
    times = [minute.as_of for minute in shown]
    for name, (priced, colour) in lines.items():
        values = [error(minute, answer) for minute, answer in zip(shown, priced, strict=True)]
        heights = [math.nan if value is None else max(value, LEAST_BPS) for value in values]
        panel.plot(times, heights, color=colour, linewidth=1.1, label=name)
    guarded = next(priced for name, (priced, _) in lines.items() if name in (GUARDS, GUARDS_WITHOUT_USD))
    barred = [not answer.accepted for answer in guarded]
    panel.fill_between(
        times, 0.0, 1.0, where=barred, transform=panel.get_xaxis_transform(), color=GREY, alpha=0.3, linewidth=0,
        label="guards: reduce only",
    )  # fmt: skip
    panel.set(title=title, ylabel="basis points, log scale", yscale="log", ylim=(LEAST_BPS, 3000.0))
    panel.yaxis.set_major_locator(FixedLocator([0.1, 1.0, 10.0, 100.0, 1000.0]))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.legend(loc="upper left", ncols=3)
