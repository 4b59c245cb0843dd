"""Examples of live portfolios: a registration, and a snapshot of it."""

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
