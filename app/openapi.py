"""The OpenAPI document, made of the table of operations and the wire models."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from pydantic.json_schema import models_json_schema

from app.caller import PUBLIC, Needs, Scope
from app.catalog import docstring_sections, parameter_texts
from app.limits import MAX_IDEMPOTENCY_KEY, MAX_TAGS
from app.operations import OPERATIONS, Model, Operation
from app.problems import PROBLEMS
from app.version import ENGINE_VERSION
from models.api.base import NAME_PATTERN, SYMBOL_PATTERN
from models.api.discovery import ReadyAnswer
from models.api.key import KEY_ID_PATTERN
from models.api.parameters import VERSIONS
from models.api.problem import Problem
from models.api.switch import SCOPE_PATTERN

REFERENCE = "#/components/schemas/"
DESCRIPTION = """\
A portfolio snapshot and prices in; target sizes, margin and hedge orders out, each with the reason for every number and
a durable record.

* **Numbers.** Money, quantities and prices are decimal strings in answers; in requests also JSON numbers of up to 15
  significant digits. Statistics are JSON numbers. Fractions, never percent.
* **Time.** RFC 3339, UTC in answers. `as_of` is the time of the event; an old one is answered as `historical`: computed
  and recorded, with no orders.
* **Errors.** `application/problem+json` with a stable `code`, broken rules with JSON pointers, and `outcome`: whether
  anything was recorded. `GET /v1/errors` lists every code with its remedy.
* **Retries.** Send an `Idempotency-Key`: the same key and body give the stored answer, byte for byte.
* **Stream.** `WS /v1/stream` pushes targets, margin, volatility, hedges, breakers: contract at `GET /asyncapi.json`,
  page to read and try it at `/docs/ws`.
* **Rates.** Requests of a key cost units by their size: `GET /v1/limits`. `RateLimit-Policy` and `RateLimit` say what
  is left; 429 `rate_limited` says in `Retry-After` when to come back.
* **Tracing.** `X-Request-Id` of a request is repeated in its answer; without one, it is made up.

Unknown request fields are refused; unknown answer fields must be ignored: they are added without a new version.
"""
TAGS = {
    "Evaluate": "Sizes, margin and hedges.",
    "Guards": "Prices of many sources made into one that can be trusted, or refused with the reason.",
    "Execute": "Grids of resting orders, schedules of large ones, options that are sold or protect.",
    "Volatility": "Cached volatility states, and estimates on posted series.",
    "Options": "Prices, Greeks, implied volatilities and surfaces of options, and books of them revalued.",
    "Margin": "What an account must be backed by, where it is liquidated, collateral across venues, contagion.",
    "Instruments": "Contracts registered once.",
    "Research": "Policies on the bars of the past.",
    "Policies": "Policies stored under a name: numbered versions that never change.",
    "Keys": "API keys: who may call, and for what.",
    "Live": "Portfolios whose targets are kept up to date.",
    "History": "The audit log, and recorded decisions computed again.",
    "Log": "The Merkle tree over the audit log: signed heads, proofs and tiles, for anybody who wants to check.",
    "Discovery": "What the service says about itself.",
    "Health": "For operators.",
}
PATH_SCHEMAS: dict[str, dict[str, Any]] = {
    "tile": {"type": "string", "pattern": "^[0-9]{1,2}/(x[0-9]{3}/)*[0-9]{3}(\\.p/[0-9]{1,3})?$"},
    "evaluation_id": {"type": "string", "pattern": "^ev_[0-9a-f]{32}$"},
    "fit_id": {"type": "string", "pattern": "^fit_[0-9a-f]{32}$"},
    "key_id": {"type": "string", "pattern": KEY_ID_PATTERN},
    "market": {"type": "string", "pattern": SYMBOL_PATTERN, "not": {"pattern": f"{VERSIONS}$"}},
    "number": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    "policy_id": {"type": "string", "pattern": NAME_PATTERN},
    "portfolio_id": {"type": "string", "pattern": NAME_PATTERN},
    "scope": {"type": "string", "pattern": SCOPE_PATTERN},
    "version": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}
"""Of the parameters in paths."""
LINKS = {
    "evaluate": ("evaluation_id", ("read_evaluation", "replay_evaluation", "compare_evaluations")),
    "plan_grid": ("evaluation_id", ("read_evaluation", "replay_evaluation")),
    "plan_schedule": ("evaluation_id", ("read_evaluation", "replay_evaluation")),
    "plan_vault": ("evaluation_id", ("read_evaluation", "replay_evaluation")),
    "allocate_collateral": ("evaluation_id", ("read_evaluation", "replay_evaluation")),
    "play_waterfall": ("evaluation_id", ("read_evaluation", "replay_evaluation")),
    "submit_fit": ("fit_id", ("read_fit",)),
    "store_policy": ("policy_id", ("read_policy",)),
    "create_key": ("key_id", ("revoke_key",)),
}
"""Operation to the identifier in its answer, and the operations that take it."""
SECURITY = "api_key"
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "ttb_…",
    "description": (
        "An API key, needed as soon as the service has one. Each operation names its scope. Keys that sign send the "
        "headers Trimtab-Key-Id, Trimtab-Timestamp, Trimtab-Nonce and Trimtab-Signature instead."
    ),
}
GUARDED = (401, 403, 429, 503)
"""Any operation that is not open to all: no key, one without the scope, too many wrong ones, keys not to be read."""
LINES, ARROW = "application/x-ndjson", "application/vnd.apache.arrow.stream"
TIMEOUT_HEADER: dict[str, Any] = {
    "name": "Request-Timeout-Ms",
    "in": "header",
    "description": (
        "Time for the answer from when the request is read, 1 to 60000. After it: 503 `timed_out` if nothing was "
        "written, 504 `deadline_exceeded` with outcome `unknown` if a write had begun."
    ),
    "schema": {"type": "string", "pattern": "^([1-9][0-9]{0,3}|[1-5][0-9]{4}|60000)$"},
}
KEY_HEADER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Same key and body: the stored answer. Another body: 422 `idempotency_mismatch`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_IDEMPOTENCY_KEY, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
MATCH_HEADER: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "ETag of an earlier answer: 304 without a body where nothing has changed.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_TAGS, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
IF_MATCH_HEADER: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "description": "ETag of the version that the change is made from; with another: 412 `precondition_failed`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_TAGS, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
CREATE_HEADER: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "`*`: only where there is nothing yet, else 412 `precondition_failed`. Goes without If-Match.",
    "schema": {"type": "string", "enum": ["*"]},
}


def openapi_document() -> dict[str, Any]:
    """The whole document, the same bytes on every call."""
    schemas, needed = _schemas(), needs_by_operation()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        needs = needed[operation.method, operation.path]
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, needs)
    statuses = sorted({status for operation in OPERATIONS for status in operation.problems} | set(GUARDED))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Trimtab",
            "version": ENGINE_VERSION,
            "summary": "Position sizes, margin and hedges for trading bots and venues.",
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {f"Problem{status}": _problem_response(status) for status in statuses},
            "parameters": {
                "IdempotencyKey": KEY_HEADER,
                "IfMatch": IF_MATCH_HEADER,
                "IfNoneMatch": MATCH_HEADER,
                "IfNone": CREATE_HEADER,
                "RequestTimeoutMs": TIMEOUT_HEADER,
            },
            "securitySchemes": {SECURITY: BEARER},
        },
    }


def needs_by_operation() -> dict[tuple[str, str], Needs]:
    """What the route of each method and path asks of a caller."""
    from app.routes import ROUTES  # which import this module, to serve the document
    from app.routes.routing import RawRoute

    found: dict[tuple[str, str], Needs] = {}
    for item in ROUTES:
        if isinstance(item, RawRoute):
            path = re.sub(r"\{(\w+):\w+\}", r"{\1}", item.path)
            found |= {(method, path): item.needs for method in item.methods or ()}
    return found


def _schemas() -> dict[str, Any]:
    bodies = [operation.body for operation in OPERATIONS if operation.body is not None]
    answers = [model for operation in OPERATIONS for model in operation.answers]
    taken = definitions(bodies)
    return {**answer_definitions([*answers, Problem]), **taken}


def answer_definitions(models: list[Model]) -> dict[str, Any]:
    """The same of what clients are given: they must ignore unknown fields, so that their schemas do not forbid them."""
    return {
        name: {key: value for key, value in schema.items() if key != "additionalProperties"}
        for name, schema in definitions(models).items()
    }


def definitions(models: list[Model]) -> dict[str, Any]:
    """Name to schema of the models and of all that they hold."""
    unique = list(dict.fromkeys(models))
    _, document = models_json_schema([(model, "validation") for model in unique], ref_template=REFERENCE + "{model}")
    return {name: _tidied(schema) for name, schema in document.get("$defs", {}).items()}


def _tidied(schema: dict[str, Any]) -> dict[str, Any]:
    # The docstrings of the core describe their parameters in sections: the document wants each text at its property.
    sections = docstring_sections(schema.get("description", ""))
    if sections[""]:
        schema["description"] = sections[""]
    for name, text in parameter_texts(sections.get("Parameters", "")).items():
        schema["properties"][name].setdefault("description", text)
    return schema


def _operation(operation: Operation, needs: Needs) -> dict[str, Any]:
    out: dict[str, Any] = {"tags": [operation.tag], "summary": operation.summary, "operationId": operation.operation_id}
    scope = f"Scope: `{needs.value}`." if isinstance(needs, Scope) else "Scope: none."
    out["description"] = f"{operation.description} {scope}".strip() if needs is not PUBLIC else operation.description
    out["security"] = [] if needs is PUBLIC else [{SECURITY: []}]
    if isinstance(needs, Scope):
        out["x-scope"] = needs.value
    if not out["description"]:
        del out["description"]
    if parameters := _parameters(operation):
        out["parameters"] = parameters
    if operation.body is not None:
        content: dict[str, Any] = {"application/json": _body(operation, operation.body)}
        if operation.lines is not None:
            content[LINES] = {"schema": {"type": "string"}, "example": operation.lines[1]}
        if operation.arrow is not None:
            content[ARROW] = {}
        out["requestBody"] = {"required": True, "content": content}
    out["responses"] = {str(operation.status): _answer(operation)}
    if operation.conditional:
        out["responses"]["304"] = {"description": "Nothing has changed since the answer with this ETag."}
    if ReadyAnswer in operation.answers:
        out["responses"]["503"] = {**_answer(operation), "description": "The audit log does not answer."}
    refusals = {*operation.problems, *(GUARDED if needs is not PUBLIC else ())}
    if operation.tag != "Health":
        refusals.add(503)
    for status in sorted(refusals):
        out["responses"][str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    return out


def _body(operation: Operation, model: Model) -> dict[str, Any]:
    shown = {name: {"summary": summary, "value": value} for name, (summary, value) in operation.examples.items()}
    return {"schema": _reference(model), "examples": shown}


def _answer(operation: Operation) -> dict[str, Any]:
    if not operation.answers:
        return {"description": "Text.", "content": {operation.media_type: {"schema": {"type": "string"}}}}
    references = [_reference(model) for model in operation.answers]
    schema = references[0] if len(references) == 1 else {"anyOf": references}
    out: dict[str, Any] = {
        "description": _description(operation),
        "content": {operation.media_type: {"schema": schema}},
    }
    if operation.lines is not None:
        out["content"][LINES] = {"schema": {"type": "string"}}
    if operation.arrow is not None:
        # Binary: the specification wants no schema.
        out["content"][ARROW] = {}
    if operation.idempotent:
        text = "`true` where the stored answer of an earlier call with the same key is repeated."
        out["headers"] = {"Idempotency-Replayed": {"description": text, "schema": {"type": "string"}}}
    if operation.conditional:
        text = "Changes with the answer; send it as `If-None-Match`."
        out["headers"] = {"ETag": {"description": text, "schema": {"type": "string"}}}
    if operation.operation_id in LINKS:
        identifier, names = LINKS[operation.operation_id]
        out["links"] = {name: _link(name, identifier) for name in names}
    return out


def _description(operation: Operation) -> str:
    return " ".join((operation.answers[0].__doc__ or "Answer.").split())


def _link(operation_id: str, identifier: str) -> dict[str, Any]:
    return {"operationId": operation_id, "parameters": {identifier: f"$response.body#/{identifier}"}}


def _reference(model: Model) -> dict[str, str]:
    return {"$ref": REFERENCE + model.__name__}


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    schema = operation.query.model_json_schema(ref_template=REFERENCE + "{model}")
    found = [_path_parameter(name) for name in re.findall(r"\{(\w+)\}", operation.path)]
    for name, definition in schema.get("properties", {}).items():
        found.append(_query_parameter(operation, name, definition, required=name in schema.get("required", ())))
    if operation.idempotent:
        found.append({"$ref": "#/components/parameters/IdempotencyKey"})
    if operation.conditional:
        found.append({"$ref": "#/components/parameters/IfNoneMatch"})
    if operation.matched:
        found.append({"$ref": "#/components/parameters/IfMatch"})
    if operation.creates:
        found.append({"$ref": "#/components/parameters/IfNone"})
    if operation.timed:
        found.append({"$ref": "#/components/parameters/RequestTimeoutMs"})
    return found


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"`{name}` of an answer.",
        "schema": PATH_SCHEMAS[name],
    }


def _query_parameter(operation: Operation, name: str, definition: dict[str, Any], *, required: bool) -> dict[str, Any]:
    schema = {key: value for key, value in definition.items() if key not in ("title", "description", "default")}
    choices = [choice for choice in schema.pop("anyOf", ()) if choice.get("type") != "null"]
    for choice in choices:
        schema |= choice | {"enum": [*schema.get("enum", ()), *choice["enum"]]} if "enum" in choice else choice
    if definition.get("default") is not None:
        schema["default"] = definition["default"]
    out: dict[str, Any] = {"name": name, "in": "query", "required": required, "schema": schema}
    if "description" in definition:
        out["description"] = definition["description"]
    if name in operation.query_examples:
        out["example"] = operation.query_examples[name]
    return out


def _problem_response(status: int) -> dict[str, Any]:
    kinds = [kind for kind in PROBLEMS.values() if kind.status == status]
    text = "; ".join(f"`{kind.code}`: {kind.title[:1].lower()}{kind.title[1:]}" for kind in kinds)
    content = {"application/problem+json": {"schema": _reference(Problem)}}
    return {"description": text or HTTPStatus(status).phrase, "content": content}
