"""API keys over HTTP: who is let in, to what, and what nobody is told."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.api_key import check, new_key
from app.caller import ANY_KEY, PUBLIC, Scope
from app.container import Container
from app.lifespan import open_container
from app.main import create_app
from app.openapi import needs_by_operation, openapi_document
from app.ports import AuditUnavailable
from app.routes import ROUTES
from app.routes.routing import RawRoute
from app.settings import Settings
from tests.support.http import client_of
from tests.support.keys import ALL, bearer, first_key, make_key
from tests.support.live import SetClock

OPEN = {
    "/livez", "/readyz", "/", "/console/{name}", "/docs", "/docs/ws", "/docs/{name}", "/favicon.ico", "/openapi.json",
    "/asyncapi.json", "/v1/time", "/v1/errors", "/v1/limits", "/v1/catalog", "/v1/log/checkpoint", "/v1/log/key",
    "/v1/log/proof/inclusion", "/v1/log/proof/consistency", "/v1/log/tile/{tile:path}", "/v1/log/cosignatures",
}  # fmt: skip
"""What needs no key, written down apart from the routes: a further one is a decision."""
ROUTE = {(next(iter(item.methods or ())), item.path): item for item in ROUTES if isinstance(item, RawRoute)}
GUARDED = {name: item for name, item in ROUTE.items() if item.needs is not PUBLIC}


@dataclasses.dataclass
class Service:
    """A service in process."""

    container: Container
    http: httpx.AsyncClient
    clock: SetClock

    async def key(self, *scopes: str, tenant: str = "local", **fields: Any) -> dict[str, str]:
        """Headers of a new key."""
        return bearer((await make_key(self.container, tenant, scopes or ALL, **fields))["key"])


@asynccontextmanager
async def opened(folder: Path, **changes: Any) -> AsyncIterator[Service]:
    async with open_container(Settings(data_dir=folder, **changes)) as container:
        clock = SetClock(container.clock.now())
        container = dataclasses.replace(container, clock=clock)
        async with client_of(container) as http:
            yield Service(container, http, clock)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with opened(tmp_path) as found:
        yield found


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")


def path_of(path: str) -> str:
    """A path with something in each of its places."""
    return re.sub(r"\{[^}]*\}", "x", path)


async def test_without_a_key_everyone_is_local_and_from_the_first_on_nobody_else(service: Service) -> None:
    assert (await service.http.get("/v1/portfolios")).status_code == 200
    who = (await service.http.get("/v1/keys/current")).json()
    assert (who["tenant_id"], who["key_id"], who["keys_required"]) == ("local", None, False)
    key = await first_key(service.http)
    assert_refused(await service.http.get("/v1/portfolios"), 401, "unauthorized")
    assert (await service.http.get("/v1/portfolios", headers=bearer(key))).status_code == 200
    who = (await service.http.get("/v1/keys/current", headers=bearer(key))).json()
    assert who["keys_required"]
    assert who["key_id"].removeprefix("key_") in key
    assert set(who["scopes"]) == set(ALL)


async def test_keys_can_be_required_before_there_is_one(tmp_path: Path) -> None:
    async with opened(tmp_path, require_keys=True) as service:
        assert_refused(await service.http.get("/v1/portfolios"), 401, "unauthorized")
        assert (await service.http.get("/v1/time")).status_code == 200


async def test_every_guarded_route_refuses_a_caller_without_a_key(service: Service) -> None:
    await service.key()
    for method, path in GUARDED:
        answer = await service.http.request(method, path_of(path))
        assert_refused(answer, 401, "unauthorized")


async def test_only_what_is_meant_to_be_open_is_open(service: Service) -> None:
    await service.key()
    assert {path for _, path in ROUTE.keys() - GUARDED.keys()} == OPEN
    for method, path in ROUTE.keys() - GUARDED.keys():
        assert (await service.http.request(method, path_of(path))).status_code in (200, 404, 415, 422), path


async def test_each_route_lets_in_the_scope_that_it_names_and_no_other(service: Service) -> None:
    headers = {scope: await service.key(scope) for scope in ALL}
    for (method, path), item in GUARDED.items():
        for scope in ALL:
            answer = await service.http.request(method, path_of(path), headers=headers[scope])
            if item.needs is ANY_KEY or scope == item.needs:
                assert answer.status_code not in (401, 403), f"{method} {path} {scope}: {answer.text}"
            else:
                assert_refused(answer, 403, "forbidden_scope")
                assert item.needs.value in answer.json()["detail"]
                assert f'scope="{item.needs.value}"' in answer.headers["www-authenticate"]


def test_a_route_without_a_scope_cannot_be_made() -> None:
    from app.routes.routing import route

    with pytest.raises(TypeError, match="needs"):
        route("GET", "/v1/new", lambda request: None)  # type: ignore[call-arg,arg-type,return-value]


def test_the_document_says_what_each_route_asks_for() -> None:
    document, needed = openapi_document(), needs_by_operation()
    assert document["components"]["securitySchemes"]["api_key"]["scheme"] == "bearer"
    for path, item in document["paths"].items():
        for method, operation in item.items():
            needs = needed[method.upper(), path]
            assert operation["security"] == ([] if needs is PUBLIC else [{"api_key": []}])
            assert ({"401", "403", "429", "503"} <= operation["responses"].keys()) or needs is PUBLIC
            if isinstance(needs, Scope):
                assert operation["x-scope"] == needs.value
                assert f"Scope: `{needs.value}`." in operation["description"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Basic YTpi", "unauthorized"),
        ("Bearer", "malformed_key"),
        ("Bearer ttb_live_short", "malformed_key"),
        (f"Bearer {new_key().text[:-1]}", "malformed_key"),
        (f"Bearer {new_key().text}", "unauthorized"),
        (f"Bearer {new_key().text}, Bearer {new_key().text}", "malformed_key"),
        ("Bearer " + 600 * "x", "unauthorized"),
    ],
    ids=["another scheme", "nothing", "short", "cut", "nobody's", "two", "long"],
)
async def test_what_opens_nothing_is_refused_without_a_hint(service: Service, text: str, code: str) -> None:
    await service.key()
    answer = await service.http.get("/v1/portfolios", headers={"Authorization": text})
    assert_refused(answer, 401, code)
    assert "ttb_live_" not in answer.text


async def test_an_unknown_key_and_a_wrong_secret_get_the_same_answer(service: Service) -> None:
    key = (await make_key(service.container))["key"]
    wrong = key[:30] + ("A" if key[30] != "A" else "B") + key[31:-6]
    answers = [
        await service.http.get("/v1/portfolios", headers=bearer(text))
        for text in (wrong + check(wrong), new_key().text)
    ]
    said = [{k: v for k, v in answer.json().items() if k not in ("request_id", "server_time")} for answer in answers]
    assert said[0] == said[1]
    assert said[0]["code"] == "unauthorized"


@pytest.mark.parametrize("place", range(5))
async def test_the_environment_and_the_id_are_part_of_what_is_proven(service: Service, place: int) -> None:
    first, other = [(await make_key(service.container))["key"] for _ in range(2)]
    body = ("ttb_test" + first[8:-6], "ttb_l" + first[8:-6], other[:26] + first[26:-6], first[:26] + other[26:-6],
            first[:-7] + ("A" if first[-7] != "A" else "B"))[place]  # fmt: skip
    assert_refused(await service.http.get("/v1/portfolios", headers=bearer(body + check(body))), 401, "unauthorized")


async def test_an_expired_and_a_revoked_key_say_so_to_their_holder_only(service: Service) -> None:
    admin = await service.key("admin")
    soon = (service.clock.now() + timedelta(minutes=5)).isoformat()
    short, long = [await make_key(service.container, scopes=["read"], **more) for more in ({"expires_at": soon}, {})]
    assert (await service.http.get("/v1/portfolios", headers=bearer(short["key"]))).status_code == 200
    service.clock.move(minutes=5)
    assert_refused(await service.http.get("/v1/portfolios", headers=bearer(short["key"])), 401, "expired_key")
    answer = await service.http.delete(f"/v1/keys/{long['key_id']}", headers=admin)
    assert answer.json()["revoked_at"] is not None
    assert_refused(await service.http.get("/v1/portfolios", headers=bearer(long["key"])), 401, "revoked_key")
    again = await service.http.delete(f"/v1/keys/{long['key_id']}", headers=admin)
    assert again.json()["revoked_at"] == answer.json()["revoked_at"], "the first revocation counts"


async def test_a_key_for_other_addresses_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as service:
        allowed = await service.key(networks=["127.0.0.0/8", "2001:db8::/32"])
        denied = await service.key(networks=["10.0.0.0/8"])
        assert (await service.http.get("/v1/portfolios", headers=allowed)).status_code == 200
        assert_refused(await service.http.get("/v1/portfolios", headers=denied), 403, "address_denied")
        app = create_app(service.container.settings, service.container)
        for address, found in (("2001:db8::1", 200), ("::ffff:127.0.0.1", 200), ("2001:db9::1", 403), ("unix", 403)):
            transport = httpx.ASGITransport(app=app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
                assert (await http.get("/v1/portfolios", headers=allowed)).status_code == found, address


async def test_twenty_failures_a_minute_and_then_silence_but_not_for_a_key_that_was_right_here(
    service: Service,
) -> None:
    good, new = await service.key(), await service.key()
    assert (await service.http.get("/v1/portfolios", headers=good)).status_code == 200
    wrong = bearer(new_key().text)
    for _ in range(20):
        assert_refused(await service.http.get("/v1/portfolios", headers=wrong), 401, "unauthorized")
    answer = await service.http.get("/v1/portfolios", headers=wrong)
    assert_refused(answer, 429, "too_many_failures")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    for _ in range(21):
        assert_refused(await service.http.get("/v1/portfolios", headers=bearer("ttb")), 401, "malformed_key")
    assert (await service.http.get("/v1/portfolios", headers=good)).status_code == 200, "it shares the address"
    assert_refused(await service.http.get("/v1/portfolios", headers=new), 429, "too_many_failures")
    service.clock.move(seconds=60)
    assert (await service.http.get("/v1/portfolios", headers=new)).status_code == 200


async def test_a_key_in_another_place_is_refused_and_not_repeated(service: Service) -> None:
    key = (await make_key(service.container))["key"]
    for path in (f"/v1/portfolios?key={key}", f"/v1/policies/{key}", f"/v1/time?{key}"):
        answer = await service.http.get(path, headers=bearer(key))
        assert_refused(answer, 400, "misplaced_key")
        assert key[26:] not in answer.text
    for name in ("X-Api-Key", "Idempotency-Key", "X-Request-Id", "Cookie"):
        answer = await service.http.get("/v1/portfolios", headers={**bearer(key), name: key})
        assert_refused(answer, 400, "misplaced_key")
        assert key[26:] not in answer.text + str(answer.headers)
    answer = await service.http.post("/v1/keys", json={"label": f"like {key}", "scopes": ["read"]}, headers=bearer(key))
    assert_refused(answer, 400, "misplaced_key")


async def test_a_store_that_is_away_lets_in_nobody(service: Service) -> None:
    headers = await service.key()

    class Away:
        def any(self) -> bool:
            return True

        async def find(self, key_id: str) -> None:
            raise AuditUnavailable("the audit database cannot be reached")

    async with client_of(dataclasses.replace(service.container, keys=Away())) as http:  # type: ignore[arg-type]
        answer = await http.get("/v1/portfolios", headers=headers)
        assert_refused(answer, 503, "keys_unavailable")
        assert answer.headers["retry-after"] == "1"
        assert (await http.get("/livez")).status_code == 200


async def test_readiness_tells_strangers_the_summary_only(service: Service) -> None:
    assert (await service.http.get("/readyz")).json()["dependencies"]["audit"]["status"] == "up"
    watcher, other = await service.key("metrics:read"), await service.key("read")
    for headers in ({}, other):
        found = (await service.http.get("/readyz", headers=headers)).json()
        assert found == {"status": "ready", "degraded": []}
    assert (await service.http.get("/readyz", headers=watcher)).json()["dependencies"]


# The keys themselves


async def test_the_secret_is_shown_once_and_is_in_no_store(service: Service, tmp_path: Path) -> None:
    admin = await service.key("admin")
    body, headers = {"label": "bot", "scopes": ["read"]}, {**admin, "Idempotency-Key": "k1"}
    first = await service.http.post("/v1/keys", json=body, headers=headers)
    again = await service.http.post("/v1/keys", json=body, headers=headers)
    key = first.json()["key"]
    assert again.headers["idempotency-replayed"] == "true"
    assert {name for name in first.json() if first.json()[name] != again.json()[name]} == {"key", "note"}
    assert again.json()["key"] is None
    assert "first answer" in again.json()["note"]
    listed = (await service.http.get("/v1/keys", headers=admin)).json()
    assert {item["label"] for item in listed["items"]} == {"test", "bot"}
    assert "digest" not in orjson.dumps(listed).decode()
    entries = (await service.http.get("/v1/audit/entries?kind=key", headers=await service.key("audit:read"))).json()
    assert [item["kind"] for item in entries["items"]] == ["key"] * 3
    stored = await service.container.audit.get("local", first.json()["event_id"])
    assert stored is not None
    assert orjson.loads(stored.response)["key_id"] == first.json()["key_id"]
    secret = key[26:-6].encode()
    assert secret not in stored.response + stored.request
    for path in sorted(tmp_path.iterdir()):  # noqa: ASYNC240
        assert secret not in path.read_bytes(), path


async def test_a_tenant_sees_and_revokes_its_own_keys_only(service: Service) -> None:
    mine, theirs = await service.key(tenant="a"), await make_key(service.container, "b")
    listed = (await service.http.get("/v1/keys", headers=mine)).json()["items"]
    assert {item["tenant_id"] for item in listed} == {"a"}
    unknown = await service.http.delete("/v1/keys/key_aaaaaaaaaaaaaaaa", headers=mine)
    foreign = await service.http.delete(f"/v1/keys/{theirs['key_id']}", headers=mine)
    assert_refused(foreign, 404, "not_found")
    assert unknown.json()["detail"] == foreign.json()["detail"]
    assert (await service.http.get("/v1/portfolios", headers=bearer(theirs["key"]))).status_code == 200
    made = await first_key_of(service, mine)
    assert made["tenant_id"] == "a"


async def first_key_of(service: Service, headers: dict[str, str]) -> Any:
    return (await service.http.post("/v1/keys", json={"label": "x", "scopes": ["read"]}, headers=headers)).json()


async def test_keys_come_in_pages(service: Service) -> None:
    admin = await service.key()
    for _ in range(4):
        await service.key("read")
    found: list[str] = []
    after = ""
    while after is not None:
        page = (await service.http.get(f"/v1/keys?limit=2{after}", headers=admin)).json()
        found += [item["key_id"] for item in page["items"]]
        after = f"&after={page['next']}" if page["next"] else None  # type: ignore[assignment]
    assert len(found) == 5
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["root"]}, "/scopes/0"),
        ({"scopes": ["read", "read"]}, ""),
        ({"networks": ["10.0.0.1/8"]}, "/networks/0"),
        ({"networks": ["everywhere"]}, "/networks/0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"signing": "ed25519"}, ""),
        ({"signing": "ed25519", "public_key": 44 * "A"}, "/public_key"),
        ({"public_key": 43 * "A" + "="}, ""),
        ({"tenant_id": "b"}, "/tenant_id"),
        ({"key_id": "key_aaaaaaaaaaaaaaaa"}, "/key_id"),
        ({"digest": "x"}, "/digest"),
        ({"revoked_at": None}, "/revoked_at"),
        ({"label": ""}, "/label"),
        ({"units_per_second": 0}, "/units_per_second"),
    ],
)
async def test_a_bad_request_for_a_key_names_the_field(service: Service, fields: dict[str, Any], pointer: str) -> None:
    answer = await service.http.post("/v1/keys", json={"label": "x", "scopes": ["read"], **fields})
    assert_refused(answer, 422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == pointer, answer.text
    assert not service.container.keys.any(), "nothing was made"


async def test_a_key_gives_no_rate_that_its_maker_does_not_have(service: Service) -> None:
    admin = await service.key("admin", units_per_second=10, burst_units=20)
    for field, most in (("units_per_second", 10), ("burst_units", 20)):
        body = {"label": "x", "scopes": ["read"], "units_per_second": 1, field: most + 1}
        answer = await service.http.post("/v1/keys", json=body, headers=admin)
        assert answer.status_code == 422, answer.text
        assert [rule["pointer"] for rule in answer.json()["errors"]] == [f"/{field}"]
    body = {"label": "x", "scopes": ["read"], "units_per_second": 10, "burst_units": 20}
    assert (await service.http.post("/v1/keys", json=body, headers=admin)).status_code == 200


async def test_a_key_that_signs_has_no_bearer_secret(service: Service) -> None:
    public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    ed = await make_key(service.container, signing="ed25519", public_key=public)
    mac = await make_key(service.container, signing="hmac")
    assert (ed["key"], ed["signing_secret"], ed["public_key"]) == (None, None, public)
    assert mac["key"] is None
    assert len(mac["signing_secret"]) == 44


async def test_a_key_that_is_not_on_record_opens_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as service:

        class Full:
            def __getattr__(self, name: str) -> Any:
                return getattr(service.container.audit, name)

            async def append(self, record: Any, *, timeout: float) -> Any:
                raise AuditUnavailable("the disk is full")

        async with client_of(dataclasses.replace(service.container, audit=Full())) as http:  # type: ignore[arg-type]
            answer = await http.post("/v1/keys", json={"label": "x", "scopes": ["read"]})
            assert_refused(answer, 503, "audit_unavailable")
        assert not service.container.keys.any()
        made = await make_key(service.container)
        async with client_of(dataclasses.replace(service.container, audit=Full())) as http:  # type: ignore[arg-type]
            answer = await http.delete(f"/v1/keys/{made['key_id']}", headers=bearer(made["key"]))
            assert_refused(answer, 503, "audit_unavailable")
            assert "is revoked" in answer.json()["detail"]
        assert_refused(await service.http.get("/v1/portfolios", headers=bearer(made["key"])), 401, "revoked_key")


async def test_a_hundred_callers_at_once(service: Service) -> None:
    headers = [await service.key(tenant=f"t{n}") for n in range(10)]
    answers = await asyncio.gather(*(service.http.get("/v1/keys/current", headers=headers[n % 10]) for n in range(100)))
    assert [answer.json()["tenant_id"] for answer in answers] == [f"t{n % 10}" for n in range(100)]
