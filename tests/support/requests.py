"""Requests of every kind, as a client would send them."""

from __future__ import annotations

from typing import Any

import numpy as np

AS_OF = "2026-11-20T00:00:05Z"
END = "2026-11-20T00:00:00Z"


def closes(seed: int = 1, count: int = 300, start: float = 90_000.0, volatility: float = 0.025) -> list[float]:
    """Random walk in log prices, rounded as a venue would."""
    steps = np.random.default_rng(seed).normal(0.0, volatility, count)
    return [float(f"{price:.6g}") for price in start * np.exp(np.cumsum(steps))]


def series(symbol: str, seed: int = 1, **changes: Any) -> dict[str, Any]:
    """Daily closes up to END."""
    return {"symbol": symbol, "interval": "P1D", "end": END, "calendar": "24/7", "close": closes(seed), **changes}


def smallest(**changes: Any) -> dict[str, Any]:
    """The smallest call of the documentation."""
    prices = closes()
    request: dict[str, Any] = {
        "as_of": AS_OF,
        "account": {"equity": "100000", "currency": "USD"},
        "positions": [{"symbol": "BTC-PERP", "quantity": "0.85", "mark_price": str(prices[-1])}],
        "series": [series("BTC-PERP")],
        "signals": [{"symbol": "BTC-PERP", "direction": 1}],
        "policy": {"sizing": {"method": "volatility_target", "target_volatility": 0.2}},
    }
    return {**request, **changes}


def book(count: int = 20, **changes: Any) -> dict[str, Any]:
    """`count` linear perpetuals with series and signals."""
    symbols = [f"COIN{index}-PERP" for index in range(count)]
    rows = [series(symbol, index, close=closes(index, start=50.0 + 7 * index)) for index, symbol in enumerate(symbols)]
    return smallest(
        positions=[{"symbol": symbol, "quantity": str(index - count // 2)} for index, symbol in enumerate(symbols)],
        series=rows,
        signals=[
            {"symbol": symbol, "direction": round((index % 5 - 2) / 2, 2)} for index, symbol in enumerate(symbols)
        ],
        **changes,
    )


def desk() -> dict[str, Any]:
    """Inverse perpetual as hedge, coin-settled option, spot, tiers, collateral, FX, two venues, open orders."""
    price = closes()[-1]
    return smallest(
        account={"equity": "250000", "currency": "USD", "collateral": [{"asset": "BTC", "amount": "0.5"}]},
        fx=[{"currency": "USDT", "rate": "0.9995"}],
        instruments=[
            {
                "symbol": "BTC-PERPETUAL",
                "kind": "inverse",
                "contract_multiplier": "10",
                "lot": "1",
                "tick": "0.5",
                "underlying": "BTC",
                "base_currency": "BTC",
                "quote_currency": "USD",
            },
            {
                "symbol": "BTC-25DEC26-100000-C",
                "kind": "option",
                "underlying": "BTC",
                "base_currency": "BTC",
                "quote_currency": "USD",
                "settle_currency": "BTC",
                "strike": "100000",
                "expiry": "2026-12-25T08:00:00Z",
                "right": "call",
                "lot": "0.1",
            },
            {
                "symbol": "BTC/USDT:USDT",
                "kind": "linear",
                "underlying": "BTC",
                "contract_multiplier": "0.001",
                "lot": "1",
                "min_notional": "5",
                "max_leverage": 20,
                "margin_tiers": [
                    {"floor": "0", "maintenance_rate": 0.004, "initial_rate": 0.008},
                    {"floor": "50000", "maintenance_rate": 0.005, "maintenance_amount": "50", "initial_rate": 0.01},
                ],
            },
            {"symbol": "ETH-USD", "kind": "spot", "lot": "0.0001"},
        ],
        positions=[
            {
                "symbol": "BTC-25DEC26-100000-C",
                "quantity": "-3",
                "implied_volatility": 0.55,
                "forward_price": str(price),
                "initial_margin": "9000",
                "maintenance_margin": "6000",
            },
            {"symbol": "BTC-PERPETUAL", "quantity": "1200", "venue": "deribit", "mark_price": str(price)},
            {
                "symbol": "BTC/USDT:USDT",
                "quantity": "400",
                "venue": "binance",
                "account_id": "sub-1",
                "mark_price": str(price),
                "open_buys": "10",
            },
            {"symbol": "ETH-USD", "quantity": "3.5"},
            {"symbol": "XBTUSD", "quantity": "100"},
        ],
        series=[series("BTC", 1), series("ETH-USD", 2, close=closes(2, start=3_000.0))],
        signals=[
            {"symbol": "BTC/USDT:USDT", "forecast": 12.5, "as_of": END, "half_life": "P1D"},
            {"symbol": "ETH-USD", "direction": -0.4},
        ],
        policy={
            "sizing": {"method": "volatility_target", "target_volatility": 0.25},
            "hedging": {"method": "threshold", "instrument": "BTC-PERPETUAL", "max_delta": 0.05},
        },
    )


def margin_only() -> dict[str, Any]:
    """Snapshot for the margin door."""
    request = smallest(policy={})
    del request["signals"]
    return request


def hedge_only() -> dict[str, Any]:
    """Snapshot for the hedges door."""
    request = desk()
    del request["signals"]
    request["positions"] = [row for row in request["positions"] if row["symbol"] != "XBTUSD"]
    return {**request, "policy": {"hedging": request["policy"]["hedging"]}}
