"""What a hedge would have cost in crashes, under each trigger: `python -m tests.evaluation.hedge_crash`.

Protocol: calls at the money on a price that is set to 100 are sold on rolling start dates, hedged until they expire at
prices that were quoted, and the hedge is closed. Nothing is known before its time. Settings:

* crashes of March 2020 (BTC, ETH) and spring 2021 (8 coins), hourly closes, 7 days, a start every 12 hours;
* Bitcoin from September 2020 to 2023, calm years included, likewise;
* Bitcoin in January 2022, closes five minutes apart, 2 days, a start every 3 hours;
* Bitcoin and Ether from January to April 2026, 28 closes about six hours apart, a start every second one;
* Deribit's Bitcoin chains of 3 to 6 February 2026, about six hours apart: every option with a bid, a delta between a
  quarter and three quarters and three days to live, sold at its mark in each of 12 chains and bought back four chains
  later, hedged with its own future at its own implied volatility.

Where no implied volatility is quoted (the first three), options are sold at the root mean square of the last week's log
returns (5 minutes: of the last day), and at each close delta and gamma are those of that of the time; the fourth has
Deribit's implied volatility of seven days at the money, of the time. A first run had the service's forecast from hourly
bars there: after the crash of May 2021 it was up to 18, and ten windows of options bought at that decided their table.

Rules, costs and the risk aversion (0.1: 10, the default, over an equity of 100) are those of the service; the band sees
the gamma, the price and the costs. Three costs: 2 basis points; 5 basis points and 0.01 an order; 20 basis points.
Without a fixed cost the adaptive band is Whalley and Wilmott's, traded to its edge; with one, "to the edge" is that
band, told nothing of the fixed cost. "half" and "to zero" have its width too, and trade half-way or to nothing.

Figures: orders and their cost a window, standard deviation of the result, certainty-equivalent loss under exponential
utility of a short option, and how much more a rule loses than the adaptive band, for options sold, for options bought
(the same orders, reversed) and in the mean of both, with a 95 % interval. A rule that is late gains on one side what it
loses on the other where the price goes one way: only the mean of both is free of that luck. It was added after the
first run had been seen; summary and gates are of it.

Windows overlap, and coins of one time move together: intervals come from drawing whole blocks of start dates again, as
long as an option lives, all coins together; their number is in the titles. With few blocks they are too narrow rather
than too wide. The chains are one crash: there a block is one start, blocks overlap, and an interval says little.
The data lie beside the repository, not in it. `--write` puts the tables into docs/measurements/hedge_crash.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.explain import Floats
from services.hedging.triggers.adaptive import AdaptiveRule
from services.hedging.triggers.interval import IntervalRule
from services.hedging.triggers.price_move import PriceMoveRule
from services.hedging.triggers.threshold import ThresholdRule
from services.hedging.view import Rule
from services.options.black import black_greeks
from services.simulation.hedging import OrderCosts, certainty_equivalent_loss
from tests.evaluation.driver_data import (
    CRASHES,
    DATA,
    HOUR,
    IMPLIED,
    PERP_HOURLY,
    Bars,
    bars_of,
    minutes,
    rows,
)
from tests.evaluation.hedge_bands import WhalleyWilmott
from tests.evaluation.hedge_paths import (
    AVERSION,
    SPOT,
    Book,
    Difference,
    Hedged,
    Market,
    Sensitivities,
    Variant,
    difference,
    hedged,
    short_calls,
    sides,
    trailing_volatility,
    windows_of,
)
from tests.evaluation.report import Gate, Grid, followed, gate_grid

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "hedge_crash.md"
CHAINS = "options_btc_deribit_seq_20260203_06_crash.csv.gz"
COSTS = (OrderCosts(0.0002, 0.0), OrderCosts(0.0005, 0.01), OrderCosts(0.002, 0.0))
BEST, EDGE = "adaptive: two bands", "to the edge (Whalley-Wilmott)"
WEEK, DAY_OF_FIVE_MINUTES = 168, 288
HELD_CHAINS = 4
FIVE_MINUTES, SIX_HOURS = 300.0, 6.0 * HOUR
SLACK = 0.5
"""Of a step, off every interval: closes are not exactly a step apart, and one that is early must not be missed."""


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """A book of many windows, and the usual time between its closes [s]."""

    name: str
    book: Book
    step: float

    @property
    def size(self) -> str:
        """Windows, and blocks of start dates."""
        return f"{self.book.gain.size:,} windows, {np.unique(self.book.block).size} blocks"


@dataclass(frozen=True, slots=True)
class Row:
    """One rule in one setting under one cost; `short`, `long` and their mean `both`: loss less that of adaptive."""

    setting: Setting
    costs: OrderCosts
    rule: str
    orders: float
    cost: float
    deviation: float
    loss: float
    short: Difference
    long: Difference
    both: Difference

    @property
    def name(self) -> str:
        """Setting and cost."""
        fixed = f" and {self.costs.fixed:g} an order" if self.costs.fixed else ""
        return f"{self.setting.name}: {1e4 * self.costs.rate:g} basis points{fixed}"


def rules_of(step: float, costs: OrderCosts) -> dict[str, Rule]:
    """Rules that differ: without a fixed cost the adaptive one is the edge; no interval is shorter than a step."""
    adaptive = AdaptiveRule(risk_aversion=AVERSION)
    intervals = {"every close": step, "every 4 hours": 4.0 * HOUR, "every day": SECONDS_PER_DAY}
    return {
        BEST: adaptive,
        **({EDGE: adaptive} if costs.fixed > 0.0 else {}),
        "half": WhalleyWilmott(0.5, AVERSION),
        "to zero": WhalleyWilmott(0.0, AVERSION),
        "threshold 0.05, to zero": ThresholdRule(max_delta=0.05),
        "threshold 0.1, to zero": ThresholdRule(max_delta=0.1),
        "threshold 0.1, to the edge": ThresholdRule(max_delta=0.1, rebalance_to="edge"),
        "price move 2 %": PriceMoveRule(move=0.02),
        "price move 5 %": PriceMoveRule(move=0.05),
        **{
            name: IntervalRule(interval_seconds=seconds - SLACK * step)
            for name, seconds in intervals.items()
            if seconds >= step
        },
    }


def rows_of(setting: Setting, costs: OrderCosts) -> list[Row]:
    """Figures of every rule, on the same windows."""
    told = {EDGE: OrderCosts(costs.rate, 0.0)}
    outcomes = {
        name: hedged(setting.book, Variant(rule, costs, told.get(name)))
        for name, rule in rules_of(setting.step, costs).items()
    }
    return [_row(setting, costs, name, outcome, outcomes[BEST]) for name, outcome in outcomes.items()]


def _row(setting: Setting, costs: OrderCosts, name: str, outcome: Hedged, best: Hedged) -> Row:
    block = setting.book.block
    short, long = sides(outcome, best)
    return Row(
        setting=setting,
        costs=costs,
        rule=name,
        orders=float(outcome.orders.mean()),
        cost=float(outcome.cost.mean()),
        deviation=float(outcome.pnl.std()),
        loss=certainty_equivalent_loss(outcome.pnl, AVERSION),
        short=difference([short], block),
        long=difference([long], block),
        both=difference([short, long], block),
    )


def plain_market(name: str, bars: Bars, bar_seconds: float, trailing: int) -> Market:
    """Closes, and the volatility of the last `trailing` returns at each."""
    volatility = trailing_volatility(bars.close, trailing, SECONDS_PER_YEAR / bar_seconds)
    return Market(name, bars.end, bars.close, {"volatility": volatility})


def plain_book(markets: list[Market], *, steps: int, every: int) -> Book:
    """Calls sold and hedged at the volatility known at each close; windows start where there is one."""
    windows = windows_of(markets, steps=steps, every=every)
    return short_calls(windows, windows.known["volatility"])


def crash_bars() -> dict[str, Bars]:
    """Hourly bars of both crashes: Bitcoin and Ether in 2020, eight coins in 2021."""
    found: dict[str, list[dict[str, str]]] = {}
    for line in rows(CRASHES):
        found.setdefault(f"{line['asset']} {line['ts'][:4]}", []).append(line)
    return {name: bars_of(lines, HOUR) for name, lines in found.items()}


def hourly_crashes() -> Setting:
    """Seven days on hourly closes of March 2020 and of the spring of 2021."""
    markets = [plain_market(name, bars, HOUR, WEEK) for name, bars in crash_bars().items()]
    return Setting("Crashes of March 2020 and spring 2021", plain_book(markets, steps=WEEK, every=12), HOUR)


def hourly_years() -> Setting:
    """Seven days on hourly closes of three years, calm ones included."""
    market = plain_market("BTC", bars_of(rows(PERP_HOURLY), HOUR), HOUR, WEEK)
    return Setting("Bitcoin, September 2020 to 2023", plain_book([market], steps=WEEK, every=12), HOUR)


def five_minutes() -> Setting:
    """Two days on closes five minutes apart, with the sell-off of January 2022."""
    market = plain_market("BTC", minutes().bars, FIVE_MINUTES, DAY_OF_FIVE_MINUTES)
    book = plain_book([market], steps=2 * DAY_OF_FIVE_MINUTES, every=36)
    return Setting("Bitcoin, January 2022", book, FIVE_MINUTES)


def implied_markets() -> list[Market]:
    """Bitcoin and Ether six-hourly in 2026, with the implied volatility of seven days."""
    found = []
    for coin in ("BTC", "ETH"):
        lines = [line for line in rows(IMPLIED) if line["underlying"] == coin]
        price, implied = (np.array([float(line[name]) for line in lines]) for name in ("index_price", "atm_iv_7d"))
        found.append(Market(coin, np.array([moment(line["snapshot"]) for line in lines]), price, {"implied": implied}))
    return found


def implied_months() -> Setting:
    """28 snapshots, seven days, at implied volatilities of the time; the crash of February 2026 inside."""
    windows = windows_of(implied_markets(), steps=28, every=2)
    book = short_calls(windows, windows.known["implied"])
    return Setting("Bitcoin and Ether, January to April 2026", book, SIX_HOURS)


def moment(text: str) -> float:
    """Seconds since 1970."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def crash_chains() -> Setting:
    """Options of the chains of February 2026 with a delta of a quarter to three quarters and three days to live."""
    chains: dict[float, dict[tuple[str, str, str], dict[str, str]]] = {}
    for line in rows(CHAINS):
        chains.setdefault(moment(line["snapshot"]), {})[line["expiry"], line["strike"], line["cp"]] = line
    times = sorted(chains)
    books = []
    for start in range(len(times) - HELD_CHAINS):
        span = times[start : start + HELD_CHAINS + 1]
        keys = [key for key in sorted(chains[span[0]]) if _held([chains[time].get(key) for time in span])]
        held = [[chains[time][key] for time in span] for key in keys]
        books.append(chain_book(held, np.array(span), start))
    book = Book(
        *(np.concatenate([getattr(part, name) for part in books]) for name in ("seconds", "price", "gain")),
        greeks=Sensitivities(*(np.concatenate(parts) for parts in zip(*(part.greeks for part in books), strict=True))),
        block=np.concatenate([part.block for part in books]),
    )
    return Setting("Chains of 3 to 6 February 2026", book, SIX_HOURS)


def _held(lines: Sequence[dict[str, str] | None]) -> bool:
    """Whether an option is in every chain, and near the money, with a bid and three days to live in the first."""
    first = lines[0]
    if first is None or None in lines:
        return False
    left = moment(first["expiry"]) - moment(first["snapshot"])
    near = 0.25 <= abs(float(first["delta"])) <= 0.75
    return near and left >= 3.0 * SECONDS_PER_DAY and float(first["bid"] or 0.0) > 0.0


def chain_book(held: Sequence[Sequence[dict[str, str]]], times: Floats, block: int) -> Book:
    """Options sold at the mark of the first chain and bought back at that of the last, hedged with their own future.

    Dollars per future of 100 at first; the hedge is linear, so that the plain Black delta is the one that fits.
    """
    forward, mark, volatility, strike, expiry = (
        np.array([[read(line) for line in lines] for lines in held]) for read in READ
    )
    scale = SPOT / forward[:, :1]
    price, left = forward * scale, (expiry - times) / SECONDS_PER_YEAR
    right = np.array([[1.0 if line["cp"] == "C" else -1.0 for line in lines] for lines in held])
    unit = black_greeks(price, strike * scale, left, volatility, right)
    value = mark * price
    return Book(
        seconds=np.broadcast_to(times - times[0], price.shape),
        price=price,
        gain=value[:, 0] - value[:, -1],
        greeks=Sensitivities(-unit.delta[:, :-1], -unit.gamma[:, :-1]),
        block=np.full(len(held), block),
    )


READ: tuple[Callable[[dict[str, str]], float], ...] = (
    lambda line: float(line["futures_price"]),
    lambda line: float(line["mark"]),
    lambda line: float(line["mark_iv"]),
    lambda line: float(line["strike"]),
    lambda line: moment(line["expiry"]),
)
SETTINGS: tuple[Callable[[], Setting], ...] = (
    hourly_crashes,
    hourly_years,
    five_minutes,
    implied_months,
    crash_chains,
)


def grids(found: Sequence[Row]) -> list[Grid]:
    """One table for each setting and cost, and what they come to."""
    columns = ["rule", "orders", "cost", "deviation", "loss", *(f"{side}: more" for side in ("short", "long", "both"))]
    tables = (
        Grid(f"{name} ({mine[0].setting.size})", columns, [line(row) for row in mine])
        for name, mine in by_name(found).items()
    )
    return [verdicts(found), *tables]


def by_name(found: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each setting and cost."""
    names = dict.fromkeys(row.name for row in found)
    return {name: [row for row in found if row.name == name] for name in names}


def line(row: Row) -> list[str]:
    """A row of a table."""
    figures = [f"{row.orders:.1f}", f"{row.cost:.3f}", f"{row.deviation:.3f}", f"{row.loss:.3f}"]
    return [row.rule, *figures, *(interval(found) for found in (row.short, row.long, row.both))]


def interval(found: Difference) -> str:
    """A difference and its interval."""
    return f"{found.value:+.3f} ({found.low:+.3f}, {found.high:+.3f})"


def verdicts(found: Sequence[Row]) -> Grid:
    """How often each rule loses more or less than the adaptive band beyond chance, both sides together."""
    lines = []
    for rule in dict.fromkeys(row.rule for row in found if row.rule != BEST):
        both = [row.both for row in found if row.rule == rule]
        worse, better = sum(mean.low > 0.0 for mean in both), sum(mean.high < 0.0 for mean in both)
        average = float(np.mean([mean.value for mean in both]))
        lines.append(
            [rule, str(len(both)), str(worse), str(len(both) - worse - better), str(better), f"{average:+.3f}"]
        )
    columns = ["rule", "comparisons", "loses more", "undecided", "loses less", "more on average"]
    return Grid("Against the adaptive band, in every setting and cost, both sides", columns, lines)


def gates_of(found: Sequence[Row]) -> list[Gate]:
    """The rule that did best in each table, chosen in hindsight: no better than the adaptive band beyond chance."""
    gates = []
    for name, mine in by_name(found).items():
        best = min((row for row in mine if row.rule != BEST), key=lambda row: row.both.value)
        gates.append(Gate(f"{name}: {best.rule} loses more by at most", best.both.high, least=0.0, goal=True))
    return gates


def document(found: Sequence[Row], gates: Sequence[Gate]) -> str:
    """The page in docs/measurements."""
    protocol = (__doc__ or "").partition("\n\n")[2].strip()
    head = ["# Hedge triggers on prices of crashes: what was measured", "", protocol, ""]
    return "\n".join([*head, *(grid.markdown() for grid in (*grids(found), gate_grid(gates)))])


def measured() -> list[Row]:
    """All rows."""
    return [row for setting, costs in followed(list(_cases()), "hedging") for row in rows_of(setting, costs)]


def _cases() -> Iterator[tuple[Setting, OrderCosts]]:
    for make in followed(SETTINGS, "forecasting"):
        setting = make()
        yield from ((setting, costs) for costs in COSTS)


def main(words: Sequence[str] | None = None) -> int:
    """Measure, show, and answer whether the gates hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/measurements/hedge_crash.md")
    options = parser.parse_args(words)
    if not (DATA / CHAINS).exists():
        print(f"nothing to measure: {CHAINS} is not beside the repository")
        return 0
    found = measured()
    gates, console = gates_of(found), Console(width=None if sys.stdout.isatty() else 220)
    for grid in (*grids(found), gate_grid(gates)):
        console.print(grid.on_terminal())
    if options.write:
        DOCUMENT.write_text(document(found, gates))
    return 0 if all(gate.held or gate.goal for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
