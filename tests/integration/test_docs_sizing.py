"""docs/sizing.md says what the code does: tables, commands, figures, picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from PIL import Image

from app.catalog import catalog
from scripts.sizing_gallery import HEADING, NOT_HERE, SCALED, book, line, policies, shown, walked
from scripts.sizing_page import PAGE, PICTURE, absent_text, block_table, method_table, methods, part_of
from scripts.volatility_page import rewritten
from tests.support.documents import difference, examples, output
from tests.support.service import ServiceProcess, running

TEXT = PAGE.read_text()
EXAMPLES = examples(TEXT)
RECOMPUTED = ("volatility_target", "fixed_risk", "discrete_kelly", "portfolio_insurance", "calendar, every 30 days")
"""Rows of the gallery that walk within a second or two each."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("docs")) as process:
        yield process


def test_the_tables_are_those_of_the_code() -> None:
    parts = {"methods": method_table(), "blocks": block_table(), "absent": absent_text()}
    assert rewritten(TEXT, parts | {"gallery": part_of(TEXT, "gallery")}) == TEXT, "run make docs"


def test_every_method_is_asked_for_by_a_question_and_walks_or_says_why_not() -> None:
    known = {item["method"] for item in methods("sizing")}
    questions = TEXT.partition("## Which method")[2].partition("<!-- begin methods -->")[0]
    assert known == set(re.findall(r"`(\w+)`", questions)) - {"scaling", "baseline_quantity"}
    assert known == set(shown()) | (set(NOT_HERE) & known)
    assert not set(shown()) & set(NOT_HERE)


def test_every_block_is_in_the_table_or_has_a_page_of_its_own() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", block_table(), re.MULTILINE))
    assert {item["block"] for item in catalog()["blocks"]} - named <= {
        "sizing", "estimator", "correlation", "limits", "overlays", "guards", "orders", "margin", "breakers",
        "collateral", "contagion", "hedging", "hedge_optimizer", "hedge_gate", "hedge_execution",
    }  # fmt: skip


@pytest.mark.parametrize("name", RECOMPUTED)
def test_a_row_of_the_gallery_is_what_the_walk_gives(name: str) -> None:
    item = walked(name, policies()[name], book())
    printed = next(row for row in part_of(TEXT, "gallery").splitlines() if row.startswith(f"| {line(item)[0]} |"))
    cells = [cell.strip() for cell in printed.strip("|").split("|")]
    assert len(cells) == len(HEADING)
    for column, written, found in zip(HEADING[1:], cells[1:], line(item)[1:], strict=True):
        assert float(written) == pytest.approx(float(found), abs=0.11), column


def test_compositions_share_one_target() -> None:
    """What makes their rows comparable with those of the methods that have a target."""
    composed = ("inverse_volatility", "risk_parity", "hierarchical_risk_parity")
    assert all(shown()[name][1] == SCALED for name in composed)


def test_every_command_gives_what_is_printed_below_it(service: ServiceProcess) -> None:
    assert len(EXAMPLES) == 2
    targets, walk = EXAMPLES
    assert difference(json.loads(output(targets.command, service.url)), targets.answer) is None
    assert b"volatility" in output(walk.command, service.url)


def test_the_picture_is_there_and_small() -> None:
    with Image.open(PICTURE) as image:
        image.load()
        assert image.format == "PNG"
        assert min(image.size) >= 500
    assert PICTURE.stat().st_size < 400_000
