"""`trimtab backtest`: table, picture, JSON, and what it says of wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from app.cli import application

RUNNER = CliRunner()
POLICY = {"sizing": {"method": "volatility_target", "target_volatility": 0.2}}


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    closes = 100.0 * np.exp(np.cumsum(np.random.default_rng(3).normal(0.0, 0.03, 150)))
    days = np.arange("2026-01-01", "2026-05-31", dtype="datetime64[D]")
    lines = [f"{day},{close:.2f}" for day, close in zip(days, closes, strict=True)]
    path.write_text("date,close\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(POLICY))
    return path


def test_a_table_and_a_picture(prices: Path, policy: Path, tmp_path: Path) -> None:
    picture = tmp_path / "out.png"
    found = RUNNER.invoke(application, ["backtest", str(prices), "-p", str(policy), "-o", str(picture)])
    assert found.exit_code == 0, found.output
    assert "volatility" in found.output and "calendar" in found.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_json_is_the_answer_of_the_service(prices: Path, policy: Path) -> None:
    found = RUNNER.invoke(application, ["backtest", str(prices), "-p", str(policy), "--no-plot", "--json"])
    report = orjson.loads(found.stdout)
    assert report["strategies"][0]["strategy"] == "policy"
    assert report["bars"] == 150 and report["last_targets"][0]["steps"]


def test_no_baselines_and_a_policy_from_standard_input(prices: Path) -> None:
    arguments = ["backtest", str(prices), "-p", "-", "--no-plot", "--no-baselines", "--json"]
    found = RUNNER.invoke(application, arguments, input=json.dumps(POLICY))
    assert len(orjson.loads(found.stdout)["strategies"]) == 1


@pytest.mark.parametrize(
    ("policy_text", "arguments", "code", "text"),
    [
        ('{"sizing": {"method": "volatility_target", "target_volatility": 20}}', [], 3, "target_volatility"),
        (json.dumps(POLICY), ["--lot", "0"], 2, "--lot"),
        (json.dumps(POLICY), ["--warm-up", "149"], 3, "at least 151 bars"),
        (json.dumps(POLICY), ["--interval", "1d"], 2, "interval"),
    ],
)
def test_wrong_input_is_named(prices: Path, policy_text: str, arguments: list[str], code: int, text: str) -> None:
    found = RUNNER.invoke(application, ["backtest", str(prices), "-p", "-", "--no-plot", *arguments], input=policy_text)
    assert found.exit_code == code
    assert text in found.output + (found.stderr or "")
