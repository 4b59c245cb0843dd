"""Price series to measure on: data sets of the `arch` package, and files beside the repository where there are any."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from services.core.annualization import Calendar
from services.core.explain import Floats
from services.volatility.candles import candles_of, guarded_candles
from services.volatility.moves import Moves
from services.volatility.series import SeriesInput

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
DAY, HOUR = 86_400, 3_600
ENOUGH_SERIES = 10
"""Series from which a share of them, or a rate pooled over them, is a gate; the four of `arch` alone are too few."""
OHLC = ("open", "high", "low", "close")
COIN_LOTS = {"BTC": 0.001, "YFI": 0.001, "ETH": 0.01, "BCH": 0.01, "BNB": 0.01, "AAVE": 0.1}
"""Smallest steps of a position; every other coin trades in whole ones."""


class Group(StrEnum):
    """What a series may be used for; declared in README.md before anything was tuned."""

    DESIGN = "design"
    SHADOW = "shadow"
    HOLD_OUT = "hold-out"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Bars of one market without gaps in its clock.

    Parameters
    ----------
    close : (n,) array
        Oldest first [quote currency].
    open, high, low : (n,) arrays, optional
        None where only closes are known.
    implied : (n,) array, optional
        Implied volatility known at each close [annual, fraction].
    lot : float
        Smallest step of a position [units of the asset].
    scored_from : int
        First bar that scores count, where that is later than the end of the burn-in.
    """

    name: str
    group: Group
    bar_seconds: int
    calendar: Calendar
    lot: float
    close: Floats
    open: Floats | None = None
    high: Floats | None = None
    low: Floats | None = None
    implied: Floats | None = None
    scored_from: int = 0

    @property
    def ranged(self) -> bool:
        """Whether open, high and low are known."""
        return self.high is not None

    @property
    def rhythmic(self) -> bool:
        """Whether the hour of the day matters."""
        return self.calendar.continuous and self.bar_seconds < DAY

    @property
    def periods(self) -> float:
        """Bars a year."""
        return self.calendar.periods(self.bar_seconds)

    @property
    def years(self) -> float:
        """Length."""
        return self.close.size / self.periods

    @property
    def log_returns(self) -> Floats:
        """ln(C_t / C_{t−1}), (n − 1,)."""
        return np.log(self.close[1:] / self.close[:-1])

    @property
    def simple_returns(self) -> Floats:
        """C_t / C_{t−1} − 1, (n − 1,)."""
        return self.close[1:] / self.close[:-1] - 1.0

    @property
    def posted(self) -> SeriesInput:
        """As a client posts it; the bars end on a fixed day, which nothing here depends on."""
        return SeriesInput(
            closes=self.close,
            end=datetime(2025, 1, 1, tzinfo=UTC),
            bar_seconds=self.bar_seconds,
            calendar=self.calendar,
            open=self.open,
            high=self.high,
            low=self.low,
            implied_volatility=self.implied,
        )

    @property
    def moves(self) -> Moves:
        """What an estimator sees: ranges checked and wicks guarded as in the feed, (1, n − 1)."""
        ranges: dict[str, Floats] = {}
        if self.open is not None and self.high is not None and self.low is not None:
            found = candles_of(self.open[1:], self.high[1:], self.low[1:], self.close[1:], self.close[:-1])
            ranges = {name: column[None] for name, column in guarded_candles(found)._asdict().items()}
        if self.implied is not None:
            ranges["implied_variance"] = self.implied[None, 1:] ** 2 / self.periods
        close_at = self.bar_seconds * np.arange(1.0, self.close.size)
        return Moves(log_return=self.log_returns[None], close=self.close[None, 1:], close_at=close_at[None], **ranges)


def arch_series() -> list[Series]:
    """S&P 500, Nasdaq, WTI and the VIX as an asset; rows without a value dropped."""
    exchange = Calendar("XNYS")
    found = []
    for name, column, lot, group in (
        ("sp500", "Adj Close", 5.0, Group.SHADOW),
        ("nasdaq", "Adj Close", 2.0, Group.HOLD_OUT),
        ("wti", "DCOILWTICO", 100.0, Group.HOLD_OUT),
        ("vix", "vix", 100.0, Group.HOLD_OUT),
    ):
        frame = import_module(f"arch.data.{name}").load().dropna()
        ranges = {place: frame[place.title()].to_numpy(float) for place in OHLC[:3] if place.title() in frame}
        found.append(
            Series(
                name=f"{name} 1d",
                group=group,
                bar_seconds=DAY,
                calendar=exchange,
                lot=lot,
                close=frame[column].to_numpy(float),
                **ranges,
            )
        )
    return found


def implied_series() -> Series:
    """S&P 500 from 1999 with the VIX of each close from 2014 on (NaN before), scored from 2014 on."""
    (stocks,) = (series for series in arch_series() if series.name == "sp500 1d")
    dates = import_module("arch.data.sp500").load().index
    index = import_module("arch.data.vix").load().dropna()["vix"].reindex(dates).to_numpy(float) / 100.0
    return replace(stocks, name="sp500 1d 2014-18", implied=index, scored_from=int(np.argmax(~np.isnan(index))))


@cache
def _columns(file: str, by: str | None = None) -> dict[str, dict[str, list[str]]]:
    """Columns of a file as text, apart for each value of the column `by`."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(DATA / file, "rt") as stream:
        for row in csv.DictReader(stream):
            for name, value in row.items():
                found[row[by] if by else ""][name].append(value)
    return found


def _group(coin: str, asset_is_design: bool) -> Group:
    if asset_is_design:
        return Group.DESIGN
    return Group.SHADOW if coin in ("BTC", "ETH") else Group.HOLD_OUT


def _bars(name: str, coin: str, bar_seconds: int, columns: dict[str, list[str]], *, design: bool = False) -> Series:
    prices: dict[str, Any] = {place: np.array(columns[place], dtype=float) for place in OHLC if place in columns}
    return Series(
        name=name,
        group=_group(coin, design),
        bar_seconds=bar_seconds,
        calendar=Calendar(),
        lot=COIN_LOTS.get(coin, 1.0),
        **prices,
    )


def _daily() -> Iterator[Series]:
    exchange = Calendar("XNYS")
    for name, file, lot, group in (
        ("SPY 1d", "ohlcv_spy_daily_1998_2021.csv.gz", 1.0, Group.DESIGN),
        ("VIX 1d 1990-2024", "ohlc_vix_daily_1990_2024.csv.gz", 100.0, Group.HOLD_OUT),
    ):
        prices: dict[str, Any] = {place: np.array(_columns(file)[""][place], dtype=float) for place in OHLC}
        yield Series(name=name, group=group, bar_seconds=DAY, calendar=exchange, lot=lot, **prices)
    for coin, columns in _columns("ohlcv_daily_yahoo_btc_eth_bnb_sol_2014_2024.csv.gz", "asset").items():
        yield _bars(f"{coin} 1d Yahoo", coin, DAY, columns, design=coin in ("BTC", "ETH"))
    for coin, columns in _columns("ohlcv_daily_coinbase_2020_2024.csv.gz", "asset").items():
        yield _bars(f"{coin} 1d Coinbase", coin, DAY, columns)


def _hourly() -> Iterator[Series]:
    file = _columns("ohlcv_btcusd_bitstamp_1h_2018_2022.csv.gz")[""]
    yield _bars("BTC 1h Bitstamp", "BTC", HOUR, file, design=True)
    file = _columns("ohlcv_btcusdt_perp_binance_1h_2020_2023.csv.gz")[""]
    yield _bars("BTC 1h Binance", "BTC", HOUR, file)
    for coin, columns in _columns("ohlcv_perps_binance_1h_crashes_2020_2021.csv.gz", "asset").items():
        years = np.array([stamp[:4] for stamp in columns["ts"]])
        for year in sorted(set(years)):
            kept = {place: np.array(columns[place])[years == year].tolist() for place in OHLC}
            yield _bars(f"{coin} 1h crash {year}", coin, HOUR, kept)
    for coin, values in _columns("close_hourly_26coins_huobi_2021h1.csv.gz")[""].items():
        if coin != "ts":
            yield _bars(f"{coin} 1h Huobi", coin, HOUR, {"close": values})
    pool = _columns("eth_dex_vs_cex_1h_2023_12.csv.gz")[""]
    for name, column in (("pool", "uniswap_close"), ("perpetual", "binance_perp_close")):
        series = _bars(f"ETH 1h {name} 2023", "", HOUR, {"close": pool[column]})
        yield series


def shared_series() -> list[Series]:
    """Every daily and hourly series of the files beside the repository; none where there are no files."""
    return [*_daily(), *_hourly()] if DATA.is_dir() else []


def all_series() -> list[Series]:
    """What there is to measure on."""
    return [*arch_series(), *shared_series()]
