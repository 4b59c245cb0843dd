"""docs/vaults.md says what the code does: tables, commands, links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from scripts.vaults_page import PAGE, tables
from scripts.volatility_page import ROOT, rewritten
from tests.support.documents import difference, examples, output
from tests.support.service import ServiceProcess, running

TEXT = PAGE.read_text()
EXAMPLES = examples(TEXT)
ROUNDED = 0.02
"""Statistics are printed to two or three digits."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("vaults")) as process:
        yield process


def test_the_tables_are_those_of_the_code() -> None:
    assert rewritten(TEXT, tables()) == TEXT, "run make docs"


def test_every_command_gives_what_is_printed_below_it(service: ServiceProcess) -> None:
    assert [example.command.split("/v1/")[1].split()[0] for example in EXAMPLES] == ["vaults"] * 4
    for example in EXAMPLES:
        assert example.answer is not None
        printed = json.loads(output(example.command, service.url))
        assert difference(printed, example.answer, ROUNDED) is None
        assert [item["pointer"] for item in printed["assumptions"]] in ([], ["/quotes"])


def test_every_file_and_path_that_is_named_exists(service: ServiceProcess) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", TEXT)
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
    files = re.findall(r"`((?:tests|app|services)/[\w/.]+)`", TEXT)
    assert files and [name for name in files if not (ROOT / name).exists()] == []
    known = json.loads(output("curl -s http://127.0.0.1:8000/openapi.json", service.url))["paths"]
    named = re.findall(r"`(?:GET|POST|PUT) (/v1/[\w/:{}]+)`", TEXT)
    assert named and set(named) <= known.keys()
