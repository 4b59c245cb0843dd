"""Deterministic requests: books of 1 to 20 symbols, with series or on cached state, with coins, options and hedges."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

SYMBOLS = tuple(f"COIN{index:02d}-PERP" for index in range(20))
DAY = timedelta(days=1)
AS_OF = datetime(2026, 11, 20, 0, 0, 5, tzinfo=UTC)
"""Past: an evaluation of it is `historical`, hence the same on every day that the test runs."""
Body = dict[str, Any]


def closes(seed: int, bars: int, *, start: float = 100.0, annual: float = 0.6) -> list[float]:
    """Daily closes of a random walk with drifting volatility, as a venue prints them (two decimals)."""
    generator = np.random.default_rng(seed)
    scale = annual / math.sqrt(365.0) * np.exp(0.3 * np.sin(np.arange(bars) / 40.0))
    common = np.random.default_rng(7).standard_normal(bars)
    returns = scale * (0.6 * common + 0.8 * generator.standard_normal(bars))
    return [round(float(price), 2) for price in start * np.exp(np.cumsum(returns))]


def text(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def midnight(moment: datetime) -> datetime:
    """Close of the last complete daily bar at `moment`."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def series(symbol: str, seed: int, bars: int, as_of: datetime = AS_OF, *, start: float = 100.0) -> Body:
    """One posted series that ends at the last midnight."""
    return {
        "symbol": symbol,
        "interval": "P1D",
        "end": text(midnight(as_of)),
        "calendar": "24/7",
        "close": closes(seed, bars, start=start),
    }


def instrument(symbol: str) -> Body:
    """Linear contract with a lot, a tick and a minimum order."""
    return {
        "symbol": symbol,
        "kind": "linear",
        "quote_currency": "USD",
        "lot": "0.001",
        "tick": "0.01",
        "min_notional": "10",
    }


def position(index: int, bars: int) -> Body:
    """Line of a long/short book; the mark stands near the last of `bars` closes."""
    quantity = ("12.5", "-8.25", "30", "-4.125", "0")[index % 5]
    return {"symbol": SYMBOLS[index], "quantity": quantity, "mark_price": f"{closes(index, bars)[-1] * 1.001:.2f}"}


def signal(index: int) -> Body:
    """View with the sign of the position, of varied strength."""
    return {"symbol": SYMBOLS[index], "direction": (1.0, -0.5, 0.75, -1.0, 0.25)[index % 5]}


def book(count: int, as_of: datetime = AS_OF, *, bars: int = 300, view: str = "full", **more: Any) -> Body:
    """`count` described positions and signals, 20 % volatility target, marked after `bars` closes that are not sent."""
    return {
        "as_of": text(as_of),
        "interval": "P1D",
        "options": {"view": view},
        "account": {"equity": "100000", "currency": "USD"},
        "instruments": [instrument(symbol) for symbol in SYMBOLS[:count]],
        "positions": [position(index, bars) for index in range(count)],
        "signals": [signal(index) for index in range(count)],
        "policy": {"sizing": {"method": "volatility_target", "target_volatility": 0.20}},
        **more,
    }


def with_series(count: int, bars: int, as_of: datetime = AS_OF, **more: Any) -> Body:
    """Book that brings its closes."""
    return book(
        count, as_of, bars=bars, series=[series(SYMBOLS[index], index, bars, as_of) for index in range(count)], **more
    )


def observations(count: int, bars: int, as_of: datetime = AS_OF) -> Body:
    """Closes of `count` symbols for `POST /v1/observations`, in the order of time."""
    last = midnight(as_of)
    rows = []
    for index in range(count):
        prices = closes(index, bars)
        rows += [
            {
                "symbol": SYMBOLS[index],
                "interval": "P1D",
                "close_time": text(last - DAY * (bars - 1 - bar)),
                "close": price,
            }
            for bar, price in enumerate(prices)
        ]
    return {"observations": rows}


def coins_and_options(as_of: datetime = AS_OF) -> Body:
    """Inverse perpetual, coin collateral, two options with implied volatility, and a hedge of their delta."""
    expiry = text(midnight(as_of) + 35 * DAY)
    option = {
        "kind": "option",
        "underlying": "BTC-PERPETUAL",
        "base_currency": "BTC",
        "quote_currency": "USD",
        "lot": "0.1",
        "expiry": expiry,
    }
    return {
        "as_of": text(as_of),
        "account": {"equity": "250000", "currency": "USD", "collateral": [{"asset": "BTC", "amount": "1.5"}]},
        "instruments": [
            {
                "symbol": "BTC-PERPETUAL",
                "kind": "inverse",
                "contract_multiplier": "10",
                "base_currency": "BTC",
                "quote_currency": "USD",
                "lot": "1",
                "tick": "0.5",
                "quantity_unit": "contracts",
            },
            {"symbol": "BTC-C", **option, "strike": "100000", "right": "call"},
            {"symbol": "BTC-P", **option, "strike": "85000", "right": "put"},
        ],
        "positions": [
            {"symbol": "BTC-PERPETUAL", "quantity": "-1200", "mark_price": "93120.5"},
            {
                "symbol": "BTC-C",
                "quantity": "4",
                "implied_volatility": 0.52,
                "forward_price": "93600",
                "mark_price": "2950",
            },
            {
                "symbol": "BTC-P",
                "quantity": "-2.5",
                "implied_volatility": 0.58,
                "forward_price": "93600",
                "mark_price": "2400",
            },
        ],
        "series": [series("BTC-PERPETUAL", 3, 400, as_of, start=60_000.0)],
        "policy": {
            "sizing": {"method": "volatility_target", "target_volatility": 0.25},
            "hedging": {"method": "threshold", "instrument": "BTC-PERPETUAL", "max_delta": 0.25},
        },
    }


def smallest(as_of: datetime = AS_OF) -> Body:
    """The call that opens the manual."""
    prices = closes(1, 120, start=90_000.0)
    mark = f"{prices[-1] * 1.001:.1f}"
    return {
        "as_of": text(as_of),
        "account": {"equity": "100000", "currency": "USD"},
        "positions": [{"symbol": "BTC-PERP", "quantity": "0.85", "mark_price": mark}],
        "series": [
            {
                "symbol": "BTC-PERP",
                "interval": "P1D",
                "end": text(midnight(as_of)),
                "close": prices,
            }
        ],
        "signals": [{"symbol": "BTC-PERP", "direction": 1}],
        "policy": {"sizing": {"method": "volatility_target", "target_volatility": 0.20}},
    }
