"""Names of volatility states in a key-value store, and how long they live."""

from __future__ import annotations

from urllib.parse import quote, unquote

from app.ports import StateKey
from services.volatility.codec import MAGIC
from services.volatility.long_run import HALF_LIFE

LONGEST_WINDOW_BARS = int(HALF_LIFE)
SHORTEST_LIFE_SECONDS = 7 * 86_400


def life_seconds(bar_seconds: int) -> int:
    """Time after which an unfed state is forgotten: three times the half-life of 1024 bars, at least a week.

    Examples
    --------
    >>> life_seconds(86_400) // 86_400, life_seconds(60) // 86_400
    (3072, 7)
    """
    return max(3 * LONGEST_WINDOW_BARS * bar_seconds, SHORTEST_LIFE_SECONDS)


def tenant_prefix(tenant_id: str) -> str:
    """Prefix of all keys of a tenant; the braces make them one hash slot of a cluster, so that one read can take many.

    It ends with the format of the states: a program never meets a state that it cannot read, also while an update is
    rolled out. Those of an older format expire; `trimtab state rebuild` makes new ones.

    Examples
    --------
    >>> tenant_prefix("local")
    'trimtab:{local}:tvs2:'
    """
    return f"trimtab:{{{quote(tenant_id, safe='')}}}:{MAGIC.decode().lower()}:"


def full_name(key: StateKey) -> str:
    """Name of a state with its prefix, below which its parts are kept."""
    return tenant_prefix(key.tenant_id) + key_name(key)


def key_of(name: str) -> StateKey:
    """Inverse of `full_name`.

    Examples
    --------
    >>> key_of(full_name(StateKey("a{b", "x", "A:B", 60, "ewma.1-20.0")))
    StateKey(tenant_id='a{b', venue='x', symbol='A:B', bar_seconds=60, model_version='ewma.1-20.0')
    """
    _, tenant, _, below = name.split(":", 3)
    return parse_key_name(unquote(tenant[1:-1]), below)


def key_name(key: StateKey) -> str:
    """Name of a state below its tenant's prefix.

    The parts are joined by ``:``, each percent-encoded, so that no symbol can forge another.

    Examples
    --------
    >>> key_name(StateKey("local", "", "BTC/USDT:USDT", 86_400, "ewma.1-20.0"))
    ':BTC%2FUSDT%3AUSDT:86400:ewma.1-20.0'
    """
    return ":".join(quote(part, safe="") for part in (key.venue, key.symbol, str(key.bar_seconds), key.model_version))


def parse_key_name(tenant_id: str, name: str) -> StateKey:
    """Inverse of `key_name`."""
    venue, symbol, bar_seconds, model_version = (unquote(part) for part in name.split(":"))
    return StateKey(tenant_id, venue, symbol, int(bar_seconds), model_version)
