"""docs/guards.md says what the code does: tables, commands, the program that signs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from app.oracle_examples import SIGNED
from scripts.guards_page import PAGE, PICTURE, kept, tables
from scripts.oracle_plot import draw
from scripts.oracle_replay import DATA, minutes, replay
from scripts.volatility_page import ROOT, rewritten
from services.guards.outcome import OracleReason, OracleStatus, SourceReason
from tests.support.documents import difference, examples, output
from tests.support.service import ServiceProcess, running

TEXT = PAGE.read_text()
MOST_BYTES = 150_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("docs")) as process:
        yield process


def test_the_tables_are_those_of_the_code() -> None:
    assert rewritten(TEXT, {**tables(), "measured": kept(TEXT, "measured")}) == TEXT, "run make docs"


def test_every_code_and_no_other_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", TEXT, re.MULTILINE)
    assert explained == [code.value for codes in (OracleStatus, OracleReason, SourceReason) for code in codes]


def test_the_command_gives_what_is_printed_below_it(service: ServiceProcess) -> None:
    (example,) = examples(TEXT)
    assert difference(json.loads(output(example.command, service.url)), example.answer, 1e-9) is None


def test_the_program_signs_what_the_service_accepts(service: ServiceProcess) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60).stdout
    body = json.loads(printed)
    assert body["oracles"][0]["observations"] == SIGNED["oracles"][0]["observations"][:1]
    (row,) = httpx.post(f"{service.url}/v1/oracles:aggregate", json=body).json()["oracles"]
    assert (row["status"], row["signers"], row["rejected"]) == ("ok", 1, [])


def test_the_picture_is_there_and_small() -> None:
    assert re.findall(r"!\[[^\]]{10,}\]\(images/([^)]+)\)", TEXT) == [PICTURE.name]
    assert PICTURE.stat().st_size < MOST_BYTES


@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA.name} is not in ../shared/data")
def test_the_picture_is_drawn_from_the_data(tmp_path: Path) -> None:
    found = list(minutes())[-900:]
    draw(found, replay(found), tmp_path / PICTURE.name)
    with Image.open(tmp_path / PICTURE.name) as image:
        assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 10, "something is drawn"


def test_every_target_and_path_that_is_named_exists(service: ServiceProcess) -> None:
    targets = set(re.findall(r"`make ([a-z-]+)", TEXT))
    assert targets and targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known = httpx.get(f"{service.url}/openapi.json").json()["paths"]
    named = re.findall(r"`(?:GET|POST) (/v1/[\w/:{}]+)`", TEXT)
    assert named and set(named) <= known.keys()
