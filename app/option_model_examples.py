"""Requests of the documentation about option models; they run on a fresh service in any order.

The chain is made up: volatilities of Heston's model (mean reversion 4, volatility of variance 2, correlation -0.3) to
three digits, one quote five points above them and one four points below. The prices of the history are those of
`app.examples`, its implied volatilities are made up.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from app import examples

_STRIKES = (7_000, 7_600, 8_000, 8_400, 9_200)
_SMILES = {
    "2019-10-25T08:00:00Z": (0.636, 0.609, 0.595, 0.585, 0.575),
    "2019-11-29T08:00:00Z": (0.619, 0.596, 0.584, 0.624, 0.564),
    "2020-03-27T08:00:00Z": (0.601, 0.548, 0.581, 0.575, 0.566),
}
"""November's 8,400 is five points rich, March's 7,600 four points cheap."""


def _quote(expiry: str, strike: int, volatility: float) -> dict[str, Any]:
    return {
        "symbol": f"BTC-{expiry[2:10]}-{strike}",
        "expiry": expiry,
        "strike": str(strike),
        "right": "put" if strike < 8_000 else "call",
        "forward": "8000",
        "implied_volatility": volatility,
        "bid_volatility": round(volatility - 0.01, 3),
        "ask_volatility": round(volatility + 0.01, 3),
    }


MISPRICING: dict[str, Any] = {
    "as_of": examples.AS_OF,
    "quotes": [
        _quote(expiry, strike, volatility)
        for expiry, smile in _SMILES.items()
        for strike, volatility in zip(_STRIKES, smile, strict=True)
    ],
    "model": {"method": "heston"},
}
"""A chain with one rich and one cheap quote."""

_DAYS = len(examples.CLOSES)

VARIANCE_PREMIUM: dict[str, Any] = {
    "as_of": examples.AS_OF,
    "horizon_days": 10,
    "current": {"implied_volatility": 0.62, "expected_volatility": 0.55, "expected_variance_error": 0.06},
    "history": {
        "times": [f"{date(2019, 8, 18) + timedelta(days=day + 1)}T00:00:00Z" for day in range(_DAYS)],
        "implied_volatilities": [round(0.6 + 0.01 * (day % 7), 2) for day in range(_DAYS)],
        "prices": examples.CLOSES,
    },
}
"""A forecast against the money, and sixty days of what was asked and what came."""
