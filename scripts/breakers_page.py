"""The picture of the ladder in crashes, docs/images/breakers.png; `python -m scripts.breakers_page` draws it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
from matplotlib.figure import Figure

from app.demo.plot import STYLE
from scripts.pictures import save
from scripts.volatility_page import IMAGES, ROOT
from scripts.volatility_plots import BLACK, COLOURS, GREY, Summary, summarized
from services.core.explain import Floats
from tests.evaluation.breakers import (
    CRASHES,
    DATA,
    EQUITY,
    HELD,
    LADDER,
    LIMITS,
    MARGIN_ALONE,
    PERPETUAL,
    WARM_UP,
    WINDOWS,
    Position,
    measured,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME, ASSET, LEVERAGE = "breakers", "BTC", 3.0
STYLES = {LADDER: (COLOURS[0], "-"), MARGIN_ALONE: (COLOURS[2], "-"), LIMITS: (COLOURS[1], "--"), HELD: (BLACK, ":")}


def draw(folder: Path, found: Sequence[Position]) -> dict[str, Summary]:
    """Write the picture; what it was drawn from."""
    curves: dict[str, Floats] = {}
    with mpl.rc_context(STYLE | {"figure.dpi": 100}):
        figure = Figure(figsize=(13.0, 9.0), layout="constrained")
        grid = figure.subplots(4, len(found), sharex="col", squeeze=False)
        for column, one in enumerate(found):
            curves |= _column([row[column] for row in grid], one, first=column == 0)
        figure.suptitle(
            f"A long of {ASSET} at {LEVERAGE:g}x through three crashes, by what guards it", fontweight="bold"
        )
        figure.supxlabel(
            "Hourly. Leverage and level end where the latch or the venue closes the position; nobody resets the latch.",
            fontsize=8.0,
            color=GREY,
        )
        summary = summarized(curves)
        save(figure, folder / f"{NAME}.png", json.dumps(summary))
    return {NAME: summary}


def _column(axes: list[Axes], one: Position, *, first: bool) -> dict[str, Floats]:
    times, curves = one.crash.times[WARM_UP:], dict[str, Floats]()
    price, equity, leverage, tier = axes
    price.plot(times, one.crash.close[WARM_UP:] / 1_000.0, color=GREY)
    price.set(title=one.crash.name)
    for name, (colour, line) in STYLES.items():
        ride = one.rides[name]
        closed = [ride.equity[-1]] * (len(times) - len(ride.equity))
        rows = (np.array(ride.equity + closed) / EQUITY, np.array(ride.leverage), np.array(ride.tier, dtype=float))
        for panel, values in zip((equity, leverage, tier), rows, strict=True):
            if panel is tier and name in (LIMITS, HELD):
                continue
            panel.plot(times[: values.size], values, color=colour, linestyle=line, linewidth=1.4, label=name)
        curves |= {f"{one.name} {name}": rows[0]}
    leverage.set_ylim(0.0, 10.0)
    tier.set_yticks(range(5), ["normal", "caution", "reduce", "close only", "flatten"])
    tier.xaxis.set_major_locator(mdates.AutoDateLocator(maxticks=6))
    tier.xaxis.set_major_formatter(mdates.DateFormatter("%d %b"))
    if first:
        price.set_ylabel("price, thousands of USD")
        equity.set_ylabel("equity over what was paid in")
        leverage.set_ylabel("leverage")
        equity.legend(loc="lower left", fontsize=7.5)
    return curves


def main() -> int:
    """Draw it."""
    if not all((DATA / file).exists() for file in (CRASHES, PERPETUAL)):
        print(f"nothing to draw: the hourly prices of {', '.join(WINDOWS)} are not beside the repository")
        return 0
    draw(IMAGES, measured([ASSET], [LEVERAGE]))
    print(f"{(IMAGES / NAME).relative_to(ROOT)}.png is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
