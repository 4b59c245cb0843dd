"""The picture of a back-test: equity, realised volatility and size of a policy beside its baselines."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.demo.plot import STYLE, MatplotlibMissing
from app.usecases.run_backtest import Plan
from services.simulation.backtest import BacktestPath
from services.simulation.performance import simple_returns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "policy": "#1f5fa8",
    "constant_leverage": "#b4472f",
    "fixed_weights": "#c9a227",
    "calendar": "#2a7f62",
}
ROLLING_YEARS = 0.5


def draw(plan: Plan, paths: dict[str, BacktestPath], title: str, path: Path) -> None:
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
        figure = Figure(figsize=(9.5, 9.0), layout="constrained")
        equity, volatility, size = figure.subplots(3, 1, sharex=True, height_ratios=(1.3, 1.0, 1.0))
        start = plan.trading.warm_up_bars
        for name, item in paths.items():
            times = [datetime.fromtimestamp(moment, UTC) for moment in item.times[start:].tolist()]
            style: dict[str, Any] = {
                "color": COLOURS[name],
                "linewidth": 1.3 if name == "policy" else 0.8,
                "label": name.replace("_", " "),
            }
            alive = np.where(item.equity[start:] > 0.0, item.equity[start:], np.nan)
            equity.plot(times, alive / item.equity[start], **style)
            window = max(round(ROLLING_YEARS * plan.periods_per_year), 2)
            volatility.plot(times[1:], rolling(item.equity[start:], window) * plan.periods_per_year**0.5, **style)
            size.step(times, np.abs(item.weights[start:]).sum(axis=1), where="post", **style)
        _label(equity, "Equity after costs and carry, over the start", log=True)
        _label(volatility, "Realised volatility over half a year [annual]")
        _label(size, "Gross notional over equity")
        if plan.policy.target_volatility is not None:
            volatility.axhline(plan.policy.target_volatility, color="#222222", linewidth=0.9, linestyle="--")
        equity.legend(loc="upper left", ncols=2)
        figure.suptitle(f"Back-test: {title}", fontsize=12, fontweight="bold")
        figure.savefig(path, format="png")


def rolling(equity: np.ndarray, window: int) -> np.ndarray:
    """Standard deviation of the last `window` returns; NaN until they are there, and after a ruin."""
    returns = np.full(equity.size - 1, np.nan)
    found = simple_returns(equity)
    returns[: found.size] = found
    out = np.full(returns.size, np.nan)
    if returns.size >= window:
        out[window - 1 :] = np.lib.stride_tricks.sliding_window_view(returns, window).std(axis=1, ddof=1)
    return out


def _label(axes: Axes, title: str, *, log: bool = False) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_title(title)
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_minor_locator(NullLocator())
