"""The picture of a walk: price, forecast volatility, target size, realised volatility against target."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.demo.walk import Walk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PRICE, RAW, USED, SIZE, REALIZED, TARGET, REFERENCE = (
    "#222222",
    "#8fb4d9",
    "#1f5fa8",
    "#2a7f62",
    "#b4472f",
    "#222222",
    "#c9a227",
)
ROLLING_DAYS = 182.5
"""Window of the rolling realised volatility: half a year."""
STYLE: dict[str, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "figure.dpi": 130,
}


class MatplotlibMissing(RuntimeError):
    """The picture needs matplotlib, which the service does not."""

    def __init__(self) -> None:
        super().__init__("the picture needs matplotlib: pip install 'trimtab[demo]', or run with --no-plot")


def draw(walks: Sequence[Walk], path: Path) -> None:
    """Write the picture of one or more walks, one column each.

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
        figure = Figure(figsize=(1.5 + 6.5 * len(walks), 10.5), layout="constrained")
        axes = figure.subplots(4, len(walks), sharex="col", squeeze=False, height_ratios=(1.0, 1.15, 0.9, 1.0))
        for column, walk in enumerate(walks):
            for panel, row in zip((_price, _forecast, _size, _realized), axes[:, column], strict=True):
                panel(row, walk)
            _dates(axes[-1, column], walk.times)
        figure.suptitle(
            "Trimtab: size from forecast volatility, evaluated at every close", fontsize=12, fontweight="bold"
        )
        figure.supxlabel(_caption(walks), fontsize=7.5, color="#555555")
        figure.savefig(path, format="png")


def _price(axes: Axes, walk: Walk) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.semilogy(walk.times, walk.close, color=PRICE, linewidth=0.9)
    axes.set_title(f"{walk.market.title}: close")
    axes.set_ylabel("price, log scale")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_minor_locator(NullLocator())


def _forecast(axes: Axes, walk: Walk) -> None:
    if walk.market.reference:
        times = [item.close_time for item in walk.market.reference]
        axes.plot(
            times,
            [float(item.close) / 100.0 for item in walk.market.reference],
            color=REFERENCE,
            linewidth=0.7,
            label=walk.market.reference_title,
        )
    axes.plot(walk.times, walk.forecast, color=RAW, linewidth=0.9, label="raw forecast (EWMA, half-life 20)")
    axes.plot(walk.times, walk.volatility, color=USED, linewidth=0.9, label="used for sizing (calibrated, floored)")
    axes.set_title("Forecast volatility of the price")
    axes.set_ylabel("annual")
    _percent(axes, walk.volatility, walk.forecast, room=1.35)
    axes.legend(loc="upper left")


def _size(axes: Axes, walk: Walk) -> None:
    axes.fill_between(walk.times, walk.exposure, step="post", color=SIZE, alpha=0.25, linewidth=0)
    axes.step(walk.times, walk.exposure, where="post", color=SIZE, linewidth=0.9, label="target notional ÷ equity")
    axes.set_title("Target size")
    axes.set_ylabel("× equity")
    axes.set_ylim(0.0, 1.15 * float(np.nanmax(walk.exposure)))


def _realized(axes: Axes, walk: Walk) -> None:
    target, bars = walk.market.target_volatility, round(ROLLING_DAYS / 365.0 * walk.periods_per_year)
    window = min(bars, max(int(np.isfinite(walk.held_return).sum()) // 4, 2))
    rolling = walk.rolling_volatility(window)
    axes.plot(walk.times, rolling, color=REALIZED, linewidth=1.0, label=f"realised over {window} bars")
    axes.axhline(target, color=TARGET, linewidth=1.0, linestyle="--", label=f"target {target:.0%}")
    held = f"{walk.realized_volatility:.1%} in all, {walk.tracking_ratio:.2f} × target"
    axes.set_title(f"Realised volatility of the held position: {held} (the price: {walk.market_volatility:.0%})")
    axes.set_ylabel("annual")
    _percent(axes, rolling, np.array([target]))
    axes.legend(loc="lower right", ncols=2)


def _percent(axes: Axes, *values: np.ndarray[Any, Any], room: float = 1.15) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylim(0.0, room * max(float(np.nanmax(item)) for item in values))


def _dates(axes: Axes, times: Sequence[datetime]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlim(times[0], times[-1])


def _caption(walks: Sequence[Walk]) -> str:
    sources = "; ".join(f"{walk.market.title}: {walk.market.source}" for walk in walks if walk.market.source)
    rule = "A size decided at a close earns from that close to the next one (no look-ahead); costs are left out."
    return f"{rule}\nCloses: {sources}" if sources else rule


__all__ = ["MatplotlibMissing", "draw"]
