"""`trimtab evaluate`: the answer, the tables, and what is wrong with a file, in the words of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from app.cli import application
from app.commands.console import ExitCode
from tests.support.bodies import coins_and_options, smallest, with_series

RECEIVED = "2026-11-20T00:00:06Z"


def run(tmp_path: Path, body: Any, *options: str, raw: bytes | None = None) -> Result:
    path = tmp_path / "body.json"
    path.write_bytes(orjson.dumps(body) if raw is None else raw)
    return CliRunner().invoke(application, ["evaluate", str(path), "--received-at", RECEIVED, *options])


def test_json_is_the_answer_without_an_audit_block(tmp_path: Path) -> None:
    result = run(tmp_path, smallest(), "--json")
    assert result.exit_code == ExitCode.DONE, result.stderr
    answer = orjson.loads(result.stdout_bytes)
    assert answer["targets"][0]["status"] == "ok"
    assert answer["received_at"] == answer["computed_at"] == "2026-11-20T00:00:06.000000Z"
    assert "audit" not in answer
    assert result.stdout_bytes == orjson.dumps(answer), "no byte before or after the answer"


def test_standard_input_is_a_file_named_dash(tmp_path: Path) -> None:
    arguments = ["evaluate", "-", "--received-at", RECEIVED, "--json"]
    piped = CliRunner().invoke(application, arguments, input=orjson.dumps(smallest()))
    from_file = orjson.loads(run(tmp_path, smallest(), "--json").stdout_bytes)
    assert orjson.loads(piped.stdout_bytes)["targets"] == from_file["targets"]


def test_the_table_shows_the_targets_of_the_answer(tmp_path: Path) -> None:
    answer = orjson.loads(run(tmp_path, with_series(3, 120), "--json").stdout_bytes)
    shown = run(tmp_path, with_series(3, 120)).stdout
    for row in answer["targets"]:
        assert row["symbol"] in shown
        assert row["target_quantity"] in shown
    assert len(answer["orders"]) == shown.count(" buy ") + shown.count(" sell ") > 0
    assert "×" not in shown, "steps are shown on demand"


def test_explain_shows_every_step(tmp_path: Path) -> None:
    answer = orjson.loads(run(tmp_path, smallest(), "--json").stdout_bytes)
    shown = run(tmp_path, smallest(), "--explain").stdout
    assert all(step["stage"] in shown for step in answer["targets"][0]["steps"])


def test_reasons_and_assumptions_are_spelt_out(tmp_path: Path) -> None:
    body = {**smallest(), "series": []}
    shown = " ".join(run(tmp_path, body).stdout.split())
    assert "volatility_unavailable: " in shown
    assert "Assumptions" in shown
    assert "/instruments = linear, multiplier 1" in shown


def test_a_book_of_every_kind_has_tables_at_every_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in ("60", "80", "160"):
        monkeypatch.setenv("COLUMNS", width)
        result = run(tmp_path, coins_and_options(), "--explain")
        assert result.exit_code == ExitCode.DONE, result.exception
        assert max(map(len, result.stdout.splitlines())) <= int(width)


def test_broken_rules_are_named_with_their_places(tmp_path: Path) -> None:
    body = smallest()
    body["positions"][0]["qty"] = body["positions"][0].pop("quantity")
    result = run(tmp_path, body)
    assert result.exit_code == ExitCode.REFUSED
    assert result.stdout == ""
    assert "/positions/0/qty" in result.stderr
    assert "did you mean quantity" in result.stderr


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"account": NaN}', "malformed_json"),
        (b"\xff", "malformed_json"),
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b"[]", "invalid_request"),
        (orjson.dumps({**smallest(), "as_of": "2027-01-01T00:00:00Z"}), "invalid_request"),
        (orjson.dumps({**smallest(), "options": {"strict": True}}), "assumptions_refused"),
    ],
)
def test_problems_under_json_are_documents_on_standard_output(tmp_path: Path, raw: bytes, code: str) -> None:
    result = run(tmp_path, None, "--json", raw=raw)
    document = orjson.loads(result.stdout_bytes)
    assert (result.exit_code, document["code"], document["instance"]) == (ExitCode.REFUSED, code, "/v1/evaluations")
    assert document["detail"]


@pytest.mark.parametrize("text", ["yesterday", "2026-11-20T00:00:06"])
def test_a_time_of_receipt_needs_a_zone(tmp_path: Path, text: str) -> None:
    result = run(tmp_path, smallest(), "--received-at", text)
    assert result.exit_code == ExitCode.USAGE
    assert "is no time with a zone" in result.stderr


def test_a_file_that_is_not_there_is_wrong_usage() -> None:
    result = CliRunner().invoke(application, ["evaluate", "absent.json"])
    assert result.exit_code == ExitCode.USAGE
    assert "absent.json cannot be read" in result.stderr


def test_a_stored_policy_needs_a_service(tmp_path: Path) -> None:
    result = run(tmp_path, {**smallest(), "policy": {"id": "desk", "version": 1}}, "--json")
    assert result.exit_code == ExitCode.REFUSED
    (rule,) = orjson.loads(result.stdout_bytes)["errors"]
    assert rule["pointer"] == "/policy/id"
    assert "service" in rule["detail"]
