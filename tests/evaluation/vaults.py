"""Whether the volatility multiplier helps a weekly covered call: `python -m tests.evaluation.vaults`.

Protocol: at-the-money volatility of seven days and the index of Bitcoin and Ether on Deribit every six hours, January
to April 2026. At every sample a 10-delta call of seven days is sold on one coin, by the service's own plan, at the
at-the-money volatility (there is no smile in these data) and a bid below the value by the share that is measured below.
The forecast is the root mean square of the six-hourly returns of the fourteen days before. Gains are against holding
the coin, in basis points of its price at the sale: plain, and with the delta of the call bought at every sample, which
takes most of the noise of the price out. *Always* sells one call whatever the edge; *multiplier* sells
clip((IV − RV)/0.2, 0, 1) of one, and nothing where the edge is not positive. *Timing* is the gain of a whole call under
the multiplier's weights, less that of always: it does not reward having sold less. *Ratio* is the mean gain over its
standard deviation, less that of always. Intervals hold 95 % of 2,000 block bootstraps of two weeks, Bitcoin and Ether
together; weeks overlap, and independent ones are counted as days over seven. `--write` puts the tables into
docs/measurements/vaults.md.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
from rich.console import Console

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.explain import Floats
from services.hedging.option_quotes import OptionContract, OptionFees, OptionMarket, OptionQuote
from services.hedging.option_strikes import strike_at_delta
from services.hedging.vault_plan import SaleFigures
from services.hedging.vaults import CoveredCall
from services.options.black import black_greeks, black_price
from tests.evaluation.report import Grid

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
VOLATILITIES = "deribit_atm_iv_6h_2026_01_04.csv.gz"
CHAINS = {
    "calm, 15 January 2026": "options_btc_eth_deribit_20260115_calm.csv.gz",
    "crash, 3 to 6 February 2026": "options_btc_deribit_seq_20260203_06_crash.csv.gz",
}
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "vaults.md"
WEEK_DAYS, MEMORY_DAYS, DELTA = 7.0, 14.0, 0.10
BLOCK, DRAWS = 56, 2000
METHOD = CoveredCall(delta=DELTA, most_days=10.0)
FEES = OptionFees(rate=0.0003, cap=0.125)


@dataclass(frozen=True, slots=True)
class Samples:
    """Index and seven-day volatility of one coin; times in seconds."""

    coin: str
    times: Floats
    index: Floats
    implied: Floats


@dataclass(frozen=True, slots=True)
class Sales:
    """What became of a call sold at each sample [basis points of the price], and how much of one was sold.

    `missed` is the error of the forecast of volatility, `inside` 1 where the call ended in the money.
    """

    times: Floats
    weights: Floats
    plain: Floats
    hedged: Floats
    missed: Floats
    inside: Floats


def rows_of(name: str) -> list[dict[str, str]]:
    """Rows of a data set."""
    with gzip.open(DATA / name, "rt") as file:
        return list(csv.DictReader(file))


def seconds(text: str) -> float:
    """Seconds of a time."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def samples() -> list[Samples]:
    """Both coins."""
    rows = rows_of(VOLATILITIES)
    found = []
    for coin in sorted({row["underlying"] for row in rows}):
        own = [row for row in rows if row["underlying"] == coin]
        columns = [np.array([float(row[name]) for row in own]) for name in ("index_price", "atm_iv_7d")]
        found.append(Samples(coin, np.array([seconds(row["snapshot"]) for row in own]), *columns))
    return found


def trailing(item: Samples, place: int, days: float) -> float:
    """Root mean square of the returns of the days before a sample, annual; NaN without that many days."""
    start = int(np.searchsorted(item.times, item.times[place] - days * SECONDS_PER_DAY))
    if item.times[place] - item.times[0] < days * SECONDS_PER_DAY:
        return math.nan
    moves = np.diff(np.log(item.index[start : place + 1]))
    return math.sqrt(float((moves**2).sum()) / ((item.times[place] - item.times[start]) / SECONDS_PER_YEAR))


def spread_share(name: str) -> tuple[float, int]:
    """Median of (mark − bid) / mark of weekly calls between 5 and 15 deltas, and their number."""
    shares = []
    for row in rows_of(name):
        days = (seconds(row["expiry"]) - seconds(row["snapshot"])) / SECONDS_PER_DAY
        near = row["underlying"] == "BTC" and row["cp"] == "C" and 4.0 <= days <= 10.0
        if near and 0.05 <= float(row["delta"]) <= 0.15 and row["bid"]:
            shares.append(1.0 - float(row["bid"]) / float(row["mark"]))
    return float(np.median(shares)), len(shares)


def market_of(item: Samples, place: int, share: float, forecast: float) -> tuple[OptionMarket, float]:
    """One coin and one call of ten deltas, and its strike."""
    price, implied = float(item.index[place]), float(item.implied[place])
    years = WEEK_DAYS * SECONDS_PER_DAY / SECONDS_PER_YEAR
    strike = float(strike_at_delta(price, years, implied, 1, DELTA)) * (1.0 + 1e-9)
    bid = (1.0 - share) * float(black_price(price, strike, years, implied, 1)) / price
    now = datetime.fromtimestamp(float(item.times[place]), UTC)
    quote = OptionQuote(
        strike=Decimal(f"{strike:.12g}"),
        expiry=now + timedelta(days=WEEK_DAYS),
        right=1,
        forward=Decimal(f"{price:.12g}"),
        bid=Decimal(f"{bid:.12g}"),
        implied_volatility=implied,
    )
    contract = OptionContract(lot=Decimal("0.0001"), coin_settled=True)
    terms = {"mark": quote.forward, "as_of": now, "holding": Decimal(1), "quotes": (quote,)}
    market = OptionMarket(**terms, contract=contract, fees=FEES, volatility=forecast)
    return market, strike


def sales_of(item: Samples, share: float) -> Sales:
    """A call sold at every sample that has two weeks before it and one after."""
    columns: list[tuple[float, ...]] = []
    for place in range(item.times.size):
        forecast = trailing(item, place, MEMORY_DAYS)
        end = int(np.searchsorted(item.times, item.times[place] + WEEK_DAYS * SECONDS_PER_DAY))
        if math.isnan(forecast) or end >= item.times.size:
            continue
        market, strike = market_of(item, place, share, forecast)
        plan = METHOD.plan(market)
        weight = float(plan.legs[0].contracts) if plan.legs else 0.0
        price = float(item.index[place])
        bid = market.quotes[0].bid or Decimal(0)
        net = float(bid - FEES.per_unit(bid, market.quotes[0].forward, coin_settled=True)) * price
        plain = net - max(float(item.index[end]) - strike, 0.0)
        hedged = plain + hedge_gain(item, place, end, strike)
        moves = np.diff(np.log(item.index[place : end + 1]))
        realized = math.sqrt(float(moves @ moves) / ((item.times[end] - item.times[place]) / SECONDS_PER_YEAR))
        inside = float(item.index[end] > strike)
        gains = (1e4 * plain / price, 1e4 * hedged / price)
        columns.append((float(item.times[place]), weight, *gains, forecast - realized, inside))
    return Sales(*(np.array(column) for column in zip(*columns, strict=True)))


def hedge_gain(item: Samples, place: int, end: int, strike: float) -> float:
    """Gain of holding the call's delta, at the volatility of its sale, from sample to sample."""
    left = (item.times[place] + WEEK_DAYS * SECONDS_PER_DAY - item.times[place:end]) / SECONDS_PER_YEAR
    deltas = black_greeks(item.index[place:end], strike, np.maximum(left, 0.0), float(item.implied[place]), 1).delta
    return float(deltas @ np.diff(item.index[place : end + 1]))


def interval(sales: Mapping[str, Sales], name: str, kind: str) -> tuple[float, float, float]:
    """A statistic of the gains `name` over all coins, and its 95 % interval over blocks of two weeks."""
    count = min(sale.times.size for sale in sales.values())
    weights = np.array([sale.weights[:count] for sale in sales.values()])
    gains = np.array([getattr(sale, name)[:count] for sale in sales.values()])
    rng = np.random.default_rng(20260104)
    starts = rng.integers(0, count - BLOCK + 1, (DRAWS, math.ceil(count / BLOCK)))
    places = (starts[..., None] + np.arange(BLOCK)).reshape(DRAWS, -1)[:, :count]
    drawn = _statistic(kind, weights[:, places], gains[:, places])
    whole = _statistic(kind, weights[:, None, :], gains[:, None, :])
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(whole[0]), float(low), float(high)


def _statistic(kind: str, weights: Floats, gains: Floats) -> Floats:
    """Over the first axis (coins) and the last (samples)."""
    axes = (0, 2)
    always, sold = gains.mean(axes), (weights * gains).mean(axes)
    if kind == "always":
        return np.asarray(always)
    if kind == "multiplier":
        return np.asarray(sold)
    if kind == "timing":
        return np.asarray(sold / np.maximum(weights.mean(axes), 1e-12) - always)
    spread = np.sqrt(((weights * gains) ** 2).mean(axes) - sold**2) + 1e-12
    return np.asarray(sold / spread - always / gains.std(axes))


def crash_decisions(items: Sequence[Samples]) -> list[list[str]]:
    """What the vault decides on the whole chain of every snapshot of the crash."""
    bitcoin = next(item for item in items if item.coin == "BTC")
    rows = rows_of(CHAINS["crash, 3 to 6 February 2026"])
    lines = []
    for snapshot in sorted({row["snapshot"] for row in rows}):
        own = [row for row in rows if row["snapshot"] == snapshot and row["cp"] == "C"]
        place = int(np.argmin(np.abs(bitcoin.times - seconds(snapshot))))
        market = chain_market(own, trailing(bitcoin, place, MEMORY_DAYS))
        plan = METHOD.plan(market)
        figures = plan.figures
        sold = f"{plan.legs[0].contracts}" if plan.legs else f"none: {plan.reason}"
        chosen = [row for row in plan.candidates if row.verdict.value in ("chosen", "no_edge")]
        best = max(chosen, key=lambda row: row.edge or 0.0)
        lines.append(
            [
                snapshot[:16],
                f"{float(own[0]['index_price']):.0f}",
                f"{market.volatility:.3f}",
                f"{best.implied_volatility:.3f}",
                sold,
                f"{figures.yield_annual:.3f}" if isinstance(figures, SaleFigures) else "",
            ]
        )
    return lines


def chain_market(rows: Sequence[Mapping[str, str]], forecast: float) -> OptionMarket:
    """Calls of one snapshot on ten coins."""
    quotes = tuple(
        OptionQuote(
            strike=Decimal(row["strike"]),
            expiry=datetime.fromisoformat(row["expiry"].replace("Z", "+00:00")),
            right=1,
            forward=Decimal(row["futures_price"]),
            bid=Decimal(row["bid"]) if row["bid"] else None,
            ask=Decimal(row["ask"]) if row["ask"] else None,
            implied_volatility=float(row["mark_iv"]) or None,
        )
        for row in rows
    )
    return OptionMarket(
        mark=Decimal(rows[0]["index_price"]),
        as_of=datetime.fromisoformat(rows[0]["snapshot"].replace("Z", "+00:00")),
        holding=Decimal(10),
        quotes=quotes,
        contract=OptionContract(lot=Decimal("0.1"), tick=Decimal("0.0001"), coin_settled=True),
        fees=FEES,
        volatility=forecast,
    )


def tables() -> tuple[list[Grid], str]:
    """All tables, and what they come to."""
    items = samples()
    spreads = {name: spread_share(file) for name, file in CHAINS.items()}
    share = spreads["calm, 15 January 2026"][0]
    sales = {item.coin: sales_of(item, share) for item in items}
    costs = Grid(
        "Bid of weekly Bitcoin calls of 5 to 15 deltas, below the mark",
        ["snapshots", "median share of the mark", "quotes"],
        [[name, f"{value:.3f}", str(count)] for name, (value, count) in spreads.items()],
    )
    heading = ["coin", "weeks", "sold on average", "always", "multiplier", "always, hedged", "multiplier, hedged"]
    coins = Grid(
        "A 10-delta call a week [basis points a week]",
        [*heading, "ended in the money", "standard deviation of the forecast's error"],
        [_coin_row(coin, sale) for coin, sale in sales.items()],
    )
    lines = []
    for name in ("plain", "hedged"):
        for kind in ("always", "multiplier", "timing", "ratio"):
            value, low, high = interval(sales, name, kind)
            zero = "yes" if low <= 0.0 <= high else "no"
            lines.append([f"{kind}, {name}", f"{value:.3f}", f"{low:.3f} … {high:.3f}", zero])
    both = Grid("Both coins together", ["figure", "value", "95 % interval", "holds zero"], lines)
    crash = Grid(
        "The vault in the crash: ten coins, the whole chain, forecast of the two weeks before",
        ["snapshot", "index", "forecast", "volatility of the bid", "calls sold", "yield a year"],
        crash_decisions(items),
    )
    return [costs, coins, both, crash], conclusion(lines, sales)


def weeks_of(sales: Mapping[str, Sales]) -> float:
    """Independent weeks of one coin."""
    return max(float(sale.times[-1] - sale.times[0]) / SECONDS_PER_DAY / WEEK_DAYS + 1.0 for sale in sales.values())


def _coin_row(coin: str, sale: Sales) -> list[str]:
    gains = [sale.plain, sale.weights * sale.plain, sale.hedged, sale.weights * sale.hedged]
    means = [f"{gain.mean():.1f}" for gain in gains]
    weeks, inside = f"{weeks_of({coin: sale}):.0f}", f"{100.0 * sale.inside.mean():.1f} %"
    return [coin, weeks, f"{sale.weights.mean():.2f}", *means, inside, f"{sale.missed.std():.3f}"]


def conclusion(lines: Sequence[Sequence[str]], sales: Mapping[str, Sales]) -> str:
    """In words, from the intervals of timing and of the ratio with the hedge.

    Without it, a bootstrap knows nothing of losses that did not happen to be in the sample.
    """
    weeks = weeks_of(sales)
    assigned = sum(weeks_of({coin: sale}) * float(sale.inside.mean()) for coin, sale in sales.items())
    unhedged = (
        f"The plain gains say nothing of it: about {assigned:.1f} independent calls of {len(sales) * weeks:.0f} ended "
        "in the money, and an interval cannot hold losses that were not seen."
    )
    hedged = [line for line in lines if line[0] in ("timing, hedged", "ratio, hedged")]
    decided = [f"{line[0]} {line[1]}" for line in hedged if line[3] == "no"]
    if decided:
        return f"Over {weeks:.0f} independent weeks these differ from zero: {'; '.join(decided)}. {unhedged}"
    return (
        f"Too little data: {weeks:.0f} independent weeks, in which the two coins move together. With the hedge, "
        "neither the timing nor the ratio differs from zero: that the multiplier helps is not shown, nor that it "
        "hurts. "
        f"{unhedged} It stays because it sells less where less is paid, not because it was seen to earn more."
    )


def document(grids: Sequence[Grid], words: str) -> str:
    """The page in docs/measurements."""
    text = ["# Weekly covered calls: what was measured", "", (__doc__ or "").partition("\n\n")[2].strip()]
    for grid in grids:
        text += ["", f"## {grid.title}", ""]
        text += ["| " + " | ".join(line) + " |" for line in (grid.columns, ["---"] * len(grid.columns), *grid.rows)]
    return "\n".join([*text, "", words]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/measurements/vaults.md")
    options = parser.parse_args(arguments)
    if not (DATA / VOLATILITIES).is_file():
        print("the shared data sets are not beside this repository", file=sys.stderr)
        return 2
    grids, words = tables()
    console = Console()
    for grid in grids:
        console.print(grid.on_terminal())
    console.print(words)
    if options.write:
        DOCUMENT.write_text(document(grids, words))
    return 0


if __name__ == "__main__":
    sys.exit(main())
