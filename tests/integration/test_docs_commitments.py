"""docs/commitments.md says what the code does: its commands run in order, against a service of their own."""

from __future__ import annotations

import json

import pytest

from tests.support.documents import ROOT, difference, examples, output
from tests.support.service import running

TEXT = (ROOT / "docs" / "commitments.md").read_text()


def test_the_commands_give_what_is_printed_below_them(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("files")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=":")
    found = examples(TEXT)
    assert [example.answer is None for example in found] == [True, False, False]
    with running(tmp_path_factory.mktemp("docs")) as service:
        for example in found:
            printed = output(example.command.replace(".run/docs-", f"{folder}/docs-"), service.url)
            if example.answer is not None:
                assert difference(json.loads(printed), example.answer) is None, example.command


def test_it_says_in_its_first_lines_that_it_is_experimental() -> None:
    assert "Not externally reviewed, and not constant time" in TEXT.split("\n\n")[1]
