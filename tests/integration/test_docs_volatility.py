"""docs/volatility.md says what the code does: tables, commands, pictures, links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.api.event import EventIn
from models.api.policy import PolicyIn
from scripts.volatility_markets import Market, bitcoin, standard_and_poors
from scripts.volatility_page import IMAGES, PAGE, ROOT, rewritten, tables
from scripts.volatility_plots import draw, pictures, summarized
from services.volatility.fitting import FitChoice, FitReason, FitRejected, fit
from services.volatility.outcome import PointOutcome
from tests.support.documents import difference, examples, output
from tests.support.service import ServiceProcess, running

TEXT = PAGE.read_text()
EXAMPLES = examples(TEXT)
MOST_BYTES = 150_000
ROUNDED = 0.02
"""Answers are printed to three digits, so that small changes of constants do not make the page wrong."""
DRAWN = 2e-3
"""Differences of a curve that no picture shows."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("docs")) as process:
        yield process


def figures(path: Path) -> dict[str, list[float]]:
    """What a picture was drawn from."""
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG" and min(image.size) >= 500
        return dict(json.loads(image.info["Figures"]))


def test_the_tables_are_those_of_the_code() -> None:
    assert rewritten(TEXT, tables()) == TEXT, "run make docs"


def test_a_page_without_a_place_for_a_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="places for"):
        rewritten(TEXT.replace("<!-- begin outcomes -->", ""), tables())


def test_every_outcome_and_no_other_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \| (?:yes|no) \|", TEXT, re.MULTILINE)
    assert explained == [outcome.value for outcome in PointOutcome]


def test_every_command_gives_what_is_printed_below_it(service: ServiceProcess) -> None:
    """In order: the later ones read what the former fed."""
    assert [example.command.split("/v1/")[1].split()[0].split("?")[0] for example in EXAMPLES[1:]] == [
        "observations", "volatility", "volatility:estimate", "correlation:estimate"
    ]  # fmt: skip
    for example in EXAMPLES:
        printed = output(example.command, service.url)
        if example.answer is not None:
            assert difference(json.loads(printed), example.answer, ROUNDED) is None


def test_every_fragment_of_a_request_is_valid() -> None:
    fragments = [dict(json.loads(f"{{{text}}}")) for text in re.findall(r'`("\w+": [\[{][^`]+)`', TEXT)]
    known = {"estimator", "correlation", "drivers", "events"}
    assert {name for fragment in fragments for name in fragment} == known
    for fragment in fragments:
        policy = {name: fragment[name] for name in ("estimator", "correlation") if name in fragment}
        PolicyIn.model_validate({"sizing": {"method": "volatility_target", "target_volatility": 0.2}, **policy})
        for event in fragment.get("events", []):
            EventIn.model_validate(event)


def test_pictures_are_there_small_and_all_shown() -> None:
    shown = re.findall(r"!\[[^\]]{10,}\]\(images/([^)]+)\)", TEXT)
    assert sorted(shown) == sorted(path.name for path in IMAGES.glob("volatility_*"))
    assert sorted(shown) == sorted(f"volatility_{name}.png" for name in pictures([standard_and_poors(), bitcoin()]))
    assert [name for name in shown if (IMAGES / name).stat().st_size > MOST_BYTES] == []


def test_pictures_show_what_the_code_says_now() -> None:
    for name, picture in pictures([standard_and_poors(), bitcoin()]).items():
        drawn, now = figures(IMAGES / f"volatility_{name}.png"), summarized(picture()[1])
        assert drawn.keys() == now.keys()
        stale = [curve for curve, values in now.items() if values != pytest.approx(drawn[curve], rel=DRAWN)]
        assert stale == [], f"{name}: run make docs"


def shortened(market: Market, bars: int) -> Market:
    """The same with its last bars only."""
    series = market.series
    assert series.close_times is not None
    return replace(market, series=replace(series, closes=series.closes[-bars:], close_times=series.close_times[-bars:]))


def test_full_maximum_likelihood_is_refused_as_the_page_says() -> None:
    market = bitcoin()
    returns = np.diff(np.log(market.series.closes[: market.crash.start]))
    found = fit(returns, FitChoice(model="garch", procedure="full"))
    assert isinstance(found, FitRejected) and found.reason is FitReason.INTEGRATED


def test_the_generator_writes_pictures(tmp_path: Path) -> None:
    found = draw([shortened(bitcoin(), 1000)], tmp_path)
    for name, summary in found.items():
        path = tmp_path / f"volatility_{name}.png"
        assert figures(path) == json.loads(json.dumps(summary))
        with Image.open(path) as image:
            assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 10, "something is drawn"


def test_every_file_and_path_that_is_named_exists(service: ServiceProcess) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", TEXT)
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
    files = re.findall(r"`((?:tests|app|services)/[\w/.]+)`", TEXT)
    assert files and [name for name in files if not (ROOT / name).exists()] == []
    targets = set(re.findall(r"`make ([a-z-]+)", TEXT))
    assert targets and targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known = json.loads(output("curl -s http://127.0.0.1:8000/openapi.json", service.url))["paths"]
    named = re.findall(r"`(?:GET|POST) (/v1/[\w/:]+)`", TEXT)
    assert named and set(named) <= known.keys()
