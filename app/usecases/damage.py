"""What is said of a cached state that cannot be read."""

from __future__ import annotations

from urllib.parse import urlencode

from app.ports import StateDamaged, StateKey
from app.usecases.volatility_state import interval_text
from services.core.errors import Refusal
from services.core.outcome import Reason


def remedy(key: StateKey) -> str:
    """How to mend a damaged state.

    Examples
    --------
    >>> remedy(StateKey("local", "", "BTC/USDT", 3600, "ewma.1-20.0"))  # doctest: +ELLIPSIS
    'reset it with DELETE /v1/volatility?symbol=BTC%2FUSDT&interval=PT1H&model=ewma.1-20.0 and feed it again, or ...'
    """
    named = {"symbol": key.symbol, "interval": interval_text(key.bar_seconds), "model": key.model_version}
    query = urlencode({**named, "venue": key.venue} if key.venue else named)
    return f"reset it with DELETE /v1/volatility?{query} and feed it again, or run trimtab state rebuild"


def damage_text(damage: StateDamaged) -> str:
    """What is wrong with which state, and how to mend it."""
    where = f"{damage.key.symbol} of {damage.key.venue}" if damage.key.venue else damage.key.symbol
    return f"the cached state of {where} is damaged ({damage.cause}): {remedy(damage.key)}"


def damage_refusal(damage: StateDamaged) -> Refusal:
    """Why a market with a damaged state has no forecast."""
    return Refusal(Reason.VOLATILITY_UNAVAILABLE, damage_text(damage))
