"""The de-peg of USDC in March 2023, minute by minute, through the guards and through what many bots do instead.

Seven feeds of Bitcoin in USD, USDT and USDC and three rates of stablecoins, from 8 March to 11 March 2023, noon. A
minute without a trade is a minute without a price: feeds go stale as they did. `python -m scripts.oracle_replay` prints
the table; `make docs` writes it into docs/guards.md and draws the picture.
"""

from __future__ import annotations

import csv
import gzip
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import numpy as np

from services.guards.aggregate import aggregate
from services.guards.observation import Aggregate, ConversionRate, OracleObservation, OracleState
from services.guards.outcome import OracleStatus
from services.guards.policy import OraclePolicy

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "venues_btc_1m_2023_03_08_to_11noon.csv.gz"
FEEDS = {
    "coinbase_btcusd": "USD",
    "kraken_btcusd": "USD",
    "binance_btcusdt": "USDT",
    "coinbase_btcusdt": "USDT",
    "kraken_btcusdt": "USDT",
    "binance_btcusdc": "USDC",
    "kraken_btcusdc": "USDC",
}
RATES = {"kraken_usdcusd": "USDC", "kraken_usdtusd": "USDT", "coinbase_usdtusd": "USDT"}
NATIVE = ("coinbase_btcusd", "kraken_btcusd")
BAR_SECONDS = 60.0
DEPEG = datetime(2023, 3, 10, 22, tzinfo=UTC)
"""Evening of the day on which a bank that held part of the reserves failed: USDC first trades half a percent below its
peg at 22:02, and lowest, at 0.874, at 07:15 of the next day.
"""
GUARDS, GUARDS_WITHOUT_USD = "guards, all 7 feeds", "guards, the 5 feeds not in USD"
ALL, MEAN = "median of all 7, however old, 1:1", "mean of those that traded, 1:1"
TRADED, TRADED_WITHOUT_USD = "median of those that traded, 1:1", "the same of the 5 feeds not in USD"


@dataclass(frozen=True, slots=True)
class Tick:
    """Newest price of a column and when it was made."""

    price: float
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Minute:
    """What is known when a minute ends; `reference` is the mean of the USD venues, where both traded in it."""

    as_of: datetime
    feeds: Mapping[str, Tick]
    rates: Mapping[str, Tick]
    reference: float | None


def minutes(path: Path = DATA) -> Iterator[Minute]:
    """Minutes of the file, in order."""
    known: dict[str, Tick] = {}
    with gzip.open(path, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            end = datetime.fromisoformat(row["ts"]) + timedelta(seconds=BAR_SECONDS)
            for name in (*FEEDS, *RATES):
                text = row[f"{name}_close" if name in FEEDS else f"{name}_rate"]
                if text:
                    known[name] = Tick(float(text), end)
            native = [known[name] for name in NATIVE if name in known]
            fresh = len(native) == len(NATIVE) and all(tick.as_of == end for tick in native)
            yield Minute(
                end,
                {name: known[name] for name in FEEDS if name in known},
                {name: known[name] for name in RATES if name in known},
                statistics.fmean(tick.price for tick in native) if fresh else None,
            )


@dataclass(frozen=True, slots=True)
class Priced:
    """What a method made of a minute; no price where it refused, `accepted` where it would open a position on it."""

    price: float | None
    accepted: bool


Method = Callable[[Minute], Priced]


class Guarded:
    """The guards over some feeds, minute after minute; `answers` are theirs."""

    def __init__(self, feeds: Iterable[str], policy: OraclePolicy) -> None:
        self.feeds, self.policy = tuple(feeds), policy
        self.state: OracleState | None = None
        self.answers: list[Aggregate] = []

    def __call__(self, minute: Minute) -> Priced:
        """Aggregate of one minute."""
        observations = [
            OracleObservation(
                source=name,
                price=tick.price,
                as_of=tick.as_of,
                heartbeat_seconds=BAR_SECONDS,
                currency=FEEDS[name],
            )
            for name, tick in minute.feeds.items()
            if name in self.feeds
        ]
        rates = [
            ConversionRate(currency=RATES[name], rate=tick.price, as_of=tick.as_of, heartbeat_seconds=BAR_SECONDS)
            for name, tick in minute.rates.items()
        ]
        found = aggregate(observations, self.policy, minute.as_of, self.state, rates=rates)
        self.state = found.state
        self.answers.append(found)
        return Priced(found.price, found.status is OracleStatus.OK)


def median_of_all(minute: Minute) -> Priced:
    """Median of the last known price of every feed, however old, one stablecoin for one dollar."""
    return Priced(statistics.median(tick.price for tick in minute.feeds.values()), True)


def one_to_one(names: Iterable[str], middle: Callable[[Sequence[float]], float] = statistics.median) -> Method:
    """Middle of the feeds that traded in the minute, one stablecoin for one dollar."""
    wanted = frozenset(names)

    def price(minute: Minute) -> Priced:
        fresh = [tick.price for name, tick in minute.feeds.items() if name in wanted and tick.as_of == minute.as_of]
        return Priced(middle(fresh), True) if fresh else Priced(None, False)

    return price


def methods() -> dict[str, Method]:
    """The guards, and what is done without them."""
    stable = [name for name, currency in FEEDS.items() if currency != "USD"]
    return {
        GUARDS: Guarded(FEEDS, OraclePolicy()),
        ALL: median_of_all,
        TRADED: one_to_one(FEEDS),
        MEAN: one_to_one(FEEDS, statistics.fmean),
        GUARDS_WITHOUT_USD: Guarded(stable, OraclePolicy()),
        TRADED_WITHOUT_USD: one_to_one(stable),
    }


@dataclass(frozen=True, slots=True)
class Score:
    """Errors against the USD venues [bps] of the prices that would be opened on; shares of minutes without one; longest
    time without one from the de-peg on [minutes].
    """

    median: float
    high: float
    largest: float
    reduce_only: float
    refused: float
    longest_wait: float


def replay(found: Sequence[Minute]) -> dict[str, list[Priced]]:
    """Every method over all minutes."""
    return {name: [method(minute) for minute in found] for name, method in methods().items()}


def error(minute: Minute, answer: Priced) -> float | None:
    """|price / reference − 1| [bps] of an accepted price, where there is a reference."""
    if not answer.accepted or answer.price is None or minute.reference is None:
        return None
    return 1e4 * abs(answer.price / minute.reference - 1.0)


def score(found: Sequence[Minute], priced: Sequence[Priced]) -> Score:
    """Summary of a method from the de-peg on."""
    pairs = [(minute, answer) for minute, answer in zip(found, priced, strict=True) if minute.as_of >= DEPEG]
    off = [value for minute, answer in pairs if (value := error(minute, answer)) is not None]
    middle, high, largest = np.quantile(off, [0.5, 0.99, 1.0]).tolist()
    return Score(
        median=middle,
        high=high,
        largest=largest,
        reduce_only=sum(answer.price is not None and not answer.accepted for _, answer in pairs) / len(pairs),
        refused=sum(answer.price is None for _, answer in pairs) / len(pairs),
        longest_wait=float(longest_run(not answer.accepted for _, answer in pairs)),
    )


def longest_run(flags: Iterable[bool]) -> int:
    """Length of the longest run of true.

    Examples
    --------
    >>> longest_run([True, False, True, True])
    2
    """
    return max((sum(1 for _ in run) for flag, run in groupby(flags) if flag), default=0)


HEADING = ("from the de-peg on", "p50 [bps]", "p99 [bps]", "max [bps]", "reduce only", "refused", "longest wait [min]")


def row(name: str, found: Score) -> tuple[str, ...]:
    """Line of the table."""
    figures = (f"{found.median:.1f}", f"{found.high:.1f}", f"{found.largest:.1f}")
    return (name, *figures, f"{found.reduce_only:.1%}", f"{found.refused:.1%}", f"{found.longest_wait:.0f}")


def main() -> int:
    """Print the table."""
    found = list(minutes())
    for line in (HEADING, *(row(name, score(found, priced)) for name, priced in replay(found).items())):
        print(" | ".join(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
