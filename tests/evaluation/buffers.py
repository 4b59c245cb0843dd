"""What a no-trade band costs and saves: `python -m tests.evaluation.buffers`.

Protocol: the service's own back-test on the bundled closes, always long, S&P 500 to 10 % and Bitcoin to 20 %,
5 basis points of notional a trade, no other cost; the first 252 bars only warm up. Turnover is notional traded over
equity a year, tracking error the root mean square of one-year volatility less the target, over the target. Changes are
against the same forecast without a band. `--write` puts the table into docs/measurements/buffers.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from app.demo.markets import DemoMarket, bundled_markets
from services.core.annualization import SECONDS_PER_DAY, Calendar
from services.core.instrument import Instrument
from services.engine import Policy, SeriesInput
from services.liquidity.costs import Costs
from services.margin.registry import STUDENT
from services.simulation.backtest import BacktestMarket, Trading, backtest
from services.simulation.performance import Performance, performance
from services.sizing.buffers import (
    Buffer,
    CostOptimalBuffer,
    IntervalBuffer,
    NoBuffer,
    PositionBuffer,
    ToleranceBuffer,
    TrackingErrorBuffer,
)
from services.sizing.limits import Limits
from services.sizing.methods.volatility_target import VolatilityTarget
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.registry import Estimator
from tests.evaluation.report import Gate, Grid

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "buffers.md"
WARM_UP, FEE = 252, 0.0005
LEAST_SAVED, MOST_ERROR = 0.70, 0.30
"""Of the turnover, for at most this much more tracking error, on the S&P 500."""
ESTIMATORS: dict[str, Estimator] = {"EWMA 20": Ewma(), "adaptive": Adaptive()}
BUFFERS: dict[str, Buffer] = {
    "none": NoBuffer(),
    "position 10 %, to the edge": PositionBuffer(),
    "position 10 %, to the size": PositionBuffer(trade_to="optimal"),
    "tolerance 20 %": ToleranceBuffer(),
    "every 30 days": IntervalBuffer(interval_seconds=30.0 * SECONDS_PER_DAY),
    "tracking error, a tenth of the target": TrackingErrorBuffer(max_tracking_error=0.01),
    "cost-optimal, γ = 5, ν = .6": CostOptimalBuffer(risk_aversion=5.0, weight_volatility=0.6),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One band under one forecast on one market."""

    market: str
    estimator: str
    buffer: str
    figures: Performance
    bare: Performance

    @property
    def saved(self) -> float:
        """Part of the turnover that the band saves."""
        return 1.0 - self.figures.turnover / self.bare.turnover

    @property
    def wider(self) -> float:
        """Relative increase of the tracking error."""
        assert self.figures.tracking_error is not None
        assert self.bare.tracking_error is not None
        return self.figures.tracking_error / self.bare.tracking_error - 1.0


def backtest_market(market: DemoMarket) -> BacktestMarket:
    """A bundled market, always long."""
    closes = np.array([float(item.close) for item in market.closes])
    times = np.array([item.close_time.timestamp() for item in market.closes])
    end, calendar = market.closes[-1].close_time, Calendar(market.calendar)
    return BacktestMarket(
        instrument=Instrument(symbol=market.symbol, lot=Decimal(market.lot)),
        series=SeriesInput(closes, end, SECONDS_PER_DAY, calendar, times),
        direction=np.ones(closes.size),
        funding_rate=np.zeros(closes.size),
    )


def measured(market: BacktestMarket, target: float, estimator: Estimator, buffer: Buffer) -> Performance:
    """Figures of one walk after the warm-up."""
    policy = Policy(
        sizing=VolatilityTarget(target_volatility=target),
        estimator=estimator,
        buffer=buffer,
        costs=Costs(fee=FEE, half_spread=0.0, impact_coefficient=0.0),
        limits=Limits(max_leverage=3.0, max_margin_use=1.0, min_liquidation_distance=0.0),
        margin=STUDENT,
    )
    path = backtest([market], policy, equity=1e6, trading=Trading(warm_up_bars=WARM_UP))
    return performance(
        path.equity[WARM_UP:],
        periods_per_year=market.series.clock.periods_per_year,
        traded=path.traded[WARM_UP:],
        costs=path.costs[WARM_UP:],
        carry=path.carry[WARM_UP:],
        target_volatility=target,
    )


def rows_of(markets: Sequence[DemoMarket]) -> Iterator[Row]:
    """Every band under every forecast on every market."""
    for market in markets:
        walked = backtest_market(market)
        for name, estimator in ESTIMATORS.items():
            bare = measured(walked, market.target_volatility, estimator, NoBuffer())
            for label, buffer in BUFFERS.items():
                plain = isinstance(buffer, NoBuffer)
                found = bare if plain else measured(walked, market.target_volatility, estimator, buffer)
                yield Row(market.title, name, label, found, bare)


def grid(rows: Sequence[Row]) -> Grid:
    """All rows as a table."""
    columns = ["market", "forecast", "band", "turnover", "change %", "tracking error", "change %", "costs %", "Sharpe"]
    lines = [
        [
            row.market,
            row.estimator,
            row.buffer,
            f"{row.figures.turnover:.2f}",
            f"{100.0 * (0.0 - row.saved):+.0f}",
            f"{row.figures.tracking_error:.4f}",
            f"{100.0 * row.wider:+.0f}",
            f"{100.0 * row.figures.costs:.1f}",
            f"{row.figures.sharpe_ratio:.3f}",
        ]
        for row in rows
    ]
    return Grid("Turnover a year and tracking error of a band", columns, lines)


def gates_of(rows: Sequence[Row]) -> list[Gate]:
    """The goal on the S&P 500 for the default band: it is that of a plain forecast, and shown for the adaptive one."""
    found = []
    for row in rows:
        if row.market.startswith("S&P") and row.buffer == "position 10 %, to the edge":
            goal = row.estimator != "EWMA 20"
            found.append(Gate(f"turnover saved, {row.estimator}", row.saved, least=LEAST_SAVED, goal=goal))
            found.append(Gate(f"tracking error added, {row.estimator}", row.wider, most=MOST_ERROR, goal=goal))
    return found


def document(rows: Sequence[Row], gates: Sequence[Gate]) -> str:
    """The page in docs/measurements."""
    table = grid(rows)
    lines = ["| " + " | ".join(line) + " |" for line in (table.columns, ["---"] * len(table.columns), *table.rows)]
    goals = [f"- {gate.name}: {gate.value:.3f} ({gate.bounds}): {'held' if gate.held else 'missed'}" for gate in gates]
    text = [
        "# No-trade bands: what was measured",
        "",
        (__doc__ or "").partition("\n\n")[2].strip(),
        "",
        *lines,
        "",
        *goals,
    ]
    return "\n".join(text) + "\n"


def main(words: Sequence[str] | None = None) -> int:
    """Measure, show, and answer whether the goal is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/measurements/buffers.md")
    options = parser.parse_args(words)
    count = 2 * len(ESTIMATORS) * len(BUFFERS)
    rows = list(track(rows_of(bundled_markets()), "walking", total=count, console=Console(stderr=True)))
    gates, console = gates_of(rows), Console()
    console.print(grid(rows).on_terminal())
    for gate in gates:
        console.print(f"{gate.name}: {gate.value:.3f} {gate.bounds}: {'held' if gate.held else 'missed'}")
    if options.write:
        DOCUMENT.write_text(document(rows, gates))
    return 0 if all(gate.held or gate.goal for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
