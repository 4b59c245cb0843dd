"""`trimtab check-policy` and `trimtab compare-policies`: the verdicts of the service, as exit codes too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from app.cli import application
from app.commands.console import ExitCode
from models.api.verification import CheckPolicyAnswer, ComparePoliciesAnswer

POLICY: dict[str, Any] = {
    "sizing": {"method": "volatility_target", "target_volatility": 0.2},
    "overlays": [{"method": "breaker_tier"}],
    "limits": {"max_leverage": 2},
}
BOLD = {**POLICY, "limits": {"max_leverage": 3}}
UNMODELLED = {**POLICY, "buffer": {"method": "tolerance"}}
CAP = [{"method": "leverage_cap", "cap": 0.5}]


def written(folder: Path, name: str, body: Any) -> str:
    path = folder / f"{name}.json"
    path.write_bytes(orjson.dumps(body))
    return str(path)


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(application, [*arguments], **options)


@pytest.mark.parametrize(
    ("body", "verdict", "code"),
    [
        (POLICY, "proved", ExitCode.DONE),
        ({"policy": POLICY, "properties": CAP}, "refuted", ExitCode.REFUSED),
        ({"policy": UNMODELLED, "properties": [{"method": "leverage_cap"}]}, "unknown", ExitCode.FAILED),
    ],
)
def test_the_verdict_is_the_exit_code(tmp_path: Path, body: Any, verdict: str, code: ExitCode) -> None:
    file = written(tmp_path, "policy", body)
    found = run("check-policy", file, "--json")
    assert CheckPolicyAnswer.model_validate_json(found.stdout_bytes).verdict == verdict
    shown = run("check-policy", file)
    assert found.exit_code == shown.exit_code == code
    assert verdict in shown.stdout and "one linear instrument" in " ".join(shown.stdout.split())


def test_a_counterexample_is_shown_with_its_inputs(tmp_path: Path) -> None:
    shown = " ".join(
        run("check-policy", written(tmp_path, "policy", {"policy": POLICY, "properties": CAP})).stdout.split()
    )
    assert "leverage cap (cap 0.5)" in shown and "is above 0.5" in shown
    assert "at volatility" in shown and "breaker tier" in shown


def test_ranges_are_an_option(tmp_path: Path) -> None:
    body = {"policy": POLICY, "properties": CAP}
    calm = run("check-policy", written(tmp_path, "policy", body), "--ranges", '{"volatility": [0.5, 2]}', "--json")
    answer = CheckPolicyAnswer.model_validate_json(calm.stdout_bytes)
    assert answer.verdict == "proved" and answer.ranges.volatility == (0.5, 2.0)


@pytest.mark.parametrize(
    ("first", "second", "verdict", "code"),
    [
        (POLICY, BOLD, "refines", ExitCode.DONE),
        (BOLD, POLICY, "refuted", ExitCode.REFUSED),
        (UNMODELLED, POLICY, "unknown", ExitCode.FAILED),
    ],
)
def test_a_comparison_ends_with_its_verdict(
    tmp_path: Path, first: Any, second: Any, verdict: str, code: ExitCode
) -> None:
    files = written(tmp_path, "new", first), written(tmp_path, "old", second)
    # Without a signal nothing is held under either buffer: no violation, and no proof of the unmodelled one.
    ranges = ("--ranges", '{"volatility": [0.05, 2], "direction": [0, 0]}') if verdict == "unknown" else ()
    found = run("compare-policies", *files, *ranges, "--json")
    assert ComparePoliciesAnswer.model_validate_json(found.stdout_bytes).verdict == verdict
    shown = run("compare-policies", *files, *ranges)
    assert found.exit_code == shown.exit_code == code and verdict in shown.stdout


@pytest.mark.parametrize(
    ("body", "options", "pointer"),
    [
        ({"sizing": {"method": "constant_leverage", "leverage": -1}}, (), "/policy/sizing/leverage"),
        ({"policy": POLICY, "propertys": []}, (), "/propertys"),
        (POLICY, ("--ranges", '{"volatility": [2, 1]}'), "/ranges/volatility"),
        ({"policy": {"id": "desk"}}, (), "/policy/id"),
    ],
)
def test_what_is_wrong_is_said_as_the_service_says_it(
    tmp_path: Path, body: Any, options: tuple[str, ...], pointer: str
) -> None:
    found = run("check-policy", written(tmp_path, "policy", body), *options, "--json")
    assert found.exit_code == ExitCode.REFUSED
    assert [rule["pointer"] for rule in orjson.loads(found.stdout_bytes)["errors"]] == [pointer]
    assert pointer in run("check-policy", written(tmp_path, "policy", body), *options).stderr


def test_standard_input_is_read(tmp_path: Path) -> None:
    assert run("check-policy", "-", input=orjson.dumps(POLICY)).exit_code == ExitCode.DONE
