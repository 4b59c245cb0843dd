"""Schemathesis against the running service: every operation of OpenAPI, with legal and illegal data.

Run against a socket, not in process: what a client library sees is what is checked. `positive_data_acceptance` is left
out: rules across fields (a series needs `end`) honestly refuse what the schema alone would allow.

A proof asks the engine hundreds of points, so the proofs are left out of the phase that walks through all values of all
parameters: the store of policies and the evaluations walk through the same ones.

`Request-Timeout-Ms` is fixed: a generated deadline of 1 ms is honestly answered 504, which would have to be excused for
every operation.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.service import running

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
)
EXAMPLES = 10
PROOFS = "policies:(check|compare)$"


def command(url: str, *, proofs: bool) -> list[str]:
    """Schemathesis on the OpenAPI document of a service: on the proofs, or on everything else."""
    options = {
        "--checks": ",".join(CHECKS),
        "--phases": "examples,fuzzing" if proofs else "examples,coverage,fuzzing",
        "--include-path-regex" if proofs else "--exclude-path-regex": PROOFS,
        "--max-examples": str(EXAMPLES),
        "--header": "Request-Timeout-Ms: 10000",
        "--seed": "1",
    }
    program = str(Path(sys.executable).with_name("schemathesis"))
    return [program, "run", f"{url}/openapi.json", "--no-color", *(part for pair in options.items() for part in pair)]


@pytest.mark.parametrize("proofs", [False, True])
def test_no_operation_breaks_its_contract(tmp_path: Path, proofs: bool) -> None:
    with running(tmp_path / "data") as service:
        result = subprocess.run(
            command(service.url, proofs=proofs), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=290
        )
        assert result.returncode == 0, result.stdout[-12_000:] + result.stderr[-2_000:] + service.log_tail(2_000)
        assert (" 2 selected" in result.stdout) == proofs
