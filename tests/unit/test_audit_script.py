"""`make audit` tells what is vulnerable from what is not, and both from what nobody could tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import audit

GOOD = {"name": "numpy", "version": "2.5.5", "vulns": []}
BAD = {"name": "h11", "version": "0.1", "vulns": [{"id": "PYSEC-2025-1", "fix_versions": ["0.2", "0.3"]}]}
STRANGE = {"name": "uv", "skip_reason": "Dependency not found on PyPI and could not be audited: uv (1.0)"}
CANARY = {"name": "urllib3", "version": "1.24.1", "vulns": [{"id": "PYSEC-2019-133", "fix_versions": ["1.24.2"]}]}


def auditor(folder: Path, canary: Any, rows: Any, error: str = "") -> Path:
    """A program that says what pip-audit would say: of the canary, and of every lock."""
    for name, found in (("canary", canary), ("lock", rows)):
        (folder / name).write_text(json.dumps({"dependencies": found}) if found is not None else "")
    path = folder / "pip-audit"
    path.write_text(
        f"#!/bin/sh\necho '{error}' >&2\n"
        f'case "$*" in *--no-deps*) cat {folder}/canary ;; *--require-hashes*) cat {folder}/lock ;; esac\nexit 1\n'
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("rows", "code", "said"),
    [
        ([GOOD], 0, ["runtime: 1 packages audited: no known vulnerability"]),
        ([GOOD, BAD], 1, ["runtime: h11 0.1: PYSEC-2025-1, mended in 0.2, 0.3", "2 packages audited: VULNERABLE"]),
        ([GOOD, STRANGE], 0, ["NOT RUN for 1 packages", "'uv'", "1 packages audited: no known vulnerability"]),
        ([BAD, STRANGE], 1, ["NOT RUN for 1 packages", "1 packages audited: VULNERABLE"]),
        ([STRANGE], 0, ["NOT RUN for 1 packages"]),
    ],
)
def test_what_was_found_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[dict[str, Any]], code: int, said: list[str]
) -> None:
    assert audit.main(auditor(tmp_path, [CANARY], rows), [Path("requirements/runtime.txt")]) == code
    printed = capsys.readouterr().out
    assert all(text in printed for text in said), printed
    assert "no known" not in printed or (not code and rows != [STRANGE])


@pytest.mark.parametrize("canary", [[STRANGE], [{**CANARY, "vulns": []}]])
def test_a_registry_that_does_not_know_what_everybody_knows_passes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], canary: Any
) -> None:
    assert audit.main(auditor(tmp_path, canary, [GOOD]), [Path("runtime.txt")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("NOT RUN: the registry cannot say") and "no known vulnerability" not in printed


def test_one_that_is_away_is_neither_a_pass_nor_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = auditor(tmp_path, None, None, "requests.exceptions.ConnectionError: Max retries exceeded")
    assert audit.main(program, [Path("runtime.txt")]) == 0
    assert capsys.readouterr().out.startswith("NOT RUN: the registry cannot say what is vulnerable (requests.exc")


def test_a_lock_that_cannot_be_read_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = auditor(tmp_path, [CANARY], None, "ERROR:pip_audit._cli:package h11 has duplicate requirements")
    assert audit.main(program, [Path("runtime.txt")]) == 1
    assert "FAILED: ERROR:pip_audit._cli:package h11" in capsys.readouterr().err


def test_every_lock_is_audited_and_ci_asks_for_it() -> None:
    assert {"runtime.txt", "dev.txt", "interop.txt", "audit.txt"} <= {lock.name for lock in audit.LOCKS}
    sent = audit.command(Path("pip-audit"), Path("x.txt"))
    assert sent[sent.index("--vulnerability-service") + 1] == "pypi" and "--disable-pip" in sent
    assert "\nstep audit\n" in (audit.ROOT / ".ci" / "run").read_text()


def test_the_auditor_is_in_no_other_lock() -> None:
    holders = [lock.stem for lock in audit.LOCKS if "\npip-audit==" in "\n" + lock.read_text()]
    assert holders == ["audit"]
