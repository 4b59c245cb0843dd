"""Schemathesis against the running service: every operation of OpenAPI, with legal and illegal data.

Run against a socket, not in process: what a client library sees is what is checked. `positive_data_acceptance` is left
out: rules across fields (a series needs `end`) honestly refuse what the schema alone would allow.

`Request-Timeout-Ms` is fixed: a generated deadline of 1 ms is honestly answered 504, which would have to be excused for
every operation.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def command(url: str) -> list[str]:
    """Schemathesis on the OpenAPI document of a service."""
    options = {
        "--checks": ",".join(CHECKS),
        "--phases": "examples,coverage,fuzzing",
        "--max-examples": str(EXAMPLES),
        "--header": "Request-Timeout-Ms: 10000",
        "--seed": "1",
    }
    program = str(Path(sys.executable).with_name("schemathesis"))
    return [program, "run", f"{url}/openapi.json", "--no-color", *(part for pair in options.items() for part in pair)]


def test_no_operation_breaks_its_contract(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        result = subprocess.run(
            command(service.url), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )
        assert result.returncode == 0, result.stdout[-12_000:] + result.stderr[-2_000:] + service.log_tail(2_000)
