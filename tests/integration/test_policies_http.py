"""Stored policies over HTTP: stored once, named in evaluations, replayed as they were."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.container import Container
from app.lifespan import open_container
from app.ports import PolicyDraft
from app.settings import Settings
from app.translate.policy import policy_sha256, resolved_json
from models.api.policy import PolicyIn
from tests.support import requests
from tests.support.http import client_of

POLICY: dict[str, Any] = {
    "sizing": {"method": "volatility_target", "target_volatility": 0.15},
    "limits": {"max_leverage": 1.5},
}
VARIES = ("evaluation_id", "received_at", "computed_at", "inputs", "policy", "assumptions", "audit")


@pytest.fixture
async def container(tmp_path: Path) -> AsyncIterator[Container]:
    async with open_container(Settings(data_dir=tmp_path)) as found:
        yield found


@pytest.fixture
async def http(container: Container) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(container) as found:
        yield found


async def store(http: httpx.AsyncClient, policy: dict[str, Any] = POLICY, **fields: Any) -> dict[str, Any]:
    answer = await http.post("/v1/policies", json={"policy_id": "desk", "policy": policy, **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def evaluate(http: httpx.AsyncClient, policy: Any, door: str = "evaluations", **changes: Any) -> dict[str, Any]:
    answer = await http.post(f"/v1/{door}", json={**requests.smallest(), **changes, "policy": policy})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refused(http: httpx.AsyncClient, policy: Any, **changes: Any) -> list[tuple[str, str, str]]:
    answer = await http.post("/v1/evaluations", json={**requests.smallest(), **changes, "policy": policy})
    assert answer.status_code == 422, answer.text
    return [(rule["pointer"], rule["code"], rule["detail"]) for rule in answer.json()["errors"]]


def decided(answer: dict[str, Any]) -> dict[str, Any]:
    """What an answer decides: without ids, clocks and names."""
    kept = {key: value for key, value in answer.items() if key not in VARIES}
    for order in kept.get("orders", ()):
        order.pop("client_order_id"), order.pop("bundle_id")
    return kept


def forget_policies(folder: Path) -> None:
    """Delete behind the program's back: it has no way to do this."""
    (database,) = folder.glob("*.db")
    connection = sqlite3.connect(database, isolation_level=None)
    assert connection.execute("DELETE FROM stored_policy").rowcount == 1
    connection.close()


async def test_a_policy_is_stored_once_and_numbered(http: httpx.AsyncClient) -> None:
    first = await store(http, comment="for the desk")
    assert (first["policy_id"], first["version"], first["created"]) == ("desk", 1, True)
    assert (first["policy"], first["comment"], first["defaults_version"]) == (POLICY, "for the desk", 3)
    inline = await evaluate(http, POLICY)
    assert first["sha256"] == inline["inputs"]["policy_resolved_sha256"]
    assert first["policy_resolved"] == inline["policy_resolved"]

    again = await store(http, {**POLICY, "buffer": {"method": "position"}}, comment="a default spelt out")
    assert (again["created"], again["version"], again["policy"], again["comment"]) == (False, 1, POLICY, "for the desk")
    assert again["audit"]["index"] != first["audit"]["index"], "the call itself is on record"

    second = await store(http, {**POLICY, "limits": {"max_leverage": 1.0}})
    assert (second["created"], second["version"]) == (True, 2)
    newest = (await http.get("/v1/policies/desk")).json()
    assert newest["policy"] == second["policy"]
    assert [(item["version"], item["comment"]) for item in newest["versions"]] == [(2, None), (1, "for the desk")]
    one = (await http.get("/v1/policies/desk/versions/1")).json()
    assert one == {key: first[key] for key in one}
    entries = (await http.get("/v1/audit/entries", params={"kind": "policy"})).json()["items"]
    assert [entry["event_id"] for entry in entries] == [first["event_id"], again["event_id"], second["event_id"]]


async def test_a_named_policy_sizes_exactly_as_the_same_fields_do(http: httpx.AsyncClient) -> None:
    hedging = {"method": "threshold", "instrument": "BTC-PERPETUAL", "max_delta": 0.05}
    stored = await store(http, {**POLICY, "hedging": hedging})
    name = {"id": "desk", "version": 1}
    for door, body, fields in (
        ("evaluations", requests.desk(), {**POLICY, "hedging": hedging}),
        ("targets", requests.smallest(), {**POLICY, "hedging": hedging}),
        ("margin", requests.margin_only(), {"limits": POLICY["limits"]}),
        ("hedges", requests.hedge_only(), {"limits": POLICY["limits"], "hedging": hedging}),
    ):
        named = (await http.post(f"/v1/{door}", json={**body, "policy": name})).json()
        inline = (await http.post(f"/v1/{door}", json={**body, "policy": fields})).json()
        assert named["policy"] == {"id": "desk", "version": 1, "sha256": stored["sha256"]}
        assert decided(named) == decided(inline)
        assert named["assumptions"] == inline["assumptions"]
        same = "policy_resolved_sha256"
        assert named["inputs"][same] == inline["inputs"][same]
        replay = (await http.post(f"/v1/evaluations/{named['evaluation_id']}:replay")).json()
        assert replay["match"] is True, replay["differences"]


async def test_without_a_version_the_newest_is_used_and_said(http: httpx.AsyncClient) -> None:
    await store(http)
    await store(http, {**POLICY, "limits": {"max_leverage": 0.1}})
    open_ended = await evaluate(http, {"id": "desk"})
    assert open_ended["policy"]["version"] == 2
    said = [(item["pointer"], item["value"]) for item in open_ended["assumptions"]]
    assert ("/policy/version", "2") in said
    first = await evaluate(http, {"id": "desk", "version": 1})
    assert "/policy/version" not in [item["pointer"] for item in first["assumptions"]]
    assert abs(float(open_ended["targets"][0]["target_quantity"])) < abs(float(first["targets"][0]["target_quantity"]))

    rules = await refused(http, {"id": "desk"}, options={"strict": True})
    assert ("/policy/version", "assumption") in [rule[:2] for rule in rules]


async def test_names_that_are_none_are_refused_where_they_stand(http: httpx.AsyncClient) -> None:
    ((pointer, code, detail),) = await refused(http, {"id": "desk"})
    assert (pointer, code) == ("/policy/id", "unknown_policy")
    assert "POST /v1/policies" in detail
    await store(http)
    ((pointer, code, detail),) = await refused(http, {"id": "dest", "version": 1})
    assert (pointer, code) == ("/policy/id", "unknown_policy")
    assert "did you mean desk?" in detail
    ((pointer, code, detail),) = await refused(http, {"id": "desk", "version": 7})
    assert (pointer, code) == ("/policy/version", "unknown_policy")
    assert "versions 1 to 1" in detail
    rules = await refused(http, {"id": "desk", "version": 1, "limits": {"max_leverage": 9}})
    assert [rule[:2] for rule in rules] == [("/policy/limits", "inconsistent")]
    answer = await http.post("/v1/hedges", json={**requests.hedge_only(), "policy": {"id": "desk", "version": 1}})
    assert answer.json()["errors"][0]["pointer"] == "/policy/id"
    assert "hedging" in answer.json()["errors"][0]["detail"]
    for path in (
        "desks",
        "desks/versions/1",
        "desk/versions/2",
        "desk/versions/01",
        "desk/versions/x",
        "desk/versions/0",
    ):
        assert (await http.get(f"/v1/policies/{path}")).json()["code"] == "not_found"


async def test_a_policy_with_mistakes_is_refused_where_they_stand(http: httpx.AsyncClient) -> None:
    for body, pointer in (
        (
            {"policy": {"sizing": {"method": "volatility_target", "target_volatility": 20}}},
            "/policy/sizing/target_volatility",
        ),
        ({"policy": {"limits": {}}}, "/policy/sizing"),
        ({"policy": {"id": "desk", **POLICY}}, "/policy/id"),
        ({"policy": POLICY, "policy_id": "a b"}, "/policy_id"),
        ({"policy": POLICY, "comment": "two\nlines"}, "/comment"),
        ({"policy": POLICY, "comment": ""}, "/comment"),
        ({}, "/policy"),
    ):
        answer = await http.post("/v1/policies", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await http.get("/v1/policies")).json() == {"items": [], "next": None}


async def test_a_replay_needs_the_record_and_not_the_store(http: httpx.AsyncClient, tmp_path: Path) -> None:
    await store(http)
    answer = await evaluate(http, {"id": "desk"})
    forget_policies(tmp_path)
    assert (await http.get("/v1/policies/desk")).status_code == 404
    replay = (await http.post(f"/v1/evaluations/{answer['evaluation_id']}:replay")).json()
    assert replay["match"] is True, replay["differences"]


async def test_what_an_older_build_stored_keeps_its_sizes(http: httpx.AsyncClient, container: Container) -> None:
    """Defaults version 1 forecast with EWMA; its stored policies go on doing so, under its fingerprint."""
    policy = PolicyIn.model_validate({**POLICY, "estimator": {"method": "ewma"}}).resolved()
    old = PolicyDraft(
        policy_id="old",
        sha256=policy_sha256(policy, 1),
        defaults_version=1,
        sent=orjson.dumps(POLICY),
        resolved=resolved_json(policy),
        comment=None,
        created_at=datetime(2025, 1, 1, tzinfo=UTC),
    )
    await container.policies.add("local", old)
    named = await evaluate(http, {"id": "old", "version": 1})
    assert named["inputs"]["defaults_version"] == 1
    assert named["inputs"]["policy_resolved_sha256"] == named["policy"]["sha256"] == old.sha256
    assert named["targets"] == (await evaluate(http, {**POLICY, "estimator": {"method": "ewma"}}))["targets"]
    assert named["targets"] != (await evaluate(http, POLICY))["targets"]


async def test_fields_that_this_build_added_are_said_and_unknown_ones_refused(
    http: httpx.AsyncClient, container: Container
) -> None:
    content = orjson.loads(resolved_json(PolicyIn.model_validate(POLICY).resolved()))
    del content["buffer"]
    for name, stored in (("older", content), ("newer", {**content, "block_of_tomorrow": {}})):
        draft = PolicyDraft(
            policy_id=name,
            sha256="ab" * 32,
            defaults_version=2,
            sent=orjson.dumps(POLICY),
            resolved=orjson.dumps(stored),
            comment=None,
            created_at=datetime(2025, 1, 1, tzinfo=UTC),
        )
        await container.policies.add("local", draft)
    answer = await evaluate(http, {"id": "older", "version": 1})
    assert [item["effect"] for item in answer["assumptions"] if item["pointer"] == "/policy"] == [
        "the stored policy does not have buffer"
    ]
    ((pointer, _, detail),) = await refused(http, {"id": "newer", "version": 1})
    assert pointer == "/policy/version"
    assert "block_of_tomorrow" in detail


async def test_reads_can_be_conditional(http: httpx.AsyncClient) -> None:
    await store(http)
    for path in ("/v1/policies/desk", "/v1/policies/desk/versions/1"):
        tag = (await http.get(path)).headers["ETag"]
        for sent in (tag, f'"other", W/{tag}', "*"):
            answer = await http.get(path, headers={"If-None-Match": sent})
            assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
        assert (await http.get(path, headers={"If-None-Match": '"other"'})).status_code == 200
    answer = await http.get("/v1/policies/desk", headers={"If-None-Match": ""})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "header:If-None-Match")
    tag = (await http.get("/v1/policies/desk")).headers["ETag"]
    await store(http, {**POLICY, "limits": {"max_leverage": 1.0}})
    await store(http)  # the content of version 1 again, as version 3
    assert (await http.get("/v1/policies/desk", headers={"If-None-Match": tag})).status_code == 200


async def test_a_repeat_with_the_same_key_stores_nothing(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await http.post("/v1/policies", json={"policy": POLICY}, headers=headers)
    again = await http.post("/v1/policies", json={"policy": POLICY}, headers=headers)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.json()["policy_id"].startswith("pol_")
    other = await http.post("/v1/policies", json={"policy": POLICY, "comment": "other"}, headers=headers)
    assert other.json()["code"] == "idempotency_mismatch"
    await http.post("/v1/policies", json={"policy": POLICY})
    assert len((await http.get("/v1/policies")).json()["items"]) == 2, "without a key each call makes its own"


async def test_pages(http: httpx.AsyncClient) -> None:
    for name in ("c", "a", "b"):
        await store(http, policy_id=name)
    first = (await http.get("/v1/policies", params={"limit": 2})).json()
    rest = (await http.get("/v1/policies", params={"limit": 2, "after": first["next"]})).json()
    assert [item["policy_id"] for item in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next"] is None
    for cursor in ("bad", "_w=="):
        assert (await http.get("/v1/policies", params={"after": cursor})).json()["errors"][0][
            "pointer"
        ] == "query:after"
