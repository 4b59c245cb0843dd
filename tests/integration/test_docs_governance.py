"""docs/governance.md says what the service does: its commands run in order, against a service of their own."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from models.api.governance import Status
from tests.support.documents import ROOT, difference, examples, output
from tests.support.service import running

TEXT = (ROOT / "docs" / "governance.md").read_text()


def test_every_command_gives_what_is_printed_below_it(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("files")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    found = examples(TEXT)
    assert [example.answer is None for example in found] == [True] + [False] * 9
    with running(tmp_path_factory.mktemp("docs")) as service:
        for example in found:
            printed = output(example.command.replace(".run/docs-", f"{folder}/docs-"), service.url)
            if example.answer is not None:
                assert difference(json.loads(printed), example.answer) is None, example.command


def test_every_status_is_explained() -> None:
    (table,) = (part for part in TEXT.split("\n\n") if part.startswith("| status |"))
    assert all(f"`{status}`" in table for status in get_args(Status))
