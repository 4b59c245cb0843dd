"""The picture of a revaluation ladder, docs/images/ladder_heatmap.png; `python -m scripts.ladder_page` draws it.

A made-up book: a short straddle that is paid in coin, and the inverse perpetual that hedges its premium-adjusted delta.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from app.demo.plot import STYLE
from scripts.pictures import save
from scripts.volatility_page import IMAGES, ROOT
from scripts.volatility_plots import BLACK, COLOURS, GREY, Picture, Summary, summarized
from services.core.explain import Floats
from services.options.ladder import LadderGrid, revalue, worst_cell
from services.options.portfolio_greeks import OptionLeg, leg_greeks
from services.options.positions import Leg, LinearLeg, OwnLeg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "ladder_heatmap"
FORWARD, CONTRACTS, DAYS, VOLATILITY = 60_000.0, -10.0, 30.0, 0.55
SPOT = np.round(np.arange(-0.30, 0.31, 0.05), 2)
MOVES = np.array([-0.50, -0.25, 0.0, 0.25, 0.50])
FRAME = "#ffd21f"
FINE = np.linspace(-0.30, 0.30, 121)


def straddle() -> list[OptionLeg]:
    """Call and put at the money, sold."""
    call = OptionLeg(
        quantity=CONTRACTS,
        multiplier=1.0,
        right=1,
        strike=FORWARD,
        forward=FORWARD,
        time_to_expiry=DAYS / 365.0,
        volatility=VOLATILITY,
        coin_settled=True,
    )
    return [call, replace(call, right=-1)]


def hedge() -> LinearLeg:
    """The inverse perpetual against their delta."""
    delta = sum(leg_greeks(leg).delta for leg in straddle())
    return LinearLeg(kind="inverse", quantity=-delta * FORWARD / 10.0, multiplier=10.0, price=FORWARD)


def ladder(legs: list[Leg], spot: Floats, moves: Floats) -> tuple[Floats, LadderGrid]:
    """Profit of a book, and its grid."""
    grid = LadderGrid(spot_shocks=spot, volatility_shocks=moves)
    return revalue(legs, grid).pnl.sum(axis=0), grid


def draw(folder: Path) -> dict[str, Summary]:
    """Write the picture; what it was drawn from."""
    with mpl.rc_context(STYLE | {"figure.dpi": 100}):
        figure, curves = picture()
        summary = summarized(curves)
        save(figure, folder / f"{NAME}.png", json.dumps(summary))
    return {NAME: summary}


def picture() -> Picture:
    """The ladder as a heat map with its worst cell, and cuts through it."""
    figure = Figure(figsize=(12.0, 7.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(1.0, 1.1))
    curves = _heat_map(upper) | _cuts(lower)
    figure.suptitle(
        "Ten short straddles paid in coin, hedged in the inverse perpetual: profit and loss in every scenario",
        fontweight="bold",
    )
    note = (
        f"Made up: forward {FORWARD:,.0f}, strike at the money, {DAYS:.0f} days, implied volatility {VOLATILITY:.0%}. "
        "Every cell is priced anew."
    )
    figure.supxlabel(note, fontsize=8.0, color=GREY)
    return figure, curves


def per_cent(shock: float) -> str:
    """Shock as a label; none is 0 %, without a sign."""
    return f"{shock:+.0%}" if abs(shock) > 1e-9 else "0%"


def _heat_map(axes: Axes) -> dict[str, Floats]:
    pnl, grid = ladder([*straddle(), hedge()], SPOT, MOVES)
    worst, thousand = worst_cell(pnl, grid), pnl.T / 1_000.0
    limit = float(np.abs(thousand).max())
    # Symmetric about zero, so that the colour tells profit from loss; logarithmic, so that small cells are told apart.
    norm = SymLogNorm(linthresh=5.0, vmin=-limit, vmax=limit)
    axes.imshow(thousand, cmap="RdBu", norm=norm, aspect="auto", origin="lower")
    for (row, column), value in np.ndenumerate(thousand):
        light = abs(float(norm(value)) - 0.5) > 0.33
        colour = "white" if light else BLACK
        axes.text(column, row, f"{value + 0.0:,.0f}", ha="center", va="center", fontsize=8.5, color=colour)
    column = int(np.argmin(np.abs(SPOT - worst.spot_shock)))
    row = int(np.argmin(np.abs(MOVES - worst.volatility_shock)))
    for colour, width in ((BLACK, 5.0), (FRAME, 2.5)):
        frame = {"fill": False, "edgecolor": colour, "linewidth": width, "clip_on": False}
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1.0, 1.0, **frame))
    axes.set_xticks(range(SPOT.size), [per_cent(shock) for shock in SPOT.tolist()])
    axes.set_yticks(range(MOVES.size), [per_cent(shock) for shock in MOVES.tolist()])
    axes.grid(visible=False)
    where = f"{per_cent(worst.spot_shock)} spot and {per_cent(worst.volatility_shock)} volatility"
    title = f"Thousands of USD; framed: the worst cell, {worst.pnl / 1_000:,.0f} at {where}"
    axes.set(title=title, ylabel="implied volatility")
    return {"ladder": pnl.ravel(), "worst": np.array([worst.spot_shock, worst.volatility_shock, worst.pnl])}


def _cuts(axes: Axes) -> dict[str, Floats]:
    book: list[Leg] = [*straddle(), hedge()]
    pnl, _ = ladder(book, FINE, np.array([-0.25, 0.0, 0.25]))
    bare, _ = ladder(list(straddle()), FINE, np.array([0.0]))
    legs: list[Leg] = [OwnLeg(greeks=leg_greeks(leg), price=FORWARD, volatility=VOLATILITY) for leg in straddle()]
    expanded, _ = ladder([*legs, hedge()], FINE, np.array([0.0]))
    lines = {
        "hedged, volatility -25 %": (pnl[:, 0], COLOURS[2], "-"),
        "hedged, volatility as it is": (pnl[:, 1], COLOURS[0], "-"),
        "hedged, volatility +25 %": (pnl[:, 2], COLOURS[1], "-"),
        "without the hedge": (bare[:, 0], GREY, ":"),
        "hedged, by delta and gamma alone": (expanded[:, 0], BLACK, "--"),
    }
    for label, (values, colour, style) in lines.items():
        axes.plot(FINE, values / 1_000.0, color=colour, linestyle=style, linewidth=1.6, label=label)
    axes.axhline(0.0, color=BLACK, linewidth=0.6)
    axes.set_xlim(-0.325, 0.325)
    axes.set_ylim(-150.0, 30.0)
    axes.xaxis.set_major_formatter(lambda value, _: per_cent(value))
    axes.set(title="Cuts through the ladder", xlabel="spot", ylabel="profit, thousands of USD")
    axes.legend(loc="lower center")
    return {label: values for label, (values, _, _) in lines.items()}


def main() -> int:
    """Draw it."""
    draw(IMAGES)
    print(f"{(IMAGES / NAME).relative_to(ROOT)}.png is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
