"""`trimtab margin-frontier`: table, picture, JSON, and what it says of wrong input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from app.cli import application
from app.commands.margin_frontier import CONFIDENCES, MULTIPLIERS
from models.api.margin_frontier import FrontierAnswer, FrontierRequest

RUNNER = CliRunner()


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    closes = 100.0 * np.exp(np.cumsum(0.02 * np.random.default_rng(3).standard_t(4.0, 400)))
    days = np.arange("2025-01-01", "2026-02-05", dtype="datetime64[D]")
    lines = [f"{day},{close:.4f}" for day, close in zip(days, closes, strict=True)]
    path.write_text("date,close\n" + "\n".join(lines) + "\n")
    return path


def test_a_table_and_a_picture(prices: Path, tmp_path: Path) -> None:
    picture = tmp_path / "out.png"
    arguments = ["margin-frontier", str(prices), "-o", str(picture), "--profile", "lean"]
    found = RUNNER.invoke(application, arguments, env={"COLUMNS": "200"})
    assert found.exit_code == 0, found.output
    for text in ("alpha 0.975 (own)", "alpha 0.995", "0.6 x", "liquidations", "efficient", "400 bars"):
        assert text in found.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_json_is_the_answer_of_the_service(prices: Path) -> None:
    arguments = ["margin-frontier", str(prices), "--no-plot", "--json", "--confidence", "0.9", "--multiplier", "2"]
    found = RUNNER.invoke(application, arguments)
    report = orjson.loads(found.stdout)
    assert report.pop("file")["points"] == 400
    answer = FrontierAnswer.model_validate(report)
    assert [(one.varied, one.alpha, one.multiplier) for one in answer.points] == [
        ("own", 0.975, 1.0),
        ("confidence", 0.9, 1.0),
        ("multiplier", 0.975, 2.0),
    ]


def test_its_defaults_are_those_of_the_service() -> None:
    fields = FrontierRequest.model_fields
    assert list(CONFIDENCES) == fields["confidences"].get_default(call_default_factory=True)
    assert list(MULTIPLIERS) == fields["multipliers"].get_default(call_default_factory=True)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [(["--warm-up", "398"], 3, "at least 2 margins"), (["--multiplier", "0"], 2, "multiplier")],
)
def test_wrong_input_is_explained(prices: Path, arguments: list[str], code: int, text: str) -> None:
    found = RUNNER.invoke(application, ["margin-frontier", str(prices), "--no-plot", *arguments])
    assert found.exit_code == code
    assert text in found.output
