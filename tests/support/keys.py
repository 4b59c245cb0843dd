"""API keys for tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from app.caller import Scope
from app.container import Container
from app.usecases.call import Call
from app.usecases.keys import create_key

ALL = tuple(scope.value for scope in Scope)


async def first_key(http: httpx.AsyncClient, **fields: Any) -> str:
    """A key made over HTTP, by a client that may; by default one that may do everything."""
    answer = await http.post("/v1/keys", json={"label": "test", "scopes": list(ALL), **fields})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["key"])


async def make_key(container: Container, tenant_id: str = "local", scopes: Iterable[str] = ALL, **fields: Any) -> Any:
    """A key of any tenant: the answer that shows it."""
    body = orjson.dumps({"label": "test", "scopes": list(scopes), **fields})
    call = Call(body, orjson.loads(body), None, datetime.now(UTC), 10.0)
    return orjson.loads((await create_key(container.of(tenant_id), call, None)).body)


def bearer(key: str) -> dict[str, str]:
    """Headers with a key."""
    return {"Authorization": f"Bearer {key}"}
