"""What the channels carry is the recorded answer itself, and what `models.api.published` promises."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.lifespan import open_container
from app.ports import EventKind, StoredEntry, TailEntry
from app.settings import Settings
from app.translate.publications import publications
from models.api.base import Model
from models.api.published import (
    PublishedBreakers,
    PublishedEnd,
    PublishedEntry,
    PublishedHedges,
    PublishedMargin,
    PublishedTargets,
    PublishedVolatility,
)
from services.streaming.update import Channel, Kind, Publication
from tests.support.http import client_of
from tests.support.requests import desk

MODELS: dict[Kind, type[Model]] = {
    Kind.TARGETS: PublishedTargets,
    Kind.MARGIN: PublishedMargin,
    Kind.HEDGES: PublishedHedges,
    Kind.BREAKERS: PublishedBreakers,
    Kind.VOLATILITY: PublishedVolatility,
    Kind.AUDIT: PublishedEntry,
}


async def entry_of(tmp_path: Path, method: str, path: str, **options: Any) -> StoredEntry:
    """Audit entry that a call makes."""
    async with open_container(Settings(data_dir=tmp_path)) as container, client_of(container) as http:
        response = await http.request(method, path, **options)
        assert response.status_code == 200, response.text
        [item] = await container.audit.tail(after=-1, limit=10)
        return item.entry


async def live_entry(tmp_path: Path, request: dict[str, Any]) -> StoredEntry:
    """Entry of an evaluation as the live engine records it."""
    entry = await entry_of(tmp_path, "POST", "/v1/evaluations", json=request)
    answer = orjson.loads(entry.response) | {"portfolio_version": 3, "snapshot_seq": 8}
    return dataclasses.replace(entry, kind=EventKind.LIVE, response=orjson.dumps(answer), index=41)


def by_kind(entry: StoredEntry) -> dict[Kind, tuple[Publication, dict[str, Any]]]:
    """Publications of an entry, each once, in the form that its model promises."""
    found: dict[Kind, tuple[Publication, dict[str, Any]]] = {}
    for item in publications(TailEntry("tenant", entry)):
        assert item.channel.tenant_id == "tenant"
        assert item.version == entry.index
        assert item.channel.kind not in found
        MODELS[item.channel.kind].model_validate_json(item.data)
        found[item.channel.kind] = item, orjson.loads(item.data)
    return found


def hedged() -> dict[str, Any]:
    """A book with a hedge order and a breaker that trips."""
    request = desk() | {"portfolio_id": "pf_1"}
    request["policy"] = request["policy"] | {"breakers": {}}
    return request


async def test_a_decision_on_its_channels(tmp_path: Path) -> None:
    entry = await live_entry(tmp_path, hedged())
    answer = orjson.loads(entry.response)
    found = by_kind(entry)
    for kind, (item, row) in found.items():
        if kind is Kind.AUDIT:
            continue
        assert item.channel == Channel("tenant", kind, "pf_1")
        assert row["index"] == 41
        assert item.valid_until is not None
        assert row["valid_until"] == answer["valid_until"] == item.valid_until.isoformat().replace("+00:00", "Z")
        shared = set(row) & set(answer) - {"hedges", "orders"}
        assert {name: row[name] for name in shared} == {name: answer[name] for name in shared}
    targets, margin = found[Kind.TARGETS][1], found[Kind.MARGIN][1]
    assert targets["orders"] == answer["orders"] and targets["targets"] == answer["targets"]
    assert (margin["current"], margin["target"]) == (answer["margin"]["current"], answer["margin"]["target"])
    whole = answer["margin"]["breaker"]
    assert margin["breaker"] == {name: whole[name] for name in margin["breaker"]}
    assert set(whole) - set(margin["breaker"]) == {"scopes", "transitions"}
    assert list(found)[-1] is Kind.AUDIT


async def test_hedges_are_told_where_one_is_ordered(tmp_path: Path) -> None:
    entry = await live_entry(tmp_path, hedged())
    answer = orjson.loads(entry.response)
    ordered = {row["symbol"] for row in answer["hedges"] if row["quantity"] not in (None, "0")}
    assert ordered, "the desk orders no hedge: nothing was shown"
    row = by_kind(entry)[Kind.HEDGES][1]
    assert row["hedges"] == answer["hedges"]
    assert {order["symbol"] for order in row["orders"]} == ordered
    for hedge in answer["hedges"]:
        hedge["quantity"] = "0.00"
    silent = dataclasses.replace(entry, response=orjson.dumps(answer))
    assert Kind.HEDGES not in by_kind(silent)


async def test_breakers_are_told_where_one_changed(tmp_path: Path) -> None:
    entry = await live_entry(tmp_path, hedged())
    answer = orjson.loads(entry.response)
    transition = {
        "scope": "account",
        "at": answer["as_of"],
        "before": "normal",
        "after": "caution",
        "cause": "maintenance_ratio",
    }
    for changes in ([], [transition]):
        answer["margin"]["breaker"]["transitions"] = changes
        found = by_kind(dataclasses.replace(entry, response=orjson.dumps(answer)))
        assert (Kind.BREAKERS in found) is bool(changes)
    assert found[Kind.BREAKERS][1]["scopes"] == answer["margin"]["breaker"]["scopes"]


async def test_observations_tell_each_symbol_once(tmp_path: Path) -> None:
    rows = [
        {"symbol": symbol, "interval": interval, "close_time": f"2026-11-{day:02d}T00:00:00Z", "close": 100 + day}
        | ({"venue": venue} if venue else {})
        for symbol, interval, venue, days in [
            ("BTC/USDT:USDT", "P1D", None, (1, 2, 3)),
            ("BTC/USDT:USDT", "PT1H", "x", (4,)),
            ("ETH-PERP", "P1D", None, (2, 1)),
        ]
        for day in days
    ]
    entry = await entry_of(tmp_path, "POST", "/v1/observations", json={"observations": rows})
    found = publications(TailEntry("tenant", entry))
    states = {item.channel.subject: orjson.loads(item.data) for item in found if item.channel.kind is Kind.VOLATILITY}
    assert len(found) == len(states) + 1 == 3
    for item in found:
        MODELS[item.channel.kind].model_validate_json(item.data)
    assert {name: (row["interval"], row.get("venue"), row["last_close"]) for name, row in states.items()} == {
        "BTC/USDT:USDT": ("PT1H", "x", 104.0),
        "ETH-PERP": ("P1D", None, 102.0),
    }
    answer = orjson.loads(entry.response)
    unchanged = answer | {"outcomes": ["duplicate"] * len(rows)}
    silent = dataclasses.replace(entry, response=orjson.dumps(unchanged))
    assert [item.channel.kind for item in publications(TailEntry("t", silent))] == [Kind.AUDIT]


@pytest.mark.parametrize("kind", sorted(set(EventKind) - {EventKind.LIVE, EventKind.OBSERVATION}))
async def test_every_entry_is_told_without_its_body(tmp_path: Path, kind: EventKind) -> None:
    entry = dataclasses.replace(
        await entry_of(tmp_path, "POST", "/v1/evaluations", json=desk()), kind=kind, client_reference="r 1"
    )
    [item] = publications(TailEntry("tenant", entry))
    told = PublishedEntry.model_validate_json(item.data)
    assert (told.index, told.event_id, told.kind, told.client_reference) == (0, entry.event_id, kind, "r 1")
    assert told.body_sha256 == entry.body_sha256
    assert (item.channel, item.at) == (Channel("tenant", Kind.AUDIT), entry.recorded_at)


async def test_a_deleted_portfolio_ends_its_channels(tmp_path: Path) -> None:
    entry = await entry_of(tmp_path, "POST", "/v1/evaluations", json=desk())
    body = orjson.dumps({"portfolio_id": "pf_1", "deleted": True, "event_id": entry.event_id})
    deleted = dataclasses.replace(entry, kind=EventKind.PORTFOLIO, response=body, index=9)
    *ends, _ = publications(TailEntry("tenant", deleted))
    assert {item.channel.kind for item in ends} == {Kind.TARGETS, Kind.MARGIN, Kind.HEDGES, Kind.BREAKERS}
    for item in ends:
        told = PublishedEnd.model_validate_json(item.data)
        assert (told.portfolio_id, told.index, item.version) == ("pf_1", 9, 9)
        assert item.valid_until == item.at, "what was said before must not be acted on"
