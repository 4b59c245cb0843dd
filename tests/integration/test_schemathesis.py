"""Schemathesis against the running service: every operation of OpenAPI, with legal and illegal data.

Run against a socket, not in process: what a client library sees is what is checked. `positive_data_acceptance` is left
out: rules across fields (a series needs `end`) honestly refuse what the schema alone would allow.

Walking through all values of all parameters (the coverage phase) is thousands of cases for one large body, so it has a
target of its own (`make fuzz`), in parts; the other phases run on every operation with the other tests. Proofs of
policies ask the engine hundreds of points and stay out of it: the store of policies walks through the same values.

Keys are on: a call without one must be refused wherever the document asks for it (`ignored_auth`).

`Request-Timeout-Ms` is fixed: a generated deadline of 1 ms is honestly answered 504, which would have to be excused for
every operation.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.operations import OPERATIONS
from tests.support.keys import ALL
from tests.support.schemathesis_hooks import OWN_KEY
from tests.support.service import ServiceProcess, running

FREE = {"TRIMTAB_RATE_UNITS_PER_SECOND": "0"}
"""A rate would refuse what must be refused for what it holds."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
)
ROOT = Path(__file__).parents[2]
HOOKS = "tests.support.schemathesis_hooks"
EXAMPLES = 10
PROOFS = "policies:(check|compare)$"
PARTS = {
    "evaluations": "/v1/(evaluations|targets)",
    "hedges and policies": "/v1/(hedges|policies(?!:))",
    "options": "/v1/(options|vaults|grids|schedules)",
    "margin": "/v1/(margin|orders|collateral|contagion)",
}
REST = f"^(?!{'|'.join(PARTS.values())}|/v1/policies:)"


def command(url: str, key: str, phases: str, *choice: str) -> list[str]:
    """Schemathesis on the OpenAPI document of a service."""
    options = {
        "--checks": ",".join(CHECKS),
        "--phases": phases,
        "--max-examples": str(EXAMPLES),
        "--seed": "1",
    }
    choice = (
        "--header",
        "Request-Timeout-Ms: 60000",
        "--request-timeout",
        "70",
        "--header",
        f"Authorization: Bearer {key}",
        *choice,
    )
    program = str(Path(sys.executable).with_name("schemathesis"))
    words = (part for pair in options.items() for part in pair)
    return [program, "run", f"{url}/openapi.json", "--no-color", *words, *choice]


def check(service: ServiceProcess, path: Path, phases: str, *choice: str) -> str:
    """What Schemathesis said, which must be that nothing failed."""
    asked = {"label": "schemathesis", "scopes": list(ALL)}
    made = httpx.post(f"{service.url}/v1/keys", json=asked, trust_env=False, timeout=20.0).json()
    words = command(service.url, made["key"], phases, *choice)
    known = os.environ | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": HOOKS, OWN_KEY: made["key_id"]}
    result = subprocess.run(words, cwd=path, env=known, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-12_000:] + result.stderr[-2_000:] + service.log_tail(2_000)
    assert "returned only 401/403" not in result.stdout, "an operation that nobody may call is not tested"
    return result.stdout


@pytest.mark.parametrize("part", [f"^({'|'.join(PARTS.values())}|/v1/policies:)", REST], ids=["decisions", "the rest"])
def test_no_operation_breaks_its_contract(tmp_path: Path, part: str) -> None:
    count = sum(re.search(part, operation.path) is not None for operation in OPERATIONS)
    with running(tmp_path / "data", environment=FREE) as service:
        assert f"{count} selected" in check(service, tmp_path, "examples,fuzzing", "--include-path-regex", part)


@pytest.mark.fuzz
@pytest.mark.parametrize("part", [*PARTS.values(), REST], ids=[*PARTS, "the rest"])
def test_no_value_of_a_parameter_breaks_a_contract(tmp_path: Path, part: str) -> None:
    with running(tmp_path / "data", environment=FREE) as service:
        check(service, tmp_path, "coverage", "--include-path-regex", part, "--exclude-path-regex", PROOFS)


def test_every_operation_but_proofs_is_in_one_part() -> None:
    for operation in OPERATIONS:
        hits = [part for part in (*PARTS.values(), REST) if re.search(part, operation.path)]
        assert len(hits) == (0 if re.search(PROOFS, operation.path) else 1), operation.path
