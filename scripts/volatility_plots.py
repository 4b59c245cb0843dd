"""The pictures of docs/volatility.md; `python -m scripts.volatility_page` (`make docs`) draws them and writes the page.

Each PNG carries the figures that it was drawn from, so that a test tells when the code says something else by now.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from app.demo.plot import STYLE
from scripts.pictures import save
from scripts.volatility_markets import ADAPTIVE, FUTURE_BARS, Market, expert_names
from services.core.explain import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Picture = tuple[Figure, dict[str, Floats]]
"""With the curves that it was drawn from."""
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
HINDSIGHT = f"Grey: realised over the next {FUTURE_BARS} bars, which no forecast knew."
TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)


def draw(markets: Sequence[Market], folder: Path) -> dict[str, Summary]:
    """Write every picture; what each was drawn from."""
    found = {}
    for name, picture in pictures(markets).items():
        with mpl.rc_context(STYLE | {"figure.dpi": 100}):
            figure, curves = picture()
            summary = summarized(curves)
            save(figure, folder / f"volatility_{name}.png", json.dumps(summary))
        found[name] = summary
    return found


def pictures(markets: Sequence[Market]) -> dict[str, Callable[[], Picture]]:
    """Name to what draws it."""
    crashes = {market.name: partial(crash, market) for market in markets}
    return {**crashes, "weights": partial(weights, markets), "losses": partial(losses, markets)}


def summarized(curves: Mapping[str, Floats]) -> Summary:
    """What tells one curve from another."""
    known = {name: values[~np.isnan(values)] for name, values in curves.items()}
    return {
        name: (values.size, float(f"{values.mean():.6g}"), float(f"{values[-1]:.6g}")) for name, values in known.items()
    }


def crash(market: Market) -> Picture:
    """Price, and the forecasts of every kind of estimator, through a crash."""
    window, kinds = market.crash, market.forecasts
    times, followed = market.times[window], market.what_followed[window]
    curves = {label: path[window] for lines in kinds.values() for label, path in lines.items()}
    figure = Figure(figsize=(9.5, 3.9 + 2.4 * len(kinds)), layout="constrained")
    price, *panels = figure.subplots(1 + len(kinds), 1, sharex=True, height_ratios=(0.8, *[1.0] * len(kinds)))
    price.semilogy(times, market.series.closes[window], color=BLACK, linewidth=1.1)
    price.set(title=f"{market.title}: close", ylabel="price, log scale")
    _price_ticks(price, market.series.closes[window])
    for panel, (title, lines) in zip(panels, kinds.items(), strict=True):
        panel.fill_between(times, followed, 1e-9, color=FILL, linewidth=0)
        for label, colour in zip(lines, (*COLOURS, BLACK), strict=True):
            panel.plot(times, curves[label], color=colour, linewidth=1.8 if label == ADAPTIVE else 1.3, label=label)
        panel.set_title(title)
        _volatility_scale(panel, list(curves.values()), room=0.6)
        panel.legend(loc="lower left", ncols=4)
    _dates(panels[-1], times)
    span = f"{times[0]:%B %Y} to {times[-1]:%B %Y}"
    _titled(figure, f"{market.title}, {span}: volatility forecasts for the next bar", [market], HINDSIGHT)
    return figure, curves | {"realised": followed}


def weights(markets: Sequence[Market]) -> Picture:
    """Forecast, weights of the experts, and the half-life that they amount to, over all bars."""
    figure = Figure(figsize=(12.0, 9.0), layout="constrained")
    axes = figure.subplots(3, len(markets), sharex="col", sharey="row", squeeze=False, height_ratios=(0.8, 1.5, 0.9))
    curves: dict[str, Floats] = {}
    for column, market in zip(axes.T, markets, strict=True):
        pool = market.default
        _pool_column(column, market)
        curves |= {f"{market.title} {name}": row for name, row in zip(pool.experts, pool.weights.T, strict=True)}
        curves |= {f"{market.title} forecast": pool.forecast, f"{market.title} half-life": pool.half_life}
    _volatility_scale(axes[0, 0], [market.default.forecast for market in markets])
    axes[0, 0].legend(loc="upper left", ncols=2)
    axes[1, 0].set_ylabel("share")
    axes[1, 0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes[2, 0].set_ylabel("bars, log scale")
    _plain_ticks(axes[2, 0], (2, 3, 5, 10, 20, 30, 50, 100))
    _expert_legend(figure)
    _titled(figure, "The default forecaster: which memory the market needed", markets)
    return figure, curves


def _pool_column(column: Sequence[Axes], market: Market) -> None:
    volatility, shares, memory = column
    pool, times, ranged = market.default, market.times, market.series.ranged
    volatility.plot(times, pool.forecast, color=COLOURS[0], linewidth=0.8, label="forecast")
    volatility.plot(times, pool.long_run, color=BLACK, linewidth=1.0, linestyle="--", label="long run")
    volatility.set_title(f"{market.title}: volatility")
    shades = [EXPERTS[name] for name in pool.experts]
    shares.stackplot(times[1:], pool.weights[1:].T, colors=shades, edgecolor="white", linewidth=0.3)
    kind = "bars with ranges" if ranged else "closes only"
    shares.set(title=f"Weights of the {len(pool.experts)} experts ({kind})", ylim=(0.0, 1.0))
    shares.grid(visible=False)
    memory.semilogy(times, pool.half_life, color=COLOURS[1], linewidth=1.0)
    memory.set_title("Effective half-life")
    _dates(memory, times)


def losses(markets: Sequence[Market]) -> Picture:
    """Returns against the value at risk before them, and where the regime label said stress."""
    figure = Figure(figsize=(10.0, 7.0), layout="constrained")
    panels = figure.subplots(len(markets), 1, squeeze=False)[:, 0]
    curves: dict[str, Floats] = {}
    for panel, market in zip(panels, markets, strict=True):
        _loss_panel(panel, market)
        curves[f"{market.title} value at risk"] = market.default.value_at_risk
        curves[f"{market.title} stress"] = market.default.stress
    panels[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=5)
    _titled(figure, "One loss in a hundred: value at risk of the default forecaster", markets)
    return figure, curves


def _loss_panel(panel: Axes, market: Market) -> None:
    pool, times = market.default, market.times[1:]
    returns, bound = np.diff(np.log(market.series.closes)), pool.value_at_risk[:-1]
    panel.fill_between(
        times, 0, 1, where=pool.stress[1:] == 1.0, color="#cfe3f2", linewidth=0, step="post",
        transform=panel.get_xaxis_transform(), label="regime label: stress",
    )  # fmt: skip
    panel.plot(times, returns, color=GREY, linewidth=0.5, label="log return of a day")
    panel.plot(times, -bound, color=COLOURS[1], linewidth=0.9, label="1 % value at risk, said the day before")
    panel.plot(times, bound, color=COLOURS[0], linewidth=0.9, label="the same of a short position")
    known = market.whole_days & ~np.isnan(bound)
    below, above = (np.flatnonzero(known & (sign * returns > bound)) for sign in (-1.0, 1.0))
    beyond = np.concatenate([below, above])
    panel.plot([times[bar] for bar in beyond], returns[beyond], "o", color=BLACK, markersize=2.5, label="exceeded")
    days = int(known.sum())
    panel.set_title(f"{market.title}, {days:,} days: below {below.size / days:.2%}, above {above.size / days:.2%}")
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _dates(panel, times)


def _titled(figure: Figure, title: str, markets: Sequence[Market], note: str = "") -> None:
    """Title above; below what must be known, and where the bars come from."""
    sources = "; ".join(f"{market.title}: {market.source}" for market in markets)
    figure.suptitle(title, fontweight="bold")
    figure.supxlabel(f"{note} Bars of {sources}".strip(), fontsize=8.0, color=GREY)


def _expert_legend(figure: Figure) -> None:
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
