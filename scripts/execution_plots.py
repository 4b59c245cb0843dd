"""The picture of docs/execution.md; `python -m scripts.execution_page` (`make docs`) draws it.

It shows the requests of `app.examples`, so that the page, the explorer and the picture tell of the same orders.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from app.demo.plot import STYLE
from app.examples import GRID, PERPETUAL, SCHEDULE
from app.translate.instruments import domain_instrument
from models.api.grid import GridRequest
from models.api.market import InstrumentIn
from models.api.schedule import ScheduleRequest
from scripts.pictures import save
from scripts.volatility_plots import BLACK, COLOURS, GREY, Picture, Summary, summarized
from services.core.explain import Floats
from services.hedging.execution import Execution
from services.hedging.schedule import Schedule, schedule_order
from services.hedging.schedule_registry import ScheduleMethod
from services.hedging.schedules.almgren_chriss import AlmgrenChriss
from services.hedging.schedules.participation import Participation
from services.hedging.schedules.twap import Twap
from services.sizing.grid import Grid, GridLevel, GridMarket, GridPlan
from services.sizing.grid_plan import plan_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "grid_schedule"
BUY, SELL, STOP = COLOURS[0], COLOURS[1], "#b4472f"
HOURS, SLICES = 4.0, 48
VOLUMES = tuple(140.0 * (1.0 + 0.8 * np.cos(np.linspace(0.0, 2.0 * np.pi, SLICES))))
"""Made-up volume of each slice, more at both ends [base units]."""
AVERSIONS = (1e-5, 1e-4, 1e-3)


def draw(folder: Path) -> dict[str, Summary]:
    """Write the picture; what it was drawn from."""
    with mpl.rc_context(STYLE | {"figure.dpi": 100}):
        figure, curves = picture()
        summary = summarized(curves)
        save(figure, folder / f"{NAME}.png", json.dumps(summary))
    return {NAME: summary}


def picture() -> Picture:
    """A grid with its worst case, the trajectories of one order, and what they cost."""
    figure = Figure(figsize=(12.0, 8.0), layout="constrained")
    axes = figure.subplots(2, 2)
    plan, market, grid = example_grid()
    curves = _levels(axes[0, 0], plan, market, grid)
    curves |= _losses(axes[0, 1], plan, market, grid)
    curves |= _trajectories(axes[1, 0])
    curves |= _frontier(axes[1, 1])
    figure.suptitle("A grid and its worst case; one order, traded in five ways", fontweight="bold")
    note = "Prices, terms and impact of the examples on this page; the volume of the participation schedule is made up."
    figure.supxlabel(note, fontsize=8.0, color=GREY)
    return figure, curves


def example_grid() -> tuple[GridPlan, GridMarket, Grid]:
    """The grid of the documentation."""
    request = GridRequest.model_validate(GRID)
    names = ("side", "low", "high", "stop_low", "budget", "spacing", "max_levels", "risk_budget", "fee_rate")
    grid = Grid(**{name: getattr(request, name) for name in names})
    market = GridMarket(
        instrument=domain_instrument(InstrumentIn.model_validate(PERPETUAL)),
        mark=request.mark_price,
        inventory=request.inventory,
        volatility=request.volatility,
    )
    plan = plan_grid(grid, market)
    assert isinstance(plan, GridPlan)
    return plan, market, grid


def _levels(axes: Axes, plan: GridPlan, market: GridMarket, grid: Grid) -> dict[str, Floats]:
    for sign, colour, label in ((-1, SELL, "sells of what is held"), (1, BUY, "buys, paid by the budget")):
        mine = [level for level in plan.levels if level.side == sign]
        sizes = [sign * float(level.contracts) for level in mine]
        axes.barh([float(level.price) for level in mine], sizes, height=55.0, color=colour, label=label)
    axes.axhline(float(market.mark), color=BLACK, linewidth=1.0)
    axes.annotate(" mark", (0.0, float(market.mark)), va="bottom", fontsize=8.0)
    assert grid.stop_low is not None
    axes.axhline(float(grid.stop_low), color=STOP, linewidth=1.2, linestyle="--")
    axes.annotate(" stop: all is closed", (0.0, float(grid.stop_low)), va="bottom", fontsize=8.0, color=STOP)
    axes.set_axisbelow(True)
    axes.set(title="Resting orders", xlabel="contracts: buys to the right, sells to the left", ylabel="price")
    axes.set_ylim(float(grid.stop_low) - 100.0, 9_250.0)
    axes.legend(loc="upper center", ncols=2)
    return {"sizes": np.array([float(level.side * level.contracts) for level in plan.levels])}


def _losses(axes: Axes, plan: GridPlan, market: GridMarket, grid: Grid) -> dict[str, Floats]:
    """What the account has lost where the price falls without a turn: exact at every price."""
    assert grid.stop_low is not None
    assert grid.risk_budget is not None
    prices = np.linspace(float(market.mark), float(grid.stop_low), 241)
    filled = [_filled(plan.levels, float(price)) for price in prices]
    losses = np.array([_loss(levels, market, float(price), grid) for levels, price in zip(filled, prices, strict=True)])
    held = np.array(
        [float(market.inventory + sum((item.contracts for item in levels), Decimal(0))) for levels in filled]
    )
    axes.plot(prices, losses, color=STOP, linewidth=1.8, label="loss if all were closed there")
    axes.axhline(float(grid.risk_budget), color=BLACK, linestyle="--", linewidth=1.0)
    axes.annotate(" risk budget", (prices[0], float(grid.risk_budget)), va="bottom", fontsize=8.0)
    axes.set(title="The worst case on the way to the stop", xlabel="price, falling", ylabel="loss")
    axes.set_xlim(prices[0], prices[-1])
    axes.set_ylim(0.0, 1.25 * float(grid.risk_budget))
    inventory = axes.twinx()
    inventory.step(prices, held, where="post", color=BUY, linewidth=1.2, label="inventory (right)")
    inventory.set(ylabel="contracts", ylim=(0.0, 1.4 * held[-1]))
    inventory.grid(visible=False)
    lines = [*axes.get_lines()[:1], *inventory.get_lines()]
    axes.legend(lines, [str(line.get_label()) for line in lines], loc="upper left", bbox_to_anchor=(0.0, 0.8))
    return {"losses": losses, "inventory": held}


def _filled(levels: Sequence[GridLevel], price: float) -> list[GridLevel]:
    return [level for level in levels if level.side > 0 and float(level.price) >= price]


def _loss(levels: Sequence[GridLevel], market: GridMarket, price: float, grid: Grid) -> float:
    entries = [
        (float(market.mark), float(market.inventory)),
        *((float(it.price), float(it.contracts)) for it in levels),
    ]
    moved = sum(size * (entry - price) for entry, size in entries)
    traded = sum(float(it.notional) for it in levels) + sum(size for _, size in entries) * price
    return moved + grid.fee_rate * traded


def example_order(volumes: tuple[float, ...] = ()) -> Execution:
    """The order of the documentation."""
    request = ScheduleRequest.model_validate(SCHEDULE)
    return Execution(
        quantity=abs(float(request.quantity)),
        price=float(request.mark_price),
        reduces=True,
        volatility=request.volatility,
        impact=request.impact,
        volumes=volumes,
    )


def schedules() -> dict[str, Schedule]:
    """One order by every method in time."""
    seconds, lots = HOURS * 3600.0, 12_500
    methods: dict[str, ScheduleMethod] = {
        "TWAP": Twap(duration_seconds=seconds, slices=SLICES),
        "participation 1/500": Participation(duration_seconds=seconds, slices=SLICES, participation_rate=0.002),
    }
    for aversion in AVERSIONS:
        name = f"Almgren–Chriss, λ = {aversion:g}"
        methods[name] = AlmgrenChriss(duration_seconds=seconds, slices=SLICES, risk_aversion=aversion)
    known = {name: VOLUMES if isinstance(method, Participation) else () for name, method in methods.items()}
    return {name: schedule_order(lots, method, example_order(known[name])) for name, method in methods.items()}


def _trajectories(axes: Axes) -> dict[str, Floats]:
    curves = {}
    for (name, found), colour in zip(schedules().items(), (BLACK, COLOURS[2], "#9ecae1", BUY, "#08306b"), strict=True):
        starts = np.array([item.start or 0.0 for item in found.slices]) / 3600.0
        left = 12.5 - np.cumsum([item.lots / 1000.0 for item in found.slices])
        axes.step([0.0, *starts, HOURS], [12.5, *left, left[-1]], where="post", color=colour, linewidth=1.5, label=name)
        curves[name] = left
    axes.set(title="What is left of 12.5 to sell", xlabel="hours", ylabel="contracts")
    axes.set_xlim(0.0, HOURS)
    axes.set_ylim(0.0, 13.0)
    axes.legend(loc="upper right")
    return curves


def _frontier(axes: Axes) -> dict[str, Floats]:
    aversions = np.geomspace(1e-7, 1e-1, 40)
    optimal = [AlmgrenChriss(duration_seconds=HOURS * 3600.0, slices=SLICES, risk_aversion=float(x)) for x in aversions]
    costs = [schedule_order(12_500, method, example_order()).cost for method in optimal]
    points = np.array([(cost.standard_deviation, cost.expected) for cost in costs if cost is not None])
    axes.plot(points[:, 0], points[:, 1], color=BUY, linewidth=1.5, label="Almgren–Chriss, every λ")
    for (name, found), marker in zip(schedules().items(), "os^vD", strict=True):
        assert found.cost is not None
        told = name.removeprefix("Almgren–Chriss, ")
        style = {"color": COLOURS[2] if name.startswith("part") else BLACK}
        axes.plot(found.cost.standard_deviation, found.cost.expected, marker, markersize=6.0, label=told, **style)
    axes.set(
        title="What it costs on average, and how uncertain that is", xlabel="standard deviation", ylabel="expected"
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator((100, 200, 300, 500, 1000)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlim(0.0)
    axes.legend(loc="upper right")
    return {"deviation": points[:, 0], "expected": points[:, 1]}
