"""Requests of the documentation about collateral, contagion and liquidation prices."""

from __future__ import annotations

from typing import Any


def _account(venue: str, equity: str, maintenance: str, loss: str) -> dict[str, Any]:
    return {"venue": venue, "equity": equity, "maintenance_margin": maintenance, "loss_per_sigma": loss}


def _route(source: str, destination: str, **more: Any) -> dict[str, Any]:
    return {"source": source, "destination": destination, "asset": "USDC", **more}


ALLOCATE: dict[str, Any] = {
    "as_of": "2024-08-05T06:00:00Z",
    "venues": [
        _account("binance", "500000", "200000", "80000"),
        _account("bybit", "100000", "90000", "40000"),
        _account("deribit", "400000", "250000", "100000"),
    ],
    "assets": [{"asset": "USDC", "price": "0.9998", "unit": "0.000001"}],
    "balances": [
        {"venue": "binance", "asset": "USDC", "withdrawable": "280000"},
        {"venue": "bybit", "asset": "USDC", "withdrawable": "5000"},
        {"venue": "deribit", "asset": "USDC", "withdrawable": "120000"},
    ],
    "routes": [
        _route("binance", "bybit", fee_fixed="1", minimum="10", latency_seconds=120, finality_seconds=780),
        _route("binance", "deribit", fee_fixed="1", minimum="10", latency_seconds=120, finality_seconds=900),
        _route("deribit", "bybit", fee_fixed="3", minimum="50", latency_seconds=600, failure_probability=0.0001),
    ],
    "pooled": {"maintenance_margin": "410000", "loss_per_sigma": "150000"},
}
"""Three accounts, one of which is a quarter of a standard deviation away from liquidation."""

VALUE: dict[str, Any] = {
    "as_of": "2024-08-05T06:00:00Z",
    "account": {
        "currency": "USD",
        "collateral": [
            {"asset": "USD", "amount": "-15000"},
            {
                "asset": "BTC",
                "amount": "2",
                "price": "60000",
                "as_of": "2024-08-05T05:59:58Z",
                "heartbeat_seconds": 60,
                "volatility": 0.65,
                "average_daily_volume": "2000000000",
                "spread": 0.0002,
                "wrong_way_correlation": 0.9,
                "venue": "exchange",
            },
            {
                "asset": "USDT",
                "amount": "50000",
                "price": "0.985",
                "as_of": "2024-08-05T05:59:58Z",
                "asset_class": "stable",
                "peg_price": "0.985",
                "volatility": 0.03,
                "average_daily_volume": "5000000000",
                "wrong_way_correlation": 0,
                "venue": "wallet",
            },
        ],
        "loans": [
            {
                "name": "cdp",
                "collateral": {
                    "asset": "ETH",
                    "amount": "10",
                    "price": "2500",
                    "as_of": "2024-08-05T05:59:58Z",
                    "volatility": 0.8,
                },
                "debt": {"asset": "USD", "amount": "12000"},
                "liquidation_threshold": 0.825,
                "maximum_loan_to_value": 0.8,
                "borrow_rate": 0.06,
            }
        ],
    },
    "venues": [
        {"venue": "exchange", "metrics": {"depth_ratio": 0.5, "error_rate": 0.04}},
        {"venue": "wallet", "distress": 0},
    ],
    "policy": {"contagion": {}},
}
"""A coin at an exchange under strain, a stablecoin off its peg, owed cash, and a loan that stands alone."""

CONTAGION: dict[str, Any] = {
    "nodes": [
        {"name": "lender", "equity": "2000000"},
        {
            "name": "exchange",
            "equity": "1000000",
            "shock": "200000",
            "metrics": {"basis_bps": -35, "depth_ratio": 0.4, "withdrawal_share": 0.06, "error_rate": 0.08},
            "previous_multiplier": 1.2,
        },
        {"name": "desk", "equity": "500000"},
    ],
    "exposures": [
        {"creditor": "lender", "debtor": "exchange", "amount": "500000"},
        {"creditor": "exchange", "debtor": "desk", "amount": "250000"},
        {"creditor": "desk", "debtor": "lender", "amount": "500000"},
    ],
}
"""Claims in a circle, and an exchange that people leave."""

LIQUIDATION: dict[str, Any] = {
    "as_of": "2024-08-05T06:00:00Z",
    "underlying": "BTC",
    "mark": "60000",
    "balance": "30000",
    "collateral": {"quantity": "0.4", "haircut": 0.08},
    "positions": [
        {"kind": "linear", "symbol": "BTC-PERP", "quantity": "0.5", "maintenance_rate": 0.005},
        {
            "kind": "option",
            "quantity": "-2",
            "implied_volatility": 0.6,
            "terms": {"strike": "66000", "expiry": "2024-09-27T08:00:00Z", "right": "call", "forward": "60500"},
        },
        {
            "kind": "option",
            "quantity": "-1.5",
            "implied_volatility": 0.7,
            "terms": {"strike": "52000", "expiry": "2024-09-27T08:00:00Z", "right": "put", "forward": "60500"},
        },
        {"kind": "loan", "collateral_base": "0.3", "debt_quote": "9000", "liquidation_threshold": 0.8},
    ],
    "volatility": 0.65,
    "horizon_days": 7,
}
"""A short strangle, its hedge, and a loan against coin: liquidated when the price rises and when it falls."""

WATERFALL: dict[str, Any] = {
    "as_of": "2024-08-05T06:00:00Z",
    "symbol": "BTC-PERP",
    "currency": "USD",
    "mark_price": "50000",
    "account": {"quantity": "8", "equity": "1000", "maintenance_rate": 0.01},
    "rules": {"slippage": 0.005, "slice_fraction": 0.25, "slice_notional": "100000", "price_cap": 0.05},
    "insurance_fund": "400",
    "counterparties": [
        {"account": "short-1", "quantity": "-5", "entry_price": "58000", "equity": "61000", "maintenance_rate": 0.01},
        {"account": "short-2", "quantity": "-4", "entry_price": "51000", "equity": "15000", "maintenance_rate": 0.01},
        {"account": "long-1", "quantity": "3", "entry_price": "47000", "equity": "30000", "maintenance_rate": 0.01},
    ],
    "members": [
        {"member": "m1", "losses": ["300", "120"]},
        {"member": "m2", "losses": ["-40", "150"]},
        {"member": "m3", "losses": ["100", "90"]},
    ],
}
"""A long that costs more to sell than it is worth: the fund bears a part of that, others take the rest."""
