"""How often losses exceed a value at risk, by law: `python -m tests.benchmark.value_at_risk_table [adaptive]`.

Every figure is made of the bars before the loss. The data lie beside the repository; see the README of services/risk
for the figures.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from services.core.annualization import Calendar
from services.core.explain import Floats
from services.risk.value_at_risk import (
    Levels,
    TailLoss,
    cornish_fisher_loss,
    filtered_loss,
    fitted_student_loss,
    historical_loss,
    normal_loss,
    student_loss,
)
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import forecast_series
from services.volatility.registry import Estimator

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
LEVELS = Levels(0.99, 0.975)
BARS = 700
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def markets() -> Iterator[tuple[str, Floats, Calendar, float, int]]:
    """Name, closes, calendar, days a year, days between two estimates."""
    with gzip.open(DATA / "ohlcv_spy_daily_1998_2021.csv.gz", "rt") as lines:
        yield "SPY", np.array([float(line["close"]) for line in csv.DictReader(lines)]), Calendar("XNYS"), 252.0, 2
    closes: dict[str, list[float]] = defaultdict(list)
    with gzip.open(DATA / "ohlcv_daily_yahoo_btc_eth_bnb_sol_2014_2024.csv.gz", "rt") as lines:
        for line in csv.DictReader(lines):
            closes[line["asset"]].append(float(line["close"]))
    for name, path in closes.items():
        yield name, np.array(path), Calendar(), 365.0, 1


def laws(standardized: Floats, returns: Floats, move: float) -> dict[str, TailLoss]:
    """Loss of a long over the next bar, by law."""
    return {
        "normal": normal_loss(LEVELS).times(move),
        "student 4": student_loss(LEVELS, 4.0).times(move),
        "student fitted": fitted_student_loss(standardized, LEVELS)[0].times(move),
        "cornish fisher": cornish_fisher_loss(standardized, LEVELS)[0].times(move),
        "filtered": filtered_loss(standardized, LEVELS)[0].times(move),
        "historical": historical_loss(returns, LEVELS)[0],
    }


def measure(closes: Floats, calendar: Calendar, days: float, step: int, estimator: Estimator) -> dict[str, Floats]:
    """Losses over the value at risk and over the expected shortfall, (2, n), by law."""
    ratios: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for day in range(BARS, closes.size - 1, step):
        past = closes[day - BARS : day]
        found = forecast_series(past, end=NOW, bar_seconds=86_400, calendar=calendar, estimator=estimator)
        standardized = found.standardized[np.isfinite(found.standardized)]
        move, change = found.readout.volatility / days**0.5, closes[day] / closes[day - 1] - 1.0
        for side in (1.0, -1.0):
            for law, loss in laws(side * standardized, side * (past[1:] / past[:-1] - 1.0), move).items():
                ratios[law].append((-side * change / loss.value_at_risk, -side * change / loss.expected_shortfall))
    return {law: np.array(pairs).T for law, pairs in ratios.items()}


def main() -> None:
    """Print one line a market."""
    estimator: Estimator = Adaptive() if "adaptive" in sys.argv[1:] else Ewma()
    for name, closes, calendar, days, step in markets():
        line = []
        for law, (at_risk, shortfall) in measure(closes, calendar, days, step, estimator).items():
            worst = np.sort(shortfall)[-int(0.025 * shortfall.size) :]
            line.append(f"{law} {100.0 * (at_risk > 1.0).mean():.2f} % ({worst.mean():.2f})")
        print(f"{name}, {at_risk.size} losses: {', '.join(line)}", flush=True)


if __name__ == "__main__":
    main()
