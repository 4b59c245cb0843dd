"""The picture of the gallery: equity and exposure of every method, on the same axes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter, YearLocator
from matplotlib.figure import Figure

from app.demo.plot import STYLE
from scripts.pictures import save
from scripts.sizing_gallery import WARM_UP, Walked

COLUMNS = 4
EQUITY, EXPOSURE = "#1f5fa8", "#2a7f62"


def draw(walks: Sequence[Walked], path: Path) -> None:
    """Small multiples: equity over the start (log scale, left), gross notional over equity (shaded, right)."""
    rows = -(-len(walks) // COLUMNS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12.0, 1.75 * rows), layout="constrained")
        axes = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
        for place, item in zip(axes.flat, walks, strict=False):
            _panel(place, item)
        for place in axes.flat[len(walks) :]:
            place.set_axis_off()
        figure.suptitle(
            "S&P 500 and Bitcoin, always long: equity (line, log scale) and gross exposure (shaded, 0 to 3)",
            fontsize=11,
            fontweight="bold",
        )
        finals = {item.name: round(float(item.path.equity[-1] / item.path.equity[WARM_UP]), 4) for item in walks}
        save(figure, path, json.dumps(finals))


def _panel(axes: Axes, item: Walked) -> None:
    times = [datetime.fromtimestamp(moment, UTC) for moment in item.path.times[WARM_UP:].tolist()]
    axes.semilogy(times, item.path.equity[WARM_UP:] / item.path.equity[WARM_UP], color=EQUITY, linewidth=1.0)
    axes.set_title(item.name.replace("_", " "), fontsize=8.5)
    axes.set_ylim(0.6, 20.0)
    axes.set_yticks([1.0, 2.0, 5.0, 10.0], labels=["1", "2", "5", "10"])
    axes.yaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.xaxis.set_major_locator(YearLocator())
    axes.xaxis.set_major_formatter(ConciseDateFormatter(YearLocator()))
    gross = axes.twinx()
    gross.fill_between(
        times, np.abs(item.path.weights[WARM_UP:]).sum(axis=1), step="post", color=EXPOSURE, alpha=0.25, linewidth=0
    )
    gross.set_ylim(0.0, 3.0)
    gross.set_yticks([])
