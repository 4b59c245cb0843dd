"""Which live portfolios an entry of the audit log concerns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from app.ports import EventKind, StoredEntry
from app.translate.snapshot import DEFAULT_INTERVAL, StateNeed
from models.api.policy_choice import PolicyReference
from models.api.portfolio import LiveRequest
from services.core.annualization import parse_interval
from services.volatility.outcome import PointOutcome


class Market(NamedTuple):
    """A cached state as an observation names it; `venue` is empty where there is none."""

    symbol: str
    venue: str
    bar_seconds: int


@dataclass(frozen=True, slots=True)
class Change:
    """What an entry changed, besides portfolios themselves."""

    markets: frozenset[Market] = frozenset()
    instruments: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()

    def __or__(self, other: Change) -> Change:
        return Change(
            self.markets | other.markets, self.instruments | other.instruments, self.policies | other.policies
        )


@dataclass(frozen=True, slots=True)
class Watched:
    """What the evaluation of a portfolio read.

    Parameters
    ----------
    markets : frozenset of Market
        States that it looked for, whether or not they were there.
    symbols : frozenset of str
        Further symbols whose observations count, of any venue and bar.
    instruments : frozenset of str
        Symbols whose registered description counts.
    policy : str, optional
        Stored policy that it names without a version.
    """

    markets: frozenset[Market]
    symbols: frozenset[str]
    instruments: frozenset[str]
    policy: str | None

    def concerned(self, change: Change) -> bool:
        """Whether an evaluation after the change could be another one."""
        return (
            not self.markets.isdisjoint(change.markets)
            or any(market.symbol in self.symbols for market in change.markets)
            or not self.instruments.isdisjoint(change.instruments)
            or self.policy in change.policies
        )


def change_of(entry: StoredEntry) -> Change | None:
    """What an entry changed; None where it changed nothing that an evaluation reads."""
    if entry.kind is EventKind.OBSERVATION:
        return _observed(orjson.loads(entry.response))
    if entry.kind is EventKind.INSTRUMENTS:
        rows = orjson.loads(entry.request)["instruments"]
        return Change(instruments=frozenset(row["symbol"] for row in rows))
    if entry.kind is EventKind.POLICY:
        stored = orjson.loads(entry.response)
        return Change(policies=frozenset({stored["policy_id"]})) if stored["created"] else None
    return None


def _observed(answer: dict[str, Any]) -> Change | None:
    """Observations name the states that they were fed to; the reset of a state names that."""
    if "states" not in answer:
        return Change(markets=frozenset({_market(answer)}))
    if not any(PointOutcome(outcome).stored for outcome in answer["outcomes"]):
        return None
    return Change(markets=frozenset(map(_market, answer["states"])))


def _market(row: dict[str, Any]) -> Market:
    return Market(row["symbol"], row.get("venue") or "", parse_interval(row["interval"]))


def watched_by(
    request: LiveRequest, needs: Iterable[StateNeed], symbols: Iterable[str], hedge_symbol: str | None
) -> Watched:
    """What the evaluation of a request reads: of each market the state of its venue, else the one without a venue."""
    bar_seconds = parse_interval(request.interval or DEFAULT_INTERVAL)
    markets = {Market(need.symbol, venue, bar_seconds) for need in needs for venue in {need.venue or "", ""}}
    rows = {row.symbol for row in (*request.positions, *(request.signals or ()))}
    rows |= {hedge_symbol} if hedge_symbol is not None else set()
    choice = request.policy
    open_ended = isinstance(choice, PolicyReference) and choice.version is None
    return Watched(
        frozenset(markets),
        frozenset(symbols),
        frozenset(rows),
        choice.id if isinstance(choice, PolicyReference) and open_ended else None,
    )
