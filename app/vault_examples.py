"""Example requests of `POST /v1/vaults`: invented quotes of options on Bitcoin, settled in coin."""

from __future__ import annotations

from typing import Any

from app.examples import AS_OF

_QUOTES = (
    ("2019-10-25T08:00:00Z", "5500", "put", "0", "0.0001", 0.83),
    ("2019-10-25T08:00:00Z", "6000", "put", "0.0001", "0.0002", 0.752),
    ("2019-10-25T08:00:00Z", "6500", "put", "0.0008", "0.0009", 0.696),
    ("2019-10-25T08:00:00Z", "7000", "put", "0.0037", "0.0039", 0.657),
    ("2019-10-25T08:00:00Z", "7500", "put", "0.0135", "0.014", 0.633),
    ("2019-10-25T08:00:00Z", "8500", "call", "0.0146", "0.0152", 0.617),
    ("2019-10-25T08:00:00Z", "9000", "call", "0.0049", "0.0051", 0.622),
    ("2019-10-25T08:00:00Z", "9250", "call", "0.0027", "0.0029", 0.627),
    ("2019-10-25T08:00:00Z", "9500", "call", "0.0014", "0.0016", 0.634),
    ("2019-10-25T08:00:00Z", "10000", "call", "0.0004", "0.0005", 0.652),
    ("2019-11-01T08:00:00Z", "5500", "put", "0.0002", "0.0003", 0.735),
    ("2019-11-01T08:00:00Z", "6000", "put", "0.0009", "0.001", 0.687),
    ("2019-11-01T08:00:00Z", "6500", "put", "0.003", "0.0032", 0.652),
    ("2019-11-01T08:00:00Z", "7000", "put", "0.0091", "0.0095", 0.627),
    ("2019-11-01T08:00:00Z", "7500", "put", "0.0229", "0.0237", 0.61),
    ("2019-11-01T08:00:00Z", "8500", "call", "0.0245", "0.0254", 0.595),
    ("2019-11-01T08:00:00Z", "9000", "call", "0.0112", "0.0117", 0.595),
    ("2019-11-01T08:00:00Z", "9250", "call", "0.0074", "0.0077", 0.596),
    ("2019-11-01T08:00:00Z", "9500", "call", "0.0048", "0.005", 0.598),
    ("2019-11-01T08:00:00Z", "10000", "call", "0.0019", "0.0021", 0.605),
)
"""Expiry, strike, right, bid, ask, implied volatility of the mark."""
QUOTES: list[dict[str, Any]] = [
    {
        "expiry": expiry,
        "strike": strike,
        "right": right,
        "bid": bid,
        "ask": ask,
        "implied_volatility": volatility,
        "forward": "8000",
        "depth": "25",
    }
    for expiry, strike, right, bid, ask, volatility in _QUOTES
]
FEES: dict[str, Any] = {"rate": 0.0003, "cap": 0.125}
"""Those of Deribit: 0.0003 of a coin, at most an eighth of the premium."""

UNDERLYING: dict[str, Any] = {"symbol": "BTC", "kind": "spot", "quote_currency": "USD"}

COVERED_CALL: dict[str, Any] = {
    "as_of": AS_OF,
    "symbol": "BTC",
    "instrument": UNDERLYING,
    "mark_price": "7993.5",
    "volatility": 0.45,
    "vault": {"method": "covered_call", "delta": 0.10},
    "collateral": {"asset": "base", "amount": "10"},
    "contract": {"settlement": "inverse", "lot": "0.1", "tick": "0.0001"},
    "fees": FEES,
    "quotes": [quote for quote in QUOTES if quote["right"] == "call"],
}
"""Calls on ten coins: the volatility of the bid against a forecast of 45 %."""

PUT_SPREAD: dict[str, Any] = {
    "as_of": AS_OF,
    "symbol": "BTC",
    "instrument": UNDERLYING,
    "mark_price": "7993.5",
    "vault": {"method": "put_spread", "horizon_days": 14, "max_cost": 0.01, "shocks": [-0.2, -0.3]},
    "collateral": {"asset": "base", "amount": "10"},
    "contract": {"settlement": "inverse", "lot": "0.1", "tick": "0.0001"},
    "fees": FEES,
    "quotes": [quote for quote in QUOTES if quote["right"] == "put"],
}
"""Protection for two weeks and more, for at most 1 % of ten coins."""

THEORETICAL: dict[str, Any] = {
    "as_of": AS_OF,
    "symbol": "BTC",
    "instrument": UNDERLYING,
    "mark_price": "7993.5",
    "volatility": 0.45,
    "vault": {"method": "cash_secured_put", "delta": 0.10, "max_contracts": 5},
    "collateral": {"asset": "quote", "amount": "50000"},
    "contract": {"settlement": "linear", "lot": "0.1", "tick": "0.5", "strike_step": "100"},
    "fees": {"share": 0.1},
    "expiry": "2019-10-25T08:00:00Z",
    "implied_volatility": 0.62,
}
"""What a strike and a premium would be, before anybody is asked for a quote."""
