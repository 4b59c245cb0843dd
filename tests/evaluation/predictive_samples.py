"""Samples of the study of predictive hedging: windows, and what was known in them (`predictive_README.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.core.annualization import SECONDS_PER_YEAR
from services.core.explain import Floats
from tests.evaluation.driver_data import (
    HOUR,
    MINUTES,
    PERP_HOURLY,
    SPOT_HOURLY,
    Bars,
    bars_of,
    instant,
    known_at,
    minutes,
    rows,
)
from tests.evaluation.hedge_crash import FIVE_MINUTES, SIX_HOURS, crash_bars, implied_markets
from tests.evaluation.hedge_paths import (
    Market,
    Windows,
    adaptive_volatility,
    flow,
    forecast_to_expiry,
    trailing_volatility,
    windows_of,
)

HALF_LIVES = (1, 6, 24)
"""Of the flow [bars]."""
SPLIT = "2020-09-13T15:00:00"
MINUTES_SPLIT = "2022-01-19T00:00:00"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Windows with a plain and a forecast volatility, (windows, times) [annual], and where known the flow."""

    name: str
    design: bool
    windows: Windows
    plain: Floats
    forecast: Floats
    step: float

    @property
    def flows(self) -> dict[int, Floats]:
        """Flow z by half-life, at each time but the last."""
        known = self.windows.known
        return {life: known[f"flow {life}"][:, :-1] for life in HALF_LIVES if f"flow {life}" in known}

    @property
    def title(self) -> str:
        """As tables name it."""
        return f"{self.name} ({len(self.plain):,} windows, {np.unique(self.windows.block).size} blocks)"


def market_of(name: str, bars: Bars, bar_seconds: float, trailing: int, flows: Mapping[str, Floats]) -> Market:
    """Closes with the plain volatility, the forecast and the flow known at each."""
    volatility, long_run = adaptive_volatility(bars, bar_seconds)
    plain = trailing_volatility(bars.close, trailing, SECONDS_PER_YEAR / bar_seconds)
    return Market(name, bars.end, bars.close, {"plain": plain, "volatility": volatility, "long_run": long_run, **flows})


def hourly_market(name: str, bars: Bars) -> Market:
    """Flow of the hourly candles; a week of plain volatility."""
    return market_of(name, bars, HOUR, 168, {f"flow {life}": flow(bars, float(life)) for life in HALF_LIVES})


def minutes_market() -> Market:
    """Closes five minutes apart, flow of the candles of a minute, a day of plain volatility."""
    bars, fine = minutes().bars, bars_of(rows(MINUTES), 60.0)
    flows = {f"flow {life}": known_at(bars.end, fine.end, flow(fine, 5.0 * life), 0.0) for life in HALF_LIVES}
    return market_of("BTC", bars, FIVE_MINUTES, 288, flows)


def part_of(market: Market, first: float, last: float) -> Market:
    """Closes from a time on, and up to another; what is known at them is from all that came before."""
    kept = (market.seconds >= first) & (market.seconds <= last)
    known = {name: column[kept] for name, column in market.known.items()}
    return Market(market.name, market.seconds[kept], market.price[kept], known)


def sample_of(name: str, windows: Windows, step: float, *, design: bool) -> Sample:
    """Windows with the forecast for what is left of an option's life."""
    left = (windows.seconds[:, -1:] - windows.seconds) / SECONDS_PER_YEAR
    forecast = forecast_to_expiry(windows.known["volatility"], windows.known["long_run"], left, step)
    return Sample(name, design, windows, windows.known["plain"], forecast, step)


HOURLY = {"steps": 168, "every": 12, "skipped": 240}
FINE = {"steps": 576, "every": 36}


def samples() -> list[Sample]:
    """As declared: two of the design, four held out."""
    split, fine_split = instant(SPLIT), instant(MINUTES_SPLIT)
    spot = part_of(hourly_market("BTC", bars_of(rows(SPOT_HOURLY), HOUR)), 0.0, split)
    perpetual = hourly_market("BTC", bars_of(rows(PERP_HOURLY), HOUR))
    coins = [hourly_market(name, bars) for name, bars in crash_bars().items() if name.endswith("2021")]
    fine = minutes_market()
    early, late = part_of(fine, 0.0, fine_split), part_of(fine, fine_split, np.inf)
    hourly = {
        ("Bitcoin hourly, 2018 to September 2020", True): windows_of([spot], **HOURLY),
        ("Bitcoin hourly, September 2020 to 2023", False): windows_of([perpetual], **HOURLY),
        ("Eight coins hourly, spring 2021", False): windows_of(coins, **HOURLY),
    }
    minute = {
        ("Bitcoin 5 minutes, to 18 January 2022", True): windows_of([early], **FINE, skipped=288),
        ("Bitcoin 5 minutes, from 19 January 2022", False): windows_of([late], **FINE),
    }
    return [
        *(sample_of(name, windows, HOUR, design=design) for (name, design), windows in hourly.items()),
        *(sample_of(name, windows, FIVE_MINUTES, design=design) for (name, design), windows in minute.items()),
        implied_sample(),
    ]


def implied_sample() -> Sample:
    """Bitcoin and Ether six-hourly in 2026: plain is Deribit's implied volatility; closes only, no flow."""
    markets = []
    for market in implied_markets():
        unknown = np.full(market.price.shape, np.nan)
        bars = Bars(market.seconds, unknown, unknown, unknown, market.price, unknown)
        volatility, long_run = adaptive_volatility(bars, SIX_HOURS)
        known = {"plain": market.known["implied"], "volatility": volatility, "long_run": long_run}
        markets.append(Market(market.name, market.seconds, market.price, known))
    windows = windows_of(markets, steps=28, every=2, skipped=60)
    return sample_of("Bitcoin and Ether six-hourly, 2026, against implied volatility", windows, SIX_HOURS, design=False)
