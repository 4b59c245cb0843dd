"""Option quotes made of a smile, for tests of plans in options."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import numpy as np

from services.hedging.option_quotes import OptionContract, OptionMarket, OptionQuote
from services.options.black import black_price

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
FORWARD = 60_000.0
STRIKES = (42_000, 45_000, 48_000, 51_000, 54_000, 57_000, 60_000, 63_000, 66_000, 69_000, 72_000, 78_000)


def rounded(value: float, tick: str, *, up: bool) -> Decimal:
    step = Decimal(tick)
    return (Decimal(repr(value)) / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * step


def smile(log_moneyness: float, days: float) -> float:
    return float(0.6 + 0.5 * log_moneyness**2 * 14.0 / days - 0.1 * log_moneyness)


def quote(
    strike: float, right: int, days: float = 7.0, *, coin: bool = True, spread: float = 0.02, **changes: Any
) -> OptionQuote:
    """Bid and ask about the value of a smile, to a tick of 0.0001 coin or 1 quote."""
    volatility = smile(float(np.log(strike / FORWARD)), days)
    value = float(black_price(FORWARD, strike, days / 365.0, volatility, right)) / (FORWARD if coin else 1.0)
    tick = "0.0001" if coin else "1"
    terms: dict[str, Any] = {
        "strike": Decimal(repr(strike)),
        "expiry": AS_OF + timedelta(days=days),
        "right": right,
        "forward": Decimal(repr(FORWARD)),
        "bid": rounded(value * (1.0 - spread), tick, up=False) or None,
        "ask": rounded(value * (1.0 + spread), tick, up=True),
        "implied_volatility": volatility,
    }
    return OptionQuote(**terms | changes)


def chain(days: Sequence[float] = (7.0,), *, coin: bool = True, rights: Sequence[int] = (1, -1)) -> list[OptionQuote]:
    """Calls and puts of all strikes and expiries."""
    return [quote(strike, right, day, coin=coin) for day in days for strike in STRIKES for right in rights]


def market(quotes: Sequence[OptionQuote], holding: str = "10", *, coin: bool = True, **changes: Any) -> OptionMarket:
    """Ten coins at the forward, lots of a tenth."""
    contract = OptionContract(lot=Decimal("0.1"), tick=Decimal("0.0001" if coin else "1"), coin_settled=coin)
    terms: dict[str, Any] = {
        "mark": Decimal(60_000),
        "as_of": AS_OF,
        "holding": Decimal(holding),
        "quotes": tuple(quotes),
        "contract": contract,
        "volatility": 0.45,
    }
    return OptionMarket(**terms | changes)
