"""What a hedge costs under each trigger: `python -m tests.evaluation.hedge_bands`.

Protocol: short one at-the-money call of 30 days at 60 % volatility on a price of 100 (premium 6.85, gamma 0.023 a unit
of price), hedged on a grid of five minutes over simulated paths, the same for every rule. An order costs a rate of its
notional and a fixed amount; the hedge is closed at expiry at the same cost. Figures are certainty-equivalent losses
under exponential utility, the number of orders, and the difference to the adaptive band with a 95 % bootstrap interval
over paths. The adaptive rule is told the costs and the risk aversion; "to the edge", "half" and "to zero" have Whalley
and Wilmott's width, which knows nothing of a fixed cost, and "fixed only" the width that knows nothing of a rate.
"smooth": paths are a geometric Brownian motion of the volatility that is hedged with, and the risk aversion is 1 (10
over the equity for an equity of 10). "rough": the same variance, a fifth of it in jumps, under a volatility of its own,
of which the hedge knows nothing; the risk aversion is 0.1, as under 1 the worst path alone would decide. `--write` puts
the tables into docs/measurements/hedge_bands.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from services.core.annualization import SECONDS_PER_DAY
from services.core.explain import Floats
from services.hedging.bands import TwoBand, delta_left, two_band
from services.hedging.triggers.adaptive import AdaptiveRule
from services.hedging.triggers.interval import IntervalRule
from services.hedging.triggers.price_move import PriceMoveRule
from services.hedging.triggers.threshold import ThresholdRule
from services.hedging.view import HedgeView, Judgement, Rule
from services.simulation.hedging import (
    HedgeOutcome,
    HedgeRun,
    OptionPosition,
    OrderCosts,
    PriceModel,
    simulate_hedges,
)
from tests.evaluation.report import Gate, Grid, gate_grid

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "hedge_bands.md"
SPOT, VOLATILITY, DAYS, STEP_SECONDS = 100.0, 0.6, 30, 300.0
PATHS, SEED, RESAMPLES = 1_500, 20_261_129, 1_000
COSTS = (
    OrderCosts(0.0005, 0.0),
    OrderCosts(0.002, 0.0),
    OrderCosts(0.0005, 0.002),
    OrderCosts(0.0005, 0.01),
    OrderCosts(0.0005, 0.05),
)
ROUGH = PriceModel(
    volatility=0.4736,
    volatility_of_volatility=2.0,
    reversion=8.0,
    correlation=-0.3,
    jumps_per_year=20.0,
    jump_mean=-0.01,
    jump_volatility=0.0592,
)
"""0.36 a year: 0.288 of it under a volatility whose logarithm has a standard deviation of a half, 0.072 in jumps."""
BEST, EDGE, FIXED = "adaptive: two bands", "to the edge (Whalley-Wilmott)", "fixed only"


@dataclass(frozen=True, slots=True)
class Setting:
    """Paths, costs and the risk aversion that losses and rules have."""

    name: str
    model: PriceModel
    costs: OrderCosts
    risk_aversion: float

    @property
    def title(self) -> str:
        """As tables and gates name it."""
        return f"{self.name}: {1e4 * self.costs.rate:g} basis points and {self.costs.fixed:g} an order"


SETTINGS = (
    *(Setting("smooth", PriceModel(volatility=VOLATILITY), costs, 1.0) for costs in COSTS),
    Setting("rough", ROUGH, COSTS[0], 0.1),
    Setting("rough", ROUGH, COSTS[3], 0.1),
)


@dataclass(frozen=True, slots=True)
class WhalleyWilmott:
    """Whalley and Wilmott's width, traded back to a share of it: 0.5 half-way, 0 to zero."""

    share: float
    risk_aversion: float
    remembers: bool = False

    def judge(self, view: HedgeView) -> Judgement:
        """Due beyond the width."""
        gamma = 100.0 * np.asarray(view.gamma_1pct) / view.spot
        costs = {"cost_rate": view.cost_rate, "fixed_cost": 0.0}
        width = two_band(gamma, view.spot, **costs, risk_aversion=self.risk_aversion).outer
        due, left = delta_left(view.net_delta, TwoBand(width, self.share * width))
        return Judgement(due=due, left=left)


def rules_of(setting: Setting) -> dict[str, Rule]:
    """Rules that differ in a setting: without a fixed cost, the adaptive one is the edge, and none is fixed."""
    adaptive = AdaptiveRule(risk_aversion=setting.risk_aversion)
    found: dict[str, Rule] = {
        BEST: adaptive,
        EDGE: adaptive,
        "half": WhalleyWilmott(0.5, setting.risk_aversion),
        "to zero": WhalleyWilmott(0.0, setting.risk_aversion),
        FIXED: adaptive,
        "threshold 0.02, to the edge": ThresholdRule(max_delta=0.02, rebalance_to="edge"),
        "threshold 0.05, to zero": ThresholdRule(max_delta=0.05),
        "threshold 0.1, to zero": ThresholdRule(max_delta=0.1),
        "price move 2 %": PriceMoveRule(move=0.02),
        "every hour": IntervalRule(interval_seconds=3_600.0),
        "every 4 hours": IntervalRule(interval_seconds=4 * 3_600.0),
        "every day": IntervalRule(interval_seconds=SECONDS_PER_DAY),
    }
    return {name: rule for name, rule in found.items() if setting.costs.fixed > 0.0 or name not in (EDGE, FIXED)}


OWN = frozenset({BEST, FIXED})
"""Rules that no peer has."""


@dataclass(frozen=True, slots=True)
class Row:
    """One rule under one cost; the difference to the adaptive rule has an interval."""

    setting: Setting
    rule: str
    loss: float
    orders: float
    difference: float
    low: float
    high: float


def told(rule: str, costs: OrderCosts) -> OrderCosts:
    """What a rule is told of the costs."""
    if rule == FIXED:
        return OrderCosts(0.0, costs.fixed)
    return OrderCosts(costs.rate, 0.0) if rule == EDGE else costs


def simulated(setting: Setting, count: int, days: int = DAYS) -> dict[str, HedgeOutcome]:
    """Outcome of every rule, on the same paths; those of every setting of a model are the same too."""
    steps = int(days * SECONDS_PER_DAY / STEP_SECONDS)
    rng = np.random.default_rng(SEED)
    prices = setting.model.paths(rng, count=count, steps=steps, step_seconds=STEP_SECONDS, spot=SPOT)
    times = STEP_SECONDS * np.arange(steps + 1)
    call, costs = OptionPosition(-1.0, 1, SPOT, float(times[-1]), VOLATILITY), setting.costs
    rules = rules_of(setting)
    runs = [HedgeRun(rule=rule, costs=costs, told=told(name, costs)) for name, rule in rules.items()]
    return dict(zip(rules, simulate_hedges(prices, times, [call], runs), strict=True))


def rows_of(setting: Setting, outcomes: Mapping[str, HedgeOutcome]) -> list[Row]:
    """Figures of one simulation."""
    best, aversion = outcomes[BEST], setting.risk_aversion
    found = []
    for name, outcome in outcomes.items():
        loss = outcome.certainty_equivalent_loss(aversion)
        low, high = interval(outcome.pnl, best.pnl, aversion)
        difference = loss - best.certainty_equivalent_loss(aversion)
        found.append(Row(setting, name, loss, float(outcome.orders.mean()), difference, low, high))
    return found


def interval(pnl: Floats, other: Floats, aversion: float, resamples: int = RESAMPLES) -> tuple[float, float]:
    """95 % of the difference of two certainty-equivalent losses over paths that are drawn again, together."""
    rng = np.random.default_rng(SEED)
    counts = rng.multinomial(pnl.size, np.full(pnl.size, 1.0 / pnl.size), size=resamples)
    utilities = [np.exp(-aversion * (sample - sample.min())) for sample in (pnl, other)]
    losses = [np.log(counts @ utility / pnl.size) / aversion for utility in utilities]
    shifted = losses[0] - pnl.min() - (losses[1] - other.min())
    low, high = np.quantile(shifted, [0.025, 0.975])
    return float(low), float(high)


def by_setting(rows: Sequence[Row]) -> dict[Setting, list[Row]]:
    """Rows of each setting."""
    settings = dict.fromkeys(row.setting for row in rows)
    return {setting: [row for row in rows if row.setting == setting] for setting in settings}


def grids(rows: Sequence[Row]) -> list[Grid]:
    """One table for each setting."""
    columns = ["rule", "loss", "orders", "more than adaptive", "95 %"]
    return [Grid(setting.title, columns, list(map(line, found))) for setting, found in by_setting(rows).items()]


def line(row: Row) -> list[str]:
    """A row of a table."""
    figures = [f"{row.loss:.3f}", f"{row.orders:.0f}", f"{row.difference:+.3f}", f"{row.low:+.3f}, {row.high:+.3f}"]
    return [row.rule, *figures]


def gates_of(rows: Sequence[Row]) -> list[Gate]:
    """The best rule that a peer has against the adaptive one, in every setting: never better beyond chance."""
    found = []
    for setting, mine in by_setting(rows).items():
        best = min((row for row in mine if row.rule not in OWN), key=lambda row: row.difference)
        name = f"{setting.title}: {best.rule} loses more by at most"
        found.append(Gate(name, best.high, least=0.0, goal=setting.name != "smooth"))
    return found


def document(rows: Sequence[Row], gates: Sequence[Gate], count: int) -> str:
    """The page in docs/measurements."""
    protocol = (__doc__ or "").partition("\n\n")[2].strip()
    picture = "![Band of a short straddle, and one path with its orders](../images/hedge_bands.png)"
    head = ["# Hedge triggers: what was measured", "", protocol, "", f"{count:,} paths, seed {SEED}.", "", picture]
    return "\n".join([*head, "", *(grid.markdown() for grid in (*grids(rows), gate_grid(gates)))])


def measured(count: int) -> list[Row]:
    """All rows."""
    steps = track(SETTINGS, "simulating", console=Console(stderr=True), transient=True)
    return [row for setting in steps for row in rows_of(setting, simulated(setting, count))]


def main(words: Sequence[str] | None = None) -> int:
    """Measure, show, and answer whether the gates hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/measurements/hedge_bands.md")
    parser.add_argument("--paths", type=int, default=PATHS, help="number of paths")
    options = parser.parse_args(words)
    rows = measured(options.paths)
    gates, console = gates_of(rows), Console(width=None if sys.stdout.isatty() else 200)
    for grid in (*grids(rows), gate_grid(gates)):
        console.print(grid.on_terminal())
    if options.write:
        DOCUMENT.write_text(document(rows, gates, options.paths))
    return 0 if all(gate.held or gate.goal for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
