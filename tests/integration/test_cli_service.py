"""Commands that talk to a service: observe, state and demo, against the real one behind a real socket."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner, Result

from app.cli import application
from app.commands.console import ExitCode
from app.commands.embedded import embedded_service
from app.demo.markets import bundled
from app.settings import Settings
from tests.support import requests

SHORT = 260
"""Closes of the short file; more than one call of 100, and enough for a mature forecast."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("embedded")
    with embedded_service(Settings(data_dir=directory, log_level="WARNING", request_timeout_seconds=30.0)) as base:
        yield base


@pytest.fixture(scope="module")
def bitcoin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """First closes of the bundled Bitcoin file, newest first, as many vendors sell them."""
    path = tmp_path_factory.mktemp("prices") / "btc.csv"
    closes = bundled("btc_usd_daily").closes[:SHORT]
    rows = [f"{round(item.close_time.timestamp() * 1000)},BTC-USD,{item.close}" for item in reversed(closes)]
    path.write_text("\n".join(["unix,symbol,close", *rows]) + "\n")
    return path


def run(*arguments: object, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(application, [str(item) for item in arguments], env=environment)


def document(result: Result, code: ExitCode = ExitCode.DONE) -> Any:
    assert result.exit_code == code, result.stdout + result.stderr
    return orjson.loads(result.stdout_bytes)


def observe(url: str, path: Path, symbol: str, *more: str) -> Result:
    return run("observe", path, "--symbol", symbol, "--label", "close", "--url", url, *more)


class TestObserve:
    def test_every_close_is_accepted_and_the_state_knows_them(self, url: str, bitcoin: Path) -> None:
        summary = document(observe(url, bitcoin, "WARM", "--json"))
        assert summary["outcomes"] == {"accepted": SHORT}
        assert (summary["points"], summary["time_column"], summary["price_column"]) == (SHORT, "unix", "close")
        state = document(run("state", "show", "WARM", "--url", url, "--json"))
        closes = bundled("btc_usd_daily").closes
        assert state["observations"] == SHORT - 1
        assert state["last_close"] == float(closes[SHORT - 1].close)
        assert state["last_close_time"] == closes[SHORT - 1].close_time.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        assert state["readout"]["status"] == "ok"

    def test_again_changes_nothing(self, url: str, bitcoin: Path) -> None:
        document(observe(url, bitcoin, "TWICE", "--json"))
        before = document(run("state", "show", "TWICE", "--url", url, "--json"))
        again = document(observe(url, bitcoin, "TWICE", "--json"))
        assert set(again["outcomes"]) <= {"duplicate", "out_of_order"}
        assert sum(again["outcomes"].values()) == SHORT
        assert document(run("state", "show", "TWICE", "--url", url, "--json")) == before

    def test_ranges_go_with_the_closes(self, url: str, tmp_path: Path) -> None:
        path = tmp_path / "bars.csv"
        bars = [f"{item.close_time.isoformat()},{item.close},{item.close},{item.close},{item.close},5"
                for item in bundled("btc_usd_daily").closes[:60]]  # fmt: skip
        path.write_text("\n".join(["time,open,high,low,close,volume", *bars]) + "\n")
        summary = document(observe(url, path, "RANGE", "--json"))
        assert summary["other_columns"] == ["open", "high", "low", "volume"]
        assert document(run("state", "show", "RANGE", "--url", url, "--json"))["inputs"] == "range"

    def test_many_points_go_in_several_calls(self, url: str, bitcoin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.commands.observe.batches.__defaults__", (100,))
        summary = document(observe(url, bitcoin, "BATCHED", "--json"))
        assert summary["outcomes"] == {"accepted": SHORT}
        assert document(run("state", "show", "BATCHED", "--url", url, "--json"))["version"] == 3

    def test_the_table_counts_and_explains_outcomes(self, url: str, bitcoin: Path) -> None:
        shown = " ".join(observe(url, bitcoin, "SHOWN").stdout.split())
        assert f"accepted {SHORT} The next bar" in shown
        assert "columns 'unix' and 'close'" in shown

    def test_sessions_fed_as_if_around_the_clock_are_pointed_out(self, url: str, tmp_path: Path) -> None:
        path = tmp_path / "week_days.csv"
        rows = [f"{item.close_time.date()},{item.close}" for item in bundled("sp500_daily").closes[:100]]
        path.write_text("\n".join(["date,close", *rows]))
        assert "--calendar XNYS" in document(observe(url, path, "ROUND", "--json"))["note"]
        assert document(observe(url, path, "SESSION", "--calendar", "XNYS", "--json"))["note"] is None

    def test_a_file_of_which_nothing_is_stored_fails(self, url: str, tmp_path: Path) -> None:
        future, other = tmp_path / "future.csv", tmp_path / "other.csv"
        future.write_text("date,close\n2100-01-01,5\n2100-01-02,6\n")
        assert document(observe(url, future, "NOTHING", "--json"), ExitCode.FAILED)["outcomes"] == {"unfinished": 2}
        shown = observe(url, future, "NOTHING")
        assert (shown.exit_code, "No bar was stored." in shown.stdout) == (ExitCode.FAILED, True)
        other.write_text("date,close\n2019-01-01,5\n2019-01-02,6\n2019-01-03,7\n")
        assert observe(url, other, "TWICE", "--json").exit_code == ExitCode.DONE
        assert document(observe(url, other, "TWICE", "--json"))["outcomes"] == {"duplicate": 3}
        wrong = observe(url, other, "TWICE", "--calendar", "XNYS", "--json")
        assert document(wrong, ExitCode.FAILED)["outcomes"] == {"calendar_conflict": 3}

    def test_a_rule_of_the_service_is_told_in_its_words(self, url: str, bitcoin: Path) -> None:
        result = observe(url, bitcoin, "no spaces please")
        assert result.exit_code == ExitCode.REFUSED
        assert "/observations/0/symbol" in result.stderr

    @pytest.mark.parametrize("interval", ["1d", "P1M", "P0D"])
    def test_an_interval_that_is_none_is_wrong_usage(self, url: str, bitcoin: Path, interval: str) -> None:
        assert observe(url, bitcoin, "X", "--interval", interval).exit_code == ExitCode.USAGE

    def test_no_service_is_unavailable(self, bitcoin: Path) -> None:
        result = observe("http://127.0.0.1:9", bitcoin, "X", "--json")
        assert "No service answers" in document(result, ExitCode.UNAVAILABLE)["title"]

    def test_another_server_is_told_apart(self, url: str) -> None:
        result = run("state", "show", "X", "--url", f"{url}/docs")
        assert result.exit_code in (ExitCode.FAILED, ExitCode.REFUSED)

    def test_direct_writes_to_the_shared_store(self, bitcoin: Path, redis_url: str, tmp_path: Path) -> None:
        stores = {"REDIS_URL": redis_url, "TRIMTAB_DATA_DIR": str(tmp_path), "DATABASE_URL": ""}
        arguments = ("observe", bitcoin, "--symbol", "SHARED", "--label", "close", "--direct", "--json")
        assert document(run(*arguments, environment=stores))["outcomes"] == {"accepted": SHORT}
        settings = Settings(data_dir=tmp_path, redis_url=redis_url, log_level="WARNING")
        with embedded_service(settings) as other:
            state = document(run("state", "show", "SHARED", "--url", other, "--json"))
        assert state["observations"] == SHORT - 1

    def test_direct_without_a_shared_store_is_wrong_usage(self, bitcoin: Path) -> None:
        result = run("observe", bitcoin, "-s", "X", "--direct", environment={"REDIS_URL": ""})
        assert result.exit_code == ExitCode.USAGE
        assert "REDIS_URL" in result.stderr


class TestState:
    def test_reset_forgets(self, url: str, bitcoin: Path) -> None:
        document(observe(url, bitcoin, "FORGET", "--json"))
        assert document(run("state", "reset", "FORGET", "--url", url, "--json"))["existed"] is True
        assert document(run("state", "reset", "FORGET", "--url", url, "--json"))["existed"] is False
        missing = document(run("state", "show", "FORGET", "--url", url, "--json"), ExitCode.REFUSED)
        assert missing["code"] == "not_found"

    def test_show_is_readable(self, url: str, bitcoin: Path) -> None:
        document(observe(url, bitcoin, "READ", "--json"))
        shown = run("state", "show", "READ", "--url", url).stdout
        assert "READ P1D (24/7)" in shown
        assert "volatility used for sizing" in shown
        assert "over P7D" in run("state", "show", "READ", "--horizon", "P7D", "--url", url).stdout
        version = document(run("state", "show", "READ", "--url", url, "--json"))["model_version"]
        assert run("state", "show", "READ", "--model", version, "--url", url).stdout == shown
        assert "forgotten" in run("state", "reset", "READ", "--url", url).stdout


class TestDemo:
    def test_walk_service_and_replay_agree(self, bitcoin: Path, tmp_path: Path) -> None:
        picture = tmp_path / "demo.png"
        arguments = ("--csv", bitcoin, "--symbol", "BTC-USD", "--label", "close", "--out", picture, "--json")
        report = document(run("demo", *arguments))
        (walk,), (service,) = report["walks"], report["service"]
        assert report["evaluations"] == walk["evaluations"] == SHORT
        assert service["outcomes"] == {"accepted": SHORT}
        assert service["replay_matches"] is True
        assert service["answer"]["mode"] == "historical"
        assert float(service["answer"]["targets"][0]["target_quantity"]) == float(walk["last_target"])
        assert walk["tracking_ratio"] == pytest.approx(walk["realized_volatility"] / 0.20)
        assert picture.read_bytes().startswith(b"\x89PNG")

    def test_kept_database_holds_the_decisions(
        self, bitcoin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        report = document(run("demo", "--csv", bitcoin, "--label", "close", "--no-plot", "--keep", "--json"))
        assert report["picture"] is None
        folder = Path(report["data_dir"])
        assert folder.parent == tmp_path
        with sqlite3.connect(folder / "trimtab.db") as connection:
            (count,) = connection.execute("SELECT count(*) FROM audit_entry").fetchone()
        connection.close()
        assert count == 2, "one call of observations, one evaluation"

    def test_tables_explain_the_last_decision(self, bitcoin: Path) -> None:
        result = run("demo", "--csv", bitcoin, "--label", "close", "--no-plot", "--target-volatility", "0.3")
        assert result.exit_code == ExitCode.DONE, result.stderr
        assert "volatility_target" in result.stdout
        assert "30.0 %" in result.stdout
        assert "byte-identical" in result.stdout

    @pytest.mark.parametrize(
        ("rows", "text"),
        [
            (["2024-01-01,1"], "a walk needs 60"),
            (
                [f"2024-0{month}-{day:02d},{-1 if day == 9 else day}" for month in (1, 2, 3) for day in range(1, 29)],
                "positive",
            ),
            ([f"2024-0{month}-{min(day, 27):02d},{day}" for month in (1, 2, 3) for day in range(1, 29)], "two closes"),
        ],
    )
    def test_a_file_that_cannot_be_walked_is_refused(self, tmp_path: Path, rows: list[str], text: str) -> None:
        path = tmp_path / "bad.csv"
        path.write_text("\n".join(["date,close", *rows]))
        result = run("demo", "--csv", path, "--no-plot")
        assert result.exit_code == ExitCode.REFUSED
        assert text in " ".join(result.stderr.split())


def test_embedded_service_leaves_its_port(tmp_path: Path) -> None:
    with embedded_service(Settings(data_dir=tmp_path, log_level="WARNING")) as base:
        assert httpx.get(f"{base}/livez", trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{base}/livez", trust_env=False)


class TestDiff:
    @pytest.fixture
    def pair(self, url: str) -> list[str]:
        """Two decisions of one portfolio, the second with twice the target volatility."""
        found = []
        for target in (0.1, 0.2):
            policy = {"sizing": {"method": "volatility_target", "target_volatility": target}}
            answer = httpx.post(
                f"{url}/v1/evaluations", json=requests.smallest(portfolio_id="desk", policy=policy), trust_env=False
            )
            found.append(answer.json()["evaluation_id"])
        return found

    def test_json_is_the_answer_of_the_service(self, url: str, pair: list[str]) -> None:
        named = document(run("diff", pair[1], pair[0], "--url", url, "--json"))
        assert named == httpx.get(f"{url}/v1/evaluations/{pair[1]}:diff?against={pair[0]}", trust_env=False).json()
        assert document(run("diff", pair[1], "--url", url, "--json")) == named, "the one before is the default"

    def test_the_stage_that_moved_the_size_is_shown_with_its_contracts(
        self, url: str, pair: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "160")
        shown = run("diff", pair[1], "--url", url)
        assert shown.exit_code == ExitCode.DONE, shown.stderr
        lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
        assert any(line.startswith("policy/sizing/target_volatility 0.1 → 0.2") for line in lines)
        assert any(line.startswith("volatility_target") and "+" in line for line in lines)
        assert any(line.startswith("in all") for line in lines)

    def test_one_that_is_not_there_is_told(self, url: str) -> None:
        refused = run("diff", "ev_" + "0" * 32, "--url", url)
        assert refused.exit_code == ExitCode.REFUSED
        assert "not_found" in refused.stderr
