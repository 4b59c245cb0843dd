"""Request of the documentation about volatility surfaces; like all in `app.examples`, it runs on a fresh service.

No market data: prices of three SVI smiles that were made up, rounded to 5, with a spread around them; and four quotes
as they should not be.
"""

from __future__ import annotations

from typing import Any

AS_OF = "2026-10-01T08:00:00Z"
_SMILES: tuple[tuple[str, str, list[tuple[int, str, int, int]]], ...] = (
    (
        "2026-10-09T08:00:00Z",
        "90150",
        [
            (80000, "put", 290, 305),
            (82500, "put", 490, 510),
            (85000, "put", 825, 855),
            (87500, "put", 1400, 1440),
            (90000, "put", 2355, 2395),
            (92500, "call", 1450, 1490),
            (95000, "call", 825, 860),
            (97500, "call", 480, 505),
            (100000, "call", 285, 305),
        ],
    ),
    (
        "2026-10-30T08:00:00Z",
        "90420",
        [
            (70000, "put", 470, 495),
            (75000, "put", 855, 895),
            (80000, "put", 1535, 1590),
            (85000, "put", 2700, 2770),
            (90000, "put", 4630, 4710),
            (95000, "call", 2940, 3020),
            (100000, "call", 1685, 1750),
            (105000, "call", 985, 1035),
            (110000, "call", 595, 630),
        ],
    ),
    (
        "2026-12-25T08:00:00Z",
        "91200",
        [
            (50000, "put", 365, 390),
            (60000, "put", 920, 965),
            (70000, "put", 2060, 2140),
            (80000, "put", 4245, 4360),
            (90000, "put", 8090, 8225),
            (100000, "call", 5200, 5335),
            (110000, "call", 2885, 3000),
            (120000, "call", 1655, 1740),
            (130000, "call", 995, 1060),
        ],
    ),
)
"""Expiry, forward, and strike, right, bid and ask of each option out of the money."""


def _row(expiry: str, forward: str, strike: int, right: str, bid: int, ask: int) -> dict[str, Any]:
    return {
        "expiry": expiry,
        "forward": forward,
        "strike": str(strike),
        "right": right,
        "bid": str(bid),
        "ask": str(ask),
        "as_of": "2026-10-01T07:59:30Z",
    }


_FAULTY = [
    _row("2026-10-09T08:00:00Z", "90150", 77500, "put", 195, 180),
    _row("2026-10-09T08:00:00Z", "90150", 110000, "call", 0, 75),
    {**_row("2026-10-30T08:00:00Z", "90420", 115000, "call", 350, 390), "as_of": "2026-10-01T06:00:00Z"},
    _row("2026-09-25T08:00:00Z", "89900", 90000, "call", 400, 430),
]
"""Crossed, without a bid, two hours old, expired."""

SURFACE: dict[str, Any] = {
    "as_of": AS_OF,
    "underlying": "BTC-USD",
    "quotes": [_row(expiry, forward, *quote) for expiry, forward, smile in _SMILES for quote in smile] + _FAULTY,
    "max_age_seconds": 600,
    "discount": 1.0,
    "at": [
        {"expiry": "2026-11-15T08:00:00Z", "strike": "100000"},
        {"expiry": "2026-10-30T08:00:00Z", "delta": -0.1},
    ],
}
