"""The scorecard of a real log: figures as they come out by hand, the same bytes from the database, nothing ahead."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from app.lifespan import open_container
from app.settings import Settings
from app.usecases.scorecard import ScorecardQuery, read_scorecard, score_entries
from models.api.scorecard import ScorecardAnswer
from tests.integration.test_cli_service import run
from tests.support.http import client
from tests.support.live import running
from tests.support.recorded_walk import Market, Walk, moment

DAYS = 60
MARKETS = [Market.simulated("AAA", 1, DAYS + 2), Market.simulated("BBB", 2, DAYS + 2, 50.0, 0.02)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Walk, bytes]:
    """Folder of a log of sixty days, the answers, and the scorecard over HTTP."""
    folder, walk = tmp_path_factory.mktemp("walk"), Walk(MARKETS)

    async def record() -> bytes:
        async with client(folder) as http:
            await walk.record(http, range(1, DAYS + 1))
            answer = await http.get("/v1/scorecard")
            assert answer.status_code == 200, answer.text
            return answer.content

    return folder, walk, asyncio.run(record())


def value(metric: dict[str, Any]) -> float:
    assert metric["value"] is not None, metric
    return float(metric["value"])


def test_it_keeps_its_contract(recorded: tuple[Path, Walk, bytes]) -> None:
    _, walk, body = recorded
    ScorecardAnswer.model_validate_json(body)
    read = orjson.loads(body)["range"]
    assert (read["from"], read["to"], read["answers"], read["unread"]) == (0, DAYS - 1, len(walk.answers), {})


def test_forecast_losses_are_those_of_the_answers(recorded: tuple[Path, Walk, bytes]) -> None:
    """The last forecasts have no outcome yet."""
    _, walk, body = recorded
    losses, ratios = [], []
    for day, answer in enumerate(walk.answers[:-1], start=1):
        for market, target in zip(MARKETS, answer["targets"], strict=True):
            stated = target["volatility"]
            variance = 1e4 * (stated["forecast"] * stated["calibration"]) ** 2 / stated["periods_per_year"]
            realized = 1e4 * market.log_return(day + 1) ** 2
            losses.append(math.log(variance) + realized / variance)
            ratios.append(realized / variance)
    found = orjson.loads(body)["forecasts"]
    assert found["qlike"]["n"] == 2 * (DAYS - 1) and found["qlike"]["moments"] == DAYS - 1
    assert value(found["qlike"]) == pytest.approx(np.mean(losses), rel=1e-6)
    assert value(found["bias"]) == pytest.approx(np.mean(ratios), rel=1e-6)
    assert found["excluded"] == {"outcome_not_on_record": 2}


def test_the_gain_is_against_an_ewma_of_the_closes_on_record(recorded: tuple[Path, Walk, bytes]) -> None:
    _, walk, body = recorded
    gains = []
    for market, row in zip(
        MARKETS, zip(*(answer["targets"] for answer in walk.answers[:-1]), strict=True), strict=True
    ):
        returns = np.diff(np.log(market.closes[1:]))
        level = float(np.mean(returns[:20] ** 2))
        path = [level := 0.94 * level + 0.06 * square for square in (returns[20:] ** 2).tolist()]
        for day, target in enumerate(row, start=1):
            stated = target["volatility"]
            own = 1e4 * (stated["forecast"] * stated["calibration"]) ** 2 / 365.0
            # closes[1:] ends at day DAYS + 2; path[0] is after its 21st return.
            other = 1e4 * path[-(DAYS + 2 - day) - 1]
            realized = 1e4 * market.log_return(day + 1) ** 2
            gains.append(math.log(other) + realized / other - math.log(own) - realized / own)
    assert value(orjson.loads(body)["forecasts"]["qlike_gain"]) == pytest.approx(np.mean(gains), rel=1e-4)


def test_tails_and_tracking_are_those_of_the_target_books(recorded: tuple[Path, Walk, bytes]) -> None:
    _, walk, body = recorded
    breaches, squares = 0, []
    for day, answer in enumerate(walk.answers[:-1], start=1):
        profit = sum(
            float(target["target_notional"]) * math.expm1(market.log_return(day + 1))
            for market, target in zip(MARKETS, answer["targets"], strict=True)
        )
        breaches += -profit > float(answer["portfolio"]["value_at_risk"])
        squares.append((profit / 1000.0 / (0.2 / math.sqrt(365.0))) ** 2)
    found = orjson.loads(body)
    assert found["tails"]["coverage"]["observations"] == DAYS - 1
    assert found["tails"]["coverage"]["breaches"] == breaches
    assert value(found["tracking"]["realized_to_target"]) == pytest.approx(math.sqrt(np.mean(squares)), rel=1e-4)


def test_touches_are_read_off_the_ranges_of_the_bars(recorded: tuple[Path, Walk, bytes]) -> None:
    _, walk, body = recorded
    scores = []
    for day, answer in enumerate(walk.answers[:-1], start=1):
        for place, row in enumerate(answer["margin"]["current"]["per_position"]):
            stated = row["liquidation"]
            touched = float(MARKETS[place].lows[129 + day + 1]) <= float(stated["price"])
            scores.append((stated["touch_probability"] - touched) ** 2)
    found = orjson.loads(body)["touches"]
    assert found["brier"]["n"] == len(scores)
    assert value(found["brier"]) == pytest.approx(np.mean(scores), rel=1e-6)
    assert sum(item["n"] for item in found["bins"]) == len(scores)


def test_the_command_gives_the_same_bytes_from_the_file(recorded: tuple[Path, Walk, bytes]) -> None:
    folder, _, body = recorded
    found = run("scorecard", "--json", environment={"TRIMTAB_DATA_DIR": str(folder)})
    assert found.exit_code == 0 and found.stdout_bytes == body
    by_url = run("scorecard", "--json", "--db", f"sqlite:///{folder / 'trimtab.db'}")
    assert by_url.stdout_bytes == body


def test_an_export_gives_the_same_bytes_without_the_database(
    recorded: tuple[Path, Walk, bytes], tmp_path: Path
) -> None:
    folder, _, body = recorded
    history = tmp_path / "history"
    assert run("audit", "export", history, environment={"TRIMTAB_DATA_DIR": str(folder)}).exit_code == 0
    found = run("scorecard", "--json", "--export", history)
    assert found.exit_code == 0 and found.stdout_bytes == body
    both = run("scorecard", "--export", history, "--db", "sqlite:///x.db")
    assert both.exit_code == 2 and "--export" in both.output
    last = orjson.loads(body)["range"]["to"]
    beyond = run("scorecard", "--export", history, "--to", last + 1)
    assert beyond.exit_code != 0 and "--to" in beyond.output


async def test_entries_from_a_file_give_the_same_bytes(recorded: tuple[Path, Walk, bytes]) -> None:
    """An entry that was handed over says its index, kind, time and bytes, and nothing of the columns of a database."""
    folder, _, body = recorded
    async with open_container(Settings(data_dir=folder)) as container:
        entries = await container.tree.records(after=-1, limit=1_000)
    bare = [
        dataclasses.replace(entry, portfolio_id=None, client_reference=None, stored_bytes=0, body_length=0)
        for entry in entries
    ]
    assert score_entries([bare[:25], bare[25:]], ScorecardQuery(), 0, len(bare) - 1) == body
    one = ScorecardQuery(portfolio_id="desk")
    assert orjson.loads(score_entries([bare], one, 0, len(bare) - 1))["range"]["answers"] == len(bare)


def test_the_command_says_it_in_a_table_and_a_picture(recorded: tuple[Path, Walk, bytes], tmp_path: Path) -> None:
    folder, _, _ = recorded
    picture = tmp_path / "card.png"
    found = run("scorecard", "--plot", picture, environment={"TRIMTAB_DATA_DIR": str(folder), "COLUMNS": "160"})
    assert found.exit_code == 0, found.stderr
    assert "60 answers of 60 entries" in found.stdout and "nothing to judge" in found.stdout
    assert "not judged in forecasts: 2 outcome not on record" in found.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


async def test_the_range_fixes_the_bytes(recorded: tuple[Path, Walk, bytes], tmp_path: Path) -> None:
    """Later entries are outcomes, so without bounds the card moves; with the bounds it names it does not."""
    walk = Walk(MARKETS)
    async with client(tmp_path) as http:
        await walk.record(http, range(1, 31))
        before = (await http.get("/v1/scorecard")).json()
        await walk.record(http, range(31, 41))
        bounds = {"from": before["range"]["from"], "to": before["range"]["to"]}
        assert (await http.get("/v1/scorecard", params=bounds)).json() == before
        later = (await http.get("/v1/scorecard")).json()
        assert later["forecasts"]["qlike"]["n"] == 78 and before["forecasts"]["qlike"]["n"] == 58
        late = (await http.get("/v1/scorecard", params={"from": 30})).json()
        assert late["range"]["entries"] == 10 and late["forecasts"]["qlike"] == {
            "n": 18, "moments": 9, "value": None, "standard_error": None, "lags": 0, "reason": "too_few_moments",
        }  # fmt: skip


async def test_what_was_known_before_is_no_outcome(tmp_path: Path) -> None:
    """The last day is asked first: every later forecast had its outcome on record already, and proves nothing."""
    walk = Walk(MARKETS)
    async with client(tmp_path) as http:
        await walk.record(http, range(40, 41))
        await walk.record(http, range(5, 35))
        found = (await http.get("/v1/scorecard")).json()
        assert found["forecasts"]["qlike"]["n"] == found["tails"]["breach_rate"]["n"] == 0
        assert found["touches"]["brier"]["n"] == 0


async def test_observations_are_outcomes_too_and_repeats_count_once(tmp_path: Path) -> None:
    walk = Walk(MARKETS[:1])
    async with client(tmp_path) as http:
        for day in range(1, 26):
            request = walk.request(day)
            del request["series"]
            start = 1 - 60 if day == 1 else day
            bar = {"symbol": "AAA", "interval": "P1D", "calendar": "24/7"}
            rows = [{**bar, "close_time": moment(n), "close": MARKETS[0].close(n)} for n in range(start, day + 1)]
            assert (await http.post("/v1/observations", json={"observations": rows})).status_code == 200
            for _ in range(2):
                answer = await http.post("/v1/evaluations", json=request)
                assert answer.json()["targets"][0]["volatility"]["source"].startswith("state"), answer.text
        found = (await http.get("/v1/scorecard", params={"symbol": "AAA"})).json()
    assert (found["range"]["answers"], found["forecasts"]["repeated"]) == (50, 25)
    assert found["forecasts"]["qlike"]["n"] == found["forecasts"]["qlike_gain"]["n"] == 24
    assert found["tails"]["breach_rate"] | found["tracking"]["realized_to_target"] == {
        "n": 0, "moments": 0, "value": None, "standard_error": None, "lags": 0, "reason": "no_pairs",
    }  # fmt: skip
    assert found["touches"]["brier"]["n"] == 0, "closes alone do not watch a day"


async def test_hedges_are_judged_by_the_price_that_follows(tmp_path: Path) -> None:
    market, left, whole = MARKETS[0], 0.0, 0.0
    async with client(tmp_path) as http:
        for day in range(1, 26):
            request = Walk([market]).request(day)
            del request["signals"]
            quantity = f"{10 + day % 3:.6f}"
            request["positions"][0] |= {"quantity": quantity}
            trigger = {"method": "threshold", "instrument": "AAA", "max_delta": 2.0, "target": "edge"}
            answer = await http.post("/v1/hedges", json=request | {"policy": {"hedging": trigger}})
            if answer.status_code == 422:
                trigger.pop("target")
                answer = await http.post("/v1/hedges", json=request | {"policy": {"hedging": trigger}})
            (row,) = answer.json()["hedges"]
            if day < 25:
                move = market.close(day + 1) / market.close(day) - 1.0
                whole += (row["delta_before"] * market.close(day) * move) ** 2
                left += (row["delta_after"] * market.close(day) * move) ** 2
        found = (await http.get("/v1/scorecard", params={"portfolio_id": "desk"})).json()
        other = (await http.get("/v1/scorecard", params={"portfolio_id": "other"})).json()
    assert found["hedges"]["residual_variance"]["n"] == 24
    assert value(found["hedges"]["residual_variance"]) == pytest.approx(left / whole, rel=1e-6, abs=1e-12)
    assert other["range"]["answers"] == 0 and other["hedges"]["residual_variance"]["reason"] == "no_pairs"


async def test_executions_are_a_share_of_what_was_ordered(tmp_path: Path) -> None:
    """Half of each order is filled; a portfolio that reports nothing is not judged."""
    async with running(tmp_path) as live:
        await live.observe(["AAA"], count=80)
        await live.register()
        for number in range(1, 4):
            position = {"symbol": "AAA", "quantity": str(100 + number), "mark_price": "100"}
            await live.snapshot(number, positions=[position])
            (order,) = (await live.published())["orders"]
            if number < 3:
                fill = {
                    "trade_id": f"t{number}",
                    "client_order_id": order["client_order_id"],
                    "side": order["side"],
                    "quantity": f"{float(order['quantity']) / 2:.6f}",
                    "price": "100",
                    "executed_at": live.clock.time.isoformat(),
                }
                live.answer(await live.http.post("/v1/portfolios/desk/executions", json={"fills": [fill]}))
            live.clock.move(days=1.5)
            await live.observe(["AAA"], end=datetime.fromisoformat(moment(0)).replace(2026, 11, 20 + number))
        found = (await live.http.get("/v1/scorecard")).json()["tracking"]["executed_share"]
    assert found["reason"] == "too_few_moments" and found["n"] >= 2


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"from": "5", "to": "4"}, "query:"),
        ({"from": "7"}, "query:from"),
        ({"to": "1"}, "query:to"),
        ({"from": "-1"}, "query:from"),
        ({"from": "1.5"}, "query:from"),
        ({"symbol": "a b"}, "query:symbol"),
        ({"since": "1"}, "query:since"),
    ],
)
async def test_bad_bounds_are_named(tmp_path: Path, query: dict[str, str], place: str) -> None:
    async with client(tmp_path) as http:
        await Walk(MARKETS[:1]).record(http, range(1, 2))
        answer = await http.get("/v1/scorecard", params=query)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"].startswith(place)


async def test_an_empty_log_and_another_tenant_have_nothing(recorded: tuple[Path, Walk, bytes], tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        empty = (await http.get("/v1/scorecard")).json()
    assert empty["range"] | {"unread": 0} == {
        "from": 0, "to": None, "entries": 0, "answers": 0, "historical": 0,
        "first_recorded_at": None, "last_recorded_at": None, "unread": 0,
    }  # fmt: skip
    async with open_container(Settings(data_dir=recorded[0])) as container:
        other = orjson.loads((await read_scorecard(container.of("other"), ScorecardQuery())).body)
    assert other["range"]["entries"] == other["forecasts"]["qlike"]["n"] == 0


async def test_a_call_reads_no_more_than_its_limit(
    recorded: tuple[Path, Walk, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.usecases.scorecard.MAX_SCORECARD_ENTRIES", 50)
    async with client(recorded[0]) as http:
        newest = (await http.get("/v1/scorecard")).json()["range"]
        assert (newest["from"], newest["to"], newest["entries"]) == (10, 59, 50)
        refused = await http.get("/v1/scorecard", params={"from": 9})
        assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == "query:from"
        monkeypatch.setattr("app.usecases.scorecard.MAX_SCORECARD_BYTES", 10_000)
        assert (await http.get("/v1/scorecard")).status_code == 422
