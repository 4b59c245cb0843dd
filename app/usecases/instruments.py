"""Registering instruments once, so that requests need not describe them."""

from __future__ import annotations

import base64
from typing import Annotated

import orjson
from pydantic import Field

from app.container import Container
from app.deadline import lift
from app.ids import new_id
from app.ports import EventKind
from app.usecases.call import Answer, Call
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, stored_answer
from models.api.base import Model
from models.api.market import InstrumentIn

MAX_REGISTERED = 2000


class InstrumentsRequest(Model):
    """Instruments to register; one of the same venue and symbol replaces the former."""

    instruments: Annotated[list[InstrumentIn], Field(min_length=1, max_length=MAX_REGISTERED, fail_fast=True)]


async def put_instruments(container: Container, call: Call) -> Answer:
    """Store specifications by (venue, symbol); the change is in the audit log before the answer."""
    request = InstrumentsRequest.model_validate(call.parsed)
    key = idempotency_key(call, "instruments")
    if (known := await known_answer(container, key)) is not None:
        return known
    rows = [
        (item.venue or "", item.symbol, item.model_dump_json(exclude_none=True).encode())
        for item in request.instruments
    ]
    lift()
    await container.instruments.put_many(container.tenant_id, rows)
    event_id = new_id("ev", call.received_at)
    body = orjson.dumps({"event_id": event_id, "registered": len(rows)})
    record = event_record(container, EventKind.INSTRUMENTS, event_id, call, body, key)
    return stored_answer(await container.audit.append(record, timeout=call.timeout_seconds), body, {})


async def list_instruments(container: Container, after: str | None, limit: int) -> Answer:
    """Page of registered instruments by (venue, symbol).

    Raises
    ------
    ValueError
        If `after` is no cursor of ours.
    """
    rows = await container.instruments.list(
        container.tenant_id, after=_decode_cursor(after) if after else None, limit=limit
    )
    following = _encode_cursor(rows[-1][0], rows[-1][1]) if len(rows) == limit else None
    items = b",".join(specification for _, _, specification in rows)
    return Answer(200, b'{"items":[%b],"next":%b}' % (items, orjson.dumps(following)), (), {})


def _encode_cursor(venue: str, symbol: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([venue, symbol])).decode()


def _decode_cursor(cursor: str) -> tuple[str, str]:
    venue, symbol = orjson.loads(base64.urlsafe_b64decode(cursor))
    if not isinstance(venue, str) or not isinstance(symbol, str):
        raise ValueError("cursor")
    return venue, symbol
