"""The picture of a scorecard: gains over the benchmark, level of the forecasts, reliability of probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.demo.plot import STYLE, MatplotlibMissing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GOOD, BAD, PLAIN = "#2a7f62", "#b4472f", "#1f5fa8"
BAND = 1.96
"""Standard errors on either side of a figure: 95 %."""
CROWDED = 0.08
"""Share of the axis within which bins lie too close to be labelled."""
LEVELS = (
    ("forecasts", "bias", "realised / forecast variance"),
    ("tracking", "realized_to_target", "realised / target volatility"),
    ("tracking", "realized_to_forecast", "realised / forecast of the book"),
)


def draw(report: dict[str, Any], path: Path) -> None:
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
        figure = Figure(figsize=(10.5, 3.9), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        _gains(left, report)
        _levels(middle, report)
        _reliability(right, report)
        read = report["range"]
        title = f"Scorecard of entries {read['from']} to {read['to']}: {read['answers']:,} answers"
        figure.suptitle(title, fontsize=12, fontweight="bold")
        figure.savefig(path, format="png")


def _gains(axes: Axes, report: dict[str, Any]) -> None:
    """QLIKE gained over the EWMA, all markets and each."""
    rows = [("all", report["forecasts"]["qlike_gain"]), *((m["symbol"], m["qlike_gain"]) for m in report["markets"])]
    known = [(name, found) for name, found in rows if found["value"] is not None][:12]
    for place, (name, found) in enumerate(reversed(known)):
        value, width = found["value"], BAND * found["standard_error"]
        colour = GOOD if value - width > 0 else BAD if value + width < 0 else PLAIN
        axes.errorbar(value, place, xerr=width, fmt="o", color=colour, capsize=3)
        axes.annotate(name, (value, place), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8)
    axes.axvline(0.0, color="#222222", linewidth=0.8)
    axes.set_yticks([])
    axes.set_ylim(-0.6, max(len(known), 1) - 0.2)
    axes.set_title("QLIKE gained over an EWMA")
    _none(axes, known)


def _levels(axes: Axes, report: dict[str, Any]) -> None:
    """Ratios that are 1 where all is right."""
    known = [(title, report[part][name]) for part, name, title in LEVELS if report[part][name]["value"] is not None]
    for place, (title, found) in enumerate(reversed(known)):
        value, width = found["value"], BAND * found["standard_error"]
        colour = PLAIN if abs(value - 1.0) <= width else BAD
        axes.errorbar(value, place, xerr=width, fmt="o", color=colour, capsize=3)
        axes.annotate(title, (value, place), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8)
    axes.axvline(1.0, color="#222222", linewidth=0.8)
    axes.set_yticks([])
    axes.set_ylim(-0.6, max(len(known), 1) - 0.2)
    axes.set_title("Realised over stated (1 is right)")
    _none(axes, known)


def _reliability(axes: Axes, report: dict[str, Any]) -> None:
    """How often touches happened against what was stated."""
    bins = report["touches"]["bins"]
    axes.plot([0, 1], [0, 1], color="#222222", linewidth=0.8)
    most = max([0.05, *(max(item["stated"], item["happened"]) for item in bins)])
    for item in bins:
        place = (item["stated"], item["happened"])
        axes.plot(*place, "o", color=PLAIN)
        if item["stated"] > CROWDED * most:
            axes.annotate(f"{item['n']:,}", place, xytext=(5, -9), textcoords="offset points", fontsize=7)
    axes.set_xlim(0.0, 1.1 * most)
    axes.set_ylim(0.0, 1.1 * most)
    axes.set_xlabel("stated probability of a touch")
    axes.set_ylabel("share that happened")
    axes.set_title("Reliability of touch probabilities")
    _none(axes, bins)


def _none(axes: Axes, known: list[Any]) -> None:
    if not known:
        axes.text(0.5, 0.5, "too little on record", transform=axes.transAxes, ha="center", color="#777777")
