"""The picture of a margin back-test: what was asked, what was lost, and where that was more."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.demo.plot import STYLE, MatplotlibMissing
from app.usecases.backtest_margin import MarginPlan
from services.margin.backtest import SIDES, MarginWalk, Side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "model": "#1f5fa8",
    "model_without_rules": "#7fa8d6",
    "normal_ewma": "#b4472f",
    "plain_historical": "#c9a227",
}


def draw(plan: MarginPlan, walks: dict[str, MarginWalk], title: str, path: Path) -> None:
    """Write the picture.

    Raises
    ------
    MatplotlibMissing
        If matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MatplotlibMissing from error
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 8.0), layout="constrained")
        for axes, side in zip(figure.subplots(2, 1, sharex=True), SIDES, strict=True):
            _side(axes, plan, walks, side)
        figure.suptitle(f"Margin back-test: {title}", fontsize=12, fontweight="bold")
        figure.savefig(path, format="png")


def _side(axes: Axes, plan: MarginPlan, walks: dict[str, MarginWalk], side: Side) -> None:
    """Margins of all strategies, losses as stems, and the breaches of the model."""
    times = np.array([datetime.fromtimestamp(moment, UTC) for moment in plan.series.times.tolist()])
    own = walks["model"].sides[side]
    start = int(own.at[0])
    axes.vlines(times[own.at], 0.0, np.maximum(own.losses, 0.0), color="#999999", linewidth=0.5, label="loss")
    for name, found in reversed(walks.items()):
        width = 1.3 if name == "model" else 0.7
        label = name.replace("_", " ")
        axes.plot(times[start:], found.sides[side].margin[start:], color=COLOURS[name], linewidth=width, label=label)
    hit = own.at[own.hits]
    axes.plot(times[hit], own.losses[own.hits], "v", color="#222222", markersize=4, label="breach of the model")
    judged = own.coverage
    share = f"{100.0 * judged.rate:.2f} % against {100.0 * judged.expected_rate:.2f} %"
    axes.set_title(f"{side.capitalize()}: {judged.breaches} of {judged.observations:,} margins breached, {share}")
    axes.set_ylabel("fraction of notional")
    axes.set_ylim(bottom=0.0)
    axes.legend(loc="upper right", ncols=3)
