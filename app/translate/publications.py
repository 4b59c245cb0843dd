"""What an entry of the audit log says on the channels of the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from app.ports import EntrySummary, EventKind, StoredEntry, TailEntry
from app.translate.answer import time_text
from services.streaming.update import Channel, Kind, Publication
from services.volatility.outcome import PointOutcome

Body = Mapping[str, Any]

PORTFOLIO_KINDS = (Kind.TARGETS, Kind.MARGIN, Kind.HEDGES, Kind.BREAKERS)
"""Channels of a portfolio."""
_HEAD = (
    "portfolio_id",
    "evaluation_id",
    "as_of",
    "data_as_of",
    "computed_at",
    "valid_until",
    "on_expiry",
    "degraded",
)
_TARGETS = ("portfolio_version", "snapshot_seq", "targets", "orders", "portfolio", "assumptions", "warnings")
_AUTO = ("auto", "intents")
_VOLATILITY = ("symbol", "venue", "interval", "version", "observations", "last_close_time", "last_close")


def publications(item: TailEntry) -> list[Publication]:
    """States of channels that an entry changes, the entry itself (`audit`) last.

    Each holds the whole state of its channel (`models.api.published`), and its version is the index of the entry: who
    publishes an entry again publishes nothing twice.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the recorded answer has another form: a defect of this program.
    """
    return [*_changed(item), entry_publication(item)]


def entry_publication(item: TailEntry) -> Publication:
    """State of `audit`: the entry without its body."""
    return _publication(item, Channel(item.tenant_id, Kind.AUDIT), item.entry.recorded_at, entry_row(item.entry))


def entry_row(entry: EntrySummary) -> dict[str, Any]:
    """Entry as the stream shows it."""
    return {
        "index": entry.index,
        "event_id": entry.event_id,
        "kind": entry.kind.value,
        "recorded_at": time_text(entry.recorded_at),
        "portfolio_id": entry.portfolio_id,
        "client_reference": entry.client_reference,
        "status": entry.status,
        "body_sha256": entry.body_sha256,
    }


def _changed(item: TailEntry) -> Iterator[Publication]:
    if item.entry.kind is EventKind.LIVE:
        yield from _decided(item)
    elif item.entry.kind is EventKind.OBSERVATION:
        yield from _observed(item)
    elif item.entry.kind is EventKind.PORTFOLIO:
        yield from _deleted(item)


def _deleted(item: TailEntry) -> Iterator[Publication]:
    """The end of a portfolio's states; a registration says nothing before its first decision."""
    answer: Body = orjson.loads(item.entry.response)
    if answer.get("deleted"):
        data = ended_state(answer["portfolio_id"], item.entry.index, item.entry.recorded_at)
        for kind in PORTFOLIO_KINDS:
            yield Publication(
                channel=Channel(item.tenant_id, kind, answer["portfolio_id"]),
                version=item.entry.index,
                at=item.entry.recorded_at,
                valid_until=item.entry.recorded_at,
                data=data,
            )


def ended_state(portfolio_id: str, index: int, at: datetime) -> bytes:
    """Last state of the channels of a deleted portfolio."""
    detail = "the portfolio is deleted"
    return orjson.dumps(
        {"ended": True, "portfolio_id": portfolio_id, "index": index, "at": time_text(at), "detail": detail}
    )


def _decided(item: TailEntry) -> Iterator[Publication]:
    """Channels of a portfolio: targets always, the others where the decision speaks of them."""
    answer: Body = orjson.loads(item.entry.response)
    at, valid_until = datetime.fromisoformat(answer["computed_at"]), datetime.fromisoformat(answer["valid_until"])
    said = {Kind.TARGETS: targets_row, Kind.MARGIN: margin_row, Kind.HEDGES: hedges_row, Kind.BREAKERS: breakers_row}
    for kind, row_of in said.items():
        row = row_of(item.entry, answer)
        if row is not None:
            channel = Channel(item.tenant_id, kind, answer["portfolio_id"])
            yield _publication(item, channel, at, row, valid_until)


def targets_row(entry: StoredEntry, answer: Body) -> dict[str, Any]:
    """State of `targets:PORTFOLIO`, and what `GET /v1/portfolios/{portfolio_id}/targets` answers."""
    auto = {name: answer[name] for name in _AUTO if name in answer}
    return _head(entry, answer) | {name: answer[name] for name in _TARGETS} | auto


def margin_row(entry: StoredEntry, answer: Body) -> dict[str, Any] | None:
    """State of `margin:PORTFOLIO`; None without a margin."""
    margin: Body | None = answer.get("margin")
    if margin is None:
        return None
    row = _head(entry, answer) | {name: margin[name] for name in ("current", "target") if name in margin}
    if (breaker := margin.get("breaker")) is not None:
        row["breaker"] = {name: value for name, value in breaker.items() if name not in ("scopes", "transitions")}
    return row


def hedges_row(entry: StoredEntry, answer: Body) -> dict[str, Any] | None:
    """State of `hedges:PORTFOLIO`; None where no hedge is ordered."""
    hedges = answer.get("hedges") or ()
    ordered = {hedge["symbol"] for hedge in hedges if float(hedge["quantity"] or 0)}
    orders = [order for order in answer["orders"] if order["symbol"] in ordered]
    if not orders:
        return None
    plan = {"hedge_plan": answer["hedge_plan"]} if "hedge_plan" in answer else {}
    return _head(entry, answer) | {"hedges": hedges} | plan | {"orders": orders}


def breakers_row(entry: StoredEntry, answer: Body) -> dict[str, Any] | None:
    """State of `breakers:PORTFOLIO`; None where no breaker changed its level."""
    breaker = (answer.get("margin") or {}).get("breaker")
    if not breaker or not breaker["transitions"]:
        return None
    return _head(entry, answer) | {"scopes": breaker["scopes"], "transitions": breaker["transitions"]}


def _head(entry: StoredEntry, answer: Body) -> dict[str, Any]:
    return {name: answer[name] for name in _HEAD} | {"index": entry.index}


def _observed(item: TailEntry) -> Iterator[Publication]:
    """One state per symbol: of its bars, venues and estimators the one fed up to the latest bar."""
    answer: Body = orjson.loads(item.entry.response)
    if not any(PointOutcome(outcome).stored for outcome in answer.get("outcomes", ())):
        return
    newest: dict[str, Body] = {}
    for row in answer["states"]:
        known = newest.get(row["symbol"])
        if known is None or known["last_close_time"] <= row["last_close_time"]:
            newest[row["symbol"]] = row
    for symbol, row in newest.items():
        state = {name: row[name] for name in _VOLATILITY if name in row} | {"index": item.entry.index}
        yield _publication(item, Channel(item.tenant_id, Kind.VOLATILITY, symbol), item.entry.recorded_at, state)


def _publication(
    item: TailEntry, channel: Channel, at: datetime, row: Body, valid_until: datetime | None = None
) -> Publication:
    return Publication(
        channel=channel, version=item.entry.index, at=at, data=orjson.dumps(row), valid_until=valid_until
    )
