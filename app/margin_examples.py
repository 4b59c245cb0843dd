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

REVERSE_STRESS: dict[str, Any] = {
    **{name: value for name, value in SCENARIO.items() if name != "worst_count"},
    "cash": "5000",
    "underlyings": [
        {**item, "volatility": sigma} for item, sigma in zip(SCENARIO["underlyings"], (0.62, 0.75), strict=True)
    ],
    "correlation": [[1.0, 0.8], [0.8, 1.0]],
    "volatility_shifts": [0.0, 0.5],
}
"""The same account with less cash: what liquidates it, with and without a rise of implied volatility by half."""

MAX_POSITION: dict[str, Any] = {
    "as_of": "2019-10-18T00:00:05Z",
    "symbol": "BTC-PERP",
    "instrument": {
        "symbol": "BTC-PERP",
        "kind": "linear",
        "quote_currency": "USD",
        "lot": "0.001",
        "min_notional": "5",
        "max_leverage": 20,
        "margin_tiers": [
            {"floor": "0", "maintenance_rate": 0.02, "initial_rate": 0.05},
            {"floor": "100000", "maintenance_rate": 0.05, "maintenance_amount": "3000", "initial_rate": 0.25},
        ],
    },
    "mark_price": "7993.5",
    "volatility": 0.6,
    "position": "-4",
    "account": {
        "equity": "40000",
        "other_initial_margin": "3000",
        "other_maintenance_margin": "1800",
        "positions": [{"symbol": "ETH-PERP", "quantity": "60", "mark_price": "177", "volatility": 0.8}],
    },
    "caps": {"max_utilisation": 0.8, "min_distance_sigma": 5, "max_slippage": 0.005},
    "book": {
        "symbol": "BTC-PERP",
        "as_of": "2019-10-18T00:00:04Z",
        "bids": [["7993", "4"], ["7985", "12"], ["7950", "30"]],
        "asks": [["7994", "3"], ["8002", "15"], ["8040", "40"]],
    },
}
"""How large may it be: the account, what else it holds, the venue's tiers, a book to leave through."""

ORDER_CHECK: dict[str, Any] = {**MAX_POSITION, "position": "6", "quantity": "50"}
"""Buy 50 more."""

BATCH: dict[str, Any] = {
    "as_of": "2024-01-05T08:00:00Z",
    "currency": "USD",
    "markets": [
        {"symbol": "BTC-PERP", "mark_price": "43120", "volatility": 0.5},
        {"symbol": "ETH-PERP", "mark_price": "2266", "volatility": 0.6},
    ],
    "accounts": ["a1", "a2", "a3", "a4", "a5"],
    "equity": [25000, 2500, 900, -40, None],
    "quantities": [[1.5, -0.6, 0, 0.01, 1], [-10, 0, 6, 0, 0]],
}
"""One account that is well, one below its initial margin, two to be liquidated, one whose equity is not known."""

PUBLISH: dict[str, Any] = {
    "rates": {
        "initial_long": 0.05,
        "initial_short": 0.055,
        "maintenance_long": 0.03,
        "maintenance_short": 0.033,
        "haircut": 0.08,
    },
    "max_leverage": 20,
    "max_notional": "25000000",
    "rules": {"notice_seconds": 86400, "max_change_per_day": 0.25},
    "actor": "risk-committee",
    "reason": "listing",
}
FROM_MODEL: dict[str, Any] = {"from_model": {}, "max_leverage": 20, "actor": "risk-job", "reason": "daily run"}
"""Published parameters: `PUT /v1/parameters/BTC-PERP`."""

BATCH_LINES = """\
{"as_of": "2024-01-05T08:00:00Z", "markets": [{"symbol": "BTC-PERP", "mark_price": "43120", "volatility": 0.5}]}
{"account": "a1", "equity": 25000, "quantities": {"BTC-PERP": 1.5}}
{"account": "a2", "equity": 900, "quantities": {"BTC-PERP": -0.6}}
"""
"""Two of these accounts as lines."""
