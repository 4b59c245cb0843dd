"""Examples of live portfolios: registrations, a snapshot, fills."""

from __future__ import annotations

from typing import Any

REGISTRATION: dict[str, Any] = {
    "policy": {"sizing": {"method": "volatility_target", "target_volatility": 0.15}, "limits": {"max_leverage": 2}},
    "interval": "PT1H",
    "max_snapshot_age": "PT10M",
    "position_defaults": {"venue": "deribit", "quantity_unit": "base"},
    "instruments": [
        {"symbol": "BTC-USDC-PERP", "kind": "linear", "quote_currency": "USDC", "lot": "0.001", "min_notional": "10"},
        {"symbol": "ETH-USDC-PERP", "kind": "linear", "quote_currency": "USDC", "lot": "0.01", "min_notional": "10"},
    ],
    "comment": "perpetuals of the desk",
}
SNAPSHOT: dict[str, Any] = {
    "snapshot_seq": 1,
    "account": {"equity": "100000", "currency": "USD"},
    "positions": [{"symbol": "BTC-USDC-PERP", "quantity": "0.4", "mark_price": "93120.5"}],
    "marks": [{"symbol": "ETH-USDC-PERP", "price": "3120.25"}],
    "fx": [{"currency": "USDC", "rate": "1"}],
    "signals": [{"symbol": "BTC-USDC-PERP", "direction": 1}, {"symbol": "ETH-USDC-PERP", "direction": -0.5}],
}
AUTOMATIC: dict[str, Any] = {
    **REGISTRATION,
    "mode": "auto",
    "auto": {
        "max_orders_per_day": 20,
        "max_notional_per_day": "50000",
        "cooldown": "PT5M",
        "schedule": "PT4H",
        "triggers": {"drift": 0.02, "volatility_move": 0.25, "margin_ratio": 0.5},
        "settlements": [
            {
                "venue": "perpchain",
                "kind": "eip712",
                "chain_id": 42161,
                "verifying_contract": "0x5fbdb2315678afecb367f032d93f642f64180aa3",
                "name": "Perpchain",
                "version": "1",
                "quantity_decimals": 18,
                "price_decimals": 6,
            }
        ],
    },
    "feedback": {"impact": True},
}
EXECUTIONS: dict[str, Any] = {
    "fills": [
        {
            "venue": "deribit",
            "trade_id": "ETH-198234",
            "client_order_id": "0f2c4e6a8b0d1f3a5c7e9b1d3f5a7c00",
            "side": "buy",
            "quantity": "0.05",
            "price": "93131.5",
            "fee_rate": 0.0005,
            "liquidity": "taker",
            "executed_at": "2026-11-20T00:00:07Z",
            "arrival_price": "93125",
            "spread": "5",
        }
    ]
}
