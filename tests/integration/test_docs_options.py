"""Pages on options, hedging and margin say what the code does: commands, links, paths."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import ROOT, difference, examples, output
from tests.support.service import ServiceProcess, running

PAGES = [ROOT / "docs" / f"{name}.md" for name in ("options", "hedging", "margin")]
ROUNDED = 0.01
"""Statistics are printed to three digits and more."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("options")) as process:
        yield process


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_gives_what_is_printed_below_it(service: ServiceProcess, page: Path) -> None:
    found = examples(page.read_text())
    assert found
    for example in found:
        assert example.answer is not None
        assert difference(json.loads(output(example.command, service.url)), example.answer, ROUNDED) is None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_and_path_that_is_named_exists(service: ServiceProcess, page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    assert links and [link for link in links if not (page.parent / link).exists()] == []
    known = json.loads(output("curl -s http://127.0.0.1:8000/openapi.json", service.url))["paths"]
    named = re.findall(r"`(?:GET|POST|PUT) (/v1/[\w/:{}-]+)`", text)
    assert named and set(named) <= known.keys()
