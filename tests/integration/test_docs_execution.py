"""docs/execution.md says what the code does: tables, commands, picture, links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from scripts.execution_page import PAGE, tables
from scripts.execution_plots import NAME, draw, picture
from scripts.volatility_page import IMAGES, ROOT, rewritten
from scripts.volatility_plots import summarized
from tests.support.documents import difference, examples, output
from tests.support.service import ServiceProcess, running

TEXT = PAGE.read_text()
EXAMPLES = examples(TEXT)
ROUNDED = 0.02
"""Statistics are printed to two or three digits."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("execution")) as process:
        yield process


def figures(path: Path) -> dict[str, list[float]]:
    """What a picture was drawn from."""
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG" and min(image.size) >= 500
        return dict(json.loads(image.info["Figures"]))


def test_the_tables_are_those_of_the_code() -> None:
    assert rewritten(TEXT, tables()) == TEXT, "run make docs"


def test_every_command_gives_what_is_printed_below_it(service: ServiceProcess) -> None:
    assert [example.command.split("/v1/")[1].split()[0] for example in EXAMPLES] == [
        "grids", "grids", "schedules", "schedules", "schedules", "schedules", "schedules"
    ]  # fmt: skip
    for example in EXAMPLES:
        assert example.answer is not None
        printed = json.loads(output(example.command, service.url))
        assert difference(printed, example.answer, ROUNDED) is None
        assert printed["assumptions"] == []


def test_the_picture_shows_what_the_code_says_now(tmp_path: Path) -> None:
    path = IMAGES / f"{NAME}.png"
    assert path.stat().st_size < 150_000 and f"images/{NAME}.png" in TEXT
    drawn, now = figures(path), summarized(picture()[1])
    assert drawn.keys() == now.keys()
    stale = [curve for curve, values in now.items() if values != pytest.approx(drawn[curve], rel=2e-3)]
    assert stale == [], "run make docs"
    written = draw(tmp_path)[NAME]
    assert figures(tmp_path / f"{NAME}.png") == json.loads(json.dumps(written))


def test_every_file_and_path_that_is_named_exists(service: ServiceProcess) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", TEXT)
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
    files = re.findall(r"`((?:tests|app|services)/[\w/.]+)`", TEXT)
    assert files and [name for name in files if not (ROOT / name).exists()] == []
    known = json.loads(output("curl -s http://127.0.0.1:8000/openapi.json", service.url))["paths"]
    named = re.findall(r"`(?:GET|POST|PUT) (/v1/[\w/:{}]+)`", TEXT)
    assert named and set(named) <= known.keys()
