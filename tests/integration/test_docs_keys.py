"""docs/keys.md says what the service does: every command, every scope, every code, and the form of a key."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.api_key import KEY_PATTERN
from app.caller import Scope
from app.problems import PROBLEMS
from tests.support.documents import ROOT, difference, examples, output
from tests.support.service import running

TEXT = (ROOT / "docs" / "keys.md").read_text()
EXAMPLES = examples(TEXT)


def test_every_command_gives_what_is_printed_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order: the later ones use the keys that the former made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TRIMTAB_API_KEY", raising=False)
    assert len(EXAMPLES) == 9
    with running(tmp_path / "data") as service:
        for example in EXAMPLES:
            told = output(example.command, service.url)
            if example.answer is not None:
                assert difference(json.loads(told), example.answer) is None, example.command
    assert b"ann" in told and b"revoked" in told
    assert (tmp_path / "bot.key").stat().st_mode & 0o077 == 0


def test_scopes_codes_and_the_form_are_those_of_the_service() -> None:
    rows = re.findall(r"^\| `([^|]+)` \|", TEXT, re.MULTILINE)
    names = [name for row in rows for name in row.split("`, `")]
    assert names[: len(Scope)] == [scope.value for scope in sorted(Scope, key=lambda item: names.index(item.value))]
    assert {name: PROBLEMS[name].status for name in names[len(Scope) :]} == {
        name: int(status)
        for row, status in re.findall(r"^\| (`[^|]+`) \| (\d{3}) \|", TEXT, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", row)
    }
    assert KEY_PATTERN in TEXT
