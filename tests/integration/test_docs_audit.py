"""docs/audit.md says what the code does: its commands run in order, against a service of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.support.documents import ROOT, difference, examples, output
from tests.support.service import ServiceProcess, running

TEXT = (ROOT / "docs" / "audit.md").read_text()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("docs")) as process:
        yield process


def test_the_commands_give_what_is_printed_below_them(
    service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("files")
    monkeypatch.setenv("TRIMTAB_DATA_DIR", str(service.data_dir))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    found = examples(TEXT)
    assert len(found) == 8
    for example in found:
        printed = output(example.command.replace(".run/docs-", f"{folder}/docs-"), service.url)
        assert difference(json.loads(printed), example.answer) is None, example.command


def test_every_path_that_is_named_exists(service: ServiceProcess) -> None:
    known = httpx.get(f"{service.url}/openapi.json").json()["paths"]
    named = re.findall(r"`GET (/v1/[\w/:{}]+)`", TEXT)
    assert named and set(named) <= known.keys()
