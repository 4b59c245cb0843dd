"""No tenant learns anything of another: not by its names, its tags, its keys of idempotency, nor by their absence.

Two services: one in which tenant `acme` has something in every store, one in which it never was. Whatever another
tenant sends, with names of `acme` in every place that takes one, the two must answer the same; a name of `acme` must be
answered as one that nobody has; and what `acme` reads must be the same before and after. What is not hidden is the
place of one's own entries in the log that all share.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.caller import PUBLIC
from app.container import Container
from app.lifespan import open_container
from app.openapi import needs_by_operation
from app.operations import OPERATIONS, Operation
from app.settings import Settings
from tests.support.http import client_of
from tests.support.keys import bearer, make_key

OWNER = "acme"
NEEDS = needs_by_operation()
DOORS = [item for item in OPERATIONS if NEEDS[item.method, item.path] is not PUBLIC and item.path != "/metrics"]
"""Metrics count what the process does, for whomever it does it."""
COMPUTING = [item for item in DOORS if item.body is not None and not item.idempotent and item.method == "POST"]
"""These neither keep nor record anything, and some take long: the short form leaves them out, the long has each."""
KEEPING = [item for item in DOORS if item not in COMPUTING]
BY_ID = [item for item in DOORS if "{" in item.path]
READS_BY_ID = [item for item in BY_ID if item.method == "GET"]
ALWAYS_ANSWERED = {"read_switch"}
"""A switch that was never set is `normal`, whoever asks."""
OWN = re.compile(
    rb'"(event_id|evaluation_id|request_id|fit_id|key_id|key|client_order_id|server_time|instance|audit|etag|'
    rb"\w*_at|valid_until|as_of|tenant_id|prefix|request_sha256|leaf|nonce|state_version|version|stream\w*|sha256|"
    rb'effective_from|to|ticket|bundle_id|by|signing_secret|index|body_length|stored_bytes|body_sha256)":("[^"]*"|\{[^{}]*\}|\[[^\][]*\]|[0-9.e+-]+|null)'
)
"""What differs from call to call: names, clocks, places in the log, and what is hashed of them."""
RUNNING = ("queued", "running")
UNKNOWN = {
    "evaluation_id": "ev_0123456789abcdef0123456789abcdef",
    "fit_id": "fit_0123456789abcdef0123456789abcdef",
    "key_id": "key_abcdefghijklmnop",
    "policy_id": "nobody-s-policy",
    "portfolio_id": "nobody-s-book",
    "market": "NOBODY-PERP",
    "symbol": "NOBODY-PERP",
    "scope": "account:nobody",
    "client_reference": "nobody-s-reference",
    "number": "7",
}
GIVEN = {"evaluation_id", "fit_id", "key_id", "policy_id", "symbol"}
"""Names that answers tell the owner."""
CHOSEN = {
    "portfolio_id": "canary-book",
    "market": "CANARY-PERP",
    "scope": "account:canary",
    "client_reference": "canary-reference",
    "version": "1",
    "number": "1",
}
"""Names that the owner gives."""


@dataclass
class World:
    """A service, and what `acme` has in it, by the name under which it is asked for."""

    container: Container
    http: httpx.AsyncClient
    owner: dict[str, str]
    names: dict[str, set[str]] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    made: int = 0

    async def stranger(self) -> dict[str, str]:
        """Headers of a tenant that was never here, with every scope."""
        self.made += 1
        return bearer((await make_key(self.container, f"stranger-{self.made}"))["key"])


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    async with (
        open_container(Settings(data_dir=folder, rate_units_per_second=0.0, request_timeout_seconds=30.0)) as container,
        client_of(container) as http,
    ):
        yield World(container, http, bearer((await make_key(container, OWNER))["key"]))


@asynccontextmanager
async def worlds(folder: Path) -> AsyncIterator[tuple[World, World]]:
    """One with the owner's data, one without."""
    async with AsyncExitStack() as stack:
        full = await stack.enter_async_context(world(folder / "full"))
        empty = await stack.enter_async_context(world(folder / "empty"))
        await populate(full)
        yield full, empty


async def populate(full: World) -> None:
    """Let the owner use every door, and note every name that it gets."""
    for operation in DOORS:
        bodies = [body for _, body in operation.examples.values()] or [None]
        for number, body in enumerate(bodies):
            if operation.operation_id == "revoke_key" or operation.method == "DELETE":
                continue
            path = operation.path
            for name in re.findall(r"\{(\w+)\}", path):
                chosen = CHOSEN.get(name) or min(full.names.get(name) or {UNKNOWN[name]})
                path = path.replace(f"{{{name}}}", chosen)
            sent = body
            if sent is not None and "client_reference" in (operation.body.model_fields if operation.body else ()):
                sent = {**sent, **{name: CHOSEN[name] for name in ("client_reference", "portfolio_id")}}
            headers = {**full.owner, "Idempotency-Key": f"{operation.operation_id}-{number}"}
            answer = await full.http.request(
                operation.method, path, json=sent, params=dict(operation.query_examples), headers=headers
            )
            assert answer.status_code not in (401, 403, 500), answer.text
            if tag := answer.headers.get("etag"):
                full.tags.add(tag)
            for name, value in re.findall(rb'"(\w+)":"([^"]+)"', answer.content):
                if name.decode() in GIVEN:
                    full.names.setdefault(name.decode(), set()).add(value.decode())
            for value in re.findall(rb'"event_id":"(ev_[0-9a-f]{32})"', answer.content):
                full.names.setdefault("evaluation_id", set()).add(value.decode())
    full.names |= {name: {value} for name, value in CHOSEN.items()}
    for fit_id in full.names["fit_id"]:  # it changes by itself until it is done
        status = "queued"
        while status in RUNNING:
            await asyncio.sleep(0.05)
            found = await full.http.get(f"/v1/volatility/fits/{fit_id}", headers=full.owner)
            status = found.json()["status"]
    missing = UNKNOWN.keys() - {name for name, values in full.names.items() if values}
    assert not missing, f"acme has no {missing}"


@dataclass(frozen=True)
class Case:
    """One request of a stranger, with a name of the owner in it, and the same with a name that nobody has."""

    operation: Operation
    path: str
    unknown_path: str
    query: dict[str, Any]
    unknown_query: dict[str, Any]
    body: Any
    unknown_body: Any
    headers: dict[str, str]
    names: tuple[str, ...]


def cases(full: World, doors: list[Operation], seed: int, count: int) -> Iterator[Case]:
    chance = random.Random(seed)
    for number in range(count):
        # Each door once, and then those that take a name most of the time.
        often = BY_ID if chance.random() < 0.8 else KEEPING
        operation = doors[number] if number < len(doors) else chance.choice(often)
        path = unknown_path = operation.path
        names = []
        for name in re.findall(r"\{(\w+)\}", operation.path):
            mine = chance.choice(sorted(full.names[name]))
            path = path.replace(f"{{{name}}}", mine)
            unknown_path = unknown_path.replace(f"{{{name}}}", UNKNOWN.get(name, mine))
            names.append(mine)
        query: dict[str, Any] = dict(operation.query_examples)
        unknown_query = dict(query)
        for name in operation.query.model_fields:
            if (pool := full.names.get({"against": "evaluation_id"}.get(name, name))) and chance.random() < 0.6:
                query[name] = chance.choice(sorted(pool))
                unknown_query[name] = UNKNOWN.get({"against": "evaluation_id"}.get(name, name), query[name])
                names.append(query[name])
        bodies = [body for _, body in operation.examples.values()]
        body = unknown_body = chance.choice(bodies) if bodies else None
        fields = operation.body.model_fields if operation.body else {}
        if body is not None and "policy" in fields and chance.random() < 0.3:
            chosen = chance.choice(sorted(full.names["policy_id"]))
            body = {**body, "policy": {"id": chosen, "version": 1}}
            unknown_body = {**body, "policy": {"id": UNKNOWN["policy_id"], "version": 1}}
            names.append(chosen)
        if body is not None and "series" in fields and operation.tag == "Evaluate" and chance.random() < 0.3:
            body, unknown_body = ({**one, "series": []} for one in (body, unknown_body))
        headers = {}
        if chance.random() < 0.3:
            kind = chance.choice(["If-Match", "If-None-Match"])
            headers[kind] = chance.choice(sorted(full.tags))
        if chance.random() < 0.5:
            headers["Idempotency-Key"] = f"{operation.operation_id}-0"
        yield Case(operation, path, unknown_path, query, unknown_query, body, unknown_body, headers, tuple(names))


async def send(
    there: World, case: Case, who: dict[str, str], *, unknown: bool = False
) -> tuple[int, dict[str, str], bytes]:
    """Status, telling headers, and body without what differs from call to call."""
    path, query, body = (
        (case.unknown_path, case.unknown_query, case.unknown_body) if unknown else (case.path, case.query, case.body)
    )
    headers = {**who, **case.headers}
    answer = await there.http.request(case.operation.method, path, params=query, json=body, headers=headers)
    told = {name: answer.headers.get(name, "") for name in ("idempotency-replayed", "allow", "retry-after")}
    told["etag"] = "yes" if "etag" in answer.headers else ""
    text = answer.content
    for name in sorted({*case.names, *UNKNOWN.values()}, key=len, reverse=True):
        if len(name) > 3:
            text = text.replace(name.encode(), b"NAME")
    before = None
    while before != text:  # from the innermost out
        before, text = text, OWN.sub(rb'"\1":0', text)
    return answer.status_code, told, text


async def owned(full: World) -> dict[str, bytes]:
    """Everything that the owner reads by name, and its lists."""
    found = {}
    for operation in DOORS:
        if operation.method != "GET" or operation.operation_id == "read_scalar":
            continue
        for name in re.findall(r"\{(\w+)\}", operation.path) or [""]:
            for value in sorted(full.names.get(name, {""})):
                path = re.sub(rf"\{{{name}\}}", value, operation.path).replace("{version}", "1")
                answer = await full.http.get(path, params=dict(operation.query_examples), headers=full.owner)
                found[path] = answer.content
    return {path: OWN_CLOCKS.sub(b"", body) for path, body in found.items()}


OWN_CLOCKS = re.compile(rb'"(server_time|request_id|age_seconds|computed_at)":("[^"]*"|[0-9.]+)')


async def leaks(folder: Path, doors: list[Operation], seed: int, count: int) -> Counter[str]:
    """Requests whose answers tell anything of the owner, which must be none; and the statuses that were seen."""
    seen, found = Counter[str](), list[str]()
    async with worlds(folder) as (full, empty):
        before = await owned(full)
        reader = await full.stranger(), await empty.stranger()
        for case in cases(full, doors, seed, count):
            changes = case.operation.idempotent or case.operation.method in ("PUT", "DELETE")
            changes |= case.operation.operation_id == "read_scalar"
            here, elsewhere = (await full.stranger(), await empty.stranger()) if changes else reader
            unknown_here = await full.stranger() if changes else here
            with_name = await send(full, case, here)
            without_owner = await send(empty, case, elsewhere)
            with_unknown = await send(full, case, unknown_here, unknown=True)
            what = f"{case.operation.operation_id} {case.path} {case.query} {case.headers}"
            expects_404 = case.operation in READS_BY_ID and case.operation.operation_id not in ALWAYS_ANSWERED
            if with_name != without_owner:
                found.append(f"the owner is noticed: {what}: {with_name} {without_owner}")
            elif with_name != with_unknown:
                found.append(f"its name is no unknown one: {what}: {with_name} {with_unknown}")
            elif with_name[0] >= 500 or (expects_404 and with_name[0] != 404):
                found.append(f"{what}: {with_name}")
            seen[str(with_name[0])] += 1
        assert await owned(full) == before, "what the owner has was changed"
    assert found == [], "\n".join(f"{len(found)} of {count}; {text}" for text in found[:10])
    return seen


async def test_a_stranger_with_the_owner_s_names_learns_and_changes_nothing(tmp_path: Path) -> None:
    seen = await leaks(tmp_path, KEEPING, seed=1, count=500)
    assert seen["404"] > 100, seen
    assert seen["200"] > 50, f"strangers must be able to do something of their own: {seen}"


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", range(2, 12))
async def test_ten_thousand_of_them(tmp_path: Path, seed: int) -> None:
    seen = await leaks(tmp_path, DOORS if seed == 2 else KEEPING, seed=seed, count=1000)
    print(f"1,000 cases, 3,000 requests, 0 leaks; statuses {dict(seen)}")


async def test_lists_of_a_stranger_are_empty(tmp_path: Path) -> None:
    async with world(tmp_path) as full:
        await populate(full)
        who = await full.stranger()
        for name in ("evaluations", "portfolios", "policies", "instruments", "volatility", "breakers"):
            path = f"/v1/{name}"
            assert (await full.http.get(path, headers=full.owner)).json()["items"], path
            assert (await full.http.get(path, headers=who)).json()["items"] == [], path
        entries = (await full.http.get("/v1/audit/entries", headers=who)).json()["items"]
        assert [item["kind"] for item in entries] == ["key"], "its own key, and nothing else"


@pytest.mark.parametrize("name", ["tenant_id", "seq", "key_id", "event_id", "index", "received_at"])
async def test_no_request_can_set_what_the_service_sets(tmp_path: Path, name: str) -> None:
    async with world(tmp_path) as full:
        who = await full.stranger()
        for operation in DOORS:
            for _, body in list(operation.examples.values())[:1]:
                if operation.body is None or name in operation.body.model_fields:
                    continue
                path = re.sub(r"\{(\w+)\}", lambda found: UNKNOWN[found[1]], operation.path)
                answer = await full.http.request(operation.method, path, json={**body, name: OWNER}, headers=who)
                assert answer.status_code == 422, f"{path}: {answer.text}"
                errors = [(rule["code"], rule["pointer"]) for rule in answer.json()["errors"]]
                assert ("unknown_field", f"/{name}") in errors, f"{path}: {errors}"


async def test_an_idempotency_key_of_another_tenant_is_nobody_s(tmp_path: Path) -> None:
    async with world(tmp_path) as full:
        stranger = await full.stranger()
        body = orjson.dumps({"label": "x", "scopes": ["read"]})
        headers = {"Content-Type": "application/json", "Idempotency-Key": "the same"}
        answers = [
            await full.http.post("/v1/keys", content=body, headers={**headers, **who}) for who in (full.owner, stranger)
        ]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json()["key_id"] != answers[1].json()["key_id"]
        assert all("idempotency-replayed" not in answer.headers for answer in answers)
