"""The pictures of docs/volatility.md; `python -m scripts.volatility_page` (`make docs`) draws them and writes the page.

Each PNG carries the figures that it was drawn from, so that a test tells when the code says something else by now.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.demo.plot import STYLE
from scripts.volatility_markets import ADAPTIVE, FUTURE_BARS, Market, expert_names
from services.core.explain import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Summary = dict[str, tuple[int, float, float]]
"""Name of a curve: points, mean and last value."""
BLACK, GREY, FILL = "#000000", "#777777", "#d9d9d9"
COLOURS = ("#0072b2", "#d55e00", "#009e73")
"""Okabe and Ito (2008): told apart by every kind of colour blindness."""
EXPERTS = {
    "r² 4": "#08306b",
    "r² 16": "#2171b5",
    "r² 64": "#6baed6",
    "r² 256": "#b5d4e9",
    "r² 1024": "#deebf7",
    "r² 4, falls": "#00664b",
    "r² 16, falls": "#5fc2a3",
    "range 1": "#8c3800",
    "range 4": "#d55e00",
    "range 16": "#f4a261",
    "range 64": "#fcdcc0",
    "range 1, falls": "#a6761d",
    "range 4, falls": "#f0c93a",
    "log-HAR": "#555555",
}
"""Blue: squared returns, orange: ranges, dark to light: short to long memory; green and yellow: heavier on falls."""
TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)


def draw(markets: Sequence[Market], folder: Path) -> dict[str, Summary]:
    """Write every picture; what each was drawn from."""
    found = {}
    for name, picture in pictures(markets).items():
        with mpl.rc_context(STYLE | {"figure.dpi": 100}):
            figure, curves = picture()
            summary = summarized(curves)
            _save(figure, folder / f"volatility_{name}.png", json.dumps(summary))
        found[name] = summary
    return found


def _save(figure: Figure, path: Path, note: str) -> None:
    """In 128 colours, which is a third of the bytes."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    told = PngInfo()
    told.add_text("Figures", note)
    few = Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few.save(path, format="png", optimize=True, pnginfo=told)


def pictures(markets: Sequence[Market]) -> dict[str, Callable[[], tuple[Figure, dict[str, Floats]]]]:
    """Name to what draws it."""
    crashes = {market.name: partial(crash, market) for market in markets}
    return {**crashes, "weights": partial(weights, markets), "losses": partial(losses, markets)}


def summarized(curves: Mapping[str, Floats]) -> Summary:
    """What tells one curve from another."""
    known = {name: values[~np.isnan(values)] for name, values in curves.items()}
    return {
        name: (values.size, float(f"{values.mean():.6g}"), float(f"{values[-1]:.6g}")) for name, values in known.items()
    }


def crash(market: Market) -> tuple[Figure, dict[str, Floats]]:
    """Price, and the forecasts of every kind of estimator, through a crash."""
    window, forecasts = market.crash, market.forecasts
    times, followed = market.times[window], market.what_followed[window]
    rows = 1 + len(forecasts)
    figure = Figure(figsize=(9.5, 1.5 + 2.4 * rows), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, height_ratios=(0.8, *[1.0] * len(forecasts)))
    axes[0].semilogy(times, market.series.closes[window], color=BLACK, linewidth=1.1)
    axes[0].set_title(f"{market.title}: close")
    axes[0].set_ylabel("price, log scale")
    _price_ticks(axes[0], market.series.closes[window])
    curves = {"realised": followed}
    for panel, (title, lines) in zip(axes[1:], forecasts.items(), strict=True):
        panel.fill_between(times, followed, 1e-9, color=FILL, linewidth=0)
        for label, colour in zip(lines, (*COLOURS, BLACK), strict=True):
            panel.plot(
                times, lines[label][window], color=colour, linewidth=1.8 if label == ADAPTIVE else 1.3, label=label
            )
            curves[label] = lines[label][window]
        panel.set_title(title)
        panel.legend(loc="lower left", ncols=4)
    drawn = [values for name, values in curves.items() if name != "realised"]
    for panel in axes[1:]:
        _volatility_scale(panel, drawn, room=0.6)
    _dates(axes[-1], times)
    span = f"{times[0]:%B %Y} to {times[-1]:%B %Y}"
    figure.suptitle(f"{market.title}, {span}: volatility forecasts for the next bar", fontweight="bold")
    told = (
        f"Forecasts use bars up to their own close only. Grey: realised over the next {FUTURE_BARS} bars, in hindsight."
    )
    figure.supxlabel(f"{told} Data: {market.source}", fontsize=8.0, color=GREY)
    return figure, curves


def weights(markets: Sequence[Market]) -> tuple[Figure, dict[str, Floats]]:
    """Forecast, weights of the experts, and the half-life that they amount to, over all bars."""
    figure = Figure(figsize=(12.0, 9.0), layout="constrained")
    axes = figure.subplots(3, len(markets), sharex="col", sharey="row", squeeze=False, height_ratios=(0.8, 1.5, 0.9))
    curves: dict[str, Floats] = {}
    for column, market in zip(axes.T, markets, strict=True):
        pool, times = market.default, market.times
        curves |= {f"{market.title} {name}": row for name, row in zip(pool.experts, pool.weights.T, strict=True)}
        curves |= {f"{market.title} forecast": pool.forecast, f"{market.title} half-life": pool.half_life}
        column[0].plot(times, pool.forecast, color=COLOURS[0], linewidth=0.8, label="forecast")
        column[0].plot(times, pool.long_run, color=BLACK, linewidth=1.0, linestyle="--", label="long run")
        column[0].set_title(f"{market.title}: volatility")
        known = slice(1, None)
        shades = [EXPERTS[name] for name in pool.experts]
        column[1].stackplot(times[known], pool.weights[known].T, colors=shades, edgecolor="white", linewidth=0.3)
        kind = "bars with ranges" if market.series.ranged else "closes only"
        column[1].set_title(f"Weights of the {len(pool.experts)} experts ({kind})")
        column[1].grid(visible=False)
        column[1].set_ylim(0.0, 1.0)
        column[2].semilogy(times, pool.half_life, color=COLOURS[1], linewidth=1.0)
        column[2].set_title("Effective half-life")
        _dates(column[2], times)
    _volatility_scale(axes[0, 0], [values for name, values in curves.items() if name.endswith("forecast")])
    axes[0, 0].legend(loc="upper left", ncols=2)
    axes[1, 0].set_ylabel("share")
    axes[1, 0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes[2, 0].set_ylabel("bars, log scale")
    _plain_ticks(axes[2, 0], (2, 3, 5, 10, 20, 30, 50, 100))
    _expert_legend(figure)
    figure.suptitle("The default forecaster: which memory the market needed", fontweight="bold")
    return figure, curves


def losses(markets: Sequence[Market]) -> tuple[Figure, dict[str, Floats]]:
    """Returns against the value at risk before them, and where the regime label said stress."""
    figure = Figure(figsize=(10.0, 7.0), layout="constrained")
    axes = figure.subplots(len(markets), 1, squeeze=False)[:, 0]
    curves: dict[str, Floats] = {}
    for panel, market in zip(axes, markets, strict=True):
        pool, times = market.default, market.times[1:]
        returns, bound = np.diff(np.log(market.series.closes)), pool.value_at_risk[:-1]
        known = market.whole_days & ~np.isnan(bound)
        curves |= {f"{market.title} value at risk": bound, f"{market.title} stress": pool.stress}
        panel.fill_between(
            times, 0, 1, where=pool.stress[1:] == 1.0, color="#cfe3f2", linewidth=0, step="post",
            transform=panel.get_xaxis_transform(), label="regime label: stress",
        )  # fmt: skip
        panel.plot(times, returns, color=GREY, linewidth=0.5, label="log return of a day")
        panel.plot(times, -bound, color=COLOURS[1], linewidth=0.9, label="1 % value at risk, said the day before")
        panel.plot(times, bound, color=COLOURS[0], linewidth=0.9, label="the same of a short position")
        below, above = (np.flatnonzero(known & (sign * returns > bound)) for sign in (-1.0, 1.0))
        beyond = np.concatenate([below, above])
        panel.plot([times[bar] for bar in beyond], returns[beyond], "o", color=BLACK, markersize=2.5, label="exceeded")
        shares = f"below {below.size / known.sum():.2%}, above {above.size / known.sum():.2%}"
        panel.set_title(f"{market.title}, {known.sum():,} days: {shares}")
        panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        _dates(panel, times)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    figure.suptitle("One loss in a hundred: value at risk of the default forecaster", fontweight="bold")
    return figure, curves


def _expert_legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    names = expert_names(len(EXPERTS))
    handles = [Patch(color=EXPERTS[name], label=name) for name in reversed(names)]
    title = "experts: input and\nhalf-life in bars"
    figure.legend(handles=handles, loc="outside center right", title=title, title_fontsize=8.0)


def _volatility_scale(axes: Axes, values: Sequence[Floats], room: float = 0.9) -> None:
    """Annual volatility on a log scale, where equal steps are equal ratios of size."""
    least, most = min(float(np.nanmin(item)) for item in values), max(float(np.nanmax(item)) for item in values)
    axes.set_yscale("log")
    axes.set_ylim(room * least, 1.2 * most)
    axes.set_ylabel("annual, log scale")
    axes.yaxis.set_major_locator(FixedLocator(TICKS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _price_ticks(axes: Axes, closes: Floats) -> None:
    least, most = float(closes.min()), float(closes.max())
    step = 10.0 ** math.floor(math.log10(most - least))
    ticks = np.arange(math.ceil(least / step), most / step + 1e-9) * step
    _plain_ticks(axes, tuple(ticks[:: max(len(ticks) // 5, 1)].tolist()))


def _plain_ticks(axes: Axes, ticks: tuple[float, ...]) -> None:
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _dates(axes: Axes, times: Sequence[datetime]) -> None:
    locator = AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlim(times[0], times[-1])


__all__: list[Any] = ["draw", "pictures", "summarized"]
