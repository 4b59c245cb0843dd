"""The picture of docs: smiles of a made-up chain with their quotes, and the term structure."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.demo.plot import STYLE
from scripts.pictures import save
from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.options.chain import ExpiryQuotes
from services.options.surface import Surface, SurfaceSlice
from services.options.term_structure import smile_figures

QUOTE, FIT, MODEL_FREE = "#b0b7c3", "#1f5fbf", "#d9822b"
DAYS = SECONDS_PER_YEAR / SECONDS_PER_DAY


def draw(expiries: tuple[ExpiryQuotes, ...], surface: Surface, path: Path) -> None:
    """One panel an expiry, and the term structure in the last."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13.0, 6.2), layout="constrained")
        axes = figure.subplots(2, 4)
        panels = list(axes.flat)
        for axis, part, fitted in zip(panels, expiries, surface.slices, strict=False):
            _smile(axis, part, fitted)
        panels[0].legend(loc="upper right")
        _term_structure(panels[-1], surface)
        for axis in axes[:, 0]:
            axis.set_ylabel("implied volatility, %")
        figure.suptitle("A made-up chain: bid to ask of each option, and one surface free of arbitrage through all")
        save(figure, path, json.dumps([round(part.rmse, 4) for part in surface.slices]))


def _smile(axis: Axes, part: ExpiryQuotes, fitted: SurfaceSlice) -> None:
    bid, ask = 100.0 * part.bid_volatility, 100.0 * part.ask_volatility
    axis.vlines(part.strike / 1e3, bid, ask, color=QUOTE, linewidth=3.0, label="bid to ask")
    k = np.linspace(fitted.lowest - 0.03, fitted.highest + 0.03, 200)
    axis.plot(fitted.forward * np.exp(k) / 1e3, 100.0 * fitted.volatility(k), color=FIT, linewidth=1.4, label="fit")
    axis.set_title(f"{part.time_to_expiry * DAYS:.0f} days, {fitted.rmse * 100.0:.2f} points RMSE", fontsize=10)
    axis.set_xlabel("strike, thousands", fontsize=9)


def _term_structure(axis: Axes, surface: Surface) -> None:
    days = surface.times * DAYS
    fine = np.geomspace(days[0], days[-1], 200) / DAYS
    axis.plot(fine * DAYS, 100.0 * np.sqrt(surface.total_variance(0.0, fine) / fine), color=FIT, label="at the money")
    free = [100.0 * smile_figures(part).model_free_volatility for part in surface.slices]
    axis.plot(days, free, "o--", color=MODEL_FREE, markersize=4.0, linewidth=1.0, label="model-free")
    axis.set_xscale("log")
    axis.set_title("term structure", fontsize=10)
    axis.set_xlabel("days", fontsize=9)
    axis.legend(fontsize=8)
