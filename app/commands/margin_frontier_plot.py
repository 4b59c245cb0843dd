"""The picture of margin frontiers: mean margin against breaches and liquidations, own points and efficient ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from app.demo.plot import STYLE, MatplotlibMissing
from services.margin.frontier import FrontierPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"confidence": "#1f5fa8", "multiplier": "#b4472f"}
LABELS = {"confidence": "other confidence", "multiplier": "multiple of the margin"}
Event = Literal["breaches", "liquidations"]
EVENTS: tuple[Event, Event] = ("breaches", "liquidations")


def draw(markets: Mapping[str, Sequence[FrontierPoint]], path: Path) -> None:
    """Write the picture: a row for each market, breaches left and liquidations right.

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
        figure = Figure(figsize=(9.5, 0.6 + 3.4 * len(markets)), layout="constrained")
        grid = figure.subplots(len(markets), 2, squeeze=False)
        for row, (title, points) in zip(grid, markets.items(), strict=True):
            for axes, event in zip(row, EVENTS, strict=True):
                _panel(axes, points, event)
                axes.set_title(f"{title}: {event}")
        grid[0][0].legend(loc="upper right")
        figure.suptitle("Margin against how often it fails, with 95 % intervals", fontsize=12, fontweight="bold")
        figure.savefig(path, format="png")


def _panel(axes: Axes, points: Sequence[FrontierPoint], event: Event) -> None:
    own = points[0]
    for varied in ("confidence", "multiplier"):
        kept = sorted((one for one in points if one.varied in (varied, "own")), key=lambda one: one.mean_margin)
        margin = 100.0 * np.array([one.mean_margin for one in kept])
        rates = [getattr(one, event) for one in kept]
        share, low, high = (
            100.0 * np.array([getattr(one, name) for one in rates]) for name in ("share", "low", "high")
        )
        axes.plot(margin, share, "-", color=COLOURS[varied], linewidth=0.9)
        axes.fill_between(margin, low, high, color=COLOURS[varied], alpha=0.12, linewidth=0.0)
        for efficient, filled in ((True, COLOURS[varied]), (False, "white")):
            at = np.array([one.efficient is efficient for one in kept])
            label = LABELS[varied] if efficient else None
            axes.plot(
                margin[at], share[at], "o", color=COLOURS[varied], markerfacecolor=filled, markersize=5, label=label
            )
    axes.plot(
        [100.0 * own.mean_margin], [100.0 * getattr(own, event).share], "*", color="#222222", markersize=13,
        label="the model's own",
    )  # fmt: skip
    axes.set_xlabel("mean margin, % of notional")
    axes.set_ylabel("% of margins")
    axes.set_ylim(bottom=0.0)
