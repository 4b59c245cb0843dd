"""`trimtab margin-backtest`: table, picture, JSON, and what it says of wrong input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from app.cli import application
from models.api.margin_backtest import MarginBacktestAnswer

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
    arguments = ["margin-backtest", str(prices), "-o", str(picture), "--buffer", "0.25", "--profile", "lean"]
    found = RUNNER.invoke(application, arguments, env={"COLUMNS": "200"})
    assert found.exit_code == 0, found.output
    for text in ("model without rules", "normal ewma", "plain historical", "peak/trough", "green", "1.00 %"):
        assert text in found.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_json_is_the_answer_of_the_service(prices: Path) -> None:
    found = RUNNER.invoke(application, ["margin-backtest", str(prices), "--no-plot", "--json", "--horizon", "2"])
    report = orjson.loads(found.stdout)
    assert report.pop("file")["points"] == 400
    answer = MarginBacktestAnswer.model_validate(report)
    assert (answer.bars, answer.horizon_bars, answer.horizon_days) == (400, 2, 2.0)
    assert answer.strategies[0].long.coverage.observations == (399 - 250) // 2


@pytest.mark.parametrize("method", ["sigma_multiple", "lognormal_expected_shortfall"])
def test_models_of_volatility(prices: Path, method: str) -> None:
    found = RUNNER.invoke(application, ["margin-backtest", str(prices), "--no-plot", "--json", "--method", method])
    assert orjson.loads(found.stdout)["model_resolved"]["method"] == method


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--warm-up", "398"], 3, "at least 2 margins"),
        (["--method", "guess"], 2, "guess"),
        (["--alpha", "2"], 2, "alpha"),
        (["--interval", "1d"], 2, "interval"),
    ],
)
def test_wrong_input_is_named(prices: Path, arguments: list[str], code: int, text: str) -> None:
    found = RUNNER.invoke(application, ["margin-backtest", str(prices), "--no-plot", *arguments])
    assert found.exit_code == code
    assert text in found.output + (found.stderr or "")
