"""Failed attempts to authenticate, counted by the address that they come from."""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

MAX_FAILURES = 20
WINDOW = timedelta(minutes=1)
"""Failures of one address within this time, after which it is not listened to until the oldest is that old."""
MAX_ADDRESSES = 10_000
WELCOME = timedelta(minutes=10)
"""How long a key that was right stays known from where it was used: one bot with an old key must not lock out those
that share its address, be it a proxy's.
"""


class Attempts:
    """Counts of one process; the addresses that were silent longest are forgotten first."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._welcome: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def wait_seconds(self, address: str | None, key_id: str, now: datetime) -> float:
        """Time until an address is listened to again; 0 at once, as for a key that was right there not long ago."""
        name = _network(address)
        failures = self._failures.get(name)
        if failures is None or len(failures) < MAX_FAILURES or (age := now - failures[0]) >= WINDOW:
            return 0.0
        last = self._welcome.get((name, key_id))
        return 0.0 if last is not None and now - last < WELCOME else (WINDOW - age).total_seconds()

    def failed(self, address: str | None, now: datetime) -> None:
        """Count a failure."""
        name = _network(address)
        self._failures.setdefault(name, deque(maxlen=MAX_FAILURES)).append(now)
        self._failures.move_to_end(name)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str | None, key_id: str, now: datetime) -> None:
        """Note where a key was right."""
        name = (_network(address), key_id)
        self._welcome[name] = now
        self._welcome.move_to_end(name)
        if len(self._welcome) > MAX_ADDRESSES:
            self._welcome.popitem(last=False)


def _network(address: str | None) -> str:
    """Who is counted together: an address, and of IPv6 its /64, which one subscriber has whole."""
    try:
        given = ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(given, IPv6Address) and given.ipv4_mapped is None:
        return str(ip_network((given, 64), strict=False))
    return str(getattr(given, "ipv4_mapped", None) or given)
