"""docs/scorecard.md says what the code does: its commands run in order, against a service of their own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from PIL import Image

from models.api.scorecard import ScorecardAnswer
from tests.support.documents import ROOT, difference, examples, output
from tests.support.service import running

TEXT = (ROOT / "docs" / "scorecard.md").read_text()
ROUNDED = 1e-6


def test_the_commands_give_what_is_printed_below_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = examples(TEXT)
    assert [example.command.split()[0] for example in found] == ["python", "curl", "trimtab"]
    with running(tmp_path / "data") as process:
        monkeypatch.setenv("TRIMTAB_DATA_DIR", str(process.data_dir))
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        assert output(found[0].command, process.url) == b"150 decisions recorded\n"
        cards = [output(example.command, process.url) for example in found[1:]]
        paths = httpx.get(f"{process.url}/openapi.json", trust_env=False).json()["paths"]
    assert cards[0] == cards[1], "the command gives the bytes of the answer"
    for example, card in zip(found[1:], cards, strict=True):
        assert difference(json.loads(card), example.answer, ROUNDED) is None
    assert set(re.findall(r"`(?:GET|POST) (/v1/[\w/:{}]+)`", TEXT)) <= paths.keys()


def test_every_figure_of_the_answer_is_explained() -> None:
    sections = ("forecasts", "tails", "tracking", "touches", "hedges")
    models = [ScorecardAnswer.model_fields[name].annotation for name in sections]
    named = {name for model in models for name in model.model_fields}  # type: ignore[union-attr]
    explained = set(re.findall(r"[a-z_]{4,}", TEXT))
    assert named - explained - {"benchmark", "repeated", "calibration_error", "bins", "brier"} == set()


def test_reasons_of_the_page_are_those_of_the_code() -> None:
    code = "".join(
        (ROOT / path).read_text() for path in ("services/scorecard/score.py", "app/translate/logged_answers.py")
    )
    rows = TEXT[TEXT.index("## What is not") : TEXT.index("## Where outcomes")]
    reasons = {name for line in rows.splitlines() if line.startswith("| `") for name in re.findall(r"`(\w+)`", line)}
    assert len(reasons) >= 15 and {name for name in reasons if f'"{name}"' not in code} == set()


def test_the_picture_is_there() -> None:
    path = ROOT / "docs" / "images" / "scorecard.png"
    assert path.stat().st_size < 150_000 and "images/scorecard.png" in TEXT
    with Image.open(path) as image:
        assert image.format == "PNG" and min(image.size) >= 400
