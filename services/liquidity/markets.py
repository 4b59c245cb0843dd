"""What was posted of a market's liquidity, by symbol and venue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar

from services.liquidity.depth import Depth

MarketKey = tuple[str, str | None]
"""(symbol, venue); venue None speaks of the symbol anywhere."""

Value = TypeVar("Value")


class PostedDepth(NamedTuple):
    """Liquidity of a market, and when it was so."""

    depth: Depth
    as_of: datetime


def market_of(posted: Mapping[MarketKey, Value], symbol: str, venue: str | None) -> MarketKey | None:
    """Under which key a market was posted: that of its own venue, else of the symbol anywhere; None: it was not.

    Examples
    --------
    >>> market_of({("BTC", None): 1, ("BTC", "a"): 2}, "BTC", "a"), market_of({("BTC", None): 1}, "BTC", "b")
    (('BTC', 'a'), ('BTC', None))
    """
    return next((key for key in ((symbol, venue), (symbol, None)) if key in posted), None)


def of_market(posted: Mapping[MarketKey, Value], symbol: str, venue: str | None) -> Value | None:
    """What was posted for a market."""
    key = market_of(posted, symbol, venue)
    return None if key is None else posted[key]
