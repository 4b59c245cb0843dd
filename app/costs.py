"""What a request costs, in units: the size of what is computed, known before it is computed.

An evaluation costs ``ceil(points / 1000) + symbols``, at least 1. `points` are the bars of its series, or the rows that
it posts; `symbols` are the names that it speaks of. Doors that compute more of the same input add a price of their own:
a judgement of their work beside that of an evaluation, not a measurement. What only reads costs 1. The table is
published at `GET /v1/limits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

POINTS_PER_UNIT = 1000
ROWS = ("observations", "quotes", "trades", "fills", "returns")
"""Lists in a body whose every row is a point."""
NAMED = ("positions", "series", "signals", "observations", "quotes", "instruments", "marks", "symbols", "orders")
"""Lists in a body that speak of symbols."""
_CONVERTER = re.compile(r":[a-z_]+\}")
"""How the router reads a part of a path; operations are named without."""
_SERIES = frozenset({"close", "ohlcv", "open", "high", "low", "volume", "realized_variance", "prices"})


@dataclass(frozen=True, slots=True)
class Price:
    """What an operation costs.

    Parameters
    ----------
    base : int
        Units of every call.
    sized : bool
        Whether the size of the body is added.
    computes : bool
        Whether it counts among the computations that a key may have at a time.
    """

    base: int
    sized: bool = False
    computes: bool = False

    def of(self, body: Any) -> int:
        """Units of a call with this body, which nobody has checked yet; at least 1.

        Examples
        --------
        >>> Price(0, sized=True).of({"series": [{"symbol": "A", "close": [1.0] * 1001}], "positions": "nonsense"})
        3
        >>> Price(20).of(None)
        20
        """
        return max(1, self.base + (size_of(body) if self.sized else 0))


READS, SIZED = Price(1), Price(0, sized=True, computes=True)
FREE = Price(0)
"""Of what is open to everybody: nobody is charged, so that nobody is refused the clock or the list of errors."""
PRICES: Mapping[str, Price] = {
    "POST /v1/evaluations": SIZED,
    "POST /v1/targets": SIZED,
    "POST /v1/margin": SIZED,
    "POST /v1/hedges": SIZED,
    "POST /v1/observations": SIZED,
    "POST /v1/volatility:estimate": SIZED,
    "POST /v1/correlation:estimate": SIZED,
    "POST /v1/portfolios/{portfolio_id}/snapshots": SIZED,
    "POST /v1/portfolios/{portfolio_id}/executions": SIZED,
    "PUT /v1/instruments": SIZED,
    "POST /v1/evaluations/{evaluation_id}:replay": Price(5, computes=True),
    "POST /v1/audit/entries/{evaluation_id}:commit": Price(20, computes=True),
    "GET /v1/scorecard": Price(100, computes=True),
    "POST /v1/orders:check": SIZED,
    "POST /v1/margin:max-position": Price(5, sized=True, computes=True),
    "POST /v1/margin:scenario": Price(5, sized=True, computes=True),
    "POST /v1/margin:reverse-stress": Price(20, sized=True, computes=True),
    "POST /v1/margin:batch": Price(50, computes=True),
    "POST /v1/margin:backtest": Price(50, sized=True, computes=True),
    "POST /v1/margin:frontier": Price(100, sized=True, computes=True),
    "POST /v1/backtests": Price(100, sized=True, computes=True),
    "POST /v1/volatility:fit": Price(100, sized=True),
    "POST /v1/policies:check": Price(50, computes=True),
    "POST /v1/policies:compare": Price(50, computes=True),
    "POST /v1/options:surface": Price(20, sized=True, computes=True),
    "POST /v1/options:price-ladder": Price(10, sized=True, computes=True),
    "POST /v1/options:mispricing": Price(10, sized=True, computes=True),
    "POST /v1/options:variance-premium": Price(10, sized=True, computes=True),
    "POST /v1/options:greeks": SIZED,
    "POST /v1/options:implied-volatility": SIZED,
    "POST /v1/collateral:value": SIZED,
    "POST /v1/oracles:aggregate": Price(5, sized=True, computes=True),
    "POST /v1/collateral:allocate": Price(10, sized=True, computes=True),
    "POST /v1/contagion:propagate": Price(10, sized=True, computes=True),
}
"""Method and path to price; every other operation costs what a reading one does."""


def price_of(method: str, path: str) -> Price:
    """Price of an operation.

    Examples
    --------
    >>> price_of("GET", "/v1/policies").of(None), price_of("POST", "/v1/evaluations").of({})
    (1, 1)
    >>> price_of("POST", "/v1/evaluations/{evaluation_id:evaluation_id}:replay").base
    5
    """
    return PRICES.get(f"{method} {_CONVERTER.sub('}', path)}", READS)


def size_of(body: Any) -> int:
    """``ceil(points / 1000) + symbols`` of a body of any shape.

    Examples
    --------
    >>> size_of({"observations": [{"symbol": "A"}, {"symbol": "B"}, {"symbol": "A"}]})
    3
    >>> size_of([1, 2]), size_of({"series": {"close": [1, 2, 3]}})
    (0, 1)
    """
    if not isinstance(body, dict):
        return 0
    points = sum(_bars(row) for row in _rows(body.get("series")))
    points += sum(len(body[name]) for name in ROWS if isinstance(body.get(name), list))
    return -(-points // POINTS_PER_UNIT) + len(set(_symbols(body)))


def _rows(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _bars(row: Any) -> int:
    if not isinstance(row, dict):
        return 0
    return max((len(value) for name, value in row.items() if name in _SERIES and isinstance(value, list)), default=0)


def _symbols(body: dict[str, Any]) -> Iterable[str]:
    for name in NAMED:
        for row in _rows(body.get(name)):
            found = row.get("symbol") if isinstance(row, dict) else row if name == "symbols" else None
            if isinstance(found, str):
                yield found
