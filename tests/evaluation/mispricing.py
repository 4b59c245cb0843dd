"""Do quotes that a fitted model calls rich or cheap come back: `python -m tests.evaluation.mispricing`.

Protocol: full Deribit chains beside the repository (none there: nothing is measured): Bitcoin through the crash of
5 February 2026, 16 snapshots six hours apart, and Bitcoin and Ether on a calm day, one snapshot each. Quotes out of the
money with both sides, half a day or more to expiry, |d1| <= 4, spread of at most 30 volatility points; volatilities are
inverted from bid, ask and their mean. Each snapshot is fitted by itself: weights one over half the spread.

Difference = model less market, in volatility points. Persistence: slope of the difference of a contract in the next
snapshot on the one now. Earned: slope of what a delta-hedged position gains from mean to mean until the next snapshot,
over vega, on the difference now (1 would be all of it within six hours); within a snapshot: less the mean of all quotes
of that snapshot, so that the market's own move is out. Trades: what the service calls rich is sold and what it calls
cheap is bought, hedged by Black's delta in the future, closed at the next snapshot; gross at the mean of bid and ask,
net across the spread both ways with two fees of 0.03 % of the forward, at most 12.5 % of the option. A volatility point
is vega at the start. Contracts that are gone in the next snapshot are not counted. Intervals are 95 %, clustered by
snapshot. `--write` puts the tables into docs/measurements/mispricing.md.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.stats import t as student

from services.core.annualization import SECONDS_PER_YEAR
from services.core.explain import Bools, Floats
from services.options.black import black_greeks
from services.options.calibration import BatesFit, Calibration, HestonFit, ModelFit, calibrate
from services.options.implied_volatility import implied_volatility
from services.options.mispricing import Mispricing, Verdict, mispricing, quote_error
from services.options.variance_premium import PremiumHistory, forward_realized_variance, premium_history
from tests.evaluation.report import Grid
from tests.evaluation.series import DATA

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "mispricing.md"
CRASH, CALM = "options_btc_deribit_seq_20260203_06_crash.csv.gz", "options_btc_eth_deribit_20260115_calm.csv.gz"
AT_THE_MONEY = "deribit_atm_iv_6h_2026_01_04.csv.gz"
SHORTEST, WIDEST, FURTHEST = 0.5 / 365.0, 0.30, 4.0
WEEK = 7.0 / 365.0
FEE, FEE_CAP = 0.0003, 0.125
READING = """Reading, of the run above: one Heston or Bates does not fit a whole chain, and most of what it misses
stays. Six hours later the difference of a contract is still there; with a week and longer to expiry it is smaller by a
tenth (Heston) and a quarter (Bates). About a tenth of it was earned there by hedged positions, with intervals that hold
zero, and both ways through the spread cost several times that. `rich` and `cheap` say where a chain departs from the
model; as signals for six hours, in four days of one crash, they did not pay. Four independent months say nothing about
the sign of a variance premium.
"""
MODELS: dict[str, ModelFit] = {"Heston": HestonFit(), "Bates": BatesFit()}


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Usable quotes of one underlying in one snapshot; prices over their forwards."""

    label: str
    contract: list[tuple[str, str, str]]
    forward: Floats
    log_moneyness: Floats
    time: Floats
    middle: Floats
    bid: Floats
    ask: Floats

    @property
    def size(self) -> int:
        """Quotes."""
        return len(self.contract)

    @property
    def volatilities(self) -> tuple[Floats, Floats, Floats]:
        """Of the mean, the bid and the ask."""
        strike, right = np.exp(self.log_moneyness), np.where(self.log_moneyness < 0.0, -1.0, 1.0)
        mean, bid, ask = (
            implied_volatility(price, 1.0, strike, self.time, right).volatility
            for price in (self.middle, self.bid, self.ask)
        )
        return mean, bid, ask

    def kept(self, mask: Bools) -> Chain:
        """Some of the quotes."""
        contract = [item for item, keep in zip(self.contract, mask, strict=True) if keep]
        return Chain(
            self.label,
            contract,
            *(
                column[mask]
                for column in (self.forward, self.log_moneyness, self.time, self.middle, self.bid, self.ask)
            ),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A chain, a model of it, and what the model says of its quotes."""

    chain: Chain
    volatility: Floats
    calibration: Calibration
    found: Mispricing
    seconds: float
    inside: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, its clustered 95 % interval, and on how many rows and clusters it rests."""

    value: float
    low: float
    high: float
    count: int
    clusters: int

    @property
    def text(self) -> str:
        """As in the table."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def chains(file: str) -> list[Chain]:
    """Snapshots of a file, oldest first."""
    groups: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    with gzip.open(DATA / file, "rt") as stream:
        for row in csv.DictReader(stream):
            groups[row["underlying"], row["snapshot"]].append(row)
    return [usable(chain_of(f"{coin} {snapshot}", rows)) for (coin, snapshot), rows in sorted(groups.items())]


def chain_of(label: str, rows: Iterable[dict[str, str]]) -> Chain:
    """Two-sided quotes out of the money."""
    contract, columns = [], []
    for row in rows:
        forward, strike = float(row["futures_price"]), float(row["strike"])
        if row["bid"] and row["ask"] and (row["cp"] == "P") == (strike < forward):
            bid, ask = float(row["bid"]), float(row["ask"])
            columns.append([forward, np.log(strike / forward), years(row), 0.5 * (bid + ask), bid, ask])
            contract.append((row["expiry"], row["strike"], row["cp"]))
    return Chain(label, contract, *np.array(columns).T)


def years(row: dict[str, str]) -> float:
    """Time to expiry."""
    expiry, now = (datetime.fromisoformat(row[name]) for name in ("expiry", "snapshot"))
    return (expiry - now).total_seconds() / SECONDS_PER_YEAR


def usable(chain: Chain) -> Chain:
    """Quotes that the protocol takes."""
    chain = chain.kept((chain.time >= SHORTEST) & (chain.bid > 0.0) & (chain.ask > chain.bid))
    mean, bid, ask = chain.volatilities
    total = mean * np.sqrt(chain.time)
    near = np.abs(chain.log_moneyness / total - 0.5 * total) <= FURTHEST
    return chain.kept(near & (ask - bid <= WIDEST))


def fitted(chain: Chain, fit: ModelFit) -> Fitted:
    """One snapshot under one model."""
    mean, bid, ask = chain.volatilities
    began = time.perf_counter()
    calibration = calibrate(fit, chain.log_moneyness, chain.time, mean, quote_error(mean, bid, ask))
    seconds = time.perf_counter() - began
    found = mispricing(calibration, chain.log_moneyness, chain.time, mean, bid, ask, fee=FEE, fee_cap=FEE_CAP)
    model = found.model_volatility
    return Fitted(chain, mean, calibration, found, seconds, float(np.mean((model >= bid) & (model <= ask))))


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Contracts seen in two snapshots in a row: what was said, and what happened until the next [volatility points]."""

    cluster: np.ndarray
    difference: Floats
    following: Floats
    verdict: np.ndarray
    gain: Floats
    """From mean to mean, long and delta-hedged, over vega."""
    cost: Floats
    """Of getting in and out across the spread with two fees, over vega."""
    time: Floats
    """To expiry at the start [years]."""

    def kept(self, mask: Bools) -> Steps:
        """Some of the contracts."""
        return Steps(*(getattr(self, field.name)[mask] for field in fields(self)))


def steps_of(walk: Sequence[Fitted]) -> Steps:
    """All pairs of neighbouring snapshots, one below another."""
    parts = [step_of(place, *pair) for place, pair in enumerate(pairwise(walk))]
    return Steps(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def step_of(place: int, now: Fitted, then: Fitted) -> tuple[np.ndarray, ...]:
    """The contracts that both snapshots quote."""
    where = {contract: index for index, contract in enumerate(then.chain.contract)}
    pairs = np.array([(index, where[item]) for index, item in enumerate(now.chain.contract) if item in where])
    first, second = pairs.T
    forward, after = now.chain.forward[first], then.chain.forward[second]
    right = np.where(now.chain.log_moneyness[first] < 0.0, -1.0, 1.0)
    strike = forward * np.exp(now.chain.log_moneyness[first])
    greeks = black_greeks(forward, strike, now.chain.time[first], now.volatility[first], right)
    point = greeks.vega / 100.0
    change = then.chain.middle[second] * after - now.chain.middle[first] * forward - greeks.delta * (after - forward)
    spread = 0.5 * (
        (now.chain.ask - now.chain.bid)[first] * forward + (then.chain.ask - then.chain.bid)[second] * after
    )
    fees = sum(
        price * np.minimum(FEE, FEE_CAP * side)
        for price, side in ((forward, now.chain.middle[first]), (after, then.chain.middle[second]))
    )
    return (
        np.full(first.size, place),
        100.0 * now.found.difference[first],
        100.0 * then.found.difference[second],
        now.found.verdict[first],
        change / point,
        (spread + fees) / point,
        now.chain.time[first],
    )


def slope(explained: Floats, by: Floats, cluster: np.ndarray) -> Estimate:
    """Least squares with a constant; sandwich error clustered, Student's t with clusters − 1."""
    columns = np.column_stack([np.ones(by.size), by])
    bread = np.linalg.inv(columns.T @ columns)
    weights = bread @ columns.T @ explained
    return _estimate(float(weights[1]), columns, explained - columns @ weights, bread, cluster, 1)


def within(values: Floats, cluster: np.ndarray) -> Floats:
    """Deviations from the mean of each cluster: what all quotes of a snapshot have in common is taken out."""
    _, group = np.unique(cluster, return_inverse=True)
    return np.asarray(values - (np.bincount(group, values) / np.bincount(group))[group], dtype=float)


def mean(values: Floats, cluster: np.ndarray) -> Estimate:
    """Mean with the same kind of error."""
    ones = np.ones((values.size, 1))
    average = float(values.mean())
    return _estimate(average, ones, values - average, np.array([[1.0 / values.size]]), cluster, 0)


def _estimate(
    value: float, columns: Floats, residual: Floats, bread: Floats, cluster: np.ndarray, place: int
) -> Estimate:
    names = np.unique(cluster)
    scores = np.array([columns[cluster == name].T @ residual[cluster == name] for name in names])
    count = names.size
    if count < 2:
        return Estimate(value, -np.inf, np.inf, residual.size, count)
    meat = scores.T @ scores * count / (count - 1.0)
    width = float(student.ppf(0.975, count - 1) * np.sqrt((bread @ meat @ bread)[place, place]))
    return Estimate(value, value - width, value + width, residual.size, count)


def fit_grid(groups: dict[str, list[Fitted]]) -> Grid:
    """Quality of fits, medians over snapshots."""
    columns = ["chains", "snapshots", "quotes", "expiries", "error", "inside bid-ask %", "reduced chi²", "Feller", "ms"]
    lines = []
    for name, fits in groups.items():
        calibrations = [item.calibration for item in fits]
        lines.append(
            [
                name,
                str(len(fits)),
                f"{np.median([item.chain.size for item in fits]):.0f}",
                f"{np.median([np.unique(item.chain.time).size for item in fits]):.0f}",
                f"{100.0 * np.median([item.root_mean_square_error for item in calibrations]):.2f}",
                f"{100.0 * np.median([item.inside for item in fits]):.0f}",
                f"{np.median([item.reduced_chi_square for item in calibrations]):.1f}",
                f"{sum(item.feller for item in calibrations)}/{len(fits)}",
                f"{1e3 * np.median([item.seconds for item in fits]):.0f}",
            ]
        )
    return Grid("Fits: error in volatility points, medians over snapshots", columns, lines)


def reversion_grid(walks: dict[str, Steps]) -> Grid:
    """Persistence and what is earned."""
    columns = ["model", "contracts × steps", "persistence", "earned", "earned, within a snapshot"]
    lines = [
        [
            name,
            str(steps.difference.size),
            slope(steps.following, steps.difference, steps.cluster).text,
            slope(steps.gain, steps.difference, steps.cluster).text,
            slope(within(steps.gain, steps.cluster), within(steps.difference, steps.cluster), steps.cluster).text,
        ]
        for name, steps in walks.items()
    ]
    return Grid("Six hours later, with 95 % intervals clustered by snapshot", columns, lines)


def trade_grid(walks: dict[str, Steps]) -> Grid:
    """What trading the verdicts pays."""
    columns = ["model, verdict", "trades", "gross at the mean", "costs of both ways", "net"]
    lines = []
    for name, steps in walks.items():
        for label, side in ((Verdict.RICH, -1.0), (Verdict.CHEAP, 1.0)):
            mine = steps.verdict == label.value
            if mine.any():
                gross, cluster = side * steps.gain[mine], steps.cluster[mine]
                net = gross - steps.cost[mine]
                costs = f"{steps.cost[mine].mean():.3f}"
                lines.append(
                    [f"{name}, {label}", str(mine.sum()), mean(gross, cluster).text, costs, mean(net, cluster).text]
                )
    return Grid("Trading the verdicts for six hours, volatility points a trade", columns, lines)


def premium_of(coin: str) -> PremiumHistory:
    """Thirty days at the money against what followed."""
    with gzip.open(DATA / AT_THE_MONEY, "rt") as stream:
        rows = [row for row in csv.DictReader(stream) if row["underlying"] == coin]
    seconds = np.array([datetime.fromisoformat(row["snapshot"]).timestamp() for row in rows])
    prices, implied = (np.array([float(row[name]) for row in rows]) for name in ("index_price", "atm_iv_30d"))
    return premium_history(seconds, implied, forward_realized_variance(seconds, prices))


def premium_grid(histories: dict[str, PremiumHistory]) -> Grid:
    """Variance risk premium, ex post."""
    columns = ["coin", "observations", "independent windows", "IV less RV, points", "95 %", "positive %"]
    lines = []
    for coin, history in histories.items():
        interval = history.volatility_interval
        bounds = "" if interval is None else f"[{100.0 * interval[0]:.2f}, {100.0 * interval[1]:.2f}]"
        lines.append(
            [
                coin,
                str(history.observations),
                str(history.independent_windows),
                f"{100.0 * history.volatility:+.2f}",
                bounds,
                f"{100.0 * history.share_positive:.0f}",
            ]
        )
    return Grid(
        "Variance risk premium of 30 days, at the money, windows overlapping, January to April 2026", columns, lines
    )


def document(grids: Sequence[Grid]) -> str:
    """The page in docs/measurements."""
    protocol = (__doc__ or "").partition("\n\n")[2].strip()
    return "\n".join(
        ["# Mispricing: what was measured", "", protocol, "", *(grid.markdown() for grid in grids), READING]
    )


def measured() -> list[Grid]:
    """Every table."""
    crash, calm = chains(CRASH), chains(CALM)
    groups: dict[str, list[Fitted]] = {}
    walks: dict[str, Steps] = {}
    for name, fit in track(MODELS.items(), "fitting", console=Console(stderr=True)):
        walk = [fitted(chain, fit) for chain in crash]
        groups[f"BTC crash, {name}"] = walk
        walks[name] = steps_of(walk)
        walks[f"{name}, a week and longer"] = walks[name].kept(walks[name].time >= WEEK)
        for chain in calm:
            groups[f"{chain.label[:3]} calm, {name}"] = [fitted(chain, fit)]
    histories = {coin: premium_of(coin) for coin in ("BTC", "ETH")}
    return [fit_grid(groups), reversion_grid(walks), trade_grid(walks), premium_grid(histories)]


def main(words: Sequence[str] | None = None) -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/measurements/mispricing.md")
    options = parser.parse_args(words)
    if not (DATA / CRASH).exists():
        print("no chains beside the repository: nothing was measured", file=sys.stderr)
        return 0
    grids, console = measured(), Console(width=None if sys.stdout.isatty() else 200)
    for grid in grids:
        console.print(grid.on_terminal())
    if options.write:
        DOCUMENT.write_text(document(grids))
    return 0


if __name__ == "__main__":
    sys.exit(main())
