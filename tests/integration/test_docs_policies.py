"""docs/policies.md says what the service does: every command, every statement."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import get_args

import pytest

from services.verification.properties import Property
from tests.support.documents import ROOT, difference, examples, output
from tests.support.service import ServiceProcess, running

TEXT = (ROOT / "docs" / "policies.md").read_text()
EXAMPLES = examples(TEXT)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("docs")) as process:
        yield process


def test_every_command_gives_what_is_printed_below_it(service: ServiceProcess) -> None:
    """In order: the later ones read what the former stored."""
    assert len(EXAMPLES) == 7
    for example in EXAMPLES:
        assert example.answer is not None
        assert difference(json.loads(output(example.command, service.url)), example.answer) is None


def test_every_statement_and_no_other_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert sorted(explained) == sorted(kind().method for kind in get_args(Property))
