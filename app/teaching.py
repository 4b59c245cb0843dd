"""Texts for the authors of requests: what each broken rule means, what was found, and what was probably meant.

The classic first mistakes of a bot author live in the tables of this file, and nowhere else.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from app.shapes import homes_of
from models.api.base import DECIMAL_PATTERN, SYMBOL_PATTERN
from models.api.stored_policy import COMMENT_PATTERN

SYNONYMS: dict[str, tuple[str, ...]] = {
    "adv": ("average_daily_volume",),
    "amount": ("quantity", "amount", "budget"),
    "annual_volatility": ("target_volatility", "implied_volatility"),
    "asset": ("symbol", "currency"),
    "balance": ("equity", "amount"),
    "bars": ("ohlcv", "close"),
    "candles": ("ohlcv", "close"),
    "capital": ("equity",),
    "ccy": ("currency", "quote_currency"),
    "closes": ("close",),
    "coin": ("symbol", "asset"),
    "contract_size": ("contract_multiplier",),
    "contracts": ("quantity",),
    "data": ("close", "ohlcv"),
    "date": ("as_of", "end", "close_time"),
    "datetime": ("as_of", "end", "close_time"),
    "end_time": ("end",),
    "duration": ("duration_seconds",),
    "entry": ("entry_price",),
    "exchange": ("venue",),
    "exposure": ("quantity", "direction"),
    "fee": ("fee_rate",),
    "fees": ("fee_rate",),
    "freq": ("interval",),
    "frequency": ("interval",),
    "granularity": ("interval",),
    "grid_count": ("max_levels",),
    "grids": ("max_levels",),
    "halflife": ("half_life",),
    "id": ("portfolio_id", "client_reference", "account_id"),
    "instrument": ("symbol", "instruments"),
    "investment": ("budget", "equity"),
    "iv": ("implied_volatility",),
    "klines": ("ohlcv",),
    "last": ("mark_price", "price"),
    "last_price": ("mark_price", "price"),
    "levels": ("max_levels",),
    "lower": ("low",),
    "lower_price": ("low",),
    "lot_size": ("lot",),
    "mark": ("mark_price", "price"),
    "market": ("symbol",),
    "max_lev": ("max_leverage",),
    "multiplier": ("contract_multiplier",),
    "name": ("symbol", "client_reference"),
    "nav": ("equity",),
    "notional": ("quantity",),
    "option_type": ("right",),
    "pair": ("symbol",),
    "period": ("interval",),
    "portfolio": ("portfolio_id",),
    "position": ("quantity", "positions"),
    "price": ("mark_price", "price", "close"),
    "prices": ("close", "marks"),
    "px": ("mark_price", "price"),
    "qty": ("quantity",),
    "resolution": ("interval",),
    "risk": ("risk_budget",),
    "score": ("direction", "forecast"),
    "signal": ("direction", "signals"),
    "size": ("quantity",),
    "stop": ("stop_low", "stop_high"),
    "stop_loss": ("stop_low",),
    "sz": ("quantity",),
    "target": ("target_volatility", "direction"),
    "target_vol": ("target_volatility",),
    "tf": ("interval",),
    "tick_size": ("tick",),
    "ticker": ("symbol",),
    "time": ("as_of", "close_time", "end"),
    "timeframe": ("interval",),
    "timestamp": ("as_of", "close_time", "end"),
    "ts": ("as_of", "close_time", "end"),
    "type": ("kind", "method", "right"),
    "unit": ("quantity_unit",),
    "upper": ("high",),
    "upper_price": ("high",),
    "urgency": ("risk_aversion",),
    "values": ("close",),
    "vol": ("target_volatility", "implied_volatility"),
    "vol_target": ("target_volatility",),
    "volatility": ("target_volatility", "implied_volatility"),
    "volatility_target": ("target_volatility",),
    "wallet_balance": ("equity",),
    "weight": ("direction", "max_weight"),
}
"""What other systems call a field, and our names for it; the first that exists at the place is suggested."""

INSTEAD: dict[str, str] = {
    "side": "quantity is signed: negative is short",
    "is_long": "quantity is signed: negative is short",
    "stop_loss": "stops are the client's; limits.min_liquidation_distance keeps the position away from liquidation",
    "leverage": "limits.max_leverage caps it; the method constant_leverage, or a scaling to leverage, holds one",
    "lookback": "the adaptive estimator finds it; others have half_life or window, in bars",
    "periods_per_year": 'send calendar: {"periods_per_year": …} with the series',
    "start": "send end, the close time of the last complete bar; the bars before it follow from interval",
    "policy_id": 'a stored policy is named by "policy": {"id": "desk", "version": 1}',
    "api_key": "this version has no keys; never send one in a body",
}
"""Fields that have no counterpart, and what serves their purpose."""

FRACTIONS = frozenset(
    {
        "alpha",
        "confidence",
        "coverage",
        "fee_rate",
        "floor",
        "fraction",
        "implied_volatility",
        "initial_rate",
        "maintenance_fraction",
        "maintenance_rate",
        "max_cost",
        "max_margin_use",
        "max_participation",
        "max_weight",
        "min_step",
        "participation_rate",
        "prior_volatility",
        "target_volatility",
        "utilisation",
    }
)
"""Fields in which percent are sent by mistake."""

EXAMPLES: dict[str, str] = {
    "account": '{"equity": "100000", "currency": "USD"}',
    "budget": '"20000"',
    "close": "[91234.5, 92010.0, 93120.0]",
    "currency": '"USD"',
    "direction": "1",
    "end": '"2026-11-20T00:00:00Z"',
    "equity": '"100000"',
    "half_life": '"P5D"',
    "hedging": '{"method": "threshold", "instrument": "BTC-PERP", "max_delta": 0.1}',
    "high": '"99000"',
    "interval": '"P1D"',
    "low": '"86000"',
    "mark_price": '"93120.5"',
    "policy": '{"sizing": {"method": "volatility_target", "target_volatility": 0.20}}',
    "quantity": '"0.85"',
    "schedule": '{"method": "twap", "duration_seconds": 3600, "slices": 12}',
    "side": '"long_only"',
    "sizing": '{"method": "volatility_target", "target_volatility": 0.20}',
    "symbol": '"BTC-PERP"',
    "target_volatility": "0.20",
    "vault": '{"method": "covered_call", "delta": 0.10}',
}
"""What a missing field looks like."""

SCALES: dict[str, str] = {
    "direction": "from -1 (short) to 1 (long), 1 being full size; forecast is the scale of -20 to 20",
    "forecast": "from -20 to 20, 10 being the full size at target volatility; direction is the scale of -1 to 1",
    "confidence": "from 0 to 1; it multiplies the direction",
}
"""What the numbers of a field mean, said whenever one is out of range or no number."""

PATTERNS: dict[str, str] = {
    SYMBOL_PATTERN: "must be 1 to 64 printable ASCII characters without spaces",
    DECIMAL_PATTERN: "must be a plain decimal such as '0.85'",
    COMMENT_PATTERN: "must be one line of 1 to 500 characters",
}
_NAME_RULE = "must be letters, digits, dot, underscore or hyphen, at most 64, and begin with a letter or digit"
_INTERVAL_RULE = "must be an ISO 8601 duration of one component: P1D, PT1H, PT5M"
_CURRENCY_RULE = "must be 1 to 16 letters, digits or dots"
_BAR = re.compile(r"(\d{1,4})\s?(s|sec|m|min|t|h|hour|d|day|w|week)s?\Z", re.ASCII | re.IGNORECASE)
_WORDS = {"daily": "P1D", "hourly": "PT1H", "weekly": "P1W", "d": "P1D", "h": "PT1H", "w": "P1W"}
_UNITS = {"s": "PT{}S", "m": "PT{}M", "t": "PT{}M", "h": "PT{}H", "d": "P{}D", "w": "P{}W"}
MAX_FIELDS_LISTED = 12


def found(value: Any) -> str:
    """What was found, in at most 60 characters: short printable scalars as they are, everything else by its kind.

    Examples
    --------
    >>> found(True), found("0.2"), found("x" * 99), found([1, 2]), found({})
    ('true', "'0.2'", 'a text of 99 characters', 'a list of 2', 'an object')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value:.17g}" if isinstance(value, float) or abs(value) >= 10**24 else str(value)
    if isinstance(value, str):
        short = len(value) <= 40 and value.isascii() and value.isprintable()
        return repr(value) if short else f"a text of {len(value)} characters"
    return f"a list of {len(value)}" if isinstance(value, list | tuple) else "an object"


def suggestion(name: str, fields: Mapping[str, Any], root: type | None, place: str = "") -> str:
    """What was probably meant by an unknown field.

    Parameters
    ----------
    name : str
        As sent.
    fields : mapping
        Fields that exist at its place.
    root : type, optional
        Model of the whole request: the field may belong elsewhere in it.
    place : str
        Pointer of the object that holds the field.

    Examples
    --------
    >>> suggestion("qty", {"symbol": 1, "quantity": 1}, None)
    'did you mean quantity?'
    >>> suggestion("markPrice", {"symbol": 1, "mark_price": 1}, None)
    'did you mean mark_price?'
    """
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:64]).replace("-", "_").lower()
    meant = [plain, *SYNONYMS.get(plain, ())]
    here = next((item for item in meant if item in fields), None)
    here = here or next(iter(difflib.get_close_matches(plain, list(fields), n=1, cutoff=0.75)), None)
    if here is not None:
        return f"did you mean {here}?"
    if plain in INSTEAD:
        return INSTEAD[plain]
    for item in meant if root is not None else ():
        if home := _nearest(homes_of(root).get(item, []), place):
            return f"it belongs in {home}" if item == plain else f"did you mean {home}/{item}?"
    listed = ", ".join(sorted(fields)[:MAX_FIELDS_LISTED])
    return f"known here: {listed}" + (", …" if len(fields) > MAX_FIELDS_LISTED else "") if fields else ""


def _nearest(homes: list[str], place: str) -> str:
    # The home that shares most of its path with the place; the place itself is none, or the field would be known there.
    own = re.sub(r"/\d+", "/0", place)
    others = [home for home in homes if home != own]
    return max(others, key=lambda home: _common(home.split("/"), own.split("/")), default="")


def _common(one: list[str], other: list[str]) -> int:
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def percent_hint(field: str, value: Any, bound: float) -> str:
    """The commonest mistake: percent where a fraction is meant.

    Examples
    --------
    >>> percent_hint("target_volatility", 20, 3.0)
    'fractions, not percent: 0.20 is 20 %'
    """
    plausible = isinstance(value, int | float) and not isinstance(value, bool) and bound < value <= 100 * bound
    if field not in FRACTIONS or not plausible:
        return ""
    fraction = f"{value / 100:.2f}" if round(value) == value else f"{value / 100:.6g}"
    return f"fractions, not percent: {fraction} is {value:.6g} %"


def example_of(field: str) -> str:
    """How a missing field looks, with a comma before it; empty where that needs no example."""
    return f", such as {EXAMPLES[field]}" if field in EXAMPLES else ""


def interval_hint(value: Any) -> str:
    """ISO 8601 for the spellings of bars that venues use.

    Examples
    --------
    >>> interval_hint("1h"), interval_hint("5min"), interval_hint("daily"), interval_hint("soon")
    ('did you mean PT1H?', 'did you mean PT5M?', 'did you mean P1D?', '')
    """
    text = value.strip() if isinstance(value, str) and len(value) < 20 else ""
    match = _BAR.match(text)
    if text.lower() in _WORDS:
        return f"did you mean {_WORDS[text.lower()]}?"
    if match is None:
        return ""
    months = match[2] == "M"
    return "" if months else f"did you mean {_UNITS[match[2][0].lower()].format(int(match[1]))}?"


@lru_cache(maxsize=64)
def pattern_rule(pattern: str) -> str:
    """A regular expression of the wire models in words."""
    if pattern in PATTERNS:
        return PATTERNS[pattern]
    if pattern.startswith("^P"):
        return _INTERVAL_RULE
    if "_-]{0,63}" in pattern:
        return _NAME_RULE
    return _CURRENCY_RULE if "{1,16}" in pattern else f"must match {pattern[:80]}"


def close_match(value: Any, known: list[str]) -> str:
    """Which of the known values was probably meant."""
    text = value[:64].lower().replace("-", "_").replace(" ", "_") if isinstance(value, str) else ""
    lowered = {item.lower(): item for item in known}
    close = difflib.get_close_matches(text, list(lowered), n=1, cutoff=0.5)
    return f"did you mean {lowered[close[0]]}?" if close else ""
