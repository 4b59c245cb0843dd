"""The picture of hedge bands: `python -m scripts.bands_page` (`make docs`) draws docs/images/hedge_bands.png.

A short straddle: how wide its band is at every price, the hedges that the band leaves alone, and one path with the net
delta and the orders, all from the rules of the service.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from app.demo.plot import STYLE
from scripts.pictures import save
from scripts.volatility_page import IMAGES, ROOT
from scripts.volatility_plots import BLACK, COLOURS, GREY, Picture, Summary, summarized
from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.explain import Floats
from services.hedging.triggers.adaptive import AdaptiveRule
from services.hedging.view import HedgeView, decide
from services.options.black import black_greeks
from services.simulation.hedging import PriceModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "hedge_bands"
SPOT, VOLATILITY, DAYS, RATE, FIXED, SEED = 100.0, 0.6, 14.0, 0.0005, 0.002, 12
STEP_SECONDS = 900.0
RULE = AdaptiveRule(risk_aversion=1.0)
OUTER, INNER, ORDER = COLOURS[0], COLOURS[1], "#b4472f"


def draw(folder: Path) -> dict[str, Summary]:
    """Write the picture; what it was drawn from."""
    with mpl.rc_context(STYLE | {"figure.dpi": 100}):
        figure, curves = picture()
        summary = summarized(curves)
        save(figure, folder / f"{NAME}.png", json.dumps(summary))
    return {NAME: summary}


def picture() -> Picture:
    """Widths, the region without orders, and one path."""
    figure = Figure(figsize=(12.0, 9.0), layout="constrained")
    places = figure.add_gridspec(3, 2, height_ratios=(1.0, 0.45, 0.9))
    curves = _widths(figure.add_subplot(places[0, 0]))
    curves |= _region(figure.add_subplot(places[0, 1]))
    price = figure.add_subplot(places[1, :])
    curves |= _path(price, figure.add_subplot(places[2, :], sharex=price))
    figure.suptitle(
        "A short straddle: hedged where its delta leaves the band, back to the inner width", fontweight="bold"
    )
    note = (
        f"Short call and put struck at 100, {VOLATILITY:.0%} volatility; an order costs {1e4 * RATE:g} basis points "
        f"and {FIXED:g}; risk aversion {RULE.risk_aversion:g}. The path is simulated."
    )
    figure.supxlabel(note, fontsize=8.0, color=GREY)
    return figure, curves


def straddle(spot: float, days: float) -> tuple[float, float]:
    """Delta and gamma of the short straddle."""
    units = [
        black_greeks(spot, 100.0, days * SECONDS_PER_DAY / SECONDS_PER_YEAR, VOLATILITY, right) for right in (1, -1)
    ]
    return -sum(float(unit.delta) for unit in units), -sum(float(unit.gamma) for unit in units)


def view(spot: float, net_delta: float, gamma: float, fixed: float = FIXED) -> HedgeView:
    """The book as the trigger sees it."""
    return HedgeView(net_delta=net_delta, spot=spot, gamma_1pct=gamma * spot / 100.0, cost_rate=RATE, fixed_cost=fixed)


def widths(spots: Floats, days: float, fixed: float = FIXED) -> tuple[Floats, Floats]:
    """Outer and inner half width at every price."""
    found = [decide(RULE, view(spot, 0.0, straddle(spot, days)[1], fixed)) for spot in spots.tolist()]
    return np.array([item.outer for item in found]), np.array([item.inner for item in found])


def _widths(axes: Axes) -> dict[str, Floats]:
    curves: dict[str, Floats] = {}
    spots = np.linspace(75.0, 130.0, 221)
    for days, style in ((1.0, ":"), (7.0, "--"), (DAYS, "-")):
        outer, inner = widths(spots, days)
        axes.plot(spots, outer, style, color=OUTER, linewidth=1.6, label=f"outer, {days:.0f} d left")
        axes.plot(spots, inner, style, color=INNER, linewidth=1.2, label=f"inner, {days:.0f} d left")
        curves |= {f"outer {days:.0f}": outer, f"inner {days:.0f}": inner}
    axes.set(title="Half widths of the band", xlabel="price", ylabel="delta")
    axes.set_ylim(0.0)
    axes.legend(loc="upper right", ncols=1, fontsize=8.0)
    return curves


def _region(axes: Axes) -> dict[str, Floats]:
    spots = np.linspace(75.0, 130.0, 221)
    aim = np.array([-straddle(spot, DAYS)[0] for spot in spots.tolist()])
    outer, inner = widths(spots, DAYS)
    axes.fill_between(spots, aim - outer, aim + outer, color=OUTER, alpha=0.15, linewidth=0.0, label="no order")
    axes.fill_between(spots, aim - inner, aim + inner, color=INNER, alpha=0.35, linewidth=0.0, label="where orders end")
    axes.plot(spots, aim, color=BLACK, linewidth=1.0, label="delta-neutral")
    axes.set(title=f"The hedge that is held, {DAYS:.0f} days left", xlabel="price", ylabel="hedge [base units]")
    axes.legend(loc="upper left")
    return {"neutral": aim}


def _path(price: Axes, axes: Axes) -> dict[str, Floats]:
    walk = walked()
    days = walk["days"]
    price.plot(days, walk["price"], color=BLACK, linewidth=1.0)
    price.axhline(100.0, color=GREY, linewidth=0.8, linestyle="--")
    price.set(title="One path", ylabel="price")
    price.tick_params(labelbottom=False)
    axes.fill_between(days, -walk["outer"], walk["outer"], color=OUTER, alpha=0.15, linewidth=0.0, label="band")
    for sign in (-1.0, 1.0):
        axes.plot(days, sign * walk["inner"], color=INNER, linewidth=0.9, label="inner width" if sign > 0.0 else None)
    axes.plot(days, walk["net"], color=BLACK, linewidth=0.9, label="net delta")
    made = walk["orders"] != 0.0
    axes.plot(days[made], walk["before"][made], "o", color=ORDER, markersize=4.0, label=f"order ({made.sum()})")
    axes.set(xlabel="days", ylabel="net delta [base units]")
    axes.set_xlim(0.0, DAYS)
    limit = 1.25 * float(np.quantile(walk["outer"], 0.99))
    axes.set_ylim(-limit, limit)
    axes.legend(loc="upper left", ncols=4)
    return {name: walk[name] for name in ("net", "outer", "inner", "orders")}


def walked() -> dict[str, Floats]:
    """One path: price, net delta before and after what the trigger trades, the widths, the orders."""
    steps = int(DAYS * SECONDS_PER_DAY / STEP_SECONDS)
    model = PriceModel(volatility=VOLATILITY)
    prices = model.paths(np.random.default_rng(SEED), count=1, steps=steps, step_seconds=STEP_SECONDS, spot=SPOT)[0]
    held, rows = 0.0, []
    for step, spot in enumerate(prices[:-1].tolist()):
        elapsed = step * STEP_SECONDS / SECONDS_PER_DAY
        delta, gamma = straddle(spot, DAYS - elapsed)
        verdict = decide(RULE, view(spot, delta + held, gamma))
        order = verdict.delta_to_trade or 0.0
        rows.append((elapsed, spot, delta + held, delta + held + order, verdict.outer, verdict.inner, order))
        held += order
    names = ("days", "price", "before", "net", "outer", "inner", "orders")
    return dict(zip(names, np.array(rows, dtype=float).T, strict=True))


def main() -> int:
    """Draw the picture."""
    draw(IMAGES)
    print(f"{(IMAGES / f'{NAME}.png').relative_to(ROOT)} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
