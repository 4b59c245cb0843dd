"""Requests of the documentation. Each runs on a fresh service, in any order, any number of times.

All carry `as_of` in the past, so they are answered as historical: computed and audited, with no effect on live state.
The closes are those of Bitcoin in US dollars from 2019-08-18 to 2019-10-16 (Coinbase; source and licence in
`app/demo/data`).
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

AS_OF = "2019-10-17T00:00:05Z"
CLOSES = [
    10315.48,
    10920,
    10769.09,
    10130,
    10107.15,
    10410.85,
    10147.96,
    10138.72,
    10361.65,
    10171.85,
    9714.31,
    9495,
    9582.42,
    9600.86,
    9766.52,
    10381.26,
    10628.48,
    10581.84,
    10574.73,
    10308.92,
    10484.37,
    10398.97,
    10310,
    10093.01,
    10160.2,
    10423.72,
    10365.93,
    10360.25,
    10304.46,
    10262.54,
    10185.39,
    10155.26,
    10275.01,
    10168.85,
    9973.99,
    10026.8,
    9693.74,
    8530.01,
    8438.35,
    8060,
    8193.99,
    8217.47,
    8052.4,
    8304.96,
    8321.52,
    8381.72,
    8240.41,
    8156.67,
    8147.63,
    7859.79,
    8209,
    8180,
    8590,
    8587.5,
    8267.33,
    8309.03,
    8282.97,
    8355,
    8162.44,
    7993.54,
]
BITCOIN = {"symbol": "BTC-PERP", "interval": "P1D", "end": "2019-10-17T00:00:00Z", "close": CLOSES}
ACCOUNT = {"equity": "100000", "currency": "USD"}
VOLATILITY_TARGET = {"sizing": {"method": "volatility_target", "target_volatility": 0.20}}

SMALLEST: dict[str, Any] = {
    "as_of": AS_OF,
    "account": ACCOUNT,
    "positions": [{"symbol": "BTC-PERP", "quantity": "0.85", "mark_price": "8010.5"}],
    "series": [BITCOIN],
    "signals": [{"symbol": "BTC-PERP", "direction": 1}],
    "policy": VOLATILITY_TARGET,
}
"""One position, one series, one view."""

CCXT: dict[str, Any] = {
    "as_of": "2019-10-16T12:00:00Z",
    "account": ACCOUNT,
    "instruments": [
        {
            "symbol": "BTC/USDT:USDT",
            "kind": "linear",
            "quote_currency": "USDT",
            "contract_multiplier": "0.001",
            "lot": "1",
        }
    ],
    "positions": [{"symbol": "BTC/USDT:USDT", "quantity": "850", "mark_price": "8010.5"}],
    "fx": [{"currency": "USDT", "rate": "1.0003"}],
    "series": [
        {
            "symbol": "BTC/USDT:USDT",
            "interval": "P1D",
            "calendar": "24/7",
            "ohlcv": [
                [1566086400000 + 86_400_000 * day, close, close, close, close, 0] for day, close in enumerate(CLOSES)
            ],
        }
    ],
    "signals": [{"symbol": "BTC/USDT:USDT", "forecast": 10}],
    "policy": {"preset": "crypto_perp_conservative", "version": 1},
    "options": {"view": "compact"},
}
"""Bars exactly as ccxt returns them: labelled by the open; the last one, still open, is dropped and reported."""

INVERSE: dict[str, Any] = {
    "as_of": AS_OF,
    "account": {"equity": "100000", "currency": "USD", "collateral": [{"asset": "BTC", "amount": "5"}]},
    "instruments": [
        {
            "symbol": "BTC-PERPETUAL",
            "kind": "inverse",
            "contract_multiplier": "10",
            "base_currency": "BTC",
            "quote_currency": "USD",
            "underlying": "BTC-PERP",
            "lot": "1",
            "tick": "0.5",
        }
    ],
    "positions": [{"symbol": "BTC-PERPETUAL", "quantity": "-2500", "mark_price": "8010.5"}],
    "series": [BITCOIN],
    "policy": VOLATILITY_TARGET,
}
"""Coin-margined contract against coin collateral, without signals: the book is scaled as a whole."""

MARGIN: dict[str, Any] = {
    "as_of": AS_OF,
    "account": ACCOUNT,
    "positions": [{"symbol": "BTC-PERP", "quantity": "-6", "mark_price": "8010.5"}],
    "series": [BITCOIN],
}
"""Margin of a short, with its liquidation price."""

HEDGES: dict[str, Any] = {
    "as_of": AS_OF,
    "account": ACCOUNT,
    "instruments": [
        {
            "symbol": "BTC-27DEC19-9000-C",
            "kind": "option",
            "underlying": "BTC-PERP",
            "strike": "9000",
            "expiry": "2019-12-27T08:00:00Z",
            "right": "call",
        },
        {"symbol": "BTC-PERP", "kind": "linear", "lot": "0.001", "tick": "0.5"},
    ],
    "positions": [
        {"symbol": "BTC-27DEC19-9000-C", "quantity": "-10", "implied_volatility": 0.62, "forward_price": "8065"},
        {"symbol": "BTC-PERP", "quantity": "1", "mark_price": "8010.5"},
    ],
    "series": [BITCOIN],
    "policy": {"hedging": {"method": "threshold", "instrument": "BTC-PERP", "max_delta": 0.25}},
}
"""Short calls: orders in the perpetual once the delta leaves its band."""

ADAPTIVE_HEDGES: dict[str, Any] = {
    **HEDGES,
    "policy": {
        "hedging": {
            "method": "any_of",
            "instrument": "BTC-PERP",
            "triggers": [{"method": "adaptive", "relative_risk_aversion": 10}, {"method": "price_move", "move": 0.05}],
            "cooldown_seconds": 600,
            "hard_limit": 3,
        },
        "costs": {"fee": 0.0005, "half_spread": 0.0001, "gas": 2},
    },
    "flow": [{"symbol": "BTC-PERP", "as_of": AS_OF, "average_daily_volume": 20000}],
    "previous": {
        "hedges": [
            {
                "underlying": "BTC-PERP",
                "last_hedge_at": "2019-10-16T18:00:00Z",
                "last_hedge_price": "8102.5",
                "gamma_1pct": -0.137,
                "vega_per_point": -141.5,
            }
        ]
    },
}
"""A band that widens with gamma and costs, a price move, a cooldown and a hard limit."""


def _chain(expiry: str, forward: str, smile: list[tuple[int, str, float, float]]) -> list[dict[str, Any]]:
    """Quotes of one expiry: strike, right, bid and ask in coin."""
    return [
        {"expiry": expiry, "forward": forward, "strike": strike, "right": right, "bid": bid, "ask": ask, "as_of": AS_OF}
        for strike, right, bid, ask in smile
    ]


_NEAR_SMILE = [
    (6000, "put", 0.007, 0.0085),
    (6500, "put", 0.0155, 0.017),
    (7000, "put", 0.029, 0.031),
    (7500, "put", 0.05, 0.0525),
    (8000, "put", 0.0785, 0.081),
    (8500, "call", 0.0575, 0.0605),
    (9000, "call", 0.039, 0.0415),
    (9500, "call", 0.0255, 0.028),
    (10500, "call", 0.011, 0.0125),
]
_FAR_SMILE = [
    (5000, "put", 0.0055, 0.007),
    (6000, "put", 0.02, 0.0215),
    (6500, "put", 0.0325, 0.035),
    (7000, "put", 0.051, 0.0535),
    (7500, "put", 0.0745, 0.078),
    (8000, "put", 0.105, 0.108),
    (8500, "call", 0.087, 0.09),
    (9000, "call", 0.0665, 0.0695),
    (10000, "call", 0.0385, 0.041),
    (11000, "call", 0.022, 0.024),
    (13000, "call", 0.007, 0.0085),
]


HEDGES_BY_QUOTES: dict[str, Any] = {
    **HEDGES,
    "instruments": [
        {
            **HEDGES["instruments"][0],
            "base_currency": "BTC",
            "settle_currency": "BTC",
            "quote_currency": "USD",
            "averaged_settlement": True,
        },
        HEDGES["instruments"][1],
    ],
    "positions": [{"symbol": "BTC-27DEC19-9000-C", "quantity": "-10"}, HEDGES["positions"][1]],
    "option_quotes": [
        {
            "underlying": "BTC-PERP",
            "price_unit": "base",
            "discount": 1,
            "quotes": _chain("2019-11-29T08:00:00Z", "8040", _NEAR_SMILE)
            + _chain("2019-12-27T08:00:00Z", "8065", _FAR_SMILE),
        }
    ],
}
"""The same calls, coin-settled, with the volatility and the forward of quotes that were made up of two smiles."""
_LISTED_CALL: dict[str, Any] = {
    "kind": "option",
    "underlying": "BTC-PERP",
    "right": "call",
    "quote_currency": "USD",
    "lot": "0.1",
    "tick": "0.5",
}
OPTIMIZED_HEDGES: dict[str, Any] = {
    "as_of": AS_OF,
    "account": {"equity": "250000", "currency": "USD"},
    "instruments": [
        {
            **_LISTED_CALL,
            "symbol": "BTC-27DEC19-9000-C",
            "strike": "9000",
            "expiry": "2019-12-27T08:00:00Z",
        },
        {
            **_LISTED_CALL,
            "symbol": "BTC-29NOV19-8500-C",
            "strike": "8500",
            "expiry": "2019-11-29T08:00:00Z",
        },
        {"symbol": "BTC-PERP", "kind": "linear", "quote_currency": "USD", "lot": "0.001", "tick": "0.5"},
    ],
    "positions": [
        {
            "symbol": "BTC-27DEC19-9000-C",
            "quantity": "-10",
            "implied_volatility": 0.62,
            "forward_price": "8065",
            "mark_price": "505",
            "initial_margin": "14500",
            "maintenance_margin": "11000",
        },
        {
            "symbol": "BTC-29NOV19-8500-C",
            "quantity": "0",
            "implied_volatility": 0.6,
            "forward_price": "8040",
            "mark_price": "435",
        },
        {"symbol": "BTC-PERP", "quantity": "1", "mark_price": "8010.5"},
    ],
    "series": [BITCOIN],
    "books": [
        {
            "symbol": "BTC-PERP",
            "as_of": AS_OF,
            "bids": [[8010, 4], [8008, 12], [8000, 30]],
            "asks": [[8011, 3], [8013, 10], [8020, 30]],
        },
        {"symbol": "BTC-29NOV19-8500-C", "as_of": AS_OF, "bids": [[430, 6], [425, 15]], "asks": [[440, 8], [445, 12]]},
    ],
    "flow": [{"symbol": "BTC-PERP", "as_of": AS_OF, "average_daily_volume": 20000}],
    "policy": {
        "hedging": {"method": "threshold", "instrument": "BTC-PERP", "max_delta": 0.25},
        "hedge_optimizer": {
            "instruments": ["BTC-PERP", "BTC-29NOV19-8500-C"],
            "max_delta": 0.1,
            "max_gamma_1pct": 0.02,
            "max_vega_per_point": 80,
            "depth_distance": 0.02,
        },
        "costs": {"fee": 0.0005, "half_spread": 0.0001},
    },
}
"""Short calls hedged with the perpetual and a listed call: delta, gamma and vega within bounds at the least cost."""

OBSERVATIONS: dict[str, Any] = {
    "observations": [
        {"symbol": "EXAMPLE-PERP", "interval": "P1D", "close_time": f"2019-10-{day:02d}T00:00:00Z", "close": close}
        for day, close in zip(range(8, 18), CLOSES[-10:], strict=True)
    ]
}
"""Ten closes for the cached state; sent again, they are duplicates and change nothing."""

ESTIMATE: dict[str, Any] = {"as_of": AS_OF, "series": [{**BITCOIN, "calendar": "24/7"}], "output": "last"}
"""Volatility of a posted series; nothing is stored."""


def _made_up(ratio: float, bars: int = 200) -> list[float]:
    """Closes of a market that shares half of its variance with the others; multiples of a ratio modulo 1 as dice."""
    moves = ((day * 0.61803399 % 1.0 - 0.5) + (day * ratio % 1.0 - 0.5) for day in range(1, bars))
    return [round(math.exp(level), 2) for level in accumulate((0.07 * move for move in moves), initial=5.0)]


CORRELATION: dict[str, Any] = {
    "as_of": AS_OF,
    "series": [
        {"symbol": symbol, "interval": "P1D", "end": "2019-10-17T00:00:00Z", "close": closes, "calendar": "24/7"}
        for symbol, closes in (("ALPHA", _made_up(0.75487767)), ("BETA", _made_up(0.56984029)))
    ],
    "correlation": {"method": "dynamic_conditional"},
}
"""Correlation of two made-up markets."""

MARGIN_BACKTEST: dict[str, Any] = {
    "as_of": AS_OF,
    "series": {
        "symbol": "ALPHA",
        "interval": "P1D",
        "end": "2019-10-17T00:00:00Z",
        "close": _made_up(0.75487767, bars=360),
        "calendar": "24/7",
    },
    "model": {"method": "filtered_historical", "profile": "lean", "alpha": 0.975},
    "horizon_bars": 1,
    "procyclicality": {"buffer": 0.25, "rebuild": 0.05},
    "points": 5,
}
"""A hundred judged margins of a made-up market: too few to reject anything. Send years."""

MARGIN_FRONTIER: dict[str, Any] = {
    **{name: MARGIN_BACKTEST[name] for name in ("as_of", "series", "model")},
    "confidences": [0.9, 0.99],
    "multipliers": [0.8, 1.5],
}
"""The same market: the model at other confidences, and four fifths and one and a half of its margin."""

FIT: dict[str, Any] = {"as_of": AS_OF, "series": {**BITCOIN, "calendar": "24/7"}, "model": "gjr_garch"}
"""Parameters from a posted series. These 59 returns are too few, so that the fit is rejected: send 250 and more."""

PERPETUAL: dict[str, Any] = {
    "symbol": "BTC-PERP",
    "kind": "linear",
    "quote_currency": "USD",
    "lot": "0.001",
    "tick": "0.5",
    "min_notional": "5",
}
GRID: dict[str, Any] = {
    "as_of": AS_OF,
    "symbol": "BTC-PERP",
    "instrument": PERPETUAL,
    "mark_price": "7993.5",
    "side": "long_only",
    "low": "7200",
    "high": "8800",
    "stop_low": "6800",
    "budget": "20000",
    "spacing": {"method": "geometric", "min_step": 0.005},
    "max_levels": 12,
    "inventory": "0.5",
    "fee_rate": 0.0004,
    "risk_budget": "1500",
    "volatility": 0.6,
}
"""Buys below the mark, sells of what is held above it, at most 1,500 lost at the stop."""

SCHEDULE: dict[str, Any] = {
    "as_of": AS_OF,
    "symbol": "BTC-PERP",
    "instrument": PERPETUAL,
    "mark_price": "7993.5",
    "quantity": "-12.5",
    "reduce_only": True,
    "schedule": {"method": "almgren_chriss", "duration_seconds": 14400, "slices": 8, "risk_aversion": 0.0001},
    "volatility": 0.6,
    "impact": {"temporary": 0.05, "permanent": 0.2, "fixed": 3.45},
    "average_daily_volume": 20000,
    "max_participation": 0.1,
}
"""Sell 12.5 within four hours, sooner where waiting is dear."""

SCALE_IN: dict[str, Any] = {
    "as_of": AS_OF,
    "symbol": "BTC-PERP",
    "instrument": PERPETUAL,
    "mark_price": "7993.5",
    "quantity": "1.5",
    "reduce_only": False,
    "schedule": {"method": "scale_by_price", "spacing_sigmas": 0.5, "fractions": [0.2, 0.3, 0.5]},
    "volatility": 0.6,
}
"""Buy a fifth at once and the rest half a daily standard deviation lower each."""

VENUE_BOOK: dict[str, Any] = {
    "symbol": "BTC-PERP",
    "as_of": "2019-10-17T00:00:03Z",
    "bids": [["7993", "1.2"], ["7992", "3.5"], ["7990.5", "8"]],
    "asks": [["7994", "1.0"], ["7995", "3.1"], ["7996.5", "9"]],
}
HEDGE_OVER_VENUES: dict[str, Any] = {
    "as_of": AS_OF,
    "symbol": "BTC-PERP",
    "instrument": PERPETUAL,
    "mark_price": "7993.5",
    "quantity": "-12",
    "reduce_only": False,
    "schedule": {"method": "twap", "duration_seconds": 1800, "slices": 3},
    "jitter": {"fraction": 0.2, "times": 0.5, "seed": 7},
    "volatility": 0.6,
    "impact": {"temporary": 0.05, "permanent": 0.2, "fixed": 3.45},
    "average_daily_volume": 20000,
    "collar": {"sigmas": 2.0, "tolerance": 0.001},
    "split_rules": {"depth_reserve": 0.2, "max_age_seconds": 10},
    "venues": [
        {"venue": "alpha", "fee_rate": 0.0005, "book": VENUE_BOOK},
        {
            "venue": "beta",
            "fee_rate": 0.0004,
            "age_seconds": 1.5,
            "depth": {"kind": "linear", "depth": "40", "distance": 0.01, "half_spread": 0.00008},
            "margin_headroom": "9000",
            "initial_margin_rate": 0.25,
        },
        {
            "venue": "gamma",
            "fee_rate": 0.0002,
            "age_seconds": 45,
            "depth": {"kind": "square_root", "average_daily_volume": 5000, "half_spread": 0.0001, "coefficient": 1.0},
        },
    ],
    "net_gamma": -0.02,
    "impact_slope": 6.0,
    "reflexivity": {"warn": 0.1, "prefer_option": 0.25, "refuse": 1.0},
    "latency_seconds": 2.0,
    "confidence_factor": 2.33,
}
"""Hedge a short gamma: sell 12 in three slices over the venues that are fresh enough."""

PUBLIC_SWAP: dict[str, Any] = {
    "as_of": AS_OF,
    "symbol": "ETH-USDC",
    "instrument": {"symbol": "ETH-USDC", "kind": "spot", "quote_currency": "USDC", "lot": "0.001", "tick": "0.01"},
    "mark_price": "175",
    "quantity": "60",
    "reduce_only": False,
    "schedule": {"method": "twap", "duration_seconds": 3600, "slices": 4},
    "pool": {
        "kind": "constant_product",
        "symbol": "ETH-USDC",
        "as_of": "2019-10-17T00:00:00Z",
        "base_reserve": "4000",
        "quote_reserve": "700000",
        "fee": 0.003,
    },
    "sandwich": {"slippage_limit": 0.01, "attacker_cost": "2"},
}
"""Buy 60 in four swaps that everybody sees before they are made."""

INSTRUMENTS: dict[str, Any] = {
    "instruments": [
        {
            "symbol": "XBTUSD",
            "venue": "bitmex",
            "kind": "inverse",
            "contract_multiplier": "1",
            "base_currency": "BTC",
            "quote_currency": "USD",
            "lot": "100",
            "tick": "0.5",
        }
    ]
}
"""Register once, so that requests need not describe it."""

BACKTEST: dict[str, Any] = {
    "account": {"equity": "100000", "currency": "USD"},
    "instruments": [{"symbol": "BTC-PERP", "kind": "linear", "quote_currency": "USD", "lot": "0.001", "tick": "0.5"}],
    "series": [{**BITCOIN, "calendar": "24/7"}],
    "signals": [{"symbol": "BTC-PERP", "direction": 1}],
    "funding": [{"symbol": "BTC-PERP", "annual_rate": 0.1}],
    "warm_up_bars": 30,
    "points": 5,
    "policy": {"sizing": {"method": "volatility_target", "target_volatility": 0.2}},
}
"""Sixty days: too few to say anything about a policy, enough to see the answer. Send years."""

POLICY: dict[str, Any] = {
    "policy_id": "desk-conservative",
    "comment": "half the volatility of last year, no name above 60 % of equity",
    "policy": {
        "sizing": {"method": "volatility_target", "target_volatility": 0.10},
        "limits": {"max_leverage": 1.5, "max_weight": 0.6},
    },
}
"""Stored once; evaluations then send `"policy": {"id": "desk-conservative", "version": 1}`."""

CHECK: dict[str, Any] = {
    "policy": {
        "sizing": {"method": "volatility_target", "target_volatility": 0.2},
        "overlays": [{"method": "breaker_tier"}],
        "limits": {"max_leverage": 2},
    },
    "properties": [
        {"method": "leverage_cap", "cap": 2},
        {"method": "solvent_after_shock", "shock": 0.3},
        {"method": "non_increasing", "variable": "volatility"},
        {"method": "never_increases", "from_tier": 3},
    ],
    "ranges": {"volatility": [0.1, 2], "direction": [0, 1]},
}
"""Four statements about a policy, over every volatility from 10 % to 200 %."""

COMPARE: dict[str, Any] = {
    "new": {**VOLATILITY_TARGET, "limits": {"max_leverage": 1.5}},
    "old": {**VOLATILITY_TARGET, "limits": {"max_leverage": 2}},
    "ranges": {"volatility": [0.05, 2]},
}
"""Does a lower cap only ever make sizes smaller?"""

HALT: dict[str, Any] = {"mode": "halt", "actor": "ann", "reason": "the venue has stopped withdrawals"}
REDUCE_ONLY: dict[str, Any] = {"mode": "reduce_only", "actor": "ann", "reason": "announcement at 14:00"}
"""Switches: `PUT /v1/breakers/venue:okx`."""


KEY = {"label": "the bot on desk 3", "scopes": ["evaluate", "observe"], "expires_at": "2099-12-31T00:00:00Z"}
SIGNING_KEY = {
    "label": "the bot on desk 4, from its own network",
    "scopes": ["evaluate"],
    "networks": ["10.4.0.0/16"],
    "signing": "ed25519",
    "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
}
TICKET: dict[str, Any] = {"scopes": ["read"]}

COSIGNED = (
    "trimtab.local/0f1e2d3c4b5a6978\n"
    "3\n"
    "SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n"
    "\n"
    "— trimtab.local/0f1e2d3c4b5a6978 YqrsAHIAjTYB35u+R4rp5awkmIdVdOOZ6K76+lOFdru/6TGr"
    "KDunnoSIeRlgaj9DqKq+jOCXlTyrdya00M0I7ZtJcgo=\n"
    "— witness.example nYxp2wAAAABrBq6Ad5HHGL40VkR+UnTpFsgQqw/HFKdu/mNl6ZEa/"
    "WHr68cea7f61GhDZmF3m+EKcMJjgQGyIPs05pLz18+NdhHqBg==\n"
)
"""A head of a log with the line of a witness; of another log, so that no service takes it."""
