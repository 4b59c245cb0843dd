"""Circuit breakers in three crashes: `python -m tests.evaluation.breakers` replays the ladder, `--write` keeps it.

A long position in a perpetual, bought ten days into each window at a fixed leverage and never sold by its owner, hour
by hour: at every close the engine is asked for the target of the owner, who always wants the size that was bought.
Four times: under `policy.breakers` with its defaults; with `drawdown` off, so that margin alone moves the ladder;
without breakers, under the engine's limit on margin use of 1 alone; and held, never traded. Orders are filled at the
open of the next hour at a cost of 10 basis points. The venue liquidates where the equity meets 1 % of the notional,
judged on the low of every hour before anything else, and keeps the rest. The volatility is the adaptive forecast of
the same hourly bars up to each close; maintenance in the ratio is that of the Student-t model, distance is the
one to the venue's liquidation. Nobody resets the latch. Dwells are shorter than an hour, so a level is left by two
calm closes in a row: the ladder of a client that asks every few seconds moves faster than this one. A ride ends where
the ladder has latched and the position is closed. There are no hourly prices of ETH for November 2022.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
from rich.console import Console

from services.core.annualization import Calendar
from services.core.book import Account, PriceUsed, Row, Signal
from services.core.control import Control
from services.core.explain import Floats
from services.core.instrument import Instrument, MarginTier, QuantityUnit
from services.engine import Evaluation, EvaluationInputs, Policy, SeriesInput, StateInput, evaluate
from services.guards.breakers import Breakers, Level
from services.sizing.buffers import NoBuffer
from services.sizing.limits import Limits
from services.sizing.methods.fixed_weights import FixedWeight, FixedWeights
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.path import forecast_path
from services.volatility.readout import Maturity, VolatilityReadout
from tests.evaluation.breaker_costs import kept
from tests.evaluation.report import Grid

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "breakers.md"
CRASHES, PERPETUAL = "ohlcv_perps_binance_1h_crashes_2020_2021.csv.gz", "ohlcv_btcusdt_perp_binance_1h_2020_2023.csv.gz"
HOUR = 3_600
WARM_UP = 240
"""Hours before the position is bought."""
EQUITY, COST, VENUE_RATE = 100_000.0, 0.001, 0.01
LEVERAGES = (2.0, 3.0, 5.0)
WIDE = Limits(max_leverage=100.0, max_margin_use=1.0, min_liquidation_distance=0.0)

LADDER, MARGIN_ALONE, LIMITS, HELD = "breakers", "breakers, no drawdown", "limits alone", "nothing"
GUARDS: dict[str, Breakers | None] = {
    LADDER: Breakers(),
    MARGIN_ALONE: Breakers(drawdown=None),
    LIMITS: None,
    HELD: None,
}


@dataclass(frozen=True, slots=True, eq=False)
class Crash:
    """Hourly bars of one market around a crash."""

    name: str
    asset: str
    times: tuple[datetime, ...]
    open: Floats
    low: Floats
    close: Floats
    volatility: Floats


@dataclass(slots=True)
class Ride:
    """One position through one crash; lists run over the hours since it was bought."""

    equity: list[float] = field(default_factory=list)
    leverage: list[float] = field(default_factory=list)
    distance: list[float] = field(default_factory=list)
    ratio: list[float] = field(default_factory=list)
    tier: list[int] = field(default_factory=list)
    changes: list[tuple[datetime, str, str, str, str, float, float]] = field(default_factory=list)
    liquidated: datetime | None = None
    traded: float = 0.0


WINDOWS = {
    "March 2020": (CRASHES, ("BTC", "ETH"), datetime(2020, 2, 15, tzinfo=UTC), datetime(2020, 4, 15, tzinfo=UTC)),
    "May 2021": (CRASHES, ("BTC", "ETH"), datetime(2021, 4, 25, tzinfo=UTC), datetime(2021, 6, 30, tzinfo=UTC)),
    "November 2022": (PERPETUAL, ("BTC",), datetime(2022, 10, 15, tzinfo=UTC), datetime(2022, 12, 15, tzinfo=UTC)),
}


def crashes(markets: Sequence[str] = ("BTC", "ETH")) -> Iterator[Crash]:
    """Every window of these markets."""
    for name, (file, assets, first, last) in WINDOWS.items():
        for asset in assets:
            if asset in markets:
                yield _crash(name, asset, file, first, last)


def _crash(name: str, asset: str, file: str, first: datetime, last: datetime) -> Crash:
    with gzip.open(DATA / file, "rt") as text:
        rows = [
            (moment, row)
            for row in csv.DictReader(text)
            if row.get("asset", asset) == asset and first <= (moment := _closed(row["ts"])) < last
        ]
    opened, low, close = (np.array([float(row[key]) for _, row in rows]) for key in ("open", "low", "close"))
    series = SeriesInput(closes=close, end=rows[-1][0], bar_seconds=HOUR, calendar=Calendar())
    volatility = forecast_path(series, Adaptive()).volatility[-close.size :]
    return Crash(name, asset, tuple(moment for moment, _ in rows), opened, low, close, volatility)


def _closed(text: str) -> datetime:
    """Close of the bar that begins then."""
    return datetime.fromisoformat(text) + timedelta(seconds=HOUR)


def ride(crash: Crash, leverage: float, breakers: Breakers | None, *, trades: bool = True) -> Ride:
    """Follow one position."""
    found, control, price = Ride(), Control(), float(crash.close[WARM_UP])
    wanted = held = leverage * EQUITY / price
    equity, last, order = EQUITY, price, 0.0
    for hour in range(WARM_UP, crash.close.size):
        if hour > WARM_UP:
            filled = float(crash.open[hour])
            equity += held * (filled - last)
            equity -= COST * abs(order * filled)
            found.traded += abs(order * filled)
            held, last = held + order, filled
            if held > 0.0 and float(crash.low[hour]) <= _stop(held, equity, filled):
                found.liquidated = crash.times[hour]
                found.equity.append(0.0)
                return found
            equity += held * (float(crash.close[hour]) - last)
            last = float(crash.close[hour])
        decided = _decide(crash, hour, wanted, held, equity, control, breakers)
        target = decided.targets[0].target
        order = float(target) - held if trades and target is not None else 0.0
        control = decided.control or control
        _note(found, decided, crash.times[hour], equity, held * last)
        if found.tier[-1] == Level.FLATTEN and held == 0.0:
            break
    return found


def _stop(held: float, equity: float, price: float) -> float:
    """Price at which the equity meets the venue's maintenance margin: ``E + q (P - S) = m q P``."""
    return (held * price - equity) / (held * (1.0 - VENUE_RATE)) if held > 0.0 else float("nan")


def _decide(
    crash: Crash, hour: int, wanted: float, held: float, equity: float, control: Control, breakers: Breakers | None
) -> Evaluation:
    price, moment, volatility = float(crash.close[hour]), crash.times[hour], float(crash.volatility[hour])
    instrument = Instrument(
        symbol=crash.asset,
        lot=Decimal("0.000001"),
        quantity_unit=QuantityUnit.BASE,
        margin_tiers=(MarginTier(floor=0.0, maintenance_rate=VENUE_RATE),),
    )
    row = Row(
        symbol=crash.asset,
        market_key=crash.asset,
        instrument=instrument,
        unit=QuantityUnit.BASE,
        quantity=Decimal(f"{held:.6f}"),
        price=PriceUsed(price, "position", None),
        fx=1.0,
        signal=Signal(1.0),
    )
    weight = min(wanted * price / equity, 100.0) if equity > 0.0 else 1.0
    policy = Policy(
        sizing=FixedWeights(weights=(FixedWeight(symbol=crash.asset, weight=weight),)),
        limits=WIDE,
        buffer=NoBuffer(),
        breakers=breakers,
    )
    readout = VolatilityReadout(
        volatility=volatility,
        forecast=volatility,
        calibration=1.0,
        long_run=volatility,
        floor=0.01,
        effective_half_life=20.0,
        observations=hour,
        maturity=Maturity.MATURE,
        periods_per_year=8_760.0,
        bar_seconds=HOUR,
        last_close=price,
        last_close_at=moment,
        method="adaptive",
        source="state",
        confidence=0.9,
    )
    return evaluate(
        EvaluationInputs(
            evaluation_id=f"breakers/{hour}",
            as_of=moment,
            account=Account(equity, "USD"),
            rows=(row,),
            policy=policy,
            signals_present=True,
            states={crash.asset: StateInput(readout)},
            control=control,
        )
    )


def _note(found: Ride, decided: Evaluation, moment: datetime, equity: float, notional: float) -> None:
    margin = decided.margin_current
    assert margin is not None
    leverage = notional / equity if equity > 0.0 else float("inf")
    distance = float(margin.distance_sigma[0])
    found.equity.append(equity)
    found.leverage.append(leverage)
    found.distance.append(distance if np.isfinite(distance) else np.inf)
    found.ratio.append(float(margin.maintenance[0]) / equity if equity > 0.0 else float("inf"))
    found.tier.append(decided.breaking.tier if decided.breaking is not None else 0)
    for scope, change in decided.breaking.transitions if decided.breaking is not None else ():
        names = (change.before.name.lower(), change.after.name.lower(), change.cause.value)
        found.changes.append((moment, scope, *names, leverage, distance))


@dataclass(frozen=True, slots=True, eq=False)
class Position:
    """One position, by what guarded it."""

    crash: Crash
    leverage: float
    rides: dict[str, Ride]

    @property
    def name(self) -> str:
        """Window, market and leverage."""
        return f"{self.crash.name}, {self.crash.asset}, {self.leverage:g}x"


def measured(markets: Sequence[str] = ("BTC", "ETH"), leverages: Sequence[float] = LEVERAGES) -> list[Position]:
    """Positions of these markets and leverages, by what guards them."""
    return [
        Position(
            crash, leverage, {name: ride(crash, leverage, rules, trades=name != HELD) for name, rules in GUARDS.items()}
        )
        for crash in crashes(markets)
        for leverage in leverages
    ]


def _figures(one: Ride) -> list[str]:
    equity = np.array(one.equity)
    distance = min(one.distance)
    return [
        one.liquidated.strftime("%d %b %H:00") if one.liquidated else "no",
        f"{equity.min() / EQUITY:.2f}",
        f"{equity[-1] / EQUITY:.2f}",
        f"{max(one.leverage):.1f}",
        f"{max(one.ratio):.2f}",
        f"{distance:.1f}",
    ]


def outcomes(found: Sequence[Position]) -> Grid:
    """With and without, in one table."""
    columns = ["position", "guarded by", "liquidated", "lowest equity", "last equity", "highest leverage"]
    columns += ["highest ratio", "least distance"]
    lines = []
    for pair in found:
        lines += [[pair.name, word, *_figures(one)] for word, one in pair.rides.items()]
    return Grid("Equity over what was paid in; distance in standard deviations of a day", columns, lines)


def hours(found: Sequence[Position]) -> Grid:
    """Hours in each tier."""
    names = [level.name.lower() for level in Level][:4]
    lines = [
        [pair.name, word, *(str(one.tier.count(level)) for level in range(4)), _latched(one)]
        for pair in found
        for word, one in list(pair.rides.items())[:2]
    ]
    columns = ["position", "guarded by", *names, "latched"]
    return Grid("Hours in each tier, the highest of all scopes, until it latched", columns, lines)


def _latched(one: Ride) -> str:
    latches = [change[0] for change in one.changes if change[3] == "flatten"]
    return f"{latches[0]:%d %b %H:00}" if latches else "no"


def changes(found: Sequence[Position], leverage: float) -> Grid:
    """Every change of level at one leverage."""
    columns = ["position", "guarded by", "when (UTC)", "scope", "from", "to", "cause", "leverage", "distance"]
    lines = [
        [pair.name, word, f"{when:%Y-%m-%d %H:%M}", scope, before, after, cause, f"{times:.2f}", f"{distance:.2f}"]
        for pair in found
        if pair.leverage == leverage
        for word, one in list(pair.rides.items())[:2]
        for when, scope, before, after, cause, times, distance in one.changes
    ]
    return Grid(f"When each tier was entered and left, {leverage:g}x", columns, lines)


def grids(found: Sequence[Position]) -> list[Grid]:
    """Tables of the page."""
    return [outcomes(found), hours(found), *(changes(found, leverage) for leverage in LEVERAGES)]


def document(found: Sequence[Position]) -> str:
    """The page in docs/measurements."""
    protocol = (__doc__ or "").partition("\n\n")[2].strip()
    head = ["# Circuit breakers in crashes: what was measured", "", protocol, ""]
    picture = ["![The ladder in three crashes](../images/breakers.png)", ""]
    return "\n".join([*head, *picture, *(grid.markdown() for grid in grids(found))])


def main(words: Sequence[str] | None = None) -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/measurements/breakers.md")
    options = parser.parse_args(words)
    if not all((DATA / file).exists() for file in (CRASHES, PERPETUAL)):
        print("nothing to measure: the hourly prices are not beside the repository")
        return 0
    found, console = measured(), Console(width=None if sys.stdout.isatty() else 220)
    for grid in grids(found):
        console.print(grid.on_terminal())
    if options.write:
        DOCUMENT.write_text(document(found) + kept(DOCUMENT.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
