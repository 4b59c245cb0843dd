"""Requests of the documentation about books of options."""

from __future__ import annotations

from typing import Any


def _option(symbol: str, strike: str, right: str, quantity: str, forward: str, volatility: float) -> dict[str, Any]:
    return {
        "kind": "option",
        "symbol": symbol,
        "underlying": "BTC",
        "quantity": quantity,
        "implied_volatility": volatility,
        "terms": {
            "strike": strike,
            "expiry": "2019-10-31T08:00:00Z",
            "right": right,
            "forward": forward,
            "settlement": "inverse",
        },
    }


def _perpetual(mark: str) -> dict[str, Any]:
    return {
        "kind": "inverse",
        "symbol": "BTC-PERPETUAL",
        "underlying": "BTC",
        "quantity": "-120",
        "multiplier": "10",
        "mark_price": mark,
    }


def _pool(mark: str) -> dict[str, Any]:
    return {
        "kind": "liquidity",
        "symbol": "ETH-POOL",
        "underlying": "ETH",
        "mark_price": mark,
        "entry_price": "170",
        "volatility": 0.7,
        "pool": {"kind": "concentrated", "liquidity": "1500", "lower_price": "150", "upper_price": "210"},
    }


STRADDLE = (("BTC-31OCT19-8000-C", "8000", "call", "-10"), ("BTC-31OCT19-8000-P", "8000", "put", "-10"))
PRICE_LADDER: dict[str, Any] = {
    "as_of": "2019-10-17T08:00:00Z",
    "currency": "USD",
    "positions": [
        *(_option(*terms, "8030", 0.55) for terms in STRADDLE),
        {**_perpetual("8020"), "funding": "12.5", "fees": "-4.1"},
        _pool("176"),
    ],
    "underlyings": [
        {"underlying": "BTC", "price": "8018.5", "collateral": "2.5", "beta": 1.0},
        {"underlying": "ETH", "beta": 1.3},
    ],
    "previous": {
        "as_of": "2019-10-16T08:00:00Z",
        "positions": [
            *(_option(*terms, "8165", 0.53) for terms in STRADDLE),
            _perpetual("8155"),
            _pool("180"),
        ],
        "underlyings": [{"underlying": "BTC", "price": "8153.5", "collateral": "2.5"}],
    },
}
"""A short straddle that is paid in coin, its hedge, and provided liquidity: risk now, and profit since yesterday."""
