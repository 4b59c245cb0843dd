"""Schemathesis against the running service: every operation of OpenAPI, with legal and illegal data.

Run against a socket, not in process: what a client library sees is what is checked. `positive_data_acceptance` is left
out: rules across fields (a series needs `end`) honestly refuse what the schema alone would allow.
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


def test_no_operation_breaks_its_contract(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{service.url}/openapi.json"]
        command += [
            "--checks",
            ",".join(CHECKS),
            "--max-examples",
            str(EXAMPLES),
            "--phases",
            "examples,coverage,fuzzing",
            "--seed",
            "1",
            "--no-color",
        ]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
        assert result.returncode == 0, result.stdout[-12_000:] + result.stderr[-2_000:] + service.log_tail(2_000)
