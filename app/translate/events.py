"""Scheduled events of the wire, and the markets that they move."""

from __future__ import annotations

from collections.abc import Sequence

from app.translate.notes import Notes
from models.api.event import EventIn
from services.core.book import Row
from services.engine.inputs import MarketEvent
from services.volatility.events import ScheduledEvent


def scheduled_event(item: EventIn) -> ScheduledEvent:
    """Event of the core."""
    at = item.at.timestamp()
    if item.move is not None:
        return ScheduledEvent.from_move(at, item.move, item.seconds)
    assert item.volatility is not None
    return ScheduledEvent.from_volatility(at, item.volatility, item.seconds)


def market_events(items: Sequence[EventIn], rows: Sequence[Row], notes: Notes) -> tuple[MarketEvent, ...]:
    """Events with the keys of the markets whose rows, or which themselves, have the symbol."""
    found = []
    for item in items:
        keys = frozenset(row.market_key for row in rows if item.symbol in _names(row))
        _tell_unmatched(item, bool(keys), notes)
        found.append(MarketEvent(scheduled_event(item), None if item.symbol is None else keys))
    return tuple(found)


def _names(row: Row) -> set[str]:
    return {row.symbol, row.market_key, row.market_key.removesuffix(f"@{row.venue}")}


def events_by_symbol(items: Sequence[EventIn], symbols: Sequence[str], notes: Notes) -> dict[str, list[ScheduledEvent]]:
    """Events of each symbol: those that name it, and those that name none."""
    for item in items:
        _tell_unmatched(item, item.symbol in symbols, notes)
    return {symbol: [scheduled_event(item) for item in items if item.symbol in (None, symbol)] for symbol in symbols}


def _tell_unmatched(item: EventIn, matched: bool, notes: Notes) -> None:
    if item.symbol is not None and not matched:
        notes.warn(
            "event_unmatched", "nothing in the request has the symbol of the event: it has no effect", item.symbol
        )
