"""Requests of the documentation about margin."""

from __future__ import annotations

from typing import Any


def _option(symbol: str, strike: str, right: str, quantity: str, volatility: float) -> dict[str, Any]:
    return {
        "kind": "option",
        "symbol": symbol,
        "underlying": "BTC",
        "quantity": quantity,
        "implied_volatility": volatility,
        "terms": {
            "strike": strike,
            "expiry": "2024-01-26T08:00:00Z",
            "right": right,
            "forward": "43250",
            "discount": 0.998,
        },
    }


SCENARIO: dict[str, Any] = {
    "as_of": "2024-01-05T08:00:00Z",
    "currency": "USD",
    "preset": "derive_pmrm2",
    "cash": "40000",
    "positions": [
        _option("BTC-26JAN24-40000-P", "40000", "put", "-2", 0.66),
        _option("BTC-26JAN24-48000-C", "48000", "call", "-2", 0.68),
        {
            "kind": "linear",
            "symbol": "BTC-PERP",
            "underlying": "BTC",
            "quantity": "-0.3",
            "mark_price": "43120",
            "unrealized_pnl": "85",
            "unsettled_funding": "-4",
        },
        {"kind": "linear", "symbol": "ETH-PERP", "underlying": "ETH", "quantity": "5", "mark_price": "2266"},
    ],
    "underlyings": [
        {
            "underlying": "BTC",
            "spot": "43100",
            "netting_offset": 0.6,
            "collateral": [
                {"amount": "0.5", "maintenance_haircut": 0.05, "initial_haircut": 0.02, "risk_cancelling": True}
            ],
        },
        {"underlying": "ETH", "spot": "2265", "netting_offset": 0.6},
    ],
    "worst_count": 3,
}
"""A short strangle with its hedge and coin that backs it, and a perpetual in another underlying."""

REGIME: dict[str, Any] = {
    "as_of": "2024-01-05T08:00:00Z",
    "preset": "regime",
    "positions": [
        {"kind": "linear", "symbol": "ETH-PERP", "underlying": "ETH", "quantity": "10", "mark_price": "2266"}
    ],
    "underlyings": [{"underlying": "ETH", "spot": "2265", "volatility": 0.9}],
    "cash": "9000",
}
"""A perpetual under a price range that follows volatility: 26.6 % at 90 %."""
