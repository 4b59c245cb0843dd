"""`trimtab fit`: the estimates of the library, from a file, with reasons where there are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner, Result

from app.cli import application
from app.commands.console import ExitCode
from services.core.explain import Floats
from services.volatility.fitting import Fit, FitChoice, fit
from tests.unit.volatility.garch_series import garch_returns


def written(path: Path, closes: Floats, *, skip: int | None = None) -> Path:
    """Daily closes as a CSV file; the row `skip` is left out."""
    first = datetime(2020, 1, 1, tzinfo=UTC)
    rows = [f"{first + timedelta(days=day):%Y-%m-%d},{close!r}" for day, close in enumerate(closes.tolist())]
    if skip is not None:
        del rows[skip]
    path.write_text("\n".join(["date,close", *rows]))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(application, ["fit", *map(str, arguments)])


@pytest.fixture
def closes() -> Floats:
    return np.asarray(100.0 * np.exp(np.cumsum(garch_returns(31, 900))), dtype=float)


def test_json_holds_the_estimates_of_the_library(tmp_path: Path, closes: Floats) -> None:
    found = run(written(tmp_path / "prices.csv", closes), "--model", "garch", "--json")
    assert found.exit_code == ExitCode.DONE, found.output
    answer = orjson.loads(found.stdout_bytes)
    expected = fit(np.log(closes[1:] / closes[:-1]), FitChoice(model="garch"))
    assert isinstance(expected, Fit)
    given = answer["result"]["fitted"]["estimator"]
    assert given["method"] == "garch" and answer["periods_per_year"] == 365.0
    model = expected.model.estimator
    assert (given["omega"], given["alpha"], given["beta"]) == (model.omega, model.alpha, model.beta)


def test_a_missing_day_is_two_days_of_the_same_move(tmp_path: Path, closes: Floats) -> None:
    found = run(written(tmp_path / "prices.csv", closes, skip=400), "--json")
    assert orjson.loads(found.stdout_bytes)["result"]["returns"] == closes.size - 1


def test_the_estimator_is_printed_ready_to_paste(tmp_path: Path, closes: Floats) -> None:
    found = run(written(tmp_path / "prices.csv", closes), "--procedure", "variance_targeted")
    assert found.exit_code == ExitCode.DONE, found.output
    last = next(line for line in found.stdout.splitlines() if line.startswith("{"))
    assert orjson.loads(last)["estimator"]["method"] == "gjr_garch"
    assert "long-run volatility" in found.stdout


def test_a_rejected_fit_ends_with_its_reason(tmp_path: Path, closes: Floats) -> None:
    found = run(written(tmp_path / "prices.csv", closes[:100]), "--json")
    assert found.exit_code == ExitCode.REFUSED
    assert "insufficient_history" in orjson.loads(found.stdout_bytes)["title"]


def test_wrong_choices_and_files_are_usage_errors(tmp_path: Path, closes: Floats) -> None:
    path = written(tmp_path / "prices.csv", closes)
    assert run(path, "--model", "egarch", "--procedure", "variance_targeted").exit_code == ExitCode.USAGE
    assert run(path, "--model", "arch").exit_code == ExitCode.USAGE
    assert run(tmp_path / "absent.csv").exit_code == ExitCode.USAGE
    assert run(path, "--interval", "PT7H", "--json").exit_code == ExitCode.REFUSED  # no bar ends on such a clock
