"""docs/operations.md says what the service does: every command, every mode, every scope."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from models.api.switch import SCOPE_PATTERN
from services.guards.switches import SwitchMode
from tests.support.documents import ROOT, difference, examples, output
from tests.support.service import ServiceProcess, running

TEXT = (ROOT / "docs" / "operations.md").read_text()
EXAMPLES = examples(TEXT)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("docs")) as process:
        yield process


def test_every_command_gives_what_is_printed_below_it(service: ServiceProcess) -> None:
    """In order: the later ones read what the former stored."""
    assert len(EXAMPLES) == 8
    for example in EXAMPLES:
        assert example.answer is not None
        assert difference(json.loads(output(example.command, service.url)), example.answer) is None


def test_every_mode_and_every_scope_is_explained() -> None:
    explained = re.findall(r"^\| `([a-z_]+)(?::[A-Z]+)?` \|", TEXT, re.MULTILINE)
    scopes = ["global", "portfolio", "account", "venue", "symbol"]
    assert explained == [*scopes, *(mode.value for mode in SwitchMode)]
    for scope in scopes:
        assert re.match(SCOPE_PATTERN, scope if scope == "global" else f"{scope}:x")
