"""Requests of the documentation about options; they run on a fresh service in any order."""

from __future__ import annotations

from typing import Any

AS_OF = "2026-11-20T00:00:00Z"
_WEEK = {"expiry": "2026-11-27T00:00:00Z", "forward": "50000"}

GREEKS: dict[str, Any] = {
    "as_of": AS_OF,
    "delta_convention": "forward",
    "contracts": [
        {
            "symbol": "BTC-27NOV26-50000-C",
            **_WEEK,
            "strike": "50000",
            "right": "call",
            "settlement": "inverse",
            "implied_volatility": 0.6,
            "quantity": "10",
            "contract_multiplier": "1",
            "averaged_settlement": True,
        },
        {"symbol": "hedge", **_WEEK, "strike": "45000", "right": "put", "implied_volatility": 0.68},
    ],
}
IMPLIED_VOLATILITY: dict[str, Any] = {
    "as_of": AS_OF,
    "contracts": [
        {
            "symbol": "BTC-27NOV26-50000-C",
            **_WEEK,
            "strike": "50000",
            "right": "call",
            "settlement": "inverse",
            "price_unit": "base",
            "bid": "0.0325",
            "ask": "0.034",
            "mark": "0.0331",
        },
        {"symbol": "crossed", **_WEEK, "strike": "45000", "right": "put", "bid": "410", "ask": "400"},
        {"symbol": "last", **_WEEK, "strike": "45000", "right": "put", "price": "405.5"},
    ],
}
