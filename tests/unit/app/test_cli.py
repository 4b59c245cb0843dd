"""The command line as a whole: help that teaches, exit codes, the catalogue, settings."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from app.catalog import catalog
from app.cli import application
from app.commands import serve as serve_module
from app.commands.console import ExitCode
from app.commands.evaluate import moment_of
from app.settings import Settings

COMMANDS = (
    ("serve",),
    ("demo",),
    ("evaluate",),
    ("observe",),
    ("fit",),
    ("state", "show"),
    ("state", "reset"),
    ("diff",),
    ("check-policy",),
    ("compare-policies",),
    ("catalog",),
    ("migrate",),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command_has_examples_of_itself(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(application, [*command, "--help"])
    assert result.exit_code == ExitCode.DONE
    assert "Examples" in result.stdout
    assert f"trimtab {' '.join(command)}" in result.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_but_serve_speaks_json(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(application, [*command, "--help"])
    assert ("--json" in result.stdout) is (command != ("serve",))


def test_help_names_the_exit_codes() -> None:
    shown = " ".join(CliRunner().invoke(application, ["--help"]).stdout.split())
    for code in ExitCode:
        assert re.search(rf"\b{code.value} \w+", shown), code


def test_catalog_json_is_the_catalogue_of_the_service() -> None:
    result = CliRunner().invoke(application, ["catalog", "--json"])
    assert orjson.loads(result.stdout_bytes) == orjson.loads(orjson.dumps(catalog()))


def test_catalog_lists_every_method_and_shows_each_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    listed = CliRunner().invoke(application, ["catalog"]).stdout
    for block in catalog()["blocks"]:
        for method in block["methods"]:
            name = method["method"] or block["block"]
            assert name in listed
            shown = CliRunner().invoke(application, ["catalog", name])
            assert shown.exit_code == ExitCode.DONE
            assert all(item["name"] in shown.stdout for item in method["parameters"])


def test_an_unknown_method_is_answered_with_the_known_ones() -> None:
    result = CliRunner().invoke(application, ["catalog", "martingale", "--json"])
    assert result.exit_code == ExitCode.USAGE
    assert "volatility_target" in orjson.loads(result.stdout_bytes)["detail"]


def test_options_of_serve_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Settings] = []
    monkeypatch.setattr("app.server.serve", served.append)
    environment = {"TRIMTAB_PORT": "8100", "TRIMTAB_DATA_DIR": "kept", "DATABASE_URL": "", "REDIS_URL": ""}
    result = CliRunner().invoke(application, ["serve", "--port", "8200"], env=environment)
    assert result.exit_code == ExitCode.DONE, result.stderr
    assert (served[0].port, str(served[0].data_dir), served[0].host) == (8200, "kept", "127.0.0.1")


@pytest.mark.parametrize(
    ("options", "text"),
    [(["--workers", "2"], "TRIMTAB_WORKERS must be 1"), (["--port", "70000"], "TRIMTAB_PORT must be")],
)
def test_a_setting_that_breaks_its_rule_is_wrong_usage(options: list[str], text: str) -> None:
    result = CliRunner().invoke(application, ["serve", *options])
    assert result.exit_code == ExitCode.USAGE
    assert text in result.stderr


def test_migrate_names_database_and_revision(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    first = CliRunner().invoke(application, ["migrate", "--database-url", url, "--json"])
    assert first.exit_code == ExitCode.DONE, first.stdout + first.stderr
    document = orjson.loads(first.stdout_bytes)
    assert document["changed"] is True
    assert document["from"] is None
    again = orjson.loads(CliRunner().invoke(application, ["migrate", "--database-url", url, "--json"]).stdout_bytes)
    assert again == {**document, "from": document["to"], "changed": False}
    assert "is current" in CliRunner().invoke(application, ["migrate", "--database-url", url]).stdout


def test_migrate_hides_passwords() -> None:
    url = "postgresql://risk:hunter2@127.0.0.1:1/none"
    result = CliRunner().invoke(application, ["migrate", "--database-url", url])
    assert result.exit_code == ExitCode.UNAVAILABLE
    assert "hunter2" not in result.stdout + result.stderr


def test_settings_of_the_environment_are_read_when_a_command_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_PORT", "8300")
    assert serve_module.settings_of({}).port == 8300


def test_time_of_receipt_defaults_to_now_in_utc() -> None:
    assert str(moment_of(None).tzinfo) == "UTC"
    assert moment_of("2026-11-20T01:00:06+01:00").isoformat() == "2026-11-20T00:00:06+00:00"
