"""The contract: OpenAPI says what is there, nothing else is there, and every example in it runs.

A change of the contract is a reviewed difference of `openapi.json`; `python -m tests.contract.test_openapi` writes it.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from jsonschema_rs import validator_for
from starlette.routing import Route

from app.examples import SMALLEST
from app.main import create_app
from app.openapi import GUARDED, openapi_document
from app.operations import OPERATIONS, Operation
from app.problems import PROBLEMS
from app.settings import Settings
from tests.support.http import client
from tests.support.keys import first_key

SNAPSHOT = Path(__file__).with_name("openapi.json")
UNDOCUMENTED = {
    ("GET", path)
    for path in (
        "/",
        "/console/{name}",
        "/openapi.json",
        "/asyncapi.json",
        "/docs",
        "/docs/ws",
        "/docs/{name}",
        "/favicon.ico",
    )
}
HANDSHAKE = {501}
"""Statuses with which only the handshake of the stream is refused."""
DOCUMENT = openapi_document()


def written(document: dict[str, Any]) -> bytes:
    """Document as it lies in the repository."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of the document."""
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def references(node: Any) -> Iterator[str]:
    """Every `$ref` below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def schema_of(reference: dict[str, Any]) -> Any:
    """Validator of a schema of the document."""
    return validator_for({**reference, "components": DOCUMENT["components"]})


def test_the_contract_has_not_changed_unnoticed() -> None:
    assert written(DOCUMENT) == SNAPSHOT.read_bytes(), "run `python -m tests.contract.test_openapi` and review the diff"


def test_routes_and_document_name_the_same_operations() -> None:
    app = create_app(Settings())
    routes = [route for route in app.routes if isinstance(route, Route)]
    assert [route.path for route in app.routes if not isinstance(route, Route)] == ["/v1/stream"]
    served = {(method, re.sub(r":\w+\}", "}", route.path)) for route in routes for method in route.methods or ()}
    assert served - UNDOCUMENTED == {(method, path) for method, path, _ in operations()}


def test_operation_ids_are_unique_and_clean() -> None:
    names = Counter(operation["operationId"] for _, _, operation in operations())
    assert max(names.values()) == 1
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    found = set(references(DOCUMENT))
    for reference in found:
        node: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    used = {reference.rpartition("/")[2] for reference in found if "/schemas/" in reference}
    assert used == set(DOCUMENT["components"]["schemas"])


def test_requests_forbid_unknown_fields_and_answers_do_not() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for operation in OPERATIONS:
        if operation.body is not None:
            assert schemas[operation.body.__name__]["additionalProperties"] is False
        for model in operation.answers:
            assert "additionalProperties" not in schemas[model.__name__]


def test_every_problem_status_is_documented_where_it_can_come() -> None:
    by_status = {kind.status for kind in PROBLEMS.values()} - HANDSHAKE - {405}
    documented = {status for operation in OPERATIONS for status in operation.problems} | set(GUARDED)
    assert documented == by_status


def test_fields_of_requests_are_described_or_speak_for_themselves() -> None:
    undescribed = [
        f"{operation.operation_id}.{name}"
        for operation in OPERATIONS
        for name, field in operation.query.model_fields.items()
        if not field.description and name not in ("symbol", "venue", "portfolio_id", "client_reference")
    ]
    assert undescribed == []


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service, with a key that may do everything: making one is among the examples."""
    async with client(tmp_path) as found:
        found.headers["Authorization"] = f"Bearer {await first_key(found)}"
        yield found


def example_calls() -> list[tuple[Operation, dict[str, Any] | None]]:
    """Every example of the document that needs nothing but a fresh service; one has no witness and no such head."""
    calls: list[tuple[Operation, dict[str, Any] | None]] = []
    for operation in OPERATIONS:
        bodies = [body for _, body in operation.examples.values()]
        if operation.body is not None:
            assert bodies, f"{operation.operation_id} has no example"
        if "{" not in operation.path and operation.operation_id != "add_cosignatures":
            calls += [(operation, body) for body in bodies or [None]]
    return calls


@pytest.mark.parametrize("seed", range(3))
async def test_every_example_runs_on_a_fresh_service_in_any_order(http: httpx.AsyncClient, seed: int) -> None:
    calls = example_calls()
    random.Random(seed).shuffle(calls)
    await http.post("/v1/evaluations", json=SMALLEST)  # examples of proofs name the first entry
    for operation, body in calls:
        content = json.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        parameters = dict(operation.query_examples)
        answer = await http.request(
            operation.method, operation.path, params=parameters, content=content, headers=headers
        )
        assert answer.status_code == operation.status, f"{operation.operation_id}: {answer.text}"
        if operation.answers:
            assert_fits(operation, answer.json())
        else:
            assert answer.headers["content-type"].startswith(operation.media_type)


def assert_fits(operation: Operation, answer: Any) -> None:
    """The answer fits the document, and no field of it is undocumented."""
    responses = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"]
    document = responses[str(operation.status)]
    schema_of(document["content"]["application/json"]["schema"]).validate(answer)
    fits = []
    for model in operation.answers:
        try:
            model.model_validate_json(orjson.dumps(answer))
        except ValueError as error:
            fits.append(str(error))
        else:
            return
    pytest.fail("\n".join(fits))


async def test_recorded_answers_are_read_and_replayed(http: httpx.AsyncClient) -> None:
    for operation, body in example_calls():
        if operation.tag != "Evaluate":
            continue
        answer = await http.request(operation.method, operation.path, params=dict(operation.query_examples), json=body)
        stored = await http.get(f"/v1/evaluations/{answer.json()['evaluation_id']}")
        assert stored.content == answer.content
        replay = await http.post(f"/v1/evaluations/{answer.json()['evaluation_id']}:replay")
        assert (replay.status_code, replay.json()["match"]) == (200, True), replay.text
        assert_fits(next(item for item in OPERATIONS if item.operation_id == "replay_evaluation"), replay.json())
        recorded = await http.get(f"/v1/audit/entries/{answer.json()['evaluation_id']}/body")
        assert_fits(next(item for item in OPERATIONS if item.operation_id == "read_audit_body"), recorded.json())
        core, _, audit = answer.content.partition(b',"audit":')
        assert base64.b64decode(recorded.json()["response"]) == core + b"}"
        assert audit
        if body is not None:
            assert orjson.loads(base64.b64decode(recorded.json()["request"])) == body


async def test_examples_are_described_as_past_so_that_none_moves_live_state(http: httpx.AsyncClient) -> None:
    for operation, body in example_calls():
        if operation.tag == "Evaluate" and body is not None:
            answer = (await http.post(operation.path, json=body)).json()
            assert (answer["mode"], answer.get("orders", [])) == ("historical", [])


async def test_problems_fit_their_schema(http: httpx.AsyncClient) -> None:
    for response in (
        await http.get("/nowhere"),
        await http.get("/v1/instruments", headers={"Authorization": "Bearer ttb_no"}),
        await http.delete("/v1/time"),
        await http.post("/v1/evaluations", json={}),
        await http.post("/v1/evaluations", content=b"{"),
        await http.post("/v1/evaluations", content=b"{", headers={"Content-Type": "application/json"}),
    ):
        schema_of({"$ref": "#/components/schemas/Problem"}).validate(response.json())


if __name__ == "__main__":
    SNAPSHOT.write_bytes(written(openapi_document()))


def test_an_answer_that_is_recorded_can_be_read_again() -> None:
    """Every answer with an id and a place in the audit log has a schema where answers are read."""
    read = next(item for item in OPERATIONS if item.path == "/v1/evaluations/{evaluation_id}")
    recorded = {
        answer
        for item in OPERATIONS
        for answer in item.answers
        if {"audit", "evaluation_id"} <= answer.model_fields.keys() and item is not read
    }
    assert recorded <= set(read.answers)
