"""docs/signing.md says what the service does: its commands run in order, codes and figures are those of the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.problems import PROBLEMS
from app.request_signature import AHEAD_MS, HEADERS, string_to_sign
from app.settings import VARIABLES, Settings
from tests.support.documents import ROOT, difference, examples, output
from tests.support.service import ServiceProcess, running

TEXT = (ROOT / "docs" / "signing.md").read_text()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("docs")) as process:
        time.sleep(AHEAD_MS / 1000.0 + 0.1)  # in its first second a memory of nonces takes none
        yield process


def test_the_commands_and_the_script_do_what_is_printed_below_them(service: ServiceProcess, tmp_path: Path) -> None:
    def here(text: str) -> str:
        return text.replace(".run/docs-", f"{tmp_path}/docs-")

    found = examples(TEXT)
    assert [example.answer is None for example in found] == [True, False]
    for example in found:
        printed = output(here(example.command), service.url)
        if example.answer is not None:
            assert difference(json.loads(printed), example.answer) is None, printed
    script = re.search(r"```python\n(.*?)```\n```json\n(.*?)```", TEXT, re.DOTALL)
    assert script is not None
    environment = {"TRIMTAB_URL": service.url, "PYTHONPATH": str(ROOT / "clients/python/src")}
    command = [sys.executable, "-c", here(script[1])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == json.loads(script[2])


def test_names_and_figures_are_those_of_the_code() -> None:
    for header in HEADERS:
        assert f"| `{header}` |" in TEXT
    for code, status in re.findall(r"^\| `(\w+)` \| (\d{3}) \|", TEXT, re.MULTILINE):
        assert PROBLEMS[code].status == int(status)
    assert Settings().signature_window_seconds == 5.0 and AHEAD_MS == 1000
    assert set(re.findall(r"TRIMTAB_[A-Z_]+", TEXT)) <= VARIABLES.keys() | {"TRIMTAB_URL"}
    assert string_to_sign("1", "2", "3", "4", b"").count(b"\n") == 5
