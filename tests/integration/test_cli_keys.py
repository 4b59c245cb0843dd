"""`trimtab keys`: made in the database or through a service, printed once, and never a second time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner, Result

from app.cli import application
from app.commands.console import ExitCode
from app.commands.embedded import embedded_service
from app.settings import Settings
from tests.support.keys import ALL, bearer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIMTAB_DATA_DIR", str(tmp_path))
    for name in ("DATABASE_URL", "REDIS_URL", "TRIMTAB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(application, ["keys", *map(str, arguments)])


def document(result: Result, code: ExitCode = ExitCode.DONE) -> Any:
    assert result.exit_code == code, result.stdout + result.stderr
    return orjson.loads(result.stdout_bytes)


def test_the_first_key_is_made_once(folder: Path) -> None:
    first, again = run("bootstrap"), run("bootstrap")
    assert (first.exit_code, again.exit_code) == (0, 0)
    key = first.stdout.splitlines()[0]
    assert re.fullmatch(r"ttb_live_[a-z2-7]{16}_\S{49}", key)
    assert "ttb_" not in again.stdout
    assert "nothing was made" in again.stdout
    with embedded_service(Settings(data_dir=folder, log_level="WARNING")) as url:
        who = httpx.get(f"{url}/v1/keys/current", headers=bearer(key), trust_env=False).json()
        assert (who["tenant_id"], set(who["scopes"])) == ("local", set(ALL))
        assert httpx.get(f"{url}/v1/keys/current", trust_env=False).status_code == 401


def test_a_key_of_a_tenant_has_what_was_asked_for_and_ends_when_revoked(folder: Path) -> None:
    made = document(
        run("create", "--tenant", "acme", "--scope", "read", "--scope", "evaluate", "--label", "x", "--expires", "30d",
            "--allow", "10.4.0.0/16", "--environment", "test", "--json")
    )  # fmt: skip
    assert made["key"].startswith("ttb_test_")
    assert (made["tenant_id"], made["scopes"], made["networks"]) == ("acme", ["evaluate", "read"], ["10.4.0.0/16"])
    assert document(run("list", "--json")) == []
    (listed,) = document(run("list", "--tenant", "acme", "--json"))
    assert {name: made[name] for name in listed} == listed
    assert document(run("revoke", made["key_id"], "--json"), ExitCode.REFUSED)["title"] == "There is nothing here"
    assert document(run("revoke", made["key_id"], "--tenant", "acme", "--json"))["revoked_at"]
    assert "revoked" in run("list", "--tenant", "acme").stdout


def test_a_service_that_has_the_file_is_asked_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with embedded_service(Settings(data_dir=folder, log_level="WARNING")) as url:
        refused = run("create", "--scope", "all", "--label", "x")
        assert refused.exit_code == ExitCode.UNAVAILABLE
        assert "--url" in refused.stderr
        made = document(run("create", "--scope", "all", "--label", "x", "--url", url, "--json"))
        assert run("list", "--url", url).exit_code == ExitCode.REFUSED, "from now on a key is needed"
        monkeypatch.setenv("TRIMTAB_API_KEY", made["key"])
        assert [item["key_id"] for item in document(run("list", "--url", url, "--json"))] == [made["key_id"]]
        assert document(run("revoke", made["key_id"], "--url", url, "--json"))["by"] == made["key_id"]
        assert run("list", "--url", url).exit_code == ExitCode.REFUSED
        assert run("list", "--tenant", "acme", "--url", url).exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--tenant", "Acme:{x}", "--scope", "read", "--label", "x"], ExitCode.USAGE, "--tenant must be"),
        (["--scope", "root", "--label", "x"], ExitCode.REFUSED, "/scopes/0"),
        (["--scope", "read", "--label", "x", "--allow", "everywhere"], ExitCode.REFUSED, "/networks/0"),
        (["--scope", "read", "--label", "x", "--expires", "soon"], ExitCode.REFUSED, "/expires_at"),
        (["--scope", "read", "--label", "x", "--expires", "2020-01-01T00:00:00Z"], ExitCode.REFUSED, "future"),
        (["--scope", "read", "--label", "x", "--environment", "a_b"], ExitCode.USAGE, "--environment"),
    ],
)
def test_a_wrong_option_is_named(folder: Path, options: list[str], code: ExitCode, text: str) -> None:
    result = run("create", *options)
    assert result.exit_code == code, result.output
    assert text in result.stderr
    assert document(run("list", "--json")) == []


def test_a_server_database_needs_a_place_for_the_pepper(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    result = run("bootstrap")
    assert result.exit_code == ExitCode.USAGE
    assert "TRIMTAB_KEY_PEPPER_FILE" in result.stderr
