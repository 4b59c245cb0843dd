"""Series of the driver study: bars, and what was known of each driver when a bar ended."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from services.core.explain import Floats

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
HOUR, DAY = 3600.0, 86400.0
NEW_YORK = ZoneInfo("America/New_York")

PERP_HOURLY = "ohlcv_btcusdt_perp_binance_1h_2020_2023.csv.gz"
SPOT_HOURLY = "ohlcv_btcusd_bitstamp_1h_2018_2022.csv.gz"
CRASHES = "ohlcv_perps_binance_1h_crashes_2020_2021.csv.gz"
MINUTES = "ohlcv_btc_perp_1m_2022_01.csv.gz"
VENUES = "venues_btc_1m_2023_03_08_to_11noon.csv.gz"
YAHOO = "ohlcv_daily_yahoo_btc_eth_bnb_sol_2014_2024.csv.gz"
COINBASE = "ohlcv_daily_coinbase_2020_2024.csv.gz"
FUND = "ohlcv_spy_daily_1998_2021.csv.gz"
VIX = "ohlc_vix_daily_1990_2024.csv.gz"
FUNDING_DAILY = "funding_btcusdt_binance_daily_2019_2024.csv.gz"
FUNDING = "funding_btcusdt_binance_8h_2022_2024.csv.gz"
POOL = "eth_dex_vs_cex_1h_2023_12.csv.gz"
IMPLIED = "deribit_atm_iv_6h_2026_01_04.csv.gz"


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one market; every array is (n,), `end` in seconds since 1970; volume may be NaN."""

    end: Floats
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __getitem__(self, part: slice) -> Bars:
        return Bars(*(getattr(self, name)[part] for name in self.__dataclass_fields__))

    @property
    def ranged(self) -> bool:
        """Whether high and low are known."""
        return bool(np.isfinite(self.high).all())


@dataclass(frozen=True, slots=True)
class Series:
    """One market of the study.

    Parameters
    ----------
    group : str
        Row of the tables; markets of one group are averaged by date.
    bars : Bars
        Oldest first.
    bar_seconds, bars_per_year : float
        Length of a bar, and how many make a year.
    drivers : mapping of (n,) arrays
        Value known at the end of each bar; NaN where none is.
    implied : frozenset of str
        Drivers that are a logarithmic variance, to be read against the base forecast of the next bar.
    design : float
        Share of the bars, from the first on, on which choices were made.
    """

    group: str
    bars: Bars
    bar_seconds: float
    bars_per_year: float
    drivers: Mapping[str, Floats]
    implied: frozenset[str] = frozenset()
    design: float = 0.0


def rows(name: str) -> list[dict[str, str]]:
    """Rows of a data file."""
    with gzip.open(DATA / name, "rt") as stream:
        return list(csv.DictReader(stream))


def number(cell: str) -> float:
    """Value of a cell; NaN when it is empty."""
    return float(cell) if cell else math.nan


def instant(text: str) -> float:
    """Seconds since 1970 of a UTC date or time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def new_york(day: str, hour: int, minute: int) -> float:
    """Seconds since 1970 of a time of day in New York."""
    local = datetime.fromisoformat(day) + timedelta(hours=hour, minutes=minute)
    return local.replace(tzinfo=NEW_YORK).timestamp()


def bars_of(lines: list[dict[str, str]], seconds: float) -> Bars:
    """Bars of OHLCV rows whose `ts` is the start of the bar."""
    columns = [np.array([number(line[name]) for line in lines]) for name in ("open", "high", "low", "close", "volume")]
    return Bars(np.array([instant(line["ts"]) for line in lines]) + seconds, *columns)


def closes_only(end: Floats, close: Floats) -> Bars:
    """Bars of which only the close is known."""
    unknown = np.full(close.shape, np.nan)
    return Bars(end, unknown, unknown, unknown, close, unknown)


def known_at(end: Floats, published: Floats, values: Floats, longest: float) -> Floats:
    """Last value published at or before each time, not older than `longest` seconds; NaN where there is none."""
    place = np.searchsorted(published, end, side="right") - 1
    found = np.where(place >= 0, values[place], np.nan)
    return np.where(end - published[place] <= longest, found, np.nan)


def averaged(values: Floats, half_life: float) -> Floats:
    """Exponentially weighted mean up to each value."""
    gain, mean, out = 1.0 - 2.0 ** (-1.0 / half_life), 0.0, np.empty(len(values))
    for place, value in enumerate(values.tolist()):
        mean += max(gain, 1.0 / (place + 1.0)) * (value - mean)
        out[place] = mean
    return out


def without_clock(values: Floats, end: Floats) -> Floats:
    """Values less the running mean of their hour of the day (before the value)."""
    means, seen, out = [0.0] * 24, [0] * 24, np.empty(len(values))
    for place, (value, time) in enumerate(zip(values.tolist(), end.tolist(), strict=True)):
        hour = int(time % DAY // HOUR)
        out[place] = value - means[hour] if seen[hour] else math.nan
        if math.isfinite(value):
            seen[hour] += 1
            means[hour] += max(0.02, 1.0 / seen[hour]) * (value - means[hour])
    return out


def spread_estimate(bars: Bars) -> Floats:
    """Effective spread from closes and mid-ranges of two bars (Abdi and Ranaldo 2017, eq. 12), averaged, in logs."""
    close, middle = np.log(bars.close), 0.5 * (np.log(bars.high) + np.log(bars.low))
    squared = 4.0 * (close[:-1] - middle[:-1]) * (close[:-1] - middle[1:])
    spread = np.concatenate(([0.0], np.sqrt(np.maximum(squared, 0.0))))
    return np.log(np.maximum(averaged(spread, 8.0), 1e-6))


def from_bars(bars: Bars, *, intraday: bool) -> dict[str, Floats]:
    """Drivers that bars themselves give."""
    volume = np.log(np.where(bars.volume > 0.0, bars.volume, np.nan))
    width = np.log(bars.high / bars.low)
    body = np.divide(np.log(bars.close / bars.open), width, out=np.zeros(width.shape), where=width > 0.0)
    impact = np.log(np.where(width > 0.0, width, np.nan)) - volume
    if intraday:
        volume, impact = (without_clock(values, bars.end) for values in (volume, impact))
    imbalance = averaged(body, 4.0)
    return {
        "volume": volume,
        "imbalance (candles)": imbalance,
        "imbalance, absolute": np.abs(imbalance),
        "impact (range ÷ volume)": impact,
        "spread (estimated from bars)": spread_estimate(bars),
    }


def funding_drivers(end: Floats, *, daily: bool) -> dict[str, Floats]:
    """BTC funding, signed and as distance from the neutral 0.01 % per 8 hours."""
    if daily:
        lines = rows(FUNDING_DAILY)
        published = np.array([instant(line["date"]) for line in lines]) + DAY
        rates = np.array([float(line["funding_mean"]) for line in lines])
    else:
        lines = rows(FUNDING)
        published = np.array([instant(line["ts"]) for line in lines])
        rates = np.array([float(line["funding_rate_8h"]) for line in lines])
    rate = known_at(end, published, rates, DAY if daily else DAY / 3.0)
    return {"funding": rate, "funding, distance from 0.01 %": np.abs(rate - 1e-4)}


def vix_driver(end: Floats) -> dict[str, Floats]:
    """Logarithmic daily variance that the VIX implies, known from 16:15 New York on."""
    lines = rows(VIX)
    published = np.array([new_york(line["date"], 16, 15) for line in lines])
    implied = np.array([2.0 * math.log(float(line["close"]) / 100.0) - math.log(252.0) for line in lines])
    return {"VIX ÷ forecast": known_at(end, published, implied, 4.5 * DAY)}


def perpetual() -> Series:
    bars = bars_of(rows(PERP_HOURLY), HOUR)
    spot = bars_of(rows(SPOT_HOURLY), HOUR)
    gap = np.abs(np.log(bars.close / known_at(bars.end, spot.end, spot.close, 0.0)))
    drivers = {
        **from_bars(bars, intraday=True),
        **funding_drivers(bars.end, daily=False),
        **vix_driver(bars.end),
        "premium over spot, absolute": np.log(np.maximum(gap, 1e-6)),
    }
    return Series("BTC perpetual, hourly 2020–23", bars, HOUR, 8760.0, drivers, frozenset({"VIX ÷ forecast"}), 0.6)


def spot_before() -> Series:
    bars = bars_of(rows(SPOT_HOURLY), HOUR)
    bars = bars[: int(np.searchsorted(bars.end, instant("2020-09-13T15:00:00")))]
    drivers = {**from_bars(bars, intraday=True), **vix_driver(bars.end)}
    return Series("BTC spot, hourly 2018–20", bars, HOUR, 8760.0, drivers, frozenset({"VIX ÷ forecast"}))


def daily(name: str, asset: str, group: str, design: float = 0.0) -> Series:
    bars = bars_of([line for line in rows(name) if line["asset"] == asset], DAY)
    drivers = {**from_bars(bars, intraday=False), **funding_drivers(bars.end, daily=True), **vix_driver(bars.end)}
    return Series(group, bars, DAY, 365.0, drivers, frozenset({"VIX ÷ forecast"}), design)


def fund() -> Series:
    lines = [{**line, "ts": line["date"]} for line in rows(FUND)]
    bars = bars_of(lines, 0.0)
    # The session ends at 16:00; the next forecast is wanted from 16:15 on, when the VIX has closed.
    end = np.array([new_york(line["date"], 16, 15) for line in lines])
    bars = Bars(end, bars.open, bars.high, bars.low, bars.close, bars.volume)
    drivers = {**from_bars(bars, intraday=False), **vix_driver(bars.end)}
    return Series("SPY, daily 1998–2021", bars, DAY, 252.0, drivers, frozenset({"VIX ÷ forecast"}), 0.6)


def crash(asset: str, first: str, last: str) -> Series:
    lines = [line for line in rows(CRASHES) if line["asset"] == asset and first <= line["ts"] < last]
    bars = bars_of(lines, HOUR)
    group = f"perpetuals, hourly {first[:4]} crash"
    return Series(group, bars, HOUR, 8760.0, from_bars(bars, intraday=True))


def minutes() -> Series:
    """Five-minute bars; signed volume by the signs of their minutes."""
    fine = bars_of(rows(MINUTES), 60.0)
    count = len(fine.close) // 5
    fine = fine[: 5 * count]
    blocks = {name: getattr(fine, name).reshape(count, 5) for name in fine.__dataclass_fields__}
    volume = blocks["volume"].sum(axis=1)
    bars = Bars(
        blocks["end"][:, -1], blocks["open"][:, 0], blocks["high"].max(axis=1), blocks["low"].min(axis=1),
        blocks["close"][:, -1], volume,
    )  # fmt: skip
    signed = (np.sign(blocks["close"] - blocks["open"]) * blocks["volume"]).sum(axis=1) / volume
    signed = averaged(signed, 3.0)
    drivers = {
        **from_bars(bars, intraday=True),
        "imbalance (signs of minutes)": signed,
        "imbalance (minutes), absolute": np.abs(signed),
    }
    return Series("BTC perpetual, 5 minutes 2022-01", bars, 300.0, 105120.0, drivers, design=0.6)


def venues() -> Series:
    """One-minute closes of seven feeds, in dollars: their dispersion, and how many did not trade."""
    lines = rows(VENUES)
    table = {name: np.array([number(line[name]) for line in lines]) for name in lines[0] if name != "ts"}
    dollars = {"usd": 1.0, "usdt": table["kraken_usdtusd_rate"], "usdc": table["kraken_usdcusd_rate"]}
    feeds = [name for name in table if name.endswith("_close")]
    prices = np.array([np.log(table[name] * dollars[name.split("_")[1][3:]]) for name in feeds])
    end = np.array([instant(line["ts"]) for line in lines]) + 60.0
    spread, silent = np.nanstd(prices, axis=0), np.isnan(prices).sum(axis=0).astype(float)
    close = table["coinbase_btcusd_close"]
    traded = np.isfinite(close)
    volume = np.log(np.maximum(table["coinbase_btcusd_vol"], 1e-4))
    drivers = {
        "venue dispersion": np.log(np.maximum(spread, 1e-6))[traded],
        "venues without a trade": silent[traded],
        "volume": without_clock(volume[traded], end[traded]),
    }
    return Series("BTC on 7 venues, minutes 2023-03", closes_only(end[traded], close[traded]), 60.0, 525600.0, drivers)


def pool() -> Series:
    """Hourly close of a venue, with the liquidity of a pool and the gap between both."""
    lines = rows(POOL)
    end = np.array([instant(line["ts"]) for line in lines]) + HOUR
    close = np.array([float(line["binance_perp_close"]) for line in lines])
    gap = np.abs(np.log(np.array([float(line["uniswap_close"]) for line in lines]) / close))
    drivers = {
        "depth (pool liquidity)": np.log(np.array([float(line["pool_liquidity"]) for line in lines])),
        "gap pool–venue, absolute": np.log(np.maximum(gap, 1e-6)),
    }
    return Series("ETH pool and venue, hourly 2023-12", closes_only(end, close), HOUR, 8760.0, drivers)


def implied(asset: str) -> Series:
    """Index every six hours with at-the-money volatility."""
    lines = [line for line in rows(IMPLIED) if line["underlying"] == asset]
    end = np.array([datetime.fromisoformat(line["snapshot"]).timestamp() for line in lines])
    week, quarter = (np.array([number(line[name]) for line in lines]) for name in ("atm_iv_7d", "atm_iv_90d"))
    drivers = {"implied (7 d) ÷ forecast": np.log(week**2 / 1460.0), "implied slope 7 d ÷ 90 d": np.log(week / quarter)}
    bars = closes_only(end, np.array([float(line["index_price"]) for line in lines]))
    group = "BTC and ETH index, 6 hours 2026"
    return Series(group, bars, 6.0 * HOUR, 1460.0, drivers, frozenset({"implied (7 d) ÷ forecast"}))


def all_series() -> Iterator[Series]:
    """Every series of the study, those with a design part first."""
    yield perpetual()
    yield daily(YAHOO, "BTC", "BTC, daily 2014–24", 0.6)
    yield fund()
    yield minutes()
    yield spot_before()
    for asset in ("ETH", "BNB", "SOL"):
        yield daily(YAHOO, asset, "ETH, BNB, SOL, daily to 2024")
    for asset in sorted({line["asset"] for line in rows(COINBASE)}):
        yield daily(COINBASE, asset, "ten coins, daily 2020–24")
    for first, last in (("2020-01-01", "2021-01-01"), ("2021-01-01", "2022-01-01")):
        for asset in sorted({line["asset"] for line in rows(CRASHES) if first <= line["ts"] < last}):
            yield crash(asset, first, last)
    yield venues()
    yield pool()
    for asset in ("BTC", "ETH"):
        yield implied(asset)


FED_STATEMENTS = (
    "2020-09-16", "2020-11-05", "2020-12-16", "2021-01-27", "2021-03-17", "2021-04-28", "2021-06-16", "2021-07-28",
    "2021-09-22", "2021-11-03", "2021-12-15", "2022-01-26", "2022-03-16", "2022-05-04", "2022-06-15", "2022-07-27",
    "2022-09-21", "2022-11-02", "2022-12-14", "2023-02-01", "2023-03-22", "2023-05-03", "2023-06-14", "2023-07-26",
    "2023-09-20", "2023-11-01", "2023-12-13",
)  # fmt: skip
"""Days of scheduled statements of the Federal Open Market Committee, 14:00 New York (federalreserve.gov)."""
PRICE_INDICES = (
    "2020-10-13", "2020-11-12", "2020-12-10", "2021-01-13", "2021-02-10", "2021-03-10", "2021-04-13", "2021-05-12",
    "2021-06-10", "2021-07-13", "2021-08-11", "2021-09-14", "2021-10-13", "2021-11-10", "2021-12-10", "2022-01-12",
    "2022-02-10", "2022-03-10", "2022-04-12", "2022-05-11", "2022-06-10", "2022-07-13", "2022-08-10", "2022-09-13",
    "2022-10-13", "2022-11-10", "2022-12-13", "2023-01-12", "2023-02-14", "2023-03-14", "2023-04-12", "2023-05-10",
    "2023-06-13", "2023-07-12", "2023-08-10", "2023-09-13", "2023-10-12", "2023-11-14", "2023-12-12",
)  # fmt: skip
"""Days of releases of the US consumer price index, 8:30 New York (bls.gov)."""
CALENDAR = {
    "Fed statement": [new_york(day, 14, 0) for day in FED_STATEMENTS],
    "US consumer prices": [new_york(day, 8, 30) for day in PRICE_INDICES],
}
