"""What a hedge costs under each trigger: `python -m tests.evaluation.hedge_bands`.

Protocol: short one at-the-money call of 30 days at 60 % volatility on a price of 100 (premium 6.85, gamma 0.023 a unit
of price), hedged on a grid of five minutes over simulated paths, the same for every rule. An order costs a rate of its
notional and a fixed amount; the hedge is closed at expiry at the same cost. Figures are certainty-equivalent losses
under exponential utility with a risk aversion of 1 (10 over the equity for an equity of 10), the number of orders, and
the difference to the adaptive band with a 95 % bootstrap interval over paths. The adaptive rule is told the costs and
the risk aversion; "to the edge", "half" and "to zero" have Whalley and Wilmott's width, which knows nothing of a fixed
cost, and "fixed only" the width that knows nothing of a rate. Paths are a geometric Brownian motion of the volatility
that is hedged with; the last table adds jumps and a volatility of its own, of which the hedge knows nothing. `--write`
puts the tables into docs/measurements/hedge_bands.md.
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
SPOT, VOLATILITY, DAYS, STEP_SECONDS, AVERSION = 100.0, 0.6, 30, 300.0, 1.0
PATHS, SEED, RESAMPLES = 1_500, 20_261_129, 1_000
COSTS = (
    OrderCosts(0.0005, 0.0),
    OrderCosts(0.002, 0.0),
    OrderCosts(0.0005, 0.002),
    OrderCosts(0.0005, 0.01),
    OrderCosts(0.0005, 0.05),
)
SMOOTH = PriceModel(volatility=VOLATILITY)
ROUGH = PriceModel(
    volatility=0.55,
    volatility_of_volatility=2.0,
    reversion=8.0,
    correlation=-0.3,
    jumps_per_year=20.0,
    jump_mean=-0.01,
    jump_volatility=0.05,
)
"""About the same variance in all; a fifth of it from jumps, and the logarithm of the volatility with a deviation of a
half.
"""
ROUGH_COSTS = OrderCosts(0.0005, 0.01)
BEST = "adaptive: two bands"


@dataclass(frozen=True, slots=True)
class WhalleyWilmott:
    """Whalley and Wilmott's width, traded back to a share of it: 0.5 half-way, 0 to zero."""

    share: float
    remembers: bool = False

    def judge(self, view: HedgeView) -> Judgement:
        """Due beyond the width."""
        gamma = 100.0 * np.asarray(view.gamma_1pct) / view.spot
        costs = {"cost_rate": view.cost_rate, "fixed_cost": 0.0}
        width = two_band(gamma, view.spot, **costs, risk_aversion=AVERSION).outer
        due, left = delta_left(view.net_delta, TwoBand(width, self.share * width))
        return Judgement(due=due, left=left)


ADAPTIVE = AdaptiveRule(risk_aversion=AVERSION)
RULES: Mapping[str, Rule] = {
    BEST: ADAPTIVE,
    "to the edge (Whalley-Wilmott)": ADAPTIVE,
    "half": WhalleyWilmott(0.5),
    "to zero": WhalleyWilmott(0.0),
    "fixed only": ADAPTIVE,
    "threshold 0.02, to the edge": ThresholdRule(max_delta=0.02, rebalance_to="edge"),
    "threshold 0.05, to zero": ThresholdRule(max_delta=0.05),
    "threshold 0.1, to zero": ThresholdRule(max_delta=0.1),
    "price move 2 %": PriceMoveRule(move=0.02),
    "every hour": IntervalRule(interval_seconds=3_600.0),
    "every 4 hours": IntervalRule(interval_seconds=4 * 3_600.0),
    "every day": IntervalRule(interval_seconds=SECONDS_PER_DAY),
}
OWN = frozenset({BEST, "fixed only"})
"""Rules that no peer has."""


@dataclass(frozen=True, slots=True)
class Row:
    """One rule under one cost; the difference to the adaptive rule has an interval."""

    model: str
    costs: OrderCosts
    rule: str
    loss: float
    orders: float
    difference: float
    low: float
    high: float


def told(rule: str, costs: OrderCosts) -> OrderCosts:
    """What a rule is told of the costs."""
    if rule == "fixed only":
        return OrderCosts(0.0, costs.fixed)
    return OrderCosts(costs.rate, 0.0) if rule.startswith("to the edge") else costs


def rules_of(costs: OrderCosts) -> list[str]:
    """Rules that differ under these costs: without a fixed cost, the adaptive one is the edge, and none is fixed."""
    same = () if costs.fixed > 0.0 else ("to the edge (Whalley-Wilmott)", "fixed only")
    return [name for name in RULES if name not in same]


def simulated(model: PriceModel, costs: Sequence[OrderCosts], count: int) -> list[dict[str, HedgeOutcome]]:
    """Outcome of every rule under every cost, on the same paths."""
    steps = int(DAYS * SECONDS_PER_DAY / STEP_SECONDS)
    rng = np.random.default_rng(SEED)
    prices = model.paths(rng, count=count, steps=steps, step_seconds=STEP_SECONDS, spot=SPOT)
    times = STEP_SECONDS * np.arange(steps + 1)
    call = OptionPosition(-1.0, 1, SPOT, float(times[-1]), VOLATILITY)
    found = []
    for cost in costs:
        names = rules_of(cost)
        runs = [HedgeRun(rule=RULES[name], costs=cost, told=told(name, cost)) for name in names]
        found.append(dict(zip(names, simulate_hedges(prices, times, [call], runs), strict=True)))
    return found


def rows_of(model: str, costs: OrderCosts, outcomes: Mapping[str, HedgeOutcome]) -> list[Row]:
    """Figures of one simulation."""
    best = outcomes[BEST]
    found = []
    for name, outcome in outcomes.items():
        loss = outcome.certainty_equivalent_loss(AVERSION)
        low, high = interval(outcome.pnl, best.pnl)
        difference = loss - best.certainty_equivalent_loss(AVERSION)
        found.append(Row(model, costs, name, loss, float(outcome.orders.mean()), difference, low, high))
    return found


def interval(pnl: Floats, other: Floats, resamples: int = RESAMPLES) -> tuple[float, float]:
    """95 % of the difference of two certainty-equivalent losses over paths that are drawn again, together."""
    rng = np.random.default_rng(SEED)
    counts = rng.multinomial(pnl.size, np.full(pnl.size, 1.0 / pnl.size), size=resamples)
    utilities = [np.exp(-AVERSION * (sample - sample.min())) for sample in (pnl, other)]
    losses = [np.log(counts @ utility / pnl.size) / AVERSION for utility in utilities]
    shifted = losses[0] - pnl.min() - (losses[1] - other.min())
    low, high = np.quantile(shifted, [0.025, 0.975])
    return float(low), float(high)


def grids(rows: Sequence[Row]) -> list[Grid]:
    """One table for each cost and model."""
    found = []
    for model, costs in dict.fromkeys((row.model, row.costs) for row in rows):
        title = f"{model}: {1e4 * costs.rate:g} basis points and {costs.fixed:g} an order"
        lines = [
            [
                row.rule,
                f"{row.loss:.3f}",
                f"{row.orders:.0f}",
                f"{row.difference:+.3f}",
                f"{row.low:+.3f}, {row.high:+.3f}",
            ]
            for row in rows
            if (row.model, row.costs) == (model, costs)
        ]
        found.append(Grid(title, ["rule", "loss", "orders", "more than adaptive", "95 %"], lines))
    return found


def gates_of(rows: Sequence[Row]) -> list[Gate]:
    """The best rule that a peer has against the adaptive one, under every cost: never better beyond chance."""
    found = []
    for model, costs in dict.fromkeys((row.model, row.costs) for row in rows):
        peers = [row for row in rows if (row.model, row.costs) == (model, costs) and row.rule not in OWN]
        best = min(peers, key=lambda row: row.difference)
        name = f"{model}, {1e4 * costs.rate:g} bp and {costs.fixed:g}: {best.rule} loses more by at most"
        found.append(Gate(name, best.high, least=0.0, goal=model != "smooth"))
    return found


def document(rows: Sequence[Row], gates: Sequence[Gate], count: int) -> str:
    """The page in docs/measurements."""
    protocol = (__doc__ or "").partition("\n\n")[2].strip()
    head = ["# Hedge triggers: what was measured", "", protocol, "", f"{count:,} paths, seed {SEED}."]
    return "\n".join([*head, "", *(grid.markdown() for grid in (*grids(rows), gate_grid(gates)))])


def measured(count: int, *, quiet: bool = False) -> list[Row]:
    """All rows."""
    rows = []
    for costs in track(COSTS, "simulating", console=Console(stderr=True, quiet=quiet), transient=True):
        (outcomes,) = simulated(SMOOTH, [costs], count)
        rows += rows_of("smooth", costs, outcomes)
    (outcomes,) = simulated(ROUGH, [ROUGH_COSTS], count)
    return rows + rows_of("rough", ROUGH_COSTS, outcomes)


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
