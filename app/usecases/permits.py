"""Permits of orders: made of a recorded answer, so they are the same whenever they are made, and nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from app.container import Container
from app.log_ports import LogSigner
from app.usecases.call import Answer, Door
from services.audit.permit import permit_of_order

ORDERING = frozenset({Door.EVALUATIONS, Door.TARGETS, Door.LIVE})
"""Doors whose answers hold orders."""


async def with_permits(container: Container, answer: Answer) -> Answer:
    """The answer with `audit.permits`; it ends with its audit block."""
    assert container.signer is not None
    said = orjson.loads(answer.body)
    rows = await permits_of(container, container.signer, said, said["orders"])
    return replace(answer, body=answer.body[:-2] + b',"permits":%b}}' % orjson.dumps(rows))


async def permits_of(
    container: Container, signer: LogSigner, answer: Mapping[str, Any], orders: Sequence[Mapping[str, Any]]
) -> list[dict[str, str]]:
    """Permits of orders of an answer; a historical one has no orders."""
    key = signer.public((await container.tree.head()).origin)
    return [
        {"client_order_id": order["client_order_id"], "token": permit_of_order(order, answer, key).token(signer.sign)}
        for order in orders
    ]
