"""Requests of the documentation about guards; like all in `app.examples`, they run on a fresh service in any order.

The minute is that of 2023-03-11 07:16 UTC, when a USDC cost 0.88 dollars: prices of Coinbase, Kraken and Binance.US, as
in the public data that docs/guards.md names. The key of the signed example is that of RFC 8032 §7.1, TEST 1.
"""

from __future__ import annotations

from typing import Any

AS_OF = "2023-03-11T07:17:00Z"


def _feed(source: str, price: str, currency: str, **more: Any) -> dict[str, Any]:
    return {
        "source": source,
        "price": price,
        "currency": currency,
        "as_of": AS_OF,
        "heartbeat_seconds": 60,
        **more,
    }


def _rate(source: str, currency: str, rate: str) -> dict[str, Any]:
    return {"currency": currency, "rate": rate, "source": source, "as_of": AS_OF, "heartbeat_seconds": 60}


DEPEG: dict[str, Any] = {
    "as_of": AS_OF,
    "oracles": [
        {
            "symbol": "BTC-USD",
            "observations": [
                _feed("coinbase-usd", "20318.21", "USD"),
                _feed("kraken-usd", "20321.7", "USD"),
                _feed("binance-usdt", "20205.23", "USDT"),
                _feed("coinbase-usdt", "20207.82", "USDT"),
                _feed("kraken-usdt", "20216.5", "USDT"),
                _feed("binance-usdc", "21577.94", "USDC"),
                _feed("kraken-usdc", "23091.74", "USDC"),
            ],
        }
    ],
    "rates": [
        _rate("kraken", "USDC", "0.8838"),
        _rate("kraken", "USDT", "1.005"),
        _rate("coinbase", "USDT", "1.00581"),
    ],
}
"""Two feeds in dollars, three in USDT, two in USDC."""

_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
_SIGNATURE = (
    "f8bda1c96d57210c54fb8d3f02d05ce0cf52dcc65b5d7867b64b95984abcd854"
    "b388815d2d9da6a79430119bc16a2ca7d650baed29ab45afa3ac031611cd230f"
)
_DESK = _feed("desk", "20318.20", "USD", confidence="2.5", signature={"key": _KEY, "signature": _SIGNATURE})

SIGNED: dict[str, Any] = {
    "as_of": AS_OF,
    "oracles": [
        {"symbol": "BTC-USD", "observations": [_DESK, {**_DESK, "source": "relay"}]},
    ],
    "keys": [_KEY],
    "policy": {"quorum": 1, "min_signers": 1},
}
"""The signature of `desk` is good; the second source sends the same one under another name, which it does not cover."""
